//! What can happen to a webhook endpoint. That a message was delivered is no event: there are too many, and nothing follows
//! from it. That one never was is evidence.

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::id::{MessageId, PersonId, SealedId, WebhookId};
use crate::time::Timestamp;
use crate::value::Secret;

events! {
    WebhookEvent:
    WebhookCreated 1,
    WebhookUpdated 1,
    WebhookEnabled 1,
    WebhookDisabled 1,
    WebhookReplayed 1,
    DeliveryLost 1,
    WebhookDeleted 1,
}

/// From here on the endpoint is told what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCreated {
    pub webhook: WebhookId,
    /// Where to: sealed, for an address may hold what only its owner may know.
    pub url: Secret,
    /// What messages are signed with.
    pub secret: Secret,
    /// Of what it is told; everything, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    pub enabled: bool,
    pub at: Timestamp,
}

/// Names only what changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookUpdated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// Whose the address before was: it goes with this event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erases: Vec<PersonId>,
    pub at: Timestamp,
}

/// Deliveries go on where they stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEnabled {
    pub at: Timestamp,
}

/// Nothing is delivered any more, until somebody enables it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDisabled {
    pub reason: DisabledReason,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// An administrator asked for it.
    Requested,
    /// Too many deliveries in a row were lost.
    LostDeliveries,
}

/// Everything from a place in the log on is to be delivered, again or for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookReplayed {
    /// The position of the first event.
    pub from: u64,
    /// Counts from 1.
    pub replay: u32,
    pub at: Timestamp,
}

/// A message was tried as often as one may be, and will not be tried again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryLost {
    pub message: MessageId,
    /// What it tells of, such as `user.created`.
    pub event_type: String,
    pub attempts: u32,
    /// What the endpoint answered last; none when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How many were lost since one arrived.
    pub in_a_row: u32,
    /// How many were lost ever.
    pub lost: u64,
    pub at: Timestamp,
}

/// Nothing is accepted after this event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDeleted {
    /// Whose the address and the secret were: both go with this event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erases: Vec<PersonId>,
    pub at: Timestamp,
}

impl Names for WebhookEvent {
    fn seals_for(&self, record: SealedId) -> Option<PersonId> {
        let secrets = match self {
            WebhookEvent::WebhookCreated(e) => [Some(e.url), Some(e.secret)],
            WebhookEvent::WebhookUpdated(e) => [e.url, None],
            _ => [None, None],
        };
        secrets.into_iter().flatten().find(|secret| secret.record == record).map(|secret| secret.owner)
    }

    fn sealed(&self) -> Vec<SealedId> {
        match self {
            WebhookEvent::WebhookCreated(e) => vec![e.url.record, e.secret.record],
            WebhookEvent::WebhookUpdated(e) => e.url.iter().map(|url| url.record).collect(),
            WebhookEvent::WebhookEnabled(_)
            | WebhookEvent::WebhookDisabled(_)
            | WebhookEvent::WebhookReplayed(_)
            | WebhookEvent::DeliveryLost(_)
            | WebhookEvent::WebhookDeleted(_) => Vec::new(),
        }
    }

    fn erases(&self) -> Vec<PersonId> {
        match self {
            WebhookEvent::WebhookUpdated(e) => e.erases.clone(),
            WebhookEvent::WebhookDeleted(e) => e.erases.clone(),
            _ => Vec::new(),
        }
    }
}
