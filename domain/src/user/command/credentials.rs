//! What somebody has to show for themselves: passwords, addresses, identities; and the mails that go with them.

use super::Rotation;
use crate::id::{AccountId, ChallengeId, ClaimId, MailId, SealedId, SessionId};
use crate::time::Timestamp;
use crate::value::{Locale, ProofKind};

/// An address, a password for it, and what else a sign-up form says.
#[derive(Clone, Debug)]
pub struct PasswordCredentials {
    pub claim: ClaimId,
    pub address: SealedId,
    pub account: AccountId,
    pub hash: SealedId,
    pub name: Option<SealedId>,
    pub image: Option<SealedId>,
    /// None when the address has had its share of mails.
    pub verification: Option<NewVerification>,
}

/// An address that nobody held, and what showed that it is read.
#[derive(Clone, Debug)]
pub struct ProvenAddress {
    pub claim: ClaimId,
    pub address: SealedId,
    pub proof: ProofKind,
}

/// What is said of somebody who becomes a member.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub name: Option<SealedId>,
    pub image: Option<SealedId>,
    pub metadata: Option<SealedId>,
    pub password: Option<ChosenPassword>,
}

/// A password that was given before the address was proven, by whoever proves it now.
#[derive(Clone, Copy, Debug)]
pub struct ChosenPassword {
    pub account: AccountId,
    pub hash: SealedId,
}

/// A password from somebody who showed that they read the address.
#[derive(Clone, Debug)]
pub struct NewPassword {
    pub claim: ClaimId,
    pub proof: ProofKind,
    /// It was this user's own browser that showed it (CONTRACT 2.6, row a).
    pub own: bool,
    /// For a user who has none.
    pub account: AccountId,
    pub hash: SealedId,
    /// A session of the user in which it is done: it goes on, with a new token.
    pub session: Option<(SessionId, Rotation)>,
    pub notice: NewNotice,
}

/// A mail that tells of a change, if it comes to one.
#[derive(Clone, Copy, Debug)]
pub struct NewNotice {
    pub mail: MailId,
    pub locale: Locale,
}

#[derive(Clone, Debug)]
pub struct NewVerification {
    pub challenge: ChallengeId,
    pub callback_url: Option<SealedId>,
    pub locale: Locale,
    pub expires_at: Timestamp,
}

/// A social identity as the provider gave it.
#[derive(Clone, Debug)]
pub struct SocialIdentity {
    pub account: AccountId,
    pub claim: ClaimId,
    pub provider: String,
    pub subject: SealedId,
    pub email: Option<SocialEmail>,
    pub name: Option<SealedId>,
    pub image: Option<SealedId>,
    pub scopes: Vec<String>,
    /// The provider vouches for the very address that the user holds, so the identity is as good as that address.
    pub vouches_for_held: bool,
}

impl SocialIdentity {
    pub(super) fn ask_for_no_mail(&mut self) {
        if let Some(email) = &mut self.email {
            email.verification = None;
        }
    }
}

#[derive(Clone, Debug)]
pub struct SocialEmail {
    pub claim: ClaimId,
    pub address: SealedId,
    /// The provider asserts that its user reads this address.
    pub vouched: bool,
    /// A link to prove the address by, where the provider does not vouch for it.
    pub verification: Option<NewVerification>,
}
