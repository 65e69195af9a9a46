//! From a command to stored events: load, decide, store; again when somebody else was faster.
//!
//! [`execute`] is how every use case changes anything; whoever decides about many reads ahead ([`Ahead`]). [`UserStore`] is
//! for code that speaks cqrs-es.

mod ahead;
mod contract;
pub mod stored_states;

use std::collections::HashSet;

use chrysalis_domain::api_key::{ApiKey, ApiKeyCommand, ApiKeyRefusal};
use chrysalis_domain::challenge::{Challenge, ChallengeCommand, ChallengeRefusal};
use chrysalis_domain::id::{
    ApiKeyId, ChallengeId, EventId, JobId, OrganizationId, ProcessId, ProjectId, UserId, WebhookId,
};
use chrysalis_domain::job::{Job, JobCommand, JobRefusal};
use chrysalis_domain::keyring::{Keyring, KeyringCommand, KeyringRefusal};
use chrysalis_domain::organization::{Organization, OrganizationCommand, OrganizationRefusal};
use chrysalis_domain::process::expiry::{Expiry, ProcessCommand, ProcessRefusal};
use chrysalis_domain::process::{self, Consequence};
use chrysalis_domain::settings::{Settings, SettingsCommand, SettingsRefusal};
use chrysalis_domain::user::{User, UserCommand, UserRefusal};
use chrysalis_domain::webhook::{Webhook, WebhookCommand, WebhookRefusal};
use chrysalis_domain::{Decider, Event, Subject, Timestamp};

use super::origins::Origin;
use super::{
    AppendError, Appended, Claim, Context, Expected, Group, Idempotency, Lane, Log, LogFault, PersonKey, Quota,
    Recorded, Refused, SealedRecord, StreamId, Version, read_event,
};
use crate::entropy::{self, Entropy};
pub use ahead::Ahead;
pub use contract::{UserContext, UserStore};

/// How often a decision is made again after a conflict before the caller is told to come back.
const ATTEMPTS: usize = 16;
/// Events replayed beyond a snapshot before the next append brings a new one along.
const SNAPSHOT_AFTER: Version = 64;
const PAGE: usize = 1_024;

/// One decision, with everything that is to be stored with the events it leads to: commands on the subjects it concerns,
/// decided in their order, and behind them what follows from their events at once ([`process::at_once`]). All of them are
/// accepted, or nothing is stored.
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
    pub origin: Option<Origin>,
    pub rests_on_settings: bool,
    pub lane: Lane,
}

/// A command and the subject it is for.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every step is a user's")]
pub enum Step {
    User(UserId, Concurrency, UserCommand),
    Challenge(ChallengeId, Concurrency, ChallengeCommand),
    Settings(ProjectId, Concurrency, SettingsCommand),
    ApiKey(ApiKeyId, Concurrency, ApiKeyCommand),
    Job(JobId, Concurrency, JobCommand),
    Webhook(WebhookId, Concurrency, WebhookCommand),
    Organization(OrganizationId, Concurrency, OrganizationCommand),
    Process(ProcessId, Concurrency, ProcessCommand),
    Keyring(ProjectId, Concurrency, KeyringCommand),
}

impl Step {
    async fn decide(&self, on: Deciding<'_>, before: &mut Vec<Decided>) -> Result<Vec<Step>, ExecuteError> {
        use Step as S;
        match self {
            S::User(id, concurrency, command) => decide::<User>(on, *id, *concurrency, command, before).await,
            S::Challenge(id, concurrency, command) => decide::<Challenge>(on, *id, *concurrency, command, before).await,
            S::Organization(id, concurrency, command) => {
                decide::<Organization>(on, *id, *concurrency, command, before).await
            }
            S::Settings(id, concurrency, command) => decide::<Settings>(on, *id, *concurrency, command, before).await,
            S::ApiKey(id, concurrency, command) => decide::<ApiKey>(on, *id, *concurrency, command, before).await,
            S::Job(id, concurrency, command) => decide::<Job>(on, *id, *concurrency, command, before).await,
            S::Webhook(id, concurrency, command) => decide::<Webhook>(on, *id, *concurrency, command, before).await,
            S::Process(id, concurrency, command) => decide::<Expiry>(on, *id, *concurrency, command, before).await,
            S::Keyring(id, concurrency, command) => decide::<Keyring>(on, *id, *concurrency, command, before).await,
        }
    }
}

/// What decisions rest on.
#[derive(Clone, Copy)]
struct Deciding<'a> {
    log: &'a dyn Log,
    /// What was read before.
    ahead: Option<&'a Ahead>,
    at: Timestamp,
}

impl From<Consequence> for Step {
    fn from(consequence: Consequence) -> Self {
        match consequence {
            Consequence::Organization(id, command) => Step::Organization(id, Concurrency::Exact, command),
        }
    }
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
            origin: None,
            rests_on_settings: true,
            lane: Lane::Interactive,
        }
    }

    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// It follows from no setting.
    pub fn whatever_the_settings(self) -> Self {
        Self { rests_on_settings: false, ..self }
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
    /// The settings can't be that.
    #[error(transparent)]
    Unfit(#[from] SettingsRefusal),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyRefusal),
    #[error(transparent)]
    Job(#[from] JobRefusal),
    #[error(transparent)]
    Webhook(#[from] WebhookRefusal),
    /// The organization's state does not allow it.
    #[error(transparent)]
    Disallowed(#[from] OrganizationRefusal),
    /// The store does not: a claim is held, a quota spent, a key repeated, the queue full, or a fault.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ExecuteError {
    /// Why it was refused; a fault where what follows could not be stored for now.
    pub fn refusal(self) -> Result<Self, LogFault> {
        Ok(match self {
            ExecuteError::Append(error) => ExecuteError::Append(AppendError::Refused(error.refusal()?)),
            refused => refused,
        })
    }
}

impl From<ProcessRefusal> for ExecuteError {
    fn from(refusal: ProcessRefusal) -> Self {
        match refusal {}
    }
}

impl From<KeyringRefusal> for ExecuteError {
    fn from(refusal: KeyringRefusal) -> Self {
        match refusal {}
    }
}

impl From<LogFault> for ExecuteError {
    fn from(fault: LogFault) -> Self {
        ExecuteError::Append(fault.into())
    }
}

/// Decides and stores what follows.
pub async fn execute(log: &dyn Log, entropy: &dyn Entropy, ask: Ask) -> Result<Done, ExecuteError> {
    execute_ahead(log, entropy, ask, None).await
}

/// The same, by streams that were read ahead. What happened meanwhile is a conflict like any other: it is decided again, on
/// what stands then.
pub async fn execute_ahead(
    log: &dyn Log,
    entropy: &dyn Entropy,
    ask: Ask,
    mut ahead: Option<&Ahead>,
) -> Result<Done, ExecuteError> {
    for _ in 0..ATTEMPTS {
        let mut decided = Vec::with_capacity(ask.steps.len());
        let on = Deciding { log, ahead: ahead.take(), at: ask.at };
        for step in &ask.steps {
            for follows in step.decide(on, &mut decided).await? {
                follows.decide(on, &mut decided).await?;
            }
        }
        decided.retain(|decided| !decided.events.is_empty());
        if decided.is_empty() {
            return Ok(Done { appended: None });
        }
        let rests_on: Vec<Subject> = decided.iter().filter_map(Decided::rests_on).collect();
        match log.append(group(&ask, decided, entropy)?).await {
            Ok(appended) => return Ok(Done { appended: Some(appended) }),
            // What was refused for this stream's sake may be accepted when it is decided again.
            Err(AppendError::Refused(Refused::Version { stream, .. }))
                if rests_on.iter().any(|subject| StreamId::of(*subject) == stream) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Sixteen others in a row were faster: the stream is under a storm, not the store at fault.
    Err(AppendError::Busy { retry_after: chrysalis_domain::Span::from_secs(1) }.into())
}

/// What the steps on one subject came to.
struct Decided {
    subject: Subject,
    expected: Expected,
    events: Vec<Event>,
    snapshot: Option<Vec<u8>>,
}

impl Decided {
    /// The subject, if it is decided about on all that happened to it.
    fn rests_on(&self) -> Option<Subject> {
        matches!(self.expected, Expected::Exact(_)).then_some(self.subject)
    }
}

/// Decides on the state that the steps before have left, and tells what follows at once.
async fn decide<D: Decider>(
    on: Deciding<'_>,
    id: D::Id,
    concurrency: Concurrency,
    command: &D::Command,
    before: &mut Vec<Decided>,
) -> Result<Vec<Step>, ExecuteError>
where
    ExecuteError: From<D::Refusal>,
{
    let known = on.ahead.and_then(|ahead| ahead.load::<D>(id));
    let mut loaded = match known {
        _ if concurrency == Concurrency::New => Loaded::default(),
        Some(loaded) => loaded?,
        None => load::<D>(on.log, id).await?,
    };
    let earlier = before.iter().position(|decided| decided.subject == D::subject(id));
    if let Some(earlier) = earlier {
        let events = before[earlier].events.iter().cloned().filter_map(D::own);
        events.for_each(|event| loaded.state.apply(&event));
    }
    let events = loaded.state.decide(command.clone(), on.at)?;
    let snapshot = (loaded.replayed >= SNAPSHOT_AFTER && !events.is_empty()).then(|| {
        let mut state = loaded.state.clone();
        events.iter().for_each(|event| state.apply(event));
        freeze(&state)
    });
    let (snapshot, events) = (snapshot.transpose()?, events.into_iter().map(|event| D::event(id, event)));
    let events: Vec<Event> = events.collect();
    let follows = events.iter().filter_map(process::at_once).map(Step::from).collect();
    match earlier.map(|earlier| &mut before[earlier]) {
        Some(decided) => {
            if decided.expected == Expected::Any {
                decided.expected = expected(concurrency, loaded.version);
            }
            decided.events.extend(events);
            decided.snapshot = snapshot.or(decided.snapshot.take());
        }
        None => {
            let expected = expected(concurrency, loaded.version);
            before.push(Decided { subject: D::subject(id), expected, events, snapshot });
        }
    }
    Ok(follows)
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
    group.origin.clone_from(&ask.origin);
    (group.rests_on_settings, group.lane) = (ask.rests_on_settings, ask.lane);
    let fresh = || EventId::from_ulid(entropy::ulid(entropy, ask.at));
    for Decided { subject, expected, events, snapshot } in decided {
        group.append(subject, expected, &events, ask.at, fresh)?;
        if let Some(append) = group.appends.last_mut() {
            append.snapshot = snapshot;
        }
    }
    Ok(group)
}

/// An aggregate as its events made it.
#[derive(Debug, Default)]
pub struct Loaded<D> {
    pub state: D,
    pub version: Version,
    /// Events that were read to get here.
    pub replayed: Version,
}

/// Loads an aggregate: from the last snapshot, and the events since.
pub async fn load<D: Decider>(log: &dyn Log, id: D::Id) -> Result<Loaded<D>, LogFault> {
    let stream = StreamId::of(D::subject(id));
    let mut loaded = match log.snapshot(&stream).await? {
        Some(snapshot) => match thaw::<D>(&snapshot.state) {
            Some(state) => Loaded { state, version: snapshot.version, replayed: 0 },
            None => Loaded { replayed: SNAPSHOT_AFTER, ..Loaded::default() },
        },
        None => Loaded::default(),
    };
    loop {
        let events = log.read_stream(&stream, loaded.version, PAGE).await?;
        events.iter().try_for_each(|recorded| loaded.replay(recorded))?;
        if events.len() < PAGE {
            return Ok(loaded);
        }
    }
}

impl<D: Decider> Loaded<D> {
    fn replay(&mut self, recorded: &Recorded) -> Result<(), LogFault> {
        if let Some(event) = read_event(recorded)?.and_then(D::own) {
            self.state.apply(&event);
        }
        self.version = recorded.version;
        self.replayed += 1;
        Ok(())
    }
}

fn freeze<D: Decider>(state: &D) -> Result<Vec<u8>, LogFault> {
    let mut frozen = vec![D::FORMAT];
    serde_json::to_writer(&mut frozen, state).map_err(|error| LogFault::Bug(error.to_string()))?;
    Ok(frozen)
}

fn thaw<D: Decider>(frozen: &[u8]) -> Option<D> {
    let (format, json) = frozen.split_first()?;
    (*format == D::FORMAT).then(|| serde_json::from_slice(json).ok()).flatten()
}
