//! The audit trail for taking away, as JSON or CSV.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use utoipa::ToSchema;

use super::{may, organization};
use crate::app::audit::export::{Cursor, Period};
use crate::app::audit::form::DeedRow;
use crate::app::audit::pages::Filter;
use crate::http::forms::{in_order, unfit};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

const LIMIT_MAX: u32 = 1_000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportForm {
    format: Format,
    /// Epoch milliseconds, both ends included.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    start_date: Option<JsonTime>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    end_date: Option<JsonTime>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    organization_id: Option<String>,
    /// At most 1000.
    #[serde(default)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
    Csv,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    data: ExportedData,
    count: usize,
    /// Where the next page begins, in epoch milliseconds, with a fraction of one where more fell into it than the page took; null on
    /// the last one.
    #[schema(value_type = Option<f64>)]
    next_cursor: Option<Number>,
}

/// Rows, or a whole CSV file with its line of names as text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ExportedData {
    Json(Vec<DeedRow>),
    Csv(String),
}

/// A page of a period, oldest first. Each page of CSV is a file of its own.
#[utoipa::path(
    post, path = "/banata/audit-logs/export", tag = "admin",
    request_body = ExportForm,
    responses(
        (status = 200, description = "A page", body = Exported),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn export(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Exported>, ApiError> {
    let form: ExportForm = may(&who, Permission::AuditRead, organization(&fields))?.read(fields)?;
    let cursor = form.cursor.map(|number| Cursor::from_number(number).ok_or_else(|| unfit("cursor", "is none")));
    in_order(("startDate", form.start_date), ("endDate", form.end_date))?;
    let limit = form.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX) as usize;
    let filter =
        Filter { actions: form.action.into_iter().collect(), organization: form.organization_id, ..Filter::default() };
    let period = Period { from: form.start_date.map(|time| time.0), to: form.end_date.map(|time| time.0) };
    let trail = http.app.trail();
    trail.wait().await?;
    let (rows, next) = trail.export(&filter, period, cursor.transpose()?, limit).await?;
    let rows: Vec<DeedRow> = trail.open(rows).await?.into_iter().map(Into::into).collect();
    let count = rows.len();
    let data = match form.format {
        Format::Json => ExportedData::Json(rows),
        Format::Csv => ExportedData::Csv(rows.iter().fold(DeedRow::csv_head(), |file, row| file + &row.csv())),
    };
    Ok(Json(Exported { data, count, next_cursor: next.and_then(number) }))
}

/// A whole number where it is one.
fn number(cursor: Cursor) -> Option<Number> {
    if cursor.behind == 0 {
        return Some(cursor.at.as_millis().into());
    }
    match Value::from(cursor.number()) {
        Value::Number(number) => Some(number),
        _ => None,
    }
}
