//! What an app adds to the audit trail.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::note::{ActorType, NoteTarget};
use chrysalis_domain::value::{Label, Word};
use chrysalis_domain::{Permission, Span, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{may, organization};
use crate::app::audit::form::DeedRow;
use crate::app::audit::note::NewNote;
use crate::app::audit::open::{Changes, Named, Said, is_ours};
use crate::app::view::ClientSeen;
use crate::http::forms::{poisoned, unfit};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody, FieldError};
use crate::wire::json_time::JsonTime;

/// Targets of one deed.
const TARGETS_MAX: usize = 20;
/// Bytes of changes, and of metadata, as JSON.
const CHANGES_MAX: usize = 32 * 1024;
const METADATA_MAX: usize = 16 * 1024;
/// Longest name, address or user agent, in characters.
const TEXT_MAX: usize = 512;
/// How far ahead of ours the clock of an app may be.
const AHEAD: Span = Span::from_days(1);

/// `targets`, `changes` and `metadata` are JSON, or JSON as text.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = audit::CreateForm)]
#[serde(rename_all = "camelCase")]
pub struct CreateForm {
    /// 1 to 64 of `[a-z0-9_.]`; none of ours.
    #[schema(example = "invoice.paid")]
    action: String,
    /// `user`, `admin`, `system` or `api_key`.
    actor_type: String,
    /// An id, and no address: 1 to 200 letters, digits, blanks and `._-+:/`. A system may do without.
    #[serde(default)]
    actor_id: Option<String>,
    #[serde(default)]
    actor_name: Option<String>,
    #[serde(default)]
    actor_email: Option<String>,
    /// `[{type, id, name?}]`, at most 20.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    targets: Option<Value>,
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    ip_address: Option<String>,
    #[serde(default)]
    user_agent: Option<String>,
    /// `{before, after}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    changes: Option<Value>,
    /// Texts by name.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// Epoch milliseconds; now, where nothing is said.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    occurred_at: Option<JsonTime>,
    /// The same key of the same API key, or administrator, within a day notes nothing anew.
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// Adds what an app did to the trail. Its row says `source: "api"`.
#[utoipa::path(
    post, path = "/banata/audit-logs/create", tag = "admin",
    request_body = CreateForm,
    responses(
        (status = 200, description = "The deed as the trail has it", body = DeedRow),
        (status = 400, description = "`VALIDATION_ERROR`, also for an action of ours", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`, `FORBIDDEN`, `PROJECT_SCOPE_MISMATCH`", body = ErrorBody),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", body = ErrorBody),
    )
)]
pub async fn create(
    State(http): State<Http>,
    who: Who,
    Body(fields): AdminBody<Fields>,
) -> Result<Json<DeedRow>, ApiError> {
    let authority = may(&who, Permission::AuditWrite, organization(&fields))?;
    let form: CreateForm = authority.read(fields)?;
    let seen = http.app.note(&who.caller, &authority, form.note(who.caller.at)?).await?;
    Ok(Json(seen.into()))
}

impl CreateForm {
    fn note(self, now: Timestamp) -> Result<NewNote, ApiError> {
        let action = Word::parse(&self.action).ok_or_else(|| unfit("action", "takes 1 to 64 of [a-z0-9_.]"))?;
        if is_ours(action.as_str()) {
            return Err(unfit("action", "is one of ours, which only happens"));
        }
        let actor_type = ActorType::from_name(&self.actor_type)
            .ok_or_else(|| unfit("actorType", "is one of user, admin, system, api_key"))?;
        let actor = label("actorId", self.actor_id)?;
        if actor.is_none() && actor_type != ActorType::System {
            let required = FieldError { field: "actorId".into(), message: "Required".into(), code: "REQUIRED" };
            return Err(ApiError::validation(vec![required]));
        }
        let occurred_at = self.occurred_at.map(|time| time.0);
        if occurred_at.is_some_and(|time| time > now + AHEAD) {
            return Err(unfit("occurredAt", "is too far ahead"));
        }
        let targets: Vec<Named> = read("targets", self.targets)?.unwrap_or_default();
        if targets.len() > TARGETS_MAX {
            return Err(unfit("targets", format!("takes at most {TARGETS_MAX}")));
        }
        let client = ClientSeen {
            ip: text("ipAddress", self.ip_address)?.unwrap_or_default(),
            ua: text("userAgent", self.user_agent)?.unwrap_or_default(),
        };
        Ok(NewNote {
            action,
            actor_type,
            actor,
            targets: targets.iter().enumerate().map(target).collect::<Result<_, _>>()?,
            organization: label("organizationId", self.organization_id)?,
            idempotency_key: label("idempotencyKey", self.idempotency_key)?,
            occurred_at,
            said: Said {
                actor_name: text("actorName", self.actor_name)?,
                actor_email: text("actorEmail", self.actor_email)?,
                targets,
                client,
                changes: changes(self.changes)?,
                metadata: metadata(self.metadata)?,
            },
        })
    }
}

/// JSON, or JSON as text; nothing where it is null or empty.
fn read<T: DeserializeOwned>(field: &str, value: Option<Value>) -> Result<Option<T>, ApiError> {
    let value = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|_| unfit(field, "is no JSON"))?,
        Some(value) => value,
    };
    serde_json::from_value(value).map(Some).map_err(|_| unfit(field, "is not of the form that is asked for"))
}

fn label(field: &str, value: Option<String>) -> Result<Option<Label>, ApiError> {
    let given = value.filter(|text| !text.is_empty());
    let unread = || unfit(field, "takes 1 to 200 letters, digits, blanks and ._-+:/, and no address");
    given.map(|text| Label::parse(&text).ok_or_else(unread)).transpose()
}

fn target((at, target): (usize, &Named)) -> Result<NoteTarget, ApiError> {
    let kind = Word::parse(&target.kind)
        .ok_or_else(|| unfit(&format!("targets[{at}].type"), "takes 1 to 64 of [a-z0-9_.]"))?;
    let id = label(&format!("targets[{at}].id"), Some(target.id.clone()))?;
    let id = id.ok_or_else(|| unfit(&format!("targets[{at}].id"), "must not be empty"))?;
    text(&format!("targets[{at}].name"), target.name.clone())?;
    Ok(NoteTarget { kind, id })
}

fn text(field: &str, value: Option<String>) -> Result<Option<String>, ApiError> {
    let given = value.filter(|text| !text.is_empty());
    match given {
        Some(text) if text.chars().count() > TEXT_MAX => {
            Err(unfit(field, format!("takes at most {TEXT_MAX} characters")))
        }
        given => Ok(given),
    }
}

fn changes(value: Option<Value>) -> Result<Option<Changes>, ApiError> {
    let Some(object) = read::<Map<String, Value>>("changes", value)? else { return Ok(None) };
    bounded("changes", &object, CHANGES_MAX)?;
    let mut object = object;
    let mut side = |name| object.remove(name).unwrap_or_default();
    Ok(Some(Changes { before: side("before"), after: side("after") }))
}

/// Texts by name; a number or a flag is written as text.
fn metadata(value: Option<Value>) -> Result<Option<Map<String, Value>>, ApiError> {
    let Some(object) = read::<Map<String, Value>>("metadata", value)? else { return Ok(None) };
    bounded("metadata", &object, METADATA_MAX)?;
    let text = |value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(Some(object.into_iter().map(|(name, value)| (name, Value::String(text(value)))).collect()))
}

fn bounded(field: &str, object: &Map<String, Value>, max: usize) -> Result<(), ApiError> {
    if poisoned(object) {
        return Err(unfit(field, "must not name __proto__, constructor or prototype"));
    }
    let size = serde_json::to_string(object).map_or(usize::MAX, |json| json.len());
    if size > max { Err(unfit(field, format!("takes at most {} KB", max / 1024))) } else { Ok(()) }
}
