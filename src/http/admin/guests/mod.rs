//! Guests and their clean-up (CONTRACT 9): who goes when, run now, held, released, handed over, brought back; and many at a
//! time: where and when they came, and waves of them. As elsewhere below `/admin/`, by API key or in an administrator's own
//! session; a key that is not understood is refused, never dropped, and an id is a text and nothing else.
//!
//! Looking, also at what a clean-up would do, takes `users.read`; holding, releasing and bringing back `guests.manage`; what makes a guest go `guests.delete`.

pub(in crate::http) mod cleanup;
pub(in crate::http) mod hold;
pub(in crate::http) mod list;
pub(in crate::http) mod origins;
pub(in crate::http) mod reassign;
mod rehearsal;
pub(in crate::http) mod waves;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminUser, UserIdForm, id_of};
use crate::app::admin::guests::{Guest, Outlook};
use crate::app::{App, AppError, Refusal};
use crate::wire::error::ApiError;
use crate::wire::json_time::JsonTime;

/// A guest, and what becomes of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminGuest {
    #[serde(flatten)]
    user: AdminUser,
    cleanup: Cleanup,
}

/// What becomes of a guest if nobody comes.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Cleanup {
    /// `quiet`; `expiring`, it was told; `held`; `disabled`, out of use, by a clean-up until `finalAt`.
    #[schema(value_type = String, example = "quiet")]
    state: &'static str,
    /// When it is deleted at the earliest, as things stand; `null` who stays.
    due_at: Option<JsonTime>,
    /// When it goes, as `guest.expiring` said.
    expires_at: Option<JsonTime>,
    held_until: Option<JsonTime>,
    hold_reason: Option<String>,
    /// Until when it can be brought back.
    final_at: Option<JsonTime>,
}

impl From<Outlook> for Cleanup {
    fn from(outlook: Outlook) -> Self {
        Self {
            state: outlook.stage.name(),
            due_at: outlook.due_at.map(Into::into),
            expires_at: outlook.expires_at.map(Into::into),
            held_until: outlook.held_until.map(Into::into),
            hold_reason: outlook.hold_reason,
            final_at: outlook.final_at.map(Into::into),
        }
    }
}

impl AdminGuest {
    fn of(app: &App, guest: Guest) -> Result<Self, ApiError> {
        Ok(Self { user: app.view_user(&guest.row)?.into(), cleanup: guest.outlook.into() })
    }
}

/// `{guest}`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GuestBody {
    guest: AdminGuest,
}

/// Here a member is a conflict: what was asked for is for guests.
fn said(error: AppError) -> ApiError {
    match error {
        AppError::Refused(Refusal::NotAnonymous) => {
            ApiError::from(Refusal::NotAnonymous).with_status(StatusCode::CONFLICT)
        }
        error => error.into(),
    }
}
