//! Guests that are to stay: held, released, brought back from out of use.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::{Permission, Span, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AdminGuest, GuestBody, UserIdForm, id_of, said};
use crate::app::admin::guests::Guest;
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Longest reason, in characters.
const REASON_MAX: usize = 1000;
/// Longest hold: as long as guests may be kept at all.
const LONGEST: Span = Span::from_days(3650);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldForm {
    user_id: String,
    /// No clean-up takes the guest before then: RFC 3339, a date, or epoch milliseconds; at most ten years from now.
    until: JsonTime,
    /// Why; at most 1000 characters, kept as personal data of the guest's.
    #[serde(default)]
    reason: Option<String>,
}

impl HoldForm {
    fn until(&self, now: Timestamp) -> Result<Timestamp, ApiError> {
        let JsonTime(until) = self.until;
        if until <= now {
            return Err(unfit("until", "must be in the future"));
        }
        if until > now + LONGEST { Err(unfit("until", "must be within ten years")) } else { Ok(until) }
    }

    fn reason(&self) -> Result<Option<&str>, ApiError> {
        match self.reason.as_deref() {
            Some(reason) if reason.chars().count() > REASON_MAX => {
                Err(unfit("reason", "takes at most 1000 characters"))
            }
            reason => Ok(reason.filter(|reason| !reason.is_empty())),
        }
    }
}

/// Exempts a guest from clean-up until a date.
#[utoipa::path(
    post, path = "/admin/guests/hold", tag = "admin",
    request_body = HoldForm,
    responses(
        (status = 200, description = "The guest", body = GuestBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.manage`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`USER_IS_NOT_ANONYMOUS`", body = ErrorBody),
    )
)]
pub async fn hold(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<GuestBody>, ApiError> {
    let authority = who.authority(Permission::GuestsManage)?;
    let form: HoldForm = authority.read(form)?;
    let (until, reason) = (form.until(who.caller.at)?, form.reason()?);
    let held = http.app.guests(&who.caller, &authority).hold(id_of(&form.user_id)?, until, reason).await;
    body(&http, held.map_err(said)?)
}

/// Ends a hold. Of a guest who is not held it is so already.
#[utoipa::path(
    post, path = "/admin/guests/release", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "The guest", body = GuestBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.manage`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`USER_IS_NOT_ANONYMOUS`", body = ErrorBody),
    )
)]
pub async fn release(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<GuestBody>, ApiError> {
    let authority = who.authority(Permission::GuestsManage)?;
    let form: UserIdForm = authority.read(form)?;
    body(&http, http.app.guests(&who.caller, &authority).release(form.id()?).await.map_err(said)?)
}

/// Brings back a guest whom a clean-up took out of use, until it is deleted for good. Its sessions live again as far as they
/// would have, and it is held for as long again as it may be away.
#[utoipa::path(
    post, path = "/admin/guests/undo", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "The guest", body = GuestBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.manage`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`, also of a guest who is deleted for good", body = ErrorBody),
        (status = 409, description = "`GUEST_NOT_DISABLED`, `USER_IS_NOT_ANONYMOUS`", body = ErrorBody),
    )
)]
pub async fn undo(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<GuestBody>, ApiError> {
    let authority = who.authority(Permission::GuestsManage)?;
    let form: UserIdForm = authority.read(form)?;
    body(&http, http.app.guests(&who.caller, &authority).undo(form.id()?).await.map_err(said)?)
}

fn body(http: &Http, guest: Guest) -> Result<Json<GuestBody>, ApiError> {
    Ok(Json(GuestBody { guest: AdminGuest::of(&http.app, guest)? }))
}
