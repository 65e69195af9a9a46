//! This node's clock, watched. It may be wrong when a machine starts, and set right a moment later; it may jump at any time.

use std::sync::Arc;

use chrysalis_domain::process::expiry::Expiry;
use chrysalis_domain::{Span, Timestamp};

use crate::clock::Clock;

/// A clock, and what it showed when it was last as it should be.
pub struct Watch {
    clock: Arc<dyn Clock>,
    began: Timestamp,
    steady: Moment,
}

/// What the clock shows, and what one shows that nobody sets.
#[derive(Clone, Copy)]
struct Moment {
    shown: Timestamp,
    passed: Timestamp,
}

/// A look at the clock.
#[derive(Clone, Copy)]
pub struct Seen {
    pub now: Timestamp,
    /// What it should show, where that is far from what it does.
    pub expected: Option<Timestamp>,
    moment: Moment,
}

impl Watch {
    pub fn begin(clock: Arc<dyn Clock>) -> Self {
        let steady = Moment::of(clock.as_ref());
        Self { clock, began: steady.passed, steady }
    }

    /// Whether it has been watched for so long.
    pub fn is_settled(&self, after: Span) -> bool {
        self.clock.steady().since(self.began) >= after
    }

    /// A jump is seen until it is [`noted`](Self::noted): a node that has no turn now may have one later.
    pub fn look(&mut self) -> Seen {
        let moment = Moment::of(self.clock.as_ref());
        let expected = self.steady.shown + moment.passed.since(self.steady.passed);
        let now = moment.shown;
        let jumped = now.since(expected).max(expected.since(now)) > Expiry::STEADY;
        if !jumped {
            self.steady = moment;
        }
        Seen { now, expected: jumped.then_some(expected), moment }
    }

    pub fn noted(&mut self, seen: Seen) {
        self.steady = seen.moment;
    }
}

impl Moment {
    fn of(clock: &dyn Clock) -> Self {
        Self { shown: clock.now(), passed: clock.steady() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MockClock;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_jump_is_seen_until_it_is_noted_and_drift_is_none() {
        let clock = MockClock::at(START);
        let mut watch = Watch::begin(Arc::new(clock.clone()));
        for _ in 0..10 {
            clock.advance(Span::from_hours(1));
            clock.jump(Span::from_secs(59));
            assert_eq!(watch.look().expected, None);
        }
        let before = clock.now();
        clock.jump(Span::from_days(1));
        assert_eq!(watch.look().expected, Some(before));
        clock.advance(Span::from_secs(5));
        let seen = watch.look();
        assert_eq!((seen.expected, seen.now), (Some(before + Span::from_secs(5)), clock.now()));
        watch.noted(seen);
        assert_eq!(watch.look().expected, None);
        clock.jump(Span::from_days(-1));
        assert!(watch.look().expected.is_some_and(|expected| expected > clock.now()));
        clock.jump(Span::from_days(1));
        assert_eq!(watch.look().expected, None, "set right before anything rested on it");
    }

    #[test]
    fn it_settles_as_time_passes_and_not_as_clocks_show() {
        let clock = MockClock::at(START);
        let watch = Watch::begin(Arc::new(clock.clone()));
        let minute = Span::from_secs(60);
        clock.jump(Span::from_days(1));
        assert!(!watch.is_settled(minute) && watch.is_settled(Span::ZERO));
        clock.advance(minute);
        assert!(watch.is_settled(minute));
    }
}
