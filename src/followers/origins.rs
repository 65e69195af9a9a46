//! Forgets where guests came from, once it has been kept for as long as was configured: by one node at a time.

use std::sync::Arc;
use std::time::Duration;

use chrysalis_domain::Span;
use tokio::sync::watch;

use super::{Lease, Turn};
use crate::clock::Clock;
use crate::log::origins::kept_before;
use crate::log::{Log, LogFault};

/// Names the lease, so it is for ever.
const NAME: &str = "origins";
/// Rows that go at a time: a moment of the writer's, and others come in between.
const AT_A_TIME: usize = 1_000;
/// How often to look.
const LOOK: Duration = Duration::from_secs(2);

pub struct Forgetful {
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub keep: Span,
}

/// Forgets until `stop` turns true.
pub async fn forget(forgetful: Forgetful, turn: Turn, mut stop: watch::Receiver<bool>) {
    let mut lease = Lease::new(turn);
    while !*stop.borrow() {
        if let Err(fault) = forgetful.round(&mut lease).await {
            tracing::warn!(%fault, "where guests came from is kept for longer than configured; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => {}
        }
    }
}

impl Forgetful {
    async fn round(&self, lease: &mut Lease) -> Result<(), LogFault> {
        let log = self.log.as_ref();
        let before = self.clock.now() - self.keep;
        // Looking is for everybody: a node that finds nothing to do takes no turn.
        if !kept_before(log, before).await? || !lease.hold(log, NAME).await? {
            return Ok(());
        }
        while lease.stands() && log.forget_origins(before, AT_A_TIME).await? > 0 {}
        log.release(NAME, &lease.turn.node).await
    }
}
