//! A page of the audit trail.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use chrysalis_domain::id::EventId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{may, organization};
use crate::app::audit::form::DeedRow;
use crate::app::audit::pages::{Filter, Toward, id};
use crate::http::forms::unfit;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};

/// Deeds of a page where nothing is said, and at the most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 1_000;

/// All that is given must hold.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = audit::ListForm)]
#[serde(rename_all = "camelCase", default)]
pub struct ListForm {
    #[schema(example = "user.upgraded")]
    action: Option<String>,
    actor_id: Option<String>,
    target_id: Option<String>,
    organization_id: Option<String>,
    /// The page behind this one, with older deeds.
    #[schema(value_type = Option<String>)]
    after: Option<EventId>,
    /// The page before this one, with newer deeds.
    #[schema(value_type = Option<String>)]
    before: Option<EventId>,
    limit: Option<u32>,
}

/// A page of deeds, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeedPage {
    data: Vec<DeedRow>,
    list_metadata: Neighbours,
}

/// What to ask for as `before` and `after`; null where there is nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbours {
    #[schema(value_type = Option<String>)]
    before: Option<EventId>,
    #[schema(value_type = Option<String>)]
    after: Option<EventId>,
}

/// Who did what to whom. A filter that finds little may give a short page; `after` is null on the last one.
#[utoipa::path(
    post, path = "/banata/audit-logs/list", tag = "admin",
    request_body = ListForm,
    responses(
        (status = 200, description = "A page", body = DeedPage),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn list(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<DeedPage>, ApiError> {
    let form: ListForm = may(&who, Permission::AuditRead, organization(&fields))?.read(fields)?;
    let limit = form.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX) as usize;
    let filter = Filter {
        actions: form.action.into_iter().collect(),
        actor: form.actor_id,
        target: form.target_id,
        organization: form.organization_id,
    };
    let toward = match (form.after, form.before) {
        (None, None) => Toward::NEWEST,
        (Some(after), None) => Toward::older_than(after),
        (None, Some(before)) => Toward::newer_than(before),
        (Some(_), Some(_)) => return Err(unfit("before", "goes without `after`")),
    };
    let trail = http.app.trail();
    trail.wait().await?;
    let mut page = trail.page(&filter, toward, limit).await?;
    if let Toward::Newer(_) = toward {
        page.rows.reverse();
    }
    let (first, last) = (page.rows.first().map(id), page.rows.last().map(id));
    let list_metadata = match toward {
        Toward::Newer(_) => Neighbours { before: page.on, after: last },
        Toward::Older(_) => Neighbours { before: first.filter(|_| form.after.is_some()), after: page.on },
    };
    let data = trail.open(page.rows).await?.into_iter().map(Into::into).collect();
    Ok(Json(DeedPage { data, list_metadata }))
}
