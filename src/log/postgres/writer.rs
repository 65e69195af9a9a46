//! The group-commit writer of this node: one thread, one loop, one connection. It takes whatever queued up while the
//! last commit ran and stores it in one transaction of two round trips.
//!
//! It runs on a thread of its own, away from the threads that answer requests: a batch is never held up by them, and
//! closing the store can wait until what was accepted is stored.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrysalis_domain::Timestamp;
use deadpool_postgres::{Object, Pool};
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;

use super::batch::{self, Ending, Head};
use super::connect::{Connector, Options};
use super::facts::{Facts, Questions, settings_of};
use super::pulse::{Pulse, silent};
use super::rows::RowWriter;
use super::verdicts::{Verdict, judge};
use super::{fault, pool_fault};
use crate::clock::Clock;
use crate::log::queue::{Queue, Taken, stopped, tell_unstored};
use crate::log::{AppendError, Appended, Group, LogFault, Refused, WriterMetrics};

pub(super) struct Writer {
    queue: Arc<Queue<Work>>,
    thread: Option<JoinHandle<()>>,
}

struct Work {
    group: Box<Group>,
    reply: oneshot::Sender<(Box<Group>, Result<Appended, AppendError>)>,
}

/// Why a batch was not stored.
pub(super) enum Failure {
    /// Somebody else was in the way: the same batch may do next time.
    Conflict(LogFault),
    Fault(LogFault),
}

impl Failure {
    pub(super) fn bug(said: &str) -> Self {
        Failure::Fault(LogFault::Bug(said.to_owned()))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(
                &SqlState::UNIQUE_VIOLATION
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::T_R_SERIALIZATION_FAILURE
                // The epoch that a person's key was wrapped in is over: that costs nobody else.
                | &SqlState::NOT_NULL_VIOLATION
                // The head was not to be had under the settings that were believed to stand (`batch::EVENTS`).
                | &SqlState::DIVISION_BY_ZERO,
            ) => Failure::Conflict(fault(error)),
            _ => Failure::Fault(fault(error)),
        }
    }
}

/// How often a batch is tried that meets with others; then each of its groups by itself, as often.
const ATTEMPTS: usize = 4;
/// Batches between two rounds of tidying.
pub(super) const TIDY_EVERY: u64 = 64;

impl Writer {
    pub(super) fn start(
        connector: &Connector,
        options: &Options,
        clock: Arc<dyn Clock>,
        pulse: Arc<Pulse>,
        metrics: Arc<dyn WriterMetrics>,
    ) -> Result<Self, LogFault> {
        let unstarted = |error: std::io::Error| LogFault::Unavailable(format!("the writer did not start: {error}"));
        let queue = Arc::new(Queue::new(options.queue));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unstarted)?;
        let looped = Loop {
            pool: connector.pool_of_one()?,
            queue: queue.clone(),
            rows: RowWriter::live(),
            max_batch: options.max_batch.max(1),
            patience: options.commit_timeout,
            clock,
            pulse: pulse.clone(),
            metrics,
            batches: 0,
            latest: Timestamp::default(),
        };
        let (connector, poll) = (connector.clone(), options.poll);
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let beating = tokio::spawn(async move { pulse.beat(&connector, poll).await });
                    looped.run().await;
                    beating.abort();
                });
            })
            .map_err(unstarted)?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Groups that somebody waits for.
    pub(super) fn queued(&self) -> usize {
        self.queue.waiting()
    }

    pub(super) async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let lane = group.lane;
        self.queue.push(lane, group.weight(), Work { group: Box::new(group), reply })?;
        // The group comes back and is freed here, by those who made it.
        answer.await.map_or_else(|_| Err(stopped().into()), |(_group, stored)| stored)
    }
}

impl Drop for Writer {
    /// Stores what was accepted, then ends. Bounded: where PostgreSQL is gone, what waits is refused.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has answered everybody with a fault already.
            let _ = thread.join();
        }
    }
}

struct Loop {
    pool: Pool,
    queue: Arc<Queue<Work>>,
    rows: RowWriter,
    max_batch: usize,
    patience: Duration,
    clock: Arc<dyn Clock>,
    pulse: Arc<Pulse>,
    metrics: Arc<dyn WriterMetrics>,
    batches: u64,
    /// The time of the latest decision: this node's clock may be set back.
    latest: Timestamp,
}

impl Drop for Loop {
    /// However the loop ended, nobody is left to wait for it: what still queues is answered, what comes is refused.
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl Loop {
    async fn run(mut self) {
        while let Some(Taken { work, depth }) = self.queue.next(self.max_batch).await {
            self.metrics.queued(depth);
            self.process(work).await;
            self.batches += 1;
            if self.batches.is_multiple_of(TIDY_EVERY) {
                self.tidy().await;
            }
        }
    }

    /// Stores a batch and answers everybody in it.
    async fn process(&mut self, work: Vec<Work>) {
        let begun = Instant::now();
        match self.settle(&work).await {
            Ok((answers, head)) => {
                if let Some(head) = head {
                    let events = answers.iter().flatten().map(|stored| stored.last + 1 - stored.first).sum();
                    self.metrics.committed(work.len(), events, begun.elapsed());
                    // Followers first: whoever is answered may ask them.
                    self.pulse.reached(head.position);
                }
                for (work, answer) in work.into_iter().zip(answers) {
                    // Nobody may be waiting any more: what is stored is stored.
                    let _ = work.reply.send((work.group, answer.map_err(AppendError::Refused)));
                }
            }
            // One of them stands in its own way: that must not cost the others.
            Err(Failure::Conflict(_)) if work.len() > 1 => {
                for one in work {
                    Box::pin(self.process(vec![one])).await;
                }
            }
            Err(Failure::Conflict(fault) | Failure::Fault(fault)) => {
                tell_unstored(&fault, work.len());
                self.metrics.failed(work.len());
                for work in work {
                    let _ = work.reply.send((work.group, Err(fault.clone().into())));
                }
            }
        }
    }

    /// Tries until it is stored, or can't be.
    async fn settle(&mut self, work: &[Work]) -> Result<Settled, Failure> {
        let groups: Vec<&Group> = work.iter().map(|work| work.group.as_ref()).collect();
        let mut attempt = 1;
        loop {
            let stored = self.attempt(&groups, attempt > 1).await;
            match stored {
                Err(Failure::Conflict(fault)) if attempt < ATTEMPTS => {
                    tracing::debug!(%fault, "a batch met with another node's; it is tried again");
                    attempt += 1;
                }
                settled => return settled,
            }
        }
    }

    /// One transaction, within its time and only while PostgreSQL answers.
    async fn attempt(&mut self, groups: &[&Group], careful: bool) -> Result<Settled, Failure> {
        self.pulse.alive().map_err(Failure::Fault)?;
        let client = self.pool.get().await.map_err(|error| {
            self.pulse.doubt();
            Failure::Fault(pool_fault(error))
        })?;
        self.latest = self.latest.max(self.clock.now());
        let (rows, now, pulse) = (&mut self.rows, &mut self.latest, &self.pulse);
        let stored = tokio::select! {
            stored = tokio::time::timeout(self.patience, transaction(&client, rows, groups, careful, now, Ending::Stored)) => {
                stored.unwrap_or_else(|_| Err(Failure::Fault(LogFault::Unavailable("PostgreSQL did not answer in time".to_owned()))))
            }
            () = pulse.stopped() => Err(Failure::Fault(silent())),
        };
        match &stored {
            // Nothing was to be written, or somebody was in the way: the transaction is still open.
            Ok((_, None)) | Err(Failure::Conflict(_)) => {
                let ended = tokio::time::timeout(self.patience, client.batch_execute("ROLLBACK")).await;
                if !matches!(ended, Ok(Ok(()))) {
                    drop(Object::take(client));
                    self.pulse.doubt();
                }
            }
            Ok((_, Some(_))) => {}
            // Whatever state the connection is in, nobody needs to know.
            Err(Failure::Fault(_)) => {
                drop(Object::take(client));
                self.pulse.doubt();
            }
        }
        stored
    }

    async fn tidy(&self) {
        let Ok(client) = self.pool.get().await else { return };
        let removed = tokio::time::timeout(self.patience, tidy(&client, self.clock.now())).await;
        if !matches!(removed, Ok(Ok(()))) {
            // The next round does it.
            drop(Object::take(client));
            self.pulse.doubt();
        }
    }
}

/// Removes some side rows that no longer count. Bounded, so that no batch waits for a long absence.
pub(super) async fn tidy(client: &Object, now: Timestamp) -> Result<(), tokio_postgres::Error> {
    for table in ["quotas", "idempotency"] {
        let sql = format!(
            "DELETE FROM {table} WHERE key IN
                 (SELECT key FROM {table} WHERE expires_at <= $1 LIMIT 256 FOR UPDATE SKIP LOCKED)"
        );
        let statement = client.prepare_cached(&sql).await?;
        client.execute(&statement, &[&now.as_millis()]).await?;
    }
    Ok(())
}

/// The answers, and where the log ends now, if something was stored.
pub(super) type Settled = (Vec<Result<Appended, Refused>>, Option<Head>);

pub(super) async fn transaction(
    client: &Object,
    rows: &mut RowWriter,
    groups: &[&Group],
    careful: bool,
    now: &mut Timestamp,
    ending: Ending,
) -> Result<Settled, Failure> {
    let questions = Questions::of(groups, careful);
    let begin = questions.is_empty();
    let facts = match begin {
        // They agree on the settings; whether those stand shows when the head is taken.
        true => Facts { now: *now, settings: settings_of(groups).next().unwrap_or_default(), ..Facts::default() },
        false => questions.ask(client, *now).await?,
    };
    *now = facts.now;
    let (verdicts, left) = judge(groups, facts);
    if !verdicts.iter().any(|verdict| matches!(verdict, Verdict::Stored(_))) {
        let refused = verdicts.into_iter().filter_map(|verdict| match verdict {
            Verdict::Refused(refused) => Some(Err(refused)),
            // A repetition has what it repeats before it.
            Verdict::Stored(_) | Verdict::Repeats(_) => None,
        });
        return Ok((refused.collect(), None));
    }
    let (answers, head) = batch::write(client, begin, ending, rows, groups, &verdicts, &left, *now).await?;
    Ok((answers, Some(head)))
}
