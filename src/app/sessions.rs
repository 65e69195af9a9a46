//! A user sees and ends the sessions that can act for them (SECURITY S28).

use chrysalis_domain::id::SessionId;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::EndReason;
use chrysalis_projections::{sessions, table};

use super::identify::{Identity, Presented};
use super::view::SessionView;
use super::{App, AppError, Caller};
use crate::log::ask;

impl App {
    /// The live sessions of the caller, newest first.
    pub async fn list_sessions(&self, caller: &Caller, presented: &Presented) -> Result<Vec<SessionView>, AppError> {
        let parameters = [table::id(presented.row.user.user), caller.at.into()];
        let rows = ask(self.log.as_ref(), &sessions::LIVE_OF_USER, &parameters).await?;
        let rows = rows.into_iter().map(|row| self.bound_by(&caller.settings, row));
        rows.filter(|row| row.expires_at > caller.at).map(|row| Ok(self.view(&row)?.0)).collect()
    }

    /// Ends one session of the caller, named by its id or its token. Somebody else's, or none: nothing happens.
    pub async fn revoke_session(&self, caller: &Caller, presented: &Presented, named: &str) -> Result<(), AppError> {
        let session = match named.parse::<SessionId>() {
            Ok(id) => Some(id),
            Err(_) => match self.identify(caller, named, presented.carrier).await? {
                Identity::Live(found) if found.row.user.user == presented.row.user.user => Some(found.row.session),
                _ => None,
            },
        };
        let Some(session) = session else { return Ok(()) };
        let command = UserCommand::RevokeSession { session, reason: EndReason::Revoked };
        self.execute(self.ask(caller, presented.actor(), presented.row.user.user, command)).await?;
        Ok(())
    }

    /// Ends every session of the caller, or every other one.
    pub async fn revoke_sessions(
        &self,
        caller: &Caller,
        presented: &Presented,
        others_only: bool,
    ) -> Result<(), AppError> {
        let command = UserCommand::RevokeSessions { except: others_only.then_some(presented.row.session) };
        self.execute(self.ask(caller, presented.actor(), presented.row.user.user, command)).await?;
        Ok(())
    }
}
