//! API keys (CONTRACT 7.3): shown once, stored hashed. Nobody gives by a key what they lack.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::id::{ApiKeyId, OrganizationId};
use chrysalis_domain::{Permission, Permissions, Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::forms;
use super::shape::{SUCCESS, Success};
use super::state::Http;
use super::who::Who;
use crate::app::api_keys::{ApiKeyView, Issued, NewApiKey};
use crate::keys::prefix_of;
use crate::wire::body::{Body, Fields};
use crate::wire::error::{ApiError, ErrorBody, FieldError};
use crate::wire::json_time::JsonTime;

/// Longest that a secret may work on after it was replaced, in seconds: 30 days.
const OVERLAP_MAX: u32 = 30 * 86_400;
/// And how long it does where nothing is said: a day.
const OVERLAP: u32 = 86_400;

/// An API key, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyRow {
    #[schema(value_type = String, example = "key_01JD8M4Z5T0123456789ABCDEF")]
    id: ApiKeyId,
    name: Option<String>,
    /// What people tell keys apart by; it proves nothing.
    #[schema(example = "sk_live_8gum")]
    start: String,
    prefix: String,
    #[schema(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    permissions: Vec<&'static str>,
    enabled: bool,
    expires_at: Option<JsonTime>,
    last_used_at: Option<JsonTime>,
    created_at: JsonTime,
    updated_at: JsonTime,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

impl From<ApiKeyView> for ApiKeyRow {
    fn from(view: ApiKeyView) -> Self {
        let ApiKeyView { row, name, metadata } = view;
        Self {
            id: row.key,
            name,
            prefix: prefix_of(&row.start).to_owned(),
            start: row.start,
            organization_id: row.organization,
            permissions: row.permissions.names().collect(),
            enabled: row.enabled,
            expires_at: row.expires_at.map(Into::into),
            last_used_at: row.last_used_at.map(Into::into),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            metadata: metadata.and_then(|json| RawValue::from_string(json).ok()),
        }
    }
}

/// A key with its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IssuedKey {
    #[serde(flatten)]
    row: ApiKeyRow,
    /// Shown this once.
    key: String,
}

impl From<Issued> for IssuedKey {
    fn from(issued: Issued) -> Self {
        Self { row: issued.view.into(), key: issued.secret.as_str().to_owned() }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = api_key::CreateForm)]
#[serde(rename_all = "camelCase")]
pub struct CreateForm {
    #[schema(example = "clean-up")]
    name: String,
    /// Names such as `users.read`. Left out: all that the maker has.
    #[serde(default)]
    permissions: Option<Vec<String>>,
    /// The key is good for this organization alone.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    organization_id: Option<OrganizationId>,
    /// A date, or epoch milliseconds.
    #[serde(default)]
    expires_at: Option<JsonTime>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Fields>,
}

/// Makes a key. Its secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/api-key/create", tag = "admin",
    request_body = CreateForm,
    responses(
        (status = 200, description = "The key, with its secret", body = IssuedKey),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, also for giving what one lacks; `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
    )
)]
pub async fn create(
    State(http): State<Http>,
    who: Who,
    Body(fields): Body<Fields>,
) -> Result<Json<IssuedKey>, ApiError> {
    let authority = who.authority(Permission::ApiKeysWrite)?;
    let form: CreateForm = authority.read(fields)?;
    let new = NewApiKey {
        name: named(form.name)?,
        metadata: forms::metadata(form.metadata)?,
        permissions: form.permissions.map(|names| permissions(&names)).transpose()?,
        organization: form.organization_id,
        expires_at: future(form.expires_at, who.caller.at)?,
    };
    let issued = http.app.api_keys(&who.caller, &authority).create(new, http.app.config.dev).await?;
    Ok(Json(issued.into()))
}

/// Every key that stands, newest first.
#[utoipa::path(
    get, path = "/api-key/list", tag = "admin",
    responses(
        (status = 200, description = "Keys", body = Vec<ApiKeyRow>),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`", body = ErrorBody),
    )
)]
pub async fn list(State(http): State<Http>, who: Who) -> Result<Json<Vec<ApiKeyRow>>, ApiError> {
    let authority = who.authority(Permission::ApiKeysRead)?;
    let keys = http.app.api_keys(&who.caller, &authority).list().await?;
    Ok(Json(keys.into_iter().map(Into::into).collect()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotateForm {
    #[schema(value_type = String)]
    key_id: ApiKeyId,
    /// Seconds that the secret of before works on: a day where nothing is said, 30 days at most.
    #[serde(default)]
    overlap: Option<u32>,
    /// Left out: the key ends when it would have ended.
    #[serde(default)]
    expires_at: Option<JsonTime>,
}

/// Gives a key another secret. The one before works on for a while.
#[utoipa::path(
    post, path = "/api-key/rotate", tag = "admin",
    request_body = RotateForm,
    responses(
        (status = 200, description = "The key, with its new secret", body = IssuedKey),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, also for a key that may do more", body = ErrorBody),
        (status = 404, description = "`KEY_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn rotate(
    State(http): State<Http>,
    who: Who,
    Body(fields): Body<Fields>,
) -> Result<Json<IssuedKey>, ApiError> {
    let authority = who.authority(Permission::ApiKeysWrite)?;
    let form: RotateForm = authority.read(fields)?;
    let overlap = form.overlap.unwrap_or(OVERLAP);
    if overlap > OVERLAP_MAX {
        return Err(forms::unfit("overlap", "takes at most 2592000 seconds"));
    }
    let expires_at = future(form.expires_at, who.caller.at)?;
    let keys = http.app.api_keys(&who.caller, &authority);
    let issued = keys.rotate(form.key_id, Span::from_secs(overlap.into()), expires_at, http.app.config.dev).await?;
    Ok(Json(issued.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = api_key::UpdateForm)]
#[serde(rename_all = "camelCase")]
pub struct UpdateForm {
    #[schema(value_type = String)]
    key_id: ApiKeyId,
    enabled: bool,
}

/// Takes a key out of use for a time, or into use again.
#[utoipa::path(
    post, path = "/api-key/update", tag = "admin",
    request_body = UpdateForm,
    responses(
        (status = 200, description = "The key", body = ApiKeyRow),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, also for waking a key that may do more", body = ErrorBody),
        (status = 404, description = "`KEY_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn update(
    State(http): State<Http>,
    who: Who,
    Body(fields): Body<Fields>,
) -> Result<Json<ApiKeyRow>, ApiError> {
    let authority = who.authority(Permission::ApiKeysWrite)?;
    let form: UpdateForm = authority.read(fields)?;
    let key = http.app.api_keys(&who.caller, &authority).switch(form.key_id, form.enabled).await?;
    Ok(Json(key.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = api_key::DeleteForm)]
#[serde(rename_all = "camelCase")]
pub struct DeleteForm {
    #[schema(value_type = String)]
    key_id: ApiKeyId,
}

/// Revokes a key, for good.
#[utoipa::path(
    post, path = "/api-key/delete", tag = "admin",
    request_body = DeleteForm,
    responses(
        (status = 200, description = "Revoked, or it was", body = Success),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`KEY_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn delete(State(http): State<Http>, who: Who, Body(fields): Body<Fields>) -> Result<Json<Success>, ApiError> {
    let authority = who.authority(Permission::ApiKeysWrite)?;
    let form: DeleteForm = authority.read(fields)?;
    http.app.api_keys(&who.caller, &authority).revoke(form.key_id).await?;
    Ok(Json(SUCCESS))
}

fn named(name: String) -> Result<String, ApiError> {
    if name.trim().is_empty() {
        return Err(forms::unfit("name", "must not be empty"));
    }
    Ok(forms::name(Some(name))?.unwrap_or_default())
}

fn permissions(names: &[String]) -> Result<Permissions, ApiError> {
    let read = |(at, name): (usize, &String)| {
        name.parse::<Permission>().map_err(|error| FieldError {
            field: format!("permissions[{at}]"),
            message: error.to_string(),
            code: "INVALID_VALUE",
        })
    };
    names.iter().enumerate().map(read).collect::<Result<_, _>>().map_err(|error| ApiError::validation(vec![error]))
}

fn future(time: Option<JsonTime>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match time {
        Some(JsonTime(end)) if end <= now => Err(forms::unfit("expiresAt", "must be in the future")),
        time => Ok(time.map(|JsonTime(end)| end)),
    }
}
