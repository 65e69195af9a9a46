//! Signing out: the session ends. A guest who signs out can't come back.

use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::EndReason;
use chrysalis_domain::value::Carrier;

use super::identify::{Identity, Presented};
use super::{App, AppError, Caller, Refusal};

impl App {
    /// The same of a session that a token leads to, if it leads to one.
    pub async fn sign_out_by_token(&self, caller: &Caller, token: &str) -> Result<(), AppError> {
        match self.identify(caller, token, Carrier::Cookie).await? {
            Identity::Live(found) => self.sign_out(caller, &found).await,
            _ => Ok(()),
        }
    }

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
