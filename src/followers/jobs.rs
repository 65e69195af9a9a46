//! Does what was asked for once and takes long, a stretch at a time, by one node at a time. What a stretch did is an event,
//! so whoever takes the turn goes on behind it.

use std::time::Duration;

use tokio::sync::watch;

use super::{Lease, Turn};
use crate::app::App;

/// Names the lease, so it is for ever.
const NAME: &str = "jobs";
/// How long to leave a fault of the store alone.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// Works until `stop` turns true; of the nodes that share a log, one at a time.
pub async fn work(app: App, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut head = app.log.head();
    let mut lease = Lease::new(turn);
    while !*stop.borrow() {
        head.borrow_and_update();
        let third = lease.turn.lease / 3;
        let pause = match lease.hold(app.log.as_ref(), NAME).await {
            Ok(true) => match app.work().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => third,
                Err(fault) => told(&fault),
            },
            Ok(false) => third,
            Err(fault) => told(&fault),
        };
        if !pause.is_zero() {
            tokio::select! {
                _ = tokio::time::timeout(pause, head.changed()) => {}
                _ = stop.changed() => {}
            }
        }
    }
    let _ = app.log.release(NAME, &lease.turn.node).await;
}

fn told(fault: &dyn std::fmt::Display) -> Duration {
    tracing::warn!(%fault, "jobs stand still; they will be gone on with");
    AFTER_FAULT
}
