//! One event in the stream: its exact body as data, and everything else of its record as metadata, so that nothing is lost.
//!
//! `$correlationId` is the stream that the event belongs to in Chrysalis: EventStoreDB's own projection `$by_correlation_id`
//! makes of it a stream for each user, `$bc-user-usr_…`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::EventId;
use eventstore::{EventData, RecordedEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{LogFault, Recorded, StreamId};

/// What stands beside the body. Written for ever: names are never changed, and none is taken away.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(rename = "$correlationId")]
    correlation: String,
    position: u64,
    project: String,
    stream: String,
    version: u64,
    event_id: String,
    type_version: u16,
    recorded_at: Timestamp,
    occurred_at: Timestamp,
    actor_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    impersonator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    command_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    settings_version: u64,
    /// In base64.
    sealed: String,
}

/// Bytes that the metadata of an event take at most, besides what [`weight`] counts: names, numbers, ids.
const BESIDES: usize = 576;
/// Bytes that each sealed record takes at most by which it is named, in base64.
const NAMED: usize = 72;

/// Bytes that an event takes in an append, as EventStoreDB counts them: at most.
pub(super) fn weight(event_type: &str, stream: &StreamId, actor: usize, sealed: usize, body: usize) -> usize {
    BESIDES + 2 * event_type.len() + 2 * stream.as_str().len() + actor + NAMED * sealed + body
}

/// The id of an event as EventStoreDB has it: the same 16 bytes.
pub(super) fn uuid(event_id: &str) -> Result<Uuid, LogFault> {
    let id: EventId = event_id.parse().map_err(|_| LogFault::Damaged(format!("{event_id} is no id of an event")))?;
    Ok(Uuid::from_bytes(id.ulid().to_bytes()))
}

pub(super) fn data(event: &Recorded) -> Result<EventData, LogFault> {
    let metadata = Metadata {
        correlation: event.stream.as_str().to_owned(),
        position: event.position,
        project: event.project.clone(),
        stream: event.stream.as_str().to_owned(),
        version: event.version,
        event_id: event.event_id.clone(),
        type_version: event.type_version,
        recorded_at: event.recorded_at,
        occurred_at: event.occurred_at,
        actor_type: event.actor_type.clone(),
        actor_id: event.actor_id.clone(),
        actor_by: event.actor_by.clone(),
        impersonator: event.impersonator.clone(),
        request_id: event.request_id.clone(),
        command_id: event.command_id.clone(),
        cause: event.cause.clone(),
        settings_version: event.settings_version,
        sealed: STANDARD.encode(&event.sealed),
    };
    let bug = |error: serde_json::Error| LogFault::Bug(error.to_string());
    let data = match verbatim(&event.body) {
        Some(body) => EventData::json(&event.event_type, &body).map_err(bug)?,
        None => EventData::binary(&event.event_type, event.body.clone().into()),
    };
    data.id(uuid(&event.event_id)?).metadata_as_json(&metadata).map_err(bug)
}

/// The body as JSON that is written just as it stands.
fn verbatim(body: &[u8]) -> Option<Box<RawValue>> {
    let body = std::str::from_utf8(body).ok()?;
    RawValue::from_string(body.to_owned()).ok().filter(|raw| raw.get() == body)
}

pub(super) fn recorded(event: &RecordedEvent) -> Result<Recorded, LogFault> {
    let foreign = |told: &str| {
        LogFault::Damaged(format!("revision {} of the log's stream {told}: somebody else wrote it", event.revision))
    };
    let metadata: Metadata =
        serde_json::from_slice(&event.custom_metadata).map_err(|_| foreign("has no metadata of Chrysalis"))?;
    if metadata.position != event.revision + 1 {
        return Err(foreign("does not stand where its metadata says"));
    }
    let sealed = STANDARD.decode(&metadata.sealed).map_err(|_| foreign("names sealed records that don't read"))?;
    Ok(Recorded {
        position: metadata.position,
        project: metadata.project,
        stream: StreamId::from_stored(metadata.stream),
        version: metadata.version,
        event_id: metadata.event_id,
        event_type: event.event_type.clone(),
        type_version: metadata.type_version,
        recorded_at: metadata.recorded_at,
        occurred_at: metadata.occurred_at,
        actor_type: metadata.actor_type,
        actor_id: metadata.actor_id,
        actor_by: metadata.actor_by,
        impersonator: metadata.impersonator,
        request_id: metadata.request_id,
        command_id: metadata.command_id,
        cause: metadata.cause,
        settings_version: metadata.settings_version,
        sealed,
        body: event.data.to_vec(),
    })
}
