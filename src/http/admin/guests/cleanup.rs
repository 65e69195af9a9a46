//! The clean-up, run now: a job, looked at and stopped like any other (`/admin/get-job`, `/admin/cancel-job`). Or rehearsed.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::{Permission, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::rehearsal::RehearsalBody;
use crate::app::admin::rehearse::rehearse;
use crate::http::admin::jobs::Job;
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::settings::Effective;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};

/// Guests that a rehearsal names where nothing is said, and at the most.
const LIMIT: u32 = 20;
const LIMIT_MAX: u32 = 200;

/// For which age. A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CleanupForm {
    /// Seconds since the last activity, at least 3600. Without it, the maximum age that is set; one of them there must be.
    #[serde(default)]
    max_age: Option<i64>,
    /// Only tell what would be done.
    #[serde(default)]
    dry_run: bool,
    /// How many guests to name then: 20 where nothing is said, 200 at the most.
    #[serde(default)]
    limit: Option<u32>,
}

impl CleanupForm {
    pub(super) fn max_age(&self, settings: &Effective) -> Result<Span, ApiError> {
        let Some(secs) = self.max_age else {
            return settings.anonymous.max_age.ok_or_else(|| unfit("maxAge", "is needed while no maximum age is set"));
        };
        let rule = "must be a whole number of seconds from 3600 (an hour) to 315360000 (ten years)";
        // What is too much for a time is too much.
        let age = Span::from_secs(secs.clamp(0, i64::from(u32::MAX)));
        if ExpiryTerms::MAX_AGE.contains(&age) { Ok(age) } else { Err(unfit("maxAge", rule)) }
    }
}

/// What was asked for: the job, or with `dryRun` what it would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum CleanupBody {
    Asked { job: Box<Job> },
    Rehearsed(Box<RehearsalBody>),
}

/// Deletes, in the background, every guest whose last activity is older than that and an hour. Each decides again when it is
/// its turn: who was active since, was held or became a member stays. With an undo window they are out of use until it ends.
/// With `dryRun` it tells whom that would be now, and who it would have been had that age always been in force.
#[utoipa::path(
    post, path = "/admin/guests/cleanup", tag = "admin",
    request_body = CleanupForm,
    responses(
        (status = 200, description = "The job, or what would be done", body = CleanupBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.delete`, or `users.read` for `dryRun`; `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn cleanup(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<CleanupBody>, ApiError> {
    let looks = fields.get("dryRun") == Some(&Value::Bool(true));
    let authority = who.authority(if looks { Permission::UsersRead } else { Permission::GuestsDelete })?;
    let form: CleanupForm = authority.read(fields)?;
    let max_age = form.max_age(&who.caller.settings)?;
    if form.dry_run {
        let limit = form.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
        let said = rehearse(http.app.log.as_ref(), max_age, who.caller.at, limit).await?;
        return Ok(Json(CleanupBody::Rehearsed(Box::new(said.into()))));
    }
    if form.limit.is_some() {
        // It would be taken for a bound of what is done.
        return Err(unfit("limit", "goes with `dryRun`"));
    }
    let job = http.app.clean_up(&who.caller, &authority, max_age).await?;
    Ok(Json(CleanupBody::Asked { job: Box::new(job.into()) }))
}
