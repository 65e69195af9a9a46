//! What an app adds to the trail: that something was done in it. An event like any other, in a stream of its own; the names
//! and words in it are sealed, under the key of somebody whom it is about where there is one.

use chrysalis_domain::event::{Event, Subject};
use chrysalis_domain::id::{EventId, NoteId, PersonId, UserId};
use chrysalis_domain::note::{ActorType, NoteTarget, Noted};
use chrysalis_domain::value::{Label, Word};
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::audit;

use super::open::{Said, Seen};
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller};
use crate::keys::{PersonSealer, SealKind};
use crate::log::{AppendError, Expected, Group, Idempotency, LogFault, PersonKey, Position, Refused, read_entry};

/// How long a repeated idempotency key finds what was noted with it.
const REMEMBERED: Span = Span::from_days(1);

/// What is to be noted.
#[derive(Clone, Debug)]
pub struct NewNote {
    pub action: Word,
    pub actor_type: ActorType,
    pub actor: Option<Label>,
    pub targets: Vec<NoteTarget>,
    pub organization: Option<Label>,
    pub idempotency_key: Option<Label>,
    pub occurred_at: Option<Timestamp>,
    pub said: Said,
}

impl App {
    /// Notes it, once for each idempotency key of whoever notes it; answers as the trail shows it.
    pub async fn note(&self, caller: &Caller, authority: &Authority, new: NewNote) -> Result<Seen, AppError> {
        let (person, sealer, key) = self.whom_it_is_about(caller, &new).await?;
        let said = serde_json::to_string(&new.said).map_err(|error| LogFault::Bug(error.to_string()))?;
        let details = sealer.seal(SealKind::Details, &said, self.entropy.as_ref(), caller.at);
        let noted = Noted {
            action: new.action,
            actor_type: new.actor_type,
            actor: new.actor,
            targets: new.targets,
            organization: new.organization,
            idempotency_key: new.idempotency_key.clone(),
            person,
            details: details.id,
            occurred_at: new.occurred_at.unwrap_or(caller.at),
            at: caller.at,
        };
        let actor = authority.actor();
        let whose = actor.id.clone().unwrap_or_default();
        let mut group = Group::new(self.asking(caller, actor).context);
        group.sealed = vec![details];
        group.person_keys = key.into_iter().collect();
        group.idempotency = new.idempotency_key.map(|key| {
            let hash = self.keyring.lookup("idempotency/note", &[whose.as_bytes(), key.as_str().as_bytes()]).hash;
            Idempotency { key: hash.to_vec(), note: Vec::new(), keep: REMEMBERED }
        });
        let note = NoteId::from_ulid(self.fresh(caller.at));
        let event = Event::Note(note, noted.into());
        let fresh = || EventId::from_ulid(self.fresh(caller.at));
        group.append(Subject::Note(note), Expected::NoStream, &[event], caller.at, fresh)?;
        let position = match self.log.append(group).await {
            Ok(appended) => appended.first,
            Err(AppendError::Refused(Refused::Repeated { first, .. })) => first,
            Err(error) => return Err(error.into()),
        };
        self.noted(position).await
    }

    /// Somebody known to whom it was done, or who did it; else a key that seals nothing else.
    async fn whom_it_is_about(
        &self,
        caller: &Caller,
        new: &NewNote,
    ) -> Result<(PersonId, PersonSealer, Option<PersonKey>), AppError> {
        let named = new.targets.iter().map(|target| &target.id).chain(&new.actor);
        for user in named.filter_map(|id| id.as_str().parse::<UserId>().ok()) {
            if let Some(row) = self.user_row(user).await? {
                return Ok((row.person, self.sealer(&row)?, None));
            }
        }
        let person = PersonId::from_ulid(self.fresh(caller.at));
        let (sealer, key) = PersonSealer::create(&self.keyring, person, self.entropy.as_ref())?;
        Ok((person, sealer, Some(key)))
    }

    /// A note as it stands in the log: the trail may not have it yet.
    async fn noted(&self, position: Position) -> Result<Seen, AppError> {
        let missing = || LogFault::Damaged(format!("there is no note at position {position}"));
        let recorded = self.log.read_all(position - 1, 1).await?.pop().ok_or_else(missing)?;
        let entry = read_entry(recorded)?.ok_or_else(missing)?;
        let (row, _) = audit::rows(&entry).pop().ok_or_else(missing)?;
        Ok(self.trail().open(vec![row]).await?.pop().ok_or_else(missing)?)
    }
}
