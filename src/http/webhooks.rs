//! Webhook endpoints (CONTRACT 7.6): who is told what happens.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use chrysalis_domain::id::WebhookId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::forms;
use super::shape::{SUCCESS, Success};
use super::state::Http;
use super::who::Who;
use crate::app::Refusal;
use crate::app::webhooks::{NewWebhook, ReplayFrom, WebhookChange, WebhookView};
use crate::webhooks::{MOST_TYPES, Target, is_event_type};
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// An endpoint, and how its deliveries went.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    #[schema(value_type = String, example = "wh_01JD8M4Z5T0123456789ABCDEF")]
    id: WebhookId,
    url: String,
    /// Empty: it is told everything.
    event_types: Vec<String>,
    enabled: bool,
    /// Messages that arrived.
    success_count: u64,
    /// Messages that were lost: tried five times, and never taken.
    failure_count: u64,
    /// Messages that were lost since one arrived. With the third, the endpoint is disabled.
    consecutive_failures: u32,
    /// The last attempt, and whether it arrived: `success` or `failure`.
    #[schema(value_type = Option<String>)]
    last_delivery_at: Option<JsonTime>,
    last_delivery_status: Option<&'static str>,
    created_at: JsonTime,
    updated_at: JsonTime,
}

impl From<WebhookView> for Webhook {
    fn from(WebhookView { row, url }: WebhookView) -> Self {
        let status = if row.tally.last_arrived { "success" } else { "failure" };
        Self {
            id: row.webhook,
            url,
            consecutive_failures: row.lost_in_a_row(),
            event_types: row.event_types,
            enabled: row.enabled,
            success_count: row.tally.arrived,
            failure_count: row.lost,
            last_delivery_at: row.tally.last_at.map(Into::into),
            last_delivery_status: row.tally.last_at.map(|_| status),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// An endpoint with its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NewEndpoint {
    #[serde(flatten)]
    webhook: Webhook,
    /// What messages are signed with; shown this once.
    #[schema(example = "whsec_0000000000000000000000000000000000000000000000000000000000000000")]
    secret: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookList {
    data: Vec<Webhook>,
    list_metadata: WholeList,
}

/// There is no other page.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct WholeList {
    before: Option<&'static str>,
    after: Option<&'static str>,
}

/// Lists every endpoint, newest first.
#[utoipa::path(
    post, path = "/banata/webhooks/list", tag = "admin",
    responses(
        (status = 200, description = "The endpoints, without their secrets", body = WebhookList),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn list(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<WebhookList>, ApiError> {
    let authority = who.authority(Permission::WebhooksRead)?;
    let forms::Nothing {} = authority.read(fields)?;
    let views = http.app.webhooks(&who.caller, &authority).list().await?;
    Ok(Json(WebhookList { data: views.into_iter().map(Into::into).collect(), list_metadata: WholeList::default() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = webhooks::CreateForm)]
pub struct CreateForm {
    /// https; a loopback, private or link-local address only where the operator allows it.
    #[schema(example = "https://app.example.com/hooks/chrysalis")]
    url: String,
    /// Names such as `user.created`. Empty or left out: everything.
    #[serde(default)]
    event_types: Option<Vec<String>>,
    /// The same, under another name.
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    enabled: Option<bool>,
}

/// What some call `eventTypes`, and others `events`.
fn types(event_types: Option<Vec<String>>, events: Option<Vec<String>>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(mut types) = event_types.or(events) else { return Ok(None) };
    types.sort_unstable();
    types.dedup();
    if types.len() > MOST_TYPES {
        return Err(forms::unfit("eventTypes", format!("takes at most {MOST_TYPES} names")));
    }
    if !types.iter().all(|name| is_event_type(name)) {
        return Err(forms::unfit("eventTypes", "takes names such as user.created"));
    }
    Ok(Some(types))
}

/// Makes an endpoint. Its secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/banata/webhooks/create", tag = "admin",
    request_body = CreateForm,
    responses(
        (status = 200, description = "The endpoint, with its secret", body = NewEndpoint),
        (status = 400, description = "`INVALID_WEBHOOK_URL`, `TOO_MANY_WEBHOOKS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn create(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<NewEndpoint>, ApiError> {
    let authority = who.authority(Permission::WebhooksWrite)?;
    let CreateForm { url, event_types, events, enabled } = authority.read(fields)?;
    let event_types = types(event_types, events)?.unwrap_or_default();
    let new = NewWebhook { url: target(&url)?, event_types, enabled: enabled.unwrap_or(true) };
    let webhooks = http.app.webhooks(&who.caller, &authority);
    let (view, secret) = webhooks.create(new, &http.app.webhook_calls).await?;
    Ok(Json(NewEndpoint { webhook: view.into(), secret: secret.as_str().to_owned() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = webhooks::UpdateForm)]
pub struct UpdateForm {
    #[schema(value_type = String)]
    id: WebhookId,
    #[serde(default)]
    url: Option<String>,
    /// Names such as `user.created`. Empty: everything.
    #[serde(default)]
    event_types: Option<Vec<String>>,
    /// The same, under another name.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// Enabled again, it is told what it missed: deliveries go on where they stood.
    #[serde(default)]
    enabled: Option<bool>,
}

/// Changes an endpoint. What is left out stays as it is.
#[utoipa::path(
    post, path = "/banata/webhooks/update", tag = "admin",
    request_body = UpdateForm,
    responses(
        (status = 200, description = "The endpoint", body = Webhook),
        (status = 400, description = "`INVALID_WEBHOOK_URL`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn update(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Webhook>, ApiError> {
    let authority = who.authority(Permission::WebhooksWrite)?;
    let UpdateForm { id, url, event_types, events, enabled } = authority.read(fields)?;
    let url = url.as_deref().map(target).transpose()?;
    let change = WebhookChange { url, event_types: types(event_types, events)?, enabled };
    let webhooks = http.app.webhooks(&who.caller, &authority);
    Ok(Json(webhooks.update(id, change, &http.app.webhook_calls).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = webhooks::DeleteForm)]
pub struct DeleteForm {
    #[schema(value_type = String)]
    id: WebhookId,
}

/// Deletes an endpoint, and what still waits to be delivered to it.
#[utoipa::path(
    post, path = "/banata/webhooks/delete", tag = "admin",
    request_body = DeleteForm,
    responses(
        (status = 200, description = "Gone", body = Success),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn delete(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Success>, ApiError> {
    let authority = who.authority(Permission::WebhooksWrite)?;
    let DeleteForm { id } = authority.read(fields)?;
    http.app.webhooks(&who.caller, &authority).delete(id).await?;
    Ok(Json(SUCCESS))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ReplayForm {
    #[schema(value_type = String)]
    id: WebhookId,
    /// A position in the log, or a date.
    #[schema(value_type = String, example = "2027-01-15T08:00:00.000Z")]
    from: Value,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Replayed {
    success: bool,
    /// The position of the first event that is told again.
    from: u64,
}

/// Has everything from some place in the log on delivered again. A message has the id that it had.
#[utoipa::path(
    post, path = "/banata/webhooks/replay", tag = "admin",
    request_body = ReplayForm,
    responses(
        (status = 200, description = "Begun, once the endpoint is enabled", body = Replayed),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
        (status = 404, description = "`WEBHOOK_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn replay(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Replayed>, ApiError> {
    let authority = who.authority(Permission::WebhooksWrite)?;
    let ReplayForm { id, from } = authority.read(fields)?;
    let from = match &from {
        Value::Number(position) => position.as_u64().map(ReplayFrom::Position),
        Value::String(date) => JsonTime::parse(date).ok().map(|JsonTime(time)| ReplayFrom::Time(time)),
        _ => None,
    };
    let from = from.ok_or_else(|| forms::unfit("from", "takes a position in the log, or a date"))?;
    let from = http.app.webhooks(&who.caller, &authority).replay(id, from).await?;
    Ok(Json(Replayed { success: true, from }))
}

fn target(url: &str) -> Result<Target, ApiError> {
    Target::parse(url).map_err(|unfit| Refusal::InvalidWebhookUrl(unfit).into())
}
