//! Which time did pass, for whoever counts on it. A clock may jump: what lies between where it was and where it went, no
//! guest could have used.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Time that was skipped: the clock went from one instant to a later one at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What was skipped so far: earliest first, and apart from each other.
///
/// Holds in any case: no more time is counted between two instants than passed between them. Where a clock was set back, it
/// may be less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    holes: Vec<Hole>,
}

/// Jumps kept apart. A clock that jumps more often is counted more strictly.
const HOLES_MAX: usize = 64;

impl Passed {
    /// The time that passed from one instant to a later one.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> Span {
        let skipped = |hole: &Hole| hole.to.min(to).since(hole.from.max(from));
        self.holes.iter().fold(to.since(from), |passed, hole| passed - skipped(hole))
    }

    /// The instant since which so much time has passed by now.
    pub fn before(&self, now: Timestamp, span: Span) -> Timestamp {
        let (mut end, mut left) = (now, span);
        for hole in self.holes.iter().rev().filter(|hole| hole.from < now) {
            let since = end.since(hole.to);
            if since >= left {
                break;
            }
            left = left - since;
            end = end.min(hole.from);
        }
        end - left
    }

    /// Whether a time that was set at some instant is over.
    pub fn is_over(&self, set_at: Timestamp, until: Timestamp, now: Timestamp) -> bool {
        self.between(set_at, now) >= until.since(set_at)
    }

    /// The clock showed `to` where it should have shown `from`. One that goes back takes back what it skipped before.
    pub(crate) fn jump(&mut self, from: Timestamp, to: Timestamp) {
        if to > from {
            self.holes.push(Hole { from, to });
            if self.holes.len() > HOLES_MAX {
                self.join_the_oldest();
            }
            return;
        }
        let mut back = from.since(to);
        while back > Span::ZERO
            && let Some(last) = self.holes.last_mut()
        {
            let skipped = last.to.since(last.from);
            if skipped > back {
                last.to = last.to - back;
                return;
            }
            back = back - skipped;
            self.holes.pop();
        }
    }

    /// The older one is moved up to the younger: whoever was active in between is counted less, nobody more.
    fn join_the_oldest(&mut self) {
        let oldest = self.holes.remove(0);
        if let Some(next) = self.holes.first_mut() {
            next.from = next.from - oldest.to.since(oldest.from);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn span(millis: i64) -> Span {
        Span::from_millis(millis)
    }

    /// A day ahead at 1000.
    fn ahead() -> Passed {
        let mut passed = Passed::default();
        passed.jump(at(1_000), at(2_000));
        passed
    }

    #[test]
    fn a_steady_clock_is_right() {
        let passed = Passed::default();
        assert_eq!(passed.between(at(100), at(150)), span(50));
        assert_eq!(passed.between(at(150), at(100)), Span::ZERO);
        assert_eq!(passed.before(at(150), span(50)), at(100));
        assert!(passed.is_over(at(100), at(150), at(150)) && !passed.is_over(at(100), at(150), at(149)));
    }

    #[test]
    fn what_was_skipped_did_not_pass() {
        let passed = ahead();
        assert_eq!(passed.between(at(900), at(2_050)), span(150));
        assert_eq!(passed.between(at(2_010), at(2_050)), span(40));
        assert_eq!(passed.before(at(2_050), span(50)), at(2_000));
        assert_eq!(passed.before(at(2_050), span(150)), at(900));
        assert!(!passed.is_over(at(900), at(1_500), at(2_050)), "set before the jump: it has 450 to go");
        assert!(passed.is_over(at(2_010), at(2_040), at(2_050)));
    }

    #[test]
    fn a_clock_that_is_set_right_again_skipped_nothing() {
        let mut passed = ahead();
        passed.jump(at(2_100), at(1_100));
        assert_eq!(passed, Passed::default());
        let mut by_half = ahead();
        by_half.jump(at(2_100), at(1_600));
        assert_eq!(by_half.between(at(900), at(1_600)), span(200));
    }

    #[test]
    fn a_clock_that_jumps_all_the_time_is_counted_strictly() {
        let mut passed = Passed::default();
        for number in 0..1_000 {
            passed.jump(at(number * 100), at(number * 100 + 50));
        }
        assert_eq!(passed.holes.len(), HOLES_MAX);
        assert_eq!(passed.between(at(0), at(100_000)), span(50_000));
    }

    proptest! {
        /// However the clock behaves, nobody is counted as away for longer than they were.
        #[test]
        fn no_more_is_counted_than_passed(steps in prop::collection::vec((0..2_000_i64, -3_000..3_000_i64), 1..100)) {
            let (mut passed, mut truth, mut clock) = (Passed::default(), 0, 1_000_000);
            let mut seen = vec![(truth, clock)];
            for (time, jump) in steps {
                (truth, clock) = (truth + time, clock + time);
                // The clock is steady most of the time.
                if jump % 3 == 0 {
                    passed.jump(at(clock), at(clock + jump));
                    clock += jump;
                }
                for (then, showed) in &seen {
                    let counted = passed.between(at(*showed), at(clock)).as_millis();
                    prop_assert!(counted <= truth - then, "{counted} of {}", truth - then);
                }
                seen.push((truth, clock));
            }
        }

        /// The two ways to ask agree.
        #[test]
        fn what_lies_so_far_back_is_so_long_ago(jumps in prop::collection::vec((1..500_i64, 1..500_i64), 0..10), back in 1..5_000_i64) {
            let (mut passed, mut clock) = (Passed::default(), 10_000);
            for (time, jump) in jumps {
                clock += time;
                passed.jump(at(clock), at(clock + jump));
                clock += jump;
            }
            let then = passed.before(at(clock), span(back));
            prop_assert_eq!(passed.between(then, at(clock)), span(back));
            prop_assert!(passed.between(then + span(1), at(clock)) < span(back));
        }
    }
}
