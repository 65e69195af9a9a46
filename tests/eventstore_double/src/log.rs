//! What is kept: streams, and the order of all events; and the rules by which a writer is let in.
//!
//! Positions are offsets in a log whose records have a length, so they rise and are not dense. The rules of what is a
//! repetition are the server's: an append at a revision is compared with what stands there; one at any revision is known by
//! its events' ids, as long as the leader remembers them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use uuid::Uuid;

use crate::filter::Filter;

/// What a record takes besides what is in it.
const FRAME: u64 = 73;
/// `$tb` of a stream that was deleted: nothing is below it, whatever comes.
const DELETED: u64 = i64::MAX as u64;
/// The most that one append may hold.
const MOST_BYTES: usize = 1024 * 1024;

/// What a writer believes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Any,
    NoStream,
    StreamExists,
    Exact(u64),
}

/// An event to be written.
#[derive(Clone, Debug)]
pub struct Proposed {
    pub id: Uuid,
    pub event_type: String,
    pub json: bool,
    pub data: Bytes,
    pub metadata: Bytes,
}

/// An event that stands.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub id: Uuid,
    pub stream: Arc<str>,
    pub revision: u64,
    /// Where its record begins: its position.
    pub at: u64,
    /// Where its record ends.
    pub end: u64,
    /// In ticks of 100 ns, since 1970.
    pub created: u64,
    pub event_type: String,
    pub json: bool,
    pub data: Bytes,
    pub metadata: Bytes,
}

impl Recorded {
    pub fn place(&self) -> Place {
        Place::at(self.at)
    }
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub commit: u64,
    pub prepare: u64,
}

impl Place {
    pub const START: Self = Self { commit: 0, prepare: 0 };
    pub const END: Self = Self { commit: u64::MAX, prepare: u64::MAX };

    /// Of an event.
    pub fn at(position: u64) -> Self {
        Self { commit: position, prepare: position }
    }
}

/// Where an append came to stand: the last of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub revision: Option<u64>,
    pub position: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    WrongExpectedVersion { current: Option<u64> },
    StreamDeleted,
    TooLarge { most: usize },
}

/// Some of all events.
pub struct Page {
    pub events: Vec<Recorded>,
    /// Where it began, and where the next one does.
    pub from: Place,
    pub next: Place,
    /// Records looked at, of which some did not match.
    pub considered: u64,
    /// Nothing comes after it yet.
    pub end: bool,
    /// How many records stand before what comes next.
    pub passed: usize,
}

/// What is to be read of a stream.
pub enum Shown {
    NotFound,
    Deleted,
    /// Some of its events, and the revision of its last one.
    Events(Vec<Recorded>, u64),
}

#[derive(Default)]
struct Stream {
    /// By revision: which record of the log it is.
    records: Vec<usize>,
    /// `$tb`: what has a lower revision is not shown.
    hidden_below: u64,
    tombstoned: bool,
}

impl Stream {
    fn current(&self) -> Option<u64> {
        (self.records.len() as u64).checked_sub(1)
    }

    fn is_deleted(&self) -> bool {
        self.hidden_below == DELETED
    }
}

pub struct Log {
    records: Vec<Recorded>,
    streams: HashMap<Arc<str>, Stream>,
    /// Ids that the leader remembers, and where they stand.
    remembered: HashMap<Uuid, (Arc<str>, u64)>,
    end: u64,
    appends: u64,
}

impl Log {
    /// As a server has it when it first starts: not empty.
    pub fn new() -> Self {
        let mut log =
            Self { records: Vec::new(), streams: HashMap::new(), remembered: HashMap::new(), end: 0, appends: 0 };
        log.begin_epoch();
        log.system("$user-admin", "$UserCreated", br#"{"loginName":"admin"}"#);
        log.system("$users", "$User", br#"{"loginName":"admin"}"#);
        log
    }

    /// Another leader, or the same after a restart: it writes that it leads, and has forgotten which ids it saw.
    pub fn begin_epoch(&mut self) {
        self.remembered.clear();
        self.system("$epoch-information", "$epoch-information", b"{}");
    }

    pub fn append(&mut self, name: &str, expected: Expected, events: Vec<Proposed>) -> Result<Written, Rejected> {
        let size = |event: &Proposed| event.data.len() + event.metadata.len() + 2 * event.event_type.len();
        if events.iter().map(size).sum::<usize>() > MOST_BYTES {
            return Err(Rejected::TooLarge { most: MOST_BYTES });
        }
        match self.check(name, expected, &events)? {
            Some(last) => Ok(self.written(name, last)),
            None => {
                self.appends += 1;
                self.revive(name);
                let stream: Arc<str> = name.into();
                for event in events {
                    let id = event.id;
                    let revision = self.record(stream.clone(), event);
                    self.remembered.insert(id, (stream.clone(), revision));
                }
                let last = self.streams.get(name).and_then(Stream::current);
                Ok(last.map_or(Written { revision: None, position: Some(self.end) }, |last| self.written(name, last)))
            }
        }
    }

    /// None where it may be written; the last revision of what is written already; or why it may not.
    fn check(&self, name: &str, expected: Expected, events: &[Proposed]) -> Result<Option<u64>, Rejected> {
        let stream = self.streams.get(name);
        if stream.is_some_and(|stream| stream.tombstoned) {
            return Err(Rejected::StreamDeleted);
        }
        let (current, deleted) = (stream.and_then(Stream::current), stream.is_some_and(Stream::is_deleted));
        let wrong = Rejected::WrongExpectedVersion { current };
        let revision = match expected {
            Expected::StreamExists if deleted => return Err(Rejected::StreamDeleted),
            Expected::StreamExists if current.is_none() => return Err(wrong),
            Expected::Any | Expected::StreamExists => return self.remembers(name, events).ok_or(wrong),
            Expected::NoStream => None,
            Expected::Exact(revision) => Some(revision),
        };
        if revision == current {
            return Ok(None);
        }
        if revision > current {
            return Err(wrong);
        }
        let first = revision.map_or(0, |revision| revision + 1);
        let stands =
            |(event, revision): (&Proposed, u64)| self.event(name, revision).is_some_and(|it| it.id == event.id);
        let known = events.iter().zip(first..).take_while(|pair| stands(*pair)).count();
        match known {
            0 if revision.is_none() && deleted => Ok(None),
            0 => Err(wrong),
            // Some are known and others not: no repetition.
            _ if known < events.len() => Err(wrong),
            _ => Ok(Some(first + known as u64 - 1)),
        }
    }

    /// By heart: where the last one stands, if all do; `Some(None)` if the first does not. None if only some do.
    fn remembers(&self, name: &str, events: &[Proposed]) -> Option<Option<u64>> {
        let place = |event: &Proposed| {
            self.remembered.get(&event.id).filter(|(stream, _)| stream.as_ref() == name).map(|(_, revision)| *revision)
        };
        let mut last = None;
        for (number, event) in events.iter().enumerate() {
            match place(event) {
                Some(revision) => last = Some(revision),
                None if number == 0 => return Some(None),
                None => return None,
            }
        }
        Some(last)
    }

    fn event(&self, name: &str, revision: u64) -> Option<&Recorded> {
        let index = *self.streams.get(name)?.records.get(usize::try_from(revision).ok()?)?;
        self.records.get(index)
    }

    fn written(&self, name: &str, revision: u64) -> Written {
        Written { revision: Some(revision), position: self.event(name, revision).map(|event| event.at) }
    }

    /// A stream that was deleted comes back without what it had.
    fn revive(&mut self, name: &str) {
        let Some(stream) = self.streams.get_mut(name).filter(|stream| stream.is_deleted()) else { return };
        stream.hidden_below = stream.records.len() as u64;
        let metadata = format!("{{\"$tb\":{}}}", stream.hidden_below);
        self.system(&format!("$${name}"), "$metadata", metadata.as_bytes());
    }

    /// Deletes a stream, so that it may come back, or for good. Answers where that stands.
    pub fn delete(&mut self, name: &str, expected: Expected, for_good: bool) -> Result<Written, Rejected> {
        // It is no repetition, whatever is written again.
        self.check(name, expected, &[])?;
        let current = self.streams.get(name).and_then(Stream::current);
        let right = match expected {
            Expected::Any => true,
            Expected::NoStream => current.is_none(),
            Expected::StreamExists => current.is_some(),
            Expected::Exact(revision) => current == Some(revision),
        };
        if !right {
            return Err(Rejected::WrongExpectedVersion { current });
        }
        if for_good {
            self.system(name, "$streamDeleted", b"");
            self.streams.entry(name.into()).or_default().tombstoned = true;
        } else {
            self.streams.entry(name.into()).or_default().hidden_below = DELETED;
            let metadata = format!("{{\"$tb\":{DELETED}}}");
            self.system(&format!("$${name}"), "$metadata", metadata.as_bytes());
        }
        Ok(Written { revision: current, position: self.records.last().map(|event| event.at) })
    }

    fn system(&mut self, stream: &str, event_type: &str, data: &[u8]) {
        let data = Bytes::copy_from_slice(data);
        let event = Proposed {
            id: Uuid::new_v4(),
            event_type: event_type.to_owned(),
            json: true,
            data,
            metadata: Bytes::new(),
        };
        self.record(stream.into(), event);
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a double of another process has a clock of its own, as that one does"
    )]
    fn record(&mut self, stream: Arc<str>, event: Proposed) -> u64 {
        let size = stream.len() + event.event_type.len() + event.data.len() + event.metadata.len();
        let (at, end) = (self.end, self.end + FRAME + size as u64);
        let kept = self.streams.entry(stream.clone()).or_default();
        let revision = kept.records.len() as u64;
        kept.records.push(self.records.len());
        let created = UNIX_EPOCH.elapsed().map_or(0, |since| (since.as_nanos() / 100) as u64);
        let Proposed { id, event_type, json, data, metadata } = event;
        self.records.push(Recorded { id, stream, revision, at, end, created, event_type, json, data, metadata });
        self.end = end;
        revision
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn appends(&self) -> u64 {
        self.appends
    }

    pub fn all(&self) -> &[Recorded] {
        &self.records
    }

    /// Streams whose names begin so and that can be read, in order.
    pub fn living(&self, beginning: &str) -> Vec<String> {
        let living = |(name, stream): (&Arc<str>, &Stream)| {
            (name.starts_with(beginning) && !stream.tombstoned && !stream.is_deleted()).then(|| name.to_string())
        };
        let mut names: Vec<String> = self.streams.iter().filter_map(living).collect();
        names.sort_unstable();
        names
    }

    pub fn alter(&mut self, position: u64, change: impl FnOnce(&mut Recorded)) -> bool {
        self.records.iter_mut().find(|event| event.at == position).map(change).is_some()
    }

    /// The place of the last of so many records.
    pub fn last(&self, records: usize) -> Place {
        self.records[..records].last().map_or(Place::START, Recorded::place)
    }

    /// Whether a record begins there, or the log ends: what else is asked for is no place that anybody was told.
    pub fn knows(&self, place: Place) -> bool {
        place.commit == 0
            || place.commit >= self.end
            || self.records.binary_search_by_key(&place.commit, |event| event.at).is_ok()
    }

    /// Of the first so many records, what stands from a place on: at most so many that match, of so many that are looked at.
    pub fn forwards(&self, records: usize, from: Place, most: usize, window: u64, filter: &Filter) -> Page {
        let records = &self.records[..records];
        let mut passed = records.partition_point(|event| event.place() < from);
        let mut page = Page { events: Vec::new(), from, next: from, considered: 0, end: false, passed };
        while page.events.len() < most && page.considered < window {
            let Some(event) = records.get(passed) else {
                page.end = true;
                break;
            };
            passed += 1;
            page.considered += 1;
            page.next = Place { commit: event.end, prepare: 0 };
            if filter.allows(event) {
                page.events.push(event.clone());
            }
        }
        page.passed = passed;
        page
    }

    /// The same, what ends at a place or before, from there back.
    pub fn backwards(&self, records: usize, from: Place, most: usize, filter: &Filter) -> Page {
        let records = &self.records[..records];
        let mut passed = records.partition_point(|event| Place::at(event.end) <= from);
        let mut page = Page { events: Vec::new(), from, next: from, considered: 0, end: false, passed };
        while page.events.len() < most {
            let Some(event) = passed.checked_sub(1).and_then(|index| records.get(index)) else {
                page.end = true;
                break;
            };
            passed -= 1;
            page.considered += 1;
            page.next = event.place();
            if filter.allows(event) {
                page.events.push(event.clone());
            }
        }
        page.passed = passed;
        page
    }

    /// Of the first so many records, at most so many events of a stream, from a revision on or back.
    pub fn stream(&self, records: usize, name: &str, from: u64, forwards: bool, most: usize) -> Shown {
        let Some(stream) = self.streams.get(name) else { return Shown::NotFound };
        if stream.tombstoned {
            return Shown::Deleted;
        }
        let there = &stream.records[..stream.records.partition_point(|index| *index < records)];
        let Some(last) = (there.len() as u64).checked_sub(1).filter(|_| !stream.is_deleted()) else {
            return Shown::NotFound;
        };
        let show = |revision: u64| self.records[there[revision as usize]].clone();
        let events = if forwards {
            (from.max(stream.hidden_below)..=last).take(most).map(show).collect()
        } else {
            (stream.hidden_below..=from.min(last)).rev().take(most).map(show).collect()
        };
        Shown::Events(events, last)
    }
}
