//! Decisions: what may happen to an organization, and what then did. Pure; one function for each command.

mod invitations;
mod members;

use super::command::*;
use super::event::*;
use super::{Existence, Organization, OrganizationRefusal, Role};
use crate::id::{SealedId, UserId};
use crate::time::Timestamp;
use crate::value::Change;

type Decision = Result<Vec<OrganizationEvent>, OrganizationRefusal>;

impl Organization {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then, and the same command on the same state is refused again.
    pub fn decide(&self, command: OrganizationCommand, at: Timestamp) -> Decision {
        use OrganizationCommand as C;
        if let C::Create { organization, person, name, logo, metadata, slug, founder } = command {
            let created = OrganizationCreated { organization, person, name, logo, metadata, at };
            return self.create(created, slug, founder, at);
        }
        match self.existence {
            Existence::Standing => {}
            // Whoever goes has nothing to leave behind.
            Existence::Deleted if matches!(command, C::Depart { .. }) => return Ok(Vec::new()),
            Existence::Absent | Existence::Deleted => return Err(OrganizationRefusal::NotFound),
        }
        match command {
            C::Create { .. } => Err(OrganizationRefusal::Exists),
            C::Update { by, name, logo, metadata, slug } => self.update(by, name, logo, metadata, slug, at),
            C::AddMember { target, role } => self.add(target, role, None, at),
            C::ChangeRole { by, target, role } => self.change_role(by, target, role, at),
            C::RemoveMember { by, target } => self.remove(by, target, at),
            C::Leave { target } => self.leave(target, at),
            C::Depart { target } => Ok(self.depart(target, at)),
            C::Invite { by, invitation, seen, instead_of } => self.invite(by, invitation, seen, instead_of, at),
            C::RenewInvitation { by, invitation, address, invitee, notice, expires_at } => {
                let InvitationNotice { mail, locale } = notice;
                self.renew(by, InvitationRenewed { invitation, address, invitee, mail, locale, at, expires_at })
            }
            C::RevokeInvitation { by, invitation } => self.revoke(by, invitation, at),
            C::AcceptInvitation { invitation, target } => self.accept(invitation, target, at),
            C::RejectInvitation { invitation, user } => self.reject(invitation, user, at),
            C::ExpireInvitations => Ok(self.past(None, at).collect()),
            C::Delete { by } => {
                self.at_least(by, Role::Owner)?;
                Ok(self.gone(OrganizationEnd::Requested, at))
            }
        }
    }

    fn create(&self, created: OrganizationCreated, slug: NewSlug, founder: Option<Target>, at: Timestamp) -> Decision {
        match self.existence {
            Existence::Absent => {}
            Existence::Standing => return Err(OrganizationRefusal::Exists),
            Existence::Deleted => return Err(OrganizationRefusal::NotFound),
        }
        Ok(vec![
            created.into(),
            claimed(slug, None, at),
            match founder {
                Some(Target { member, user }) => {
                    MemberAdded { member, user, role: Role::Owner, invitation: None, at }.into()
                }
                None => OrganizationHeld { at }.into(),
            },
        ])
    }

    fn update(
        &self,
        by: By,
        name: Option<SealedId>,
        logo: Change,
        metadata: Change,
        slug: Option<NewSlug>,
        at: Timestamp,
    ) -> Decision {
        self.at_least(by, Role::Admin)?;
        let mut events = Vec::new();
        if let Some(slug) = slug {
            events.extend(self.slug_released(at));
            events.push(claimed(slug, self.slug.map(|held| held.slug), at));
        }
        let name = name.filter(|name| self.name != Some(*name));
        if name.is_some() || logo.alters(self.logo) || metadata.alters(self.metadata) {
            let before = OrganizationBefore {
                name: self.name.filter(|_| name.is_some()),
                logo: self.logo.filter(|_| logo.alters(self.logo)),
                metadata: self.metadata.filter(|_| metadata.alters(self.metadata)),
            };
            events.push(OrganizationUpdated { name, logo, metadata, before, at }.into());
        }
        Ok(events)
    }

    /// Invitations end and the slug is released before the organization goes, by events of their own.
    fn gone(&self, reason: OrganizationEnd, at: Timestamp) -> Vec<OrganizationEvent> {
        let open = self.invitations.iter();
        let mut events: Vec<_> =
            open.map(|(id, open)| open.revoked(*id, RevocationReason::OrganizationDeleted, at)).collect();
        events.extend(self.slug_released(at));
        events.push(OrganizationDeleted { person: self.person, reason, at }.into());
        events
    }

    fn slug_released(&self, at: Timestamp) -> Option<OrganizationEvent> {
        self.slug.map(|held| SlugReleased { claim: held.claim, at }.into())
    }

    /// Whether it is asked in the name of somebody with this role or a stronger one.
    fn at_least(&self, by: By, role: Role) -> Result<(), OrganizationRefusal> {
        match by {
            By::App => Ok(()),
            By::Member(user) if self.role_of(user) >= role => Ok(()),
            By::Member(_) => Err(OrganizationRefusal::NotAllowed),
        }
    }

    /// Owners are made, changed and removed by owners; everybody else by admins too.
    fn may_handle(&self, by: By, role: Role) -> Result<(), OrganizationRefusal> {
        self.at_least(by, if role == Role::Owner { Role::Owner } else { Role::Admin })
    }
}

fn claimed(slug: NewSlug, replaces: Option<SealedId>, at: Timestamp) -> OrganizationEvent {
    SlugClaimed { claim: slug.claim, slug: slug.slug, replaces, at }.into()
}
