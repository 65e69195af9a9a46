//! The clean-up, run now: a job, looked at and stopped like any other (`/admin/get-job`, `/admin/cancel-job`).

use axum::Json;
use axum::extract::State;
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::{Permission, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::admin::jobs::Job;
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::settings::Effective;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};

/// For which age. A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CleanupForm {
    /// Seconds since the last activity, at least 3600. Without it, the maximum age that is set; one of them there must be.
    #[serde(default)]
    max_age: Option<i64>,
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

/// What was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct CleanupBody {
    job: Job,
}

/// Deletes, in the background, every guest whose last activity is older than that and an hour. Each decides again when it is
/// its turn: who was active since, was held or became a member stays. With an undo window they are out of use until it ends.
#[utoipa::path(
    post, path = "/admin/guests/cleanup", tag = "admin",
    request_body = CleanupForm,
    responses(
        (status = 200, description = "The job", body = CleanupBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.delete`; `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn cleanup(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<CleanupBody>, ApiError> {
    let authority = who.authority(Permission::GuestsDelete)?;
    let form: CleanupForm = authority.read(form)?;
    let max_age = form.max_age(&who.caller.settings)?;
    let job = http.app.clean_up(&who.caller, &authority, max_age).await?;
    Ok(Json(CleanupBody { job: job.into() }))
}
