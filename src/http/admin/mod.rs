//! What administrators do with users, by API key or in a session of their own (CONTRACT 7.2).
//!
//! Unknown keys are refused: a client library that drops or nests what it does not know must be told, not obeyed. For
//! the same reason an id is a text and nothing else; it is never unwrapped.

pub(super) mod bans;
pub(super) mod erase;
pub(super) mod export;
pub(super) mod guests;
pub(super) mod impersonation;
pub(super) mod jobs;
mod list_query;
pub(super) mod list_users;
pub(super) mod roles;
pub(super) mod sessions;
pub(super) mod users;

use chrysalis_domain::id::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::authority::not_allowed;
use super::shape::User;
use crate::app::view::UserView;
use crate::wire::error::ApiError;
use crate::wire::json_time::JsonTime;

/// A user as administrators see them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdminUser {
    #[serde(flatten)]
    user: User,
    /// When one of the user's own sessions was last used, to the hour.
    last_active_at: JsonTime,
}

impl From<UserView> for AdminUser {
    fn from(view: UserView) -> Self {
        Self { last_active_at: view.last_active_at.into(), user: User::new(view, false) }
    }
}

/// `{user}`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct UserBody {
    user: AdminUser,
}

impl From<UserView> for UserBody {
    fn from(view: UserView) -> Self {
        Self { user: view.into() }
    }
}

/// `{userId}` and nothing else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserIdForm {
    user_id: String,
}

impl UserIdForm {
    fn id(&self) -> Result<UserId, ApiError> {
        id_of(&self.user_id)
    }
}

/// What is no id of ours is nobody's.
fn id_of(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|_| ApiError::user_not_found())
}

/// What a session is told that does not administer.
fn denied(code: &'static str) -> impl FnOnce() -> ApiError {
    move || not_allowed(code)
}
