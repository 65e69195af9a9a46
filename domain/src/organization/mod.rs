//! An organization: its name, who owns and administers it, who is invited.
//!
//! **What its state knows, and what it doesn't.** Decisions here rest on owners, admins and open invitations: few, and
//! bounded. Of plain members the state knows only how many there are: an organization of 100,000 decides as fast as one of
//! three. Whether somebody *is* a member is known to the user ([`crate::user::User::memberships`]): whoever comes or goes
//! changes both streams in one group, so each user has at most one membership in it, also under a race.
//!
//! A check of the user that leads to no event comes *behind* the step on the organization: every coming and going moves
//! the organization's stream, so what was true of the user after its state was read is true when the group is stored.

mod apply;
pub mod command;
mod decide;
pub mod event;
#[cfg(any(test, feature = "histories"))]
pub mod histories;
mod role;
mod slug;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use command::{By, OrganizationCommand, Target};
pub use event::OrganizationEvent;
pub use role::Role;
pub use slug::{InvalidSlug, Slug};

use crate::decider::decider;
use crate::id::{ClaimId, InvitationId, MemberId, OrganizationId, PersonId, SealedId, UserId};
use crate::time::Timestamp;

/// Owners and admins that one organization may have.
pub const LEADERS_MAX: usize = 1_000;
/// Invitations that may be open at a time.
pub const INVITATIONS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Existence {
    /// No event yet.
    #[default]
    Absent,
    Standing,
    Deleted,
}

/// The state of an organization: what decisions rest on, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    pub id: Option<OrganizationId>,
    pub person: Option<PersonId>,
    pub existence: Existence,
    pub slug: Option<HeldSlug>,
    pub name: Option<SealedId>,
    pub logo: Option<SealedId>,
    pub metadata: Option<SealedId>,
    /// Owners and admins.
    pub leaders: BTreeMap<UserId, Leader>,
    /// Members who are neither.
    pub others: u64,
    pub invitations: BTreeMap<InvitationId, Invitation>,
    /// Invitations there ever were.
    pub invited: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    pub member: MemberId,
    pub role: Role,
    /// Since when they have this role.
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSlug {
    pub claim: ClaimId,
    pub slug: SealedId,
}

/// An invitation that nobody has answered or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Whom the address stands for, where that is no user.
    pub person: Option<PersonId>,
    pub role: Role,
    pub inviter: Option<UserId>,
    pub expires_at: Timestamp,
}

/// Why a command on an organization is refused: typed, so that the caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrganizationRefusal {
    #[error("there is no such organization, or there is none any more")]
    NotFound,
    #[error("the organization exists already")]
    Exists,
    #[error("the role does not allow it")]
    NotAllowed,
    #[error("the organization would have no owner")]
    OnlyOwner,
    #[error("the organization has as many owners and admins as there may be")]
    TooManyLeaders,
    #[error("the invitation is not open")]
    InvitationNotOpen,
    #[error("the invitation is past its time")]
    InvitationExpired,
    #[error("the organization has as many open invitations as there may be")]
    TooManyInvitations,
    #[error("somebody else was invited in between")]
    Overtaken,
}

decider!(Organization: Organization(OrganizationId), OrganizationCommand, OrganizationEvent, OrganizationRefusal, format 2);

impl Organization {
    /// The role of a user who is a member. That they are one, the user's own state says.
    pub fn role_of(&self, user: UserId) -> Role {
        self.leaders.get(&user).map_or(Role::Member, |leader| leader.role)
    }

    pub fn owners(&self) -> impl Iterator<Item = UserId> {
        self.leaders.iter().filter(|(_, leader)| leader.role == Role::Owner).map(|(user, _)| *user)
    }

    /// Whether nobody owns it: only the app can do something about it.
    pub fn is_held(&self) -> bool {
        self.existence == Existence::Standing && self.owners().next().is_none()
    }
}
