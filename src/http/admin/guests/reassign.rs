//! A guest's doings handed over to a member.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{id_of, said};
use crate::http::shape::{SUCCESS, Success};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReassignForm {
    /// The guest.
    user_id: String,
    /// The member to whom belongs what it did.
    to_user_id: String,
}

/// Hands what a guest did over to a member, and deletes the guest. An app moves its own data by `user.transferred`, which names
/// both and stands before `user.deleted`.
#[utoipa::path(
    post, path = "/admin/guests/reassign", tag = "admin",
    request_body = ReassignForm,
    responses(
        (status = 200, description = "Handed over, and the guest is gone", body = Success),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key; `USER_IS_ANONYMOUS`: `toUserId` is no member", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.delete`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`, of either", body = ErrorBody),
        (status = 409, description = "`USER_IS_NOT_ANONYMOUS`; `GUEST_ALREADY_TRANSFERRED`, to another account", body = ErrorBody),
    )
)]
pub async fn reassign(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Success>, ApiError> {
    let authority = who.authority(Permission::GuestsDelete)?;
    let form: ReassignForm = authority.read(form)?;
    let (guest, to) = (id_of(&form.user_id)?, id_of(&form.to_user_id)?);
    http.app.guests(&who.caller, &authority).reassign(guest, to).await.map_err(said)?;
    Ok(Json(SUCCESS))
}
