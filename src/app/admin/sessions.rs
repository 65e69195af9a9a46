//! A user's sessions, seen and ended by an administrator.

use chrysalis_domain::id::{SessionId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::EndReason;
use chrysalis_domain::value::Carrier;
use chrysalis_projections::{sessions, table};

use super::gone;
use crate::app::authority::Authority;
use crate::app::identify::Identity;
use crate::app::view::SessionView;
use crate::app::{App, AppError, Caller, Refusal};
use crate::log::ask;

impl App {
    /// The live ones, newest first.
    pub async fn sessions_of(&self, caller: &Caller, user: UserId) -> Result<Vec<SessionView>, AppError> {
        self.target(user).await?;
        let rows = ask(self.log.as_ref(), &sessions::LIVE_OF_USER, &[table::id(user), caller.at.into()]).await?;
        rows.iter().map(|row| Ok(self.view(row)?.0)).collect()
    }

    /// Ends one session, named by its id or its token. One that is not there, or no more: what was asked for is so.
    pub async fn end_session(&self, caller: &Caller, authority: &Authority, named: &str) -> Result<(), AppError> {
        let row = match named.parse::<SessionId>() {
            Ok(id) => self.session_row(id).await?,
            Err(_) => match self.identify(caller, named, Carrier::Bearer).await? {
                Identity::Live(found) | Identity::Superseded(found) | Identity::Expired(found) => Some(found.row),
                Identity::Ended | Identity::Unknown => None,
            },
        };
        let Some(row) = row else { return Ok(()) };
        let command = UserCommand::RevokeSession { session: row.session, reason: EndReason::Revoked };
        match self.execute(self.ask(caller, authority.actor(), row.user.user, command)).await.map_err(gone) {
            Ok(_) | Err(AppError::Refused(Refusal::UserUnknown)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn end_sessions(&self, caller: &Caller, authority: &Authority, user: UserId) -> Result<(), AppError> {
        self.target(user).await?;
        let command = UserCommand::RevokeSessions { except: None };
        self.execute(self.ask(caller, authority.actor(), user, command)).await.map_err(gone)?;
        Ok(())
    }
}
