//! Social identities: keyed by issuer and subject, never by an address (SECURITY S4). An address that the provider does not
//! vouch for is only reserved; one that it does vouch for is a proof of the mailbox like any other.

use super::*;
use crate::id::AccountId;
use crate::user::Email;

/// Identities that may lead to one user.
const IDENTITIES_MAX: usize = 20;

impl User {
    pub(super) fn link_social(
        &self,
        session: SessionId,
        identity: SocialIdentity,
        renewal: Renewal,
        strict: bool,
        notice: Option<NewNotice>,
        at: Timestamp,
    ) -> Decision {
        let current = self.own(session, at)?;
        self.can_link(&identity)?;
        if !self.standing.is_guest() {
            let mut events = self.linked(identity, Some(session), self.email.is_none(), at);
            events.extend(self.tell(notice, Notice::AccountLinked, at));
            return Ok(events);
        }
        let authentication = Authentication::social(&identity.provider, at);
        let vouched = identity.email.as_ref().map(|email| email.vouched);
        let proof = vouched.filter(|vouched| *vouched).map(|_| ProofKind::Provider);
        let mut events = self.drop_pending(ReleaseReason::Replaced);
        events.extend(self.linked(identity, Some(session), true, at));
        // With an address that nobody vouches for there is something to prove first.
        events.push(match strict && vouched == Some(false) {
            true => begun(authentication, session, &renewal),
            false => upgraded(authentication, session, &renewal, proof),
        });
        events.extend(self.end(|id| id != session, EndReason::Upgraded, at));
        events.extend(rotation(session, current, renewal.rotation, at));
        Ok(events)
    }

    pub(super) fn sign_up_social(
        &self,
        user: UserId,
        person: PersonId,
        identity: SocialIdentity,
        session: NewSession,
        at: Timestamp,
    ) -> Decision {
        self.is_new()?;
        let authentication = Authentication::social(&identity.provider, at);
        let mut events = vec![MemberSignedUp { user, person, authentication }.into()];
        events.extend(self.linked(identity, Some(session.id), true, at));
        events.push(started(session));
        Ok(events)
    }

    pub(super) fn sign_in_social(&self, identity: ClaimId, session: NewSession, at: Timestamp) -> Decision {
        if !self.identities.iter().any(|held| held.claim == identity) {
            return Err(UserRefusal::ClaimNotHeld);
        }
        self.start(session, at)
    }

    /// The provider's word is a proof of the mailbox: as with any other, an account that was set up without one follows it.
    pub(super) fn sign_in_vouched(
        &self,
        claim: ClaimId,
        own: bool,
        identity: SocialIdentity,
        session: NewSession,
        notice: NewNotice,
        at: Timestamp,
    ) -> Decision {
        let Email { address, verified, .. } = *self.usable(claim)?;
        self.not_banned(at)?;
        self.can_link(&identity)?;
        let mut events = self.proven_in(claim, ProofKind::Provider, own, &session, at);
        events.extend(self.linked(identity, None, false, at));
        if verified || own {
            events.push(told(notice, Notice::AccountLinked, address, at));
            events.extend(self.start(session, at)?);
        } else {
            events.push(told(notice, Notice::Reclaimed, address, at));
            events.push(started(session));
        }
        Ok(events)
    }

    /// Never the last way in.
    pub(super) fn unlink(
        &self,
        session: SessionId,
        account: AccountId,
        notice: Option<NewNotice>,
        at: Timestamp,
    ) -> Decision {
        self.own(session, at)?;
        let reason = ReleaseReason::Unlinked;
        let identity = self.identities.iter().find(|held| held.account == account);
        let password = self.password.as_ref().filter(|password| password.account == account);
        let gone = match (identity, password) {
            (Some(held), _) => IdentityUnlinked { account, claim: held.claim, reason }.into(),
            (None, Some(_)) => PasswordRemoved { account, reason }.into(),
            (None, None) => return Err(UserRefusal::AccountUnknown),
        };
        if self.identities.len() + usize::from(self.password.is_some()) <= 1 {
            return Err(UserRefusal::LastAccount);
        }
        Ok(std::iter::once(gone).chain(self.tell(notice, Notice::AccountUnlinked, at)).collect())
    }

    fn can_link(&self, identity: &SocialIdentity) -> Result<(), UserRefusal> {
        if self.identities.iter().any(|held| held.claim == identity.claim) {
            return Err(UserRefusal::IdentityLinked);
        }
        if self.identities.len() >= IDENTITIES_MAX { Err(UserRefusal::TooManyIdentities) } else { Ok(()) }
    }

    /// The identity leads here from now on; with `takes`, its address is the user's too.
    fn linked(
        &self,
        identity: SocialIdentity,
        session: Option<SessionId>,
        takes: bool,
        at: Timestamp,
    ) -> Vec<UserEvent> {
        let SocialIdentity { account, claim, provider, subject, email, name, image, scopes, vouches_for_held } =
            identity;
        let taken = email.filter(|_| takes);
        // A provider that vouches for an address which is not taken proves nothing about the one that is held.
        let proof = taken.as_ref().filter(|email| email.vouched).map(|_| ProofKind::Provider);
        let held = self.email.as_ref().is_some_and(|email| email.verified);
        let (mut events, mut link) = (Vec::new(), None);
        if let Some(SocialEmail { claim, address, vouched, verification }) = taken {
            events.push(EmailClaimed { claim, address, session, proof, replaces: None }.into());
            link = verification.filter(|_| !vouched).map(|link| requested(link, claim, address));
        }
        let authentication = Authentication::social(&provider, at);
        let proven = proof.is_some() || held || vouches_for_held;
        events.push(IdentityLinked { account, claim, provider, subject, proven, authentication, scopes }.into());
        // What the provider says fills only what is empty.
        let (name, image) = (name.filter(|_| self.name.is_none()), image.filter(|_| self.image.is_none()));
        events.extend(self.said(Change::from_option(name), Change::from_option(image), Change::Kept, at));
        events.extend(link);
        events
    }
}
