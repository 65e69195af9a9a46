//! What waits to be stored: two bounded lanes, interactive before bulk. Writers take as much at a time as they like;
//! who finds no room is told so at once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrysalis_domain::Span;
use tokio::sync::Notify;

use super::{AppendError, Lane, LogFault};

/// How long to wait when the queue was full: a batch takes milliseconds, a client's retry should take longer.
const RETRY_AFTER: Span = Span::from_secs(1);

pub(super) struct Queue<W> {
    lanes: Mutex<Lanes<W>>,
    /// One writer waits, as a thread or as a task.
    thread: Condvar,
    task: Notify,
    capacity: usize,
}

struct Lanes<W> {
    interactive: VecDeque<W>,
    /// Each with its weight.
    bulk: VecDeque<(W, usize)>,
    /// When somebody who waits for an answer came last.
    came: Option<Instant>,
    closed: bool,
}

/// What a writer took, and how much waited when it did.
pub(super) struct Taken<W> {
    pub(super) work: Vec<W>,
    pub(super) depth: usize,
}

impl<W> Queue<W> {
    /// `capacity` is that of each lane.
    pub(super) fn new(capacity: usize) -> Self {
        let lanes = Lanes { interactive: VecDeque::new(), bulk: VecDeque::new(), came: None, closed: false };
        Self { lanes: Mutex::new(lanes), thread: Condvar::new(), task: Notify::new(), capacity: capacity.max(1) }
    }

    /// `weight`: rows that it changes, roughly.
    pub(super) fn push(&self, lane: Lane, weight: usize, work: W) -> Result<(), AppendError> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(stopped().into());
        }
        let waiting = match lane {
            Lane::Interactive => lanes.interactive.len(),
            Lane::Bulk => lanes.bulk.len(),
        };
        if waiting >= self.capacity {
            return Err(AppendError::Busy { retry_after: RETRY_AFTER });
        }
        match lane {
            Lane::Interactive => {
                lanes.came = Some(Instant::now());
                lanes.interactive.push_back(work);
            }
            Lane::Bulk => lanes.bulk.push_back((work, weight)),
        }
        drop(lanes);
        self.rouse();
        Ok(())
    }

    /// Who waits now for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.lock().interactive.len()
    }

    /// Waits for work, as a thread does; none when the queue is closed and empty.
    pub(super) fn wait(&self, most: usize) -> Option<Taken<W>> {
        let mut lanes = self.lock();
        loop {
            match lanes.take(most) {
                Some(taken) => return Some(taken),
                None if lanes.closed => return None,
                None => lanes = self.thread.wait(lanes).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits for work, as a task does; none when the queue is closed and empty.
    pub(super) async fn next(&self, most: usize) -> Option<Taken<W>> {
        loop {
            {
                let mut lanes = self.lock();
                match lanes.take(most) {
                    Some(taken) => return Some(taken),
                    None if lanes.closed => return None,
                    None => {}
                }
            }
            // A call that came in between has left a permit.
            self.task.notified().await;
        }
    }

    /// Waits until nothing more comes: for whoever does not take work meanwhile.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            self.task.notified().await;
        }
        // It was perhaps for whoever takes.
        self.task.notify_one();
    }

    /// What was accepted stays; nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.rouse();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Forgets what waits: whoever waits for an answer learns that none comes.
    pub(super) fn forget(&self) {
        let mut lanes = self.lock();
        lanes.interactive.clear();
        lanes.bulk.clear();
    }

    /// Closes, and forgets what waits.
    pub(super) fn abandon(&self) {
        self.lock().closed = true;
        self.forget();
    }

    fn rouse(&self) {
        self.thread.notify_one();
        self.task.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<W>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows that a batch changes for the bulk lane, where there are people who wait for an answer, and where there are none:
/// whoever comes waits for as much at the most, however much there is. A few rows take about as long as reaching the disk.
const BESIDE_OTHERS: usize = 256;
const ALONE: usize = 2_048;
/// Nobody came for so long: there is nobody.
const QUIET: Duration = Duration::from_millis(100);

impl<W> Lanes<W> {
    fn take(&mut self, most: usize) -> Option<Taken<W>> {
        let depth = self.interactive.len() + self.bulk.len();
        let interactive = self.interactive.len().min(most);
        let mut work: Vec<_> = self.interactive.drain(..interactive).collect();
        let mut room = match self.came {
            Some(came) if came.elapsed() < QUIET => BESIDE_OTHERS,
            _ => ALONE,
        };
        // What is larger than that goes by itself.
        while work.len() < most && room > 0 {
            let Some((bulk, weight)) = self.bulk.pop_front() else { break };
            room = room.saturating_sub(weight.max(1));
            work.push(bulk);
        }
        (!work.is_empty()).then_some(Taken { work, depth })
    }
}

/// Tells of a batch that was not stored. Where the store is away, whoever waits for it tells so by itself.
pub(super) fn tell_unstored(fault: &LogFault, groups: usize) {
    match fault {
        LogFault::Unavailable(_) => tracing::debug!(%fault, groups, "a batch was not stored"),
        _ => tracing::error!(%fault, groups, "a batch was not stored; nothing of it was acknowledged"),
    }
}

pub(super) fn stopped() -> LogFault {
    LogFault::Unavailable("the writer has stopped".to_owned())
}
