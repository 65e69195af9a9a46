//! What analysts ask over HTTP: counts as JSON, and the same rows as CSV with `format=csv`. By an API key with the permission
//! `analytics.read`, or in an administrator's own session. What can't be asked is 422, with the field.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::Permission;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::forms::{unfit, unprocessable};
use super::state::Http;
use super::who::Who;
use crate::app::analytics::cohorts::{self, CohortRow, Unit};
use crate::app::analytics::conversion::{self, ConversionRow};
use crate::app::analytics::overview::{self, Overview};
use crate::app::analytics::range::{Asked, Range, Unfit};
use crate::app::analytics::spread::{self, Quantile, SessionsRow, TimeRow};
use crate::app::analytics::{Analytics, Line, State as Counted, is_none};
use crate::wire::body::{AdminBody, Body, Fields, Query};
use crate::wire::csv;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

/// Where these stand.
pub const PREFIX: &str = "/api/analytics";

const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// Which time, in which steps. Another key is refused.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct RangeQuery {
    /// `YYYY-MM-DD`, the midnight with which that day begins; or a moment on a quarter of an hour, by RFC 3339 (in a query + is
    /// %2B) or as epoch milliseconds. 30 days before `to` by default.
    from: Option<String>,
    /// No part of it. The end of today by default.
    to: Option<String>,
    /// `quarter` (of an hour), `hour`, `day` (the default), `week`, `month` or `all`.
    grain: Option<String>,
    /// `method`, `channel`, `campaign` or `referrer`: told apart by that.
    group: Option<String>,
    /// `day` (the default) or `week`: after which cohorts are looked at.
    after: Option<String>,
    /// By the clock of which, such as `Europe/Berlin`; `UTC` by default.
    time_zone: Option<String>,
    /// `json` (the default) or `csv`.
    format: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

impl From<Unfit> for ApiError {
    fn from(Unfit { field, message }: Unfit) -> Self {
        unprocessable(unfit(field, message))
    }
}

impl RangeQuery {
    fn asked(&self) -> Asked {
        let Self { from, to, grain, time_zone, .. } = self.clone();
        Asked { from, to, grain, time_zone }
    }

    fn format(&self) -> Result<Format, ApiError> {
        match self.format.as_deref() {
            None | Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            Some(_) => Err(unprocessable(unfit("format", "takes json or csv"))),
        }
    }

    /// Refuses what the path has no use for: it would be taken for understood.
    fn without(&self, fields: &[(&str, bool)]) -> Result<(), ApiError> {
        let given = fields.iter().find(|(_, given)| *given);
        given.map_or(Ok(()), |(field, _)| Err(unprocessable(unfit(field, "is not for this path"))))
    }
}

/// What every answer says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    from: JsonTime,
    /// No part of it.
    to: JsonTime,
    #[schema(example = "UTC")]
    time_zone: String,
    /// The version of what numbers mean.
    definitions: i64,
    /// Events that are not counted yet: the counts are being made anew.
    #[serde(skip_serializing_if = "is_none")]
    events_behind: u64,
}

impl About {
    fn of(range: &Range, Counted { definitions, behind }: Counted) -> Self {
        let time = |at: i64| chrysalis_domain::Timestamp::from_millis(at * 1_000).into();
        Self {
            from: time(range.from),
            to: time(range.to),
            time_zone: range.zone_name.clone(),
            definitions,
            events_behind: behind,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversionBody {
    #[serde(flatten)]
    about: About,
    #[schema(value_type = String, example = "day")]
    grain: &'static str,
    /// What rows are told apart by; null: by nothing.
    #[schema(value_type = Option<String>)]
    group: Option<&'static str>,
    /// The whole time.
    total: ConversionRow,
    data: Vec<ConversionRow>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeToConvertBody {
    #[serde(flatten)]
    about: About,
    /// Guests who became members in that time.
    upgrades: u64,
    quantiles: Vec<Quantile>,
    data: Vec<TimeRow>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsBody {
    #[serde(flatten)]
    about: About,
    /// Guests who became members in that time.
    upgrades: u64,
    data: Vec<SessionsRow>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CohortsBody {
    #[serde(flatten)]
    about: About,
    /// Who came in the same one of these is a cohort.
    #[schema(value_type = String, example = "day")]
    grain: &'static str,
    #[schema(value_type = String, example = "day")]
    after: &'static str,
    data: Vec<CohortRow>,
}

/// Who may ask, what they ask, and by what it is answered.
async fn begun<'h>(
    http: &'h Http,
    who: &Who,
    query: Result<Query<RangeQuery>, ApiError>,
) -> Result<(Analytics<'h>, RangeQuery, Range, Format), ApiError> {
    who.authority(Permission::AnalyticsRead)?;
    let Query(query) = query.map_err(unprocessable)?;
    let (range, format) = (query.asked().read(who.caller.at)?, query.format()?);
    Ok((http.app.analytics(who.caller.at), query, range, format))
}

fn as_csv<L: Line>(rows: &[L]) -> Response {
    let lines = rows.iter().map(|row| csv::line(row.cells()));
    let file: String = std::iter::once(csv::line(L::COLUMNS)).chain(lines).collect();
    ([(CONTENT_TYPE, CSV)], file).into_response()
}

/// Guests, upgrades and verified members, step by step; with `group`, by method or by where guests came from.
#[utoipa::path(
    get, path = "/conversion", tag = "analytics", params(RangeQuery),
    responses(
        (status = 200, description = "A row for each step, and for each value in it", body = ConversionBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `analytics.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`, with the field", body = ErrorBody),
    )
)]
pub async fn by_step(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<RangeQuery>, ApiError>,
) -> Result<Response, ApiError> {
    let (analytics, query, range, format) = begun(&http, &who, query).await?;
    query.without(&[("after", query.after.is_some())])?;
    let split = conversion::group(query.group.as_deref(), &range)?;
    let about = About::of(&range, analytics.state().await?);
    let said = analytics.conversion(&range, split).await?;
    Ok(match format {
        Format::Csv => as_csv(&said.rows),
        Format::Json => {
            let group = query.group.is_some().then(|| split.name());
            let (grain, total) = (range.grain.name(), said.total);
            Json(ConversionBody { about, grain, group, total, data: said.rows }).into_response()
        }
    })
}

/// How long guests took to become members: those who did so in that time, which is whole days of UTC.
#[utoipa::path(
    get, path = "/time-to-convert", tag = "analytics", params(RangeQuery),
    responses(
        (status = 200, description = "A row for each span of seconds that occurred", body = TimeToConvertBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `analytics.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`, with the field", body = ErrorBody),
    )
)]
pub async fn time_to_convert(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<RangeQuery>, ApiError>,
) -> Result<Response, ApiError> {
    let (analytics, query, range, format) = begun(&http, &who, query).await?;
    query.without(&[
        ("grain", query.grain.is_some()),
        ("group", query.group.is_some()),
        ("after", query.after.is_some()),
    ])?;
    spread::whole_days(&range)?;
    let about = About::of(&range, analytics.state().await?);
    let said = analytics.time_to_convert(&range).await?;
    Ok(match format {
        Format::Csv => as_csv(&said.rows),
        Format::Json => {
            let (upgrades, quantiles) = (said.upgrades, said.quantiles);
            Json(TimeToConvertBody { about, upgrades, quantiles, data: said.rows }).into_response()
        }
    })
}

/// How many sessions guests had until they became members: those who did so in that time, which is whole days of UTC.
#[utoipa::path(
    get, path = "/sessions", tag = "analytics", params(RangeQuery),
    responses(
        (status = 200, description = "A row for each number of sessions that occurred", body = SessionsBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `analytics.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`, with the field", body = ErrorBody),
    )
)]
pub async fn sessions(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<RangeQuery>, ApiError>,
) -> Result<Response, ApiError> {
    let (analytics, query, range, format) = begun(&http, &who, query).await?;
    query.without(&[
        ("grain", query.grain.is_some()),
        ("group", query.group.is_some()),
        ("after", query.after.is_some()),
    ])?;
    spread::whole_days(&range)?;
    let about = About::of(&range, analytics.state().await?);
    let data = analytics.sessions(&range).await?;
    Ok(match format {
        Format::Csv => as_csv(&data),
        Format::Json => {
            let upgrades = data.iter().map(|row| row.upgrades).sum();
            Json(SessionsBody { about, upgrades, data }).into_response()
        }
    })
}

/// Guests who came on the same day, or in the same week or month (of UTC): how many of them became members, and how many were
/// there again, so many days or weeks after.
#[utoipa::path(
    get, path = "/cohorts", tag = "analytics", params(RangeQuery),
    responses(
        (status = 200, description = "A row for each cohort and each day or week after", body = CohortsBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `analytics.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`, with the field", body = ErrorBody),
    )
)]
pub async fn by_cohort(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<RangeQuery>, ApiError>,
) -> Result<Response, ApiError> {
    let (analytics, query, range, format) = begun(&http, &who, query).await?;
    query.without(&[("group", query.group.is_some())])?;
    let unit = Unit::parse(query.after.as_deref())?;
    cohorts::fits(&range)?;
    let about = About::of(&range, analytics.state().await?);
    let data = analytics.cohorts(&range, unit).await?;
    Ok(match format {
        Format::Csv => as_csv(&data),
        Format::Json => {
            Json(CohortsBody { about, grain: range.grain.name(), after: unit.name(), data }).into_response()
        }
    })
}

/// Which time, in which steps. A key that is not among these is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverviewForm {
    /// `YYYY-MM-DD`, or a moment on a quarter of an hour. 30 days before `to` by default.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    from: Option<Written>,
    /// No part of it. The end of today by default.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    to: Option<Written>,
    /// `day` (the default), `week`, `month` or `all`.
    #[serde(default)]
    grain: Option<String>,
    /// Such as `Europe/Berlin`; `UTC` by default.
    #[serde(default)]
    time_zone: Option<String>,
}

/// As text, or as epoch milliseconds. What it means takes the time zone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Millis(i64),
}

impl Written {
    fn text(self) -> String {
        match self {
            Written::Text(text) => text,
            Written::Millis(millis) => millis.to_string(),
        }
    }
}

/// Guests created, upgraded and verified; by step, method and cohort; and how long it took.
#[utoipa::path(
    post, path = "/admin/analytics/conversion", tag = "analytics",
    request_body = OverviewForm,
    responses(
        (status = 200, description = "All of it", body = Overview),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `analytics.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`, with the field; also for any other key", body = ErrorBody),
    )
)]
pub async fn overview(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<Overview>, ApiError> {
    let authority = who.authority(Permission::AnalyticsRead)?;
    let OverviewForm { from, to, grain, time_zone } = authority.read(fields).map_err(unprocessable)?;
    let asked = Asked { from: from.map(Written::text), to: to.map(Written::text), grain, time_zone };
    let range = asked.read(who.caller.at)?;
    overview::fits(&range)?;
    Ok(Json(http.app.analytics(who.caller.at).overview(&range).await?))
}
