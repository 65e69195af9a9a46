//! What can happen to an API key.

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::id::{ApiKeyId, OrganizationId, PersonId, SealedId, UserId};
use crate::permission::Permissions;
use crate::time::Timestamp;
use crate::value::TokenHash;

events! {
    ApiKeyEvent:
    ApiKeyCreated 1,
    ApiKeyRotated 1,
    ApiKeySwitched 1,
    ApiKeyUsed 1,
    ApiKeyRevoked 1,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    pub key: ApiKeyId,
    /// Under whose key the records below stand: one of this API key's own.
    pub person: PersonId,
    pub name: SealedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<SealedId>,
    pub secret: Secret,
    pub permissions: Permissions,
    /// The administrator without whom it stops working; none for one that the operator made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<UserId>,
    /// It is good for this organization alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub at: Timestamp,
}

/// What is kept of a key's secret: enough to find and to compare it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its prefix and a few characters: people tell keys apart by it, and it proves nothing.
    pub start: String,
    pub hash: TokenHash,
}

/// Another secret takes the place of the one before, which works on for a while; one that was replaced earlier does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRotated {
    pub secret: Secret,
    pub replaced: Secret,
    pub replaced_until: Timestamp,
    /// Left out: it ends when it would have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub at: Timestamp,
}

/// Out of use for a time, or in use again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeySwitched {
    pub enabled: bool,
    pub at: Timestamp,
}

/// Somebody presented it. Recorded at a granularity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyUsed {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRevoked {
    pub at: Timestamp,
}

impl Names for ApiKeyEvent {
    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        match self {
            ApiKeyEvent::ApiKeyCreated(e) => Some(e.person),
            _ => None,
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        match self {
            ApiKeyEvent::ApiKeyCreated(e) => std::iter::once(e.name).chain(e.metadata).collect(),
            ApiKeyEvent::ApiKeyRotated(_)
            | ApiKeyEvent::ApiKeySwitched(_)
            | ApiKeyEvent::ApiKeyUsed(_)
            | ApiKeyEvent::ApiKeyRevoked(_) => Vec::new(),
        }
    }
}
