//! What can happen to an organization. Names, slugs, logos, metadata and invited addresses stand in sealed records: the
//! organization's own under a key of its own, an address under that of whoever was invited.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::event::{Names, events};
use crate::id::{ClaimId, InvitationId, MailId, MemberId, OrganizationId, PersonId, SealedId, UserId};
use crate::time::Timestamp;
use crate::value::{Change, Locale};

events! {
    OrganizationEvent:
    OrganizationCreated 1,
    OrganizationUpdated 1,
    SlugClaimed 1,
    SlugReleased 1,
    MemberAdded 1,
    MemberRoleChanged 1,
    MemberRemoved 1,
    InvitationCreated 1,
    InvitationRenewed 1,
    InvitationAccepted 1,
    InvitationRejected 1,
    InvitationRevoked 1,
    OrganizationHeld 1,
    OrganizationDeleted 1,
}

/// An organization came into being. Its slug and its first owner are the next events of the same append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationCreated {
    pub organization: OrganizationId,
    /// Under whose key its records stand.
    pub person: PersonId,
    pub name: SealedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<SealedId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<SealedId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationUpdated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SealedId>,
    #[serde(default, skip_serializing_if = "Change::is_kept")]
    pub logo: Change,
    /// The whole of the metadata after the update.
    #[serde(default, skip_serializing_if = "Change::is_kept")]
    pub metadata: Change,
    /// What stood there before, of what is another now.
    #[serde(default, skip_serializing_if = "OrganizationBefore::is_empty")]
    pub before: OrganizationBefore,
    pub at: Timestamp,
}

/// Records that earlier events brought along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationBefore {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SealedId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<SealedId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<SealedId>,
}

impl OrganizationBefore {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The organization is found by this slug, and no other is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlugClaimed {
    pub claim: ClaimId,
    pub slug: SealedId,
    /// The slug of before, which was given up for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<SealedId>,
    pub at: Timestamp,
}

/// Another organization may have the slug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlugReleased {
    pub claim: ClaimId,
    pub at: Timestamp,
}

/// The event beside this one, in the user's stream, says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAdded {
    pub member: MemberId,
    pub user: UserId,
    pub role: Role,
    /// What they followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRoleChanged {
    pub member: MemberId,
    pub user: UserId,
    pub previous: Role,
    pub role: Role,
    /// Nobody asked: the last owner went, and this was the admin of the longest standing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub succession: bool,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRemoved {
    pub member: MemberId,
    pub user: UserId,
    pub role: Role,
    pub reason: RemovalReason,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    Left,
    /// Somebody else asked for it.
    Removed,
    /// The user is gone.
    UserDeleted,
}

/// Somebody was invited, by an address. They are to get a mail, if one is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationCreated {
    pub invitation: InvitationId,
    /// Under whose key the address stands: the holder's, or somebody's who is yet to become a user.
    pub person: PersonId,
    pub address: SealedId,
    /// Who held the address at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitee: Option<UserId>,
    pub role: Role,
    /// None when a key of the API asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inviter: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailId>,
    pub locale: Locale,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// The same invitation, for some days more; and another mail, if one is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRenewed {
    pub invitation: InvitationId,
    pub address: SealedId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitee: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailId>,
    pub locale: Locale,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// Who was invited is a member: the event before this one says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationAccepted {
    pub invitation: InvitationId,
    pub user: UserId,
    /// Whom the address stood for until then, where that was no user: what was sealed for them goes with this event. So it
    /// is however an invitation ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRejected {
    pub invitation: InvitationId,
    pub user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRevoked {
    pub invitation: InvitationId,
    pub reason: RevocationReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// Somebody asked for it.
    Canceled,
    /// Whoever invited could not do so any more.
    InviterLost,
    /// It was past its time.
    Expired,
    /// The organization went.
    OrganizationDeleted,
}

/// Nobody is left who could own it, and somebody is left in it: only a key of the API can make an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationHeld {
    pub at: Timestamp,
}

/// The organization is gone, with all memberships; its invitations ended before. Nothing is accepted after this event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationDeleted {
    /// With this event its key and what is sealed under it are destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    pub reason: OrganizationEnd,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationEnd {
    Requested,
    /// The last member went.
    Empty,
}

impl Names for OrganizationEvent {
    fn declares(&self) -> Option<ClaimId> {
        match self {
            OrganizationEvent::SlugClaimed(e) => Some(e.claim),
            _ => None,
        }
    }

    fn erases(&self) -> Vec<PersonId> {
        let person = match self {
            OrganizationEvent::InvitationAccepted(e) => e.person,
            OrganizationEvent::InvitationRejected(e) => e.person,
            OrganizationEvent::InvitationRevoked(e) => e.person,
            OrganizationEvent::OrganizationDeleted(e) => e.person,
            _ => None,
        };
        person.into_iter().collect()
    }

    fn seals_for(&self, _: SealedId) -> Option<PersonId> {
        match self {
            OrganizationEvent::InvitationCreated(e) => Some(e.person),
            _ => None,
        }
    }

    fn sealed(&self) -> Vec<SealedId> {
        use OrganizationEvent as E;
        match self {
            E::OrganizationCreated(e) => std::iter::once(e.name).chain(e.logo).chain(e.metadata).collect(),
            E::OrganizationUpdated(e) => e.name.into_iter().chain(e.logo.sealed()).chain(e.metadata.sealed()).collect(),
            E::SlugClaimed(e) => vec![e.slug],
            E::InvitationCreated(e) => vec![e.address],
            E::SlugReleased(_)
            | E::MemberAdded(_)
            | E::MemberRoleChanged(_)
            | E::MemberRemoved(_)
            | E::InvitationRenewed(_)
            | E::InvitationAccepted(_)
            | E::InvitationRejected(_)
            | E::InvitationRevoked(_)
            | E::OrganizationHeld(_)
            | E::OrganizationDeleted(_) => Vec::new(),
        }
    }
}
