//! Does what was asked for once and takes long, a stretch at a time. What a stretch did is an event, so whoever takes the turn
//! goes on behind it.

use std::fmt::Display;
use std::time::Duration;

use super::Lease;
use super::in_turn::InTurn;
use crate::app::App;
use crate::log::{LogFault, Position};

pub struct Jobs {
    pub app: App,
}

impl InTurn for Jobs {
    const NAME: &'static str = "jobs";
    const AFTER_FAULT: Duration = Duration::from_secs(1);

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        Ok(match self.app.work().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => lease.third(),
            Err(fault) => {
                say(&fault);
                Self::AFTER_FAULT
            }
        })
    }

    fn woken_after(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn stands_still(&mut self, fault: &LogFault, _lease: &Lease) {
        say(fault);
    }
}

fn say(fault: &dyn Display) {
    tracing::warn!(%fault, "jobs stand still; they will be gone on with");
}
