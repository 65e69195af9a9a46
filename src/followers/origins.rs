//! Forgets where guests came from, once it has been kept for as long as was configured.

use std::sync::Arc;
use std::time::Duration;

use chrysalis_domain::{Span, Timestamp};

use super::Lease;
use super::in_turn::InTurn;
use crate::clock::Clock;
use crate::log::origins::kept_before;
use crate::log::{Log, LogFault, Position};

/// Rows that go at a time: a moment of the writer's, and others come in between.
const AT_A_TIME: usize = 1_000;
/// How often to look.
const LOOK: Duration = Duration::from_secs(2);

pub struct Forgetful {
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub keep: Span,
}

impl Forgetful {
    fn before(&self) -> Timestamp {
        self.clock.now() - self.keep
    }
}

impl InTurn for Forgetful {
    const NAME: &'static str = "origins";
    const AFTER_FAULT: Duration = LOOK;
    const STANDS_STILL: &'static str = "where guests came from is kept for longer than configured; it is tried again";
    const ASIDE: Option<Duration> = Some(LOOK);

    /// A node that finds nothing to do takes no turn.
    async fn wants_turn(&mut self, _lease: &Lease, _head: Position) -> Result<bool, LogFault> {
        kept_before(self.log.as_ref(), self.before()).await
    }

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        let before = self.before();
        while lease.stands() && self.log.forget_origins(before, AT_A_TIME).await? > 0 {}
        lease.release().await?;
        Ok(LOOK)
    }
}
