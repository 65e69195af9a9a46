//! What can happen to the settings of a project. Who changed them stands beside each event, as with all.

use serde::{Deserialize, Deserializer, Serialize};

use super::values::Changes;
use crate::event::{Names, events};
use crate::id::{PersonId, SealedId};
use crate::time::Timestamp;
use crate::value::Secret;

events! {
    SettingsEvent:
    SettingsChanged 1,
    SocialProviderSaved 1,
    SocialProviderRemoved 1,
}

/// Settings have other values than before. Names only those that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChanged {
    pub before: Changes,
    pub after: Changes,
    pub at: Timestamp,
}

/// An identity provider was added, or what this server is to it changed. Names only what changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocialProviderSaved {
    pub provider: String,
    pub before: ProviderChange,
    pub after: ProviderChange,
    /// A client secret given with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    pub at: Timestamp,
}

/// An identity provider is not used any more, and what was known of it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocialProviderRemoved {
    pub provider: String,
    pub at: Timestamp,
}

/// What can be set of a provider, besides its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub tenant_id: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `null` is a value: no tenant.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Names for SettingsEvent {
    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        match self {
            SettingsEvent::SocialProviderSaved(e) => e.secret.map(|secret| secret.owner),
            _ => None,
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        match self {
            SettingsEvent::SocialProviderSaved(e) => e.secret.iter().map(|secret| secret.record).collect(),
            SettingsEvent::SettingsChanged(_) | SettingsEvent::SocialProviderRemoved(_) => Vec::new(),
        }
    }
}
