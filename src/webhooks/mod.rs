//! Webhooks: what an endpoint is told, by what it knows that we said it, and where endpoints may stand.
//!
//! How deliveries go about is in [`crate::followers::webhooks`].

mod message;
mod secret;
mod target;

use std::time::Duration;

pub use message::{Envelope, LONGEST, message_id};
pub use secret::WebhookSecret;
pub use target::{Target, UnfitTarget};

use crate::outgoing::Pace;

/// An endpoint has ten seconds. So many messages are under way at a time, to all endpoints together.
pub const PACE: Pace = Pace { patience: Duration::from_secs(10), at_a_time: 512 };

/// Endpoints of an installation. Each has its share of what may be under way, and reads the log for itself.
pub const MOST: usize = 32;

/// Names that an endpoint may list.
pub const MOST_TYPES: usize = 64;

/// The name of a kind of event, as far as its form goes: which there are, grows.
pub fn is_event_type(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}
