//! The log as endpoints read it. Most stand at its end, side by side: what one of them has read and decoded is there for
//! the others, so many endpoints cost about as many reads as one. Who is far behind reads by itself.

use std::collections::VecDeque;
use std::sync::Arc;

use chrysalis_projections::Entry;
use tokio::sync::Mutex;

use crate::log::{Log, LogFault, Position, Recorded, StreamId, Version, read_entry};

/// Events of a page.
const PAGE: usize = 256;
/// Events that are remembered behind the end.
const REMEMBERED: usize = 1_024;

/// An event, and where in its stream it stands.
#[derive(Clone)]
pub(super) struct Happened {
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) entry: Arc<Entry>,
}

impl Happened {
    /// None when this program knows nothing of what the event is about.
    pub(super) fn read(recorded: Recorded) -> Result<Option<Self>, LogFault> {
        let (stream, version) = (recorded.stream.clone(), recorded.version);
        Ok(read_entry(recorded)?.map(|entry| Self { stream, version, entry: Arc::new(entry) }))
    }
}

/// Everything that happened behind one position and up to another.
pub(super) struct Page {
    pub(super) events: Vec<Happened>,
    pub(super) upto: Position,
}

#[derive(Default)]
pub(super) struct Tail(Mutex<Remembered>);

/// All that happened behind `after` and up to `upto`.
#[derive(Default)]
struct Remembered {
    after: Position,
    upto: Position,
    events: VecDeque<Happened>,
}

impl Tail {
    /// The next page behind a position; empty at the end of the log.
    pub(super) async fn read(&self, log: &dyn Log, after: Position) -> Result<Page, LogFault> {
        let mut remembered = self.0.lock().await;
        if after < remembered.after {
            drop(remembered);
            return read(log, after).await;
        }
        if after > remembered.upto {
            // Nobody has read on for a while.
            *remembered = Remembered { after, upto: after, events: VecDeque::new() };
        }
        if after == remembered.upto {
            // Whoever wants the same meanwhile stands in line, and finds it.
            let page = read(log, after).await?;
            remembered.add(&page);
            return Ok(page);
        }
        Ok(remembered.page(after))
    }
}

impl Remembered {
    fn add(&mut self, page: &Page) {
        self.upto = page.upto;
        self.events.extend(page.events.iter().cloned());
        while self.events.len() > REMEMBERED {
            if let Some(forgotten) = self.events.pop_front() {
                self.after = forgotten.entry.position;
            }
        }
    }

    fn page(&self, after: Position) -> Page {
        let first = self.events.partition_point(|event| event.entry.position <= after);
        let events: Vec<Happened> = self.events.iter().skip(first).take(PAGE).cloned().collect();
        // A page that is not full reaches to the end of what is remembered, whatever it left out there.
        let last = events.last().filter(|_| events.len() == PAGE);
        Page { upto: last.map_or(self.upto, |last| last.entry.position), events }
    }
}

async fn read(log: &dyn Log, after: Position) -> Result<Page, LogFault> {
    let page = log.read_all(after, PAGE).await?;
    let upto = page.last().map_or(after, |last| last.position);
    let events = page.into_iter().filter_map(|recorded| Happened::read(recorded).transpose());
    Ok(Page { events: events.collect::<Result<_, _>>()?, upto })
}

#[cfg(test)]
mod tests {
    use chrysalis_domain::id::UserId;
    use chrysalis_domain::user::UserEvent;
    use chrysalis_domain::user::event::GuestReleased;
    use chrysalis_domain::{Event, Timestamp};
    use chrysalis_projections::model::Actor;
    use ulid::Ulid;

    use super::*;

    fn happened(position: Position) -> Happened {
        let (user, at) = (UserId::from_ulid(Ulid::from_parts(1, 1)), Timestamp::from_millis(1));
        let released = GuestReleased { last_activity: at, at };
        let entry = Entry {
            position,
            id: String::new(),
            recorded_at: at,
            occurred_at: at,
            actor: Actor { kind: "user".to_owned(), id: None, by: None, impersonator: None },
            request: None,
            cause: None,
            settings_version: 0,
            event: Event::User(user, UserEvent::GuestReleased(released)),
        };
        Happened { stream: StreamId::user(user), version: position, entry: Arc::new(entry) }
    }

    fn positions(page: &Page) -> Vec<Position> {
        page.events.iter().map(|event| event.entry.position).collect()
    }

    /// Whatever was skipped as unknown, and however much is forgotten: pages that follow on each other leave out nothing.
    #[test]
    fn what_is_remembered_is_read_without_a_gap() {
        let known = |position: &Position| !position.is_multiple_of(7);
        let mut remembered = Remembered { after: 10, upto: 10, events: VecDeque::new() };
        for page in 0..20 {
            let (first, upto) = (11 + page * 100, 110 + page * 100);
            remembered.add(&Page { events: (first..=upto).filter(known).map(happened).collect(), upto });
        }
        assert_eq!((remembered.upto, remembered.events.len()), (2_010, REMEMBERED));
        let (mut after, mut read) = (remembered.after, Vec::new());
        while after < remembered.upto {
            let page = remembered.page(after);
            read.extend(positions(&page));
            after = page.upto;
        }
        assert_eq!(read, (remembered.after + 1..=2_010).filter(known).collect::<Vec<_>>());
    }
}
