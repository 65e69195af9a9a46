//! The loop that followers share: find out whether there is anything to do, take the turn, do it, and pause until there may be
//! more. That one node at a time is at it, that a fault of the store is left alone for a while and is told once as long as it
//! lasts, and that whoever stops hands its turn on at once is said here; what is done, and how often to look, each follower
//! says of itself.

use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{Lease, Turn};
use crate::log::{Log, LogFault, Position};
use crate::outage::Outage;

/// What is done by one node at a time.
pub trait InTurn: Send {
    /// Names the lease, and whatever else is kept of it, so it is for ever.
    const NAME: &'static str;
    /// How long to leave a fault of the store alone.
    const AFTER_FAULT: Duration;
    /// What an operator is told when nothing is done because of one.
    const STANDS_STILL: &'static str;
    /// How often to look while another node has the turn; where nothing is said, three times in the span of a lease.
    const ASIDE: Option<Duration> = None;

    /// Does what every node does, whoever has the turn. Whether there is anything to have it for.
    fn wants_turn(&mut self, _lease: &Lease, _head: Position) -> impl Future<Output = Result<bool, LogFault>> + Send {
        ready(Ok(true))
    }

    /// Does what is due, or some of it; answers how long to pause unless something wakes it.
    fn turn(&mut self, lease: &mut Lease, head: Position) -> impl Future<Output = Result<Duration, LogFault>> + Send;

    /// How long events may gather that wake it; none where it goes by the clock alone.
    fn woken_after(&self) -> Option<Duration> {
        None
    }

    /// There is no turn now: what is known here may be old when there is one.
    fn stands_aside(&mut self, _lease: &Lease) {}

    /// Nothing is done for now: what was written last nobody knows.
    fn stands_still(&mut self, _lease: &Lease) {}

    /// What is done last, before the turn is handed on.
    fn end(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// Follows until `stop` turns true; of the nodes that share a log, one at a time.
pub async fn follow<F: InTurn>(mut follower: F, log: Arc<dyn Log>, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut head = log.head();
    let mut lease = Lease::new(F::NAME, log, turn);
    let outage = Outage::new();
    while !*stop.borrow() {
        let upto = *head.borrow_and_update();
        let pause = match go_on(&mut follower, &mut lease, upto).await {
            Ok(pause) => {
                if let Some(times) = outage.ends() {
                    tracing::info!(follower = F::NAME, times, "what stood still goes on");
                }
                pause
            }
            Err(fault) => {
                follower.stands_still(&lease);
                if outage.meets(&fault.to_string()) {
                    tracing::warn!(%fault, follower = F::NAME, "{}", F::STANDS_STILL);
                }
                F::AFTER_FAULT
            }
        };
        if !pause.is_zero() {
            tokio::select! {
                () = sleep(pause) => {}
                () = woken(&mut head, follower.woken_after()) => {}
                _ = stop.changed() => {}
            }
        }
    }
    follower.end().await;
    let _ = lease.release().await;
}

async fn go_on<F: InTurn>(follower: &mut F, lease: &mut Lease, head: Position) -> Result<Duration, LogFault> {
    if follower.wants_turn(lease, head).await? && lease.hold().await? {
        return follower.turn(lease, head).await;
    }
    follower.stands_aside(lease);
    Ok(F::ASIDE.unwrap_or(lease.third()))
}

/// Done when something happened, and more of it could gather.
async fn woken(head: &mut watch::Receiver<Position>, gather: Option<Duration>) {
    match gather {
        Some(gather) if head.changed().await.is_ok() => sleep(gather).await,
        _ => pending().await,
    }
}
