//! Invitations: made by those who lead, answered by whoever reads the address. Each ends once; of an answer and a
//! revocation at the same time one is late.

use super::*;
use crate::id::InvitationId;
use crate::organization::{INVITATIONS_MAX, Invitation};

/// Invitations past their time that make room in one decision.
const TIDIED: usize = 16;

impl Organization {
    pub(super) fn invite(
        &self,
        by: By,
        new: NewInvitation,
        seen: u64,
        instead_of: Option<InvitationId>,
        at: Timestamp,
    ) -> Decision {
        self.may_handle(by, new.role)?;
        if self.invited != seen {
            return Err(OrganizationRefusal::Overtaken);
        }
        let past = self.invitations.iter().filter(|(_, open)| open.expires_at <= at).map(|(id, _)| *id);
        let ends = past.filter(|id| Some(*id) != instead_of).take(TIDIED);
        let replaced = instead_of.filter(|id| self.invitations.contains_key(id));
        let mut events: Vec<OrganizationEvent> = ends
            .chain(replaced)
            .map(|invitation| InvitationRevoked { invitation, reason: RevocationReason::Expired, at }.into())
            .collect();
        if self.invitations.len() - events.len() >= INVITATIONS_MAX {
            return Err(OrganizationRefusal::TooManyInvitations);
        }
        let NewInvitation { invitation, person, address, invitee, role, notice, expires_at } = new;
        let InvitationNotice { mail, locale } = notice;
        let inviter = match by {
            By::Member(user) => Some(user),
            By::App => None,
        };
        events.push(
            InvitationCreated { invitation, person, address, invitee, role, inviter, mail, locale, at, expires_at }
                .into(),
        );
        Ok(events)
    }

    /// One that is past its time too: it is the same invitation, and nobody has another.
    pub(super) fn renew(&self, by: By, renewed: InvitationRenewed) -> Decision {
        let role = self.invitations.get(&renewed.invitation).ok_or(OrganizationRefusal::InvitationNotOpen)?.role;
        self.may_handle(by, role)?;
        Ok(vec![renewed.into()])
    }

    pub(super) fn revoke(&self, by: By, invitation: InvitationId, at: Timestamp) -> Decision {
        self.at_least(by, Role::Admin)?;
        let role = self.invitations.get(&invitation).ok_or(OrganizationRefusal::InvitationNotOpen)?.role;
        self.may_handle(by, role)?;
        Ok(vec![InvitationRevoked { invitation, reason: RevocationReason::Canceled, at }.into()])
    }

    pub(super) fn accept(&self, invitation: InvitationId, target: Target, at: Timestamp) -> Decision {
        let role = self.open(invitation, at)?.role;
        let mut events = self.add(target, role, Some(invitation), at)?;
        events.push(InvitationAccepted { invitation, user: target.user, at }.into());
        Ok(events)
    }

    pub(super) fn reject(&self, invitation: InvitationId, user: UserId, at: Timestamp) -> Decision {
        self.open(invitation, at)?;
        Ok(vec![InvitationRejected { invitation, user, at }.into()])
    }

    /// Open invitations of somebody who from now on has this role, or is a member no more, that they could not make now:
    /// who is removed leaves no door behind.
    pub(super) fn invitations_lost(
        &self,
        inviter: UserId,
        role: Role,
        at: Timestamp,
    ) -> impl Iterator<Item = OrganizationEvent> {
        let lost = move |open: &Invitation| open.inviter == Some(inviter) && (role < Role::Admin || open.role > role);
        let lost = self.invitations.iter().filter(move |(_, open)| lost(open)).map(|(id, _)| *id);
        lost.map(move |invitation| InvitationRevoked { invitation, reason: RevocationReason::InviterLost, at }.into())
    }

    fn open(&self, invitation: InvitationId, at: Timestamp) -> Result<&Invitation, OrganizationRefusal> {
        let open = self.invitations.get(&invitation).ok_or(OrganizationRefusal::InvitationNotOpen)?;
        if open.expires_at <= at { Err(OrganizationRefusal::InvitationExpired) } else { Ok(open) }
    }
}
