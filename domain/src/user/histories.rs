//! Random lives of a user, for property tests here and in the crates that fold or store what happens.
//!
//! A [`Step`] names nothing by id. It throws dice, and [`Life`] reads them against what has happened so far: mostly
//! something that is there, sometimes something that was, sometimes something that never was. So any sequence of
//! steps is a life, commands get somewhere and are refused, and a failing life shrinks to a short one.
//!
//! What a command brings into being has a fresh id, as the server makes it; what it refers to may be any.

pub(crate) mod dice;
mod steps;

use ulid::Ulid;

use self::dice::Dice;
pub use self::steps::{Kind, Step, lives};
pub(crate) use self::steps::{any_step, wait};
use crate::Passed;
use crate::event::Names;
use crate::id::{
    AccountId, ApiKeyId, ChallengeId, ClaimId, JobId, MailId, MemberId, OrganizationId, PersonId, SealedId, SessionId,
    UserId,
};
use crate::role::Roles;
use crate::time::{Span, Timestamp};
use crate::user::command::*;
use crate::user::event::{ActivityRecorded, DeletionReason, EndReason, MembershipEnd};
use crate::user::{Impersonation, Impersonator, User, UserEvent, UserRefusal};
use crate::value::{Authentication, Carrier, Change, Entry, Label, Locale, Locator, ProofKind, TokenHash};

/// How many sessions a user of these lives may have: few, so that the oldest often has to go.
pub const SESSION_LIMIT: usize = 4;

const PROVIDERS: &[&str] = &["google", "github", "apple"];

/// What became of one step.
#[derive(Clone, Debug)]
pub struct Turn {
    pub at: Timestamp,
    /// None for a stray event: nobody decided it.
    pub command: Option<UserCommand>,
    pub before: User,
    pub outcome: Result<Vec<UserEvent>, UserRefusal>,
}

/// A user and everything that happened to it, with the time of each decision.
#[derive(Clone, Debug)]
pub struct Life {
    pub user: User,
    pub events: Vec<(Timestamp, UserEvent)>,
    pub now: Timestamp,
    /// The clock ran backwards at some point.
    pub clock_set_back: bool,
    number: u8,
    made: u32,
}

impl Default for Life {
    fn default() -> Self {
        Life::numbered(0)
    }
}

impl Life {
    /// A life that has not begun. Lives of two numbers have no id in common.
    pub fn numbered(number: u8) -> Self {
        let now = Timestamp::from_millis(1_800_000_000_000);
        Self { user: User::default(), events: Vec::new(), now, clock_set_back: false, number, made: 0 }
    }

    /// Asks for what the step says, and lets happen what follows.
    pub fn live(&mut self, step: &Step) -> Turn {
        self.now = self.now + step.wait;
        self.clock_set_back |= step.wait < Span::ZERO;
        let (at, before) = (self.now, self.user.clone());
        let mut dice = Dice::new(step.dice);
        let (command, outcome) = if step.kind == Kind::StrayActivity {
            (None, self.stray(&mut dice))
        } else {
            let command = self.command(step.kind, &mut dice);
            (Some(command.clone()), self.user.decide(command, at))
        };
        for event in outcome.iter().flatten() {
            self.user.apply(event);
            self.events.push((at, event.clone()));
        }
        Turn { at, command, before, outcome }
    }

    /// Asks for one thing now.
    pub fn ask(&mut self, command: UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        let events = self.user.decide(command, self.now)?;
        for event in &events {
            self.user.apply(event);
            self.events.push((self.now, event.clone()));
        }
        Ok(events)
    }

    fn stray(&mut self, dice: &mut Dice) -> Result<Vec<UserEvent>, UserRefusal> {
        if self.events.is_empty() {
            return Err(UserRefusal::NotFound);
        }
        Ok(vec![ActivityRecorded { session: self.session(dice), carrier: dice.carrier(), at: self.now }.into()])
    }

    fn command(&mut self, kind: Kind, dice: &mut Dice) -> UserCommand {
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

    // --- what a command brings into being ---

    fn fresh<T>(&mut self, id: impl Fn(Ulid) -> T) -> T {
        id(Ulid::from_parts(1_800_000_000_000, self.serial().into()))
    }

    fn serial(&mut self) -> u64 {
        self.made += 1;
        u64::from(self.number) * 1_000_000 + u64::from(self.made)
    }

    fn sealed(&mut self, dice: &mut Dice) -> Option<SealedId> {
        dice.flag().then(|| self.fresh(SealedId::from_ulid))
    }

    fn token(&mut self) -> NewToken {
        let serial = self.serial();
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&serial.to_be_bytes());
        NewToken { locator: Locator::parse(&format!("{serial:010}")).expect("ten digits"), hash: TokenHash(hash) }
    }

    fn new_session(&mut self, dice: &mut Dice, authentication: Authentication) -> NewSession {
        let (remembered, expires_at) = self.lifetime(dice);
        NewSession {
            id: self.fresh(SessionId::from_ulid),
            token: self.token(),
            expires_at,
            remembered,
            authentication,
            client: self.sealed(dice),
            replayable_until: dice.one_in(3).then(|| self.now + Span::from_hours(24)),
            verified: dice.one_in(3).then(|| self.password(dice)),
            limit: SESSION_LIMIT,
            impersonation: None,
        }
    }

    fn lifetime(&self, dice: &mut Dice) -> (bool, Timestamp) {
        let remembered = !dice.one_in(3);
        (remembered, self.now + Span::from_days(if remembered { 7 } else { 1 }))
    }

    fn credentials(&mut self, dice: &mut Dice) -> PasswordCredentials {
        PasswordCredentials {
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            account: self.fresh(AccountId::from_ulid),
            hash: self.fresh(SealedId::from_ulid),
            name: self.sealed(dice),
            image: self.sealed(dice),
            verification: (!dice.one_in(4)).then(|| self.verification(dice)),
        }
    }

    fn new_member(&mut self, dice: &mut Dice) -> NewMember {
        let Profile { name, image, metadata, password } = self.profile(dice);
        NewMember {
            user: self.fresh(UserId::from_ulid),
            person: self.fresh(PersonId::from_ulid),
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            verified: dice.flag(),
            password,
            name,
            image,
            metadata,
            app_metadata: self.sealed(dice),
            roles: self.roles(dice),
        }
    }

    fn administration(&mut self, dice: &mut Dice) -> Administration {
        let password = dice.one_in(4).then(|| ChosenPassword {
            account: self.fresh(AccountId::from_ulid),
            hash: self.fresh(SealedId::from_ulid),
        });
        Administration {
            name: self.change(dice),
            image: self.change(dice),
            metadata: self.change(dice),
            app_metadata: self.sealed(dice),
            roles: self.roles(dice),
            verified: dice.one_in(3).then(|| dice.flag()),
            password,
            notice: self.notice(),
        }
    }

    /// Mostly none.
    fn roles(&self, dice: &mut Dice) -> Option<Roles> {
        if !dice.one_in(3) {
            return None;
        }
        Roles::parse(dice.of(&["user", "admin", "editor,user"]))
    }

    fn proven(&mut self, dice: &mut Dice) -> ProvenAddress {
        ProvenAddress {
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            proof: dice.of(&[ProofKind::MagicLink, ProofKind::EmailOtp]),
        }
    }

    fn profile(&mut self, dice: &mut Dice) -> Profile {
        let password = dice.flag().then(|| ChosenPassword {
            account: self.fresh(AccountId::from_ulid),
            hash: self.fresh(SealedId::from_ulid),
        });
        Profile { name: self.sealed(dice), image: self.sealed(dice), metadata: self.sealed(dice), password }
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

    /// The code and the ticket of the link that is offered, or others.
    fn link(&mut self, dice: &mut Dice) -> (TokenHash, TokenHash) {
        let any = self.token().hash;
        let held = self.user.link.as_ref().filter(|_| !dice.one_in(5));
        held.map_or((any, any), |link| (link.hash, link.ticket.unwrap_or(any)))
    }

    fn notice(&mut self) -> NewNotice {
        NewNotice { mail: self.fresh(MailId::from_ulid), locale: Locale::ENGLISH }
    }

    fn terms(&mut self, dice: &mut Dice, notice: Span) -> ExpiryTerms {
        let max_age = dice.of(&[Span::from_hours(1), Span::from_days(2)]);
        // Mostly it can be undone for a while: what happens then is worth a look.
        let undo = dice.of(&[Span::from_days(1), Span::from_days(9), Span::ZERO]);
        ExpiryTerms { settings_version: 3, max_age, notice, undo, job: None }
    }

    /// Sometimes the clock has jumped.
    fn passed(&mut self, dice: &mut Dice) -> Passed {
        let mut passed = Passed::default();
        if dice.one_in(8) {
            passed.jump(self.now - Span::from_days(1), self.now - Span::from_hours(5));
        }
        passed
    }

    /// One of few.
    fn other(&mut self, dice: &mut Dice) -> UserId {
        UserId::from_ulid(Ulid::from_parts(1, u128::from(dice.throw() % 3)))
    }

    /// One of two.
    fn job(&mut self, dice: &mut Dice) -> JobId {
        JobId::from_ulid(Ulid::from_parts(1, u128::from(dice.throw() % 2)))
    }

    /// One of few.
    fn organization(&mut self, dice: &mut Dice) -> OrganizationId {
        OrganizationId::from_ulid(Ulid::from_parts(1, u128::from(dice.throw() % 8)))
    }

    /// Mostly the present one.
    fn epoch(&mut self, dice: &mut Dice) -> Option<u32> {
        match dice.throw() {
            0..=127 => None,
            128..=223 => Some(self.user.epoch),
            _ => Some(self.user.epoch.wrapping_sub(1)),
        }
    }

    fn verification(&mut self, dice: &mut Dice) -> NewVerification {
        NewVerification {
            challenge: self.fresh(ChallengeId::from_ulid),
            callback_url: self.sealed(dice),
            locale: Locale::ENGLISH,
            expires_at: self.now + Span::from_hours(24),
        }
    }

    fn identity(&mut self, dice: &mut Dice) -> SocialIdentity {
        let held = self.user.identities.first().map(|held| held.claim).filter(|_| dice.one_in(8));
        let email = (!dice.one_in(4)).then(|| SocialEmail {
            claim: self.fresh(ClaimId::from_ulid),
            address: self.fresh(SealedId::from_ulid),
            vouched: dice.flag(),
            verification: dice.flag().then(|| self.verification(dice)),
        });
        SocialIdentity {
            account: self.fresh(AccountId::from_ulid),
            claim: held.unwrap_or_else(|| self.fresh(ClaimId::from_ulid)),
            provider: dice.of(PROVIDERS).to_owned(),
            subject: self.fresh(SealedId::from_ulid),
            email,
            name: self.sealed(dice),
            image: self.sealed(dice),
            scopes: if dice.flag() { vec!["email".to_owned()] } else { Vec::new() },
            vouches_for_held: dice.one_in(4),
        }
    }

    fn renewal(&mut self, dice: &mut Dice) -> Renewal {
        let (remembered, expires_at) = self.lifetime(dice);
        Renewal { expires_at, remembered, rotation: self.rotation(dice) }
    }

    fn rotation(&mut self, dice: &mut Dice) -> Rotation {
        let policy =
            dice.of(&[RotationPolicy::Cookie, RotationPolicy::Cookie, RotationPolicy::Always, RotationPolicy::Never]);
        Rotation {
            policy,
            carrier: dice.of(&[Carrier::Bearer, Carrier::Cookie]),
            token: self.token(),
            grace: dice.grace(),
        }
    }

    fn entry(&mut self, dice: &mut Dice) -> Entry {
        let label = |dice: &mut Dice, text| dice.flag().then(|| Label::parse(text)).flatten();
        Entry {
            channel: label(dice, "email"),
            campaign: label(dice, "spring sale"),
            referrer_host: label(dice, "example.com"),
            referrer: self.sealed(dice),
        }
    }

    fn change(&mut self, dice: &mut Dice) -> Change {
        match dice.throw() % 4 {
            0 | 1 => Change::Kept,
            2 => Change::Set(self.fresh(SealedId::from_ulid)),
            _ => Change::Cleared,
        }
    }

    // --- what a command refers to ---

    fn session(&mut self, dice: &mut Dice) -> SessionId {
        let past = self.seen(|event| match event {
            UserEvent::SessionStarted(e) => Some(e.session),
            _ => None,
        });
        let current: Vec<_> = self.user.sessions.keys().copied().collect();
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(SessionId::from_ulid))
    }

    fn claim(&mut self, dice: &mut Dice) -> ClaimId {
        let (current, past) =
            (self.user.email.iter().map(|email| email.claim).collect::<Vec<_>>(), self.seen(UserEvent::declares));
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(ClaimId::from_ulid))
    }

    fn challenge(&mut self, dice: &mut Dice) -> ChallengeId {
        let past = self.seen(|event| match event {
            UserEvent::EmailVerificationRequested(e) => Some(e.challenge),
            _ => None,
        });
        let current: Vec<_> = self.user.verification.iter().map(|standing| standing.challenge).collect();
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(ChallengeId::from_ulid))
    }

    fn password(&mut self, dice: &mut Dice) -> SealedId {
        let past = self.seen(|event| match event {
            UserEvent::PasswordAdded(e) => Some(e.hash),
            UserEvent::PasswordChanged(e) => Some(e.hash),
            _ => None,
        });
        let current: Vec<_> = self.user.password.iter().map(|password| password.hash).collect();
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(SealedId::from_ulid))
    }

    fn seen<T>(&self, of: impl Fn(&UserEvent) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(|(_, event)| of(event)).collect()
    }
}
