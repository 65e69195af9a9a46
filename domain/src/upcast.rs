//! Yesterday's events as today's.
//!
//! Stored bytes never change; an old body is lifted to the current version when it is read, one version at a time.
//! When an event changes shape, raise its version in the `events!` list, keep the old fixture file, and add the step
//! from the old version to [`STEPS`].

use serde_json::Value;

/// One step: bodies of `event_type` at version `from` become version `from + 1`.
pub struct Step {
    pub event_type: &'static str,
    pub from: u16,
    pub lift: fn(Value) -> Value,
}

/// Every step there is, for every event.
pub const STEPS: &[Step] = &[
    // Version 2 may name the language of the mail.
    Step { event_type: "EmailVerificationRequested", from: 1, lift: |body| body },
    // Version 2 tells who was a guest all along.
    Step { event_type: "UpgradeSuperseded", from: 1, lift: |body| body },
];

/// A stored event that this program can't read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(
        "event type {event_type:?} is unknown; it was written by a newer Chrysalis: run that version or a later one"
    )]
    UnknownType { event_type: String },
    #[error(
        "{event_type} version {version} is newer than this program's; run the Chrysalis that wrote it or a later one"
    )]
    TooNew { event_type: String, version: u16 },
    #[error("there is no upcaster for {event_type} version {version}")]
    NoUpcaster { event_type: String, version: u16 },
    #[error("the body of {event_type} version {version} does not read: {source}")]
    Body { event_type: String, version: u16, source: serde_json::Error },
}

/// The events of one aggregate, as they are stored.
pub trait Stored: Sized {
    /// Every type there is of these, with its current version.
    const TYPES: &'static [(&'static str, u16)];

    /// Reads a body of the current version; `None` when the type is not one of these.
    fn parse(event_type: &str, body: &[u8]) -> Option<Result<Self, serde_json::Error>>;
}

/// Reads a stored body as the event it is today.
pub fn read<E: Stored>(event_type: &str, version: u16, body: &[u8]) -> Result<E, Unreadable> {
    read_with(STEPS, E::TYPES, event_type, version, body)
}

fn read_with<E: Stored>(
    steps: &[Step],
    types: &[(&str, u16)],
    event_type: &str,
    version: u16,
    body: &[u8],
) -> Result<E, Unreadable> {
    let named = || event_type.to_owned();
    let current = types.iter().find(|(name, _)| *name == event_type).map(|(_, version)| *version);
    let current = current.ok_or_else(|| Unreadable::UnknownType { event_type: named() })?;
    let unreadable = |source| Unreadable::Body { event_type: named(), version, source };
    let parse = |body: &[u8]| match E::parse(event_type, body) {
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

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::user::UserEvent;
    use crate::user::event::{EndReason, SessionEnded};

    const TYPES: &[(&str, u16)] = &[("SessionEnded", 3), ("SessionBegan", 1)];
    const SESSION: &str = "ses_01JM0000000000000000000001";

    /// Version 1 named the reason `why`, version 2 counted seconds.
    const STEPS: &[Step] = &[
        Step { event_type: "SessionEnded", from: 2, lift: to_milliseconds },
        Step { event_type: "SessionExtended", from: 1, lift: |_| json!("not for this event") },
        Step { event_type: "SessionEnded", from: 1, lift: name_the_reason },
    ];

    fn name_the_reason(mut body: Value) -> Value {
        body["reason"] = body["why"].take();
        body
    }

    fn to_milliseconds(mut body: Value) -> Value {
        body["at"] = json!(body["at"].as_i64().unwrap_or_default() * 1000);
        body
    }

    fn read(steps: &[Step], event_type: &str, version: u16, body: &Value) -> Result<UserEvent, Unreadable> {
        read_with(steps, TYPES, event_type, version, body.to_string().as_bytes())
    }

    fn ended() -> UserEvent {
        let at = crate::Timestamp::from_millis(5_000);
        SessionEnded { session: SESSION.parse().unwrap(), reason: EndReason::SignedOut, at }.into()
    }

    #[test]
    fn an_old_body_is_lifted_one_version_at_a_time() {
        let first = json!({ "session": SESSION, "why": "signed_out", "at": 5 });
        let second = json!({ "session": SESSION, "reason": "signed_out", "at": 5 });
        let third = json!({ "session": SESSION, "reason": "signed_out", "at": 5_000 });
        for (version, body) in [(1, first), (2, second), (3, third)] {
            assert_eq!(read(STEPS, "SessionEnded", version, &body).unwrap(), ended(), "version {version}");
        }
    }

    #[test]
    fn a_missing_step_is_named() {
        let body = json!({ "session": SESSION, "why": "signed_out", "at": 5 });
        let error = read(&STEPS[1..], "SessionEnded", 1, &body).unwrap_err();
        assert!(
            matches!(&error, Unreadable::NoUpcaster { event_type, version: 2 } if event_type == "SessionEnded"),
            "{error}"
        );
        let error = read(&STEPS[..2], "SessionEnded", 1, &body).unwrap_err();
        assert!(matches!(error, Unreadable::NoUpcaster { version: 1, .. }), "{error}");
    }

    #[test]
    fn a_version_from_the_future_is_refused_even_if_it_would_read() {
        let body = json!({ "session": SESSION, "reason": "signed_out", "at": 5_000 });
        let error = read(STEPS, "SessionEnded", 4, &body).unwrap_err();
        assert!(
            matches!(&error, Unreadable::TooNew { event_type, version: 4 } if event_type == "SessionEnded"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let error = read(STEPS, "SessionPondered", 1, &json!({})).unwrap_err();
        assert!(matches!(&error, Unreadable::UnknownType { event_type } if event_type == "SessionPondered"), "{error}");
        // Listed, but not one that this aggregate can parse.
        let error = read(STEPS, "SessionBegan", 1, &json!({})).unwrap_err();
        assert!(matches!(&error, Unreadable::UnknownType { event_type } if event_type == "SessionBegan"), "{error}");
    }

    #[test]
    fn a_broken_body_is_told_with_its_own_version() {
        let broken = |version, body: &[u8]| match read_with::<UserEvent>(STEPS, TYPES, "SessionEnded", version, body) {
            Err(Unreadable::Body { event_type, version, .. }) => (event_type, version),
            other => panic!("{other:?}"),
        };
        let named = |version| ("SessionEnded".to_owned(), version);
        assert_eq!(broken(3, b"{"), named(3));
        assert_eq!(broken(1, b"{"), named(1));
        assert_eq!(broken(3, b"{}"), named(3));
        assert_eq!(broken(2, b"{\"at\":5}"), named(2), "a body that was lifted and still doesn't read");
        assert_eq!(broken(3, b"\xff"), named(3));
    }

    /// A step that can never be taken hides a mistake in its version or its name.
    #[test]
    fn every_step_leads_to_a_version_there_is() {
        for step in super::STEPS {
            let current = UserEvent::TYPES.iter().find(|(name, _)| *name == step.event_type);
            assert!(
                current.is_some_and(|(_, current)| (1..*current).contains(&step.from)),
                "{} from {}",
                step.event_type,
                step.from
            );
        }
    }
}
