//! Signing out: the session ends. A guest who signs out can't come back.

use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::EndReason;

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};

impl App {
    pub async fn sign_out(&self, caller: &Caller, presented: &Presented) -> Result<(), AppError> {
        let command = UserCommand::RevokeSession { session: presented.row.session, reason: EndReason::SignedOut };
        let ask = self.ask(caller, presented.actor(), presented.row.user.user, command);
        match self.execute(ask).await.map_err(AppError::from) {
            // Gone already: what was asked for is so.
            Err(AppError::Refused(Refusal::SessionNotLive)) => Ok(()),
            done => done.map(|_| ()),
        }
    }
}
