//! What can happen to a user. An event is for ever: a field once written keeps its name and meaning, and a change of
//! shape is a new version with an upcaster ([`crate::upcast`]).
//!
//! Bodies hold no personal data: what a person typed stands in a sealed record, and the event names that record.

mod addresses;
mod clean_up;
mod memberships;
mod passwords;
mod recovery;
mod sessions;

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::id::{AccountId, ClaimId, MailId, PersonId, SealedId, SessionId, UserId};
use crate::role::Roles;
use crate::time::Timestamp;
use crate::value::{Authentication, Change, Entry, Locale, ProofKind};

pub use self::addresses::*;
pub use self::clean_up::*;
pub use self::memberships::*;
pub use self::passwords::*;
pub use self::recovery::*;
pub use self::sessions::*;

events! {
    UserEvent:
    GuestCreated 1,
    MemberSignedUp 1,
    UpgradeBegun 1,
    GuestUpgraded 1,
    UpgradeSuperseded 2,
    EmailClaimed 1,
    EmailVerificationRequested 2,
    VerificationMissed 1,
    EmailVerified 1,
    EmailReleased 1,
    UserReclaimed 1,
    PasswordAdded 1,
    PasswordChanged 1,
    PasswordRehashed 1,
    PasswordRemoved 1,
    PasswordSuspended 1,
    PasswordRestored 1,
    PasswordReset 1,
    IdentityLinked 1,
    IdentityUnlinked 1,
    SessionStarted 1,
    ActivityRecorded 1,
    SessionExtended 1,
    SessionRotated 1,
    SessionEnded 1,
    ProfileUpdated 1,
    AppMetadataSet 1,
    RoleSet 1,
    UserBanned 1,
    UserUnbanned 1,
    EmailUnverified 1,
    PendingVoided 1,
    NoticeRequested 1,
    EmailChangeUndone 1,
    RecoveryCodeIssued 1,
    RecoveryCodeEnded 1,
    DeviceLinkOffered 1,
    DeviceLinkClaimed 1,
    DeviceLinkConfirmed 1,
    DeviceLinkEnded 1,
    GuestTransferred 1,
    GuestAbsorbed 1,
    MembershipBegan 1,
    MembershipEnded 1,
    OrganizationActivated 1,
    GuestExpiryAnnounced 1,
    GuestHeld 1,
    GuestReleased 1,
    GuestDisabled 1,
    GuestRestored 1,
    DataExported 1,
    UserDeleted 1,
}

/// A guest came into being. The first session is the next event of the same append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestCreated {
    pub user: UserId,
    pub person: PersonId,
    pub at: Timestamp,
    #[serde(default)]
    pub entry: Entry,
}

/// Somebody signed up without having been a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSignedUp {
    pub user: UserId,
    pub person: PersonId,
    pub authentication: Authentication,
}

/// Strict mode: the guest gave what an upgrade needs, and stays a guest until the address is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeBegun {
    pub session: SessionId,
    pub authentication: Authentication,
    /// The session's life starts anew.
    pub expires_at: Timestamp,
    pub remembered: bool,
}

/// The guest is a member from here on: same user, same session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestUpgraded {
    pub authentication: Authentication,
    /// The session in which it was done and its new life; none when a proof elsewhere completed a strict upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<RenewedSession>,
    /// What proved the address, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofKind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewedSession {
    pub session: SessionId,
    pub expires_at: Timestamp,
    pub remembered: bool,
}

/// The address of an unproven upgrade was proven by somebody else (CONTRACT 2.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeSuperseded {
    pub claim: ClaimId,
    /// True when no other credential is left: the user is a guest again.
    pub guest_again: bool,
    /// The upgrade awaited this very proof: the user was a guest all along.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// Somebody who reads the address, and is not known to be who reserved it, took the account over (CONTRACT 2.6, row c): the
/// account follows the mailbox. The events around this one tell what was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserReclaimed {
    pub claim: ClaimId,
    pub proof: ProofKind,
    pub at: Timestamp,
}

/// A social identity, keyed by (issuer, subject), leads to this user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityLinked {
    pub account: AccountId,
    pub claim: ClaimId,
    pub provider: String,
    /// Issuer and subject, sealed.
    pub subject: SealedId,
    /// False when linked before the address was proven, by a provider that does not vouch for it.
    pub proven: bool,
    pub authentication: Authentication,
    /// What the person agreed to, as the provider names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityUnlinked {
    pub account: AccountId,
    pub claim: ClaimId,
    pub reason: ReleaseReason,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileUpdated {
    #[serde(default, skip_serializing_if = "Change::is_kept")]
    pub name: Change,
    #[serde(default, skip_serializing_if = "Change::is_kept")]
    pub image: Change,
    /// The whole of the metadata after the update.
    #[serde(default, skip_serializing_if = "Change::is_kept")]
    pub metadata: Change,
    /// What stood there before, of what is another now.
    #[serde(default, skip_serializing_if = "ProfileBefore::is_empty")]
    pub before: ProfileBefore,
    pub at: Timestamp,
}

/// Records that earlier events brought along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileBefore {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SealedId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<SealedId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<SealedId>,
}

impl ProfileBefore {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Everything that is held of the user was given away. To whom stands beside the event, as with all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataExported {
    pub at: Timestamp,
}

/// What the app decides about the user, as a whole: set by administrators, read by everybody, also in tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppMetadataSet {
    pub metadata: SealedId,
    /// What it replaced, in a record that an earlier event brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<SealedId>,
    pub at: Timestamp,
}

/// The user's roles are these from here on. Each session has another token when it is next read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSet {
    pub roles: Roles,
    pub before: Roles,
    pub at: Timestamp,
}

/// The user is out, and can't come in until that time, or at all. What was begun in their name is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserBanned {
    pub reason: SealedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserUnbanned {
    pub at: Timestamp,
}

/// Links, codes and tickets that were begun in the user's name are void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingVoided {
    pub at: Timestamp,
}

/// The user is to be told of a change, by mail to an address they hold or held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRequested {
    pub mail: MailId,
    pub notice: Notice,
    pub address: SealedId,
    pub locale: Locale,
    pub at: Timestamp,
}

/// What a user is told of (SECURITY S28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    PasswordChanged,
    /// To whoever reads the address of an account that they took over.
    Reclaimed,
    /// There is another way in.
    AccountLinked,
    /// A way in is gone.
    AccountUnlinked,
    /// To the address that was given up again.
    EmailChangeUndone,
    /// To an address that was never proven, and that the account has no longer.
    EmailReplaced,
}

impl Notice {
    pub const ALL: [Notice; 6] = [
        Notice::PasswordChanged,
        Notice::Reclaimed,
        Notice::AccountLinked,
        Notice::AccountUnlinked,
        Notice::EmailChangeUndone,
        Notice::EmailReplaced,
    ];

    /// The kind of mail.
    pub const fn name(self) -> &'static str {
        match self {
            Notice::PasswordChanged => "password-changed",
            Notice::Reclaimed => "reclaimed",
            Notice::AccountLinked => "account-linked",
            Notice::AccountUnlinked => "account-unlinked",
            Notice::EmailChangeUndone => "email-change-undone",
            Notice::EmailReplaced => "email-replaced",
        }
    }
}

/// What the guest did belongs to a member from here on: somebody who proved to be the same person, or whom an administrator
/// named. The event beside this one, in the member's stream, says the same; an app that sees either moves what it keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestTransferred {
    pub to: UserId,
    pub at: Timestamp,
}

/// The member took over what a guest did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestAbsorbed {
    pub guest: UserId,
    pub at: Timestamp,
}

impl Names for UserEvent {
    fn declares(&self) -> Option<ClaimId> {
        match self {
            UserEvent::EmailClaimed(e) => Some(e.claim),
            UserEvent::IdentityLinked(e) => Some(e.claim),
            _ => None,
        }
    }

    fn erases(&self) -> Vec<PersonId> {
        match self {
            UserEvent::UserDeleted(e) => e.person.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        use UserEvent as E;
        match self {
            E::GuestCreated(e) => e.entry.referrer.into_iter().collect(),
            E::EmailClaimed(e) => vec![e.address],
            E::EmailVerificationRequested(e) => e.callback_url.into_iter().collect(),
            E::PasswordAdded(e) => vec![e.hash],
            E::PasswordChanged(e) => vec![e.hash],
            E::PasswordRehashed(e) => vec![e.hash],
            E::IdentityLinked(e) => vec![e.subject],
            E::SessionStarted(e) => e.client.into_iter().collect(),
            E::AppMetadataSet(e) => vec![e.metadata],
            E::UserBanned(e) => vec![e.reason],
            E::GuestHeld(e) => e.reason.into_iter().collect(),
            E::DeviceLinkClaimed(e) => e.client.into_iter().collect(),
            E::ProfileUpdated(e) => [e.name, e.image, e.metadata].into_iter().filter_map(Change::sealed).collect(),
            E::MemberSignedUp(_)
            | E::RoleSet(_)
            | E::UserUnbanned(_)
            | E::EmailUnverified(_)
            | E::PendingVoided(_)
            | E::VerificationMissed(_)
            | E::UpgradeBegun(_)
            | E::GuestUpgraded(_)
            | E::UpgradeSuperseded(_)
            | E::EmailVerified(_)
            | E::EmailReleased(_)
            | E::UserReclaimed(_)
            | E::PasswordRemoved(_)
            | E::PasswordSuspended(_)
            | E::PasswordRestored(_)
            | E::PasswordReset(_)
            | E::IdentityUnlinked(_)
            | E::ActivityRecorded(_)
            | E::SessionExtended(_)
            | E::SessionRotated(_)
            | E::SessionEnded(_)
            | E::NoticeRequested(_)
            | E::EmailChangeUndone(_)
            | E::DataExported(_)
            | E::RecoveryCodeIssued(_)
            | E::RecoveryCodeEnded(_)
            | E::DeviceLinkOffered(_)
            | E::DeviceLinkConfirmed(_)
            | E::DeviceLinkEnded(_)
            | E::GuestTransferred(_)
            | E::GuestAbsorbed(_)
            | E::MembershipBegan(_)
            | E::MembershipEnded(_)
            | E::OrganizationActivated(_)
            | E::GuestExpiryAnnounced(_)
            | E::GuestReleased(_)
            | E::GuestDisabled(_)
            | E::GuestRestored(_)
            | E::UserDeleted(_) => Vec::new(),
        }
    }
}
