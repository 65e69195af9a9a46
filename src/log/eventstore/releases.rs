//! Names that were reserved are released: at once where what they were for stands in the log, or never will, by whoever reserved
//! them; and where a node stopped before it did so, within a minute, by any.
//!
//! What is to be released is noted in the read store before it is reserved, in the transaction that stages the batch. A
//! release is a deletion at the revision at which the reservation stands, so that it never takes somebody else's.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrysalis_domain::id::ClaimId;
use chrysalis_projections::Value;
use futures_util::future::join_all;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval_at};

use super::line::{Line, is_denied};
use super::naming::Naming;
use super::reservations::{Held, Name, holder};
use super::staged::{self, InHand};
use super::{LogFault, Replica};
use crate::log::replica::RESERVED;
use crate::log::transfer::{SideChange, SideRow};

/// Releases that are under way together.
const TOGETHER: usize = 64;
/// Rows that are read at a time.
const PAGE: usize = 256;
/// How long a key names what is reserved.
const NAMES: Duration = Duration::from_secs(60 * 60);

/// What this node knows of the notes.
#[derive(Default)]
struct Known {
    /// Names that it noted and did not release yet: it may wake up and reserve one whose note was swept meanwhile.
    own: HashSet<Name>,
    /// What was released and is still noted.
    released: Vec<SideRow>,
}

/// Takes names that are to be released.
pub(super) struct Releases {
    to_release: UnboundedSender<Vec<Held>>,
    known: Arc<Mutex<Known>>,
}

impl Releases {
    pub(super) fn release(&self, held: Vec<Held>) {
        if !held.is_empty() {
            // Whoever released them is gone where the node stops: they are swept.
            let _ = self.to_release.send(held);
        }
    }

    /// Names that are about to be noted; answers the notes that can go.
    pub(super) fn noting(&self, names: &[Name]) -> Vec<SideRow> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.own.extend(names.iter().cloned());
        std::mem::take(&mut known.released)
    }
}

/// Does it, beside the batches.
pub(super) struct Keeper {
    /// Not that of the batches: nobody waits for a release.
    line: Arc<Line>,
    replica: Arc<dyn Replica>,
    to_release: UnboundedReceiver<Vec<Held>>,
    known: Arc<Mutex<Known>>,
    /// After which time another node's is left undone.
    leave: Duration,
    /// Since when each note is known here.
    noted: HashMap<Name, Instant>,
    renewed: Option<Instant>,
}

/// Both ends of it.
pub(super) fn releases(line: Arc<Line>, replica: Arc<dyn Replica>, leave: Duration) -> (Releases, Keeper) {
    let (sender, to_release) = unbounded_channel();
    let known = Arc::new(Mutex::new(Known::default()));
    let releases = Releases { to_release: sender, known: known.clone() };
    (releases, Keeper { line, replica, to_release, known, leave, noted: HashMap::new(), renewed: None })
}

impl Keeper {
    /// Until nobody has anything to release any more.
    pub(super) async fn run(mut self) {
        let pause = self.leave / 2;
        // Not at once: a command that only looks is gone by then.
        let mut sweeps = interval_at(tokio::time::Instant::now() + pause, pause);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut held = Vec::new();
        loop {
            tokio::select! {
                taken = self.to_release.recv_many(&mut held, TOGETHER) => {
                    if taken == 0 {
                        return;
                    }
                    self.release(held.drain(..).flatten()).await;
                }
                _ = sweeps.tick() => {
                    if let Err(unswept) = self.sweep(pause).await {
                        tracing::debug!(%unswept, "reservations could not be looked through; it is tried again");
                    }
                }
            }
        }
    }

    async fn release(&self, held: impl Iterator<Item = Held>) {
        let held: Vec<Held> = held.collect();
        for some in held.chunks(TOGETHER) {
            let deletions = join_all(some.iter().map(|held| self.line.delete(&held.name.stream, held.revision))).await;
            for (held, deleted) in some.iter().zip(deletions) {
                match deleted {
                    Ok(()) => self.is_released(&held.name),
                    // Or somebody took it over: that is found out when it is swept.
                    Err(kept) => tracing::debug!(%kept, "a reservation could not be released yet"),
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_released(&self, name: &Name) {
        let mut known = self.known();
        known.own.remove(name);
        known.released.push(name.row());
    }

    /// Looks through what is noted, and releases what is for no batch in hand, or for one that had its time and more.
    async fn sweep(&mut self, pause: Duration) -> Result<(), LogFault> {
        let replica = self.replica.clone();
        let noted = self.notes().await?;
        // In this order: what is staged before the log moves on is seen.
        let to_come = match noted.is_empty() {
            true => Vec::new(),
            false => staged::to_come(replica.as_ref(), replica.end().await?).await?,
        };
        let to_come: HashSet<ClaimId> = to_come.iter().flat_map(InHand::claims).collect();
        let now = Instant::now();
        self.noted.retain(|name, _| noted.contains(name));
        for name in &noted {
            let since = now - *self.noted.entry(name.clone()).or_insert(now);
            let due = if to_come.contains(&name.claim) { 2 * self.leave } else { pause };
            if since < due {
                continue;
            }
            match self.let_go(name).await {
                // Or somebody deleted it for good: it is nobody's.
                Ok(()) | Err(LogFault::Damaged(_)) => {}
                // Asking again gets no other answer, and what is noted must not grow for it. Whoever wants the name takes it over.
                Err(denied) if is_denied(&denied) => {
                    tracing::warn!(%denied, stream = name.stream, "a reservation stays in EventStoreDB; delete that stream there");
                }
                Err(failed) => return Err(failed),
            }
            self.is_released(name);
        }
        let gone = std::mem::take(&mut self.known().released);
        if !gone.is_empty() {
            replica.put_side_rows(SideChange { table: &RESERVED, put: Vec::new(), gone }).await?;
        }
        // Whoever reserves just now by the former key is let in by the log itself.
        if noted.is_empty() && self.renewed.is_none_or(|then| then.elapsed() >= NAMES) {
            Naming::renew(replica.as_ref()).await?;
            self.renewed = Some(now);
        }
        Ok(())
    }

    /// Deletes the stream, if it is still reserved there for that claim.
    async fn let_go(&self, name: &Name) -> Result<(), LogFault> {
        if let Some((revision, claim)) = holder(&self.line, &name.stream).await?
            && claim == Some(name.claim)
        {
            self.line.delete(&name.stream, revision).await?;
            tracing::info!("a name that was still reserved is released: its node stopped, or was not sure of it");
        }
        Ok(())
    }

    async fn notes(&self) -> Result<HashSet<Name>, LogFault> {
        let mut noted = HashSet::new();
        let mut after: Option<SideRow> = None;
        loop {
            let page = self.replica.side_rows(&RESERVED, after.as_deref(), PAGE).await?;
            noted.extend(page.iter().filter_map(|row| read(row)));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        let known = self.known();
        noted.extend(known.own.iter().cloned());
        for name in known.released.iter().filter_map(|row| read(row)) {
            noted.remove(&name);
        }
        Ok(noted)
    }
}

fn read(row: &[Value]) -> Option<Name> {
    match row {
        [Value::Text(stream), Value::Text(claim)] => {
            let claim: ClaimId = claim.parse().ok()?;
            Some(Name { stream: stream.clone(), claim })
        }
        _ => None,
    }
}
