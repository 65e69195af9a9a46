//! Refilling limits (GCRA) for what may be approximate: the default rule and the coarse guards.
//!
//! One number per caller instead of a list of instants, and no lock but a shared one on the usual path, so that it can be
//! asked on every request. The price is the burst: a span may hold up to twice the limit. The arithmetic is governor's; the
//! table and the clock are ours, because its own table grows without bound and its own clock can't be moved by a test.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrysalis_domain::{Span, Timestamp};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::RetryAfter;
use super::key::{AsIs, Key};
use super::steady::SteadyTime;

const SHARDS: usize = 64;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// At most `limit` at once, refilled evenly within `span`, per caller.
pub(super) struct Refilling {
    limiter: RateLimiter<Key, Callers, SteadyClock, NoOpMiddleware<Nanos>>,
    time: Arc<SteadyTime>,
}

impl Refilling {
    /// `capacity` is the number of callers remembered; beyond it callers share a count, as in
    /// [`super::window::ExactWindows`].
    pub(super) fn new(limit: NonZeroU32, span: Span, capacity: usize, time: Arc<SteadyTime>) -> Self {
        let per_unit = Duration::from_millis(span.as_millis().unsigned_abs()) / limit.get();
        let quota = Quota::with_period(per_unit).unwrap_or(Quota::per_minute(limit)).allow_burst(limit);
        let callers = Callers {
            per_shard: capacity.div_ceil(SHARDS).max(1),
            start: SteadyClock(Arc::clone(&time)).now(),
            clock: SteadyClock(Arc::clone(&time)),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            shared: InMemoryState::default(),
        };
        Self { limiter: RateLimiter::new(quota, callers, SteadyClock(Arc::clone(&time))), time }
    }

    /// Counts one request at the time that [`SteadyTime`] was last asked for.
    ///
    /// # Errors
    /// [`RetryAfter`] when the caller has used up what was refilled.
    pub(super) fn check(&self, key: Key) -> Result<(), RetryAfter> {
        self.limiter.check_key(&key).map_err(|refused| {
            let wait = refused.wait_time_from(SteadyClock(Arc::clone(&self.time)).now());
            RetryAfter::new(Span::from_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
        })
    }
}

/// Governor's view of our time, in nanoseconds since 1970; 64 bits of them last until the year 2554.
struct SteadyClock(Arc<SteadyTime>);

impl Clock for SteadyClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let millis: Timestamp = self.0.latest();
        Nanos::new(u64::try_from(millis.as_millis()).unwrap_or(0).saturating_mul(NANOS_PER_MILLI))
    }
}

/// The state of each caller, in a bounded table.
struct Callers {
    per_shard: usize,
    /// From where governor counts.
    start: Nanos,
    clock: SteadyClock,
    shards: Vec<RwLock<Shard>>,
    shared: InMemoryState,
}

#[derive(Default)]
struct Shard {
    states: HashMap<Key, InMemoryState, AsIs>,
    /// Earliest instant of the next sweep, in nanoseconds.
    next_sweep: u64,
}

impl StateStore for Callers {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let shard = &self.shards[key.shard(SHARDS)];
        if let Some(state) = shard.read().unwrap_or_else(PoisonError::into_inner).states.get(key) {
            return state.measure_and_replace(&NotKeyed::NonKey, f);
        }
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.states.len() >= self.per_shard {
            self.sweep(&mut shard);
        }
        let state = match shard.states.len() < self.per_shard {
            true => shard.states.entry(*key).or_default(),
            false => shard.states.get(key).unwrap_or(&self.shared),
        };
        state.measure_and_replace(&NotKeyed::NonKey, f)
    }
}

impl Callers {
    fn sweep(&self, shard: &mut Shard) {
        let now = self.clock.now().saturating_sub(self.start).as_u64();
        if now < shard.next_sweep {
            return;
        }
        // Who has everything refilled is as good as new.
        shard.states.retain(|_, state| arrival(state) > now);
        shard.next_sweep = now.saturating_add(1_000 * NANOS_PER_MILLI);
    }
}

/// The theoretical arrival time that a state holds: a question that answers "no" changes nothing.
fn arrival(state: &InMemoryState) -> u64 {
    let look = |held: Option<Nanos>| Err::<((), Nanos), u64>(held.map_or(0, Nanos::as_u64));
    state.measure_and_replace(&NotKeyed::NonKey, look).err().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::key::Seed;
    use super::*;

    const NOON: i64 = 1_790_000_000_000;

    fn limit(limit: u32, capacity: usize) -> (Refilling, Arc<SteadyTime>) {
        let time = Arc::new(SteadyTime::default());
        time.at(Timestamp::from_millis(NOON));
        let limit = NonZeroU32::new(limit).unwrap();
        (Refilling::new(limit, Span::from_secs(60), capacity, Arc::clone(&time)), time)
    }

    fn key(subject: u64) -> Key {
        Seed::new([9; 16]).key(subject)
    }

    #[test]
    fn the_whole_limit_at_once_and_then_as_it_refills() {
        let (limit, time) = limit(600, 1000);
        assert_eq!((0..1000).filter(|_| limit.check(key(1)).is_ok()).count(), 600);
        assert_eq!(limit.check(key(1)).unwrap_err().seconds(), 1);
        assert!(limit.check(key(2)).is_ok());
        time.at(Timestamp::from_millis(NOON + 1_000));
        assert_eq!((0..1000).filter(|_| limit.check(key(1)).is_ok()).count(), 10);
    }

    #[test]
    fn a_flood_of_callers_is_bounded_and_stays_counted() {
        let (limit, time) = limit(2, SHARDS);
        let admitted = (0..10_000).filter(|caller| limit.check(key(*caller)).is_ok()).count();
        assert!(admitted <= SHARDS + 2, "{admitted}");
        time.at(Timestamp::from_millis(NOON + 60_000));
        let again = (20_000..20_100).filter(|caller| limit.check(key(*caller)).is_ok()).count();
        assert!(again > 20, "idle callers make room: {again}");
    }
}
