//! Random lives: every command there is, in no sensible order, by people who want each other's addresses.

mod admin;

use chrysalis::keys::SealKind;
use chrysalis::log::cqrs::{Ask, Concurrency, ExecuteError, Step, load};
use chrysalis::log::{AppendError, Claim, Expected, Group, SealedRecord, ask};
use chrysalis_domain::challenge::event::{AuthorizationRequested, ChallengeIssued, VoidReason};
use chrysalis_domain::challenge::{Asker, Bound, Challenge, ChallengeCommand, Ended, Intent, Purpose};
use chrysalis_domain::id::{
    AccountId, ApiKeyId, ChallengeId, ClaimId, EventId, JobId, OrganizationId, SessionId, UserId,
};
use chrysalis_domain::mail::{MailDeferred, MailEvent, MailGivenUp, MailSent, Reason};
use chrysalis_domain::user::command::{
    ExpiryTerms, NewPassword, NewSession, Profile, ProvenAddress, SocialEmail, SocialIdentity,
};
use chrysalis_domain::user::event::{DeletionReason, EndReason};
use chrysalis_domain::user::{Standing, User, UserCommand};
use chrysalis_domain::value::{Carrier, Change, Locale, ProofKind};
use chrysalis_domain::{EmailAddress, Event, Passed, Span, Subject};
use chrysalis_projections::{codes, mails};

use crate::conformance::world::{Person, World, command};

/// Few addresses and identities for many users: they get in each other's way.
pub(super) const ADDRESSES: [&str; 24] = [
    "aa@example.com",
    "bb@example.com",
    "cc@example.com",
    "dd@example.com",
    "ee@example.com",
    "ff@example.com",
    "gg@example.com",
    "hh@example.com",
    "ii@example.com",
    "jj@example.com",
    "a@example.com",
    "b@example.com",
    "c@example.com",
    "d@example.com",
    "e@example.com",
    "f@example.com",
    "g@example.com",
    "h@example.com",
    "i@example.com",
    "j@example.com",
    "k@example.com",
    "l@example.com",
    "m@example.com",
    "n@example.com",
];
const SUBJECTS: [&str; 4] =
    ["https://idp.example/1", "https://idp.example/2", "https://other.example/1", "https://other.example/2"];
const PROVIDERS: [&str; 2] = ["idp", "other"];

pub struct History {
    pub world: World,
    pub(super) people: Vec<(UserId, Person)>,
    pub(super) organizations: Vec<(OrganizationId, Person)>,
    asked: Vec<ChallengeId>,
    keys: Vec<ApiKeyId>,
}

impl History {
    pub fn of(world: World) -> Self {
        Self { world, people: Vec::new(), organizations: Vec::new(), asked: Vec::new(), keys: Vec::new() }
    }

    /// Anybody who came so far.
    pub fn somebody(&self) -> UserId {
        self.world.chance.pick(&self.people).0
    }

    /// Lets things happen. Refusals are part of life, faults are not.
    pub async fn go_on(&mut self, steps: usize) {
        for _ in 0..steps {
            self.world.clock.advance(Span::from_millis(i64::try_from(self.world.chance.below(5_000)).unwrap()));
            match self.step().await {
                Ok(())
                | Err(ExecuteError::Refused(_) | ExecuteError::Unmet(_))
                | Err(ExecuteError::Disallowed(_) | ExecuteError::ApiKey(_))
                | Err(ExecuteError::Append(AppendError::Refused(_))) => {}
                Err(fault) => panic!("{fault}"),
            }
        }
    }

    async fn step(&mut self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        if self.people.len() < 30 || chance.below(12) == 0 {
            let (user, person, ask) = if chance.below(3) == 0 {
                world.sign_up(chance.pick::<&str>(&ADDRESSES))
            } else {
                let (guest, ask) = world.guest();
                (guest.user, guest.person, ask)
            };
            world.execute(ask).await?;
            self.people.push((user, person));
            return Ok(());
        }
        let which = chance.below(self.people.len());
        let (user, person) = &self.people[which];
        let state = world.user(*user).await;
        if state.standing == Standing::Deleted && chance.toss() {
            // The dead are asked now and then, and the living mostly.
            self.people.swap_remove(which);
            return Ok(());
        }
        match chance.below(38) {
            0..=2 => {
                let winner = self.supersede_somebody().await?;
                self.people.extend(winner);
                return Ok(());
            }
            3..=5 => {
                let asked = self.ask_for_a_proof(*user, person).await?;
                self.asked.push(asked);
                return Ok(());
            }
            6..=8 => return self.bring_a_proof_back().await,
            9..=11 => return self.try_to_send_a_mail().await,
            12..=19 => return self.organize().await,
            20 => return self.do_something_with_a_key().await,
            _ => {}
        }
        let (command, sealed, claims) = self.command(person, &state);
        world.execute(Ask { sealed, claims, ..world.ask(*user, command) }).await?;
        Ok(())
    }

    fn command(&self, person: &Person, state: &User) -> (UserCommand, Vec<SealedRecord>, Vec<Claim>) {
        use UserCommand as C;
        let (world, chance) = (&self.world, &self.world.chance);
        let sessions: Vec<SessionId> = state.sessions.keys().copied().collect();
        let session = if sessions.is_empty() { world.fresh(SessionId::from_ulid) } else { *chance.pick(&sessions) };
        let plain = |command| (command, Vec::new(), Vec::new());
        if let Some(held) = state.suspended.as_ref().filter(|_| chance.toss()) {
            return plain(C::RestorePassword { session: held.session, verified: held.hash });
        }
        if let Some(email) = state.email.as_ref().filter(|email| !email.verified && chance.below(6) == 0) {
            let (session, notice) = (world.session(world.token().1), world.notice());
            let (claim, proof) = (email.claim, ProofKind::MagicLink);
            return plain(C::SignInByMail { claim, proof, own: false, session, epoch: None, notice });
        }
        if let Some(standing) = state.verification.as_ref().filter(|_| chance.below(6) == 0) {
            return plain(C::MissVerification { challenge: standing.challenge });
        }
        if let Some(held) = state.identities.first().filter(|_| chance.below(4) == 0) {
            let (claim, account, notice) = (held.claim, held.account, Some(world.notice()));
            return plain(if chance.toss() {
                C::SignInSocial { identity: claim, session: world.session(world.token().1) }
            } else {
                C::UnlinkAccount { session, account, notice }
            });
        }
        if state.standing == Standing::Member && chance.below(8) == 0 {
            let (proven, sealed, claim) = self.proven(person);
            let command = if chance.toss() {
                C::ChangeEmail { session: Some(session), proven, epoch: None, notice: Some(world.notice()) }
            } else {
                C::UndoEmailChange { proven, notice: world.notice() }
            };
            return (command, vec![sealed], vec![claim]);
        }
        let often = if state.standing == Standing::Disabled { 2 } else { 16 };
        if state.standing.is_guest() && chance.below(often) == 0 {
            return plain(self.clean_up(state));
        }
        if state.standing == Standing::Guest && chance.below(5) == 0 {
            return self.come_back(person, state, session);
        }
        if chance.below(12) == 0 {
            let (other, epoch) = (chance.pick(&self.people).0, Some(state.epoch).filter(|_| chance.toss()));
            return plain(if state.standing.is_guest() {
                C::TransferGuest { to: other, epoch }
            } else {
                C::AbsorbGuest { guest: other, epoch }
            });
        }
        if state.ban.is_some() || chance.below(if state.standing == Standing::Member { 6 } else { 40 }) == 0 {
            return self.by_an_administrator(person, state);
        }
        match chance.below(25) {
            0..=3 | 23 | 24 => {
                let ask =
                    world.upgrade(state.id.unwrap(), person, session, chance.pick::<&str>(&ADDRESSES), chance.toss());
                (command(&ask), ask.sealed, ask.claims)
            }
            4 | 22 => self.social(person, session),
            5 => {
                let client = world.seal(person, SealKind::Client, "192.0.2.1 Browser");
                let new = NewSession {
                    client: Some(client.id),
                    limit: 3,
                    replayable_until: Some(world.now() + Span::from_hours(1)),
                    ..world.session(world.token().1)
                };
                (C::StartSession { session: new }, vec![client], Vec::new())
            }
            6 => {
                let carrier = *chance.pick(&[Carrier::Cookie, Carrier::Bearer, Carrier::Replay]);
                plain(C::RecordActivity { session, carrier, granularity: Span::ZERO })
            }
            7 => plain(C::ExtendSession { session, expires_at: world.now() + Span::from_days(8) }),
            8 => plain(C::RotateSession { session, rotation: world.rotation() }),
            9 => plain(C::RevokeSession { session, reason: EndReason::SignedOut }),
            10 => plain(C::RevokeSessions { except: chance.toss().then_some(session) }),
            11 => {
                let (name, said) =
                    (world.seal(person, SealKind::Name, "Jane"), world.seal(person, SealKind::Metadata, "{}"));
                let (name_is, metadata) = *chance.pick(&[
                    (Change::Kept, Change::Kept),
                    (Change::Cleared, Change::Cleared),
                    (Change::Set(name.id), Change::Set(said.id)),
                ]);
                let command = C::UpdateProfile { name: name_is, image: Change::Cleared, metadata };
                (command, vec![name, said], Vec::new())
            }
            12 => {
                let hash = world.seal(person, SealKind::PasswordHash, "$argon2id$…");
                let revoke_others = chance.toss();
                let verified = state.password.as_ref().map_or(hash.id, |password| password.hash);
                (
                    C::ChangePassword {
                        session,
                        verified,
                        hash: hash.id,
                        revoke_others,
                        rotation: world.rotation(),
                        notice: Some(world.notice()),
                    },
                    vec![hash],
                    Vec::new(),
                )
            }
            13 => {
                let hash = world.seal(person, SealKind::PasswordHash, "$argon2id$…");
                let replaces = state.password.as_ref().map_or(hash.id, |password| password.hash);
                (C::RehashPassword { replaces, hash: hash.id }, vec![hash], Vec::new())
            }
            14 => {
                let callback = world.seal(person, SealKind::CallbackUrl, "https://app.example/after");
                let mut verification = world.verification();
                verification.callback_url = Some(callback.id);
                (C::RequestVerification { verification }, vec![callback], Vec::new())
            }
            15 => {
                let claim = state.email.as_ref().map_or_else(|| world.fresh(ClaimId::from_ulid), |email| email.claim);
                let challenge = state.verification.as_ref().map(|standing| standing.challenge);
                plain(C::VerifyEmail { claim, challenge, proof: ProofKind::VerificationLink, opens: None })
            }
            16 => {
                let (proven, sealed, claim) = self.proven(person);
                let (renewal, epoch) = (world.renewal(), Some(state.epoch));
                let opens = chance.toss().then(|| world.session(world.token().1));
                let profile = Profile::default();
                (C::UpgradeByMail { session, proven, profile, renewal, opens, epoch }, vec![sealed], vec![claim])
            }
            17 | 18 => {
                let claim = state.email.as_ref().map_or_else(|| world.fresh(ClaimId::from_ulid), |email| email.claim);
                let session = world.session(world.token().1);
                let (proof, own, notice) = (ProofKind::MagicLink, chance.toss(), world.notice());
                plain(C::SignInByMail { claim, proof, own, session, epoch: Some(state.epoch), notice })
            }
            19 | 20 => {
                let claim = state.email.as_ref().map_or_else(|| world.fresh(ClaimId::from_ulid), |email| email.claim);
                let hash = world.seal(person, SealKind::PasswordHash, "$argon2id$…");
                let reset = NewPassword {
                    claim,
                    proof: ProofKind::PasswordReset,
                    own: chance.toss(),
                    account: world.fresh(AccountId::from_ulid),
                    hash: hash.id,
                    session: chance.toss().then(|| (session, world.rotation())),
                    notice: world.notice(),
                };
                (C::ResetPassword { reset, epoch: None }, vec![hash], Vec::new())
            }
            _ => plain(C::DeleteUser { reason: DeletionReason::Requested, only_if_guest: chance.toss() }),
        }
    }

    /// What becomes of guests who stay away.
    fn clean_up(&self, state: &User) -> UserCommand {
        use UserCommand as C;
        let (world, chance) = (&self.world, &self.world.chance);
        let passed = Passed::default();
        // So that a few seconds are long enough.
        let max_age = Span::from_secs(5) - ExpiryTerms::RECORDED_WITHIN;
        let undo = Span::from_secs(*chance.pick(&[0, 1, 30, 3_600]));
        let mut terms = ExpiryTerms { settings_version: 3, max_age, notice: Span::ZERO, undo, job: None };
        // Nobody else brings them back.
        if let Some(by) = state.disabled.as_ref().and_then(|disabled| disabled.by) {
            return C::ReinstateGuest { by };
        }
        match (&state.disabled, chance.below(8)) {
            (Some(_), 0..3) => C::RestoreGuest,
            (Some(_), 3..6) => C::FinishExpiry { passed },
            (_, 6) => C::HoldGuest { until: world.now() + Span::from_secs(10), reason: None },
            (_, 7) => C::ReleaseGuest,
            (None, 0) => C::DisableGuest { by: world.fresh(JobId::from_ulid) },
            (None, 1..3) => {
                terms.notice = Span::from_secs(2);
                C::AnnounceExpiry { terms, passed }
            }
            _ => C::ExpireGuest { terms, passed },
        }
    }

    /// Codes by which a guest comes back: each step of the way, mostly in its order.
    fn come_back(
        &self,
        person: &Person,
        state: &User,
        session: SessionId,
    ) -> (UserCommand, Vec<SealedRecord>, Vec<Claim>) {
        use UserCommand as C;
        let (world, chance) = (&self.world, &self.world.chance);
        let plain = |command| (command, Vec::new(), Vec::new());
        let fresh = || world.token().1.hash;
        match (&state.link, state.recovery) {
            (Some(link), _) if link.confirmed => plain(C::UseDeviceLink {
                hash: link.hash,
                ticket: link.ticket.unwrap_or_else(fresh),
                session: world.session(world.token().1),
            }),
            (Some(link), _) if link.ticket.is_some() && chance.below(4) > 0 => plain(C::ConfirmDeviceLink { session }),
            (Some(link), _) if chance.below(4) > 0 => {
                let client = world.seal(person, SealKind::Client, "{}");
                let command = C::ClaimDeviceLink { hash: link.hash, ticket: fresh(), client: client.id };
                (command, vec![client], Vec::new())
            }
            (Some(_), _) => plain(C::WithdrawDeviceLink { session }),
            (None, Some(hash)) => match chance.below(3) {
                0 => plain(C::UseRecoveryCode { hash, session: world.session(world.token().1) }),
                1 => plain(C::RevokeRecoveryCode { session }),
                _ => plain(C::OfferDeviceLink { session, hash: fresh(), expires_at: world.now() + Span::from_days(1) }),
            },
            (None, None) => plain(C::IssueRecoveryCode { session, hash: fresh() }),
        }
    }

    fn proven(&self, person: &Person) -> (ProvenAddress, SealedRecord, Claim) {
        let (world, address) = (&self.world, *self.world.chance.pick(&ADDRESSES));
        let sealed = world.seal(person, SealKind::Email, address);
        let key = world.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        let claim = Claim { claim: world.fresh(ClaimId::from_ulid), key };
        (ProvenAddress { claim: claim.claim, address: sealed.id, proof: ProofKind::EmailOtp }, sealed, claim)
    }

    /// By a user, or by somebody who is none yet.
    async fn ask_for_a_proof(&self, user: UserId, person: &Person) -> Result<ChallengeId, ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        let stranger = chance.toss().then(|| world.person());
        let person = stranger.as_ref().unwrap_or(person);
        let holder = stranger.is_none().then_some(Bound { user, epoch: 0 });
        let session = world.fresh(SessionId::from_ulid);
        let asker = holder.map(|Bound { user, epoch }| Asker { user, epoch, session });
        let (address, challenge) = (*chance.pick(&ADDRESSES), world.fresh(ChallengeId::from_ulid));
        let (email, details) =
            (world.seal(person, SealKind::Email, address), world.seal(person, SealKind::Details, "{}"));
        let issued = ChallengeIssued {
            challenge,
            purpose: *chance.pick(&Purpose::ALL),
            person: person.id,
            address: email.id,
            details: chance.toss().then_some(details.id),
            asker: None,
            holder,
            silent: chance.toss(),
            locale: Locale::ENGLISH,
            at: world.now(),
            expires_at: world.now() + Span::from_secs(600),
        };
        let command = match chance.below(4) {
            0 => ChallengeCommand::RequestAuthorization(Box::new(AuthorizationRequested {
                challenge,
                provider: (*chance.pick(&PROVIDERS)).to_owned(),
                intent: *chance.pick(&Intent::ALL),
                person: person.id,
                details: details.id,
                asker,
                at: world.now(),
                expires_at: world.now() + Span::from_secs(600),
            })),
            _ => ChallengeCommand::Issue(Box::new(issued)),
        };
        let mut ask =
            Ask::new(world.context(), world.now()).then(Step::Challenge(challenge, Concurrency::New, command));
        let key = world.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        ask.keys = vec![Claim { claim: codes::of_address(challenge), key }];
        ask.sealed = vec![email, details];
        ask.person_keys = stranger.into_iter().map(|stranger| stranger.key).collect();
        world.execute(ask).await?;
        Ok(challenge)
    }

    async fn bring_a_proof_back(&self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        if self.asked.is_empty() {
            return Ok(());
        }
        let challenge = *chance.pick(&self.asked);
        let Challenge { issued, ended, .. } = load::<Challenge>(world.log.as_ref(), challenge).await?.state;
        let purpose = issued.map_or(Purpose::MagicLink, |issued| issued.purpose);
        let purpose = if chance.below(4) == 0 { *chance.pick(&Purpose::ALL) } else { purpose };
        let command = match chance.below(7) {
            6 => ChallengeCommand::ForgetStranger { met: ended == Some(Ended::Met) },
            5 => ChallengeCommand::MeetAuthorization,
            4 => ChallengeCommand::Check { purpose },
            0 => ChallengeCommand::Meet { purpose },
            1 => ChallengeCommand::Void { reason: *chance.pick(&[VoidReason::Replaced, VoidReason::Expired]) },
            _ => ChallengeCommand::Miss { own: chance.toss() },
        };
        let step = Step::Challenge(challenge, Concurrency::Exact, command);
        world.execute(Ask::new(world.context(), world.now()).then(step)).await?;
        Ok(())
    }

    async fn try_to_send_a_mail(&self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        let waiting = ask(world.log.as_ref(), &mails::NEXT, &[100.into()]).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let (row, at) = (chance.pick(&waiting), world.now());
        let event: MailEvent = match chance.below(3) {
            0 => MailSent { at }.into(),
            1 => MailGivenUp { reason: Reason::Refused, at }.into(),
            _ => MailDeferred { attempt: row.attempts + 1, due_at: at + Span::from_secs(5), at }.into(),
        };
        let expected = if row.attempts == 0 { Expected::NoStream } else { Expected::Exact(row.attempts.into()) };
        let mut group = Group::new(world.context());
        let id = || world.fresh(EventId::from_ulid);
        group.append(Subject::Mail(row.mail), expected, &[Event::Mail(row.mail, event)], at, id)?;
        world.append(group).await?;
        Ok(())
    }

    fn social(&self, person: &Person, session: SessionId) -> (UserCommand, Vec<SealedRecord>, Vec<Claim>) {
        let (world, chance) = (&self.world, &self.world.chance);
        let (text, address) = (*chance.pick(&SUBJECTS), *chance.pick(&ADDRESSES));
        let (subject, email) =
            (world.seal(person, SealKind::Subject, text), world.seal(person, SealKind::Email, address));
        let (identity, held) = (world.fresh(ClaimId::from_ulid), world.fresh(ClaimId::from_ulid));
        let claims = vec![
            Claim { claim: identity, key: world.keyring.identity_claim(text) },
            Claim { claim: held, key: world.keyring.email_claim(&EmailAddress::parse(address).unwrap()) },
        ];
        let email_said = chance.toss().then(|| SocialEmail {
            claim: held,
            address: email.id,
            vouched: chance.toss(),
            verification: None,
        });
        let identity = SocialIdentity {
            account: world.fresh(AccountId::from_ulid),
            claim: identity,
            provider: (*chance.pick(&PROVIDERS)).to_owned(),
            subject: subject.id,
            email: email_said,
            name: None,
            image: None,
            scopes: Vec::new(),
            vouches_for_held: false,
        };
        let command = UserCommand::LinkSocial {
            session,
            identity,
            renewal: world.renewal(),
            strict: false,
            opens: None,
            epoch: None,
            notice: Some(world.notice()),
        };
        (command, vec![subject, email], claims)
    }

    /// Few have an address that they have not proven: several are looked at.
    async fn supersede_somebody(&self) -> Result<Option<(UserId, Person)>, ExecuteError> {
        for _ in 0..8 {
            let (user, _) = self.world.chance.pick(&self.people);
            let state = self.world.user(*user).await;
            if state.email.as_ref().is_some_and(|email| !email.verified) {
                return self.supersede(*user, &state).await;
            }
        }
        Ok(None)
    }

    /// Somebody new proves the address that this user only reserved: release and take, two streams, one group.
    async fn supersede(&self, loser: UserId, state: &User) -> Result<Option<(UserId, Person)>, ExecuteError> {
        let world = &self.world;
        let Some(email) = &state.email else { return Ok(None) };
        let mut held = None;
        for address in ADDRESSES {
            if world.holder(address).await.is_some_and(|holder| holder.claim == email.claim) {
                held = Some(address);
            }
        }
        let address = held.expect("an address that a user has is held by that user");
        let loaded = load::<User>(world.log.as_ref(), loser).await?;
        let released = loaded.state.decide(UserCommand::SupersedeClaim { claim: email.claim }, world.now())?;
        let (winner, person, take) = world.sign_up(address);
        let taken = User::default().decide(command(&take), take.at)?;
        let mut group = Group::new(world.context());
        (group.sealed, group.claims, group.person_keys) = (take.sealed, take.claims, take.person_keys);
        let id = || world.fresh(EventId::from_ulid);
        group.append_user(loser, Expected::Exact(loaded.version), &released, world.now(), id)?;
        group.append_user(winner, Expected::NoStream, &taken, world.now(), id)?;
        world.append(group).await?;
        Ok(Some((winner, person)))
    }
}
