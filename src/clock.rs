//! The one door to the wall clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chrysalis_domain::{Span, Timestamp};

/// Tells the time of a decision. Not monotonic: the log's own `recorded_at` is (see [`crate::log`]).
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Some time that only ever moves on, as fast as time passes: between two looks at it, and of no use by itself.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn steady(&self) -> Timestamp {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        Timestamp::from_millis(i64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct MockClock {
    shows: Arc<AtomicI64>,
    /// How far it was set, in all.
    set: Arc<AtomicI64>,
}

impl MockClock {
    pub fn at(start: Timestamp) -> Self {
        Self { shows: Arc::new(AtomicI64::new(start.as_millis())), set: Arc::default() }
    }

    /// Time passes.
    pub fn advance(&self, by: Span) {
        self.shows.fetch_add(by.as_millis(), Ordering::SeqCst);
    }

    /// The clock is set: no time passes.
    pub fn jump(&self, by: Span) {
        self.set.fetch_add(by.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.shows.load(Ordering::SeqCst) + self.set.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Timestamp {
        Timestamp::from_millis(self.shows.load(Ordering::SeqCst))
    }
}
