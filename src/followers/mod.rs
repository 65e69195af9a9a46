//! What is done after the fact, by one node at a time: what follows from events and needs no answer.
//!
//! A follower must bear that something is done twice: it may die between the deed and the note of it, and whoever was
//! paused finds out late that another has its turn.

pub mod attempts;
pub mod background;
pub mod expiry;
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
pub(crate) struct Lease {
    turn: Turn,
    /// Until when it is ours, as far as we know; none while it is somebody else's.
    until: Option<Instant>,
}

impl Lease {
    fn new(turn: Turn) -> Self {
        Self { turn, until: None }
    }

    /// Takes or keeps it, well before its end.
    async fn hold(&mut self, log: &dyn Log, name: &str) -> Result<bool, LogFault> {
        let third = self.turn.lease / 3;
        if self.until.is_some_and(|until| Instant::now() + third * 2 < until) {
            return Ok(true);
        }
        // From before the question on: what the answer takes is not ours.
        let asked = Instant::now();
        self.until = None;
        let ours = log.lease(name, &self.turn.node, self.turn.lease).await?;
        self.until = ours.then(|| asked + self.turn.lease);
        Ok(ours)
    }

    /// Whether it is still ours: a node that was paused finds out here.
    fn stands(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}
