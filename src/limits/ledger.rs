//! Several ceilings counted together: a hit counts against all of them or none.

use std::sync::Arc;

use chrysalis_domain::Timestamp;

use super::key::Seed;
use super::rules::{By, Ceiling};
use super::window::{ExactWindows, Hit};
use super::{Caller, RetryAfter};

/// The exact counters of one rule or budget.
pub(super) struct Ledger {
    lines: Vec<(By, Arc<ExactWindows>)>,
    seed: Seed,
}

/// A place taken in a budget before the outcome is known.
///
/// Kept (also by merely dropping it, as when the caller hangs up) it counts as a bad outcome, so that attempts made at once
/// can't exceed the budget between them. After a good outcome, give it back with [`Reservation::refund`].
#[must_use = "an outcome that was not bad must be refunded"]
#[derive(Default)]
pub struct Reservation(Vec<(Arc<ExactWindows>, Hit)>);

impl Ledger {
    pub(super) fn new(ceilings: Vec<Ceiling>, capacity: usize, seed: Seed) -> Self {
        let windows = |line: &Ceiling| Arc::new(ExactWindows::new(line.limit, line.span, capacity));
        Self { lines: ceilings.iter().map(|line| (line.by, windows(line))).collect(), seed }
    }

    /// Counts one hit everywhere, or nowhere.
    pub(super) fn reserve(&self, caller: &Caller<'_>, now: Timestamp) -> Result<Reservation, RetryAfter> {
        let mut taken = Reservation(Vec::with_capacity(self.lines.len()));
        for (by, windows) in &self.lines {
            let Some(key) = caller.key(*by, &self.seed) else { continue };
            match windows.check(key, 1, now) {
                Ok(hit) => taken.0.push((Arc::clone(windows), hit)),
                Err(refusal) => {
                    taken.refund();
                    return Err(refusal);
                }
            }
        }
        Ok(taken)
    }
}

impl Reservation {
    /// The outcome was not bad: nothing is counted.
    pub fn refund(self) {
        for (windows, hit) in self.0 {
            windows.refund(hit);
        }
    }

    /// The outcome was bad: it stays counted.
    pub fn keep(self) {}
}
