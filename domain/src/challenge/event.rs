//! What can happen to a challenge.

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::id::{ChallengeId, PersonId, SealedId, SessionId, UserId};
use crate::time::Timestamp;
use crate::value::Locale;

events! {
    ChallengeEvent:
    ChallengeIssued 1,
    AuthorizationRequested 1,
    ChallengeMissed 1,
    ChallengeChecked 1,
    ChallengeMet 1,
    ChallengeVoided 1,
    StrangerForgotten 1,
}

/// A proof was asked for, and is to be mailed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeIssued {
    pub challenge: ChallengeId,
    pub purpose: Purpose,
    /// Under whose key the two records below stand: the holder's of the address, the asking guest's, or somebody's who
    /// is yet to become a user.
    pub person: PersonId,
    pub address: SealedId,
    /// What else the asker said, and from where they asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<SealedId>,
    /// The session in which it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<Asker>,
    /// Who held the address at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Bound>,
    /// Nothing could come of it, and nobody is told: no mail is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    pub locale: Locale,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// A browser was sent to an identity provider, and is to come back (RFC 6749, 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequested {
    pub challenge: ChallengeId,
    pub provider: String,
    pub intent: Intent,
    /// Under whose key the record below stands: the asking user's, or somebody's who is yet to become one.
    pub person: PersonId,
    /// Where the browser goes afterwards.
    pub details: SealedId,
    /// The session in which it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<Asker>,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

impl ChallengeIssued {
    /// The person behind it, where that is no user's.
    pub fn stranger(&self) -> Option<PersonId> {
        (self.asker.is_none() && self.holder.is_none()).then_some(self.person)
    }
}

impl AuthorizationRequested {
    /// The person behind it, where that is no user's.
    pub fn stranger(&self) -> Option<PersonId> {
        self.asker.is_none().then_some(self.person)
    }
}

/// What coming back from a provider is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    SignIn,
    /// A guest wants to become a member, and nothing else.
    Upgrade,
    /// A member wants one more way in.
    Link,
}

impl Intent {
    pub const ALL: [Intent; 3] = [Intent::SignIn, Intent::Upgrade, Intent::Link];
}

/// What meeting the challenge is good for. A code or link is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    MagicLink,
    /// Somebody gave an address and a password where nobody is told which addresses are taken.
    ConfirmAddress,
    SignInCode,
    VerificationCode,
    ResetCode,
    ResetLink,
    /// A member gives another address.
    ChangeEmail,
    /// Whoever reads the address of before wants it back.
    UndoEmailChange,
    DeleteUser,
}

impl Purpose {
    pub const ALL: [Purpose; 9] = [
        Purpose::MagicLink,
        Purpose::ConfirmAddress,
        Purpose::SignInCode,
        Purpose::VerificationCode,
        Purpose::ResetCode,
        Purpose::ResetLink,
        Purpose::ChangeEmail,
        Purpose::UndoEmailChange,
        Purpose::DeleteUser,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Purpose::MagicLink => "magic_link",
            Purpose::ConfirmAddress => "confirm_address",
            Purpose::SignInCode => "sign_in_code",
            Purpose::VerificationCode => "verification_code",
            Purpose::ResetCode => "reset_code",
            Purpose::ResetLink => "reset_link",
            Purpose::ChangeEmail => "change_email",
            Purpose::UndoEmailChange => "undo_email_change",
            Purpose::DeleteUser => "delete_user",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Whether somebody new can come of it.
    pub const fn makes_members(self) -> bool {
        matches!(self, Purpose::MagicLink | Purpose::ConfirmAddress | Purpose::SignInCode)
    }

    /// Whether it is mailed to an address that nobody holds: only where something can come of it.
    pub const fn mails_strangers(self) -> bool {
        self.makes_members() || matches!(self, Purpose::ChangeEmail | Purpose::UndoEmailChange)
    }

    /// Whether it outlives what ends all other pending acts of its user. Undoing a change of address does: it is there
    /// against whoever has the account since.
    pub const fn outlives_epochs(self) -> bool {
        matches!(self, Purpose::UndoEmailChange)
    }

    /// Wrong tries before it is void.
    pub const fn tries(self) -> u8 {
        if matches!(self, Purpose::ChangeEmail) { 5 } else { 3 }
    }

    /// Short enough to be typed, and so to be guessed at: tries are counted.
    pub const fn is_code(self) -> bool {
        matches!(self, Purpose::SignInCode | Purpose::VerificationCode | Purpose::ResetCode)
    }
}

/// A user as it was at some time: whatever ends all pending acts of the user (an upgrade, a reset …) begins a new epoch,
/// and what was bound to the one before is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub user: UserId,
    pub epoch: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    pub user: UserId,
    pub epoch: u32,
    pub session: SessionId,
}

/// A code was typed that is not this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeMissed {
    /// It came from the network that asked for this code: only these count against it, so that strangers can't use up
    /// somebody's tries.
    pub own: bool,
    pub at: Timestamp,
}

/// The right code was typed, and was not used. Noted, so that of many guesses at a time each has its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeChecked {
    pub at: Timestamp,
}

/// The link was followed or the code was typed: it is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeMet {
    pub at: Timestamp,
}

/// Nobody can use it any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeVoided {
    pub reason: VoidReason,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// The same network asked for another.
    Replaced,
    Expired,
    /// Guessed at too often.
    Exhausted,
    /// The provider, or the person there, said no.
    Denied,
}

/// Whoever asked is no user, and none came of it: with this event their key and what is sealed under it are destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangerForgotten {
    pub person: PersonId,
    pub at: Timestamp,
}

impl Names for ChallengeEvent {
    fn erases(&self) -> Vec<PersonId> {
        match self {
            ChallengeEvent::StrangerForgotten(e) => vec![e.person],
            _ => Vec::new(),
        }
    }

    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        match self {
            ChallengeEvent::ChallengeIssued(e) => Some(e.person),
            ChallengeEvent::AuthorizationRequested(e) => Some(e.person),
            _ => None,
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        match self {
            ChallengeEvent::ChallengeIssued(e) => std::iter::once(e.address).chain(e.details).collect(),
            ChallengeEvent::AuthorizationRequested(e) => vec![e.details],
            ChallengeEvent::ChallengeMissed(_)
            | ChallengeEvent::ChallengeChecked(_)
            | ChallengeEvent::ChallengeMet(_)
            | ChallengeEvent::ChallengeVoided(_)
            | ChallengeEvent::StrangerForgotten(_) => Vec::new(),
        }
    }
}
