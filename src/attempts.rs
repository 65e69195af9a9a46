//! What failed that anybody can cause without end: counted here by the minute, until a follower writes it down
//! ([`crate::followers::attempts`]). A call waits for none of it, and whatever is sent there are only so many counts: of each
//! kind the first [`MOST`] of a minute that differ are told apart, the rest is one count. A flood of one kind takes no room
//! from another. What was counted and not written is lost with the process.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrysalis_domain::attempts::AttemptKind;
use chrysalis_domain::id::UserId;
use chrysalis_domain::{Span, Timestamp};

use crate::limits::Network;

/// Counts of one kind in a minute that are told apart.
pub const MOST: usize = 16;
/// Minutes that may wait to be written: longer than a store is away without being missed.
const MINUTES: usize = 16;
const MINUTE: Span = Span::from_secs(60);

/// What failed, as far as it is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The code that was answered.
    pub code: Cow<'static, str>,
    /// What was asked for, as the route table has it: never what the caller wrote. None of what is no path.
    pub path: Option<String>,
    pub network: Network,
    pub user: Option<UserId>,
}

/// A minute, with what failed in it.
#[derive(Debug)]
pub struct Minute {
    /// Which one it is of those that this process counted.
    pub number: u64,
    pub begins: Timestamp,
    pub kinds: HashMap<AttemptKind, Counts>,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub told_apart: HashMap<Attempt, u32>,
    pub rest: u32,
}

/// What failed at this node, and is not written yet.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    minutes: VecDeque<Minute>,
    begun: u64,
}

impl Attempts {
    pub fn count(&self, kind: AttemptKind, attempt: Attempt, at: Timestamp) {
        let mut waiting = self.waiting();
        if let Some(minute) = waiting.minute(at) {
            minute.kinds.entry(kind).or_default().count(attempt);
        }
    }

    /// Takes out the oldest minute that is over by then.
    pub fn over(&self, by: Timestamp) -> Option<Minute> {
        let minutes = &mut self.waiting().minutes;
        let over = minutes.iter().position(|minute| minute.begins + MINUTE <= by)?;
        minutes.remove(over)
    }

    /// Puts back what could not be written, if there is room for it still.
    pub fn put_back(&self, unwritten: Minute) {
        let minutes = &mut self.waiting().minutes;
        if minutes.len() < MINUTES {
            minutes.push_front(unwritten);
        } else {
            tell_of_loss();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The one to count in. The last one, mostly; a clock that is set back finds one of before.
    fn minute(&mut self, at: Timestamp) -> Option<&mut Minute> {
        let begins = minute(at);
        let known = self.minutes.iter().rposition(|minute| minute.begins == begins);
        let place = known.unwrap_or_else(|| {
            if self.minutes.len() >= MINUTES {
                self.minutes.pop_front();
                tell_of_loss();
            }
            self.begun += 1;
            self.minutes.push_back(Minute { number: self.begun, begins, kinds: HashMap::new() });
            self.minutes.len() - 1
        });
        self.minutes.get_mut(place)
    }
}

impl Counts {
    fn count(&mut self, attempt: Attempt) {
        let has_room = self.told_apart.len() < MOST;
        let count = match self.told_apart.get_mut(&attempt) {
            Some(count) => count,
            None if has_room => self.told_apart.entry(attempt).or_default(),
            None => &mut self.rest,
        };
        *count = count.saturating_add(1);
    }
}

fn tell_of_loss() {
    tracing::warn!("a minute's counts of what failed are lost: the store did not take them for {MINUTES} minutes");
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().div_euclid(MINUTE.as_millis()) * MINUTE.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ClientAddress;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn from(address: [u8; 4]) -> Attempt {
        let network = ClientAddress::Known(address.into()).bucket();
        Attempt { code: "RATE_LIMITED".into(), path: Some("/sign-in/email".to_owned()), network, user: None }
    }

    fn sum(minute: &Minute, kind: AttemptKind) -> (usize, u32, u32) {
        let counts = &minute.kinds[&kind];
        (counts.told_apart.len(), counts.told_apart.values().sum(), counts.rest)
    }

    #[test]
    fn whatever_comes_a_minute_has_so_many_counts_and_loses_none() {
        let attempts = Attempts::default();
        for n in 0..100_000_u32 {
            attempts.count(AttemptKind::RateLimit, from(n.to_be_bytes()), START);
        }
        attempts.count(AttemptKind::RateLimit, from([0; 4]), START);
        attempts.count(AttemptKind::SignIn, from([9; 4]), START);
        let minute = attempts.over(START + MINUTE).unwrap();
        assert_eq!(sum(&minute, AttemptKind::RateLimit), (MOST, MOST as u32 + 1, 100_000 - MOST as u32));
        assert_eq!(sum(&minute, AttemptKind::SignIn), (1, 1, 0), "one kind takes no room from another");
    }

    #[test]
    fn a_minute_is_written_when_it_is_over_however_calls_overlap() {
        let attempts = Attempts::default();
        for at in [59_999, 60_000, 59_998, 60_001].map(Span::from_millis) {
            attempts.count(AttemptKind::SignIn, from([1, 2, 3, 4]), START + at);
        }
        assert!(attempts.over(START + Span::from_millis(59_999)).is_none());
        for (begins, by) in [(Span::ZERO, MINUTE), (MINUTE, MINUTE + MINUTE)] {
            let minute = attempts.over(START + by).unwrap();
            assert_eq!((minute.begins, sum(&minute, AttemptKind::SignIn)), (START + begins, (1, 2, 0)));
            assert!(attempts.over(START + by).is_none());
        }
    }

    #[test]
    fn what_could_not_be_written_comes_first_and_under_its_number() {
        let attempts = Attempts::default();
        for minutes in 0..3 {
            attempts.count(AttemptKind::ApiKey, from([1, 2, 3, 4]), START + Span::from_secs(60 * minutes));
        }
        let late = START + Span::from_hours(1);
        let first = attempts.over(late).unwrap();
        assert_eq!(first.number, 1);
        attempts.put_back(first);
        let numbers: Vec<_> = std::iter::from_fn(|| attempts.over(late)).map(|minute| minute.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn minutes_that_nobody_writes_take_no_room_without_end() {
        let attempts = Attempts::default();
        for n in 0..100 {
            attempts.count(AttemptKind::SignIn, from([1, 2, 3, 4]), START + Span::from_secs(60 * n));
        }
        let begun = |n: i64| START + Span::from_secs(60 * n);
        let oldest = attempts.over(begun(200)).unwrap();
        attempts.count(AttemptKind::SignIn, from([1, 2, 3, 4]), begun(100));
        attempts.put_back(oldest);
        let kept: Vec<_> = std::iter::from_fn(|| attempts.over(begun(200))).map(|minute| minute.begins).collect();
        assert_eq!(kept, (85..=100).map(begun).collect::<Vec<_>>(), "the newest are kept, so many as may wait");
        assert_eq!(kept.len(), MINUTES);
    }
}
