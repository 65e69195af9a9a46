//! From a store to lines.
//!
//! What is exported is settled when an export begins, in its [`Header`]: the log grows meanwhile, and who goes on with an
//! export that was broken off goes by what it was begun with.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use chrysalis_domain::{Span, Timestamp};
use tokio::sync::mpsc;

use super::frame::{Filter, Header};
use super::line::Line;
use super::output::{self, Begun, Lines, ResumeError, Tally};
use crate::log::{LogFault, Position, Recorded, Store, StreamId};
use crate::proof::at_most;

/// Events that are read at a time.
const PAGE: usize = 4_096;
/// Pages that were read and are not written yet.
const AHEAD: usize = 2;
/// Bytes of lines that are handed on at a time.
const BATCH: usize = 1 << 18;

/// What somebody asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub from: Option<Position>,
    pub to: Option<Position>,
    /// Recorded at this time or later.
    pub since: Option<Timestamp>,
    /// Recorded at this time or before.
    pub until: Option<Timestamp>,
    pub filter: Filter,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Resume(#[from] ResumeError),
    #[error("the export in that file is another one: {0}; ask for the same, or name another file with --output")]
    OtherQuestion(&'static str),
    #[error("the export in that file is of another log: the event at position {0} is not this one's")]
    OtherLog(Position),
    #[error("position {0} is missing in the log; run `chrysalis verify`, then restore a backup")]
    Gap(Position),
}

/// Settles what is exported. Times become positions: both rise together.
pub async fn settle(store: &dyn Store, asked: &Asked) -> Result<Header, LogFault> {
    let end = store.end().await?;
    let mut from = asked.from.unwrap_or(1).max(1);
    if let Some(since) = asked.since {
        from = from.max(first_since(store, since, end).await?);
    }
    let mut through = asked.to.unwrap_or(end).min(end);
    if let Some(until) = asked.until {
        let later = until + Span::from_millis(1);
        through = through.min(first_since(store, later, end).await? - 1);
    }
    let through = through.max(from - 1);
    let checkpoint = if asked.filter.is_empty() { at_most(store, through).await? } else { None };
    let note = checkpoint.filter(|signed| signed.size >= from).map(|signed| signed.note);
    Ok(Header::new(from, through, asked.filter.clone(), note))
}

/// The first position that was recorded at a time or later; the one behind the last where none was.
async fn first_since(store: &dyn Store, time: Timestamp, end: Position) -> Result<Position, LogFault> {
    // Somewhere from `low` to `high` it stands.
    let (mut low, mut high) = (1, end + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let event = store.read_all(middle - 1, 1).await?;
        if event.first().is_some_and(|event| event.recorded_at < time) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// The header of an export that is gone on with, if it is what is asked for now.
async fn same(store: &dyn Store, begun: Header, now: &Header, there: &Tally) -> Result<Header, ExportError> {
    let differs = [
        (begun.project != now.project, "it is of another project"),
        (begun.from != now.from, "it begins elsewhere"),
        (begun.filter != now.filter, "it is of other streams or types"),
        (begun.through > now.through, "it goes further"),
    ];
    if let Some((_, how)) = differs.into_iter().find(|(differs, _)| *differs) {
        return Err(ExportError::OtherQuestion(how));
    }
    if let Some(leaf) = there.leaf {
        let ours = store.read_all(there.last - 1, 1).await?;
        if ours.first().map(Recorded::leaf) != Some(leaf) {
            return Err(ExportError::OtherLog(there.last));
        }
    }
    Ok(begun)
}

/// What an export to a file came to.
pub struct Done {
    pub tally: Tally,
    /// Events that were there before.
    pub before: Option<u64>,
    /// It was whole before.
    pub finished: bool,
}

/// Writes an export to a file; where a former one of the same was broken off, it is gone on with.
pub async fn to_file(store: Arc<dyn Store>, now: Header, path: &Path, compressed: bool) -> Result<Done, ExportError> {
    let path = path.to_owned();
    let opened =
        tokio::task::spawn_blocking(move || output::open(&path, compressed)).await.map_err(io::Error::other)?;
    let mut begun: Begun = opened?;
    let (before, finished) = (begun.there.as_ref().map(|(_, tally)| tally.count), begun.finished);
    let (header, tally) = match begun.there.take() {
        Some((header, tally)) => (same(store.as_ref(), header, &now, &tally).await?, tally),
        None => (now.clone(), Tally::of(&now)),
    };
    if finished {
        return Ok(Done { tally, before, finished });
    }
    let (tally, file) = export(store, header, tally, begun.go_on()?, before.is_some()).await?;
    file.sync_all()?;
    Ok(Done { tally, before, finished })
}

/// Writes an export to where nothing can be gone on with.
pub async fn to_pipe<W>(store: Arc<dyn Store>, now: Header, pipe: W, compressed: bool) -> Result<Tally, ExportError>
where
    W: Write + Send + 'static,
{
    let (tally, lines) = (Tally::of(&now), Lines::new(pipe, compressed));
    let (tally, mut pipe) = export(store, now, tally, lines, false).await?;
    pipe.flush()?;
    Ok(tally)
}

/// Writes what is not there yet. The tally says what is: nothing, or what a former run wrote.
async fn export<W: Write + Send + 'static>(
    store: Arc<dyn Store>,
    header: Header,
    tally: Tally,
    out: Lines<W>,
    begun: bool,
) -> Result<(Tally, W), ExportError> {
    let (send, pages) = mpsc::channel(AHEAD);
    let (give_back, written) = std::sync::mpsc::channel();
    let cursor = Cursor { dense: header.filter.is_none(), ..Cursor::new(store, header.clone(), tally.last, PAGE) };
    // One processor reads while the other writes.
    tokio::spawn(read(cursor, send, written));
    let writing = Writing { header, tally, out, text: Vec::with_capacity(2 * BATCH) };
    let done = tokio::task::spawn_blocking(move || writing.write(begun, pages, &give_back)).await;
    done.map_err(io::Error::other)?
}

/// None is the end, and is said: who hears nothing more does not know that there is nothing more.
type Page = Result<Option<Vec<Recorded>>, ExportError>;

async fn read(mut cursor: Cursor, pages: mpsc::Sender<Page>, written: std::sync::mpsc::Receiver<Vec<Recorded>>) {
    loop {
        let page = cursor.next().await;
        let goes_on = matches!(page, Ok(Some(_)));
        // Whoever no longer listens has a fault of its own.
        if pages.send(page).await.is_err() || !goes_on {
            return;
        }
        // What a thread allocated it frees itself: two threads in one arena of the allocator only wait for each other.
        written.try_iter().for_each(drop);
    }
}

/// A place in the log, and what is wanted from there on.
pub struct Cursor {
    store: Arc<dyn Store>,
    header: Header,
    after: Position,
    /// In the stream, where one is asked for.
    version: u64,
    page: usize,
    /// Whether a position that is missing is a fault.
    dense: bool,
}

impl Cursor {
    /// Behind a position, some events at a time.
    pub fn new(store: Arc<dyn Store>, header: Header, after: Position, page: usize) -> Self {
        let after = after.max(header.from - 1);
        Self { store, header, after, version: 0, page: page.clamp(1, PAGE), dense: false }
    }

    /// The next events; none where there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Recorded>>, ExportError> {
        let through = self.header.through;
        while self.after < through {
            let mut page = self.page().await?;
            let Some(last) = page.last() else { return Ok(None) };
            let (end, version) = (last.position, last.version);
            if self.dense {
                let gap = page.iter().zip(self.after + 1..).find(|(event, expected)| event.position != *expected);
                if let Some((_, expected)) = gap {
                    return Err(ExportError::Gap(expected));
                }
            }
            let (after, filter) = (self.after, &self.header.filter);
            page.retain(|event| {
                let asked = |filter: &Filter| filter.takes(event.stream.as_str(), &event.event_type);
                event.position > after && event.position <= through && filter.as_ref().is_none_or(asked)
            });
            (self.after, self.version) = (self.after.max(end), version);
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    async fn page(&self) -> Result<Vec<Recorded>, LogFault> {
        let (after, through, page) = (self.after, self.header.through, self.page);
        match &self.header.filter {
            Some(Filter { stream: Some(stream), .. }) => {
                let stream = StreamId::from_stored(stream.clone());
                self.store.read_stream(&stream, self.version, page).await
            }
            Some(Filter { event_type: Some(event_type), .. }) => {
                self.store.read_types(&[event_type.as_str()], after, through, page).await
            }
            _ => {
                let left = usize::try_from(through - after).unwrap_or(page);
                self.store.read_all(after, left.min(page)).await
            }
        }
    }
}

struct Writing<W: Write> {
    header: Header,
    tally: Tally,
    out: Lines<W>,
    /// Lines on their way.
    text: Vec<u8>,
}

impl<W: Write> Writing<W> {
    fn write(
        mut self,
        begun: bool,
        mut pages: mpsc::Receiver<Page>,
        give_back: &std::sync::mpsc::Sender<Vec<Recorded>>,
    ) -> Result<(Tally, W), ExportError> {
        if !begun {
            self.line(&self.header.line());
        }
        let broken = || io::Error::other("reading the log broke off");
        while let Some(page) = pages.blocking_recv().ok_or_else(broken)?? {
            for event in &page {
                let (fields, leaf) = (event.fields(), event.leaf());
                Line::of(&fields, leaf).write(&mut self.text)?;
                self.text.push(b'\n');
                self.tally.take(event.position, leaf);
                if self.text.len() >= BATCH {
                    self.hand_on()?;
                }
            }
            // Nobody takes the last ones.
            let _ = give_back.send(page);
        }
        if self.header.filter.is_none() && self.tally.last.max(self.header.from - 1) != self.header.through {
            return Err(ExportError::Gap(self.tally.last + 1));
        }
        self.line(&self.tally.footer().line());
        self.hand_on()?;
        Ok((self.tally, self.out.finish()?))
    }

    fn line(&mut self, line: &str) {
        self.text.extend(line.as_bytes());
        self.text.push(b'\n');
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write(&self.text)?;
        self.text.clear();
        Ok(())
    }
}
