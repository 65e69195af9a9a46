//! The log itself, page by page: what fits a filter, behind a place, in the order of the log.
//!
//! A page costs what is looked at, and that is bounded: who filters by what is rare gets a short page, and where to go on.
//! Places never change, and nothing comes before one that was read: who goes on behind a place misses nothing.

use chrysalis_domain::{Timestamp, event};

use crate::log::{Log, LogFault, Position, Recorded, StreamId, Version};

/// Positions looked at for one page where only some types are wanted.
const WINDOW: Position = 20_000;
/// Events of a stream that are read together, and the most that are looked at for one page.
const LOOK: usize = 500;
const MOST_LOOKED_AT: usize = 20_000;

/// Which events; all that is given must hold, of types any.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub stream: Option<StreamId>,
    pub types: Vec<&'static str>,
    /// What was recorded later ends it.
    pub to: Option<Timestamp>,
}

impl Wanted {
    fn fits(&self, event: &Recorded) -> bool {
        self.types.is_empty() || self.types.contains(&event.event_type.as_str())
    }
}

/// The type of that name, if anything writes such events.
pub fn type_named(name: &str) -> Option<&'static str> {
    event::types().map(|(known, _)| known).find(|known| *known == name)
}

#[derive(Debug, Default)]
pub struct Page {
    pub events: Vec<Recorded>,
    /// Everything up to here was looked at: where to go on.
    pub on: Position,
    /// There is more behind it now, or may be.
    pub more: bool,
    /// There is nothing more, and never will be.
    pub ended: bool,
}

/// Reads on behind a place.
pub struct Reader {
    wanted: Wanted,
    after: Position,
    /// How far that is in the stream, once it is known.
    version: Option<Version>,
}

impl Reader {
    pub fn behind(after: Position, wanted: Wanted) -> Self {
        Self { wanted, after, version: None }
    }

    /// Everything up to here was read.
    pub fn place(&self) -> Position {
        self.after
    }

    /// The next page, of at most so many events.
    pub async fn next(&mut self, log: &dyn Log, limit: usize) -> Result<Page, LogFault> {
        // From before it is read on: what comes meanwhile is the next page's.
        let head = (*log.head().borrow()).max(self.after);
        let mut page = match self.wanted.stream.clone() {
            Some(stream) => self.of_stream(log, &stream, head, limit).await?,
            None if self.wanted.types.is_empty() => {
                let events = log.read_all(self.after, limit).await?;
                let on = events.last().map_or(self.after, |last| last.position);
                Page { on, more: events.len() == limit, events, ended: false }
            }
            None => self.of_types(log, head, limit).await?,
        };
        if let Some(to) = self.wanted.to {
            let late = page.events.iter().position(|event| event.recorded_at > to);
            if late.is_some() || (page.on > self.after && is_later(log, page.on, to).await?) {
                page.events.truncate(late.unwrap_or(page.events.len()));
                page.on = page.events.last().map_or(self.after, |last| last.position);
                (page.more, page.ended) = (false, true);
            }
        }
        self.after = page.on;
        Ok(page)
    }

    async fn of_types(&self, log: &dyn Log, head: Position, limit: usize) -> Result<Page, LogFault> {
        let upto = head.min(self.after + WINDOW);
        let events = log.read_types(&self.wanted.types, self.after, upto, limit).await?;
        let on = events.last().filter(|_| events.len() == limit).map_or(upto, |last| last.position);
        Ok(Page { events, on, more: on < head, ended: false })
    }

    async fn of_stream(
        &mut self,
        log: &dyn Log,
        stream: &StreamId,
        head: Position,
        limit: usize,
    ) -> Result<Page, LogFault> {
        let mut version = match self.version {
            Some(version) => version,
            None => version_at(log, stream, self.after).await?,
        };
        let (mut events, mut looked_at) = (Vec::new(), 0);
        let (mut on, look) = (self.after, if self.wanted.types.is_empty() { LOOK.min(limit) } else { LOOK });
        let more = loop {
            let found = log.read_stream(stream, version, look).await?;
            let short = found.len() < look;
            looked_at += found.len();
            for event in found {
                if events.len() == limit {
                    break;
                }
                (version, on) = (event.version, event.position);
                if self.wanted.fits(&event) {
                    events.push(event);
                }
            }
            if short && events.len() < limit {
                on = on.max(head);
                break false;
            }
            if events.len() == limit || looked_at >= MOST_LOOKED_AT {
                break true;
            }
            // Reading may take this thread; others have their turn in between.
            tokio::task::yield_now().await;
        };
        self.version = Some(version);
        Ok(Page { events, on, more, ended: false })
    }
}

/// Whether what stands at a position was recorded after a time.
async fn is_later(log: &dyn Log, position: Position, time: Timestamp) -> Result<bool, LogFault> {
    let found = log.read_all(position.saturating_sub(1), 1).await?;
    Ok(found.first().is_some_and(|event| event.position == position && event.recorded_at > time))
}

/// The version of a stream's last event up to a position; 0 where there is none. Versions rise as positions do.
async fn version_at(log: &dyn Log, stream: &StreamId, position: Position) -> Result<Version, LogFault> {
    if position == 0 {
        return Ok(0);
    }
    let stands = async |version: Version| {
        let found = log.read_stream(stream, version - 1, 1).await?;
        Ok::<_, LogFault>(found.first().is_some_and(|event| event.position <= position))
    };
    let mut high: Version = 1;
    while stands(high).await? {
        high *= 2;
    }
    let mut low = high / 2;
    // Somewhere from `low` on, and before `high`.
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if stands(middle).await? { low = middle } else { high = middle }
    }
    Ok(low)
}
