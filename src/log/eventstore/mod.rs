//! EventStoreDB (KurrentDB) as the log, with SQLite or PostgreSQL as the read store.
//!
//! **The log is one stream.** Its revisions are the positions, counted from 0; an append with the revision that is expected
//! is where a batch of groups comes to stand, whole or not at all, whoever else appends at the same time: all that every
//! other promise of the port rests on. The read store judges, and has what stands in the log as any store has it: events,
//! read models, sealed records, quotas. A batch goes
//!
//! 1. to the read store, which says what would become of its groups, and writes nothing;
//! 2. to the read store's table of batches that are offered: with its sealed records, before any event that names them;
//! 3. to a stream for each name that it claims, in which that is reserved;
//! 4. to the log's stream, behind the position that it was judged behind. From here on it happened;
//! 5. to the read store, which stores it as it was judged, and forgets that it was offered. Then it is answered, and what was
//!    reserved is released.
//!
//! Whoever stops in between leaves nothing that holds anybody up, and nothing undone: nodes follow `$all`, and finish what was
//! appended at once, what was staged or reserved within a minute; or the next batch takes its place. Why the log is one stream:
//! docs/decisions/0023.
//!
//! - [`line`]: the way there, by the client; [`client`]: what that sets going, and how it ends; [`connection`]: how it is told where
//!   EventStoreDB is; [`certificates`]: what it reads to be trusted, and to trust; [`prompt`]: what is written to it is not held back;
//! - [`ledger`]: the stream that is the log; [`event`]: one event in it;
//! - [`reservations`]: names that are spoken for; [`naming`]: how their streams are called; [`releases`]: how they come free again;
//! - [`writer`]: this node's loop over batches; [`sequencer`]: what becomes of one, whoever stops; [`staged`]: one while it is
//!   offered;
//! - [`follower`]: what `$all` shows of the log; [`ended`]: how that ends;
//! - [`apart`]: whether the stream and the read store are of one log; [`compared`]: what differs between the two;
//! - [`read_store`]: all that is the read store's own to answer.

mod apart;
mod certificates;
mod client;
mod compared;
mod connection;
mod ended;
mod event;
mod follower;
mod ledger;
mod line;
mod naming;
pub mod prompt;
mod read_store;
mod releases;
mod reservations;
mod sequencer;
mod staged;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrysalis_projections::{Row, Value};
use tokio::sync::watch;

use super::replica::{ELSEWHERE, FOLLOWED, Replica};
use super::*;
use apart::{Unfit, agree, cut};
pub(crate) use connection::mistakes;
use follower::Follower;
use ledger::Ledger;
use writer::Writer;

/// How the log is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// A connection string as EventStoreDB's clients have it; may hold a password.
    pub url: String,
    /// The stream that is the log.
    pub stream: String,
    /// Groups that may wait to be stored, in each lane.
    pub queue: usize,
    /// Groups in one append.
    pub max_batch: usize,
    /// How long one call may take.
    pub patience: Duration,
    /// How long a batch may take, with all its calls: then nobody waits for it any more.
    pub commit_timeout: Duration,
}

impl Options {
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            stream: "chrysalis".to_owned(),
            queue: 8192,
            max_batch: 1024,
            patience: Duration::from_secs(3),
            commit_timeout: Duration::from_secs(5),
        }
    }
}

/// EventStoreDB. Dropping it stores what was accepted, then stops its writer.
pub struct EventStoreLog {
    // Order of fields is order of dropping: the writer needs the read store to the end.
    writer: Writer,
    follower: Follower,
    ledger: Ledger,
    replica: Arc<dyn Replica>,
    commit_timeout: Duration,
}

impl EventStoreLog {
    /// Finds out that the read store is one of this very log, and starts the writer. Where EventStoreDB is away and the read
    /// store is known to be this log's, what is read is answered meanwhile, and what writes is refused until both are seen to
    /// belong together, as where EventStoreDB goes while a node runs.
    ///
    /// # Errors
    /// When the read store has a log of its own or is another log's; on a first start, when EventStoreDB does not answer.
    pub async fn open(
        options: &Options,
        replica: Arc<dyn Replica>,
        metrics: Arc<dyn WriterMetrics>,
    ) -> Result<Self, LogFault> {
        let ledger = Ledger::new(options)?;
        let away = meet(&ledger, replica.as_ref()).await.map_err(Unfit::fault)?;
        Self::around(options, ledger, replica, metrics, away).await
    }

    /// The same where the two don't belong together, for whoever says what differs ([`Refold::verify`]).
    ///
    /// # Errors
    /// When the read store has a log of its own; on a first start, when EventStoreDB does not answer.
    pub async fn open_to_verify(options: &Options, replica: Arc<dyn Replica>) -> Result<Self, LogFault> {
        let ledger = Ledger::new(options)?;
        let away = match meet(&ledger, replica.as_ref()).await {
            Err(apart @ Unfit::Apart(_)) => Some(apart.fault()),
            met => met.map_err(Unfit::fault)?,
        };
        Self::around(options, ledger, replica, Arc::new(()), away).await
    }

    async fn around(
        options: &Options,
        ledger: Ledger,
        replica: Arc<dyn Replica>,
        metrics: Arc<dyn WriterMetrics>,
        away: Option<LogFault>,
    ) -> Result<Self, LogFault> {
        let kept = Some(replica.checkpoint(FOLLOWED).await?).filter(|place| *place != 0);
        let follower = Follower::start(options, kept)?;
        let writer = Writer::start(options, replica.clone(), metrics, ledger.line(), follower.shown(), away)?;
        Ok(Self { writer, follower, ledger, replica, commit_timeout: options.commit_timeout })
    }
}

/// Whether the two belong together, as far as can be seen; answers why nothing can be stored where EventStoreDB is away.
async fn meet(ledger: &Ledger, replica: &dyn Replica) -> Result<Option<LogFault>, Unfit> {
    let end = replica.end().await?;
    let known = replica.checkpoint(ELSEWHERE).await? != 0;
    if !known && end > 0 {
        return Err(LogFault::Unavailable(
            "the read store has a log of its own; name an empty one with CHRYSALIS_READ_STORE, and move the log with \
                 `chrysalis log copy`"
                .to_owned(),
        )
        .into());
    }
    let seen = match end {
        0 => ledger.end().await.map(|_| ()).map_err(apart::unread),
        end => agree(ledger, replica, end).await,
    };
    let away = match seen {
        Ok(()) => None,
        Err(Unfit::Fault(away @ LogFault::Unavailable(_))) if known && end > 0 => {
            tracing::warn!(fault = %away, "nothing can be stored for now: reads are answered, writes are refused until it can");
            Some(away)
        }
        Err(Unfit::Fault(LogFault::Unavailable(told))) => {
            return Err(LogFault::Unavailable(format!(
                "{told}; on a first start it has to be seen that the stream {} can be this read store's",
                ledger.stream()
            ))
            .into());
        }
        Err(unfit) => return Err(unfit),
    };
    // Once the stream answered: who mistypes its address has a read store that is still nobody's.
    if !known {
        replica.advance(ELSEWHERE, 0, 1).await?;
    }
    Ok(away)
}

#[async_trait]
impl Log for EventStoreLog {
    async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        if let Some(twice) = group.stream_named_twice() {
            return Err(LogFault::Bug(format!("a group names {} twice", twice.as_str())).into());
        }
        self.writer.append(group).await
    }

    async fn read_stream(&self, stream: &StreamId, after: Version, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.replica.read_stream(stream, after, limit).await
    }

    async fn read_streams(&self, streams: &[StreamId], upto: Version) -> Result<Vec<Recorded>, LogFault> {
        self.replica.read_streams(streams, upto).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.replica.read_all(after, limit).await
    }

    async fn read_types(
        &self,
        types: &[&str],
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogFault> {
        self.replica.read_types(types, after, upto, limit).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.replica.head()
    }

    async fn snapshot(&self, stream: &StreamId) -> Result<Option<Snapshot>, LogFault> {
        self.replica.snapshot(stream).await
    }

    async fn rows(
        &self,
        sql: &'static str,
        parameters: &[Value],
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        self.replica.rows(sql, parameters, each).await
    }

    async fn list(
        &self,
        asked: &Statement,
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        self.replica.list(asked, each).await
    }

    async fn by_part(&self, sought: &Sought, most: usize) -> Result<Option<Vec<UserId>>, LogFault> {
        self.replica.by_part(sought, most).await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, LogFault> {
        self.replica.keys().await
    }

    async fn put_key(&self, key: StoredKey, replace: bool) -> Result<bool, LogFault> {
        self.replica.put_key(key, replace).await
    }

    async fn checkpoint(&self, follower: &str) -> Result<Position, LogFault> {
        self.replica.checkpoint(follower).await
    }

    async fn advance(&self, follower: &str, from: Position, to: Position) -> Result<bool, LogFault> {
        self.replica.advance(follower, from, to).await
    }

    async fn lease(&self, name: &str, holder: &str, span: Duration) -> Result<bool, LogFault> {
        self.replica.lease(name, holder, span).await
    }

    async fn forget_origins(&self, before: Timestamp, limit: usize) -> Result<usize, LogFault> {
        self.replica.forget_origins(before, limit).await
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), LogFault> {
        self.replica.release(name, holder).await
    }

    async fn ready(&self) -> Result<(), LogFault> {
        self.writer.alive()?;
        // In this order: what the read store has stood in the stream before.
        let has = self.replica.end().await?;
        if self.ledger.end().await? < has {
            return Err(cut(&self.ledger, has).fault());
        }
        self.replica.ready().await
    }
}
