//! What a user has to do with organizations.

use serde::{Deserialize, Serialize};

use crate::id::{MemberId, OrganizationId, SessionId};
use crate::time::Timestamp;

/// The user is a member of an organization from here on. The event beside this one, in the organization's stream, says the
/// same, and in which role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipBegan {
    pub organization: OrganizationId,
    pub member: MemberId,
    /// The organization was made by this user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub founded: bool,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipEnded {
    pub organization: OrganizationId,
    pub member: MemberId,
    pub reason: MembershipEnd,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipEnd {
    Left,
    /// Somebody else asked for it.
    Removed,
    /// The organization is gone.
    OrganizationDeleted,
    UserDeleted,
}

/// In this session the user works in an organization, or in none any more. It counts as long as that very membership
/// stands: who comes back chooses again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationActivated {
    pub session: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<ActiveMembership>,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveMembership {
    pub organization: OrganizationId,
    pub member: MemberId,
}
