//! Invitations: made by those who lead, answered by whoever reads the address. Each ends once; of an answer and a
//! revocation at the same time one is late.

use super::*;
use crate::id::InvitationId;
use crate::organization::{INVITATIONS_MAX, Invitation};

/// Invitations past their time that end in one decision.
const TIDIED: usize = 64;

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
        let replaced =
            instead_of.and_then(|id| Some(self.invitations.get(&id)?.revoked(id, RevocationReason::Expired, at)));
        let mut events: Vec<OrganizationEvent> = self.past(instead_of, at).chain(replaced).collect();
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
        let open = self.invitations.get(&invitation).ok_or(OrganizationRefusal::InvitationNotOpen)?;
        self.may_handle(by, open.role)?;
        Ok(vec![open.revoked(invitation, RevocationReason::Canceled, at)])
    }

    pub(super) fn accept(&self, invitation: InvitationId, target: Target, at: Timestamp) -> Decision {
        let open = self.open(invitation, at)?;
        let mut events = self.add(target, open.role, Some(invitation), at)?;
        events.push(InvitationAccepted { invitation, user: target.user, person: open.person, at }.into());
        Ok(events)
    }

    pub(super) fn reject(&self, invitation: InvitationId, user: UserId, at: Timestamp) -> Decision {
        let person = self.open(invitation, at)?.person;
        Ok(vec![InvitationRejected { invitation, user, person, at }.into()])
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
        let lost = self.invitations.iter().filter(move |(_, open)| lost(open));
        lost.map(move |(id, open)| open.revoked(*id, RevocationReason::InviterLost, at))
    }

    /// Some of those that are past their time end.
    pub(super) fn past(&self, besides: Option<InvitationId>, at: Timestamp) -> impl Iterator<Item = OrganizationEvent> {
        let past = self.invitations.iter().filter(move |(id, open)| open.expires_at <= at && Some(**id) != besides);
        past.take(TIDIED).map(move |(id, open)| open.revoked(*id, RevocationReason::Expired, at))
    }

    fn open(&self, invitation: InvitationId, at: Timestamp) -> Result<&Invitation, OrganizationRefusal> {
        let open = self.invitations.get(&invitation).ok_or(OrganizationRefusal::InvitationNotOpen)?;
        if open.expires_at <= at { Err(OrganizationRefusal::InvitationExpired) } else { Ok(open) }
    }
}

impl Invitation {
    pub(super) fn revoked(
        &self,
        invitation: InvitationId,
        reason: RevocationReason,
        at: Timestamp,
    ) -> OrganizationEvent {
        InvitationRevoked { invitation, reason, person: self.person, at }.into()
    }
}
