//! What administrators do with users (CONTRACT 7.2): one use case a file. Who may is settled before, by
//! [`Authority`](super::authority::Authority); what may happen to a user, the user decides.

mod appoint;
mod ban;
mod create_user;
pub mod end_sessions;
pub mod erase;
pub mod export;
mod find_users;
pub mod guests;
mod impersonate;
pub mod jobs;
pub mod list_users;
pub mod rehearse;
mod remove_user;
pub mod remove_users;
mod sessions;
mod update_user;
pub mod waves;

use chrysalis_domain::id::UserId;
use chrysalis_domain::role::{ADMIN, Roles, USER};
use chrysalis_projections::users::UserRow;

use super::view::UserView;
use super::{App, AppError, Refusal};

pub use create_user::NewUser;
pub use erase::Erased;
pub use impersonate::Stopped;
pub use update_user::{APP_METADATA_MAX, UserChanges};

impl App {
    pub async fn get_user(&self, user: UserId) -> Result<UserView, AppError> {
        self.view_user(&self.target(user).await?)
    }

    /// The user whom it is about.
    async fn target(&self, user: UserId) -> Result<UserRow, AppError> {
        Ok(self.user_row(user).await?.ok_or(Refusal::UserUnknown)?)
    }

    /// Whether there are such roles.
    pub fn known_roles(&self, roles: &str) -> Result<Roles, Refusal> {
        let known = |role: &str| role == USER || role == ADMIN || self.config.admin.roles.iter().any(|own| own == role);
        let roles = Roles::parse(roles).ok_or(Refusal::RoleUnknown)?;
        if roles.iter().all(known) { Ok(roles) } else { Err(Refusal::RoleUnknown) }
    }
}

/// The user went while the call was on its way.
fn gone(error: impl Into<AppError>) -> AppError {
    match error.into() {
        AppError::Refused(Refusal::SessionNotLive) => Refusal::UserUnknown.into(),
        error => error,
    }
}
