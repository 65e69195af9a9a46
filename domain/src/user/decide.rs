//! Decisions: what may happen to a user, and what then did. Pure; one function for each command.

mod admin;
mod expiry;
mod membership;
mod proof;
mod recovery;
mod sessions;
mod social;
mod transfer;
mod wave;

use self::sessions::{rotation, started};
use crate::id::{ChallengeId, ClaimId, PersonId, SealedId, SessionId, UserId};
use crate::time::{Span, Timestamp};
use crate::user::command::*;
use crate::user::event::*;
use crate::user::{Password, Session, Standing, User, UserEvent, UserRefusal};
use crate::value::{Authentication, Carrier, Change, Entry, Method, ProofKind};

type Decision = Result<Vec<UserEvent>, UserRefusal>;

impl User {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then, and the same command on the same state is refused again.
    pub fn decide(&self, command: UserCommand, at: Timestamp) -> Decision {
        use UserCommand as C;
        match command {
            C::CreateAnonymous { user, person, entry, session } => {
                self.create_anonymous(user, person, entry, session, at)
            }
            C::SignUpByMail { user, person, proven, profile, session } => {
                self.sign_up_by_mail(user, person, proven, profile, session, at)
            }
            C::CreateMember { member } => self.create_member(*member, at),
            C::SignUpSocial { user, person, identity, session } => {
                self.sign_up_social(user, person, identity, session, at)
            }
            C::SignUpWithPassword { user, person, credentials, session } => {
                self.sign_up(user, person, credentials, session, at)
            }
            command => {
                self.exists()?;
                self.decide_existing(command, at)
            }
        }
    }

    fn decide_existing(&self, command: UserCommand, at: Timestamp) -> Decision {
        use UserCommand as C;
        match command {
            C::CreateAnonymous { .. }
            | C::SignUpWithPassword { .. }
            | C::SignUpByMail { .. }
            | C::SignUpSocial { .. }
            | C::CreateMember { .. } => Err(UserRefusal::Exists),
            C::UpgradeWithPassword { session, credentials, renewal, strict } => {
                self.upgrade_with_password(session, credentials, renewal, strict, at)
            }
            C::LinkSocial { session, identity, renewal, strict, opens, epoch, notice } => {
                self.same_epoch(epoch)?;
                let mut events = self.link_social(session, identity, renewal, strict, notice, at)?;
                events.extend(opens.filter(|_| self.standing.is_guest()).map(started));
                Ok(events)
            }
            C::SignInSocial { identity, session } => self.sign_in_social(identity, session, at),
            C::SignInVouched { claim, own, identity, session, notice } => {
                self.sign_in_vouched(claim, own, identity, session, notice, at)
            }
            C::ChangeEmail { session, proven, epoch, notice } => {
                self.same_epoch(epoch)?;
                self.change_email(session, proven, notice, at)
            }
            C::UndoEmailChange { proven, notice } => self.undo_email_change(proven, notice, at),
            C::UnlinkAccount { session, account, notice } => self.unlink(session, account, notice, at),
            C::StartSession { session } => self.start(session, at),
            C::RecordActivity { session, carrier, granularity } => {
                self.record_activity(session, carrier, granularity, at)
            }
            C::ExtendSession { session, expires_at } => self.extend(session, expires_at, at),
            C::RotateSession { session, rotation } => self.rotate(session, rotation, at),
            C::RevokeSession { session, reason } => Ok(self.revoke(|id, _| id == session, reason, at)),
            C::RevokeSessions { except } => Ok(self.revoke(|id, _| Some(id) != except, EndReason::Revoked, at)),
            C::RevokeOlderSessions { before } => {
                Ok(self.revoke(|_, session| session.started_at < before, EndReason::Revoked, at))
            }
            C::UpdateProfile { name, image, metadata } => Ok(self.update_profile(name, image, metadata, at)),
            C::ChangePassword { session, verified, hash, revoke_others, rotation, notice } => {
                self.still_verified(verified)?;
                let mut events = self.change_password(session, hash, revoke_others, rotation, at)?;
                events.extend(self.tell(notice, Notice::PasswordChanged, at));
                Ok(events)
            }
            C::AddPassword { session, account, hash, notice } => {
                let mut events = self.add_password(session, account, hash, at)?;
                events.extend(self.tell(Some(notice), Notice::PasswordChanged, at));
                Ok(events)
            }
            C::RehashPassword { replaces, hash } => self.rehash(replaces, hash),
            C::RequestVerification { verification } => self.request_verification(verification),
            C::VerifyEmail { claim, challenge, proof, opens } => {
                let mut events = self.verify_email(claim, challenge, proof, at)?;
                if let Some(session) = opens.filter(|_| !events.is_empty()) {
                    events.extend(self.start(session, at)?);
                }
                Ok(events)
            }
            C::MissVerification { challenge } => self.miss_verification(challenge, at),
            C::DisownClaim { claim, challenge } => {
                self.standing_verification(claim, challenge, at)?;
                self.supersede(claim, at)
            }
            C::SupersedeClaim { claim } => self.supersede(claim, at),
            C::UpgradeByMail { session, proven, profile, renewal, opens, epoch } => {
                self.same_epoch(epoch)?;
                let mut events = self.upgrade_by_mail(session, proven, profile, renewal, at)?;
                if let Some(opened) = opens {
                    // Whoever asked did not show that they read the address.
                    events.push(SessionEnded { session, reason: EndReason::Reclaimed, at }.into());
                    events.push(started(opened));
                }
                Ok(events)
            }
            C::SignInByMail { claim, proof, own, session, epoch, notice } => {
                self.same_epoch(epoch)?;
                self.sign_in_by_mail(claim, proof, own, session, notice, at)
            }
            C::ResetPassword { reset, epoch } => {
                self.same_epoch(epoch)?;
                self.reset_password(reset, at)
            }
            C::RestorePassword { session, verified } => self.restore_password(session, verified, at),
            C::IssueRecoveryCode { session, hash } => self.issue_recovery_code(session, hash, at),
            C::RevokeRecoveryCode { session } => self.revoke_recovery_code(session, at),
            C::UseRecoveryCode { hash, session } => self.use_recovery_code(hash, session, at),
            C::OfferDeviceLink { session, hash, expires_at } => self.offer_device_link(session, hash, expires_at, at),
            C::ClaimDeviceLink { hash, ticket, client } => self.claim_device_link(hash, ticket, client, at),
            C::ConfirmDeviceLink { session } => self.confirm_device_link(session, at),
            C::WithdrawDeviceLink { session } => self.withdraw_device_link(session, at),
            C::UseDeviceLink { hash, ticket, session } => self.use_device_link(hash, ticket, session, at),
            C::TransferGuest { to, epoch } => self.transfer(to, epoch, at),
            C::AbsorbGuest { guest, epoch } => self.absorb(guest, epoch, at),
            C::BeginMembership { organization, member, founded, invited } => {
                self.begin_membership(organization, member, founded, invited, at)
            }
            C::EndMembership { organization, member, reason } => self.end_membership(organization, member, reason, at),
            C::ConfirmMembership { organization, member } => self.membership(organization, member).map(|_| Vec::new()),
            C::ActivateOrganization { session, organization } => self.activate(session, organization, at),
            C::AnnounceExpiry { terms, passed } => self.announce_expiry(terms, &passed, at),
            C::ExpireGuest { terms, passed } => self.expire(terms, &passed, at),
            C::FinishExpiry { passed } => self.finish_expiry(&passed, at),
            C::RestoreGuest => self.restore(at),
            C::DisableGuest { by } => self.disable(by, at),
            C::ReinstateGuest { by } => self.reinstate(by, at),
            C::HoldGuest { until, reason } => self.hold(until, reason, at),
            C::ReleaseGuest => Ok(self.release(at)),
            C::DeleteUser { reason, only_if_guest } => self.delete(reason, only_if_guest, at),
            C::DeleteMatching { filter } => self.delete_matching(&filter, at),
            C::Administer { administration } => self.administer(*administration, at),
            C::Ban { reason, until } => self.ban(reason, until, at),
            C::Unban => self.unban(at),
            C::RecordExport => Ok(vec![DataExported { at }.into()]),
            C::Impersonate { session } => self.impersonate(session, at),
        }
    }

    // --- beginnings ---

    fn create_anonymous(
        &self,
        user: UserId,
        person: PersonId,
        entry: Entry,
        session: NewSession,
        at: Timestamp,
    ) -> Decision {
        self.is_new()?;
        Ok(vec![GuestCreated { user, person, at, entry }.into(), started(session)])
    }

    fn sign_up(
        &self,
        user: UserId,
        person: PersonId,
        credentials: PasswordCredentials,
        session: Option<NewSession>,
        at: Timestamp,
    ) -> Decision {
        self.is_new()?;
        let by = session.as_ref().map(|session| session.id);
        let mut events = vec![MemberSignedUp { user, person, authentication: Authentication::password(at) }.into()];
        events.extend(self.take_credentials(credentials, by, at));
        events.extend(session.map(started));
        Ok(events)
    }

    // --- becoming a member ---

    fn upgrade_with_password(
        &self,
        session: SessionId,
        credentials: PasswordCredentials,
        renewal: Renewal,
        strict: bool,
        at: Timestamp,
    ) -> Decision {
        self.is_guest()?;
        let current = self.own(session, at)?;
        let authentication = Authentication::password(at);
        // A further upgrade replaces the one that awaits proof.
        let mut events = self.drop_pending(ReleaseReason::Replaced);
        events.extend(self.take_credentials(credentials, Some(session), at));
        events.push(if strict {
            begun(authentication, session, &renewal)
        } else {
            upgraded(authentication, session, &renewal, None)
        });
        events.extend(self.end(|id| id != session, EndReason::Upgraded, at));
        events.extend(rotation(session, current, renewal.rotation, at));
        Ok(events)
    }

    /// What an upgrade that awaits proof has brought along.
    fn drop_pending(&self, reason: ReleaseReason) -> Vec<UserEvent> {
        let email = self.email.as_ref().map(|email| EmailReleased { claim: email.claim, reason }.into());
        let password =
            self.password.as_ref().map(|password| PasswordRemoved { account: password.account, reason }.into());
        let identities = self
            .identities
            .iter()
            .map(|held| IdentityUnlinked { account: held.account, claim: held.claim, reason }.into());
        email.into_iter().chain(password).chain(identities).collect()
    }

    fn take_credentials(
        &self,
        credentials: PasswordCredentials,
        session: Option<SessionId>,
        at: Timestamp,
    ) -> Vec<UserEvent> {
        let PasswordCredentials { claim, address, account, hash, name, image, verification } = credentials;
        let mut events = vec![
            EmailClaimed { claim, address, session, proof: None, replaces: None }.into(),
            PasswordAdded { account, hash, proven: false, at }.into(),
        ];
        events.extend(self.said(Change::from_option(name), Change::from_option(image), Change::Kept, at));
        events.extend(verification.map(|verification| requested(verification, claim, address)));
        events
    }

    // --- the profile ---

    /// Those too that would live again if a guest were brought back.
    fn revoke(&self, which: impl Fn(SessionId, &Session) -> bool, reason: EndReason, at: Timestamp) -> Vec<UserEvent> {
        let undoable = self.disabled.iter().flat_map(|disabled| &disabled.sessions);
        let ending = self.sessions.iter().chain(undoable).filter(|(id, session)| which(**id, session));
        ending.map(|(session, _)| SessionEnded { session: *session, reason, at }.into()).collect()
    }

    fn update_profile(&self, name: Change, image: Change, metadata: Change, at: Timestamp) -> Vec<UserEvent> {
        let news = name.alters(self.name) || image.alters(self.image) || metadata.alters(self.metadata);
        self.said(name, image, metadata, at).filter(|_| news).into_iter().collect()
    }

    /// Nothing where nothing is said.
    fn said(&self, name: Change, image: Change, metadata: Change, at: Timestamp) -> Option<UserEvent> {
        let before = |change: Change, held: Option<SealedId>| held.filter(|_| change.alters(held));
        let before = ProfileBefore {
            name: before(name, self.name),
            image: before(image, self.image),
            metadata: before(metadata, self.metadata),
        };
        let silent = [name, image, metadata].iter().all(Change::is_kept);
        (!silent).then(|| ProfileUpdated { name, image, metadata, before, at }.into())
    }

    // --- credentials ---

    fn change_password(
        &self,
        session: SessionId,
        hash: SealedId,
        revoke_others: bool,
        renewal: Rotation,
        at: Timestamp,
    ) -> Decision {
        let current = self.own(session, at)?;
        let account = self.password.as_ref().ok_or(UserRefusal::NoPassword)?.account;
        let mut events = vec![PasswordChanged { account, hash, at }.into()];
        if revoke_others {
            events.extend(self.end(|id| id != session, EndReason::PasswordChanged, at));
        }
        events.extend(rotation(session, current, renewal, at));
        Ok(events)
    }

    fn rehash(&self, replaces: SealedId, hash: SealedId) -> Decision {
        let account = self.still_verified(replaces)?.account;
        Ok(vec![PasswordRehashed { account, hash }.into()])
    }

    // --- endings ---

    fn delete(&self, reason: DeletionReason, only_if_guest: bool, at: Timestamp) -> Decision {
        if only_if_guest {
            self.is_guest()?;
        }
        Ok(self.gone(reason, None, at))
    }

    /// Sessions and memberships end and claims are released before the user goes, each by an event of its own.
    fn gone(&self, reason: DeletionReason, evidence: Option<ExpiryEvidence>, at: Timestamp) -> Vec<UserEvent> {
        let mut events = self.end(|_| true, EndReason::Deleted, at);
        let released = ReleaseReason::Deleted;
        events.extend(self.email.as_ref().map(|email| EmailReleased { claim: email.claim, reason: released }.into()));
        let unlinked = self
            .identities
            .iter()
            .map(|held| IdentityUnlinked { account: held.account, claim: held.claim, reason: released }.into());
        events.extend(unlinked);
        events.extend(self.memberships_end(at));
        let was_guest = self.standing.is_guest();
        let (person, last_activity) = (self.person, self.last_activity);
        events.push(UserDeleted { person, reason, was_guest, last_activity, evidence, at }.into());
        events
    }

    // --- conditions ---

    fn is_new(&self) -> Result<(), UserRefusal> {
        match self.standing {
            Standing::Absent => Ok(()),
            Standing::Deleted => Err(UserRefusal::Deleted),
            _ => Err(UserRefusal::Exists),
        }
    }

    fn exists(&self) -> Result<(), UserRefusal> {
        match self.standing {
            Standing::Absent => Err(UserRefusal::NotFound),
            Standing::Deleted => Err(UserRefusal::Deleted),
            _ => Ok(()),
        }
    }

    fn is_guest(&self) -> Result<(), UserRefusal> {
        if self.standing.is_guest() { Ok(()) } else { Err(UserRefusal::NotAnonymous) }
    }

    /// The password, if it is still the one whose hash was checked.
    fn still_verified(&self, verified: SealedId) -> Result<&Password, UserRefusal> {
        let password = self.password.as_ref().ok_or(UserRefusal::NoPassword)?;
        if password.hash == verified { Ok(password) } else { Err(UserRefusal::PasswordChangedMeanwhile) }
    }

    fn live(&self, session: SessionId, at: Timestamp) -> Result<&Session, UserRefusal> {
        self.live_session(session, at).ok_or(UserRefusal::SessionNotLive)
    }
}

fn upgraded(
    authentication: Authentication,
    session: SessionId,
    renewal: &Renewal,
    proof: Option<ProofKind>,
) -> UserEvent {
    let session = RenewedSession { session, expires_at: renewal.expires_at, remembered: renewal.remembered };
    GuestUpgraded { authentication, session: Some(session), proof }.into()
}

/// An upgrade that awaits the proof of its address.
fn begun(authentication: Authentication, session: SessionId, renewal: &Renewal) -> UserEvent {
    let Renewal { expires_at, remembered, .. } = *renewal;
    UpgradeBegun { session, authentication, expires_at, remembered }.into()
}

fn requested(verification: NewVerification, claim: ClaimId, address: SealedId) -> UserEvent {
    let NewVerification { challenge, callback_url, locale, expires_at } = verification;
    EmailVerificationRequested { challenge, claim, address, callback_url, locale: Some(locale), expires_at }.into()
}

impl User {
    /// A mail to the address that is held, if one is.
    fn tell(&self, mail: Option<NewNotice>, notice: Notice, at: Timestamp) -> Option<UserEvent> {
        self.email.as_ref().zip(mail).map(|(email, mail)| told(mail, notice, email.address, at))
    }
}

fn told(mail: NewNotice, notice: Notice, address: SealedId, at: Timestamp) -> UserEvent {
    NoticeRequested { mail: mail.mail, notice, address, locale: mail.locale, at }.into()
}
