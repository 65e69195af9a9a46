//! Has the log signed: grows the tree over it by what is new, and signs a checkpoint, at most once in so many seconds. By one
//! node at a time; of two who do it at once, one is late ([`crate::proof`]).
//!
//! Nothing is signed that does not add to what was signed before. Each time some events that the tree took in long ago are
//! read again. Once the log is not what was signed, nothing more is, by whatever node: that is said in the log and in the
//! metrics, until somebody has set it right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Lease, Turn};
use crate::entropy::{self, Entropy};
use crate::log::{Position, Store};
use crate::proof::{Prover, ProverFault};

/// Names the lease, so it is for ever.
const NAME: &str = "proof";
/// How long to leave a fault alone.
const AFTER_FAULT: Duration = Duration::from_secs(1);
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
    pub prover: Prover,
    pub entropy: Arc<dyn Entropy>,
    /// How long to wait after one checkpoint for the next.
    pub every: Duration,
    pub metrics: Arc<dyn ProofMetrics>,
}

/// Follows until `stop` turns true.
pub async fn follow(notary: Notary, store: Arc<dyn Store>, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut head = store.head();
    let mut lease = Lease::new(turn);
    let mut following = Following { notary, goal: None, due: Instant::now(), signed: None, told: None };
    while !*stop.borrow() {
        let upto = *head.borrow_and_update();
        let begun = Instant::now();
        let pause = match lease.hold(store.as_ref(), NAME).await {
            Ok(true) => match following.round(upto).await {
                Ok(Step::More) => {
                    tokio::time::sleep(rest(begun.elapsed(), store.queued())).await;
                    Duration::ZERO
                }
                Ok(Step::Done) => {
                    let waiting = following.notary.prover.size().map(|size| upto.saturating_sub(size));
                    lease.turn.metrics.waiting(NAME, waiting);
                    following.pause().min(lease.turn.lease / 3)
                }
                Err(ProverFault::Fork(fork)) => {
                    following.notary.metrics.forked(true);
                    if following.told.is_none_or(|told| told.elapsed() >= SAY_AGAIN) {
                        tracing::error!(%fork, "THE LOG IS NOT WHAT WAS SIGNED; nothing more is signed; run `chrysalis verify`");
                        following.told = Some(Instant::now());
                    }
                    following.forget();
                    following.due = Instant::now() + LOOK;
                    LOOK.min(lease.turn.lease / 3)
                }
                Err(ProverFault::Log(fault)) => {
                    tracing::warn!(%fault, "checkpoints of the log wait; they go on when the fault is gone");
                    following.forget();
                    AFTER_FAULT
                }
            },
            Ok(false) => {
                lease.turn.metrics.waiting(NAME, None);
                following.forget();
                lease.turn.lease / 3
            }
            Err(fault) => {
                tracing::warn!(%fault, "whose turn it is to sign the log is not known");
                AFTER_FAULT
            }
        };
        // What comes before the next checkpoint is due is taken in then: many batches at once.
        let listens = following.due <= Instant::now();
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = head.changed(), if listens => {}
                _ = stop.changed() => {}
            }
        }
    }
    let _ = store.release(NAME, &lease.turn.node).await;
}

/// How long to leave the machine to those who wait to be stored: as long again as was worked, for each of them. Nobody waits
/// for a checkpoint.
fn rest(worked: Duration, waiting: usize) -> Duration {
    worked * u32::try_from(waiting).unwrap_or(RESTS).min(RESTS)
}

struct Following {
    notary: Notary,
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

impl Following {
    async fn round(&mut self, head: Position) -> Result<Step, ProverFault> {
        let new = self.signed.is_none_or(|signed| signed < head);
        if self.goal.is_none() && !(new && self.due <= Instant::now()) {
            return Ok(Step::Done);
        }
        let goal = *self.goal.get_or_insert(head);
        let prover = &mut self.notary.prover;
        if prover.take_in(goal).await? {
            return Ok(Step::More);
        }
        let signed = prover.sign().await?;
        self.goal = None;
        self.due = Instant::now() + self.notary.every;
        self.signed = prover.size();
        if let Some(signed) = signed {
            self.notary.metrics.signed(signed.size);
            self.look_back(signed.size).await?;
        }
        self.told = None;
        self.notary.metrics.forked(false);
        Ok(Step::Done)
    }

    /// Looks at some events of any time.
    async fn look_back(&mut self, size: u64) -> Result<(), ProverFault> {
        let chance = u64::from_le_bytes(entropy::bytes(self.notary.entropy.as_ref()));
        self.notary.prover.look_again(chance % size.max(1) + 1).await
    }

    /// Until when nothing is to be done, whatever happens.
    fn pause(&self) -> Duration {
        let wait = self.due.saturating_duration_since(Instant::now());
        if wait.is_zero() { LOOK } else { wait }
    }

    /// What is known may be old: look again first.
    fn forget(&mut self) {
        self.notary.prover.forget();
        (self.goal, self.signed) = (None, None);
    }
}
