//! What goes wrong because a test wants it to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// What an append meets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// None.
    Nothing,
    /// The connection breaks before anything is stored.
    Broken,
    /// It is stored, and the connection breaks before the answer.
    AnswerLost,
    /// It is answered with a timeout, and not stored.
    TimedOut,
    /// It is answered with a timeout, and stored: the others acknowledged it too late.
    TimedOutStored,
    NotReady,
    TooBusy,
}

#[derive(Default)]
pub struct Faults {
    coming: Mutex<VecDeque<Trouble>>,
    slow: AtomicU64,
    gates: Mutex<Vec<Arc<Gate>>>,
}

struct Gate {
    streams: String,
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Faults {
    pub fn order(&self, coming: &[Trouble]) {
        self.coming.lock().unwrap().extend(coming);
    }

    pub fn next(&self) -> Trouble {
        self.coming.lock().unwrap().pop_front().unwrap_or(Trouble::Nothing)
    }

    pub fn slow(&self, each: Duration) {
        self.slow.store(u64::try_from(each.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub async fn delay(&self) {
        match self.slow.load(Ordering::Relaxed) {
            0 => {}
            each => tokio::time::sleep(Duration::from_micros(each)).await,
        }
    }

    pub fn hold(&self, streams: &str) -> Held {
        let (open, waiting) = (watch::channel(false).0, watch::channel(0).0);
        let gate = Arc::new(Gate { streams: streams.to_owned(), open, waiting });
        self.gates.lock().unwrap().push(gate.clone());
        Held(gate)
    }

    /// Waits where an append to that stream has to.
    pub async fn pass(&self, stream: &str) {
        let gates: Vec<_> = {
            let mut gates = self.gates.lock().unwrap();
            gates.retain(|gate| !*gate.open.borrow());
            gates.iter().filter(|gate| stream.starts_with(&gate.streams)).cloned().collect()
        };
        for gate in gates {
            let _waits = Waits::at(&gate);
            let _ = gate.open.subscribe().wait_for(|open| *open).await;
        }
    }
}

/// Counts as waiting, until it goes on or its client is gone.
struct Waits<'a>(&'a Gate);

impl<'a> Waits<'a> {
    fn at(gate: &'a Gate) -> Self {
        gate.waiting.send_modify(|waiting| *waiting += 1);
        Self(gate)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// Appends that are held up, as long as this lives.
pub struct Held(Arc<Gate>);

impl Held {
    /// Waits until so many appends wait, no more and no less.
    pub async fn waiting(&self, appends: usize) {
        let _ = self.0.waiting.subscribe().wait_for(|waiting| *waiting == appends).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open.send_replace(true);
    }
}
