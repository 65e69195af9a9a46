//! Yesterday's events as today's.
//!
//! Stored bytes never change; an old body is lifted to the current version when it is read, one version at a time.
//! When an event changes shape, raise its version in the `events!` list, keep the old fixture file, and add the step
//! from the old version to [`STEPS`].

use serde_json::Value;

use crate::user::UserEvent;

/// One step: bodies of `event_type` at version `from` become version `from + 1`.
pub struct Step {
    pub event_type: &'static str,
    pub from: u16,
    pub lift: fn(Value) -> Value,
}

/// Every step there is, for every event. Empty: all events are at version 1.
pub const STEPS: &[Step] = &[];

/// A stored event that this program can't read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("event type {event_type:?} is unknown; it was written by a newer Chrysalis: run that version or a later one")]
    UnknownType { event_type: String },
    #[error("{event_type} version {version} is newer than this program's; run the Chrysalis that wrote it or a later one")]
    TooNew { event_type: String, version: u16 },
    #[error("there is no upcaster for {event_type} version {version}")]
    NoUpcaster { event_type: String, version: u16 },
    #[error("the body of {event_type} version {version} does not read: {source}")]
    Body { event_type: String, version: u16, source: serde_json::Error },
}

/// Reads a stored body as the event it is today.
pub fn read(event_type: &str, version: u16, body: &[u8]) -> Result<UserEvent, Unreadable> {
    read_with(STEPS, UserEvent::TYPES, event_type, version, body)
}

fn read_with(steps: &[Step], types: &[(&str, u16)], event_type: &str, version: u16, body: &[u8]) -> Result<UserEvent, Unreadable> {
    let named = || event_type.to_owned();
    let current = types.iter().find(|(name, _)| *name == event_type).map(|(_, version)| *version);
    let current = current.ok_or_else(|| Unreadable::UnknownType { event_type: named() })?;
    let unreadable = |source| Unreadable::Body { event_type: named(), version, source };
    let parse = |body: &[u8]| match UserEvent::parse(event_type, body) {
        Some(parsed) => parsed.map_err(unreadable),
        None => Err(Unreadable::UnknownType { event_type: named() }),
    };
    if version == current {
        return parse(body);
    }
    if version > current {
        return Err(Unreadable::TooNew { event_type: named(), version });
    }
    let mut value: Value = serde_json::from_slice(body).map_err(unreadable)?;
    for from in version..current {
        let step = steps.iter().find(|step| step.event_type == event_type && step.from == from);
        let step = step.ok_or_else(|| Unreadable::NoUpcaster { event_type: named(), version: from })?;
        value = (step.lift)(value);
    }
    parse(value.to_string().as_bytes())
}
