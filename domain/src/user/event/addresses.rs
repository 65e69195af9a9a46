//! Whose address is whose.

use serde::{Deserialize, Serialize};

use crate::id::{ChallengeId, ClaimId, SealedId, SessionId};
use crate::time::Timestamp;
use crate::value::{Locale, ProofKind};

/// The user holds the address: reserved until proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailClaimed {
    pub claim: ClaimId,
    pub address: SealedId,
    /// The session that made the claim, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Vouched for at the moment of claiming, so verified at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofKind>,
    /// The address that the user had until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<SealedId>,
}

/// A verification link is to be mailed to the claimed address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailVerificationRequested {
    pub challenge: ChallengeId,
    pub claim: ClaimId,
    pub address: SealedId,
    /// Where the link leads after the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<SealedId>,
    /// The language of the mail; English where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    pub expires_at: Timestamp,
}

/// Somebody had the link, and not the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationMissed {
    pub challenge: ChallengeId,
    /// It was tried too often: the link is void.
    pub void: bool,
    pub at: Timestamp,
}

/// Somebody who reads the address showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailVerified {
    pub claim: ClaimId,
    pub proof: ProofKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeId>,
    pub at: Timestamp,
}

/// The user no longer holds the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailReleased {
    pub claim: ClaimId,
    pub reason: ReleaseReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// The pending upgrade was replaced by another.
    Replaced,
    /// Somebody else proved the address.
    Superseded,
    /// The identity was unlinked by its owner.
    Unlinked,
    /// The user gave another address, or took the one of before back.
    Changed,
    /// The guest was taken out of use.
    Disabled,
    Deleted,
}

/// An administrator says that the address is not known to be read by this user: it is reserved again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailUnverified {
    pub claim: ClaimId,
    pub at: Timestamp,
}

/// Whoever reads the address of before has it back, and everybody else is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailChangeUndone {
    pub claim: ClaimId,
    pub at: Timestamp,
}
