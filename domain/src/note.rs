//! What somebody outside noted in the audit trail: an app tells what was done in it. One stream for each note.

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::id::{PersonId, SealedId};
use crate::time::Timestamp;
use crate::value::{Label, Word};

events! {
    NoteEvent:
    Noted 1,
}

/// The names in it are those of the app that noted it; that they are true nobody here knows. Who noted it stands beside the
/// event, as with all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub action: Word,
    pub actor_type: ActorType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Label>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<NoteTarget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Label>,
    /// Under whose key the record below stands: somebody whom it is about, or nobody's.
    pub person: PersonId,
    /// All else that was said: names, addresses, changes, metadata.
    pub details: SealedId,
    /// When it happened, as the app says.
    pub occurred_at: Timestamp,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteTarget {
    #[serde(rename = "type")]
    pub kind: Word,
    pub id: Label,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorType {
    User,
    Admin,
    System,
    ApiKey,
}

impl ActorType {
    pub const ALL: [ActorType; 4] = [ActorType::User, ActorType::Admin, ActorType::System, ActorType::ApiKey];

    pub const fn name(self) -> &'static str {
        match self {
            ActorType::User => "user",
            ActorType::Admin => "admin",
            ActorType::System => "system",
            ActorType::ApiKey => "api_key",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Names for NoteEvent {
    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        let NoteEvent::Noted(noted) = self;
        Some(noted.person)
    }

    fn sealed(&self) -> Vec<SealedId> {
        let NoteEvent::Noted(noted) = self;
        vec![noted.details]
    }
}
