//! A store that is away is said when that begins, once for each reason that there is, and once when it is over with how often
//! it was met meanwhile: not with every call that is refused for it, nor every time that a follower tries again. Each call of
//! these stands in the log at debug. A process has one store. Whoever is refused is told no reason: it may name hosts, and is
//! the operator's to know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::log::{Log, LogFault};

/// How often to look whether it is over.
const LOOK: Duration = Duration::from_secs(1);

static OUTAGE: Outage = Outage::new();

/// Reasons of one outage that are said: whatever becomes of it, its lines have an end.
const REASONS: usize = 16;

/// Something that is met again and again until it is over.
pub(crate) struct Outage {
    /// The reasons that were said; none while there is no outage.
    said: Mutex<Vec<String>>,
    met: AtomicU64,
}

/// Something could not be done for it.
pub fn met(fault: &LogFault) {
    if OUTAGE.meets(&fault.to_string()) {
        tracing::error!(%fault, "the store does not take part; what needs it is refused until it does");
    } else {
        tracing::debug!(%fault, "refused: the store does not take part");
    }
}

/// Says when it is over, until `stop` turns true. Who was refused for it may be told so a moment after its end: it is over when
/// nobody met it since the last look.
pub async fn follow(log: Arc<dyn Log>, mut stop: watch::Receiver<bool>) {
    let mut met = 0;
    while !*stop.borrow() {
        let before = std::mem::replace(&mut met, OUTAGE.met.load(Ordering::Relaxed));
        if OUTAGE.lasts()
            && met == before
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
    pub(crate) const fn new() -> Self {
        Self { said: Mutex::new(Vec::new()), met: AtomicU64::new(0) }
    }

    fn said(&self) -> MutexGuard<'_, Vec<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is met; whether this is the first time for that reason.
    pub(crate) fn meets(&self, why: &str) -> bool {
        self.met.fetch_add(1, Ordering::Relaxed);
        let mut said = self.said();
        let new = said.len() < REASONS && !said.iter().any(|said| said == why);
        if new {
            said.push(why.to_owned());
        }
        new
    }

    fn lasts(&self) -> bool {
        !self.said().is_empty()
    }

    /// How often it was met; whoever meets one from now on meets another.
    pub(crate) fn ends(&self) -> Option<u64> {
        let said = std::mem::take(&mut *self.said());
        (!said.is_empty()).then(|| self.met.swap(0, Ordering::Relaxed))
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
            let said = (0..turn).filter(|_| outage.meets("gone")).count();
            assert_eq!((said, outage.lasts()), (1, true));
            assert_eq!((outage.ends(), outage.ends(), outage.lasts()), (Some(turn), None, false));
        }
    }

    #[test]
    fn another_reason_is_said_and_no_more_than_so_many() {
        let outage = Outage::new();
        let met = ["gone", "another's", "gone", "another's", "gone"].map(|why| outage.meets(why));
        assert_eq!(met, [true, true, false, false, false]);
        let said = (0..100).filter(|number| outage.meets(&format!("reason {number}"))).count();
        assert_eq!(said + 2, REASONS);
        assert_eq!(outage.ends(), Some(105));
        assert!(outage.meets("gone"), "it is another outage");
    }
}
