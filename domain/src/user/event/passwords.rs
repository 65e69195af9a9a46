//! What happens to passwords.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, SealedId, SessionId};
use crate::time::Timestamp;
use crate::user::event::ReleaseReason;
use crate::value::ProofKind;

/// The user can sign in by password from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordAdded {
    pub account: AccountId,
    pub hash: SealedId,
    /// False when it was added before the address was proven: then a proof by somebody else drops it (SECURITY S2).
    pub proven: bool,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    pub account: AccountId,
    pub hash: SealedId,
    pub at: Timestamp,
}

/// Same password, hashed anew because the parameters or the pepper changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRehashed {
    pub account: AccountId,
    pub hash: SealedId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRemoved {
    pub account: AccountId,
    pub reason: ReleaseReason,
}

/// The password no longer leads in. Whoever knows it may restore it in one session, until a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordSuspended {
    pub account: AccountId,
    pub hash: SealedId,
    pub session: SessionId,
    pub until: Timestamp,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRestored {
    pub account: AccountId,
    pub hash: SealedId,
    pub at: Timestamp,
}

/// The password was set by whoever reads the address; the event before this one names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    pub account: AccountId,
    pub proof: ProofKind,
    pub at: Timestamp,
}
