//! Copies a log with everything that belongs to it into another store.
//!
//! Events go first, in order and as they are, page by page; where a copy was stopped, the next one goes on. Then the
//! side tables are made equal, row by row. Then both ends are read again and compared. The read models are not copied:
//! whoever asked folds them anew. A server may write to the source meanwhile: what it wrote after the copy passed, the
//! next copy takes.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use chrysalis_projections::Value;

use super::replica::{ELSEWHERE, FOLLOWED};
use super::transfer::{SIDE_TABLES, SideChange, SideRow, SideTable};
use super::{LogFault, Position, Recorded, Store};

/// The checkpoint that stands at 1 while a copy into the store is not finished: nothing may serve from it.
pub const UNFINISHED: &str = "log copy, unfinished";

/// Events or rows that are held in memory at a time.
const PAGE: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("the source: {0}")]
    Source(LogFault),
    #[error("the destination: {0}")]
    Destination(LogFault),
    #[error("both ends are the same store; name another one with --to")]
    Itself,
    #[error("the source holds no keys, or is an unfinished copy itself: it is no store to be served from")]
    NothingThere,
    #[error(
        "the destination has a log of its own: its event at position {0} is not the source's; copy into an empty store"
    )]
    Other(Position),
    #[error("the destination has keys of its own: copy into an empty store")]
    OtherKeys,
    #[error(
        "the destination's stream holds this log already, by way of another read store: a server that uses that one would stop for \
         good. Name an empty stream with eventstore.stream, or say --take-over, where no server uses it any more"
    )]
    Served,
    #[error(
        "the destination's stream goes on behind position {0}, where the source ends: the source is an older copy. Copy from the store \
         that served that stream last, or name an empty stream with eventstore.stream"
    )]
    GoesOn(Position),
    #[error("what was copied differs from the source at {0}; copy again, into an empty store")]
    Differs(String),
}

/// How long what a node left undone may take to be stored.
const SETTLING: Duration = Duration::from_secs(30);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(50);

/// What is going on, for a progress bar.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Of so many events, so many are there.
    Events { there: u64, of: u64 },
    /// Rows of a side table that were looked at.
    Rows { table: &'static str, seen: u64 },
    /// Of so many events, so many were compared.
    Compared { events: u64, of: u64 },
}

/// What a copy came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Events that both ends have now.
    pub events: u64,
    /// Events that this copy moved.
    pub moved: u64,
    /// Events that the source has got since.
    pub behind: u64,
}

/// How long whoever asks whether two ends are one store may take.
const ASKING: Duration = Duration::from_secs(60);

/// Whether both ends are one store, however they are named: what is taken at one is taken at the other, then. `mark` is nobody
/// else's.
///
/// # Errors
/// See [`CopyError`].
pub async fn are_one(from: &dyn Store, to: &dyn Store, mark: &str) -> Result<bool, CopyError> {
    let name = format!("log copy {mark}");
    to.lease(&name, "destination", ASKING).await.map_err(CopyError::Destination)?;
    let apart = from.lease(&name, "source", ASKING).await.map_err(CopyError::Source)?;
    from.release(&name, "source").await.map_err(CopyError::Source)?;
    to.release(&name, "destination").await.map_err(CopyError::Destination)?;
    Ok(!apart)
}

/// Copies what the destination lacks. It stays marked as unfinished: see [`finish`]. Where its log is kept elsewhere and holds
/// these events already, another store answers for them: that is for whoever says so by `take_over`.
///
/// # Errors
/// See [`CopyError`]. What was copied stays: the next copy goes on from there.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    take_over: bool,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Copied, CopyError> {
    let upto = stored(from).await.map_err(CopyError::Source)?;
    let begun = agree(from, to).await?;
    let anew = begun == 0 && to.checkpoint(UNFINISHED).await.map_err(CopyError::Destination)? == 0;
    // What can't be read as a log is told when it is in the way.
    let first = to.standing(0, 1).await.unwrap_or_default();
    if anew && !first.is_empty() && first == from.read_all(0, 1).await.map_err(CopyError::Source)? {
        if !to.standing(upto, 1).await.map_err(CopyError::Destination)?.is_empty() {
            return Err(CopyError::GoesOn(upto));
        }
        if !take_over {
            return Err(CopyError::Served);
        }
    }
    to.advance(UNFINISHED, 0, 1).await.map_err(CopyError::Destination)?;
    let mut after = begun;
    while after < upto {
        let mut page = from.read_all(after, PAGE).await.map_err(CopyError::Source)?;
        page.retain(|event| event.position <= upto);
        let Some(last) = dense(after, &page)? else { break };
        to.receive(after, page).await.map_err(CopyError::Destination)?;
        after = last;
        tell(Step::Events { there: after, of: upto });
    }
    for table in &SIDE_TABLES {
        level(from, to, table, true, tell).await?;
    }
    compare(from, to, after, tell).await?;
    for table in SIDE_TABLES.iter().filter(|table| !table.restless) {
        level(from, to, table, false, tell).await?;
    }
    let now = from.end().await.map_err(CopyError::Source)?;
    Ok(Copied { events: after, moved: after - begun, behind: now.saturating_sub(after) })
}

/// Where the source ends, once all is stored that stands in its log: where that is kept elsewhere, a node may have stopped between.
async fn stored(from: &dyn Store) -> Result<Position, LogFault> {
    let mut upto = from.end().await?;
    let stands = from.standing(upto, PAGE).await?.last().map_or(upto, |event| event.position);
    let begun = Instant::now();
    while upto < stands {
        if begun.elapsed() > SETTLING {
            let told = format!(
                "what stands in the log behind position {upto} is not stored; start a server on it, then copy again"
            );
            return Err(LogFault::Unavailable(told));
        }
        tokio::time::sleep(LOOK).await;
        upto = from.end().await?;
    }
    Ok(upto)
}

/// Says that the destination may be served from: its read models are folded.
pub async fn finish(to: &dyn Store) -> Result<(), LogFault> {
    to.advance(UNFINISHED, 1, 0).await.map(|_| ())
}

/// Where the destination stands, if that is somewhere on the source's own way.
async fn agree(from: &dyn Store, to: &dyn Store) -> Result<Position, CopyError> {
    let keys = from.keys().await.map_err(CopyError::Source)?;
    if keys.is_empty() || from.checkpoint(UNFINISHED).await.map_err(CopyError::Source)? != 0 {
        return Err(CopyError::NothingThere);
    }
    let theirs = to.keys().await.map_err(CopyError::Destination)?;
    let same = |key: &super::StoredKey| {
        keys.iter().any(|ours| (&ours.purpose, ours.id, &ours.wrapped) == (&key.purpose, key.id, &key.wrapped))
    };
    if !theirs.iter().all(same) {
        return Err(CopyError::OtherKeys);
    }
    let end = to.end().await.map_err(CopyError::Destination)?;
    if end == 0 {
        return Ok(0);
    }
    let there = to.read_all(end - 1, 1).await.map_err(CopyError::Destination)?;
    let ours = from.read_all(end - 1, 1).await.map_err(CopyError::Source)?;
    if there == ours { Ok(end) } else { Err(CopyError::Other(end)) }
}

/// The last position of a page that follows `after` without a gap.
fn dense(after: Position, page: &[Recorded]) -> Result<Option<Position>, CopyError> {
    for (event, expected) in page.iter().zip(after + 1..) {
        if event.position != expected {
            let gap = LogFault::Damaged(format!("position {expected} is missing; run `chrysalis verify`"));
            return Err(CopyError::Source(gap));
        }
    }
    Ok(page.last().map(|event| event.position))
}

/// Every event, read again at both ends.
async fn compare(
    from: &dyn Store,
    to: &dyn Store,
    upto: Position,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<(), CopyError> {
    let mut after = 0;
    while after < upto {
        let limit = usize::try_from(upto - after).unwrap_or(PAGE).min(PAGE);
        let ours = from.read_all(after, limit).await.map_err(CopyError::Source)?;
        let theirs = to.read_all(after, limit).await.map_err(CopyError::Destination)?;
        if ours != theirs || ours.is_empty() {
            let odd =
                ours.iter().zip(&theirs).find(|(one, other)| one != other).map_or(after + 1, |(one, _)| one.position);
            return Err(CopyError::Differs(format!("position {odd}")));
        }
        after += ours.len() as u64;
        tell(Step::Compared { events: after, of: upto });
    }
    Ok(())
}

/// Walks a side table at both ends in the order of its key, and makes the destination's equal; or, where nothing is to
/// be changed any more, finds out whether it is.
async fn level(
    from: &dyn Store,
    to: &dyn Store,
    table: &'static SideTable,
    change: bool,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<(), CopyError> {
    let (mut ours, mut theirs) = (Walk::new(from, table), Walk::new(to, table));
    let (mut put, mut gone): (Vec<SideRow>, Vec<SideRow>) = (Vec::new(), Vec::new());
    let mut seen = 0;
    loop {
        let (one, other) = (
            ours.peek().await.map_err(CopyError::Source)?.cloned(),
            theirs.peek().await.map_err(CopyError::Destination)?.cloned(),
        );
        let order = match (&one, &other) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => order(&one[..table.key], &other[..table.key]),
        };
        if order.is_le() {
            ours.step();
        }
        if order.is_ge() {
            theirs.step();
        }
        seen += 1;
        let differs = match order {
            Ordering::Equal | Ordering::Less => one != other && !is_mark(table, one.as_ref()),
            Ordering::Greater => !is_mark(table, other.as_ref()),
        };
        if !differs {
            continue;
        }
        match (change, order, one, other) {
            // The source may have got it since: that is the next copy's.
            (false, Ordering::Less, ..) => {}
            (false, _, one, other) => {
                let row = one.or(other).unwrap_or_default();
                return Err(CopyError::Differs(format!("{} {:?}", table.name, row.first())));
            }
            (true, Ordering::Greater, _, Some(other)) => gone.push(other[..table.key].to_vec()),
            (true, _, Some(one), _) => put.push(one),
            (true, ..) => {}
        }
        if put.len() + gone.len() >= PAGE {
            let change = SideChange { table, put: std::mem::take(&mut put), gone: std::mem::take(&mut gone) };
            to.put_side_rows(change).await.map_err(CopyError::Destination)?;
            tell(Step::Rows { table: table.name, seen });
        }
    }
    if !(put.is_empty() && gone.is_empty()) {
        to.put_side_rows(SideChange { table, put, gone }).await.map_err(CopyError::Destination)?;
    }
    tell(Step::Rows { table: table.name, seen });
    Ok(())
}

/// The marks of an unfinished copy, and of a log that is elsewhere, are about the source alone.
fn is_mark(table: &SideTable, row: Option<&SideRow>) -> bool {
    let name = row.and_then(|row| row.first()?.as_text());
    table.name == "checkpoints" && name.is_some_and(|name| [UNFINISHED, ELSEWHERE, FOLLOWED].contains(&name))
}

/// Keys in the order in which both stores have them: text and bytes byte by byte.
fn order(one: &[Value], other: &[Value]) -> Ordering {
    let value = |(one, other): (&Value, &Value)| match (one, other) {
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Bytes(one), Value::Bytes(other)) => one.cmp(other),
        (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
        // Keys are of one kind at both ends, and never null.
        _ => Ordering::Equal,
    };
    one.iter().zip(other).map(value).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// A side table, row by row.
struct Walk<'s> {
    store: &'s dyn Store,
    table: &'static SideTable,
    page: std::vec::IntoIter<SideRow>,
    next: Option<SideRow>,
    last: Option<SideRow>,
    ended: bool,
}

impl<'s> Walk<'s> {
    fn new(store: &'s dyn Store, table: &'static SideTable) -> Self {
        Self { store, table, page: Vec::new().into_iter(), next: None, last: None, ended: false }
    }

    async fn peek(&mut self) -> Result<Option<&SideRow>, LogFault> {
        if self.next.is_none() && !self.ended {
            self.next = self.page.next();
            if self.next.is_none() {
                let page = self.store.side_rows(self.table, self.last.as_deref(), PAGE).await?;
                self.last = page.last().map(|row| row[..self.table.key].to_vec());
                self.ended = page.is_empty();
                self.page = page.into_iter();
                self.next = self.page.next();
            }
        }
        Ok(self.next.as_ref())
    }

    fn step(&mut self) {
        self.next = None;
    }
}
