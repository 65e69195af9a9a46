//! Waves: all guests who came in a time, perhaps from one network, taken out of use by one job and put back by another. How
//! far a job is, and an end to it: `/admin/get-job`, `/admin/cancel-job`.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::id::JobId;
use chrysalis_domain::{Permission, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::admin::list_users::Total;
use crate::app::admin::waves::Came;
use crate::http::admin::jobs::Job;
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::log::origins::network;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Who came together. A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaveForm {
    /// Who came at this time or later: RFC 3339, a date, or epoch milliseconds.
    from: JsonTime,
    /// Who came at this time or before: now at the latest.
    to: JsonTime,
    /// One that `/admin/guests/origins` names. Without it, everybody who came in that time.
    #[serde(default)]
    network: Option<String>,
    /// Only tell how many there are.
    #[serde(default)]
    dry_run: bool,
}

impl WaveForm {
    fn came(&self, now: Timestamp) -> Result<Came, ApiError> {
        let (JsonTime(from), JsonTime(to)) = (self.from, self.to);
        let to = to.min(now);
        if from > to {
            return Err(unfit("from", "must not be behind `to`, nor in the future"));
        }
        let named = self.network.as_deref().map(|name| network(name).ok_or_else(|| unfit("network", "names none")));
        Ok(Came { from, to, network: named.transpose()? })
    }
}

/// What was asked for: the job, or with `dryRun` how many there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_disable: Option<u64>,
    /// There may be more: no more were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_estimate: bool,
}

/// Takes the guests of a wave out of use, in the background: those who still are guests when it is their turn. Their sessions
/// end at once, and nothing brings them back but `/admin/guests/restore-wave`.
#[utoipa::path(
    post, path = "/admin/guests/disable-wave", tag = "admin",
    request_body = WaveForm,
    responses(
        (status = 200, description = "The job, or how many there are", body = WaveBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.manage`; `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn disable(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<WaveBody>, ApiError> {
    let authority = who.authority(Permission::GuestsManage)?;
    let form: WaveForm = authority.read(form)?;
    let came = form.came(who.caller.at)?;
    let waves = http.app.waves(&who.caller, &authority);
    if form.dry_run {
        let size = waves.size(&came).await?;
        let is_estimate = matches!(size, Total::AtLeast(_));
        let (Total::Exactly(count) | Total::AtLeast(count)) = size;
        return Ok(Json(WaveBody { job: None, would_disable: Some(count), is_estimate }));
    }
    let job = http.app.job(waves.disable(&came).await?, who.caller.at).await?;
    Ok(Json(WaveBody { job: Some(job.into()), would_disable: None, is_estimate: false }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreWaveForm {
    /// The job that `/admin/guests/disable-wave` answered with. If it still runs it is stopped.
    #[schema(value_type = String)]
    job_id: JobId,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RestoreWaveBody {
    job: Job,
}

/// Puts back, in the background, those whom a job took out of use, with the sessions that they had and that have not run out.
/// Who was banned meanwhile comes back without any; who was deleted does not.
#[utoipa::path(
    post, path = "/admin/guests/restore-wave", tag = "admin",
    request_body = RestoreWaveForm,
    responses(
        (status = 200, description = "The job", body = RestoreWaveBody),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.manage`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`JOB_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`JOB_IRREVERSIBLE`: it disabled no wave", body = ErrorBody),
    )
)]
pub async fn restore(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<RestoreWaveBody>, ApiError> {
    let authority = who.authority(Permission::GuestsManage)?;
    let form: RestoreWaveForm = authority.read(form)?;
    let restoring = http.app.waves(&who.caller, &authority).restore(form.job_id).await?;
    Ok(Json(RestoreWaveBody { job: http.app.job(restoring, who.caller.at).await?.into() }))
}
