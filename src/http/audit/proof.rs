//! What was signed of the log, and what it proves ([`crate::proof`]). Checkpoints and proofs are texts, in formats that other
//! programs know; they are answered as they are, to be kept in a file.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrysalis_domain::Permission;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::forms::{unfit, unprocessable};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::log::Log;
use crate::proof::{self, Signed, Signer};
use crate::wire::body::Query;
use crate::wire::error::{ApiError, ErrorBody, FieldError};
use crate::wire::json_time::JsonTime;

/// Checkpoints of a page where nothing is said, and at the most.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A text that is complete in itself.
fn text(text: impl Into<String>) -> Response {
    ([(CONTENT_TYPE, TEXT)], text.into()).into_response()
}

/// A number of a query, as text: what is none is named.
fn number(field: &str, text: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let read = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    read.map(Some).ok_or_else(|| unprocessable(unfit(field, "is no whole number from 0 on")))
}

fn required(field: &str, text: Option<&str>) -> Result<u64, ApiError> {
    let missing = || FieldError { field: field.to_owned(), message: "Required".to_owned(), code: "REQUIRED" };
    number(field, text)?.ok_or_else(|| unprocessable(ApiError::validation(vec![missing()])))
}

/// The checkpoint of so many events; the newest, where nothing is said.
async fn signed(log: &dyn Log, field: &str, size: Option<&str>) -> Result<Signed, ApiError> {
    let found = match number(field, size)? {
        Some(size) => {
            let found = proof::signed_at_size(log, size).await?;
            found
                .ok_or_else(|| unprocessable(unfit(field, "is the size of no checkpoint; `/checkpoints` lists them")))?
        }
        None => proof::latest(log).await?.ok_or_else(nothing_signed)?,
    };
    Ok(found)
}

fn nothing_signed() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NOTHING_SIGNED", "Nothing was signed yet")
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointQuery {
    /// How many events it is about; the newest, where nothing is said.
    #[param(value_type = Option<u64>)]
    size: Option<String>,
}

/// A signed checkpoint of the log: how many events there are, and the root of the Merkle tree over them (C2SP
/// tlog-checkpoint).
#[utoipa::path(
    get, path = "/checkpoint", tag = "audit",
    params(CheckpointQuery),
    responses(
        (status = 200, description = "A signed note", body = String, content_type = "text/plain"),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`NOTHING_SIGNED`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`: `size`", body = ErrorBody),
    )
)]
pub async fn checkpoint(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<CheckpointQuery>, ApiError>,
) -> Result<Response, ApiError> {
    who.authority(Permission::AuditRead)?;
    let Query(query) = query.map_err(unprocessable)?;
    let signed = signed(http.app.log.as_ref(), "size", query.size.as_deref()).await?;
    Ok(text(signed.note))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointsQuery {
    /// Checkpoints of more events than these; `next` of the page before.
    #[param(value_type = Option<u64>)]
    after: Option<String>,
    /// 100 by default, at most 1000.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// What was signed, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointPage {
    checkpoints: Vec<CheckpointRow>,
    /// Where to go on, now or later.
    next: u64,
    more: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointRow {
    /// It is about the events at positions 1 to this one.
    size: u64,
    /// Base64.
    root: String,
    signed_at: JsonTime,
    /// As it was signed.
    note: String,
}

/// All that was signed, by the page.
#[utoipa::path(
    get, path = "/checkpoints", tag = "audit",
    params(CheckpointsQuery),
    responses(
        (status = 200, description = "A page", body = CheckpointPage),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`: `after`, `limit`", body = ErrorBody),
    )
)]
pub async fn checkpoints(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<CheckpointsQuery>, ApiError>,
) -> Result<Json<CheckpointPage>, ApiError> {
    who.authority(Permission::AuditRead)?;
    let Query(query) = query.map_err(unprocessable)?;
    let after = number("after", query.after.as_deref())?.unwrap_or(0);
    let limit = number("limit", query.limit.as_deref())?.unwrap_or(LIMIT.into());
    if limit == 0 {
        return Err(unprocessable(unfit("limit", "must be at least 1")));
    }
    let limit = u32::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let mut page = proof::page(http.app.log.as_ref(), after, limit + 1).await?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    let next = page.last().map_or(after, |last| last.size);
    let row = |Signed { size, root, note, signed_at }| CheckpointRow {
        size,
        root: STANDARD.encode(root),
        signed_at: JsonTime(signed_at),
        note,
    };
    Ok(Json(CheckpointPage { checkpoints: page.into_iter().map(row).collect(), next, more }))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct InclusionQuery {
    /// Of the event.
    #[param(value_type = u64)]
    position: Option<String>,
    /// Of the checkpoint; the newest, where nothing is said.
    #[param(value_type = Option<u64>)]
    size: Option<String>,
}

/// Proves that an event is in what a checkpoint is about (C2SP tlog-proof). The leaf is its `extra` data; `index` is the
/// position less one.
#[utoipa::path(
    get, path = "/proof/inclusion", tag = "audit",
    params(InclusionQuery),
    responses(
        (status = 200, description = "The proof, with the checkpoint", body = String, content_type = "text/plain"),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`NOTHING_SIGNED`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`: `position`, `size`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the tree over the log is being made anew", body = ErrorBody),
    )
)]
pub async fn inclusion(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<InclusionQuery>, ApiError>,
) -> Result<Response, ApiError> {
    who.authority(Permission::AuditRead)?;
    let Query(query) = query.map_err(unprocessable)?;
    let log = http.app.log.as_ref();
    let position = required("position", query.position.as_deref())?;
    let signed = signed(log, "size", query.size.as_deref()).await?;
    let proof = proof::inclusion_in(log, position, &signed).await?;
    let beyond =
        || unprocessable(unfit("position", format!("lies not within 1 and {}, which were signed", signed.size)));
    proof.map(|proof| text(proof.to_string())).ok_or_else(beyond)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct ConsistencyQuery {
    /// How many events the older checkpoint is about.
    #[param(value_type = u64)]
    from: Option<String>,
    /// How many the newer one is about; the newest, where nothing is said.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
}

/// Proves that a checkpoint only adds to an older one (as C2SP tlog-witness has it sent to a witness).
#[utoipa::path(
    get, path = "/proof/consistency", tag = "audit",
    params(ConsistencyQuery),
    responses(
        (status = 200, description = "The proof, with the newer checkpoint", body = String, content_type = "text/plain"),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`NOTHING_SIGNED`", body = ErrorBody),
        (status = 422, description = "`VALIDATION_ERROR`: `from`, `to`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the tree over the log is being made anew", body = ErrorBody),
    )
)]
pub async fn consistency(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<ConsistencyQuery>, ApiError>,
) -> Result<Response, ApiError> {
    who.authority(Permission::AuditRead)?;
    let Query(query) = query.map_err(unprocessable)?;
    let log = http.app.log.as_ref();
    let from = required("from", query.from.as_deref())?;
    let signed = signed(log, "to", query.to.as_deref()).await?;
    let proof = proof::consistency(log, from, &signed).await?;
    let reversed = || unprocessable(unfit("from", format!("lies not within 1 and `to`, {}", signed.size)));
    proof.map(|proof| text(proof.to_string())).ok_or_else(reversed)
}

/// The keys that checkpoints are checked by.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogKeys {
    /// The name of the log.
    #[schema(example = "chrysalis/34750f98bd59fcfc")]
    origin: String,
    /// Oldest first: the last one signs, and the one before it along with it.
    keys: Vec<LogKey>,
    /// The same keys, signed by every one of them: whoever trusts one learns of the others.
    note: String,
}

#[derive(Serialize, ToSchema)]
pub struct LogKey {
    /// As signatures name it.
    #[schema(example = "5d885456")]
    number: String,
    /// Name, number and key in one word, as `--key` takes it.
    verifier: String,
}

/// Every key that the log was ever signed by: older checkpoints stay good.
#[utoipa::path(
    get, path = "/keys", tag = "audit",
    responses(
        (status = 200, description = "The keys", body = LogKeys),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn keys(State(http): State<Http>, who: Who) -> Result<Json<LogKeys>, ApiError> {
    who.authority(Permission::AuditRead)?;
    let signer = Signer::of(&http.app.keyring).ok_or_else(nothing_signed)?;
    let keys = signer.keys().map(|key| LogKey { number: key.number(), verifier: key.to_string() }).collect();
    Ok(Json(LogKeys { origin: signer.origin().to_owned(), keys, note: signer.key_list() }))
}
