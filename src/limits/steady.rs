//! A time that never falls, made of one that may.
//!
//! Windows that look back need such a time: set back by a day, a wall clock would keep every caller out for a day.

use std::sync::atomic::{AtomicI64, Ordering};

use chrysalis_domain::Timestamp;

/// Threads ask the clock and come here in any order; what lies within this is their jostling and no step of the clock.
const JOSTLING: i64 = 5_000;

/// Turns handed-in instants into steady ones. Small steps back stand still until the clock has caught up; a larger one is
/// taken for a correction of the clock, and steady time goes on from where it was.
#[derive(Default)]
pub(super) struct SteadyTime {
    latest: AtomicI64,
    /// Steady minus handed-in, in milliseconds.
    ahead: AtomicI64,
}

impl SteadyTime {
    pub(super) fn at(&self, now: Timestamp) -> Timestamp {
        loop {
            let ahead = self.ahead.load(Ordering::Acquire);
            let steady = now.as_millis().saturating_add(ahead);
            let latest = self.latest.load(Ordering::Acquire);
            if steady > latest {
                // On the hot path this happens once a millisecond; every other call only reads.
                return Timestamp::from_millis(self.latest.fetch_max(steady, Ordering::AcqRel).max(steady));
            }
            if latest - steady <= JOSTLING {
                return Timestamp::from_millis(latest);
            }
            let corrected = ahead.saturating_add(latest - steady);
            // Whoever loses this race looks again.
            let _ = self.ahead.compare_exchange(ahead, corrected, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// The latest instant so far.
    pub(super) fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.latest.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_domain::Span;

    #[test]
    fn small_steps_back_stand_still_and_large_ones_go_on() {
        let time = SteadyTime::default();
        let start = time.at(Timestamp::from_millis(1_000_000));
        let passed = |now| time.at(Timestamp::from_millis(now)).since(start);
        assert_eq!(passed(1_000_250), Span::from_millis(250));
        assert_eq!(passed(1_000_100), Span::from_millis(250));
        assert_eq!(passed(400_000), Span::from_millis(250), "the clock was set back by ten minutes");
        assert_eq!(passed(401_000), Span::from_millis(1_250), "and time goes on");
        assert_eq!(time.latest(), start + Span::from_millis(1_250));
    }
}
