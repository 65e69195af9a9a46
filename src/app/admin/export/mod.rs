//! Everything that is held of a user, written down (CONTRACT 9): as one JSON document, a part at a time, so that it takes no
//! more memory for somebody of whom there is much. By a call over HTTP and on the command line alike.
//!
//! What is left out: secrets, which would help nobody but whoever finds the file (hashes of passwords and tokens), and what
//! is held of others. What a keyed hash stands for can't be told from it.

mod shape;

use std::sync::Arc;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{SealedId, SessionId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_projections::table::{self, Cursor, Sealed};
use chrysalis_projections::users::{self, UserRow};
use chrysalis_projections::{Question, accounts, audit, invitations, members, sessions};
use serde::Serialize;
use ulid::Ulid;

pub use shape::UserExport;
use shape::{Account, Invitation, Membership, Profile, Record, Session};

use super::gone;
use crate::app::acting::Acting;
use crate::app::audit::Trail;
use crate::app::audit::form::DeedRow;
use crate::app::audit::pages::{Filter, Page, Toward};
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller, Refusal, view};
use crate::keys::{Keyring, PersonSealer, SealKind};
use crate::log::cqrs::{Ask, Concurrency, Step, execute};
use crate::log::{Log, LogFault, ask, ask_one};
use crate::wire::json_time::JsonTime;

/// Rows of a part.
const PAGE: i64 = 500;

/// A document on its way.
pub struct Export {
    log: Arc<dyn Log>,
    keyring: Arc<Keyring>,
    user: UserRow,
    sealer: PersonSealer,
    at: Timestamp,
    next: Part,
    /// The list at hand has rows.
    begun: bool,
}

/// Some rows of a list, as JSON.
struct Stretch {
    list: &'static str,
    rows: Vec<String>,
    first: bool,
    last: bool,
    next: Part,
}

/// What comes next.
enum Part {
    Beginning,
    Sessions(SessionId),
    Records(SealedId),
    Trail(Side, Toward),
    End,
    Nothing,
}

/// Deeds that are about the user, and those that the user did to others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    About,
    By,
}

/// `?1` = person id, `?2` = a record's id, `?3` = how many. What is sealed for a person, behind that record.
static OF_PERSON: Question<(Sealed, String)> = Question {
    sql: "SELECT s.sealed_id, s.ciphertext, s.kind FROM sealed s
          WHERE s.person_id = ?1 AND s.sealed_id > ?2 ORDER BY s.sealed_id LIMIT ?3",
    read: |row| {
        let mut c = Cursor::new(row);
        Some((c.sealed()?, c.text()?))
    },
};

impl Export {
    /// Says in the log that it is given away: who asked for it stands beside the event. Nothing is given where that can't be
    /// said.
    ///
    /// # Errors
    /// [`Refusal::UserUnknown`] where nobody has that id, or no more.
    pub async fn record(acting: &Acting<'_>, user: UserId) -> Result<(), AppError> {
        let step = Step::User(user, Concurrency::Any, UserCommand::RecordExport);
        let ask = Ask::new(acting.context.clone(), acting.at).then(step).whatever_the_settings();
        execute(acting.log, acting.entropy, ask).await.map(|_| ()).map_err(gone)
    }

    /// # Errors
    /// [`Refusal::UserUnknown`] where nobody has that id, or no more.
    pub async fn begin(
        log: Arc<dyn Log>,
        keyring: Arc<Keyring>,
        user: UserId,
        at: Timestamp,
    ) -> Result<Self, AppError> {
        let user = ask_one(log.as_ref(), &users::BY_ID, &[table::id(user)]).await?.ok_or(Refusal::UserUnknown)?;
        // Erased between one look and the next.
        let sealer = PersonSealer::open(&keyring, user.person, user.key.as_ref())?.ok_or(Refusal::UserUnknown)?;
        Ok(Self { log, keyring, user, sealer, at, next: Part::Beginning, begun: false })
    }

    /// The next part of the text; none behind the last one.
    pub async fn part(&mut self) -> Result<Option<String>, AppError> {
        let stretch = match std::mem::replace(&mut self.next, Part::Nothing) {
            Part::Beginning => {
                self.next = Part::Sessions(SessionId::from_ulid(Ulid::nil()));
                return self.beginning().await.map(Some);
            }
            Part::Sessions(behind) => self.sessions(behind).await?,
            Part::Records(behind) => self.records(behind).await?,
            Part::Trail(side, toward) => self.trail(side, toward).await?,
            Part::End => {
                self.still_there().await?;
                return Ok(Some("}\n".to_owned()));
            }
            Part::Nothing => return Ok(None),
        };
        let text = self.write(&stretch);
        self.next = stretch.next;
        Ok(Some(text))
    }

    /// Of whoever was erased meanwhile lists end early, which must not look like all there was.
    async fn still_there(&self) -> Result<(), AppError> {
        let user = ask_one(self.log.as_ref(), &users::BY_ID, &[table::id(self.user.user)]).await?;
        user.map(|_| ()).ok_or_else(|| Refusal::UserUnknown.into())
    }

    /// A stretch of a list, with what stands around it.
    fn write(&mut self, stretch: &Stretch) -> String {
        let mut text = String::new();
        if stretch.first {
            text += &format!(",\"{}\":[", stretch.list);
            self.begun = false;
        }
        for row in &stretch.rows {
            if std::mem::replace(&mut self.begun, true) {
                text.push(',');
            }
            text += row;
        }
        if stretch.last {
            text.push(']');
        }
        text
    }

    async fn beginning(&self) -> Result<String, AppError> {
        let user = table::id(self.user.user);
        let profile = Profile::from(view::user(&self.user, Some(&self.sealer), self.at));
        let accounts = ask(self.log.as_ref(), &accounts::OF_USER, std::slice::from_ref(&user)).await?;
        let accounts: Vec<_> = accounts.into_iter().map(|row| self.account(row)).collect();
        let memberships = ask(self.log.as_ref(), &members::OF_USER, std::slice::from_ref(&user)).await?;
        let memberships: Vec<Membership> = memberships.into_iter().map(Into::into).collect();
        let invited = ask(self.log.as_ref(), &invitations::OF_USER, std::slice::from_ref(&user)).await?;
        let invited: Vec<Invitation> = invited.into_iter().map(|row| Invitation::of(row, self.at)).collect();
        Ok(format!(
            "{{\"exportedAt\":{},\"personId\":{},\"user\":{},\"accounts\":{},\"memberships\":{},\"invitations\":{}",
            json(&JsonTime(self.at))?,
            json(&self.user.person.to_string())?,
            json(&profile)?,
            json(&accounts)?,
            json(&memberships)?,
            json(&invited)?,
        ))
    }

    fn account(&self, row: accounts::AccountRow) -> Account {
        let subject = row.subject.as_ref().and_then(|sealed| self.sealer.shown(SealKind::Subject, sealed));
        Account::of(row, subject)
    }

    /// Those that ended too.
    async fn sessions(&self, behind: SessionId) -> Result<Stretch, AppError> {
        let parameters = [table::id(self.user.user), table::id(behind), PAGE.into()];
        let rows = ask(self.log.as_ref(), &sessions::OF_USER, &parameters).await?;
        let last = rows.last().map(|row| row.session).filter(|_| rows.len() as i64 == PAGE);
        let write =
            |row: &sessions::SessionRow| json(&Session::of(view::session(row, Some(&self.sealer)), row.ended_at));
        Ok(Stretch {
            list: "sessions",
            rows: rows.iter().map(write).collect::<Result<_, _>>()?,
            first: behind.ulid() == Ulid::nil(),
            last: last.is_none(),
            next: last.map_or(Part::Records(SealedId::from_ulid(Ulid::nil())), Part::Sessions),
        })
    }

    /// All that was ever said of them, in the words of then.
    async fn records(&self, behind: SealedId) -> Result<Stretch, AppError> {
        let parameters = [table::id(self.user.person), table::id(behind), PAGE.into()];
        let rows = ask(self.log.as_ref(), &OF_PERSON, &parameters).await?;
        let last = rows.last().map(|(sealed, _)| sealed.id).filter(|_| rows.len() as i64 == PAGE);
        let write = |(sealed, kind): &(Sealed, String)| {
            // Of a kind that this program does not know it says no more than that.
            let known = SealKind::from_name(kind);
            let text = known.and_then(|known| self.sealer.shown(known, sealed));
            json(&Record::of(sealed.id, kind, known, text))
        };
        Ok(Stretch {
            list: "records",
            rows: rows.iter().map(write).collect::<Result<_, LogFault>>()?,
            first: behind.ulid() == Ulid::nil(),
            last: last.is_none(),
            next: last.map_or(Part::Trail(Side::About, Toward::OLDEST), Part::Records),
        })
    }

    async fn trail(&self, side: Side, toward: Toward) -> Result<Stretch, AppError> {
        let user = self.user.user.to_string();
        let (list, filter) = match side {
            Side::About => ("auditLog", Filter { target: Some(user.clone()), ..Filter::default() }),
            Side::By => ("actions", Filter { actor: Some(user.clone()), ..Filter::default() }),
        };
        let trail = Trail { log: self.log.as_ref(), keyring: &self.keyring };
        let Page { mut rows, on } = trail.page(&filter, toward, PAGE as usize).await?;
        if side == Side::By {
            // Those about the user are told already.
            rows.retain(|row: &audit::AuditRow| row.target.iter().chain(&row.also).all(|target| target.id != user));
        }
        let deeds = trail.open(rows).await?.into_iter().map(|deed| json(&DeedRow::from(deed)));
        let next = match (on, side) {
            (Some(on), side) => Part::Trail(side, Toward::newer_than(on)),
            (None, Side::About) => Part::Trail(Side::By, Toward::OLDEST),
            (None, Side::By) => Part::End,
        };
        let (first, last) = (toward == Toward::OLDEST, on.is_none());
        Ok(Stretch { list, rows: deeds.collect::<Result<_, _>>()?, first, last, next })
    }
}

impl App {
    pub async fn export_user(&self, caller: &Caller, authority: &Authority, user: UserId) -> Result<Export, AppError> {
        Export::record(&self.acting(caller, authority), user).await?;
        // What was done just now is told, too: this as well.
        self.trail().wait().await?;
        Export::begin(self.log.clone(), self.keyring.clone(), user, caller.at).await
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, LogFault> {
    serde_json::to_string(value).map_err(|error| LogFault::Bug(error.to_string()))
}
