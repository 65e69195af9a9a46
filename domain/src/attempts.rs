//! What failed that anybody can cause, without an account and without end: counted by the minute, and not listed. A stream
//! for each day.

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::id::{PersonId, SealedId, UserId};
use crate::time::Timestamp;
use crate::value::{Secret, Word};

events! {
    AttemptsEvent:
    AttemptsFailed 1,
    AttemptsForgotten 1,
}

/// So many attempts that were alike failed within a minute, at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptsFailed {
    pub kind: AttemptKind,
    /// What was answered, and what was asked for. Absent, as all that follows, of what was too much to be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whose account it was about; none of an address that is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// From which network: sealed under a key of the minute's, with which it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Secret>,
    pub count: u32,
    /// When the minute began.
    pub minute: Timestamp,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// A wrong password or code; an address that is nobody's; an account that may not come in.
    SignIn,
    Upgrade,
    /// Too often.
    RateLimit,
    /// An API key that is none, or may not do what it was to do.
    ApiKey,
}

/// From where the day's attempts came is not kept any longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptsForgotten {
    pub erases: Vec<PersonId>,
    pub at: Timestamp,
}

impl Names for AttemptsEvent {
    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        match self {
            AttemptsEvent::AttemptsFailed(e) => e.network.map(|network| network.owner),
            AttemptsEvent::AttemptsForgotten(_) => None,
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        match self {
            AttemptsEvent::AttemptsFailed(e) => e.network.iter().map(|network| network.record).collect(),
            AttemptsEvent::AttemptsForgotten(_) => Vec::new(),
        }
    }

    fn erases(&self) -> Vec<PersonId> {
        match self {
            AttemptsEvent::AttemptsFailed(_) => Vec::new(),
            AttemptsEvent::AttemptsForgotten(e) => e.erases.clone(),
        }
    }
}
