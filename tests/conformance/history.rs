//! Random lives: every command there is, in no sensible order, by people who want each other's addresses.

use chrysalis::keys::SealKind;
use chrysalis::log::cqrs::{Ask, ExecuteError, load};
use chrysalis::log::{AppendError, Claim, Expected, Group, SealedRecord};
use chrysalis_domain::id::{AccountId, ClaimId, EventId, SessionId, UserId};
use chrysalis_domain::user::command::{NewSession, SocialEmail, SocialIdentity};
use chrysalis_domain::user::event::{DeletionReason, EndReason};
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_domain::value::{Carrier, Change, ProofKind};
use chrysalis_domain::{EmailAddress, Span};

use crate::conformance::world::{Person, World};

/// Few addresses and identities for many users: they get in each other's way.
const ADDRESSES: [&str; 6] =
    ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"];
const SUBJECTS: [&str; 4] =
    ["https://idp.example/1", "https://idp.example/2", "https://other.example/1", "https://other.example/2"];
const PROVIDERS: [&str; 2] = ["idp", "other"];

pub struct History {
    pub world: World,
    people: Vec<(UserId, Person)>,
}

impl History {
    pub fn of(world: World) -> Self {
        Self { world, people: Vec::new() }
    }

    /// Lets things happen. Refusals are part of life, faults are not.
    pub async fn go_on(&mut self, steps: usize) {
        for _ in 0..steps {
            self.world.clock.advance(Span::from_millis(i64::try_from(self.world.chance.below(5_000)).unwrap()));
            match self.step().await {
                Ok(()) | Err(ExecuteError::Refused(_)) | Err(ExecuteError::Append(AppendError::Refused(_))) => {}
                Err(fault) => panic!("{fault}"),
            }
        }
    }

    async fn step(&mut self) -> Result<(), ExecuteError> {
        let (world, chance) = (&self.world, &self.world.chance);
        if self.people.len() < 4 || chance.below(12) == 0 {
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
        let (user, person) = chance.pick(&self.people);
        let state = world.user(*user).await;
        if chance.below(10) == 0 {
            return self.supersede(*user, &state).await;
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
        match chance.below(17) {
            0..=2 => {
                let ask =
                    world.upgrade(state.id.unwrap(), person, session, chance.pick::<&str>(&ADDRESSES), chance.toss());
                (ask.command, ask.sealed, ask.claims)
            }
            3 | 4 => self.social(person, session),
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
            8 => plain(C::RotateSession {
                session,
                token: world.token().1,
                grace: *chance.pick(&[Span::ZERO, Span::from_secs(30)]),
            }),
            9 => plain(C::RevokeSession { session, reason: EndReason::SignedOut }),
            10 => plain(C::RevokeSessions { except: chance.toss().then_some(session) }),
            11 => {
                let name = world.seal(person, SealKind::Name, "Jane");
                let change = *chance.pick(&[Change::Kept, Change::Cleared, Change::Set(name.id)]);
                (C::UpdateProfile { name: change, image: Change::Cleared, metadata: change }, vec![name], Vec::new())
            }
            12 => {
                let hash = world.seal(person, SealKind::PasswordHash, "$argon2id$…");
                let revoke_others = chance.toss();
                let verified = state.password.as_ref().map_or(hash.id, |password| password.hash);
                (
                    C::ChangePassword { session, verified, hash: hash.id, revoke_others, rotation: world.rotation() },
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
                plain(C::VerifyEmail { claim, challenge, proof: ProofKind::VerificationLink })
            }
            _ => match chance.below(3) {
                0 => plain(C::ExpireGuest {
                    cutoff: world.now() - Span::from_secs(20),
                    settings_version: 0,
                    max_age: Span::from_secs(20),
                }),
                _ => plain(C::DeleteUser { reason: DeletionReason::Requested, only_if_guest: chance.toss() }),
            },
        }
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
        let email_said = chance.toss().then(|| SocialEmail { claim: held, address: email.id, vouched: chance.toss() });
        let identity = SocialIdentity {
            account: world.fresh(AccountId::from_ulid),
            claim: identity,
            provider: (*chance.pick(&PROVIDERS)).to_owned(),
            subject: subject.id,
            email: email_said,
            name: None,
            image: None,
        };
        (UserCommand::LinkSocial { session, identity, renewal: world.renewal() }, vec![subject, email], claims)
    }

    /// Somebody new proves the address that this user only reserved: release and take, two streams, one group.
    async fn supersede(&self, loser: UserId, state: &User) -> Result<(), ExecuteError> {
        let world = &self.world;
        let Some(email) = &state.email else { return Ok(()) };
        let mut held = None;
        for address in ADDRESSES {
            if world.holder(address).await.is_some_and(|holder| holder.claim == email.claim) {
                held = Some(address);
            }
        }
        let address = held.expect("an address that a user has is held by that user");
        let loaded = load(world.log.as_ref(), loser).await?;
        let released = loaded.user.decide(UserCommand::SupersedeClaim { claim: email.claim }, world.now())?;
        let (winner, _, take) = world.sign_up(address);
        let taken = User::default().decide(take.command, take.at)?;
        let mut group = Group::new(world.context());
        (group.sealed, group.claims, group.person_keys) = (take.sealed, take.claims, take.person_keys);
        let id = || world.fresh(EventId::from_ulid);
        group.append_user(loser, Expected::Exact(loaded.version), &released, world.now(), id)?;
        group.append_user(winner, Expected::NoStream, &taken, world.now(), id)?;
        world.append(group).await?;
        Ok(())
    }
}
