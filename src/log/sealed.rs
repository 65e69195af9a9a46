//! Whether sealed records are what the log says of them. Each event holds a commitment to every record that it names, and a
//! record goes with the person whose it is: one that was altered, taken away or put there is named.
//!
//! Records and what events say of them are walked side by side in the order of the records' ids, a stretch of them at a time:
//! what is held does not grow with the log. An id is about as old as its event, and the first walk notes between which ids the
//! records of each page of events lie; so the walks behind it read few pages, however long the log is. A server may write
//! meanwhile: what does not fit counts only when nothing in the log explains it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use chrysalis_domain::Event;
use chrysalis_domain::event::ERASING;
use chrysalis_domain::id::{PersonId, SealedId};
use chrysalis_projections::listing::Statement;
use chrysalis_projections::{Row, Value, table};

use super::record::commitment;
use super::refold::{MOST_DIFFERENCES, Report};
use super::transfer::{SEALED, SideRow};
use super::{LogFault, Position, Recorded, SealedRef, Store, list, read_event};

/// Events that are read at a time.
const PAGE: usize = 4_096;
/// Records that are read at a time; one may be as long as metadata are.
const RECORDS: usize = 512;
/// Records of which it is known at a time what events say: with all that belongs to it some 40 MB.
const MOST: usize = 262_144;
/// Persons that are asked about together.
const PERSONS: usize = 256;

/// A sealed record that is not what the log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The record's id, or what stands in its place.
    pub record: String,
    pub what: What,
    /// The event that says otherwise, by its position and its id.
    pub event: Option<(Position, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is not the one that the event committed to.
    Altered,
    /// The event names it, and nobody erased it.
    Missing,
    /// No event names it.
    Unnamed,
    /// The event erased the person whose it is.
    Outlived,
    /// It is no record but the key of a person whom the event erased.
    KeyOutlived,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, what, event } = self;
        let event = event.as_ref().map_or_else(
            || "the event that named it".to_owned(),
            |(position, id)| format!("the event at position {position} ({id})"),
        );
        match what {
            What::Altered => write!(f, "sealed record {record} was altered: it is not what {event} committed to"),
            What::Missing => write!(f, "sealed record {record} of {event} is missing, and nobody erased it"),
            What::Unnamed => write!(f, "sealed record {record} is superfluous: no event names it"),
            What::Outlived => write!(f, "sealed record {record} is superfluous: {event} erased whose it is"),
            What::KeyOutlived => write!(f, "the key of {record} is superfluous: {event} erased that person"),
        }
    }
}

/// Adds to a report which records are not what the log says of them.
pub async fn compare(store: &dyn Store, report: &mut Report) -> Result<(), LogFault> {
    compare_by(store, MOST, report).await
}

/// The same, so many records at a time.
pub async fn compare_by(store: &dyn Store, most: usize, report: &mut Report) -> Result<(), LogFault> {
    let mut check = held(store, most.max(1), true, report).await?;
    check.settle().await?;
    check.outlived().await
}

/// What can't be opened any more of what events say that there is: only those flaws. Whoever copies records into rows anew
/// loses what rows still have of them.
pub async fn lost(store: &dyn Store) -> Result<Report, LogFault> {
    let mut report = Report::default();
    held(store, MOST, false, &mut report).await?.settle_absent().await?;
    Ok(report)
}

/// All records, held against what events name; what is in doubt is still to be settled.
async fn held<'s>(
    store: &'s dyn Store,
    most: usize,
    strays: bool,
    report: &'s mut Report,
) -> Result<Check<'s>, LogFault> {
    let upto = store.end().await?;
    let mut named = Named { store, upto, most, pages: None };
    let mut check = Check { store, upto, most, strays, doubts: Doubts::default(), report };
    let mut behind = None;
    loop {
        let stretch = named.stretch(behind).await?;
        check.hold(&stretch).await?;
        behind = stretch.through;
        if behind.is_none() {
            return Ok(check);
        }
    }
}

/// What an event says of a record.
#[derive(Clone, Copy)]
struct Commitment {
    record: SealedId,
    position: Position,
    digest: [u8; 32],
}

/// What events say of the records behind one id, up to another; none is the end of all.
struct Stretch {
    most: usize,
    behind: Option<SealedId>,
    through: Option<SealedId>,
    commitments: Vec<Commitment>,
}

impl Stretch {
    fn holds(&self, record: SealedId) -> bool {
        self.behind.is_none_or(|behind| record > behind) && self.through.is_none_or(|through| record <= through)
    }

    fn take(&mut self, commitment: Commitment) {
        if self.holds(commitment.record) {
            self.commitments.push(commitment);
            if self.commitments.len() >= 2 * self.most {
                self.cut();
            }
        }
    }

    /// In the order of their ids, and no more than may be held: what lies behind is another stretch's.
    fn cut(&mut self) {
        self.commitments.sort_unstable_by_key(|one| (one.record, one.position));
        // One record may be named by events that were stored together.
        self.commitments.dedup_by_key(|one| (one.record, one.digest));
        if self.commitments.len() > self.most {
            // All that is said of one record stays together.
            let through = self.commitments[self.most - 1].record;
            self.commitments.retain(|one| one.record <= through);
            self.through = Some(through);
        }
    }
}

/// Between which ids the records lie that some events name, which stand behind a position.
struct Page {
    after: Position,
    least: SealedId,
    greatest: SealedId,
}

/// What events say of records, stretch by stretch of the records' ids.
struct Named<'s> {
    store: &'s dyn Store,
    upto: Position,
    most: usize,
    /// Known once the log was read.
    pages: Option<Vec<Page>>,
}

impl Named<'_> {
    async fn stretch(&mut self, behind: Option<SealedId>) -> Result<Stretch, LogFault> {
        let mut stretch = Stretch { most: self.most, behind, through: None, commitments: Vec::new() };
        match &self.pages {
            None => self.pages = Some(self.read(&mut stretch).await?),
            Some(pages) => {
                for page in pages {
                    let above = stretch.through.is_some_and(|through| page.least > through);
                    if above || behind.is_some_and(|behind| page.greatest <= behind) {
                        continue;
                    }
                    let events = self.store.read_all(page.after, PAGE).await?;
                    commitments(&events, self.upto).for_each(|one| stretch.take(one));
                }
            }
        }
        stretch.cut();
        Ok(stretch)
    }

    /// From the first event to the last.
    async fn read(&self, stretch: &mut Stretch) -> Result<Vec<Page>, LogFault> {
        let (mut pages, mut after) = (Vec::new(), 0);
        while after < self.upto {
            let events = self.store.read_all(after, PAGE).await?;
            let Some(last) = events.last().map(|event| event.position) else { break };
            let ids = || commitments(&events, self.upto).map(|one| one.record);
            if let (Some(least), Some(greatest)) = (ids().min(), ids().max()) {
                pages.push(Page { after, least, greatest });
            }
            commitments(&events, self.upto).for_each(|one| stretch.take(one));
            after = last;
        }
        Ok(pages)
    }
}

fn commitments(events: &[Recorded], upto: Position) -> impl Iterator<Item = Commitment> {
    let events = events.iter().filter(move |event| event.position <= upto);
    events.flat_map(|event| {
        let position = event.position;
        let of = move |sealed: SealedRef| Commitment { record: sealed.id, position, digest: sealed.commitment };
        SealedRef::decode(&event.sealed).into_iter().map(of)
    })
}

/// What does not fit, and may be explained by what else the log says.
#[derive(Default)]
struct Doubts {
    /// Named, and not there: somebody may have been erased.
    absent: Vec<(Position, SealedId)>,
    /// There, and not named: it may have come since.
    unnamed: BTreeSet<String>,
}

struct Check<'s> {
    store: &'s dyn Store,
    /// As far as events were asked what they name.
    upto: Position,
    most: usize,
    /// Whether what is there and not named is looked for, too.
    strays: bool,
    doubts: Doubts,
    report: &'s mut Report,
}

impl Check<'_> {
    /// Holds the records of a stretch against what events say of them.
    async fn hold(&mut self, stretch: &Stretch) -> Result<(), LogFault> {
        let named = stretch.commitments.iter().map(|one| (one.record.to_string(), one));
        let mut named = named.peekable();
        let through = stretch.through.map(|through| through.to_string());
        let mut after: Option<SideRow> = stretch.behind.map(|behind| vec![table::id(behind)]);
        'records: loop {
            let rows = self.store.side_rows(&SEALED, after.as_deref(), RECORDS).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last[..SEALED.key].to_vec());
            for row in &rows {
                let [Value::Text(id), _, Value::Text(kind), Value::Bytes(salt), Value::Bytes(ciphertext)] =
                    row.as_slice()
                else {
                    return Err(LogFault::Damaged("a sealed record does not read".to_owned()));
                };
                if through.as_ref().is_some_and(|through| id > through) {
                    break 'records;
                }
                self.report.rows += 1;
                while let Some((_, missing)) = named.next_if(|(record, _)| record < id) {
                    self.absent(missing).await?;
                }
                let digest = <&[u8; 16]>::try_from(salt.as_slice()).map(|salt| commitment(salt, kind, ciphertext)).ok();
                let mut is_named = false;
                while let Some((_, one)) = named.next_if(|(record, _)| record == id) {
                    is_named = true;
                    if digest != Some(one.digest) {
                        self.flaw(id, What::Altered, Some(one.position)).await?;
                    }
                }
                if !is_named {
                    self.unnamed(id).await?;
                }
            }
        }
        for (_, missing) in named {
            self.absent(missing).await?;
        }
        Ok(())
    }

    async fn absent(&mut self, one: &Commitment) -> Result<(), LogFault> {
        self.doubts.absent.push((one.position, one.record));
        if self.doubts.absent.len() >= self.most { self.settle_absent().await } else { Ok(()) }
    }

    async fn unnamed(&mut self, record: &str) -> Result<(), LogFault> {
        if self.strays {
            self.doubts.unnamed.insert(record.to_owned());
        }
        if self.doubts.unnamed.len() >= self.most { self.settle_unnamed().await } else { Ok(()) }
    }

    async fn settle(&mut self) -> Result<(), LogFault> {
        self.settle_absent().await?;
        self.settle_unnamed().await
    }

    /// What is missing whose owner no event has erased.
    async fn settle_absent(&mut self) -> Result<(), LogFault> {
        let mut absent = std::mem::take(&mut self.doubts.absent);
        absent.sort_unstable();
        let mut owned: HashMap<_, Vec<_>> = HashMap::new();
        let mut absent = absent.into_iter().peekable();
        while let Some((first, _)) = absent.peek().copied() {
            let events = self.store.read_all(first.saturating_sub(1), PAGE).await?;
            let Some(last) = events.last().map(|event| event.position) else { break };
            for event in &events {
                let Some(mut next) = absent.next_if(|(position, _)| *position == event.position) else { continue };
                // Of what this program does not know it can't say whose it is.
                let read = read_what_reads(event);
                loop {
                    if let Some(read) = &read {
                        owned.entry(read.owner(next.1)).or_default().push(next);
                    }
                    match absent.next_if(|(position, _)| *position == event.position) {
                        Some(another) => next = another,
                        None => break,
                    }
                }
            }
            while absent.next_if(|(position, _)| *position <= last).is_some() {}
        }
        let end = self.store.end().await?;
        let mut after = 0;
        while !owned.is_empty() {
            let events = self.store.read_types(&ERASING, after, end, PAGE).await?;
            let Some(last) = events.last() else { break };
            after = last.position;
            for event in &events {
                let erased = read_what_reads(event).map(|event| event.owners_erased()).unwrap_or_default();
                erased.iter().for_each(|owner| drop(owned.remove(owner)));
            }
        }
        let mut missing: Vec<_> = owned.into_values().flatten().collect();
        missing.sort_unstable();
        for (position, record) in missing {
            self.flaw(&record.to_string(), What::Missing, Some(position)).await?;
        }
        Ok(())
    }

    /// What is there that no event names, however late it came.
    async fn settle_unnamed(&mut self) -> Result<(), LogFault> {
        let mut unnamed = std::mem::take(&mut self.doubts.unnamed);
        let mut after = self.upto;
        while !unnamed.is_empty() {
            let events = self.store.read_all(after, PAGE).await?;
            let Some(last) = events.last().map(|event| event.position) else { break };
            after = last;
            for one in commitments(&events, last) {
                unnamed.remove(&one.record.to_string());
            }
        }
        for record in unnamed {
            self.flaw(&record, What::Unnamed, None).await?;
        }
        Ok(())
    }

    /// What is left of those whom events have erased.
    async fn outlived(&mut self) -> Result<(), LogFault> {
        let end = self.store.end().await?;
        let mut after = 0;
        loop {
            let events = self.store.read_types(&ERASING, after, end, PAGE).await?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.position;
            let mut erased: Vec<(PersonId, Position)> = Vec::new();
            for event in &events {
                let persons = read_what_reads(event).map(|event| event.erases()).unwrap_or_default();
                erased.extend(persons.into_iter().map(|person| (person, event.position)));
            }
            for some in erased.chunks(PERSONS) {
                let by: HashMap<String, Position> =
                    some.iter().map(|(person, position)| (person.to_string(), *position)).collect();
                for (select, what) in [
                    ("s.sealed_id, s.person_id FROM sealed s WHERE s.person_id", What::Outlived),
                    ("k.person_id, k.person_id FROM person_keys k WHERE k.person_id", What::KeyOutlived),
                ] {
                    for (left, person) in list(self.store, of_persons(select, some), read_left).await? {
                        self.flaw(&left, what, by.get(&person).copied()).await?;
                    }
                }
            }
        }
    }

    async fn flaw(&mut self, record: &str, what: What, position: Option<Position>) -> Result<(), LogFault> {
        // An event is looked up where it is shown.
        let event = match position.filter(|_| self.report.flaws.len() < MOST_DIFFERENCES) {
            Some(position) => {
                let found = self.store.read_all(position.saturating_sub(1), 1).await?;
                found.into_iter().next().map(|event| (event.position, event.event_id))
            }
            None => None,
        };
        self.report.flawed(Flaw { record: record.to_owned(), what, event });
        Ok(())
    }
}

/// One that does not read is named by who folds the log anew.
fn read_what_reads(event: &Recorded) -> Option<Event> {
    read_event(event).ok().flatten()
}

fn of_persons(select: &str, persons: &[(PersonId, Position)]) -> Statement {
    let among: Vec<_> = (1..=persons.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("SELECT {select} IN ({}) ORDER BY 1", among.join(", "));
    Statement { sql, parameters: persons.iter().map(|(person, _)| table::id(person)).collect() }
}

fn read_left(row: &dyn Row) -> Option<(String, String)> {
    Some((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
}
