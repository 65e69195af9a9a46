//! Keeps what users are searched by: opens what is sealed, for whomever an event is about, and puts it into the one table
//! that is readable ([`chrysalis_projections::search`]). Of two who do it at once, one is late.
//!
//! What was taken out of a table may stay in its pages. So within a day of it the table is built anew, from the users there
//! are, beside the one that is read; and takes its place when it has caught up. Where searching is off, the table is empty.
//!
//! A command may build it while a server does: whoever begins later takes it from the other, and the server then leaves it
//! alone for as long as it gets on. Otherwise each would take it from the other without end.

mod compare;

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis_domain::id::UserId;
use chrysalis_domain::{Span, Subject, Timestamp};
use chrysalis_projections::search::{self, Called, EVENTS, MODEL, Texts};
use chrysalis_projections::table::{Sealed, id};
use chrysalis_projections::{Change, Value};
use futures_util::future::try_join_all;

use super::Lease;
use super::in_turn::InTurn;
use crate::clock::Clock;
use crate::entropy::{self, Entropy};
use crate::keys::{Keyring, PersonSealer, SealKind};
use crate::log::follow::{Folded, Generation, Stage, draw_back};
use crate::log::{LogFault, Position, Recorded, Store, ask, ask_one};

/// Users or events looked at together.
const PAGE: usize = 512;
/// Of these, asked about at the same time.
const TOGETHER: usize = 64;
/// How long events may gather.
const GATHER: Duration = Duration::from_millis(20);
/// How long a table waits that can't take its place.
const PUT_OFF: Duration = Duration::from_millis(250);
/// How often to look at the clock.
const LOOK: Duration = Duration::from_secs(1);
/// How often a command begins, where a server takes the table from it: once it would, and once more where it is slow.
const TRIES: usize = 10;
/// How long a table that was taken from us stands still before it counts as left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(5);
/// How long what was taken out may stay in pages. Half of what is promised: building takes a while, and may break off.
pub const RENEWED_AFTER: Span = Span::from_hours(12);

pub struct Indexer {
    store: Arc<dyn Store>,
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    enabled: bool,
    /// The table that is being built.
    renewal: Option<Renewal>,
    /// How far whoever took one from us was with it, and since when.
    elsewhere: Option<(Position, Instant)>,
    /// What the last process left behind in the store's files was looked for.
    scrubbed: bool,
}

/// A table on its way to take the place of the one that is read.
struct Renewal {
    next: Generation,
    walk: Walk,
    /// Something was taken out of it already.
    traced: bool,
}

/// As it is when it was begun just now.
fn nothing_yet() -> Generation {
    Generation { model: &MODEL, stage: Stage::Next, version: MODEL.version, position: 0 }
}

enum Walk {
    /// Everybody up to this user is in it. What happened since the place where it was begun comes after everybody.
    Everybody { behind: String, begun_at: Position },
    /// Everybody is, and what happened up to the generation's position.
    Events,
}

impl InTurn for Indexer {
    const NAME: &'static str = "search";
    const AFTER_FAULT: Duration = Duration::from_secs(1);
    const STANDS_STILL: &'static str = "users are searched as they were a while ago; it goes on when the fault is gone";

    async fn wants_turn(&mut self, _lease: &Lease, _head: Position) -> Result<bool, LogFault> {
        // The last renewal may have broken off before its last step.
        if !mem::replace(&mut self.scrubbed, true)
            && let Err(fault) = self.store.scrub().await
        {
            tracing::warn!(%fault, "what was deleted may still stand in the store's files");
        }
        Ok(true)
    }

    async fn turn(&mut self, lease: &mut Lease, head: Position) -> Result<Duration, LogFault> {
        let Some(waiting) = self.round(head).await? else { return Ok(LOOK) };
        lease.waiting(Some(waiting));
        Ok(match (waiting, self.elsewhere) {
            (0, _) => LOOK,
            (_, Some(_)) => GATHER,
            (_, None) => Duration::ZERO,
        })
    }

    fn woken_after(&self) -> Option<Duration> {
        Some(GATHER)
    }

    fn stands_aside(&mut self, lease: &Lease) {
        lease.waiting(None);
        self.renewal = None;
    }

    fn stands_still(&mut self, _lease: &Lease) {
        // What was written of it nobody knows.
        self.renewal = None;
    }
}

/// Builds the table anew and puts it in its place, whether or not a server keeps it meanwhile; empty where searching is off.
pub async fn rebuild(mut indexer: Indexer) -> Result<(), LogFault> {
    draw_back(indexer.store.as_ref(), &MODEL).await?;
    for _ in 0..TRIES {
        let head = indexer.store.end().await?;
        if !indexer.enabled {
            return indexer.round(head).await.map(|_| ());
        }
        indexer.renewal = indexer.begin().await?;
        while let Some(renewal) = indexer.renewal.take() {
            let head = indexer.store.end().await?;
            match indexer.go_on(renewal, head).await? {
                Step::On(renewal) => indexer.renewal = Some(renewal),
                Step::Done => return Ok(()),
                Step::Lost => {}
            }
        }
    }
    Err(LogFault::Unavailable("a server builds what users are searched by at the same time".to_owned()))
}

/// What came of a step of a renewal.
enum Step {
    On(Renewal),
    Done,
    /// Somebody else builds one.
    Lost,
}

impl Indexer {
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        enabled: bool,
    ) -> Self {
        Self { store, keyring, clock, entropy, enabled, renewal: None, elsewhere: None, scrubbed: false }
    }

    /// Does what is due, a page of it; answers how much is ahead of those who search, or nothing where nobody does.
    pub async fn round(&mut self, head: Position) -> Result<Option<u64>, LogFault> {
        let all = self.store.generations().await?;
        let Some(live) = all.iter().find(|one| one.stage == Stage::Live && one.model.name == MODEL.name).copied()
        else {
            return Ok(None);
        };
        if !self.enabled {
            let built = all.iter().any(|one| one.stage == Stage::Next && one.model.name == MODEL.name);
            self.clear(live, built).await?;
            return Ok(None);
        }
        if live.version > MODEL.version {
            return Ok(None);
        }
        // One that was never filled, or by another version, is no table to go on with.
        let stands = live.is_ours() && live.position > 0;
        if let Some(renewal) = self.renewal.take() {
            match self.go_on(renewal, head).await? {
                Step::On(renewal) => self.renewal = Some(renewal),
                Step::Done => tracing::info!("what users are searched by was built anew"),
                Step::Lost => self.elsewhere = Some((0, Instant::now())),
            }
        } else if (!stands && head > 0) || self.is_due().await? {
            if !self.is_built_elsewhere(&all) {
                self.renewal = self.begin().await?;
            }
        } else {
            self.elsewhere = None;
        }
        if stands && live.position < head {
            let noted = ask_one(self.store.as_ref(), &search::TRACED_SINCE, &[]).await?.is_some();
            self.advance(live, head, noted).await?;
        }
        Ok(Some(head.saturating_sub(live.position).max(self.renewal.is_some().into())))
    }

    /// Whether whoever took a table from us is at it, and gets on.
    fn is_built_elsewhere(&mut self, all: &[Generation]) -> bool {
        let Some((seen, since)) = self.elsewhere.take() else { return false };
        let next = all.iter().find(|one| one.stage == Stage::Next && one.model.name == MODEL.name);
        let Some(next) = next else { return false };
        let since = if seen == next.position { since } else { Instant::now() };
        let gets_on = since.elapsed() < LEFT_BEHIND;
        self.elsewhere = gets_on.then_some((next.position, since));
        gets_on
    }

    async fn is_due(&self) -> Result<bool, LogFault> {
        let since = ask_one(self.store.as_ref(), &search::TRACED_SINCE, &[]).await?;
        Ok(since.is_some_and(|since| self.clock.now().since(since) >= RENEWED_AFTER))
    }

    /// Leaves nothing to search in, nor what was being built. Whoever switches searching on again begins with everybody.
    async fn clear(&self, live: Generation, built: bool) -> Result<(), LogFault> {
        if live.position != 0 && !self.store.fold(Folded::plain(live, 0, Vec::new())).await? {
            return Ok(());
        }
        let stands = built || ask_one(self.store.as_ref(), &search::ANYBODY, &[]).await?.is_some();
        if stands && self.store.begin(&MODEL).await? && self.store.flip(nothing_yet()).await? {
            self.store.scrub().await?;
            tracing::info!("searching is off, and nothing is left to search in");
        }
        Ok(())
    }

    async fn begin(&self) -> Result<Option<Renewal>, LogFault> {
        let begun_at = self.store.end().await?;
        if !self.store.begin(&MODEL).await? {
            return Ok(None);
        }
        // While everybody is gone through, the position counts the pages from a number that is nobody else's: of two who
        // build at once, one is late.
        let run = u64::from(u32::from_le_bytes(entropy::bytes(self.entropy.as_ref()))) << 24;
        let walk = Walk::Everybody { behind: String::new(), begun_at };
        let next = self.write(nothing_yet(), run, Vec::new()).await?;
        Ok(next.map(|next| Renewal { next, walk, traced: false }))
    }

    /// One page further; in its place when nothing is ahead.
    async fn go_on(&self, renewal: Renewal, head: Position) -> Result<Step, LogFault> {
        let Renewal { next, walk, mut traced } = renewal;
        let (moved, walk) = match walk {
            Walk::Everybody { behind, begun_at } => {
                let parameters = [Value::Text(behind), i64::try_from(PAGE).unwrap_or(i64::MAX).into()];
                let page = ask(self.store.as_ref(), &search::EVERYBODY, &parameters).await?;
                let Some(last) = page.last().map(|last| last.user.to_string()) else {
                    return Ok(match self.write(next, begun_at, Vec::new()).await? {
                        Some(next) => Step::On(Renewal { next, walk: Walk::Events, traced }),
                        None => Step::Lost,
                    });
                };
                let mut changes = Vec::new();
                for called in &page {
                    let come = search::changes(called.user, &Texts::default(), &self.read(called)?);
                    changes.extend(come.into_iter().map(|change| (Subject::User(called.user), change)));
                }
                let moved = self.write(next, next.position + 1, changes).await?;
                (moved, Walk::Everybody { behind: last, begun_at })
            }
            Walk::Events if next.position < head => {
                let moved = self.advance(next, head, traced).await?;
                traced |= moved.as_ref().is_some_and(|(_, took_out)| *took_out);
                (moved.map(|(next, _)| next), Walk::Events)
            }
            Walk::Events => {
                if self.store.flip(next).await? {
                    self.store.scrub().await?;
                    return Ok(Step::Done);
                }
                // The live one is ahead, or readers are in the way.
                tokio::time::sleep(PUT_OFF).await;
                (self.write(next, next.position, Vec::new()).await?, Walk::Events)
            }
        };
        Ok(moved.map_or(Step::Lost, |next| Step::On(Renewal { next, walk, traced })))
    }

    /// Puts in whomever the next page of events is about, as they are now. Answers where it stands, and whether something
    /// was taken out of the table; nothing where somebody else moved it.
    async fn advance(
        &self,
        generation: Generation,
        head: Position,
        noted: bool,
    ) -> Result<Option<(Generation, bool)>, LogFault> {
        let page = self.store.read_types(&EVENTS, generation.position, head, PAGE).await?;
        let to = page.last().filter(|_| page.len() == PAGE).map_or(head, |last| last.position);
        let mut touched: BTreeMap<UserId, &Recorded> = BTreeMap::new();
        for event in &page {
            if let Some(Subject::User(user)) = event.stream.subject() {
                touched.insert(user, event);
            }
        }
        let before = if generation.stage == Stage::Live { &search::LIVE } else { &search::NEXT };
        let (mut changes, mut took_out) = (Vec::new(), false);
        let touched: Vec<_> = touched.into_iter().collect();
        for some in touched.chunks(TOGETHER) {
            let looked = some.iter().map(|(user, last)| async move {
                let before = ask_one(self.store.as_ref(), before, &[id(user)]).await?.unwrap_or_default();
                // Of the many guests who go, nothing is known and nothing need be asked.
                let gone = last.event_type == "UserDeleted";
                let called =
                    if gone { None } else { ask_one(self.store.as_ref(), &search::CALLED, &[id(user)]).await? };
                let after = called.map_or_else(|| Ok(Texts::default()), |called| self.read(&called))?;
                Ok::<_, LogFault>(search::changes(*user, &before, &after))
            });
            for (changed, (user, _)) in try_join_all(looked).await?.into_iter().zip(some) {
                took_out |= changed.iter().any(|change| matches!(change, Change::Delete { .. }));
                changes.extend(changed.into_iter().map(|change| (Subject::User(*user), change)));
            }
            tokio::task::yield_now().await;
        }
        if let (true, Some(first), Some((user, _))) = (took_out && !noted, page.first(), touched.first()) {
            changes.push((Subject::User(*user), search::traced(self.since(first.recorded_at))));
        }
        Ok(self.write(generation, to, changes).await?.map(|moved| (moved, took_out)))
    }

    /// A clock that was set back since must not put a renewal off.
    fn since(&self, recorded_at: Timestamp) -> Timestamp {
        recorded_at.min(self.clock.now())
    }

    async fn write(
        &self,
        generation: Generation,
        to: Position,
        changes: Vec<(Subject, Change)>,
    ) -> Result<Option<Generation>, LogFault> {
        let moved = self.store.fold(Folded::plain(generation, to, changes)).await?;
        Ok(moved.then_some(Generation { position: to, ..generation }))
    }

    /// What a user is called now; nothing of whoever was erased.
    fn read(&self, called: &Called) -> Result<Texts, LogFault> {
        if called.email.is_none() && called.name.is_none() {
            return Ok(Texts::default());
        }
        let Some(sealer) = PersonSealer::open(&self.keyring, called.person, called.key.as_ref())? else {
            return Ok(Texts::default());
        };
        let read = |kind, sealed: &Option<Sealed>| {
            let opened = sealed.as_ref().map(|sealed| sealer.read(kind, sealed));
            // Who looks at the user is told; the others are found all the same.
            opened?.inspect_err(|fault| tracing::warn!(%fault, "a user is not found by it")).ok()?.value()
        };
        Ok(Texts::of(read(SealKind::Email, &called.email).as_deref(), read(SealKind::Name, &called.name).as_deref()))
    }
}
