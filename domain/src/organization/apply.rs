//! State as a function of events. Never fails and never decides: what is in the log happened.

use super::event::*;
use super::{Existence, HeldSlug, Invitation, Leader, Organization, Role};
use crate::id::{MemberId, SealedId, UserId};
use crate::time::Timestamp;
use crate::value::Change;

impl Organization {
    pub fn apply(&mut self, event: &OrganizationEvent) {
        use OrganizationEvent as E;
        match event {
            E::OrganizationCreated(e) => {
                self.id = Some(e.organization);
                self.person = Some(e.person);
                self.existence = Existence::Standing;
                (self.name, self.logo, self.metadata) = (Some(e.name), e.logo, e.metadata);
            }
            E::OrganizationUpdated(e) => {
                self.name = e.name.or(self.name);
                change(&mut self.logo, e.logo);
                change(&mut self.metadata, e.metadata);
            }
            E::SlugClaimed(e) => self.slug = Some(HeldSlug { claim: e.claim, slug: e.slug }),
            E::SlugReleased(_) => self.slug = None,
            E::MemberAdded(e) => self.seat(e.user, e.member, e.role, e.at),
            E::MemberRoleChanged(e) => {
                self.unseat(e.user, e.previous);
                self.seat(e.user, e.member, e.role, e.at);
            }
            E::MemberRemoved(e) => self.unseat(e.user, e.role),
            E::InvitationCreated(e) => {
                self.invited += 1;
                let person = Some(e.person).filter(|_| e.invitee.is_none());
                let open = Invitation { person, role: e.role, inviter: e.inviter, expires_at: e.expires_at };
                self.invitations.insert(e.invitation, open);
            }
            E::InvitationRenewed(e) => {
                if let Some(open) = self.invitations.get_mut(&e.invitation) {
                    open.expires_at = e.expires_at;
                }
            }
            E::InvitationAccepted(InvitationAccepted { invitation, .. })
            | E::InvitationRejected(InvitationRejected { invitation, .. })
            | E::InvitationRevoked(InvitationRevoked { invitation, .. }) => {
                self.invitations.remove(invitation);
            }
            E::OrganizationHeld(_) => {}
            E::OrganizationDeleted(_) => {
                // Nothing but the fact is left to decide about.
                *self = Organization {
                    id: self.id,
                    person: self.person,
                    existence: Existence::Deleted,
                    ..Organization::default()
                };
            }
        }
    }

    fn seat(&mut self, user: UserId, member: MemberId, role: Role, since: Timestamp) {
        match role {
            Role::Member => self.others += 1,
            Role::Owner | Role::Admin => {
                self.leaders.insert(user, Leader { member, role, since });
            }
        }
    }

    fn unseat(&mut self, user: UserId, role: Role) {
        match role {
            Role::Member => self.others = self.others.saturating_sub(1),
            Role::Owner | Role::Admin => {
                self.leaders.remove(&user);
            }
        }
    }
}

fn change(field: &mut Option<SealedId>, change: Change) {
    match change {
        Change::Kept => {}
        Change::Cleared => *field = None,
        Change::Set(id) => *field = Some(id),
    }
}
