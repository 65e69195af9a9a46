//! Who is calling: from a presented token to a live session, and the traces that presenting it leaves.

use chrysalis_domain::Timestamp;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Carrier;
use chrysalis_projections::Value;
use chrysalis_projections::sessions::{self, SessionRow};
use subtle::ConstantTimeEq;

use super::{App, AppError, Caller};
use crate::keys::SessionToken;
use crate::log::cqrs::{Concurrency, Step};
use crate::log::{Actor, LogFault, ask};

/// A session that was presented, and how.
#[derive(Clone, Debug)]
pub struct Presented {
    pub row: SessionRow,
    pub carrier: Carrier,
    /// The token as it was presented.
    pub token: String,
    /// The call made the session's life longer: its cookie has to be sent again.
    pub extended: bool,
}

impl Presented {
    /// A session that nobody presented: it is acted on in its owner's name, from elsewhere.
    pub(super) fn elsewhere(row: SessionRow) -> Self {
        Self { row, carrier: Carrier::Bearer, token: String::new(), extended: false }
    }

    pub fn is_guest(&self) -> bool {
        self.row.user.standing.is_guest()
    }

    pub fn actor(&self) -> Actor {
        Actor::user(self.row.user.user).by(self.row.session)
    }
}

/// What a token leads to.
#[derive(Clone, Debug)]
pub enum Identity {
    Live(Presented),
    /// The token was rotated away a moment ago: it may still read.
    Superseded(Presented),
    /// The session is past its time; its user still exists.
    Expired(Presented),
    /// The session was ended.
    Ended,
    Unknown,
}

impl App {
    /// Looks a token up. Tells nothing by its timing: the locator is no secret, the rest is compared by hash in
    /// constant time.
    pub async fn identify(&self, token: &str, carrier: Carrier, now: Timestamp) -> Result<Identity, LogFault> {
        let Some(parsed) = SessionToken::parse(token) else { return Ok(Identity::Unknown) };
        let (hash, locator) = (parsed.hash(), [Value::Text(parsed.locator_str().to_owned())]);
        let same = |stored: &[u8]| bool::from(stored.ct_eq(&hash.0));
        let found = ask(self.log.as_ref(), &sessions::BY_LOCATOR, &locator).await?;
        let presented = |row| Presented { row, carrier, token: token.to_owned(), extended: false };
        if let Some(row) = found.into_iter().find(|row| same(&row.token_hash)) {
            return Ok(match &row {
                row if row.ended_at.is_some() => Identity::Ended,
                row if row.expires_at <= now => Identity::Expired(presented(row.clone())),
                _ => Identity::Live(presented(row)),
            });
        }
        let found = ask(self.log.as_ref(), &sessions::BY_PREVIOUS_LOCATOR, &locator).await?;
        let row = found.into_iter().find(|row| row.previous_hash.as_deref().is_some_and(same));
        let readable =
            row.filter(|row| row.previous_until > Some(now) && row.ended_at.is_none() && row.expires_at > now);
        Ok(readable.map_or(Identity::Unknown, |row| Identity::Superseded(presented(row))))
    }

    /// Notes that the session was used, and lets it live on, where either is due. A log that is down does not stop the
    /// call: it is answered, and clean-up pauses with the log.
    pub async fn touch(&self, presented: &mut Presented, caller: &Caller, extend: bool) {
        if self.activity_due(presented, caller.at) {
            let command = UserCommand::RecordActivity {
                session: presented.row.session,
                carrier: presented.carrier,
                granularity: self.config.sessions.activity_granularity,
            };
            let user = presented.row.user.user;
            let ask = self.asking(caller, presented.actor()).then(Step::User(user, Concurrency::Any, command));
            match self.execute(ask).await {
                Ok(_) => presented.row.by_cookie |= presented.carrier == Carrier::Cookie,
                Err(error) => tracing::warn!(%error, "an activity was not recorded"),
            }
        }
        if let Some(expires_at) = self.extension(&presented.row, caller.at).filter(|_| extend) {
            let command = UserCommand::ExtendSession { session: presented.row.session, expires_at };
            let ask = self.ask(caller, presented.actor(), presented.row.user.user, command);
            match self.execute(ask).await {
                Ok(_) => {
                    presented.row.expires_at = expires_at;
                    presented.row.updated_at = caller.at;
                    presented.extended = true;
                }
                Err(error) => tracing::warn!(%error, "a session was not extended"),
            }
        }
    }

    fn activity_due(&self, presented: &Presented, now: Timestamp) -> bool {
        let row = &presented.row;
        let hourly = now.since(row.last_seen_at) >= self.config.sessions.activity_granularity;
        let first_cookie = presented.carrier == Carrier::Cookie && !row.by_cookie;
        let first_of_a_replayable = row.replayable_until.is_some() && !row.presented;
        hourly || first_cookie || first_of_a_replayable
    }

    /// The new end of a sliding session, once its last extension is old enough.
    fn extension(&self, row: &SessionRow, now: Timestamp) -> Option<Timestamp> {
        let sessions = &self.config.sessions;
        if !row.remembered {
            return None;
        }
        let extended_at = row.expires_at - sessions.lifetime;
        let mut expires_at = now + sessions.lifetime;
        if let Some(absolute) = sessions.absolute_max {
            expires_at = expires_at.min(row.created_at + absolute);
        }
        (now.since(extended_at) >= sessions.refresh_after && expires_at > row.expires_at).then_some(expires_at)
    }

    /// A session as it stands now, after a command changed it.
    pub async fn session_row(&self, session: chrysalis_domain::id::SessionId) -> Result<Option<SessionRow>, AppError> {
        Ok(crate::log::ask_one(self.log.as_ref(), &sessions::BY_ID, &[chrysalis_projections::table::id(session)])
            .await?)
    }
}
