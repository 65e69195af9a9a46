//! What is done after the fact, by one node at a time: what follows from events and needs no answer.
//!
//! How they take turns is in [`in_turn`]; what each does, in a file of its own. A follower must bear that something is done
//! twice: it may die between the deed and the note of it, and whoever was paused finds out late that another has its turn.

pub mod attempts;
pub mod background;
pub mod beginning;
pub mod expiry;
pub mod in_turn;
pub mod invitations;
pub mod jobs;
pub mod mail;
pub mod models;
pub mod origins;
pub mod proof;
pub mod search;
pub mod strangers;
pub mod traces;
pub mod unrecorded;
pub mod watch;
pub mod webhooks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log::{Log, LogFault};

/// What followers tell an operator.
pub trait FollowerMetrics: Send + Sync {
    /// What waits to be done; none where another node has the turn.
    fn waiting(&self, follower: &'static str, waiting: Option<u64>);
}

/// How a node follows.
#[derive(Clone)]
pub struct Turn {
    /// Names this node among those that share the log.
    pub node: String,
    /// How long a node that stops without a word keeps the others from taking its place.
    pub lease: Duration,
    pub metrics: Arc<dyn FollowerMetrics>,
}

/// The turn of one follower on this node.
pub struct Lease {
    name: &'static str,
    log: Arc<dyn Log>,
    turn: Turn,
    /// Until when it is ours, as far as we know; none while it is somebody else's.
    until: Option<Instant>,
}

impl Lease {
    fn new(name: &'static str, log: Arc<dyn Log>, turn: Turn) -> Self {
        Self { name, log, turn, until: None }
    }

    /// Takes or keeps it, well before its end.
    async fn hold(&mut self) -> Result<bool, LogFault> {
        if self.until.is_some_and(|until| Instant::now() + self.third() * 2 < until) {
            return Ok(true);
        }
        // From before the question on: what the answer takes is not ours.
        let asked = Instant::now();
        self.until = None;
        let ours = self.log.lease(self.name, &self.turn.node, self.turn.lease).await?;
        self.until = ours.then(|| asked + self.turn.lease);
        Ok(ours)
    }

    /// Whether it is still ours: a node that was paused finds out here.
    fn stands(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Hands it on before its end.
    async fn release(&mut self) -> Result<(), LogFault> {
        self.until = None;
        self.log.release(self.name, &self.turn.node).await
    }

    fn third(&self) -> Duration {
        self.turn.lease / 3
    }

    /// Tells an operator what waits to be done; none where another node has the turn.
    fn waiting(&self, waiting: Option<u64>) {
        self.turn.metrics.waiting(self.name, waiting);
    }
}
