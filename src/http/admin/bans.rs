//! Bans: a user is out, for a time or until it is lifted.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::{Permission, Span, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{UserBody, UserIdForm, denied, id_of};
use crate::http::forms;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

const BAN: &str = "YOU_ARE_NOT_ALLOWED_TO_BAN_USERS";
/// Longest reason, in characters.
const REASON_MAX: usize = 1000;
/// Longest ban that ends by itself, in seconds: a hundred years.
const SECONDS_MAX: i64 = 100 * 366 * 86_400;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BanForm {
    user_id: String,
    #[serde(default)]
    ban_reason: Option<String>,
    /// When it ends: epoch milliseconds, or a date. Without an end it holds until it is lifted.
    #[serde(default)]
    ban_expires: Option<JsonTime>,
    /// The same in seconds from now, as the admin plugin has it; 0 is without an end.
    #[serde(default)]
    ban_expires_in: Option<i64>,
}

impl BanForm {
    fn until(&self, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
        match (self.ban_expires, self.ban_expires_in) {
            (Some(_), Some(_)) => Err(forms::unfit("banExpiresIn", "can't stand beside banExpires")),
            (Some(JsonTime(end)), None) if end <= now => Err(forms::unfit("banExpires", "must be in the future")),
            (Some(JsonTime(end)), None) => Ok(Some(end)),
            (None, None | Some(0)) => Ok(None),
            (None, Some(seconds @ 1..=SECONDS_MAX)) => Ok(Some(now + Span::from_secs(seconds))),
            (None, Some(_)) => Err(forms::unfit("banExpiresIn", "is no time that a ban may last")),
        }
    }
}

/// Bans a user: every session ends, and no way leads in.
#[utoipa::path(
    post, path = "/admin/ban-user", tag = "admin",
    request_body = BanForm,
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 400, description = "`VALIDATION_ERROR`, `YOU_CANNOT_BAN_YOURSELF`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_BAN_USERS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn ban(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<UserBody>, ApiError> {
    let authority = who.authority_or(Permission::UsersBan, denied(BAN))?;
    let form: BanForm = authority.read(form)?;
    let until = form.until(who.caller.at)?;
    if form.ban_reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_MAX) {
        return Err(forms::unfit("banReason", "takes at most 1000 characters"));
    }
    let user = id_of(&form.user_id)?;
    Ok(Json(http.app.ban_user(&who.caller, &authority, user, form.ban_reason, until).await?.into()))
}

/// Lifts a ban.
#[utoipa::path(
    post, path = "/admin/unban-user", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_BAN_USERS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn unban(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<UserBody>, ApiError> {
    let authority = who.authority_or(Permission::UsersBan, denied(BAN))?;
    let form: UserIdForm = authority.read(form)?;
    Ok(Json(http.app.unban_user(&who.caller, &authority, form.id()?).await?.into()))
}
