//! What goes wrong because a test wants it to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// `$all` is for others.
    hides: AtomicBool,
    /// How streams begin that are for others.
    forbidden: Mutex<Option<String>>,
    /// Who follows `$all`, and how often they were told that this was all.
    following: watch::Sender<usize>,
    ended: watch::Sender<u64>,
}

struct Gate {
    holds: Holds,
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

/// What waits at a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Appends to streams that begin so, before they are stored.
    Streams(String),
    /// Appends with an event of that type, before they are stored.
    Type(String),
    /// The answers to these: they are stored.
    Answers(String),
}

impl Holds {
    fn before(&self, stream: &str, types: &[String]) -> bool {
        match self {
            Self::Streams(beginning) => stream.starts_with(beginning.as_str()),
            Self::Type(event_type) => types.contains(event_type),
            Self::Answers(_) => false,
        }
    }

    fn after(&self, types: &[String]) -> bool {
        matches!(self, Self::Answers(event_type) if types.contains(event_type))
    }
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

    pub fn hold(&self, holds: Holds) -> Held {
        let (open, waiting) = (watch::channel(false).0, watch::channel(0).0);
        let gate = Arc::new(Gate { holds, open, waiting });
        self.gates.lock().unwrap().push(gate.clone());
        Held(gate)
    }

    /// Waits where an append has to before it is stored.
    pub async fn pass(&self, stream: &str, types: &[String]) {
        self.wait(|holds| holds.before(stream, types)).await;
    }

    /// Waits where its answer has to.
    pub async fn pass_answer(&self, types: &[String]) {
        self.wait(|holds| holds.after(types)).await;
    }

    async fn wait(&self, here: impl Fn(&Holds) -> bool) {
        let gates: Vec<_> = {
            let mut gates = self.gates.lock().unwrap();
            gates.retain(|gate| !*gate.open.borrow());
            gates.iter().filter(|gate| here(&gate.holds)).cloned().collect()
        };
        for gate in gates {
            let _waits = Waits::at(&gate);
            let _ = gate.open.subscribe().wait_for(|open| *open).await;
        }
    }
}

impl Faults {
    pub fn hide(&self, hides: bool) {
        self.hides.store(hides, Ordering::Relaxed);
    }

    pub fn hides(&self) -> bool {
        self.hides.load(Ordering::Relaxed)
    }

    pub fn forbid(&self, beginning: Option<&str>) {
        *self.forbidden.lock().unwrap() = beginning.map(str::to_owned);
    }

    pub fn forbids(&self, stream: &str) -> bool {
        self.forbidden.lock().unwrap().as_deref().is_some_and(|beginning| stream.starts_with(beginning))
    }

    pub fn end_subscriptions(&self) {
        self.ended.send_modify(|times| *times += 1);
    }

    pub async fn followed(&self, by: usize) {
        let _ = self.following.subscribe().wait_for(|following| *following == by).await;
    }

    /// Counts as following as long as this lives.
    pub fn follows(self: &Arc<Self>) -> Follows {
        self.following.send_modify(|following| *following += 1);
        Follows { ended: self.ended.subscribe(), faults: self.clone() }
    }
}

pub struct Follows {
    ended: watch::Receiver<u64>,
    faults: Arc<Faults>,
}

impl Follows {
    /// Until it is told that this was all.
    pub async fn ended(&mut self) {
        let _ = self.ended.changed().await;
    }
}

impl Drop for Follows {
    fn drop(&mut self) {
        self.faults.following.send_modify(|following| *following -= 1);
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
