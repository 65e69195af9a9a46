//! Uses of sessions that the log did not take when they were noted: a visit is answered while the store is away. They are
//! noted again until it takes them, so that no clean-up takes a guest for away who was here meanwhile.
//!
//! They stand in memory alone: a node that dies before the store is back forgets them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{CommandId, ProjectId, RequestId, SessionId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Carrier;

use super::identify::Presented;
use super::{App, Caller};
use crate::log::cqrs::{Ask, Concurrency, ExecuteError, Step};
use crate::log::{Actor, AppendError, Context, Lane, LogFault};

/// Sessions remembered, one use each. Of more than these the next visit is noted, and this one is not.
const MOST: usize = 100_000;
/// Noted in one go.
const TOGETHER: usize = 256;

/// The last use of each session that is still to be noted.
#[derive(Debug, Default)]
pub struct Unrecorded(Mutex<HashMap<SessionId, Use>>);

#[derive(Clone, Copy, Debug)]
struct Use {
    user: UserId,
    carrier: Carrier,
    at: Timestamp,
    request: RequestId,
    settings_version: u64,
}

impl Unrecorded {
    pub(super) fn keep(&self, presented: &Presented, caller: &Caller) {
        let session = presented.row.session;
        let mut uses = self.lock();
        if uses.len() >= MOST && !uses.contains_key(&session) {
            tracing::warn!("more sessions are used than are remembered while the store is away");
            return;
        }
        // That it came by cookie counts for more than by what it came last.
        let by_cookie = uses.get(&session).is_some_and(|used| used.carrier == Carrier::Cookie);
        let carrier = if by_cookie { Carrier::Cookie } else { presented.carrier };
        let (at, request, settings_version) = (caller.at, caller.request, caller.settings.version);
        uses.insert(session, Use { user: presented.row.user.user, carrier, at, request, settings_version });
    }

    fn some(&self) -> Vec<(SessionId, Use)> {
        self.lock().iter().take(TOGETHER).map(|(session, used)| (*session, *used)).collect()
    }

    /// Unless the session was used again meanwhile.
    fn noted(&self, session: SessionId, at: Timestamp) {
        let mut uses = self.lock();
        if uses.get(&session).is_some_and(|used| used.at <= at) {
            uses.remove(&session);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the log may take it later.
pub(super) fn may_be_noted_later(error: &ExecuteError) -> bool {
    matches!(error, ExecuteError::Append(AppendError::Busy { .. } | AppendError::Fault(LogFault::Unavailable(_))))
}

impl App {
    /// Notes what the log did not take before. `false` while it still does not.
    pub(crate) async fn note_unrecorded(&self) -> bool {
        loop {
            let uses = self.unrecorded.some();
            if uses.is_empty() {
                return true;
            }
            for (session, used) in uses {
                match self.execute(self.late(session, used)).await {
                    Err(error) if may_be_noted_later(&error) => return false,
                    // Stored, or the session has ended: nothing is left to note.
                    _ => self.unrecorded.noted(session, used.at),
                }
            }
        }
    }

    /// At the time at which it was used, whenever that is stored.
    fn late(&self, session: SessionId, used: Use) -> Ask {
        let Use { user, carrier, at, request, settings_version } = used;
        let context = Context {
            project: ProjectId::DEFAULT,
            actor: Actor::user(user).by(session),
            request: Some(request),
            command: CommandId::from_ulid(self.fresh(at)),
            cause: None,
            settings_version,
        };
        let granularity = self.config.sessions.activity_granularity;
        let command = UserCommand::RecordActivity { session, carrier, granularity };
        let ask = Ask::new(context, at).then(Step::User(user, Concurrency::Any, command));
        Ask { lane: Lane::Bulk, ..ask }.whatever_the_settings()
    }
}
