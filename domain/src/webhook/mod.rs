//! A webhook endpoint: an address that is told what happens, until it is switched off, by somebody or by its own silence.

pub mod event;

#[cfg(test)]
mod scenarios;

use serde::{Deserialize, Serialize};

use event::{
    DeliveryLost, DisabledReason, WebhookDeleted, WebhookDisabled, WebhookEnabled, WebhookReplayed, WebhookUpdated,
};
pub use event::{WebhookCreated, WebhookEvent};

use crate::decider::decider;
use crate::id::{MessageId, PersonId, WebhookId};
use crate::time::Timestamp;
use crate::value::Secret;

/// Lost deliveries in a row that disable an endpoint.
pub const LOST_IN_A_ROW: u32 = 3;

/// The state of a webhook endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub standing: Standing,
    pub enabled: bool,
    /// Whose the address and the secret are, that go when they are of no use any more.
    pub url: Option<PersonId>,
    pub secret: Option<PersonId>,
    pub event_types: Vec<String>,
    pub replays: u32,
    pub in_a_row: u32,
    pub lost: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// No event yet.
    #[default]
    Absent,
    Created,
    Deleted,
}

#[derive(Clone, Debug)]
pub enum WebhookCommand {
    Create(Box<WebhookCreated>),
    /// What is none stays as it is.
    Update {
        url: Option<Secret>,
        event_types: Option<Vec<String>>,
        enabled: Option<bool>,
    },
    /// Deliver everything from a position on.
    Replay {
        from: u64,
    },
    Lose(Loss),
    Delete,
}

/// A message that was tried as often as one may be.
#[derive(Clone, Debug)]
pub struct Loss {
    pub message: MessageId,
    pub event_type: String,
    pub attempts: u32,
    pub status: Option<u16>,
    /// Another one has arrived since the last that was lost.
    pub after_success: bool,
}

/// Why a command on a webhook endpoint is refused: typed, so that the caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    #[error("there is no such endpoint")]
    Unknown,
    #[error("the endpoint exists already")]
    Exists,
}

decider!(Webhook: Webhook(WebhookId), WebhookCommand, WebhookEvent, WebhookRefusal, format 2);

impl Webhook {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then.
    pub fn decide(&self, command: WebhookCommand, at: Timestamp) -> Result<Vec<WebhookEvent>, WebhookRefusal> {
        match command {
            WebhookCommand::Create(created) => match self.standing {
                Standing::Absent => Ok(vec![(*created).into()]),
                Standing::Created | Standing::Deleted => Err(WebhookRefusal::Exists),
            },
            WebhookCommand::Update { url, event_types, enabled } => {
                self.stands()?;
                let event_types = event_types.filter(|event_types| *event_types != self.event_types);
                let mut events = Vec::new();
                if url.is_some() || event_types.is_some() {
                    let erases = self.url.filter(|_| url.is_some()).into_iter().collect();
                    events.push(WebhookUpdated { url, event_types, erases, at }.into());
                }
                match enabled {
                    Some(true) if !self.enabled => events.push(WebhookEnabled { at }.into()),
                    Some(false) if self.enabled => {
                        events.push(WebhookDisabled { reason: DisabledReason::Requested, at }.into());
                    }
                    _ => {}
                }
                Ok(events)
            }
            WebhookCommand::Replay { from } => {
                self.stands()?;
                Ok(vec![WebhookReplayed { from, replay: self.replays.saturating_add(1), at }.into()])
            }
            WebhookCommand::Lose(loss) => {
                self.stands()?;
                Ok(self.lose(loss, at))
            }
            WebhookCommand::Delete => {
                self.stands()?;
                let erases = self.url.into_iter().chain(self.secret).collect();
                Ok(vec![WebhookDeleted { erases, at }.into()])
            }
        }
    }

    fn stands(&self) -> Result<(), WebhookRefusal> {
        if self.standing == Standing::Created { Ok(()) } else { Err(WebhookRefusal::Unknown) }
    }

    fn lose(&self, loss: Loss, at: Timestamp) -> Vec<WebhookEvent> {
        let Loss { message, event_type, attempts, status, after_success } = loss;
        let before = if after_success { 0 } else { self.in_a_row };
        let (in_a_row, lost) = (before.saturating_add(1), self.lost.saturating_add(1));
        let mut events = vec![DeliveryLost { message, event_type, attempts, status, in_a_row, lost, at }.into()];
        if self.enabled && in_a_row >= LOST_IN_A_ROW {
            events.push(WebhookDisabled { reason: DisabledReason::LostDeliveries, at }.into());
        }
        events
    }

    pub fn apply(&mut self, event: &WebhookEvent) {
        match event {
            WebhookEvent::WebhookCreated(e) => {
                self.standing = Standing::Created;
                self.enabled = e.enabled;
                (self.url, self.secret) = (Some(e.url.owner), Some(e.secret.owner));
                self.event_types.clone_from(&e.event_types);
            }
            WebhookEvent::WebhookUpdated(e) => {
                if let Some(url) = e.url {
                    self.url = Some(url.owner);
                }
                if let Some(event_types) = &e.event_types {
                    self.event_types.clone_from(event_types);
                }
            }
            // Whoever enables it has seen to it: the count begins anew.
            WebhookEvent::WebhookEnabled(_) => (self.enabled, self.in_a_row) = (true, 0),
            WebhookEvent::WebhookDisabled(_) => self.enabled = false,
            WebhookEvent::WebhookReplayed(e) => self.replays = e.replay,
            WebhookEvent::DeliveryLost(e) => (self.in_a_row, self.lost) = (e.in_a_row, e.lost),
            WebhookEvent::WebhookDeleted(_) => {
                (self.standing, self.enabled) = (Standing::Deleted, false);
                (self.url, self.secret) = (None, None);
            }
        }
    }
}
