//! The user's side of organizations: of which they are a member, and in which each session works.

use super::*;
use crate::id::{MemberId, OrganizationId};
use crate::user::{GUEST_FOUNDS_MAX, MEMBERSHIPS_MAX, Membership};

impl User {
    pub(super) fn begin_membership(
        &self,
        organization: OrganizationId,
        member: MemberId,
        founded: bool,
        invited: Option<ClaimId>,
        at: Timestamp,
    ) -> Decision {
        if self.standing == Standing::Disabled {
            return Err(UserRefusal::Deleted);
        }
        if let Some(claim) = invited {
            let email = self.email.as_ref().filter(|email| email.claim == claim).ok_or(UserRefusal::ClaimNotHeld)?;
            if !email.verified {
                return Err(UserRefusal::EmailNotVerified);
            }
        }
        if self.memberships.contains_key(&organization) {
            return Err(UserRefusal::AlreadyMember);
        }
        let made = self.memberships.values().filter(|membership| membership.founded).count();
        let enough = founded && self.standing.is_guest() && made >= GUEST_FOUNDS_MAX;
        if enough || self.memberships.len() >= MEMBERSHIPS_MAX {
            return Err(UserRefusal::TooManyMemberships);
        }
        Ok(vec![MembershipBegan { organization, member, founded, at }.into()])
    }

    pub(super) fn end_membership(
        &self,
        organization: OrganizationId,
        member: MemberId,
        reason: MembershipEnd,
        at: Timestamp,
    ) -> Decision {
        self.membership(organization, member)?;
        Ok(vec![MembershipEnded { organization, member, reason, at }.into()])
    }

    pub(super) fn membership(
        &self,
        organization: OrganizationId,
        member: MemberId,
    ) -> Result<&Membership, UserRefusal> {
        let held = self.memberships.get(&organization).filter(|held| held.member == member);
        held.ok_or(UserRefusal::NotMember)
    }

    pub(super) fn activate(&self, session: SessionId, organization: Option<OrganizationId>, at: Timestamp) -> Decision {
        let current = self.live(session, at)?;
        let membership = match organization {
            Some(organization) => {
                let held = self.memberships.get(&organization).ok_or(UserRefusal::NotMember)?;
                Some(ActiveMembership { organization, member: held.member })
            }
            None => None,
        };
        let same = current.active == membership.map(|membership| membership.member);
        Ok(if same { Vec::new() } else { vec![OrganizationActivated { session, membership, at }.into()] })
    }

    pub(super) fn memberships_end(&self, at: Timestamp) -> impl Iterator<Item = UserEvent> {
        let reason = MembershipEnd::UserDeleted;
        self.memberships.iter().map(move |(organization, held)| {
            MembershipEnded { organization: *organization, member: held.member, reason, at }.into()
        })
    }
}
