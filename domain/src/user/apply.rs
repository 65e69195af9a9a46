//! State as a function of events. Never fails and never decides: what is in the log happened.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use crate::user::event::*;
use crate::user::{
    Announced, Ban, DeviceLink, Disabled, Email, Held, Identity, Membership, Password, Session, Standing,
    SuspendedPassword, User, UserEvent, Verification,
};
use crate::value::{Carrier, Change};

impl User {
    pub fn apply(&mut self, event: &UserEvent) {
        // An activity record is appended without a version check and may land behind a deletion: it changes nothing.
        if self.standing == Standing::Deleted {
            return;
        }
        match event {
            UserEvent::GuestCreated(e) => {
                self.id = Some(e.user);
                self.person = Some(e.person);
                self.standing = Standing::Guest;
                self.last_activity = e.at;
            }
            UserEvent::MemberSignedUp(e) => {
                self.id = Some(e.user);
                self.person = Some(e.person);
                self.standing = Standing::Member;
                self.last_activity = e.authentication.at;
            }
            UserEvent::UpgradeBegun(e) => {
                self.standing = Standing::Provisional;
                self.begin_epoch();
                self.pending_upgrade = Some(e.authentication.method);
                self.renew(
                    &RenewedSession { session: e.session, expires_at: e.expires_at, remembered: e.remembered },
                    e.authentication.at,
                );
            }
            UserEvent::GuestUpgraded(e) => {
                self.standing = Standing::Member;
                self.pending_upgrade = None;
                (self.held, self.announced) = (None, None);
                self.begin_epoch();
                if let Some(renewed) = &e.session {
                    self.renew(renewed, e.authentication.at);
                }
            }
            UserEvent::UpgradeSuperseded(e) => {
                self.pending_upgrade = None;
                self.superseded = true;
                self.begin_epoch();
                if e.guest_again {
                    self.standing = Standing::Guest;
                }
            }
            UserEvent::EmailClaimed(e) => {
                self.email =
                    Some(Email { claim: e.claim, address: e.address, verified: e.proof.is_some(), session: e.session });
                self.verification = None;
                // What its user added before is theirs: they read the address.
                if e.proof.is_some() {
                    self.all_proven();
                }
            }
            UserEvent::EmailVerificationRequested(e) => {
                self.verification =
                    Some(Verification { challenge: e.challenge, claim: e.claim, expires_at: e.expires_at, missed: 0 });
            }
            UserEvent::VerificationMissed(e) => {
                let standing = self.verification.as_mut().filter(|standing| standing.challenge == e.challenge);
                if let Some(standing) = standing {
                    standing.missed += 1;
                    if e.void {
                        self.verification = None;
                    }
                }
            }
            UserEvent::EmailVerified(e) => {
                if let Some(email) = self.email.as_mut().filter(|email| email.claim == e.claim) {
                    email.verified = true;
                }
                self.all_proven();
            }
            UserEvent::EmailReleased(e) => {
                if self.email.as_ref().is_some_and(|email| email.claim == e.claim) {
                    self.email = None;
                    self.verification = None;
                }
            }
            UserEvent::PasswordAdded(e) => {
                self.password = Some(Password { account: e.account, hash: e.hash, proven: e.proven });
                self.suspended = None;
            }
            UserEvent::PasswordChanged(PasswordChanged { hash, .. })
            | UserEvent::PasswordRehashed(PasswordRehashed { hash, .. }) => {
                if let Some(password) = &mut self.password {
                    password.hash = *hash;
                }
            }
            UserEvent::UserReclaimed(_) => self.begin_epoch(),
            UserEvent::PasswordRemoved(_) => self.password = None,
            UserEvent::PasswordSuspended(e) => {
                self.password = None;
                self.suspended =
                    Some(SuspendedPassword { account: e.account, hash: e.hash, session: e.session, until: e.until });
            }
            UserEvent::PasswordRestored(e) => {
                self.suspended = None;
                self.password = Some(Password { account: e.account, hash: e.hash, proven: true });
            }
            UserEvent::PasswordReset(_) => {
                self.suspended = None;
                self.begin_epoch();
            }
            UserEvent::IdentityLinked(e) => self.identities.push(Identity {
                account: e.account,
                claim: e.claim,
                provider: e.provider.clone(),
                proven: e.proven,
            }),
            UserEvent::IdentityUnlinked(e) => self.identities.retain(|identity| identity.account != e.account),
            UserEvent::SessionStarted(e) => self.start_session(e),
            UserEvent::ActivityRecorded(e) => {
                self.was_active(e.at);
                if let Some(session) = self.sessions.get_mut(&e.session) {
                    session.last_seen = session.last_seen.max(e.at);
                    match e.carrier {
                        Carrier::Cookie => (session.presented, session.by_cookie) = (true, true),
                        Carrier::Bearer => session.presented = true,
                        Carrier::Replay => session.replayed = true,
                    }
                }
            }
            UserEvent::SessionExtended(e) => {
                self.was_active(e.at);
                if let Some(session) = self.sessions.get_mut(&e.session) {
                    session.expires_at = e.expires_at;
                    session.last_seen = session.last_seen.max(e.at);
                }
            }
            UserEvent::SessionRotated(e) => {
                if let Some(session) = self.sessions.get_mut(&e.session) {
                    session.locator = e.locator;
                    session.token_hash = e.token_hash;
                    session.rotation_due = false;
                }
            }
            UserEvent::SessionEnded(e) => {
                self.sessions.remove(&e.session);
                // What took the guest out of use can be undone; whoever ends a session means it.
                if let Some(disabled) = self.disabled.as_mut().filter(|_| e.reason != EndReason::Disabled) {
                    disabled.sessions.remove(&e.session);
                }
            }
            UserEvent::ProfileUpdated(e) => {
                change(&mut self.name, e.name);
                change(&mut self.image, e.image);
                change(&mut self.metadata, e.metadata);
            }
            UserEvent::AppMetadataSet(e) => self.app_metadata = Some(e.metadata),
            UserEvent::RoleSet(e) => {
                self.roles = e.roles.clone();
                self.sessions.values_mut().for_each(|session| session.rotation_due = true);
            }
            UserEvent::UserBanned(e) => {
                self.ban = Some(Ban { reason: e.reason, until: e.until });
                self.verification = None;
                // Nor does undoing a clean-up lead one in.
                if let Some(disabled) = &mut self.disabled {
                    disabled.sessions.clear();
                }
                self.begin_epoch();
            }
            UserEvent::UserUnbanned(_) => self.ban = None,
            UserEvent::EmailUnverified(e) => {
                if let Some(email) = self.email.as_mut().filter(|email| email.claim == e.claim) {
                    email.verified = false;
                }
            }
            UserEvent::PendingVoided(_) => self.begin_epoch(),
            UserEvent::NoticeRequested(_) | UserEvent::DataExported(_) => {}
            UserEvent::EmailChangeUndone(_) => self.begin_epoch(),
            UserEvent::RecoveryCodeIssued(e) => self.recovery = Some(e.hash),
            UserEvent::RecoveryCodeEnded(_) => self.recovery = None,
            UserEvent::DeviceLinkOffered(e) => {
                self.link = Some(DeviceLink {
                    hash: e.hash,
                    expires_at: e.expires_at,
                    ticket: None,
                    client: None,
                    confirmed: false,
                });
            }
            UserEvent::DeviceLinkClaimed(e) => {
                if let Some(link) = &mut self.link {
                    (link.ticket, link.client) = (Some(e.ticket), e.client);
                }
            }
            UserEvent::DeviceLinkConfirmed(_) => {
                if let Some(link) = &mut self.link {
                    link.confirmed = true;
                }
            }
            UserEvent::DeviceLinkEnded(_) => self.link = None,
            UserEvent::GuestTransferred(e) => {
                self.transferred_to = Some(e.to);
                (self.recovery, self.link) = (None, None);
            }
            UserEvent::GuestAbsorbed(e) => {
                self.absorbed.insert(e.guest);
            }
            UserEvent::MembershipBegan(e) => {
                self.memberships.insert(e.organization, Membership { member: e.member, founded: e.founded });
            }
            UserEvent::MembershipEnded(e) => {
                self.memberships.remove(&e.organization);
            }
            UserEvent::OrganizationActivated(e) => {
                if let Some(session) = self.sessions.get_mut(&e.session) {
                    session.active = e.membership.map(|membership| membership.member);
                }
            }
            UserEvent::GuestExpiryAnnounced(e) => {
                self.announced = Some(Announced { at: e.at, expires_at: e.expires_at });
            }
            UserEvent::GuestHeld(e) => {
                self.held = Some(Held { since: e.at, until: e.until, reason: e.reason });
                // It is told anew when the hold is over.
                self.announced = None;
            }
            UserEvent::GuestReleased(_) => self.held = None,
            UserEvent::GuestDisabled(e) => {
                self.standing = Standing::Disabled;
                self.pending_upgrade = None;
                self.announced = None;
                let (evidence, by) = (e.evidence.clone(), e.by.map(|by| by.job));
                let sessions = if e.can_be_undone() { self.sessions.clone() } else { BTreeMap::new() };
                self.disabled = Some(Disabled { evidence, by, at: e.at, final_at: e.final_at, sessions });
            }
            UserEvent::GuestRestored(e) => {
                self.standing = Standing::Guest;
                if let Some(until) = e.held_until {
                    self.held = Some(Held { since: e.at, until, reason: None });
                }
                let mut before = self.disabled.take().map(|disabled| disabled.sessions).unwrap_or_default();
                let again = e.sessions.iter().filter_map(|id| before.remove_entry(id));
                self.sessions.extend(again);
            }
            UserEvent::UserDeleted(_) => {
                // Nothing but the fact is left to decide about.
                *self = User {
                    id: self.id,
                    person: self.person,
                    standing: Standing::Deleted,
                    last_activity: self.last_activity,
                    // Whatever was begun in this user's name is void.
                    epoch: self.epoch + 1,
                    ..User::default()
                };
            }
        }
    }

    /// Who comes back need not be told any more that they will be deleted.
    fn was_active(&mut self, at: Timestamp) {
        self.last_activity = self.last_activity.max(at);
        self.announced = None;
    }

    /// Whatever was begun before is void.
    fn begin_epoch(&mut self) {
        self.epoch += 1;
        (self.recovery, self.link) = (None, None);
    }

    fn all_proven(&mut self) {
        if let Some(password) = &mut self.password {
            password.proven = true;
        }
        for identity in &mut self.identities {
            identity.proven = true;
        }
    }

    fn start_session(&mut self, e: &SessionStarted) {
        let at = e.authentication.at;
        // Who acts as the user is not the user: it keeps no guest from being cleaned up.
        if e.impersonation.is_none() {
            self.was_active(at);
        }
        self.sessions.insert(
            e.session,
            Session {
                locator: e.locator,
                token_hash: e.token_hash,
                started_at: at,
                expires_at: e.expires_at,
                remembered: e.remembered,
                authenticated_at: at,
                last_seen: at,
                presented: false,
                by_cookie: false,
                replayed: false,
                replayable: e.replayable_until.is_some(),
                active: None,
                rotation_due: false,
                impersonation: e.impersonation,
            },
        );
    }

    fn renew(&mut self, renewed: &RenewedSession, at: Timestamp) {
        self.was_active(at);
        if let Some(session) = self.sessions.get_mut(&renewed.session) {
            session.expires_at = renewed.expires_at;
            session.remembered = renewed.remembered;
            session.authenticated_at = at;
            session.last_seen = session.last_seen.max(at);
        }
    }
}

fn change(field: &mut Option<crate::id::SealedId>, change: Change) {
    match change {
        Change::Kept => {}
        Change::Cleared => *field = None,
        Change::Set(id) => *field = Some(id),
    }
}
