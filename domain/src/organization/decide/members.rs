//! Who comes, goes and leads. No organization that had an owner is left without one: whoever would leave it so is
//! refused; when a user is gone that can't be asked any more, and somebody succeeds.

use super::*;
use crate::organization::LEADERS_MAX;

impl Organization {
    pub(super) fn add(
        &self,
        Target { member, user }: Target,
        role: Role,
        invitation: Option<crate::id::InvitationId>,
        at: Timestamp,
    ) -> Decision {
        self.room_for(role)?;
        Ok(vec![MemberAdded { member, user, role, invitation, at }.into()])
    }

    pub(super) fn change_role(&self, by: By, Target { member, user }: Target, role: Role, at: Timestamp) -> Decision {
        let previous = self.role_of(user);
        self.may_handle(by, previous)?;
        self.may_handle(by, role)?;
        if previous == role {
            return Ok(Vec::new());
        }
        if previous == Role::Owner {
            self.another_owner(user)?;
        }
        if previous == Role::Member {
            self.room_for(role)?;
        }
        let mut events = vec![MemberRoleChanged { member, user, previous, role, succession: false, at }.into()];
        events.extend(self.invitations_lost(user, role, at));
        Ok(events)
    }

    pub(super) fn remove(&self, by: By, target: Target, at: Timestamp) -> Decision {
        let role = self.role_of(target.user);
        self.may_handle(by, role)?;
        if role == Role::Owner {
            self.another_owner(target.user)?;
        }
        Ok(self.removed(target, RemovalReason::Removed, at))
    }

    pub(super) fn leave(&self, target: Target, at: Timestamp) -> Decision {
        if self.role_of(target.user) == Role::Owner {
            self.another_owner(target.user)?;
        }
        Ok(self.removed(target, RemovalReason::Left, at))
    }

    /// The user is gone. An organization that is empty goes too; otherwise, if nobody owns it any more, the admin of the
    /// longest standing does; if there is none, it is held.
    pub(super) fn depart(&self, target: Target, at: Timestamp) -> Vec<OrganizationEvent> {
        let mut events = self.removed(target, RemovalReason::UserDeleted, at);
        let mut after = self.clone();
        events.iter().for_each(|event| after.apply(event));
        if after.leaders.is_empty() && after.others == 0 {
            events.extend(after.gone(OrganizationEnd::Empty, at));
        } else if self.owners().next().is_some() && after.is_held() {
            let successor = after.leaders.iter().min_by_key(|(_, leader)| (leader.since, leader.member));
            events.push(match successor {
                Some((user, leader)) => MemberRoleChanged {
                    member: leader.member,
                    user: *user,
                    previous: leader.role,
                    role: Role::Owner,
                    succession: true,
                    at,
                }
                .into(),
                None => OrganizationHeld { at }.into(),
            });
        }
        events
    }

    fn removed(&self, Target { member, user }: Target, reason: RemovalReason, at: Timestamp) -> Vec<OrganizationEvent> {
        let role = self.role_of(user);
        let mut events = vec![MemberRemoved { member, user, role, reason, at }.into()];
        events.extend(self.invitations_lost(user, Role::Member, at));
        events
    }

    fn another_owner(&self, besides: UserId) -> Result<(), OrganizationRefusal> {
        if self.owners().any(|owner| owner != besides) { Ok(()) } else { Err(OrganizationRefusal::OnlyOwner) }
    }

    fn room_for(&self, role: Role) -> Result<(), OrganizationRefusal> {
        let full = role > Role::Member && self.leaders.len() >= LEADERS_MAX;
        if full { Err(OrganizationRefusal::TooManyLeaders) } else { Ok(()) }
    }
}
