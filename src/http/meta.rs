//! What is not about users: is it up, what went wrong, how is it doing.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::Http;
use crate::outage;
use crate::wire::body::Query;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::html::{Page, error_page};

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Up {
    ok: bool,
}

/// The server answers.
#[utoipa::path(get, path = "/ok", tag = "server", responses((status = 200, description = "It does", body = Up)))]
pub async fn ok() -> Json<Up> {
    Json(Up { ok: true })
}

#[derive(Debug, Default, Deserialize)]
pub struct ErrorQuery {
    #[serde(default)]
    error: String,
}

/// Where a redirect ends that has nowhere else to go: says what went wrong.
#[utoipa::path(
    get, path = "/error", tag = "server",
    params(("error" = Option<String>, Query, description = "A code")),
    responses((status = 200, description = "A page", content_type = "text/html"))
)]
pub async fn error(Query(query): Query<ErrorQuery>) -> Page {
    error_page(&query.error)
}

/// The process lives. Says nothing of the store: a node without its store should be left alone, not be restarted.
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, description = "Alive", body = Up)))]
pub async fn alive() -> Json<Up> {
    Json(Up { ok: true })
}

/// The store can be written to, and what the node begins with is: it may be given traffic. An answer holds for a second.
#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses((status = 200, description = "Ready", body = Up), (status = 503, description = "Not now", body = ErrorBody))
)]
pub async fn ready(State(http): State<Http>) -> Result<Json<Up>, ApiError> {
    match http.readiness.look().await {
        Ok(()) if http.app.has_begun() => Ok(Json(Up { ok: true })),
        Ok(()) => Err(ApiError::service_unavailable(2)),
        Err(fault) => {
            outage::met(&fault);
            Err(ApiError::service_unavailable(2))
        }
    }
}

/// Figures for an operator, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, description = "OpenMetrics text", content_type = "text/plain")))]
pub async fn metrics(State(http): State<Http>) -> Response {
    let mut response = http.metrics.encode(&http.app.hasher, &http.app.limits).into_response();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
