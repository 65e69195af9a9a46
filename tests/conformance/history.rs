//! Random lives: every command there is, in no sensible order, by people who want each other's addresses.

mod admin;
mod guests;
mod organizations;
mod proofs;

use chrysalis::keys::SealKind;
use chrysalis::log::cqrs::{Ask, ExecuteError, load};
use chrysalis::log::{AppendError, Claim, Expected, Group, SealedRecord};
use chrysalis_domain::Span;
use chrysalis_domain::id::{AccountId, ApiKeyId, ChallengeId, ClaimId, EventId, OrganizationId, SessionId, UserId};
use chrysalis_domain::user::command::{NewPassword, NewSession, Profile};
use chrysalis_domain::user::event::{DeletionReason, EndReason};
use chrysalis_domain::user::{Standing, User, UserCommand};
use chrysalis_domain::value::{Carrier, Change, ProofKind};

use crate::conformance::store::Store;
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

    /// What happened in a store that was empty.
    pub async fn lived(store: &dyn Store, seed: u64, steps: usize) -> Self {
        let mut history = Self::of(World::seeded(store, seed).await);
        history.go_on(steps).await;
        history
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
