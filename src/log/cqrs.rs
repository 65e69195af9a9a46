//! From a command to stored events: load, decide, store; again when somebody else was faster.
//!
//! [`execute`] is how every use case changes anything. [`UserStore`] is the event store contract of cqrs-es as a thin
//! adapter above the port, for code that speaks cqrs-es.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrysalis_domain::challenge::{Challenge, ChallengeCommand, ChallengeRefusal};
use chrysalis_domain::id::{ChallengeId, EventId, UserId};
use chrysalis_domain::user::{User, UserCommand, UserEvent, UserRefusal};
use chrysalis_domain::{Event, Subject, Timestamp};
use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};

use super::{
    AppendError, Appended, Claim, Context, Expected, Group, Idempotency, Lane, Log, LogFault, PersonKey, Quota,
    Refused, SealedRecord, StreamId, Version, read_event,
};
use crate::entropy::{self, Entropy};

/// How often a decision is made again after a conflict before the caller is told to come back.
const ATTEMPTS: usize = 16;
/// Events replayed beyond a snapshot before the next append brings a new one along.
const SNAPSHOT_AFTER: Version = 64;
/// Names the shape of a snapshot's state: one of another shape is ignored, and replaced.
const SNAPSHOT_FORMAT: u8 = 3;
const PAGE: usize = 1_024;

/// One decision, with everything that is to be stored with the events it leads to: a command on each of the subjects it
/// concerns. All of them are accepted, or nothing is stored.
#[derive(Clone, Debug)]
pub struct Ask {
    pub context: Context,
    pub at: Timestamp,
    pub steps: Vec<Step>,
    /// What the events may name. Records and claims that no event names in the end are left out.
    pub sealed: Vec<SealedRecord>,
    pub person_keys: Vec<PersonKey>,
    pub claims: Vec<Claim>,
    pub keys: Vec<Claim>,
    pub quotas: Vec<Quota>,
    pub idempotency: Option<Idempotency>,
    pub lane: Lane,
}

/// A command and the subject it is for.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every step is a user's")]
pub enum Step {
    User(UserId, Concurrency, UserCommand),
    Challenge(ChallengeId, Concurrency, ChallengeCommand),
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// On nothing: the id is new, so its stream is empty and needs no read.
    New,
    /// On all that happened: decided again after a conflict.
    Exact,
    /// On what was read, which later events don't contradict.
    Any,
}

impl Ask {
    pub fn new(context: Context, at: Timestamp) -> Self {
        Self {
            context,
            at,
            steps: Vec::new(),
            sealed: Vec::new(),
            person_keys: Vec::new(),
            claims: Vec::new(),
            keys: Vec::new(),
            quotas: Vec::new(),
            idempotency: None,
            lane: Lane::Interactive,
        }
    }

    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// What came of a decision.
#[derive(Clone, Debug)]
pub struct Done {
    /// Where the events stand; none when nothing had to change.
    pub appended: Option<Appended>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The user's state does not allow it.
    #[error(transparent)]
    Refused(#[from] UserRefusal),
    /// The challenge can't be met.
    #[error(transparent)]
    Unmet(#[from] ChallengeRefusal),
    /// The store does not: a claim is held, a quota spent, a key repeated, the queue full, or a fault.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<LogFault> for ExecuteError {
    fn from(fault: LogFault) -> Self {
        ExecuteError::Append(fault.into())
    }
}

/// Decides and stores what follows.
pub async fn execute(log: &dyn Log, entropy: &dyn Entropy, ask: Ask) -> Result<Done, ExecuteError> {
    for _ in 0..ATTEMPTS {
        let mut decided = Vec::with_capacity(ask.steps.len());
        for step in &ask.steps {
            decided.push(decide(log, step, ask.at).await?);
        }
        decided.retain(|decided| !decided.events.is_empty());
        if decided.is_empty() {
            return Ok(Done { appended: None });
        }
        match log.append(group(&ask, decided, entropy)?).await {
            Ok(appended) => return Ok(Done { appended: Some(appended) }),
            Err(AppendError::Refused(Refused::Version { stream, .. })) if ask.decides_again(&stream) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Sixteen others in a row were faster: the stream is under a storm, not the store at fault.
    Err(AppendError::Busy { retry_after: chrysalis_domain::Span::from_secs(1) }.into())
}

impl Ask {
    /// Whether what is refused for this stream's sake may be accepted when it is decided again.
    fn decides_again(&self, stream: &StreamId) -> bool {
        self.steps.iter().any(|step| match step {
            Step::User(user, concurrency, _) => {
                *concurrency == Concurrency::Exact && *stream == StreamId::of(Subject::User(*user))
            }
            Step::Challenge(challenge, concurrency, _) => {
                *concurrency == Concurrency::Exact && *stream == StreamId::of(Subject::Challenge(*challenge))
            }
        })
    }
}

/// What one step came to.
struct Decided {
    subject: Subject,
    expected: Expected,
    events: Vec<Event>,
    snapshot: Option<Vec<u8>>,
}

async fn decide(log: &dyn Log, step: &Step, at: Timestamp) -> Result<Decided, ExecuteError> {
    match step {
        Step::User(id, concurrency, command) => {
            let loaded = if *concurrency == Concurrency::New { Loaded::default() } else { load(log, *id).await? };
            let events = loaded.user.decide(command.clone(), at)?;
            let snapshot = (loaded.replayed >= SNAPSHOT_AFTER && !events.is_empty()).then(|| {
                let mut user = loaded.user.clone();
                events.iter().for_each(|event| user.apply(event));
                freeze(&user)
            });
            Ok(Decided {
                subject: Subject::User(*id),
                expected: expected(*concurrency, loaded.version),
                events: events.into_iter().map(|event| Event::User(*id, event)).collect(),
                snapshot: snapshot.transpose()?,
            })
        }
        Step::Challenge(id, concurrency, command) => {
            let (challenge, version) = match concurrency {
                Concurrency::New => Default::default(),
                Concurrency::Exact | Concurrency::Any => load_challenge(log, *id).await?,
            };
            let events = challenge.decide(command.clone(), at)?;
            Ok(Decided {
                subject: Subject::Challenge(*id),
                expected: expected(*concurrency, version),
                events: events.into_iter().map(|event| Event::Challenge(*id, event)).collect(),
                snapshot: None,
            })
        }
    }
}

fn expected(concurrency: Concurrency, version: Version) -> Expected {
    match concurrency {
        Concurrency::New => Expected::NoStream,
        Concurrency::Exact => Expected::Exact(version),
        Concurrency::Any => Expected::Any,
    }
}

fn group(ask: &Ask, decided: Vec<Decided>, entropy: &dyn Entropy) -> Result<Group, LogFault> {
    let events = || decided.iter().flat_map(|decided| &decided.events);
    let named: HashSet<_> = events().flat_map(Event::sealed).collect();
    let declared: HashSet<_> = events().filter_map(Event::declares).collect();
    let mut group = Group::new(ask.context.clone());
    group.sealed = ask.sealed.iter().filter(|record| named.contains(&record.id)).cloned().collect();
    group.person_keys.clone_from(&ask.person_keys);
    group.claims = ask.claims.iter().filter(|claim| declared.contains(&claim.claim)).cloned().collect();
    group.keys.clone_from(&ask.keys);
    group.quotas.clone_from(&ask.quotas);
    group.idempotency.clone_from(&ask.idempotency);
    group.lane = ask.lane;
    let fresh = || EventId::from_ulid(entropy::ulid(entropy, ask.at));
    for Decided { subject, expected, events, snapshot } in decided {
        group.append(subject, expected, &events, ask.at, fresh)?;
        if let Some(append) = group.appends.last_mut() {
            append.snapshot = snapshot;
        }
    }
    Ok(group)
}

/// Loads a challenge: a few events.
pub async fn load_challenge(log: &dyn Log, challenge: ChallengeId) -> Result<(Challenge, Version), LogFault> {
    let stream = StreamId::of(Subject::Challenge(challenge));
    let (mut state, mut version) = (Challenge::default(), 0);
    loop {
        let events = log.read_stream(&stream, version, PAGE).await?;
        for recorded in &events {
            if let Some(Event::Challenge(_, event)) = read_event(recorded)? {
                state.apply(&event);
            }
            version = recorded.version;
        }
        if events.len() < PAGE {
            return Ok((state, version));
        }
    }
}

/// A user as its events made it.
#[derive(Debug, Default)]
pub struct Loaded {
    pub user: User,
    pub version: Version,
    /// Events that were read to get here.
    pub replayed: Version,
}

/// Loads a user: from the last snapshot, and the events since.
pub async fn load(log: &dyn Log, user: UserId) -> Result<Loaded, LogFault> {
    let stream = StreamId::user(user);
    let mut loaded = match log.snapshot(&stream).await? {
        Some(snapshot) => match thaw(&snapshot.state) {
            Some(user) => Loaded { user, version: snapshot.version, replayed: 0 },
            None => Loaded { replayed: SNAPSHOT_AFTER, ..Loaded::default() },
        },
        None => Loaded::default(),
    };
    loop {
        let events = log.read_stream(&stream, loaded.version, PAGE).await?;
        for recorded in &events {
            if let Some(Event::User(_, event)) = read_event(recorded)? {
                loaded.user.apply(&event);
            }
            loaded.version = recorded.version;
            loaded.replayed += 1;
        }
        if events.len() < PAGE {
            return Ok(loaded);
        }
    }
}

fn freeze(user: &User) -> Result<Vec<u8>, LogFault> {
    let mut state = vec![SNAPSHOT_FORMAT];
    serde_json::to_writer(&mut state, user).map_err(|error| LogFault::Bug(error.to_string()))?;
    Ok(state)
}

fn thaw(state: &[u8]) -> Option<User> {
    let (format, json) = state.split_first()?;
    (*format == SNAPSHOT_FORMAT).then(|| serde_json::from_slice(json).ok()).flatten()
}

/// The event store of cqrs-es for users. The context of its commits is fixed when it is made.
pub struct UserStore {
    pub log: Arc<dyn Log>,
    pub entropy: Arc<dyn Entropy>,
    pub context: Context,
    pub at: Timestamp,
}

/// A loaded user, and where in its stream it stands.
pub struct UserContext {
    id: UserId,
    loaded: Loaded,
}

impl AggregateContext<User> for UserContext {
    fn aggregate(&mut self) -> &mut User {
        &mut self.loaded.user
    }
}

type CqrsError = AggregateError<UserRefusal>;

impl EventStore<User> for UserStore {
    type AC = UserContext;

    async fn load_events(&self, aggregate_id: &str) -> Result<Vec<EventEnvelope<User>>, CqrsError> {
        let stream = StreamId::user(parse(aggregate_id)?);
        let mut envelopes = Vec::new();
        loop {
            let after = envelopes.len() as Version;
            let events = self.log.read_stream(&stream, after, PAGE).await.map_err(unexpected)?;
            for recorded in &events {
                if let Some(Event::User(_, event)) = read_event(recorded).map_err(unexpected)? {
                    envelopes.push(envelope(aggregate_id, recorded.version, event));
                }
            }
            if events.len() < PAGE {
                return Ok(envelopes);
            }
        }
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<UserContext, CqrsError> {
        let id = parse(aggregate_id)?;
        let loaded = load(self.log.as_ref(), id).await.map_err(unexpected)?;
        Ok(UserContext { id, loaded })
    }

    async fn commit(
        &self,
        events: Vec<UserEvent>,
        context: UserContext,
        _: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<User>>, CqrsError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let version = context.loaded.version;
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        let mut group = Group::new(self.context.clone());
        let fresh = || EventId::from_ulid(entropy::ulid(self.entropy.as_ref(), self.at));
        group.append_user(context.id, expected, &events, self.at, fresh).map_err(unexpected)?;
        match self.log.append(group).await {
            Ok(_) => {
                let id = context.id.to_string();
                Ok(events
                    .into_iter()
                    .zip(version + 1..)
                    .map(|(event, version)| envelope(&id, version, event))
                    .collect())
            }
            Err(AppendError::Refused(Refused::Version { .. })) => Err(AggregateError::AggregateConflict),
            Err(error) => Err(unexpected(error)),
        }
    }
}

fn envelope(aggregate_id: &str, version: Version, payload: UserEvent) -> EventEnvelope<User> {
    let sequence = usize::try_from(version).unwrap_or(usize::MAX);
    EventEnvelope { aggregate_id: aggregate_id.to_owned(), sequence, payload, metadata: HashMap::new() }
}

fn parse(aggregate_id: &str) -> Result<UserId, CqrsError> {
    aggregate_id.parse().map_err(unexpected)
}

fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> CqrsError {
    AggregateError::UnexpectedError(Box::new(error))
}
