//! What is left of whoever was erased beside the rows that go with the event that says so: mails in the outbox, which each
//! node removes from its own, and bytes in the store's files, which one node at a time has the store remove.
//!
//! Mails go within a moment. The files take about a minute at the longest, more where a store takes long to go through them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis_domain::event::ERASING;
use chrysalis_domain::id::PersonId;
use chrysalis_projections::Question;
use chrysalis_projections::table::id;

use super::Lease;
use super::in_turn::InTurn;
use crate::log::{LogFault, Position, Recorded, Store, ask_one, read_event};
use crate::mail::Outbox;

/// Events looked at together, and the stretch of the log they are looked for in.
const PAGE: usize = 512;
const STRETCH: Position = 10_000;
/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// How long to leave the store's files alone after they were gone through: so long, and so many times as long as it took.
const REST: Duration = Duration::from_secs(60);
const RESTS: u32 = 20;
/// How far the place may be behind while nobody is erased.
const BEHIND: Position = 100_000;

pub struct Traces {
    /// In which a checkpoint says up to where nothing is left.
    store: Arc<dyn Store>,
    outbox: Outbox,
    /// How far the log was looked through; none before the first look.
    seen: Option<Position>,
    /// The last event that erased somebody.
    erased: Position,
    rests_until: Option<Instant>,
}

/// `?1` = person id.
static KNOWN: Question<i64> =
    Question { sql: "SELECT k.epoch FROM person_keys k WHERE k.person_id = ?1", read: |row| row.integer(0) };

impl InTurn for Traces {
    const NAME: &'static str = "traces";
    const AFTER_FAULT: Duration = Duration::from_secs(5);
    const STANDS_STILL: &'static str = "traces of who was erased stay for now; they go when the fault is gone";
    const ASIDE: Option<Duration> = Some(LOOK);

    /// Mails are in an outbox of each node's.
    async fn wants_turn(&mut self, _lease: &Lease, head: Position) -> Result<bool, LogFault> {
        let seen = match self.seen {
            Some(seen) => seen,
            None => self.begin().await?,
        };
        self.seen = Some(self.look_through(seen, head).await?);
        Ok(true)
    }

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        let left = self.clean(self.seen.unwrap_or_default()).await?;
        lease.waiting(Some(left.into()));
        Ok(LOOK)
    }

    fn stands_aside(&mut self, lease: &Lease) {
        lease.waiting(None);
    }
}

impl Traces {
    pub fn new(store: Arc<dyn Store>, outbox: Outbox) -> Self {
        Self { store, outbox, seen: None, erased: 0, rests_until: None }
    }

    /// While this node was away it may have missed who went.
    async fn begin(&self) -> Result<Position, LogFault> {
        let mut gone = BTreeSet::new();
        for person in self.outbox.persons().map_err(unreadable)? {
            if ask_one(self.store.as_ref(), &KNOWN, &[id(person)]).await?.is_none() {
                gone.insert(person);
            }
        }
        self.outbox.forget(&gone).map_err(unreadable)?;
        self.store.checkpoint(Self::NAME).await
    }

    /// Removes the mails of who went; answers how far it came.
    async fn look_through(&mut self, mut seen: Position, upto: Position) -> Result<Position, LogFault> {
        while seen < upto {
            let end = upto.min(seen + STRETCH);
            let page = self.store.read_types(&ERASING, seen, end, PAGE).await?;
            let gone = persons(&page)?;
            if !gone.is_empty() {
                self.outbox.forget(&gone).map_err(unreadable)?;
                self.erased = page.last().map_or(self.erased, |last| last.position);
            }
            seen = page.last().filter(|_| page.len() == PAGE).map_or(end, |last| last.position);
            tokio::task::yield_now().await;
        }
        Ok(seen)
    }

    /// Has the store's files gone through, where that is due. Whether something is left.
    async fn clean(&mut self, seen: Position) -> Result<bool, LogFault> {
        let kept = self.store.checkpoint(Self::NAME).await?;
        if self.erased <= kept {
            if seen > kept + BEHIND {
                self.store.advance(Self::NAME, kept, seen).await?;
            }
            return Ok(false);
        }
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(true);
        }
        let begun = Instant::now();
        self.store.leave_no_traces().await?;
        self.rests_until = Some(Instant::now() + REST.max(begun.elapsed() * RESTS));
        self.store.advance(Self::NAME, kept, seen).await?;
        Ok(false)
    }
}

/// What one erasure leaves, removed at once: for whoever erases without a server.
pub async fn remove_now(store: &dyn Store, outbox: &Outbox, person: PersonId) -> Result<(), LogFault> {
    outbox.forget(&BTreeSet::from([person])).map_err(unreadable)?;
    store.leave_no_traces().await
}

fn persons(page: &[Recorded]) -> Result<BTreeSet<PersonId>, LogFault> {
    let mut persons = BTreeSet::new();
    for recorded in page {
        persons.extend(read_event(recorded)?.iter().flat_map(|event| event.erases()));
    }
    Ok(persons)
}

fn unreadable(error: io::Error) -> LogFault {
    LogFault::Unavailable(format!("the outbox: {error}"))
}
