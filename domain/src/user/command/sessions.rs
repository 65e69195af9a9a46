//! Sessions to be, and new tokens for those that are.

use crate::id::{SealedId, SessionId};
use crate::time::{Span, Timestamp};
use crate::user::impersonation::Impersonation;
use crate::value::{Authentication, Carrier, Locator, TokenHash};

/// A session to be started.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub token: NewToken,
    pub expires_at: Timestamp,
    pub remembered: bool,
    pub authentication: Authentication,
    pub client: Option<SealedId>,
    pub replayable_until: Option<Timestamp>,
    /// The hash that a password was checked against. If it is another one by now, the password was changed meanwhile, and
    /// what was right a moment ago opens nothing.
    pub verified: Option<SealedId>,
    /// How many sessions the user may have; the oldest ends for one more. At least 1.
    pub limit: usize,
    /// Whoever gets it acts as the user, and is not them.
    pub impersonation: Option<Impersonation>,
}

#[derive(Clone, Copy, Debug)]
pub struct NewToken {
    pub locator: Locator,
    pub hash: TokenHash,
}

/// A new life for the session in which an upgrade happens, and a new token if the rules ask for one.
#[derive(Clone, Debug)]
pub struct Renewal {
    pub expires_at: Timestamp,
    pub remembered: bool,
    pub rotation: Rotation,
}

/// When the session's token is replaced (SECURITY S6): whoever planted the guest's cookie must not become the member.
#[derive(Clone, Debug)]
pub struct Rotation {
    pub policy: RotationPolicy,
    /// How the session was presented with this command.
    pub carrier: Carrier,
    /// The token to use, if it comes to that.
    pub token: NewToken,
    /// How long the old token may still read.
    pub grace: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationPolicy {
    /// When the session was ever presented by cookie, or its creation was replayed.
    Cookie,
    Always,
    Never,
}
