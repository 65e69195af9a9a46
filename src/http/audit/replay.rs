//! A user as they were at a time, and how they came to be so: for auditors, and for administrators (CONTRACT 9).

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use chrysalis_domain::Permission;
use chrysalis_domain::id::UserId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::audit::replay::{Asked, Replayed};
use crate::http::forms::{unfit, unprocessable};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::log::times;
use crate::wire::body::{AdminBody, Body, Fields, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::moment::Moment;

/// Steps of a page where nothing is said, and at the most.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 500;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AtQuery {
    /// RFC 3339, a date, or epoch milliseconds; now, where nothing is said, or the time is yet to come.
    #[param(value_type = Option<String>)]
    at: Option<Moment>,
    /// The page of the timeline behind this version: `next` of the page before.
    after: Option<u64>,
    /// Steps of the timeline: 100 by default, at most 500.
    limit: Option<u32>,
}

/// A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimelineForm {
    user_id: String,
    /// RFC 3339, a date, or epoch milliseconds; now, where nothing is said, or the time is yet to come.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    at: Option<Moment>,
    /// The page of the timeline behind this version: `next` of the page before.
    #[serde(default)]
    after: Option<u64>,
    /// Steps of the timeline: 100 by default, at most 500.
    #[serde(default)]
    limit: Option<u32>,
}

/// A user as they were at a time, folded anew from the log, and each step that made them so, in words.
#[utoipa::path(
    get, path = "/users/{id}", tag = "audit",
    params(("id" = String, Path, description = "User id"), AtQuery),
    responses(
        (status = 200, description = "The user then; `state` is null where there was none yet", body = Replayed),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`: there never was such a user", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`", body = ErrorBody),
    )
)]
pub async fn user(
    State(http): State<Http>,
    who: Who,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<AtQuery>, ApiError>,
) -> Result<Json<Replayed>, ApiError> {
    who.authority(Permission::AuditRead)?;
    let Query(AtQuery { at, after, limit }) = query.map_err(unprocessable)?;
    let Path(id) = id.map_err(|_| ApiError::user_not_found())?;
    replay(&http, &id, asked(&http, &who, at, after, limit).await.map_err(unprocessable)?).await
}

/// The same, as administrators and programs of theirs ask: among whose calls what does not read is 400.
#[utoipa::path(
    post, path = "/admin/audit/timeline", tag = "admin",
    request_body = TimelineForm,
    responses(
        (status = 200, description = "The user then; `state` is null where there was none yet", body = Replayed),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`: there never was such a user", body = ErrorBody),
    )
)]
pub async fn timeline(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Replayed>, ApiError> {
    let authority = who.authority(Permission::AuditRead)?;
    let TimelineForm { user_id, at, after, limit } = authority.read(form)?;
    replay(&http, &user_id, asked(&http, &who, at, after, limit).await?).await
}

/// Of a time that is yet to come nothing can be said but what is so now.
async fn asked(
    http: &Http,
    who: &Who,
    at: Option<Moment>,
    after: Option<u64>,
    limit: Option<u32>,
) -> Result<Asked, ApiError> {
    if limit == Some(0) {
        return Err(unfit("limit", "must be at least 1"));
    }
    let now = times::now(http.app.log.as_ref(), who.caller.at).await?;
    let limit = limit.unwrap_or(LIMIT).min(LIMIT_MAX) as usize;
    Ok(Asked { at: at.map_or(now, |at| at.0.min(now)), after: after.unwrap_or(0), limit })
}

async fn replay(http: &Http, id: &str, asked: Asked) -> Result<Json<Replayed>, ApiError> {
    let user: UserId = id.parse().map_err(|_| ApiError::user_not_found())?;
    let replayed = http.app.trail().replay(user, asked).await?;
    replayed.map(Json).ok_or_else(ApiError::user_not_found)
}
