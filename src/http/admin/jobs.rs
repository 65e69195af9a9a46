//! What takes long is asked for once, and looked at: removing many users by a filter; waves of guests, for which is asked
//! elsewhere ([`guests::waves`](super::guests::waves)).

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use chrysalis_domain::id::JobId;
use chrysalis_domain::job::{Task, UserFilter};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list_users::unknown_filter;
use crate::app::admin::jobs::{self, JobView};
use crate::app::admin::list_users::Total;
use crate::app::admin::remove_users::permission_for;
use crate::http::authority::not_allowed;
use crate::http::forms::in_order;
use crate::http::state::Http;
use crate::http::who::{Known, Who};
use crate::log::origins::named;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Whom to remove. A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveUsersForm {
    filter: RemovalFilter,
    /// Only tell how many there are.
    #[serde(default)]
    dry_run: bool,
}

/// All that is given must hold, when it is a user's turn. At least one key.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RemovalFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    is_anonymous: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned: Option<bool>,
    /// RFC 3339, a date, or epoch milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_before: Option<JsonTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_after: Option<JsonTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_active_before: Option<JsonTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_active_after: Option<JsonTime>,
}

impl RemovalFilter {
    /// Whether anybody can be all of this at once.
    fn in_order(&self) -> Result<(), ApiError> {
        in_order(("createdAfter", self.created_after), ("createdBefore", self.created_before))?;
        in_order(("lastActiveAfter", self.last_active_after), ("lastActiveBefore", self.last_active_before))
    }
}

impl From<RemovalFilter> for UserFilter {
    fn from(form: RemovalFilter) -> Self {
        let time = |time: Option<JsonTime>| time.map(|time| time.0);
        Self {
            guests: form.is_anonymous,
            verified: form.email_verified,
            banned: form.banned,
            created_before: time(form.created_before),
            created_after: time(form.created_after),
            last_active_before: time(form.last_active_before),
            last_active_after: time(form.last_active_after),
        }
    }
}

impl From<UserFilter> for RemovalFilter {
    fn from(filter: UserFilter) -> Self {
        Self {
            is_anonymous: filter.guests,
            email_verified: filter.verified,
            banned: filter.banned,
            created_before: filter.created_before.map(Into::into),
            created_after: filter.created_after.map(Into::into),
            last_active_before: filter.last_active_before.map(Into::into),
            last_active_after: filter.last_active_after.map(Into::into),
        }
    }
}

/// What was asked for: the job, or with `dryRun` how many there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoveUsersBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_delete: Option<u64>,
    /// There may be more: no more were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_estimate: bool,
}

/// A job, as far as it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    #[schema(value_type = String, example = "job_01JD8M4Z5T0123456789ABCDEF")]
    id: JobId,
    /// `remove-users`, `clean-up`, `disable-wave`, `restore-wave` or `end-sessions`.
    kind: &'static str,
    /// Whom to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<RemovalFilter>,
    /// Of a clean-up: seconds since their last activity, after which guests go.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<i64>,
    /// Whom to take out of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    wave: Option<Wave>,
    /// The job whose guests are put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    undoes: Option<JobId>,
    /// `running`, `finished` or `cancelled`.
    status: String,
    /// With an undo window, a clean-up only takes out of use whom it counts here.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<u64>,
    /// Users who were signed out of something.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_out: Option<u64>,
    /// Who no longer matched when it was their turn, or administers; who was not signed in.
    spared: u64,
    /// How many are ahead, at least.
    remaining: u64,
    requested_at: JsonTime,
    updated_at: JsonTime,
}

/// Who came in a time, from one network if it is named.
#[derive(Debug, Serialize, ToSchema)]
struct Wave {
    from: JsonTime,
    to: JsonTime,
    /// It is forgotten when the job has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
}

impl From<JobView> for Job {
    fn from(view: JobView) -> Self {
        let JobView { row, ahead, network } = view;
        let (Total::Exactly(remaining) | Total::AtLeast(remaining)) = ahead;
        let job = Self {
            id: row.job,
            kind: "",
            filter: None,
            max_age: None,
            wave: None,
            undoes: None,
            status: row.outcome.unwrap_or_else(|| "running".to_owned()),
            deleted: None,
            disabled: None,
            restored: None,
            signed_out: None,
            spared: row.spared,
            remaining,
            requested_at: row.requested_at.into(),
            updated_at: row.updated_at.into(),
        };
        let done = Some(row.done);
        match row.task {
            Task::RemoveUsers(filter) => {
                Self { kind: "remove-users", filter: Some(filter.into()), deleted: done, ..job }
            }
            Task::CleanUp(clean_up) => {
                Self { kind: "clean-up", max_age: Some(clean_up.max_age_secs), deleted: done, ..job }
            }
            Task::DisableWave(wave) => {
                let network = network.as_ref().map(named);
                let wave = Wave { from: wave.from.into(), to: wave.to.into(), network };
                Self { kind: "disable-wave", wave: Some(wave), disabled: done, ..job }
            }
            Task::RestoreWave(undoes) => Self { kind: "restore-wave", undoes: Some(undoes), restored: done, ..job },
            Task::EndSessions(_) => Self { kind: "end-sessions", signed_out: done, ..job },
        }
    }
}

/// Removes everybody whom the filter matches, in the background. Administrators stay: they are removed one by one.
#[utoipa::path(
    post, path = "/admin/remove-users", tag = "admin",
    request_body = RemoveUsersForm,
    responses(
        (status = 200, description = "The job, or how many there are", body = RemoveUsersBody),
        (status = 400, description = "`FILTER_REQUIRED`, `UNKNOWN_FILTER`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `guests.delete` for guests alone, else `users.delete.bulk`; `YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS`", body = ErrorBody),
    )
)]
pub async fn remove_users(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<RemoveUsersBody>, ApiError> {
    let authority =
        who.authority_or(Permission::GuestsDelete, || not_allowed("YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS"))?;
    let form: RemoveUsersForm = authority.read(fields).map_err(unknown_filter)?;
    form.filter.in_order()?;
    let filter = UserFilter::from(form.filter);
    if filter.is_empty() {
        // Everybody: nobody means that.
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "FILTER_REQUIRED", "The filter must name at least one key"));
    }
    authority.needs(permission_for(&filter))?;
    if form.dry_run {
        let total = http.app.count_users(&filter, who.caller.at).await?;
        let is_estimate = matches!(total, Total::AtLeast(_));
        let (Total::Exactly(count) | Total::AtLeast(count)) = total;
        return Ok(Json(RemoveUsersBody { job: None, would_delete: Some(count), is_estimate }));
    }
    let job = http.app.remove_users(&who.caller, &authority, filter).await?;
    Ok(Json(RemoveUsersBody { job: Some(job.into()), would_delete: None, is_estimate: false }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobForm {
    #[schema(value_type = String)]
    job_id: JobId,
}

/// How far a job is.
#[utoipa::path(
    post, path = "/admin/get-job", tag = "admin",
    request_body = JobForm,
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: what asking for it took; `YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS`", body = ErrorBody),
        (status = 404, description = "`JOB_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn get(State(http): State<Http>, who: Who, Body(fields): AdminBody<Fields>) -> Result<Json<Job>, ApiError> {
    let authority = authority(&who)?;
    let form: JobForm = authority.read(fields)?;
    let job = http.app.job(form.job_id, who.caller.at).await?;
    authority.needs(jobs::permission_for(&job.row.task))?;
    Ok(Json(job.into()))
}

/// Stops a job: what is done stays done.
#[utoipa::path(
    post, path = "/admin/cancel-job", tag = "admin",
    request_body = JobForm,
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS`", body = ErrorBody),
        (status = 404, description = "`JOB_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`JOB_ENDED`", body = ErrorBody),
    )
)]
pub async fn cancel(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Job>, ApiError> {
    let authority = authority(&who)?;
    let form: JobForm = authority.read(fields)?;
    Ok(Json(http.app.cancel_job(&who.caller, &authority, form.job_id).await?.into()))
}

/// Whoever may ask for a job of some kind; of which one, the job tells.
fn authority(who: &Known) -> Result<crate::app::authority::Authority, ApiError> {
    let denied = || not_allowed("YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS");
    let by = who.authority(Permission::GuestsManage).or_else(|_| who.authority(Permission::SessionsRevoke));
    by.or_else(|_| who.authority_or(Permission::GuestsDelete, denied))
}
