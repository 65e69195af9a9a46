//! Who and what the cases act with: a clock that stands still, chance that can be repeated, guests, members, events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrysalis::clock::{Clock, MockClock};
use chrysalis::entropy::{self, Entropy};
use chrysalis::keys::{Keyring, PersonSealer, Rewrapping, SealKind, SessionToken};
use chrysalis::log::cqrs::{Ask, Concurrency, Done, ExecuteError, Step, execute, load};
use chrysalis::log::origins::{Networks, Origin};
use chrysalis::log::{
    Append, AppendError, Appended, Claim, Context, Expected, Group, Log, NewEvent, PersonKey, Recorded, Refused,
    SealedRecord, Store as WholeStore, StreamId, ask_one,
};
use chrysalis_domain::id::{AccountId, ChallengeId, ClaimId, CommandId, EventId, MailId, PersonId, SessionId, UserId};
use chrysalis_domain::user::command::{
    NewNotice, NewSession, NewToken, NewVerification, PasswordCredentials, Renewal, Rotation, RotationPolicy,
};
use chrysalis_domain::user::{User, UserCommand};
use chrysalis_domain::value::{Authentication, Carrier, Entry, Locale};
use chrysalis_domain::{EmailAddress, Span, Timestamp};
use chrysalis_projections::claims::{HOLDER, Holder};
use ulid::Ulid;

use super::store::{ROOMY, Store};

pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub const SECRET: &[u8] = b"the root secret of a test that has nothing to hide";

pub fn clock() -> MockClock {
    MockClock::at(START)
}

/// Chance that is the same for the same seed (splitmix64).
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0xA24B_AED4_963E_E407)))
    }

    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub fn toss(&self) -> bool {
        self.below(2) == 0
    }

    pub fn pick<'a, T>(&self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A group of events that mean nothing: they change no rows and belong to no user.
pub fn bare(stream: &str, expected: Expected, events: usize) -> Group {
    let mut group = Group::new(Context::of_system(CommandId::from_ulid(ulid())));
    let event = |_| NewEvent {
        id: EventId::from_ulid(ulid()),
        event_type: "Noted",
        type_version: 1,
        occurred_at: START,
        sealed: Vec::new(),
        body: b"{}".to_vec(),
        changes: Vec::new(),
    };
    let stream = StreamId::from_stored(stream.to_owned());
    group.appends.push(Append { stream, expected, events: (0..events).map(event).collect(), snapshot: None });
    group
}

/// An id that is nobody else's in this process.
fn ulid() -> Ulid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Ulid::from_parts(u64::try_from(START.as_millis()).unwrap(), NEXT.fetch_add(1, Ordering::Relaxed).into())
}

/// The whole log, page by page.
pub async fn everything(log: &dyn Log) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let page = log.read_all(all.last().map_or(0, |last| last.position), 1000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// The refusal that an append met with.
pub fn refused<T: std::fmt::Debug>(result: Result<T, AppendError>) -> Refused {
    match result {
        Err(AppendError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

/// The refusal of the store that a command met with.
pub fn refused_by_store(result: Result<Done, ExecuteError>) -> Refused {
    match result {
        Err(ExecuteError::Append(error)) => refused::<Done>(Err(error)),
        other => panic!("not refused by the store: {other:?}"),
    }
}

/// A log and everything that acts on it.
pub struct World {
    pub log: Arc<dyn WholeStore>,
    pub clock: MockClock,
    pub chance: Seeded,
    pub keyring: Keyring,
}

/// A human being, with the key that seals their data.
#[derive(Clone)]
pub struct Person {
    pub id: PersonId,
    pub key: PersonKey,
    pub sealer: Arc<PersonSealer>,
}

/// A user who came as a guest.
#[derive(Clone)]
pub struct Guest {
    pub user: UserId,
    pub person: Person,
    pub session: SessionId,
    pub token: SessionToken,
}

impl World {
    pub async fn on(store: &dyn Store) -> Self {
        Self::seeded(store, 1).await
    }

    pub async fn seeded(store: &dyn Store, seed: u64) -> Self {
        let clock = clock();
        Self::around(store.open(&clock, ROOMY).await, clock, seed).await
    }

    pub async fn around(log: Arc<dyn WholeStore>, clock: MockClock, seed: u64) -> Self {
        let chance = Seeded::new(seed);
        let keyring = Self::keyring(log.as_ref(), &chance).await;
        Self { log, clock, chance, keyring }
    }

    pub async fn keyring(log: &dyn Log, chance: &Seeded) -> Keyring {
        Keyring::open(log, SECRET, None, chance, START).await.unwrap()
    }

    pub async fn rotate_lookup_key(&mut self) {
        self.keyring
            .rotate(self.log.as_ref(), SECRET, chrysalis::keys::Purpose::Lookup, &self.chance, self.now())
            .await
            .unwrap();
        self.keyring = Self::keyring(self.log.as_ref(), &self.chance).await;
    }

    /// A new epoch of persons' keys.
    pub fn rewrapping(&self) -> Rewrapping<'_> {
        let (store, entropy, clock) = (self.log.as_ref(), &self.chance, &self.clock);
        Rewrapping { store, keyring: &self.keyring, secret: SECRET, entropy, clock }
    }

    /// Another node's keyring learns what stands.
    pub async fn learn(&self, keyring: &Keyring) {
        keyring.learn(self.log.as_ref(), SECRET, self.now()).await.unwrap();
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn fresh<T>(&self, id: fn(Ulid) -> T) -> T {
        id(entropy::ulid(&self.chance, self.now()))
    }

    pub fn ask(&self, user: UserId, command: UserCommand) -> Ask {
        self.ask_with(user, Concurrency::Exact, command)
    }

    pub fn ask_with(&self, user: UserId, concurrency: Concurrency, command: UserCommand) -> Ask {
        Ask::new(self.context(), self.now()).then(Step::User(user, concurrency, command))
    }

    pub fn context(&self) -> Context {
        Context::of_system(self.fresh(CommandId::from_ulid))
    }

    pub async fn execute(&self, ask: Ask) -> Result<Done, ExecuteError> {
        execute(self.log.as_ref(), &self.chance, ask).await
    }

    pub async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        self.log.append(group).await
    }

    /// Who holds an address.
    pub async fn holder(&self, address: &str) -> Option<Holder> {
        let key = self.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        ask_one(self.log.as_ref(), &HOLDER, &[key.kind.name().into(), key.hash.into()]).await.unwrap()
    }

    pub async fn user(&self, user: UserId) -> User {
        load::<User>(self.log.as_ref(), user).await.unwrap().state
    }

    pub fn person(&self) -> Person {
        let id = self.fresh(PersonId::from_ulid);
        let (sealer, key) = PersonSealer::create(&self.keyring, id, &self.chance).unwrap();
        Person { id, key, sealer: Arc::new(sealer) }
    }

    pub fn seal(&self, person: &Person, kind: SealKind, text: &str) -> SealedRecord {
        person.sealer.seal(kind, text, &self.chance, self.now())
    }

    pub fn token(&self) -> (SessionToken, NewToken) {
        let token = SessionToken::create(&self.chance, self.now());
        let public = token.public().unwrap();
        (token, public)
    }

    pub fn session(&self, token: NewToken) -> NewSession {
        NewSession {
            id: self.fresh(SessionId::from_ulid),
            token,
            expires_at: self.now() + Span::from_days(7),
            remembered: true,
            authentication: Authentication::anonymous(self.now()),
            client: None,
            replayable_until: None,
            verified: None,
            limit: 100,
            impersonation: None,
        }
    }

    /// What makes a guest, not yet sent.
    pub fn guest(&self) -> (Guest, Ask) {
        let (user, person, (token, public)) = (self.fresh(UserId::from_ulid), self.person(), self.token());
        let session = self.session(public);
        let guest = Guest { user, person: person.clone(), session: session.id, token };
        let command = UserCommand::CreateAnonymous { user, person: person.id, entry: Entry::default(), session };
        let networks = Networks { key_id: 1, network: [7; 16], network56: Some([8; 16]), network48: None };
        let origin = Some(Origin { user, at: self.now(), networks });
        let ask = Ask { person_keys: vec![person.key], origin, ..self.ask_with(user, Concurrency::New, command) };
        (guest, ask)
    }

    /// A guest who is there.
    pub async fn arrival(&self) -> Guest {
        let (guest, ask) = self.guest();
        self.execute(ask).await.unwrap();
        guest
    }

    /// An address and a password for it, the records that hold them, and the claim.
    pub fn credentials(&self, person: &Person, address: &str) -> (PasswordCredentials, Vec<SealedRecord>, Claim) {
        let email = self.seal(person, SealKind::Email, address);
        let hash = self.seal(person, SealKind::PasswordHash, "$argon2id$…");
        let claim = self.fresh(ClaimId::from_ulid);
        let credentials = PasswordCredentials {
            claim,
            address: email.id,
            account: self.fresh(AccountId::from_ulid),
            hash: hash.id,
            name: None,
            image: None,
            verification: Some(self.verification()),
        };
        let key = self.keyring.email_claim(&EmailAddress::parse(address).unwrap());
        (credentials, vec![email, hash], Claim { claim, key })
    }

    pub fn verification(&self) -> NewVerification {
        NewVerification {
            challenge: self.fresh(ChallengeId::from_ulid),
            callback_url: None,
            locale: Locale::ENGLISH,
            expires_at: self.now() + Span::from_hours(1),
        }
    }

    pub fn notice(&self) -> NewNotice {
        NewNotice { mail: self.fresh(MailId::from_ulid), locale: Locale::ENGLISH }
    }

    pub fn rotation(&self) -> Rotation {
        Rotation {
            policy: RotationPolicy::Cookie,
            carrier: Carrier::Cookie,
            token: self.token().1,
            grace: Span::from_secs(30),
        }
    }

    pub fn renewal(&self) -> Renewal {
        Renewal { expires_at: self.now() + Span::from_days(7), remembered: true, rotation: self.rotation() }
    }

    pub fn upgrade(&self, user: UserId, person: &Person, session: SessionId, address: &str, strict: bool) -> Ask {
        let (credentials, sealed, claim) = self.credentials(person, address);
        let command = UserCommand::UpgradeWithPassword { session, credentials, renewal: self.renewal(), strict };
        Ask { sealed, claims: vec![claim], ..self.ask(user, command) }
    }

    pub fn sign_up(&self, address: &str) -> (UserId, Person, Ask) {
        let (user, person) = (self.fresh(UserId::from_ulid), self.person());
        let (credentials, sealed, claim) = self.credentials(&person, address);
        let session = Some(self.session(self.token().1));
        let command = UserCommand::SignUpWithPassword { user, person: person.id, credentials, session };
        let person_keys = vec![person.key.clone()];
        let ask = self.ask_with(user, Concurrency::New, command);
        let ask = Ask { person_keys, sealed, claims: vec![claim], ..ask };
        (user, person, ask)
    }
}

/// The command on a user that is asked for.
pub fn command(ask: &Ask) -> UserCommand {
    match &ask.steps[..] {
        [Step::User(_, _, command)] => command.clone(),
        steps => panic!("{steps:?} is more than one command on a user"),
    }
}
