//! A user is removed, sessions and all. A loop that goes wrong must not take the members along: a key removes few of them
//! at a time, unless it was made to remove many, and none where only guests were meant.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::{Permission, Span};

use super::gone;
use crate::app::authority::Authority;
use crate::app::{App, AppError, Caller, Refusal};
use crate::log::Quota;

/// Members that one key may remove …
const MEMBERS: u32 = 10;
/// … in any time as long as this.
const WITHIN: Span = Span::from_secs(600);

impl App {
    /// With `only_guest` a member is [`Refusal::NotAnonymous`].
    pub async fn remove_user(
        &self,
        caller: &Caller,
        authority: &Authority,
        user: UserId,
        only_guest: bool,
    ) -> Result<(), AppError> {
        let row = self.target(user).await?;
        if authority.admin() == Some(user) {
            return Err(Refusal::RemovesThemselves.into());
        }
        authority.over(&row)?;
        if row.standing.is_guest() {
            match self.delete_by(caller, authority, user, true).await {
                // It became a member in between.
                Err(AppError::Refused(Refusal::NotAnonymous)) if !only_guest => {}
                done => return done,
            }
        }
        if only_guest {
            return Err(Refusal::NotAnonymous.into());
        }
        authority.needs(Permission::UsersDelete)?;
        self.delete_by(caller, authority, user, false).await
    }

    async fn delete_by(
        &self,
        caller: &Caller,
        authority: &Authority,
        user: UserId,
        only_if_guest: bool,
    ) -> Result<(), AppError> {
        let command = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest };
        let mut ask = self.ask(caller, authority.actor(), user, command);
        let key = authority.key().filter(|_| !only_if_guest && !authority.may(Permission::UsersDeleteBulk));
        if let Some(key) = key.filter(|_| self.config.rate_limits) {
            let counted = self.keyring.lookup("quota/members-removed", &[key.to_string().as_bytes()]).hash.to_vec();
            ask.quotas = vec![Quota::takes(counted, MEMBERS, WITHIN)];
        }
        self.execute(ask).await.map_err(gone)?;
        Ok(())
    }
}
