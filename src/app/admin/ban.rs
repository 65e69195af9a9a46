//! A user is out, for a time or until it is lifted: sessions end at once, on every node, and no way leads in.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserCommand;

use super::gone;
use crate::app::authority::Authority;
use crate::app::view::UserView;
use crate::app::{App, AppError, Caller, Refusal};
use crate::keys::SealKind;

/// What is said where no reason is given.
const NO_REASON: &str = "No reason";

impl App {
    pub async fn ban_user(
        &self,
        caller: &Caller,
        authority: &Authority,
        user: UserId,
        reason: Option<String>,
        until: Option<Timestamp>,
    ) -> Result<UserView, AppError> {
        let row = self.target(user).await?;
        if authority.admin() == Some(user) {
            return Err(Refusal::BansThemselves.into());
        }
        authority.over(&row)?;
        let reason = reason.filter(|reason| !reason.is_empty());
        let reason = reason.as_deref().unwrap_or(NO_REASON);
        let record = self.sealer(&row)?.seal(SealKind::BanReason, reason, self.entropy.as_ref(), caller.at);
        let command = UserCommand::Ban { reason: record.id, until };
        let mut ask = self.ask(caller, authority.actor(), user, command);
        ask.sealed = vec![record];
        self.execute(ask).await.map_err(gone)?;
        self.get_user(user).await
    }

    pub async fn unban_user(&self, caller: &Caller, authority: &Authority, user: UserId) -> Result<UserView, AppError> {
        self.target(user).await?;
        self.execute(self.ask(caller, authority.actor(), user, UserCommand::Unban)).await.map_err(gone)?;
        self.get_user(user).await
    }
}
