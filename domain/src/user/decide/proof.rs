//! What a proof of the mailbox does for a user: for its own browser, for a stranger's, for nobody yet (CONTRACT 2.6).

use super::*;
use crate::id::AccountId;
use crate::role::Roles;
use crate::time::Span;
use crate::user::Email;

/// How long a password that a proof put out of use can be restored.
const RESTORABLE: Span = Span::from_days(7);

/// Wrong passwords that may be given with one verification link.
const WRONG_PASSWORDS: u8 = 5;

impl User {
    pub(super) fn request_verification(&self, verification: NewVerification) -> Decision {
        let email = self.email.as_ref().ok_or(UserRefusal::ClaimNotHeld)?;
        if email.verified {
            return Err(UserRefusal::ClaimVerified);
        }
        Ok(vec![requested(verification, email.claim, email.address)])
    }

    pub(super) fn verify_email(
        &self,
        claim: ClaimId,
        challenge: Option<ChallengeId>,
        proof: ProofKind,
        at: Timestamp,
    ) -> Decision {
        self.holds(claim)?;
        if let Some(challenge) = challenge {
            self.standing_verification(claim, challenge, at)?;
        }
        Ok(self.prove(claim, proof, challenge, at))
    }

    /// Five wrong passwords void the link (CONTRACT 2.6).
    pub(super) fn miss_verification(&self, challenge: ChallengeId, at: Timestamp) -> Decision {
        let standing = self.verification.as_ref().filter(|standing| standing.challenge == challenge);
        let missed = standing.ok_or(UserRefusal::ChallengeUnknown)?.missed + 1;
        Ok(vec![VerificationMissed { challenge, void: missed >= WRONG_PASSWORDS, at }.into()])
    }

    pub(super) fn standing_verification(
        &self,
        claim: ClaimId,
        challenge: ChallengeId,
        at: Timestamp,
    ) -> Result<(), UserRefusal> {
        let standing =
            self.verification.as_ref().filter(|standing| standing.challenge == challenge && standing.claim == claim);
        let standing = standing.ok_or(UserRefusal::ChallengeUnknown)?;
        if standing.expires_at <= at { Err(UserRefusal::ChallengeExpired) } else { Ok(()) }
    }

    pub(super) fn supersede(&self, claim: ClaimId, at: Timestamp) -> Decision {
        let email = self.holds(claim)?;
        if email.verified {
            return Err(UserRefusal::ClaimVerified);
        }
        let reason = ReleaseReason::Superseded;
        let mut events = vec![EmailReleased { claim, reason }.into()];
        events.extend(
            self.password.as_ref().map(|password| PasswordRemoved { account: password.account, reason }.into()),
        );
        // An upgrade that awaited this very proof never was one: nothing of it stays.
        let provisional = self.standing == Standing::Provisional;
        let pending = self.identities.iter().filter(|_| provisional);
        events.extend(pending.map(|held| IdentityUnlinked { account: held.account, claim: held.claim, reason }.into()));
        let guest_again = provisional || self.identities.is_empty();
        events.push(UpgradeSuperseded { claim, guest_again, provisional }.into());
        events.extend(self.roles_set(Roles::default(), at));
        events.extend(self.end(|id| Some(id) != email.session, EndReason::Superseded, at));
        Ok(events)
    }

    // --- becoming a member by a proof ---

    pub(super) fn sign_up_by_mail(
        &self,
        user: UserId,
        person: PersonId,
        proven: ProvenAddress,
        profile: Profile,
        session: NewSession,
        at: Timestamp,
    ) -> Decision {
        self.is_new()?;
        let authentication = Authentication::mail(proven.proof, at);
        let mut events = vec![MemberSignedUp { user, person, authentication }.into()];
        events.extend(self.taken(proven, profile, Some(session.id), at));
        events.push(started(session));
        Ok(events)
    }

    pub(super) fn upgrade_by_mail(
        &self,
        session: SessionId,
        proven: ProvenAddress,
        profile: Profile,
        renewal: Renewal,
        at: Timestamp,
    ) -> Decision {
        self.is_guest()?;
        let current = self.own(session, at)?;
        let proof = proven.proof;
        let mut events = self.drop_pending(ReleaseReason::Replaced);
        events.extend(self.taken(proven, profile, Some(session), at));
        events.push(upgraded(Authentication::mail(proof, at), session, &renewal, Some(proof)));
        events.extend(self.end(|id| id != session, EndReason::Upgraded, at));
        events.extend(rotation(session, current, renewal.rotation, at));
        Ok(events)
    }

    // --- proofs for an address that is held ---

    pub(super) fn sign_in_by_mail(
        &self,
        claim: ClaimId,
        proof: ProofKind,
        own: bool,
        session: NewSession,
        notice: NewNotice,
        at: Timestamp,
    ) -> Decision {
        let Email { address, verified, .. } = *self.usable(claim)?;
        self.not_banned(at)?;
        let mut events = self.proven_in(claim, proof, own, &session, at);
        if verified || own {
            events.extend(self.start(session, at)?);
        } else {
            events.push(told(notice, Notice::Reclaimed, address, at));
            events.push(started(session));
        }
        Ok(events)
    }

    /// What a proof does that leads to a session: nothing to an address that was proven before, nor in the holder's own
    /// browser to anything but the address. Otherwise the account is taken over (CONTRACT 2.6, row c).
    pub(super) fn proven_in(
        &self,
        claim: ClaimId,
        proof: ProofKind,
        own: bool,
        session: &NewSession,
        at: Timestamp,
    ) -> Vec<UserEvent> {
        let mut events = self.prove(claim, proof, None, at);
        if own || self.email.as_ref().is_none_or(|email| email.verified) {
            return events;
        }
        if let Some(password) = &self.password {
            let (account, hash, until) = (password.account, password.hash, at + RESTORABLE);
            events.push(PasswordSuspended { account, hash, session: session.id, until, at }.into());
        }
        events.extend(self.reclaim(claim, proof, at));
        events.extend(self.end(|_| true, EndReason::Reclaimed, at));
        events
    }

    /// The address is proven, and with it a strict upgrade is complete. Nothing when it was proven before.
    pub(super) fn prove(
        &self,
        claim: ClaimId,
        proof: ProofKind,
        challenge: Option<ChallengeId>,
        at: Timestamp,
    ) -> Vec<UserEvent> {
        if self.email.as_ref().is_none_or(|email| email.verified) {
            return Vec::new();
        }
        let mut events = vec![EmailVerified { claim, proof, challenge, at }.into()];
        if self.standing == Standing::Provisional {
            let authentication = self.pending_authentication(at);
            events.push(GuestUpgraded { authentication, session: None, proof: Some(proof) }.into());
        }
        events
    }

    /// By which the upgrade that awaits its proof was asked for.
    fn pending_authentication(&self, at: Timestamp) -> Authentication {
        let method = self.pending_upgrade.unwrap_or(Method::Password);
        match self.identities.last().filter(|_| method == Method::Social) {
            Some(identity) => Authentication::social(&identity.provider, at),
            None => Authentication { method, ..Authentication::password(at) },
        }
    }

    /// The account follows the mailbox: identities that were linked without proof lead to it no longer.
    fn reclaim(&self, claim: ClaimId, proof: ProofKind, at: Timestamp) -> Vec<UserEvent> {
        let reason = ReleaseReason::Superseded;
        let unproven = self.identities.iter().filter(|identity| !identity.proven);
        let mut events: Vec<UserEvent> =
            unproven.map(|held| IdentityUnlinked { account: held.account, claim: held.claim, reason }.into()).collect();
        events.push(UserReclaimed { claim, proof, at }.into());
        // What was entrusted to whoever set the account up is not theirs who takes it over.
        events.extend(self.roles_set(Roles::default(), at));
        events
    }

    // --- passwords ---

    pub(super) fn reset_password(&self, reset: NewPassword, at: Timestamp) -> Decision {
        let NewPassword { claim, proof, own, account, hash, session, notice } = reset;
        let Email { address, verified, .. } = *self.usable(claim)?;
        let mut events = self.prove(claim, proof, None, at);
        let account = match &self.password {
            Some(password) => {
                events.push(PasswordChanged { account: password.account, hash, at }.into());
                password.account
            }
            None => {
                events.push(PasswordAdded { account, hash, proven: true, at }.into());
                account
            }
        };
        let reclaims = !verified && !own;
        if reclaims {
            events.extend(self.reclaim(claim, proof, at));
        }
        events.push(PasswordReset { account, proof, at }.into());
        let kept = session.filter(|_| !reclaims).filter(|(id, _)| self.own(*id, at).is_ok());
        let staying = kept.as_ref().map(|(id, _)| *id);
        events.extend(self.end(|id| Some(id) != staying, EndReason::PasswordReset, at));
        if let Some((id, renewal)) = kept {
            let renewal = Rotation { policy: RotationPolicy::Always, ..renewal };
            events.extend(rotation(id, self.live(id, at)?, renewal, at));
        }
        events.push(told(notice, Notice::PasswordChanged, address, at));
        Ok(events)
    }

    pub(super) fn add_password(
        &self,
        session: SessionId,
        account: AccountId,
        hash: SealedId,
        at: Timestamp,
    ) -> Decision {
        self.own(session, at)?;
        if self.standing.is_guest() {
            return Err(UserRefusal::Anonymous);
        }
        if self.password.is_some() {
            return Err(UserRefusal::HasPassword);
        }
        if !self.email.as_ref().is_some_and(|email| email.verified) {
            return Err(UserRefusal::EmailNotVerified);
        }
        Ok(vec![PasswordAdded { account, hash, proven: true, at }.into()])
    }

    pub(super) fn restore_password(&self, session: SessionId, verified: SealedId, at: Timestamp) -> Decision {
        let suspended =
            self.suspended.as_ref().filter(|suspended| suspended.session == session && suspended.until > at);
        let suspended = suspended.filter(|_| self.password.is_none()).ok_or(UserRefusal::NoPassword)?;
        if suspended.hash != verified {
            return Err(UserRefusal::PasswordChangedMeanwhile);
        }
        Ok(vec![PasswordRestored { account: suspended.account, hash: suspended.hash, at }.into()])
    }

    // --- another address ---

    pub(super) fn change_email(
        &self,
        session: Option<SessionId>,
        proven: ProvenAddress,
        notice: Option<NewNotice>,
        at: Timestamp,
    ) -> Decision {
        self.not_banned(at)?;
        if let Some(session) = session {
            self.own(session, at)?;
        }
        let notice = notice.filter(|_| self.email.as_ref().is_some_and(|email| !email.verified));
        let told = self.tell(notice, Notice::EmailReplaced, at);
        let mut events = self.moves_to(proven, session)?;
        events.extend(told);
        Ok(events)
    }

    /// Everybody who is in is out, and what they began is void: one of them was not the reader of this address.
    pub(super) fn undo_email_change(&self, proven: ProvenAddress, notice: NewNotice, at: Timestamp) -> Decision {
        let claim = proven.claim;
        let told = self.tell(Some(notice), Notice::EmailChangeUndone, at);
        let mut events = self.moves_to(proven, None)?;
        events.push(EmailChangeUndone { claim, at }.into());
        events.extend(self.end(|_| true, EndReason::EmailChangeUndone, at));
        events.extend(told);
        Ok(events)
    }

    fn moves_to(&self, proven: ProvenAddress, session: Option<SessionId>) -> Decision {
        if self.standing != Standing::Member {
            return Err(UserRefusal::Anonymous);
        }
        let ProvenAddress { claim, address, proof } = proven;
        let reason = ReleaseReason::Changed;
        let released = self.email.as_ref().map(|email| EmailReleased { claim: email.claim, reason }.into());
        let replaces = self.email.as_ref().map(|email| email.address);
        let claimed = EmailClaimed { claim, address, session, proof: Some(proof), replaces };
        Ok(released.into_iter().chain([claimed.into()]).collect())
    }

    // --- conditions ---

    fn holds(&self, claim: ClaimId) -> Result<&Email, UserRefusal> {
        self.email.as_ref().filter(|email| email.claim == claim).ok_or(UserRefusal::ClaimNotHeld)
    }

    /// A clean-up may have taken the user out of use.
    pub(super) fn usable(&self, claim: ClaimId) -> Result<&Email, UserRefusal> {
        if self.standing == Standing::Disabled { Err(UserRefusal::Deleted) } else { self.holds(claim) }
    }

    /// What was begun before an upgrade, a reset or the like is void (SECURITY S2).
    pub(super) fn same_epoch(&self, epoch: Option<u32>) -> Result<(), UserRefusal> {
        if epoch.is_none_or(|epoch| epoch == self.epoch) { Ok(()) } else { Err(UserRefusal::ChallengeUnknown) }
    }

    fn taken(&self, proven: ProvenAddress, said: Profile, session: Option<SessionId>, at: Timestamp) -> Vec<UserEvent> {
        let ProvenAddress { claim, address, proof } = proven;
        let mut events = vec![EmailClaimed { claim, address, session, proof: Some(proof), replaces: None }.into()];
        let Profile { name, image, metadata, password } = said;
        if let Some(ChosenPassword { account, hash }) = password {
            events.push(PasswordAdded { account, hash, proven: true, at }.into());
        }
        let [name, image, metadata] = [name, image, metadata].map(Change::from_option);
        events.extend(self.said(name, image, metadata, at));
        events
    }
}
