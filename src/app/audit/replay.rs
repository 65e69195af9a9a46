//! A user as they were at a time, and how they came to be so: folded anew from the events of their stream by the domain's own
//! fold, never from rows, and never from a state that was stored.
//!
//! A time is the log's own: what was recorded at it or before counts, whatever a decision's clock said. It never falls, so
//! what is asked of a time that is over is answered alike for ever, but for what was erased since.

use std::collections::BTreeSet;

use chrysalis_domain::id::{ProjectId, SealedId, UserId};
use chrysalis_domain::user::User;
use chrysalis_domain::{Event, Subject, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Trail;
use super::explain::{Told, explain, explain_keys};
use super::open::field;
use super::state::UserThen;
use crate::log::{LogFault, Position, Recorded, StreamId, Version, read_event, times};
use crate::wire::json_time::JsonTime;

/// Events that are held at a time.
const PAGE: usize = 512;

/// What is asked about a user.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub at: Timestamp,
    /// Steps behind this version; all of them, where it is 0.
    pub after: Version,
    /// So many steps at the most.
    pub limit: usize,
}

/// A user at a time, and a page of what made them so.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Replayed {
    #[serde(flatten)]
    pub then: Then,
    pub timeline: Vec<StepRow>,
    /// What to ask for as `after`; null where the timeline ends.
    pub next: Option<Version>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Then {
    #[schema(value_type = String)]
    user_id: UserId,
    /// By the log's own time: what was recorded then or before counts.
    at: JsonTime,
    /// Position and version of the last event that counts; 0 where none does.
    position: Position,
    version: Version,
    /// Null where there was no such user yet.
    state: Option<UserThen>,
}

/// An event of a user's, explained.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRow {
    pub version: Version,
    position: Position,
    #[schema(example = "evt_01JD8M4Z5T0123456789ABCDEF")]
    id: String,
    #[serde(rename = "type")]
    #[schema(example = "GuestUpgraded")]
    event_type: String,
    pub recorded_at: JsonTime,
    occurred_at: JsonTime,
    actor: ActorRow,
    request_id: Option<String>,
    /// The event that this one follows from.
    cause: Option<String>,
    settings_version: u64,
    /// What happened, in a sentence that holds nothing personal.
    #[schema(example = "The guest became a member by password.")]
    pub text: String,
    /// What was sealed with it, by name; null once nothing of it is left.
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
    /// What stood there before.
    #[schema(value_type = Object)]
    pub before: Map<String, Value>,
}

/// An event of the keyring's, explained.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStep {
    pub recorded_at: JsonTime,
    pub text: String,
}

/// Who decided.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ActorRow {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    /// The session or key through which they acted.
    by: Option<String>,
    impersonator: Option<String>,
}

impl Trail<'_> {
    /// Nothing where there never was such a user.
    pub async fn replay(&self, user: UserId, asked: Asked) -> Result<Option<Replayed>, LogFault> {
        let upto = times::upto(self.log, asked.at).await?;
        let Some(Folded { state, created_at, version, position, steps, next }) = self.fold(user, upto, asked).await?
        else {
            return Ok(None);
        };
        let state = match created_at {
            Some(created_at) => Some(self.then(user, state, created_at, asked.at).await?),
            None => None,
        };
        let then = Then { user_id: user, at: asked.at.into(), position, version, state };
        Ok(Some(Replayed { then, timeline: self.open_steps(steps).await?, next }))
    }

    /// What became of the installation's keys up to a time, oldest first. There are few of these events.
    pub async fn keys(&self, at: Timestamp) -> Result<Vec<KeyStep>, LogFault> {
        let (upto, stream) = (times::upto(self.log, at).await?, StreamId::of(Subject::Keyring(ProjectId::DEFAULT)));
        let (mut steps, mut read) = (Vec::new(), 0);
        loop {
            let page = self.log.read_stream(&stream, read, PAGE).await?;
            let short = page.len() < PAGE;
            for recorded in page {
                if recorded.position > upto {
                    return Ok(steps);
                }
                read = recorded.version;
                if let Some(Event::Keyring(_, event)) = read_event(&recorded)? {
                    steps.push(KeyStep { recorded_at: recorded.recorded_at.into(), text: explain_keys(&event) });
                }
            }
            if short {
                return Ok(steps);
            }
        }
    }

    async fn fold(&self, user: UserId, upto: Position, asked: Asked) -> Result<Option<Folded>, LogFault> {
        let stream = StreamId::user(user);
        let (mut folded, mut read) = (Folded::default(), 0);
        loop {
            let page = self.log.read_stream(&stream, read, PAGE).await?;
            let Some(last) = page.last() else { return Ok((read > 0).then_some(folded)) };
            read = last.version;
            let short = page.len() < PAGE;
            for recorded in page {
                if recorded.position > upto {
                    return Ok(Some(folded));
                }
                folded.take(recorded, asked)?;
            }
            if short {
                return Ok(Some(folded));
            }
            // Reading may take this thread; others have their turn in between.
            tokio::task::yield_now().await;
        }
    }

    async fn open_steps(&self, steps: Vec<(Recorded, Told)>) -> Result<Vec<StepRow>, LogFault> {
        let named = steps.iter().flat_map(|(_, told)| told.sealed.iter().chain(&told.before));
        let named: BTreeSet<SealedId> = named.map(|(_, record)| *record).collect();
        let records = self.records(&named.into_iter().collect::<Vec<_>>()).await?;
        let open = |sealed: Vec<(&'static str, SealedId)>| {
            let opened = sealed.into_iter().map(|(name, id)| (name.to_owned(), field(name, records.get(&id))));
            opened.collect::<Map<_, _>>()
        };
        let row = |(event, told): (Recorded, Told)| StepRow {
            version: event.version,
            position: event.position,
            id: event.event_id,
            event_type: event.event_type,
            recorded_at: event.recorded_at.into(),
            occurred_at: event.occurred_at.into(),
            actor: ActorRow {
                kind: event.actor_type,
                id: event.actor_id,
                by: event.actor_by,
                impersonator: event.impersonator,
            },
            request_id: event.request_id,
            cause: event.cause,
            settings_version: event.settings_version,
            text: told.text,
            values: open(told.sealed),
            before: open(told.before),
        };
        Ok(steps.into_iter().map(row).collect())
    }
}

/// What the events of a stream came to.
#[derive(Default)]
struct Folded {
    state: User,
    created_at: Option<Timestamp>,
    version: Version,
    position: Position,
    steps: Vec<(Recorded, Told)>,
    next: Option<Version>,
}

impl Folded {
    fn take(&mut self, recorded: Recorded, asked: Asked) -> Result<(), LogFault> {
        (self.version, self.position) = (recorded.version, recorded.position);
        self.created_at.get_or_insert(recorded.occurred_at);
        let Some(Event::User(_, event)) = read_event(&recorded)? else { return Ok(()) };
        self.state.apply(&event);
        if recorded.version > asked.after {
            match self.steps.last() {
                Some((last, _)) if self.steps.len() >= asked.limit => self.next = Some(last.version),
                _ => self.steps.push((recorded, explain(&event))),
            }
        }
        Ok(())
    }
}
