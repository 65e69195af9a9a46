//! What happens to codes that a guest comes back by.

use serde::{Deserialize, Serialize};

use crate::id::SealedId;
use crate::time::Timestamp;
use crate::value::TokenHash;

/// With the code that has this hash the guest can come back, once, from wherever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodeIssued {
    pub hash: TokenHash,
    pub at: Timestamp,
}

/// The code is good for nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodeEnded {
    pub hash: TokenHash,
    pub reason: CodeEnd,
    pub at: Timestamp,
}

/// A short code is shown, to be typed on another device. The hash is keyed: the code could be guessed from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLinkOffered {
    pub hash: TokenHash,
    pub expires_at: Timestamp,
    pub at: Timestamp,
}

/// Another device has typed the code, and waits for the one that shows it to agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLinkClaimed {
    /// What the other device shows itself by.
    pub ticket: TokenHash,
    /// Its network address and user agent, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<SealedId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLinkConfirmed {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLinkEnded {
    pub hash: TokenHash,
    pub reason: CodeEnd,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeEnd {
    Used,
    Revoked,
    /// There is a newer one.
    Replaced,
}
