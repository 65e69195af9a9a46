//! A user goes, with sessions and claims, in one append.

use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;

use super::identify::Presented;
use super::{App, AppError, Caller, Refusal};

impl App {
    /// A guest gives up what it has. A member is refused.
    pub async fn delete_guest(&self, caller: &Caller, presented: &Presented) -> Result<(), AppError> {
        self.delete(caller, presented, true).await
    }

    /// A user deletes itself: by password, or in a session that authenticated a short while ago.
    pub async fn delete_user(
        &self,
        caller: &Caller,
        presented: &Presented,
        password: Option<&str>,
    ) -> Result<(), AppError> {
        if !self.config.delete_user_enabled {
            return Err(Refusal::DeletionDisabled.into());
        }
        match password {
            Some(password) => drop(self.verify_own(caller, &presented.row.user, password).await?),
            None if self.is_fresh(presented, caller) => {}
            None => return Err(Refusal::SessionNotFresh.into()),
        }
        self.delete(caller, presented, false).await
    }

    /// Fresh counts from the session's last authentication (sign-in, upgrade). A fresh age of zero asks for none.
    pub fn is_fresh(&self, presented: &Presented, caller: &Caller) -> bool {
        self.fresh_enough(caller, presented).is_ok()
    }

    async fn delete(&self, caller: &Caller, presented: &Presented, only_if_guest: bool) -> Result<(), AppError> {
        let command = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest };
        self.execute(self.ask(caller, presented.actor(), presented.row.user.user, command)).await?;
        Ok(())
    }
}
