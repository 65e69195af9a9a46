//! The group-commit writer: one thread, one loop. It takes whatever queued up while the last commit ran and stores it
//! in one transaction, so that the cost of reaching the disk is shared by everybody who waits for it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use chrysalis_domain::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use tokio::sync::{oneshot, watch};

use super::batch::{self, Epochs, Head, Held};
use super::rows::RowWriter;
use super::{Options, fault, scrub};
use crate::clock::Clock;
use crate::log::queue::{Queue, Taken, stopped, tell_unstored};
use crate::log::{AppendError, Appended, Group, Lane, LogFault, Position, Refused, StreamId, WriterMetrics};

pub(super) struct Writer {
    queue: Arc<Queue<Work>>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Append(Box<Group>, oneshot::Sender<(Box<Group>, Result<Appended, AppendError>)>),
    /// A write that is no event of this log's own.
    Aside(Aside, oneshot::Sender<(Aside, Result<bool, LogFault>)>),
}

enum Aside {
    /// A key, a checkpoint, a page of a read model.
    Beside(Beside),
    /// What is rehearsed for a log elsewhere, or stands in it.
    AtHead(AtHead),
}

type Beside = Box<dyn Fn(&Connection) -> rusqlite::Result<bool> + Send>;
type AtHead = Box<dyn Fn(&Connection, &mut Head) -> rusqlite::Result<bool> + Send>;

/// What became of one piece of work, once its batch is durable.
enum Outcome {
    Append(Result<Appended, Refused>),
    Aside(bool),
}

impl Work {
    /// Whether somebody is destroyed by it, of whom no free page may keep anything.
    fn erases(&self) -> bool {
        matches!(self, Work::Append(group, _) if !group.erase.is_empty())
    }

    fn answer(self, outcome: Result<Outcome, LogFault>) {
        // Nobody may be waiting any more: what is stored is stored.
        match (self, outcome) {
            (Work::Append(group, reply), Ok(Outcome::Append(stored))) => {
                drop(reply.send((group, stored.map_err(AppendError::Refused))))
            }
            (Work::Aside(write, reply), Ok(Outcome::Aside(done))) => drop(reply.send((write, Ok(done)))),
            (Work::Append(group, reply), Err(fault)) => drop(reply.send((group, Err(fault.into())))),
            (Work::Aside(write, reply), Err(fault)) => drop(reply.send((write, Err(fault)))),
            (Work::Append(..), Ok(Outcome::Aside(_))) | (Work::Aside(..), Ok(Outcome::Append(_))) => {}
        }
    }
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        options: &Options,
        clock: Arc<dyn Clock>,
        announce: watch::Sender<Position>,
        metrics: Arc<dyn WriterMetrics>,
    ) -> Result<Self, LogFault> {
        let queue = Arc::new(Queue::new(options.queue));
        let head = read_head(&connection).map_err(fault)?;
        let looped = Loop {
            connection,
            queue: queue.clone(),
            rows: RowWriter::live(),
            head,
            max_batch: options.max_batch.max(1),
            clock,
            announce,
            metrics,
            batches: 0,
        };
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || looped.run())
            .map_err(|error| LogFault::Unavailable(format!("the writer's thread did not start: {error}")))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Groups that somebody waits for.
    pub(super) fn queued(&self) -> usize {
        self.queue.waiting()
    }

    pub(super) async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let lane = group.lane;
        self.queue.push(lane, group.weight(), Work::Append(Box::new(group), reply))?;
        // The group comes back and is freed here, by those who made it: the one thread that everybody waits for has
        // better things to do, and would have to wait for the allocator's locks.
        answer.await.map_or_else(|_| Err(stopped().into()), |(_group, stored)| stored)
    }

    pub(super) async fn aside(
        &self,
        write: impl Fn(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, LogFault> {
        self.write(Lane::Interactive, 1, Aside::Beside(Box::new(write))).await
    }

    /// One that knows where the log ends, and may move that.
    pub(super) async fn at_head(
        &self,
        weight: usize,
        write: impl Fn(&Connection, &mut Head) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, LogFault> {
        self.write(Lane::Interactive, weight, Aside::AtHead(Box::new(write))).await
    }

    /// One that can wait, and changes so many rows.
    pub(super) async fn bulk_aside(
        &self,
        weight: usize,
        write: impl Fn(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, LogFault> {
        self.write(Lane::Bulk, weight, Aside::Beside(Box::new(write))).await
    }

    async fn write(&self, lane: Lane, weight: usize, aside: Aside) -> Result<bool, LogFault> {
        let (reply, answer) = oneshot::channel();
        match self.queue.push(lane, weight, Work::Aside(aside, reply)) {
            // What was to be written comes back, too: a page of a read model is thousands of rows to free.
            Ok(()) => answer.await.map_or_else(|_| Err(stopped()), |(_aside, done)| done),
            Err(AppendError::Fault(fault)) => Err(fault),
            Err(other) => Err(LogFault::Unavailable(other.to_string())),
        }
    }
}

impl Drop for Writer {
    /// Stores what was accepted, then ends.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has answered everybody with a fault already.
            let _ = thread.join();
        }
    }
}

struct Loop {
    connection: Connection,
    queue: Arc<Queue<Work>>,
    rows: RowWriter,
    head: Head,
    max_batch: usize,
    clock: Arc<dyn Clock>,
    announce: watch::Sender<Position>,
    metrics: Arc<dyn WriterMetrics>,
    batches: u64,
}

impl Drop for Loop {
    /// However the loop ended, nobody is left to wait for it: what still queues is answered, what comes is refused.
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

/// Batches between two rounds of tidying.
const TIDY_EVERY: u64 = 64;

impl Loop {
    fn run(mut self) {
        while let Some(Taken { work, depth }) = self.queue.wait(self.max_batch) {
            self.metrics.queued(depth);
            self.process(work);
        }
    }

    /// Stores a batch and answers everybody in it.
    fn process(&mut self, work: Vec<Work>) {
        let (before, begun) = (self.head.position, Instant::now());
        match self.store(&work) {
            Ok(outcomes) => {
                self.metrics.committed(work.len(), self.head.position - before, begun.elapsed());
                // Followers first: whoever is answered may ask them.
                self.announce
                    .send_if_modified(|head| std::mem::replace(head, self.head.position) != self.head.position);
                for (work, outcome) in work.into_iter().zip(outcomes) {
                    work.answer(Ok(outcome));
                }
            }
            // A constraint that the checks should have caught: a bug in one group must not cost the others.
            Err(error) if work.len() > 1 && error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                for one in work {
                    self.process(vec![one]);
                }
            }
            Err(error) => {
                let fault = fault(error);
                tell_unstored(&fault, work.len());
                self.metrics.failed(work.len());
                for one in work {
                    one.answer(Err(fault.clone()));
                }
            }
        }
    }

    fn store(&mut self, work: &[Work]) -> rusqlite::Result<Vec<Outcome>> {
        let stored = self.transaction(work);
        // Some have pages that come free overwritten, also by what follows from them at the commit.
        if work.iter().any(|one| one.erases() || matches!(one, Work::Aside(..))) {
            let _ = self.connection.pragma_update(None, "secure_delete", "FAST");
        }
        if stored.is_err() {
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            // A commit that failed may have reached the disk all the same: the file knows.
            if let Ok(head) = read_head(&self.connection) {
                self.head = head;
            }
        }
        stored
    }

    fn transaction(&mut self, work: &[Work]) -> rusqlite::Result<Vec<Outcome>> {
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // Under the write lock the file knows best: another process may have written since, as while an old server hands
        // over to a new one.
        let stands = read_head(connection)?;
        let recorded_at = stands.recorded_at.max(self.head.recorded_at).max(self.clock.now());
        let mut head = Head { recorded_at, ..stands };
        if work.iter().any(Work::erases) {
            scrub::leave_nothing(connection)?;
        }
        let mut outcomes = Vec::with_capacity(work.len());
        let mut held = Held::new(Epochs::Standing);
        for one in work {
            outcomes.push(match one {
                Work::Append(group, _) => {
                    Outcome::Append(batch::store(connection, &mut self.rows, &mut held, &mut head, group)?)
                }
                Work::Aside(Aside::Beside(write), _) => Outcome::Aside(write(connection)?),
                Work::Aside(Aside::AtHead(write), _) => Outcome::Aside(write(connection, &mut head)?),
            });
        }
        held.finish(connection, &mut self.rows)?;
        self.batches += 1;
        if self.batches.is_multiple_of(TIDY_EVERY) {
            batch::tidy(connection, head.recorded_at)?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        // Of what is written beside the log no time is told to anybody, so it does not bind what is.
        let beside = work.iter().all(|one| matches!(one, Work::Aside(Aside::Beside(_), _)));
        let recorded_at = if beside { stands.recorded_at.max(self.head.recorded_at) } else { head.recorded_at };
        self.head = Head { recorded_at, ..head };
        Ok(outcomes)
    }
}

fn read_head(connection: &Connection) -> rusqlite::Result<Head> {
    let sql = "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1";
    let found = connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((position, recorded_at)) = found else { return Ok(Head::default()) };
    let settings = batch::standing(connection, StreamId::settings())?;
    Ok(Head { position, recorded_at: Timestamp::from_millis(recorded_at), settings })
}
