//! The log port: what Chrysalis asks of a store, and what every store promises.
//!
//! The unit is the [`Group`]: all appends of one decision, with the sealed records, claims, quotas and idempotency key
//! that go with them. A store keeps all of it or none of it.
//!
//! Promises, held by the conformance suite (`tests/conformance`):
//! - an acknowledged group is durable, and its inline rows are readable the moment the answer is given;
//! - positions rise in commit order, so a reader of `position > last` never skips an event;
//! - a group that loses a race is refused with the reason, and the groups stored beside it don't notice;
//! - one claim has one holder; a quota is counted in the transaction that it limits;
//! - with the event that erases a person go their key and everything that is sealed under it, and nothing is sealed for
//!   them after it;
//! - no key of a person is stored that was wrapped in an epoch that is over ([`erasure`]);
//! - a group with an idempotency key is stored once, however often it is sent;
//! - a group that was decided by other settings than those that stand is refused, and no node's clock or memory matters;
//! - when more is asked than can be stored, the answer is [`AppendError::Busy`], at once.

pub mod analysts;
pub mod copy;
pub mod cqrs;
pub mod erasure;
pub mod eventstore;
pub mod follow;
pub mod idempotency;
pub mod origins;
pub mod postgres;
mod queue;
pub mod quota;
pub mod record;
pub mod refold;
pub mod replica;
pub mod sealed;
pub mod sqlite;
mod staging;
pub mod times;
pub mod transfer;

use std::time::Duration;

use async_trait::async_trait;
use chrysalis_domain::id::{ClaimId, EventId, PersonId, SealedId, UserId};
use chrysalis_domain::upcast::Unreadable;
use chrysalis_domain::{Event, Span, Timestamp};
use chrysalis_projections::listing::Statement;
use chrysalis_projections::search::Sought;
use chrysalis_projections::{Change, ClaimKey, Entry, Question, Row, Value, model};
use tokio::sync::watch;

use origins::Origin;
pub use record::{Actor, Context, Position, Recorded, SealedRef, StreamId, Version};

/// One decision, to be stored whole or not at all.
#[derive(Clone, Debug)]
pub struct Group {
    pub context: Context,
    pub appends: Vec<Append>,
    /// Records that the events name. Written with the events, never after.
    pub sealed: Vec<SealedRecord>,
    /// Keys of the persons who appear for the first time.
    pub person_keys: Vec<PersonKey>,
    /// Persons whose keys, and whatever is sealed under them, are destroyed: as its events say.
    pub erase: Vec<PersonId>,
    /// Holds that the events declare; refused when somebody else has one.
    pub claims: Vec<Claim>,
    /// How what the events name without claiming it is found: for the folds alone.
    pub keys: Vec<Claim>,
    pub quotas: Vec<Quota>,
    pub idempotency: Option<Idempotency>,
    /// Where a guest who comes into being came from.
    pub origin: Option<Origin>,
    /// It is refused where the settings are not at the version that its context names. Not for what follows from no setting.
    pub rests_on_settings: bool,
    pub lane: Lane,
}

/// Interactive groups are stored before bulk ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    #[default]
    Interactive,
    Bulk,
}

#[derive(Clone, Debug)]
pub struct Append {
    pub stream: StreamId,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
    /// State up to and including the last event, to load from instead of replaying. Taken only with
    /// [`Expected::Exact`]: otherwise an event unknown to it may stand in between.
    pub snapshot: Option<Vec<u8>>,
}

/// What the writer of an append believes of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    NoStream,
    /// The stream's last event has this version.
    Exact(Version),
    /// Whatever stands there: for events that hold in any state.
    Any,
}

/// An event ready to be stored: its bytes, and the row changes that follow from it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: EventId,
    pub event_type: &'static str,
    pub type_version: u16,
    pub occurred_at: Timestamp,
    pub sealed: Vec<SealedRef>,
    pub body: Vec<u8>,
    pub changes: Vec<Change>,
}

/// One value of one person, encrypted under that person's key. Immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRecord {
    pub id: SealedId,
    pub person: PersonId,
    pub kind: &'static str,
    pub salt: [u8; 16],
    pub ciphertext: Vec<u8>,
}

impl SealedRecord {
    pub fn reference(&self) -> SealedRef {
        SealedRef { id: self.id, commitment: record::commitment(&self.salt, self.kind, &self.ciphertext) }
    }
}

/// A person's key, wrapped under a key encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonKey {
    pub person: PersonId,
    pub epoch: u32,
    pub wrapped: Vec<u8>,
}

/// An exclusive hold that an event of the group declares.
#[derive(Clone, Debug)]
pub struct Claim {
    pub claim: ClaimId,
    pub key: ClaimKey,
}

/// How many groups may name `key`: no more in any span of a ceiling than it allows.
#[derive(Clone, Debug)]
pub struct Quota {
    pub key: Vec<u8>,
    pub ceilings: Vec<Ceiling>,
    pub counting: Counting,
}

/// At most `limit` in any `span`. Up to 64 it is exact to the millisecond; above, room may come a 64th of the span late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub limit: u32,
    pub span: Span,
}

/// What a quota means for the group that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Refused where there is no room; counted where there is.
    Takes,
    /// Refused where there is no room; not counted.
    Asks,
    /// Counted, and never refused for it.
    Notes,
}

impl Quota {
    /// One ceiling, counted.
    pub fn takes(key: impl Into<Vec<u8>>, limit: u32, span: Span) -> Self {
        Self { key: key.into(), ceilings: vec![Ceiling { limit, span }], counting: Counting::Takes }
    }
}

/// Makes a group count once. The note is kept beside the key and given back to whoever sends the key again.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: Vec<u8>,
    pub note: Vec<u8>,
    /// How long the key is remembered.
    pub keep: Span,
}

/// Where a group came to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: Position,
    pub last: Position,
    pub recorded_at: Timestamp,
    /// The version that each stream of the group has now, in the order of its appends.
    pub versions: Vec<Version>,
}

/// Why a group was not stored, for the caller to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The stream has moved on (or exists, or does not).
    Version { stream: StreamId, actual: Version },
    /// The settings that it was decided by don't stand: these do.
    Settings { actual: Version },
    /// By another claim: the rows say whose that is.
    ClaimHeld { claim: ClaimId, by: ClaimId },
    /// Something is sealed for somebody who was erased.
    Erased { person: PersonId },
    /// `quota` counts the group's quotas from 0.
    QuotaExceeded { quota: usize, retry_after: Span },
    /// It is more than the store takes at once: fewer decisions together may fit.
    TooLarge,
    /// The idempotency key was used before; the first time's outcome.
    Repeated { first: Position, last: Position, recorded_at: Timestamp, note: Vec<u8> },
}

#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("refused: {0:?}")]
    Refused(Refused),
    #[error("the writer's queue is full; try again")]
    Busy { retry_after: Span },
    #[error(transparent)]
    Fault(#[from] LogFault),
}

impl AppendError {
    /// Why it was refused; a fault where it could not be stored for now.
    pub fn refusal(self) -> Result<Refused, LogFault> {
        match self {
            AppendError::Refused(refused) => Ok(refused),
            AppendError::Busy { .. } => Err(LogFault::Unavailable("the writer's queue is full".to_owned())),
            AppendError::Fault(fault) => Err(fault),
        }
    }
}

/// The store failed. Nothing was acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogFault {
    /// For the time being: disk full, file read-only, database locked or gone. Heals when the cause is gone.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored does not read: a damaged page, an event of a newer version.
    #[error("the store is damaged or unreadable: {0}")]
    Damaged(String),
    #[error("a program error: {0}")]
    Bug(String),
}

/// A state to load from, and the version it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub version: Version,
    pub state: Vec<u8>,
}

/// A secret key as it is stored: wrapped under the root secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub purpose: String,
    pub id: u32,
    pub root: String,
    pub wrapped: Vec<u8>,
    pub created_at: Timestamp,
    /// From then on it makes nothing new; what it made it opens for as long as it is there.
    pub retired_at: Option<Timestamp>,
}

/// What the writer tells an operator.
pub trait WriterMetrics: Send + Sync {
    /// One batch was committed.
    fn committed(&self, groups: usize, events: u64, took: Duration);
    /// One batch could not be stored.
    fn failed(&self, groups: usize);
    /// Groups waiting.
    fn queued(&self, depth: usize);
}

/// For callers that don't watch.
impl WriterMetrics for () {
    fn committed(&self, _: usize, _: u64, _: Duration) {}
    fn failed(&self, _: usize) {}
    fn queued(&self, _: usize) {}
}

/// A store. See the module for what it promises.
#[async_trait]
pub trait Log: Send + Sync {
    async fn append(&self, group: Group) -> Result<Appended, AppendError>;

    /// Events of one stream after a version, in order.
    async fn read_stream(&self, stream: &StreamId, after: Version, limit: usize) -> Result<Vec<Recorded>, LogFault>;

    /// Events of many streams up to a version, each stream's in order: one question for whoever decides about many.
    async fn read_streams(&self, streams: &[StreamId], upto: Version) -> Result<Vec<Recorded>, LogFault>;

    /// Events of the whole log after a position, in order.
    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault>;

    /// Events of some types only, after one position and up to another, in order: for followers that care for few.
    async fn read_types(
        &self,
        types: &[&str],
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogFault>;

    /// The last position, kept up to date: how followers learn that there is something to read.
    fn head(&self) -> watch::Receiver<Position>;

    async fn snapshot(&self, stream: &StreamId) -> Result<Option<Snapshot>, LogFault>;

    /// Rows of the read models; see [`ask`] for the typed form.
    async fn rows(
        &self,
        sql: &'static str,
        parameters: &[Value],
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault>;

    /// Rows of the read models by a question whose text was made for the occasion, and which may take a while: it is not
    /// kept prepared, joins nobody else's, and keeps nobody waiting. See [`list`] for the typed form.
    async fn list(&self, asked: &Statement, each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send))
    -> Result<(), LogFault>;

    /// Users who have a part of a text, by the store's own index of parts: in whatever order, at most so many. `None` where
    /// that is no help: the part is too short, or there is no such index.
    async fn by_part(&self, sought: &Sought, most: usize) -> Result<Option<Vec<UserId>>, LogFault>;

    /// Keys of the keyring, oldest first.
    async fn keys(&self) -> Result<Vec<StoredKey>, LogFault>;

    /// Adds a key, or wraps a known one anew. `false`: another node added one with that purpose and id first.
    async fn put_key(&self, key: StoredKey, replace: bool) -> Result<bool, LogFault>;

    /// How far a follower has come.
    async fn checkpoint(&self, follower: &str) -> Result<Position, LogFault>;

    /// Moves a follower from one position to another; `false` when it was not at `from` (somebody else moved it).
    async fn advance(&self, follower: &str, from: Position, to: Position) -> Result<bool, LogFault>;

    /// Takes a lease for a while, or keeps it; `false` while somebody else has it. For what only one node at a time
    /// should do. It is a courtesy and no lock: whoever stops in the middle may believe for too long that it is theirs,
    /// so what is done under it must bear being done twice.
    async fn lease(&self, name: &str, holder: &str, span: Duration) -> Result<bool, LogFault>;

    /// Forgets where guests from before a time came from, the oldest first, at most so many; answers how many.
    async fn forget_origins(&self, before: Timestamp, limit: usize) -> Result<usize, LogFault>;

    /// Gives a lease back before its time.
    async fn release(&self, name: &str, holder: &str) -> Result<(), LogFault>;

    /// Finds out whether the store can be written to now.
    async fn ready(&self) -> Result<(), LogFault>;
}

/// A log with its read models, and all that stands beside them: what a whole store is.
pub trait Store:
    Log + follow::Follow + refold::Refold + transfer::Transfer + erasure::Erasure + analysts::Analysts
{
}

impl<S> Store for S where
    S: Log + follow::Follow + refold::Refold + transfer::Transfer + erasure::Erasure + analysts::Analysts
{
}

fn unreadable_row() -> LogFault {
    LogFault::Damaged("a row of a read model does not read; run `chrysalis projections rebuild`".to_owned())
}

/// Asks the read models.
pub async fn ask<T: Send>(log: &dyn Log, question: &Question<T>, parameters: &[Value]) -> Result<Vec<T>, LogFault> {
    let mut answer = Vec::new();
    let read = question.read;
    let mut unread = false;
    log.rows(question.sql, parameters, &mut |row| match read(row) {
        Some(one) => answer.push(one),
        None => unread = true,
    })
    .await?;
    if unread {
        return Err(unreadable_row());
    }
    Ok(answer)
}

/// Asks by a question whose text was made for the occasion.
pub async fn list<T: Send>(
    log: &dyn Log,
    asked: Statement,
    read: fn(&dyn Row) -> Option<T>,
) -> Result<Vec<T>, LogFault> {
    let mut answer = Vec::new();
    let mut unread = false;
    log.list(&asked, &mut |row| match read(row) {
        Some(one) => answer.push(one),
        None => unread = true,
    })
    .await?;
    if unread { Err(unreadable_row()) } else { Ok(answer) }
}

/// Asks for at most one row.
pub async fn ask_one<T: Send>(
    log: &dyn Log,
    question: &Question<T>,
    parameters: &[Value],
) -> Result<Option<T>, LogFault> {
    Ok(ask(log, question, parameters).await?.into_iter().next())
}

/// Reads a stored event with what is known of it, as [`read_event`] does.
pub(crate) fn read_entry(recorded: Recorded) -> Result<Option<Entry>, LogFault> {
    Ok(read_event(&recorded)?.map(|event| entry(recorded, event)))
}

fn entry(recorded: Recorded, event: Event) -> Entry {
    Entry {
        position: recorded.position,
        id: recorded.event_id,
        recorded_at: recorded.recorded_at,
        occurred_at: recorded.occurred_at,
        actor: model::Actor {
            kind: recorded.actor_type,
            id: recorded.actor_id,
            by: recorded.actor_by,
            impersonator: recorded.impersonator,
        },
        request: recorded.request_id,
        cause: recorded.cause,
        settings_version: recorded.settings_version,
        event,
    }
}

/// Reads a stored event as today's; nothing when its stream is about something that this program does not know.
pub fn read_event(recorded: &Recorded) -> Result<Option<Event>, LogFault> {
    let unreadable = |error| LogFault::Damaged(format!("position {}: {error}", recorded.position));
    as_of_today(recorded).map_err(unreadable)
}

/// The same, for whoever goes on where an event does not read.
fn as_of_today(recorded: &Recorded) -> Result<Option<Event>, Unreadable> {
    let read = |subject| Event::read(subject, &recorded.event_type, recorded.type_version, &recorded.body);
    recorded.stream.subject().map(read).transpose()
}
