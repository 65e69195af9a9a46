//! Has the log signed: grows the tree over it by what is new, and signs a checkpoint, at most once in so many seconds. Of two
//! who do it at once, one is late ([`crate::proof`]).
//!
//! Nothing is signed that does not add to what was signed before. Each time some events that the tree took in long ago are
//! read again. Once the log is not what was signed, nothing more is, by whatever node: that is said in the log and in the
//! metrics, until somebody has set it right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Lease;
use super::in_turn::InTurn;
use crate::entropy::{self, Entropy};
use crate::log::{LogFault, Position, Store};
use crate::proof::{Prover, ProverFault};

/// How often to say that the log is not what was signed.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// How often to look whether anything is due, while nothing happens.
const LOOK: Duration = Duration::from_secs(2);
/// Most rests after one piece of work: whatever the load, a twentieth of the time is for hashing.
const RESTS: u32 = 19;

/// What an operator is told.
pub trait ProofMetrics: Send + Sync {
    /// So many events are signed.
    fn signed(&self, size: u64);

    /// Whether the log is not what was signed.
    fn forked(&self, forked: bool);
}

/// Whoever has the log signed.
pub struct Notary {
    prover: Prover,
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    /// How long to wait after one checkpoint for the next.
    every: Duration,
    metrics: Arc<dyn ProofMetrics>,
    /// What the next checkpoint is about, once it is due.
    goal: Option<Position>,
    due: Instant,
    /// How many events are signed, as far as is known; none before the first look.
    signed: Option<u64>,
    told: Option<Instant>,
}

enum Step {
    More,
    Done,
}

impl InTurn for Notary {
    const NAME: &'static str = "proof";
    const AFTER_FAULT: Duration = Duration::from_secs(1);
    const STANDS_STILL: &'static str = "checkpoints of the log wait; they go on when the fault is gone";

    async fn turn(&mut self, lease: &mut Lease, head: Position) -> Result<Duration, LogFault> {
        let begun = Instant::now();
        match self.round(head).await {
            Ok(Step::More) => {
                tokio::time::sleep(rest(begun.elapsed(), self.store.queued())).await;
                Ok(Duration::ZERO)
            }
            Ok(Step::Done) => {
                lease.waiting(self.prover.size().map(|size| head.saturating_sub(size)));
                Ok(self.pause().min(lease.third()))
            }
            Err(ProverFault::Fork(fork)) => {
                self.metrics.forked(true);
                if self.told.is_none_or(|told| told.elapsed() >= SAY_AGAIN) {
                    tracing::error!(%fork, "THE LOG IS NOT WHAT WAS SIGNED; nothing more is signed; run `chrysalis verify`");
                    self.told = Some(Instant::now());
                }
                self.forget();
                self.due = Instant::now() + LOOK;
                Ok(LOOK.min(lease.third()))
            }
            Err(ProverFault::Log(fault)) => Err(fault),
        }
    }

    /// What comes before the next checkpoint is due is taken in then: many batches at once.
    fn woken_after(&self) -> Option<Duration> {
        (self.due <= Instant::now()).then_some(Duration::ZERO)
    }

    fn stands_aside(&mut self, lease: &Lease) {
        lease.waiting(None);
        self.forget();
    }

    fn stands_still(&mut self, _lease: &Lease) {
        self.forget();
    }
}

/// How long to leave the machine to those who wait to be stored: as long again as was worked, for each of them. Nobody waits
/// for a checkpoint.
fn rest(worked: Duration, waiting: usize) -> Duration {
    worked * u32::try_from(waiting).unwrap_or(RESTS).min(RESTS)
}

impl Notary {
    pub fn new(
        prover: Prover,
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
        every: Duration,
        metrics: Arc<dyn ProofMetrics>,
    ) -> Self {
        let due = Instant::now();
        Self { prover, store, entropy, every, metrics, goal: None, due, signed: None, told: None }
    }

    async fn round(&mut self, head: Position) -> Result<Step, ProverFault> {
        let new = self.signed.is_none_or(|signed| signed < head);
        if self.goal.is_none() && !(new && self.due <= Instant::now()) {
            return Ok(Step::Done);
        }
        let goal = *self.goal.get_or_insert(head);
        let prover = &mut self.prover;
        if prover.take_in(goal).await? {
            return Ok(Step::More);
        }
        let signed = prover.sign().await?;
        self.goal = None;
        self.due = Instant::now() + self.every;
        self.signed = prover.size();
        if let Some(signed) = signed {
            self.metrics.signed(signed.size);
            self.look_back(signed.size).await?;
        }
        self.told = None;
        self.metrics.forked(false);
        Ok(Step::Done)
    }

    /// Looks at some events of any time.
    async fn look_back(&mut self, size: u64) -> Result<(), ProverFault> {
        let chance = u64::from_le_bytes(entropy::bytes(self.entropy.as_ref()));
        self.prover.look_again(chance % size.max(1) + 1).await
    }

    /// Until when nothing is to be done, whatever happens.
    fn pause(&self) -> Duration {
        let wait = self.due.saturating_duration_since(Instant::now());
        if wait.is_zero() { LOOK } else { wait }
    }

    /// What is known may be old: look again first.
    fn forget(&mut self) {
        self.prover.forget();
        (self.goal, self.signed) = (None, None);
    }
}
