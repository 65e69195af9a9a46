//! The command that a step stands for.

use ulid::Ulid;

use super::dice::Dice;
use super::{Kind, Life};
use crate::id::{AccountId, ApiKeyId, MemberId, PersonId, SealedId, SessionId, UserId};
use crate::time::Span;
use crate::user::command::*;
use crate::user::event::{DeletionReason, EndReason, MembershipEnd};
use crate::user::{Impersonation, Impersonator};
use crate::value::{Authentication, ProofKind};

impl Life {
    pub(super) fn command(&mut self, kind: Kind, dice: &mut Dice) -> UserCommand {
        use UserCommand as C;
        match kind {
            Kind::CreateAnonymous => {
                let session = self.new_session(dice, Authentication::anonymous(self.now));
                C::CreateAnonymous {
                    user: self.fresh(UserId::from_ulid),
                    person: self.fresh(PersonId::from_ulid),
                    entry: self.entry(dice),
                    session,
                }
            }
            Kind::SignUp => {
                let session = (!dice.one_in(4)).then(|| self.new_session(dice, Authentication::password(self.now)));
                let (user, person) = (self.fresh(UserId::from_ulid), self.fresh(PersonId::from_ulid));
                C::SignUpWithPassword { user, person, credentials: self.credentials(dice), session }
            }
            Kind::Upgrade => C::UpgradeWithPassword {
                session: self.session(dice),
                strict: dice.flag(),
                renewal: self.renewal(dice),
                credentials: self.credentials(dice),
            },
            Kind::LinkSocial => C::LinkSocial {
                session: self.session(dice),
                renewal: self.renewal(dice),
                identity: self.identity(dice),
                strict: dice.flag(),
                opens: dice.one_in(4).then(|| self.new_session(dice, Authentication::social("google", self.now))),
                epoch: self.epoch(dice),
                notice: Some(self.notice()),
            },
            Kind::SignUpSocial => {
                let session = self.new_session(dice, Authentication::social("google", self.now));
                let (user, person) = (self.fresh(UserId::from_ulid), self.fresh(PersonId::from_ulid));
                C::SignUpSocial { user, person, identity: self.identity(dice), session }
            }
            Kind::SignInSocial => {
                let held = self.user.identities.first().map(|held| held.claim);
                C::SignInSocial {
                    identity: held.filter(|_| !dice.one_in(4)).unwrap_or_else(|| self.claim(dice)),
                    session: self.new_session(dice, Authentication::social("google", self.now)),
                }
            }
            Kind::SignInVouched => C::SignInVouched {
                claim: self.claim(dice),
                own: dice.flag(),
                identity: SocialIdentity { email: None, vouches_for_held: true, ..self.identity(dice) },
                session: self.new_session(dice, Authentication::social("google", self.now)),
                notice: self.notice(),
            },
            Kind::ChangeEmail => C::ChangeEmail {
                session: dice.flag().then(|| self.session(dice)),
                proven: self.proven(dice),
                epoch: self.epoch(dice),
                notice: dice.flag().then(|| self.notice()),
            },
            Kind::UndoEmailChange => C::UndoEmailChange { proven: self.proven(dice), notice: self.notice() },
            Kind::IssueRecoveryCode => C::IssueRecoveryCode { session: self.session(dice), hash: self.token().hash },
            Kind::RevokeRecoveryCode => C::RevokeRecoveryCode { session: self.session(dice) },
            Kind::UseRecoveryCode => C::UseRecoveryCode {
                hash: self.user.recovery.filter(|_| !dice.one_in(4)).unwrap_or_else(|| self.token().hash),
                session: self.new_session(dice, Authentication::recovery(self.now)),
            },
            Kind::DeviceLink => self.device_link(dice),
            Kind::WithdrawDeviceLink => C::WithdrawDeviceLink { session: self.session(dice) },
            Kind::UnlinkAccount => {
                let held = self.user.identities.first().map(|held| held.account);
                let held = held.filter(|_| dice.flag()).or(self.user.password.as_ref().map(|held| held.account));
                C::UnlinkAccount {
                    session: self.session(dice),
                    account: held.filter(|_| !dice.one_in(4)).unwrap_or_else(|| self.fresh(AccountId::from_ulid)),
                    notice: Some(self.notice()),
                }
            }
            Kind::StartSession => {
                C::StartSession { session: self.new_session(dice, Authentication::password(self.now)) }
            }
            Kind::RecordActivity | Kind::StrayActivity => C::RecordActivity {
                session: self.session(dice),
                carrier: dice.carrier(),
                granularity: Span::from_hours(1),
            },
            Kind::ExtendSession => C::ExtendSession {
                session: self.session(dice),
                expires_at: self.now + dice.of(&[7, 1, 0].map(Span::from_days)),
            },
            Kind::RotateSession => C::RotateSession { session: self.session(dice), rotation: self.rotation(dice) },
            Kind::RevokeSession => C::RevokeSession {
                session: self.session(dice),
                reason: dice.of(&[EndReason::SignedOut, EndReason::Revoked]),
            },
            Kind::RevokeSessions => C::RevokeSessions { except: dice.flag().then(|| self.session(dice)) },
            Kind::UpdateProfile => {
                C::UpdateProfile { name: self.change(dice), image: self.change(dice), metadata: self.change(dice) }
            }
            Kind::ChangePassword => C::ChangePassword {
                session: self.session(dice),
                verified: self.password(dice),
                revoke_others: dice.flag(),
                rotation: self.rotation(dice),
                hash: self.fresh(SealedId::from_ulid),
                notice: Some(self.notice()),
            },
            Kind::AddPassword => C::AddPassword {
                session: self.session(dice),
                account: self.fresh(AccountId::from_ulid),
                hash: self.fresh(SealedId::from_ulid),
                notice: self.notice(),
            },
            Kind::TransferGuest => C::TransferGuest { to: self.other(dice), epoch: self.epoch(dice) },
            Kind::AbsorbGuest => C::AbsorbGuest { guest: self.other(dice), epoch: self.epoch(dice) },
            Kind::BeginMembership => C::BeginMembership {
                organization: self.organization(dice),
                member: self.fresh(MemberId::from_ulid),
                founded: dice.flag(),
                invited: dice.one_in(4).then(|| self.claim(dice)),
            },
            Kind::EndMembership => {
                let organization = self.organization(dice);
                let held = self.user.memberships.get(&organization).map(|held| held.member);
                C::EndMembership {
                    organization,
                    member: held.filter(|_| !dice.one_in(4)).unwrap_or_else(|| self.fresh(MemberId::from_ulid)),
                    reason: dice.of(&[MembershipEnd::Left, MembershipEnd::Removed]),
                }
            }
            Kind::ActivateOrganization => {
                let session = self.session(dice);
                C::ActivateOrganization { session, organization: (!dice.one_in(3)).then(|| self.organization(dice)) }
            }
            Kind::MissVerification => C::MissVerification { challenge: self.challenge(dice) },
            Kind::DisownClaim => C::DisownClaim { claim: self.claim(dice), challenge: self.challenge(dice) },
            Kind::RehashPassword => {
                C::RehashPassword { replaces: self.password(dice), hash: self.fresh(SealedId::from_ulid) }
            }
            Kind::RequestVerification => C::RequestVerification { verification: self.verification(dice) },
            Kind::VerifyEmail => C::VerifyEmail {
                claim: self.claim(dice),
                challenge: (!dice.one_in(4)).then(|| self.challenge(dice)),
                proof: dice.of(&[ProofKind::VerificationLink, ProofKind::MagicLink, ProofKind::EmailOtp]),
                opens: dice
                    .one_in(4)
                    .then(|| self.new_session(dice, Authentication::mail(ProofKind::VerificationLink, self.now))),
            },
            Kind::SignUpByMail => {
                let session = self.new_session(dice, Authentication::mail(ProofKind::MagicLink, self.now));
                let (user, person) = (self.fresh(UserId::from_ulid), self.fresh(PersonId::from_ulid));
                C::SignUpByMail { user, person, proven: self.proven(dice), profile: self.profile(dice), session }
            }
            Kind::UpgradeByMail => C::UpgradeByMail {
                session: self.session(dice),
                renewal: self.renewal(dice),
                proven: self.proven(dice),
                profile: self.profile(dice),
                opens: dice
                    .one_in(4)
                    .then(|| self.new_session(dice, Authentication::mail(ProofKind::MagicLink, self.now))),
                epoch: self.epoch(dice),
            },
            Kind::SignInByMail => {
                let session = self.new_session(dice, Authentication::mail(ProofKind::EmailOtp, self.now));
                C::SignInByMail {
                    claim: self.claim(dice),
                    proof: ProofKind::EmailOtp,
                    own: dice.flag(),
                    session,
                    epoch: self.epoch(dice),
                    notice: self.notice(),
                }
            }
            Kind::ResetPassword => {
                let reset = NewPassword {
                    claim: self.claim(dice),
                    proof: ProofKind::PasswordReset,
                    own: dice.flag(),
                    account: self.fresh(AccountId::from_ulid),
                    hash: self.fresh(SealedId::from_ulid),
                    session: dice.flag().then(|| (self.session(dice), self.rotation(dice))),
                    notice: self.notice(),
                };
                C::ResetPassword { reset, epoch: self.epoch(dice) }
            }
            Kind::RestorePassword => {
                let (held, any) = (self.user.suspended.clone(), self.password(dice));
                C::RestorePassword {
                    session: held.as_ref().map_or_else(|| self.session(dice), |held| held.session),
                    verified: held.filter(|_| !dice.one_in(4)).map_or(any, |held| held.hash),
                }
            }
            Kind::SupersedeClaim => C::SupersedeClaim { claim: self.claim(dice) },
            Kind::CreateMember => C::CreateMember { member: Box::new(self.new_member(dice)) },
            Kind::Administer => C::Administer { administration: Box::new(self.administration(dice)) },
            Kind::Ban => C::Ban {
                reason: self.fresh(SealedId::from_ulid),
                until: dice.flag().then(|| self.now + Span::from_hours(2)),
            },
            Kind::Unban => C::Unban,
            Kind::RecordExport => C::RecordExport,
            Kind::Impersonate => {
                let by = match dice.one_in(3) {
                    true => Impersonator::Key(ApiKeyId::from_ulid(Ulid::from_parts(1, 1))),
                    false => Impersonator::Admin(self.other(dice)),
                };
                let session = dice.flag().then(|| self.fresh(SessionId::from_ulid));
                let opened = self.new_session(dice, Authentication::administrator(self.now));
                let impersonation = Some(Impersonation { by, session });
                C::Impersonate { session: NewSession { impersonation, remembered: false, ..opened } }
            }
            Kind::ExpireGuest => {
                let notice = if dice.one_in(6) { Span::from_hours(1) } else { Span::ZERO };
                C::ExpireGuest { terms: self.terms(dice, notice), passed: self.passed(dice) }
            }
            Kind::AnnounceExpiry => {
                C::AnnounceExpiry { terms: self.terms(dice, Span::from_hours(1)), passed: self.passed(dice) }
            }
            Kind::FinishExpiry => C::FinishExpiry { passed: self.passed(dice) },
            Kind::RestoreGuest => C::RestoreGuest,
            Kind::DisableGuest => C::DisableGuest { by: self.job(dice) },
            Kind::ReinstateGuest => C::ReinstateGuest { by: self.job(dice) },
            Kind::HoldGuest => C::HoldGuest {
                until: self.now + dice.of(&[Span::from_hours(3), Span::from_days(3)]),
                reason: self.sealed(dice),
            },
            Kind::ReleaseGuest => C::ReleaseGuest,
            Kind::DeleteUser => C::DeleteUser {
                only_if_guest: !dice.one_in(3),
                reason: dice.of(&[DeletionReason::Requested, DeletionReason::Administrator]),
            },
        }
    }

    fn device_link(&mut self, dice: &mut Dice) -> UserCommand {
        use UserCommand as C;
        let next = self.user.link.as_ref().map_or(0, |link| match (link.ticket, link.confirmed) {
            (None, _) => 1,
            (Some(_), false) => 2,
            (Some(_), true) => 3,
        });
        let (hash, ticket) = self.link(dice);
        match if dice.one_in(6) { dice.of(&[0, 1, 2, 3]) } else { next } {
            0 => C::OfferDeviceLink {
                session: self.session(dice),
                hash: self.token().hash,
                expires_at: self.now + Span::from_days(2),
            },
            1 => C::ClaimDeviceLink { hash, ticket: self.token().hash, client: self.fresh(SealedId::from_ulid) },
            2 => C::ConfirmDeviceLink { session: self.session(dice) },
            _ => C::UseDeviceLink { hash, ticket, session: self.new_session(dice, Authentication::recovery(self.now)) },
        }
    }
}
