//! This node's loop over batches: one thread, one batch on its way at a time. It takes whatever queued up while the last one
//! was under way, so that the way is shared by everybody who waits for it.
//!
//! Where EventStoreDB or the read store does not answer, whoever waits is told so, and who comes is refused at once, until
//! both answer again; before the next batch it is found out what became of the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::ledger::{Ledger, Offered, late};
use super::staged::{self, Batch};
use super::{Actor, AppendError, Appended, Group, LogFault, Options, Position, Refused, Replica, WriterMetrics, event};
use crate::log::queue::{Queue, Taken, stopped, tell_unstored};

/// What EventStoreDB takes in one append is 1 MiB as it comes; what an event weighs is not underestimated.
const LARGEST: usize = 1_000 * 1_024;
/// How often a batch is judged anew because another node's came first.
const ATTEMPTS: usize = 16;
/// Between two attempts to find out how things stand.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) struct Writer {
    queue: Arc<Queue<Work>>,
    away: Arc<AtomicBool>,
    /// Held while a batch is under way.
    turn: Arc<Mutex<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Work {
    group: Box<Group>,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

type Verdicts = Vec<Result<Appended, Refused>>;

impl Writer {
    pub(super) fn start(
        options: &Options,
        replica: Arc<dyn Replica>,
        metrics: Arc<dyn WriterMetrics>,
    ) -> Result<Self, LogFault> {
        let unstarted = |error: std::io::Error| LogFault::Unavailable(format!("the writer did not start: {error}"));
        let queue = Arc::new(Queue::new(options.queue));
        let (away, turn) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unstarted)?;
        let looped = Loop {
            queue: queue.clone(),
            sequencer: Sequencer { ledger: Ledger::new(options)?, replica, turn: turn.clone(), certain: false },
            max_batch: options.max_batch.max(1),
            patience: options.commit_timeout,
            away: away.clone(),
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || runtime.block_on(looped.run()))
            .map_err(unstarted)?;
        Ok(Self { queue, away, turn, thread: Some(thread) })
    }

    /// Groups that somebody waits for.
    pub(super) fn queued(&self) -> usize {
        self.queue.waiting()
    }

    /// Between two batches: none of this node's is under way while it is held.
    pub(super) async fn between(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// # Errors
    /// At once, while batches can't be stored.
    pub(super) fn alive(&self) -> Result<(), LogFault> {
        if self.away.load(Ordering::Relaxed) { Err(silent()) } else { Ok(()) }
    }

    pub(super) async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        self.alive()?;
        if weight(&group) > LARGEST {
            return Err(AppendError::Refused(Refused::TooLarge));
        }
        let (reply, answer) = oneshot::channel();
        let lane = group.lane;
        self.queue.push(lane, group.weight(), Work { group: Box::new(group), reply })?;
        match answer.await {
            Ok(stored) => stored,
            Err(_) if self.away.load(Ordering::Relaxed) => Err(silent().into()),
            Err(_) => Err(stopped().into()),
        }
    }
}

fn silent() -> LogFault {
    LogFault::Unavailable("EventStoreDB does not answer; Chrysalis looks for it again and again".to_owned())
}

impl Drop for Writer {
    /// Stores what was accepted, then ends. Bounded: where EventStoreDB is gone, what waits is refused.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has answered everybody with a fault already.
            let _ = thread.join();
        }
    }
}

struct Loop {
    queue: Arc<Queue<Work>>,
    sequencer: Sequencer,
    max_batch: usize,
    patience: Duration,
    away: Arc<AtomicBool>,
    metrics: Arc<dyn WriterMetrics>,
}

impl Drop for Loop {
    /// However the loop ended, nobody is left to wait for it: what still queues is answered, what comes is refused.
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl Loop {
    async fn run(mut self) {
        // What a node left that was stopped in the middle.
        if matches!(self.recovered().await, Err(LogFault::Unavailable(_))) {
            self.heal().await;
        }
        while let Some(Taken { work, depth }) = self.queue.next(self.max_batch).await {
            self.metrics.queued(depth);
            for portion in portions(work) {
                self.process(portion).await;
            }
        }
    }

    /// Stores a batch and answers everybody in it.
    async fn process(&mut self, work: Vec<Work>) {
        let begun = Instant::now();
        let (groups, replies): (Vec<Group>, Vec<_>) = work.into_iter().map(|work| (*work.group, work.reply)).unzip();
        let groups = Arc::new(groups);
        let settled = tokio::time::timeout(self.patience, self.sequencer.settle(&groups)).await;
        match settled.unwrap_or_else(|_| Err(late())) {
            Ok(verdicts) => {
                let events = verdicts.iter().flatten().map(|stored| stored.last + 1 - stored.first).sum();
                if events > 0 {
                    self.metrics.committed(groups.len(), events, begun.elapsed());
                }
                for (reply, verdict) in replies.into_iter().zip(verdicts) {
                    // Nobody may be waiting any more: what is stored is stored.
                    let _ = reply.send(verdict.map_err(AppendError::Refused));
                }
            }
            // One of them stands in its own way: that must not cost the others.
            Err(LogFault::Bug(_)) if groups.len() > 1 => {
                for (group, reply) in groups.iter().cloned().zip(replies) {
                    Box::pin(self.process(vec![Work { group: Box::new(group), reply }])).await;
                }
            }
            Err(fault) => {
                tell_unstored(&fault, groups.len());
                self.metrics.failed(groups.len());
                let away = matches!(fault, LogFault::Unavailable(_));
                self.away.store(away, Ordering::Relaxed);
                for reply in replies {
                    let _ = reply.send(Err(fault.clone().into()));
                }
                if away {
                    self.heal().await;
                }
            }
        }
    }

    /// Refuses whoever waits until it is known how things stand.
    async fn heal(&mut self) {
        self.away.store(true, Ordering::Relaxed);
        loop {
            self.queue.forget();
            match self.recovered().await {
                Err(LogFault::Unavailable(_)) if !self.queue.is_closed() => tokio::time::sleep(AGAIN).await,
                // What is damaged is told to whoever comes.
                _ => break,
            }
        }
        self.away.store(false, Ordering::Relaxed);
    }

    async fn recovered(&mut self) -> Result<(), LogFault> {
        let recovered = tokio::time::timeout(self.patience, self.sequencer.recover()).await;
        recovered.unwrap_or_else(|_| Err(silent()))
    }
}

/// A batch, in as many parts as appends take.
fn portions(work: Vec<Work>) -> Vec<Vec<Work>> {
    let (mut portions, mut size): (Vec<Vec<Work>>, _) = (Vec::new(), 0);
    for work in work {
        let weight = weight(&work.group);
        match portions.last_mut() {
            Some(portion) if size + weight <= LARGEST => {
                size += weight;
                portion.push(work);
            }
            _ => {
                size = weight;
                portions.push(vec![work]);
            }
        }
    }
    portions
}

fn weight(group: &Group) -> usize {
    let Actor { id, by, impersonator, .. } = &group.context.actor;
    let actor = [id, by, impersonator].into_iter().flatten().map(String::len).sum();
    let events = group.appends.iter().flat_map(|append| append.events.iter().map(|event| (&append.stream, event)));
    events
        .map(|(stream, event)| event::weight(event.event_type, stream, actor, event.sealed.len(), event.body.len()))
        .sum()
}

/// Brings batches into the log and the read store, one behind the other.
struct Sequencer {
    ledger: Ledger,
    replica: Arc<dyn Replica>,
    turn: Arc<Mutex<()>>,
    /// The read store has all that stands in the log, as far as this node knows.
    certain: bool,
}

impl Sequencer {
    async fn settle(&mut self, groups: &Arc<Vec<Group>>) -> Result<Verdicts, LogFault> {
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        if !self.certain {
            self.recover().await?;
        }
        let replica = self.replica.clone();
        let replica = replica.as_ref();
        for _ in 0..ATTEMPTS {
            let verdicts = replica.rehearse(groups.clone()).await?;
            let Some(batch) = Batch::of(groups, &verdicts) else { return Ok(verdicts) };
            // Whoever breaks off from here on leaves it unknown.
            self.certain = false;
            batch.stage(replica).await?;
            if self.ledger.append(batch.act.after, &batch.events).await? == Offered::Stand {
                // Another node may have found it there, and stored it.
                replica.perform(batch.act).await?;
                self.certain = true;
                return Ok(verdicts);
            }
            batch.unstage(replica).await?;
            self.recover().await?;
        }
        // Sixteen batches of others in a row were faster.
        Err(LogFault::Unavailable("the log is under a storm of other nodes".to_owned()))
    }

    async fn recover(&mut self) -> Result<(), LogFault> {
        recover(&self.ledger, self.replica.as_ref()).await?;
        self.certain = true;
        Ok(())
    }
}

/// Stores what stands in the log and the read store lacks: a batch that somebody broke off in.
///
/// # Errors
/// [`LogFault::Damaged`] where both don't belong together.
pub(super) async fn recover(ledger: &Ledger, replica: &dyn Replica) -> Result<(), LogFault> {
    loop {
        let end = replica.end().await?;
        let Some(first) = ledger.id_behind(end).await? else {
            if end > 0 && ledger.id_behind(end - 1).await?.is_none() {
                return Err(cut(end));
            }
            return Ok(());
        };
        match staged::find(replica, first).await? {
            // Whoever is faster: it is stored once.
            Some(act) if act.after == end => drop(replica.perform(act).await?),
            _ if replica.end().await? != end => {}
            _ => {
                return Err(LogFault::Damaged(format!(
                    "the event at position {} of the log's stream was not offered by way of this read store: \
                     another one, or an older copy of this one, is used with the same stream",
                    end + 1
                )));
            }
        }
    }
}

/// What is said of a stream that is shorter than the read store.
pub(super) fn cut(end: Position) -> LogFault {
    LogFault::Damaged(format!(
        "the log's stream ends before position {end}, which the read store has: it is another stream, or was cut off"
    ))
}
