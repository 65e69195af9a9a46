//! Guests by how long they have been away.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use chrysalis_domain::{Permission, Timestamp};
use chrysalis_projections::stale_guests::Due;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminGuest;
use crate::app::admin::guests::Stage;
use crate::app::admin::guests::list::{GuestPage, ListGuests};
use crate::http::admin::list_users::limit;
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Which guests. A key that is not among these is refused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuestsForm {
    /// 100 by default, at most 200.
    #[serde(default)]
    limit: Option<u32>,
    /// `listMetadata.after` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// `expiring`, `held`, `disabled`: those alone, in the order in which that ends; or `quiet`.
    #[serde(default)]
    state: Option<String>,
    /// RFC 3339, a date, or epoch milliseconds.
    #[serde(default)]
    last_active_before: Option<JsonTime>,
}

impl GuestsForm {
    fn asked(self) -> Result<ListGuests, ApiError> {
        let stage = self.state.map(|name| {
            let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
            stage.ok_or_else(|| unfit("state", "must be quiet, expiring, held or disabled"))
        });
        let after = self.after.map(|cursor| {
            let cursor: Result<Cursor, _> = cursor.parse();
            cursor.map_err(|NoCursor| unfit("after", "must be what a page gave as listMetadata.after"))
        });
        Ok(ListGuests {
            stage: stage.transpose()?,
            active_before: self.last_active_before.map(|time| time.0),
            after: after.transpose()?.map(|cursor| cursor.0),
            limit: limit(self.limit),
        })
    }
}

/// A place on the list, in a page's words: it stands still while guests come, move on and go.
struct Cursor(Due);

struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (millis, user) = text.split_once('.').ok_or(NoCursor)?;
        let place = Timestamp::from_millis(millis.parse().map_err(|_| NoCursor)?);
        Ok(Self(Due { user: user.parse().map_err(|_| NoCursor)?, place }))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0.place.as_millis(), self.0.user)
    }
}

/// A page of guests.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestsBody {
    guests: Vec<AdminGuest>,
    /// Seconds that guests are kept after their last activity; `null`: for ever.
    max_age: Option<i64>,
    limit: u32,
    list_metadata: GuestsMetadata,
}

#[derive(Debug, Serialize, ToSchema)]
struct GuestsMetadata {
    /// `null` on the last page. A page may be shorter than its limit and not be the last.
    after: Option<String>,
}

/// Guests, the one that has been away for longest first, and when each goes. May be a moment old; what becomes of a guest
/// is decided on what happened to it.
#[utoipa::path(
    post, path = "/admin/guests/list", tag = "admin",
    request_body = GuestsForm,
    responses(
        (status = 200, description = "A page", body = GuestsBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `users.read`; `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn list(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<GuestsBody>, ApiError> {
    let authority = who.authority(Permission::UsersRead)?;
    let form: GuestsForm = authority.read(form)?;
    let asked = form.asked()?;
    let GuestPage { guests, after } = http.app.guests(&who.caller, &authority).list(&asked).await?;
    let guests = guests.into_iter().map(|guest| AdminGuest::of(&http.app, guest)).collect::<Result<_, _>>()?;
    let max_age = who.caller.settings.anonymous.max_age.map(|age| age.as_secs_ceil());
    let list_metadata = GuestsMetadata { after: after.map(|due| Cursor(due).to_string()) };
    Ok(Json(GuestsBody { guests, max_age, limit: asked.limit, list_metadata }))
}
