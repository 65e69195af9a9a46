//! A message: what an endpoint is told of one event.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{EventId, MessageId, WebhookId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::wire::json_time::JsonTime;

/// Longest body, in bytes.
pub const LONGEST: usize = 256 * 1024;

/// The id of what one endpoint is told of one event: whoever derives it, whenever, derives the same. It stands where its
/// event stands in time.
pub fn message_id(event: EventId, webhook: WebhookId) -> MessageId {
    let hash = Sha256::new_with_prefix(b"webhook message")
        .chain_update(event.ulid().to_bytes())
        .chain_update(webhook.ulid().to_bytes())
        .finalize();
    let mut random = [0; 16];
    random.copy_from_slice(&hash[..16]);
    MessageId::from_ulid(Ulid::from_parts(event.ulid().timestamp_ms(), u128::from_be_bytes(random)))
}

/// The body, in which every reader finds what it looks for: some say `event`, some `type`, and each its own time.
#[derive(Serialize)]
pub struct Envelope<'a, D> {
    id: EventId,
    event: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: JsonTime,
    #[serde(rename = "createdAt")]
    created_at: JsonTime,
    #[serde(rename = "created_at")]
    created_at_too: JsonTime,
    data: &'a D,
}

impl<'a, D: Serialize> Envelope<'a, D> {
    pub fn new(id: EventId, event_type: &'a str, at: Timestamp, data: &'a D) -> Self {
        let at = JsonTime(at);
        Self { id, event: event_type, event_type, timestamp: at, created_at: at, created_at_too: at, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A golden vector: receivers remember these ids.
    #[test]
    fn an_id_is_what_it_was_on_the_first_day() {
        let (event, webhook) =
            (EventId::from_ulid(Ulid::from_parts(7, 1)), WebhookId::from_ulid(Ulid::from_parts(8, 1)));
        assert_eq!(message_id(event, webhook).to_string(), "msg_0000000007FJXXZD280WS39NRP");
        assert_ne!(message_id(event, webhook), message_id(event, WebhookId::from_ulid(Ulid::from_parts(8, 2))));
        assert_ne!(message_id(event, webhook), message_id(EventId::from_ulid(Ulid::from_parts(7, 2)), webhook));
    }
}
