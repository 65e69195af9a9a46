//! A store that is away is said once when that begins, and once when it is over with how often it was met meanwhile: not with
//! every call that is refused for it. Each of these stands in the log at debug. A process has one store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::log::{Log, LogFault};

/// How often to look whether it is over.
const LOOK: Duration = Duration::from_secs(1);

static OUTAGE: Outage = Outage::new();

struct Outage {
    said: AtomicBool,
    met: AtomicU64,
}

/// Something could not be done for it.
pub fn met(fault: &LogFault) {
    if OUTAGE.meets() {
        tracing::error!(%fault, "the store does not take part; what needs it is refused until it does");
    } else {
        tracing::debug!(%fault, "refused: the store does not take part");
    }
}

/// Says when it is over, until `stop` turns true.
pub async fn follow(log: Arc<dyn Log>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if OUTAGE.lasts()
            && log.ready().await.is_ok()
            && let Some(refused) = OUTAGE.ends()
        {
            tracing::info!(refused, "the store takes part again");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => {}
        }
    }
}

impl Outage {
    const fn new() -> Self {
        Self { said: AtomicBool::new(false), met: AtomicU64::new(0) }
    }

    /// Whether this is the first time.
    fn meets(&self) -> bool {
        self.met.fetch_add(1, Ordering::Relaxed);
        !self.said.swap(true, Ordering::Relaxed)
    }

    fn lasts(&self) -> bool {
        self.said.load(Ordering::Relaxed)
    }

    /// How often it was met; whoever meets one from now on meets another.
    fn ends(&self) -> Option<u64> {
        self.said.swap(false, Ordering::Relaxed).then(|| self.met.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_it_begins_and_counted_until_it_ends() {
        let outage = Outage::new();
        assert_eq!((outage.lasts(), outage.ends()), (false, None));
        for turn in [2_u64, 3] {
            let said = (0..turn).filter(|_| outage.meets()).count();
            assert_eq!((said, outage.lasts()), (1, true));
            assert_eq!((outage.ends(), outage.ends(), outage.lasts()), (Some(turn), None, false));
        }
    }
}
