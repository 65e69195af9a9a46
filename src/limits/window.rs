//! Exact sliding windows: no span of the given length, wherever it begins, holds more than the limit.
//!
//! A window remembers the instant of every hit, which is what exactness costs: 16 bytes per hit and at most `limit` hits per
//! caller. Refused attempts leave no trace. Memory is bounded by the number of callers: when a shard is full, and dropping
//! the idle ones makes no room, callers it doesn't know share one window. They may then be refused for each other's sake;
//! what never happens is that anyone goes uncounted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrysalis_domain::{Span, Timestamp};

use super::RetryAfter;
use super::key::{AsIs, Key};

/// Callers remembered by default.
pub const DEFAULT_CAPACITY: usize = 100_000;

const SHARDS: usize = 64;

/// At most `limit` hits per caller in any half-open span of `span`.
pub struct ExactWindows {
    limit: u32,
    span: Span,
    callers_per_shard: usize,
    shards: Vec<Mutex<Shard>>,
}

/// A counted hit, which [`ExactWindows::refund`] can take back.
#[derive(Debug)]
pub struct Hit {
    key: Key,
    at: Timestamp,
    cost: u32,
    shared: bool,
}

#[derive(Default)]
struct Shard {
    /// Time does not fall, else a window that was dropped as idle could still matter.
    latest: Timestamp,
    windows: HashMap<Key, Window, AsIs>,
    shared: Window,
    /// No sweep before this: a flood of new callers must not turn each of them into one.
    next_sweep: Timestamp,
}

/// Instants with their costs, oldest first.
#[derive(Default)]
struct Window(VecDeque<(Timestamp, u32)>);

impl ExactWindows {
    /// `capacity` is the number of callers remembered, rounded up to a multiple of 64.
    pub fn new(limit: u32, span: Span, capacity: usize) -> Self {
        Self::with_shards(limit, span, capacity, SHARDS)
    }

    fn with_shards(limit: u32, span: Span, capacity: usize, shards: usize) -> Self {
        let callers_per_shard = capacity.div_ceil(shards).max(1);
        Self { limit, span, callers_per_shard, shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Counts a hit that weighs `cost`, if there is room for all of it. Check and count are one step.
    ///
    /// # Errors
    /// [`RetryAfter`] when there is no room: the time after which there will be, if nobody else takes it.
    pub fn check(&self, key: Key, cost: u32, now: Timestamp) -> Result<Hit, RetryAfter> {
        let mut shard = self.shard(key);
        let now = now.max(shard.latest);
        shard.latest = now;
        let shared = !shard.windows.contains_key(&key) && !shard.has_room(self.callers_per_shard, self.span, now);
        let window = if shared { &mut shard.shared } else { shard.windows.entry(key).or_default() };
        window.drop_expired(self.span, now);
        match window.wait(self.limit, cost, self.span, now) {
            None => {
                window.add(now, cost);
                Ok(Hit { key, at: now, cost, shared })
            }
            Some(wait) => Err(RetryAfter::new(wait)),
        }
    }

    /// Takes a hit back, as if it had never been.
    pub fn refund(&self, hit: Hit) {
        let mut shard = self.shard(hit.key);
        if hit.shared {
            shard.shared.remove(hit.at, hit.cost);
        } else if let Some(window) = shard.windows.get_mut(&hit.key) {
            window.remove(hit.at, hit.cost);
            if window.0.is_empty() {
                shard.windows.remove(&hit.key);
            }
        }
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        // A poisoned shard is still a count; giving up on it would be "no limit".
        self.shards[key.shard(self.shards.len())].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn callers(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().windows.len()).sum()
    }
}

impl Shard {
    fn has_room(&mut self, capacity: usize, span: Span, now: Timestamp) -> bool {
        if self.windows.len() >= capacity && now >= self.next_sweep {
            self.windows.retain(|_, window| !window.is_idle(span, now));
            self.next_sweep = now + Span::from_secs(1);
        }
        self.windows.len() < capacity
    }
}

impl Window {
    fn drop_expired(&mut self, span: Span, now: Timestamp) {
        while self.0.front().is_some_and(|(at, _)| *at + span <= now) {
            self.0.pop_front();
        }
    }

    fn is_idle(&self, span: Span, now: Timestamp) -> bool {
        self.0.back().is_none_or(|(at, _)| *at + span <= now)
    }

    /// `None` when `cost` fits; else the time until enough of what is there has expired.
    fn wait(&self, limit: u32, cost: u32, span: Span, now: Timestamp) -> Option<Span> {
        let used: u64 = self.0.iter().map(|(_, cost)| u64::from(*cost)).sum();
        let mut excess = (used + u64::from(cost)).saturating_sub(u64::from(limit));
        if excess == 0 {
            return None;
        }
        for (at, cost) in &self.0 {
            excess = excess.saturating_sub(u64::from(*cost));
            if excess == 0 {
                return Some((*at + span).since(now));
            }
        }
        // More than an empty window holds.
        Some(span)
    }

    fn add(&mut self, at: Timestamp, cost: u32) {
        match self.0.back_mut() {
            Some((last, sum)) if *last == at => *sum = sum.saturating_add(cost),
            _ => self.0.push_back((at, cost)),
        }
    }

    fn remove(&mut self, at: Timestamp, cost: u32) {
        if let Ok(index) = self.0.binary_search_by_key(&at, |(at, _)| *at) {
            let (_, sum) = &mut self.0[index];
            *sum = sum.saturating_sub(cost);
            if *sum == 0 {
                self.0.remove(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Seed;
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Span = Span::from_secs(60);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn key(subject: u32) -> Key {
        Seed::new([3; 16]).key(subject)
    }

    #[test]
    fn a_window_that_straddles_two_minutes_is_no_loophole() {
        let windows = ExactWindows::new(30, MINUTE, 10);
        for _ in 0..30 {
            windows.check(key(1), 1, at(59_000)).unwrap();
        }
        assert_eq!(windows.check(key(1), 1, at(61_000)).unwrap_err().seconds(), 58);
        assert_eq!(windows.check(key(1), 1, at(118_999)).unwrap_err().seconds(), 1);
        assert!(windows.check(key(1), 1, at(119_000)).is_ok());
        assert!(windows.check(key(2), 1, at(61_000)).is_ok(), "another caller has a window of its own");
    }

    #[test]
    fn a_refund_leaves_no_trace() {
        let windows = ExactWindows::new(2, MINUTE, 10);
        let first = windows.check(key(1), 1, at(0)).unwrap();
        let second = windows.check(key(1), 1, at(0)).unwrap();
        assert!(windows.check(key(1), 1, at(0)).is_err());
        windows.refund(first);
        windows.check(key(1), 1, at(5)).unwrap();
        assert!(windows.check(key(1), 1, at(6)).is_err());
        windows.refund(second);
        assert!(windows.check(key(1), 1, at(6)).is_ok());
        let expired = windows.check(key(2), 1, at(6)).unwrap();
        windows.check(key(2), 1, at(200_000)).unwrap();
        windows.refund(expired);
        windows.check(key(2), 1, at(200_000)).unwrap();
        assert!(windows.check(key(2), 1, at(200_000)).is_err());
    }

    #[test]
    fn a_flood_of_callers_is_bounded_and_stays_counted() {
        let windows = ExactWindows::with_shards(3, MINUTE, 4, 1);
        for caller in 0..4 {
            windows.check(key(caller), 1, at(0)).unwrap();
        }
        let strangers = (100..110).filter(|caller| windows.check(key(*caller), 1, at(1)).is_ok()).count();
        assert_eq!((strangers, windows.callers()), (3, 4), "strangers share one window");
        assert!(windows.check(key(0), 1, at(2)).is_ok(), "those already known keep their own");
        assert!(windows.check(key(200), 1, at(60_001)).is_ok(), "and idle ones make room");
        assert_eq!(windows.callers(), 2);
    }

    #[test]
    fn parallel_attempts_never_exceed_the_limit() {
        let windows = ExactWindows::new(100, MINUTE, 10);
        let admitted: usize = std::thread::scope(|scope| {
            let attempts =
                (0..8).map(|_| scope.spawn(|| (0..50).filter(|_| windows.check(key(1), 1, at(0)).is_ok()).count()));
            attempts.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 100);
    }

    proptest! {
        /// Against the definition: of the hits admitted so far, count those of the last span.
        #[test]
        fn agrees_with_the_naive_model(
            limit in 1u32..6,
            steps in prop::collection::vec((0u32..3, 1u32..4, -300i64..700), 1..200),
        ) {
            let span = Span::from_millis(1_000);
            let windows = ExactWindows::with_shards(limit, span, 100, 1);
            let (mut clock, mut latest) = (100_000, 0);
            let mut admitted: Vec<(u32, u32, i64)> = Vec::new();
            for (caller, cost, step) in steps {
                clock += step;
                latest = latest.max(clock);
                let used: u32 = admitted.iter().filter(|(who, _, when)| *who == caller && latest - when < 1_000).map(|(_, cost, _)| cost).sum();
                let outcome = windows.check(key(caller), cost, at(clock));
                prop_assert_eq!(outcome.is_ok(), used + cost <= limit);
                if outcome.is_ok() {
                    admitted.push((caller, cost, latest));
                }
            }
            for (caller, _, begin) in &admitted {
                let within: u32 = admitted.iter().filter(|(who, _, when)| who == caller && (*begin..begin + 1_000).contains(when)).map(|(_, cost, _)| cost).sum();
                prop_assert!(within <= limit);
            }
        }

        /// Who waits as long as told is admitted, and not a millisecond sooner.
        #[test]
        fn the_advice_to_wait_is_exact(limit in 1u32..5, steps in prop::collection::vec(0i64..400, 1..60)) {
            let span = Span::from_millis(1_000);
            let windows = ExactWindows::with_shards(limit, span, 100, 1);
            let mut clock = 0;
            for step in steps {
                clock += step;
                if let Err(RetryAfter(wait)) = windows.check(key(1), 1, at(clock)) {
                    clock += wait.as_millis();
                    prop_assert!(windows.check(key(1), 1, at(clock - 1)).is_err());
                    prop_assert!(windows.check(key(1), 1, at(clock)).is_ok());
                }
            }
        }
    }
}
