//! Who is calling: from a presented token to a live session, and the traces that presenting it leaves.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::{Standing, UserCommand};
use chrysalis_domain::value::Carrier;
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::Value;
use chrysalis_projections::sessions::{self, SessionRow};
use subtle::ConstantTimeEq;

use super::unrecorded::may_be_noted_later;
use super::{App, AppError, Caller};
use crate::keys::SessionToken;
use crate::log::cqrs::{Concurrency, ExecuteError, Step};
use crate::log::{Actor, AppendError, LogFault, ask};
use crate::outage;
use crate::settings::Effective;

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

    /// Whoever presented it acts as the user, and is not them.
    pub fn is_impersonated(&self) -> bool {
        self.row.impersonation.is_some()
    }

    pub fn actor(&self) -> Actor {
        let impersonator = self.row.impersonation.map(|impersonation| impersonation.by.to_string());
        Actor { impersonator, ..Actor::user(self.row.user.user).by(self.row.session) }
    }

    /// The user who shows a proof: in the session that comes along, where it is theirs.
    pub fn acting_as(user: UserId, presented: Option<&Presented>) -> Actor {
        let own = presented.filter(|presented| presented.row.user.user == user);
        own.map_or_else(|| Actor::user(user), Presented::actor)
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
    pub async fn identify(&self, caller: &Caller, token: &str, carrier: Carrier) -> Result<Identity, LogFault> {
        let now = caller.at;
        let Some(parsed) = SessionToken::parse(token) else { return Ok(Identity::Unknown) };
        let (hash, locator) = (parsed.hash(), [Value::Text(parsed.locator_str().to_owned())]);
        let same = |stored: &[u8]| bool::from(stored.ct_eq(&hash.0));
        let found = ask(self.log.as_ref(), &sessions::BY_LOCATOR, &locator).await?;
        let presented = |row| Presented { row, carrier, token: token.to_owned(), extended: false };
        if let Some(row) = found.into_iter().find(|row| same(&row.token_hash)) {
            let row = self.bound_by(&caller.settings, row);
            if let Some(impersonation) = row.impersonation
                && !self.impersonation_holds(impersonation, now).await?
            {
                return Ok(Identity::Ended);
            }
            return Ok(match &row {
                // What took its user out of use can be undone: whoever has the token keeps it for then.
                row if row.user.standing == Standing::Disabled => Identity::Unknown,
                row if row.ended_at.is_some() => Identity::Ended,
                row if row.expires_at <= now => Identity::Expired(presented(row.clone())),
                _ => Identity::Live(presented(row)),
            });
        }
        let found = ask(self.log.as_ref(), &sessions::BY_PREVIOUS_LOCATOR, &locator).await?;
        let row = found.into_iter().find(|row| row.previous_hash.as_deref().is_some_and(same));
        let row = row.map(|row| self.bound_by(&caller.settings, row));
        let readable =
            row.filter(|row| row.previous_until > Some(now) && row.ended_at.is_none() && row.expires_at > now);
        Ok(readable.map_or(Identity::Unknown, |row| Identity::Superseded(presented(row))))
    }

    /// Notes that the session was used, and lets it live on, where either is due. A log that is down does not stop the
    /// call: it is answered, and clean-up pauses with the log. That it was used is noted once the log is back.
    ///
    /// `false`: the session has ended since it was looked up. So a guest who is told that it is there was here before any
    /// clean-up took it, and none takes it now (CONTRACT 2.7): of the two, the one that is stored first has happened.
    #[must_use]
    pub async fn touch(&self, presented: &mut Presented, caller: &Caller, extend: bool) -> bool {
        // Who acts as the user is not the user.
        if presented.is_impersonated() {
            return true;
        }
        if self.activity_due(presented, caller.at) {
            let command = UserCommand::RecordActivity {
                session: presented.row.session,
                carrier: presented.carrier,
                granularity: self.config.sessions.activity_granularity,
            };
            let user = presented.row.user.user;
            // Of a member it holds whatever happened meanwhile.
            let concurrency = if presented.is_guest() { Concurrency::Exact } else { Concurrency::Any };
            let ask = self.asking(caller, presented.actor()).then(Step::User(user, concurrency, command));
            let ask = ask.whatever_the_settings();
            match self.execute(ask).await {
                Ok(_) => presented.row.by_cookie |= presented.carrier == Carrier::Cookie,
                Err(ExecuteError::Refused(_)) => return false,
                Err(error) => {
                    tell_unstored(&error, "an activity was not recorded");
                    if may_be_noted_later(&error) {
                        self.unrecorded.keep(presented, caller);
                    }
                }
            }
        }
        // By settings that changed a moment ago it is not stored, and the next call does it.
        if let Some(expires_at) = self.extension(caller, &presented.row).filter(|_| extend) {
            let command = UserCommand::ExtendSession { session: presented.row.session, expires_at };
            let ask = self.ask(caller, presented.actor(), presented.row.user.user, command);
            match self.execute(ask).await {
                Ok(_) => {
                    presented.row.expires_at = expires_at;
                    presented.row.updated_at = caller.at;
                    presented.extended = true;
                }
                Err(error) => tell_unstored(&error, "a session was not extended"),
            }
        }
        true
    }

    fn activity_due(&self, presented: &Presented, now: Timestamp) -> bool {
        let row = &presented.row;
        let hourly = now.since(row.last_seen_at) >= self.config.sessions.activity_granularity;
        let first_cookie = presented.carrier == Carrier::Cookie && !row.by_cookie;
        let first_of_a_replayable = row.replayable_until.is_some() && !row.presented;
        hourly || first_cookie || first_of_a_replayable
    }

    /// The new end of a sliding session, once its last extension is old enough.
    fn extension(&self, caller: &Caller, row: &SessionRow) -> Option<Timestamp> {
        let (sessions, configured) = (&caller.settings.sessions, &self.config.sessions);
        if !row.remembered {
            return None;
        }
        let timeout = sessions.inactivity_timeout;
        // Where sessions may idle for less than was configured, they are extended as much earlier.
        let share = configured.refresh_after.as_millis().saturating_mul(timeout.as_millis());
        let refresh_after =
            Span::from_millis(share / configured.lifetime.as_millis().max(1)).min(configured.refresh_after);
        let extended_at = row.expires_at - timeout;
        let mut expires_at = caller.at + timeout;
        if let Some(longest) = sessions.max_length {
            expires_at = expires_at.min(row.created_at + longest);
        }
        (caller.at.since(extended_at) >= refresh_after && expires_at > row.expires_at).then_some(expires_at)
    }

    /// A session that was begun or extended by other settings ends by those that hold now, if that is sooner. When it was last
    /// used is known to the hour: none ends early.
    pub fn bound_by(&self, settings: &Effective, mut row: SessionRow) -> SessionRow {
        let sessions = &settings.sessions;
        if let Some(longest) = sessions.max_length {
            row.expires_at = row.expires_at.min(row.created_at + longest);
        }
        if row.remembered {
            let known_to = self.config.sessions.activity_granularity;
            row.expires_at = row.expires_at.min(row.last_seen_at + known_to + sessions.inactivity_timeout);
        }
        row
    }

    /// A session as it stands now, after a command changed it.
    pub async fn session_row(&self, session: chrysalis_domain::id::SessionId) -> Result<Option<SessionRow>, AppError> {
        Ok(crate::log::ask_one(self.log.as_ref(), &sessions::BY_ID, &[chrysalis_projections::table::id(session)])
            .await?)
    }
}

/// A call goes on although the log did not take what it left behind.
fn tell_unstored(error: &ExecuteError, what: &str) {
    match error {
        ExecuteError::Append(AppendError::Fault(fault @ LogFault::Unavailable(_))) => outage::met(fault),
        _ => tracing::warn!(%error, "{what}"),
    }
}
