//! This node's loop over batches: one thread, one batch on its way at a time. It takes whatever queued up while the last one
//! was under way, so that the way is shared by everybody who waits for it.
//!
//! While nobody writes here, it sees to what others leave undone ([`super::sequencer`]).
//!
//! Where EventStoreDB or the read store does not answer, or the two don't belong together any more, whoever waits is told so, and
//! who comes is refused at once, until both answer again; before the next batch it is found out what became of the last.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard, oneshot, watch};

use super::apart::Unfit;
use super::follower::Shown;
use super::line::{Line, late};
use super::releases::Keeper;
use super::sequencer::Sequencer;
use super::{Actor, AppendError, Appended, Group, LogFault, Options, Refused, Replica, WriterMetrics, event};
use crate::log::queue::{Queue, Taken, stopped, tell_unstored};

/// What EventStoreDB takes in one append is 1 MiB as it comes; what an event weighs is not underestimated.
const LARGEST: usize = 1_000 * 1_024;
/// Between two attempts to find out how things stand.
const AGAIN: Duration = Duration::from_millis(250);

/// Whoever stops waits so long for what was reserved to be released.
const RELEASED: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    queue: Arc<Queue<Work>>,
    away: Arc<Away>,
    /// Held while a batch is under way.
    turn: Arc<Mutex<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why batches can't be stored, while they can't.
struct Away(std::sync::Mutex<Option<LogFault>>);

impl Away {
    fn why(&self) -> Option<LogFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers what was said before.
    fn say(&self, why: Option<LogFault>) -> Option<LogFault> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), why)
    }
}

struct Work {
    group: Box<Group>,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Writer {
    /// Where it is known that EventStoreDB is away, nothing is accepted until it is back.
    pub(super) fn start(
        options: &Options,
        replica: Arc<dyn Replica>,
        metrics: Arc<dyn WriterMetrics>,
        aside: Arc<Line>,
        shown: watch::Receiver<Shown>,
        away: Option<LogFault>,
    ) -> Result<Self, LogFault> {
        let unstarted = |error: std::io::Error| LogFault::Unavailable(format!("the writer did not start: {error}"));
        let queue = Arc::new(Queue::new(options.queue));
        let (away, turn) = (Arc::new(Away(away.into())), Arc::new(Mutex::new(())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unstarted)?;
        let (sequencer, keeper) = Sequencer::new(options, replica, aside, turn.clone(), shown)?;
        let looped = Loop {
            queue: queue.clone(),
            sequencer,
            max_batch: options.max_batch.max(1),
            patience: options.commit_timeout,
            away: away.clone(),
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || runtime.block_on(looped.beside(keeper)))
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
        self.away.why().map_or(Ok(()), Err)
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
            Err(_) => Err(self.away.why().unwrap_or_else(stopped).into()),
        }
    }
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
    away: Arc<Away>,
    metrics: Arc<dyn WriterMetrics>,
}

impl Drop for Loop {
    /// However the loop ended, nobody is left to wait for it: what still queues is answered, what comes is refused.
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl Loop {
    /// What batches reserved is released beside them.
    async fn beside(self, keeper: Keeper) {
        let released = tokio::spawn(keeper.run());
        self.run().await;
        // What is not released by now is swept by another node, or by the next start.
        let _ = tokio::time::timeout(RELEASED, released).await;
    }

    async fn run(mut self) {
        // What a node left that was stopped in the middle is done before the first batch, or when it is looked for.
        if self.away.why().is_some() {
            self.heal().await;
        }
        let queue = self.queue.clone();
        loop {
            // Whoever writes does not wait for a look to end.
            tokio::select! {
                biased;
                taken = queue.next(self.max_batch) => {
                    let Some(Taken { work, depth }) = taken else { return };
                    self.metrics.queued(depth);
                    for portion in portions(work) {
                        self.process(portion).await;
                    }
                }
                unfit = self.sequencer.watch() => {
                    let fault = unfit.fault();
                    tracing::error!(%fault, "nothing can be stored for now");
                    self.away.say(Some(fault));
                    self.heal().await;
                }
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
                // What is damaged may be one group's matter, or that of all that are to come.
                let fault = match fault {
                    LogFault::Damaged(_) => self.recovered().await.err().map_or(fault, Unfit::fault),
                    fault => fault,
                };
                tell_unstored(&fault, groups.len());
                self.metrics.failed(groups.len());
                let away = matches!(fault, LogFault::Unavailable(_));
                self.away.say(away.then(|| fault.clone()));
                for reply in replies {
                    let _ = reply.send(Err(fault.clone().into()));
                }
                if away {
                    self.heal().await;
                }
            }
        }
    }

    /// Refuses whoever waits until it is known how things stand, and both stores belong together.
    async fn heal(&mut self) {
        loop {
            if self.away.why().is_some() {
                self.queue.forget();
            }
            // Whoever stops does not wait for what may be gone.
            let recovered = tokio::select! {
                recovered = self.sequencer.recovered() => recovered,
                () = self.queue.closed() => break,
            };
            let Err(unfit) = recovered else { break };
            let fault = unfit.fault();
            let said = self.away.say(Some(fault.clone()));
            if said.is_none_or(|said| said.to_string() != fault.to_string()) {
                tracing::error!(%fault, "nothing can be stored for now");
            }
            let _ = tokio::time::timeout(AGAIN, self.queue.closed()).await;
        }
        if self.away.say(None).is_some() && !self.queue.is_closed() {
            tracing::info!("the stream and the read store are as one again; what comes is stored");
        }
    }

    async fn recovered(&mut self) -> Result<(), Unfit> {
        self.sequencer.recovered().await
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
