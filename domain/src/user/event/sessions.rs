//! What happens to sessions.

use serde::{Deserialize, Serialize};

use crate::id::{SealedId, SessionId};
use crate::time::Timestamp;
use crate::user::impersonation::Impersonation;
use crate::value::{Authentication, Carrier, Locator, TokenHash};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStarted {
    pub session: SessionId,
    pub locator: Locator,
    pub token_hash: TokenHash,
    pub expires_at: Timestamp,
    /// False: the session ends with the browser and is never extended.
    pub remembered: bool,
    pub authentication: Authentication,
    /// Network address and user agent, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<SealedId>,
    /// The answer that made it may be given again until this time, to the same `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayable_until: Option<Timestamp>,
    /// Whoever has it acts as the user, and is not them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<Impersonation>,
}

/// The session was used: at most once an hour, and when it is first presented in a way that later decisions ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityRecorded {
    pub session: SessionId,
    pub carrier: Carrier,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExtended {
    pub session: SessionId,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// The session has a new token. The old one may still read until the time given, and do nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRotated {
    pub session: SessionId,
    pub locator: Locator,
    pub token_hash: TokenHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousToken>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousToken {
    pub locator: Locator,
    pub token_hash: TokenHash,
    pub readable_until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    pub session: SessionId,
    pub reason: EndReason,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    SignedOut,
    Revoked,
    /// Made room for a new one.
    Limit,
    /// Another session of the user became a member's.
    Upgraded,
    PasswordChanged,
    PasswordReset,
    Superseded,
    /// Somebody else proved the address.
    Reclaimed,
    /// What the guest did belongs to a member now.
    Transferred,
    /// Whoever reads the address of before took it back.
    EmailChangeUndone,
    Banned,
    /// Whoever acted as the user is themselves again.
    ImpersonationEnded,
    Disabled,
    Deleted,
}

impl EndReason {
    pub const fn name(self) -> &'static str {
        match self {
            EndReason::SignedOut => "signed_out",
            EndReason::Revoked => "revoked",
            EndReason::Limit => "limit",
            EndReason::Upgraded => "upgraded",
            EndReason::PasswordChanged => "password_changed",
            EndReason::PasswordReset => "password_reset",
            EndReason::Superseded => "superseded",
            EndReason::Reclaimed => "reclaimed",
            EndReason::Transferred => "transferred",
            EndReason::EmailChangeUndone => "email_change_undone",
            EndReason::Banned => "banned",
            EndReason::ImpersonationEnded => "impersonation_ended",
            EndReason::Disabled => "disabled",
            EndReason::Deleted => "deleted",
        }
    }
}
