//! What happened, oldest first, for programs that keep up with it.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use chrysalis_domain::id::EventId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{may, organization};
use crate::app::audit::form::DeedRow;
use crate::app::audit::pages::{Filter, Toward, id};
use crate::http::forms::{in_order, unfit};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;
const TYPES_MAX: usize = 100;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventsForm {
    /// Any of these; left out: all.
    event_types: Option<Vec<String>>,
    /// Go on behind this one: an id, or the `cursor` of an answer.
    #[schema(value_type = Option<String>)]
    after: Option<EventId>,
    limit: Option<u32>,
    organization_id: Option<String>,
    /// Epoch milliseconds, both ends included.
    #[schema(value_type = Option<i64>)]
    range_start: Option<JsonTime>,
    #[schema(value_type = Option<i64>)]
    range_end: Option<JsonTime>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    data: Vec<EventRow>,
    /// Where to go on, now or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    cursor: Option<EventId>,
    has_more: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventRow {
    #[schema(value_type = String, example = "evt_01JD8M4Z5T0123456789ABCDEF")]
    id: EventId,
    #[serde(rename = "type")]
    #[schema(example = "user.created")]
    kind: String,
    data: DeedRow,
    /// Epoch milliseconds.
    created_at: i64,
}

/// What happened since, in its order.
#[utoipa::path(
    post, path = "/banata/events/list", tag = "admin",
    request_body = EventsForm,
    responses(
        (status = 200, description = "Events", body = Events),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn list(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Events>, ApiError> {
    let form: EventsForm = may(&who, Permission::AuditRead, organization(&fields))?.read(fields)?;
    let actions = form.event_types.unwrap_or_default();
    if actions.len() > TYPES_MAX {
        return Err(unfit("eventTypes", format!("takes at most {TYPES_MAX}")));
    }
    in_order(("rangeStart", form.range_start), ("rangeEnd", form.range_end))?;
    let limit = form.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX) as usize;
    let filter = Filter { actions, organization: form.organization_id, ..Filter::default() };
    let trail = http.app.trail();
    trail.wait().await?;
    let since = trail.since(form.range_start.map(|time| time.0)).await?;
    let Some(Toward::Newer(since)) = since else {
        return Ok(Json(Events { data: Vec::new(), cursor: form.after, has_more: false }));
    };
    let after = form.after.map_or(0, |after| match Toward::newer_than(after) {
        Toward::Newer(place) | Toward::Older(place) => place,
    });
    let mut page = trail.page(&filter, Toward::Newer(since.max(after)), limit).await?;
    let found = page.rows.len();
    page.rows.retain(|row| form.range_end.is_none_or(|end| row.recorded_at <= end.0));
    let ended = page.rows.len() < found;
    let cursor = page.on.filter(|_| !ended).or_else(|| page.rows.last().map(id)).or(form.after);
    let created = page.rows.iter().map(|row| row.recorded_at.as_millis()).collect::<Vec<_>>();
    let rows = trail.open(page.rows).await?.into_iter().map(DeedRow::from).zip(created);
    let data = rows.map(|(row, created_at)| EventRow { id: row.id, kind: row.action.clone(), data: row, created_at });
    Ok(Json(Events { data: data.collect(), cursor, has_more: page.on.is_some() && !ended }))
}
