//! What reads the log after the fact.
//!
//! A follower sees every event it cares for once it is committed, in order, and remembers how far it came. What it does
//! must bear being done twice: it may die between the deed and the note of it.

pub mod mail;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::log::{Log, LogFault, Position, Recorded};

/// Events handed to a follower at a time.
const PAGE: usize = 512;
/// Positions without anything of interest after which it is noted how far a follower looked.
const NOTE_EVERY: Position = 4_096;
/// Between two looks: when the log grows fast, one look serves many events, and nobody waits for a follower by the
/// millisecond.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// How long to leave a fault alone before trying again.
const AFTER_FAULT: Duration = Duration::from_secs(1);

#[async_trait]
pub trait Follower: Send + Sync {
    /// Names its checkpoint, so it is for ever.
    fn name(&self) -> &'static str;

    /// The types of events it cares for.
    fn types(&self) -> &'static [&'static str];

    async fn handle(&self, event: &Recorded) -> Result<(), FollowerError>;
}

/// The follower could not do its work; it will be asked again.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error("{0}")]
    Other(String),
}

/// What followers tell an operator.
pub trait FollowerMetrics: Send + Sync {
    /// Events that a follower has not looked at yet; none where another node has the turn.
    fn lag(&self, follower: &'static str, events: Option<u64>);
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

/// Follows until `stop` turns true; of the nodes that share a log, one at a time.
pub async fn follow(log: Arc<dyn Log>, follower: Arc<dyn Follower>, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut head = log.head();
    let mut place = None;
    let mut lease = Lease::new(turn);
    while !*stop.borrow() {
        let seen = *head.borrow_and_update();
        let pause = match lease.hold(log.as_ref(), follower.name()).await {
            Ok(true) => match catch_up(log.as_ref(), follower.as_ref(), &mut place, seen, &lease, &stop).await {
                Ok(()) => None,
                Err(error) => Some(stands_still(follower.as_ref(), &error)),
            },
            // Somebody else acts. Where they come to, they have noted.
            Ok(false) => {
                place = None;
                Some(lease.turn.lease / 3)
            }
            Err(error) => Some(stands_still(follower.as_ref(), &error.into())),
        };
        let behind = |place: &Place| head.borrow().saturating_sub(place.looked);
        let lag = lease.stands().then(|| place.as_ref().map_or(0, behind));
        lease.turn.metrics.lag(follower.name(), lag);
        if pause.is_some() {
            place = None;
        }
        let wait = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // Something new, after a moment; or time to keep the lease.
                None => {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    let _ = tokio::time::timeout(lease.turn.lease / 3, head.changed()).await;
                }
            }
        };
        tokio::select! {
            () = wait => {}
            _ = stop.changed() => {}
        }
    }
    // Another may take its place at once. Where the store is gone, it waits for the lease to end.
    let _ = log.release(follower.name(), &lease.turn.node).await;
}

fn stands_still(follower: &dyn Follower, error: &FollowerError) -> Duration {
    tracing::warn!(follower = follower.name(), %error, "a follower stands still; it will try again");
    AFTER_FAULT
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

/// How far a follower has come.
struct Place {
    /// As noted in the store: where it starts again after a crash.
    noted: Position,
    /// As looked at: nothing of interest lies between the two.
    looked: Position,
}

async fn catch_up(
    log: &dyn Log,
    follower: &dyn Follower,
    place: &mut Option<Place>,
    head: Position,
    lease: &Lease,
    stop: &watch::Receiver<bool>,
) -> Result<(), FollowerError> {
    let name = follower.name();
    let place = match place {
        Some(place) => place,
        None => {
            let noted = log.checkpoint(name).await?;
            place.insert(Place { noted, looked: noted })
        }
    };
    while place.looked < head && lease.stands() && !*stop.borrow() {
        let events = log.read_types(follower.types(), place.looked, head, PAGE).await?;
        for event in &events {
            if !lease.stands() {
                // What is left is another's, or ours again after the next asking.
                return Ok(());
            }
            follower.handle(event).await?;
        }
        // A short page means that nothing of interest is left up to the head.
        place.looked = if events.len() < PAGE { head } else { events.last().map_or(head, |event| event.position) };
        // To note that nothing happened can wait: looking again is cheap, a write for every event of others is not.
        let worth_noting = !events.is_empty() || place.looked - place.noted >= NOTE_EVERY;
        if worth_noting {
            // If somebody else moved the checkpoint, this node was paused and another took its place: what both did was
            // done twice without harm, and this one goes on from where the other is.
            let moved = log.advance(name, place.noted, place.looked).await?;
            place.noted = if moved { place.looked } else { log.checkpoint(name).await? };
            place.looked = place.looked.max(place.noted);
        }
    }
    Ok(())
}
