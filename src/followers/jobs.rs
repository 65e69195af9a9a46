//! Does what was asked for once and takes long, a stretch at a time. What a stretch did is an event, so whoever takes the turn
//! goes on behind it.

use std::time::Duration;

use super::Lease;
use super::in_turn::InTurn;
use crate::app::{App, AppError};
use crate::log::{LogFault, Position};

pub struct Jobs {
    pub app: App,
}

impl InTurn for Jobs {
    const NAME: &'static str = "jobs";
    const AFTER_FAULT: Duration = Duration::from_secs(1);
    const STANDS_STILL: &'static str = "jobs stand still; they will be gone on with";

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        match self.app.work().await {
            Ok(true) => Ok(Duration::ZERO),
            Ok(false) => Ok(lease.third()),
            Err(AppError::Fault(fault)) => Err(fault),
            Err(error) => Err(LogFault::Unavailable(error.to_string())),
        }
    }

    fn woken_after(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}
