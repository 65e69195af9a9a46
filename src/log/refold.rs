//! What a store tells of its read models: whether this program can work with them, whether they are as the log makes
//! them, and the way to make them anew.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use chrysalis_domain::id::{ClaimId, SealedId};
use chrysalis_domain::{Event, Subject};
use chrysalis_projections::claims::{self, CLAIMS};
use chrysalis_projections::table::absorbed;
use chrysalis_projections::{Change, ClaimKey, ClaimKeys, ClaimKind, Entry, Table, fold};

use super::sealed::Flaw;
use super::{LogFault, Position, Recorded, as_of_today, entry, read_entry};

/// Told how many events are folded so far, now and then.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);

/// The read models of a store, folded anew from the first event on by the same folds as live.
#[async_trait]
pub trait Refold: Send + Sync {
    /// Whether this program can work with the read models as they stand.
    ///
    /// # Errors
    /// [`LogFault::Unavailable`] when another version made them: [`Refold::rebuild`] makes them anew.
    async fn fit(&self) -> Result<(), LogFault>;

    /// Builds the read models beside the live ones, then puts them in their place in one transaction. Works while
    /// servers run on the same store: their reads never see a half-built table.
    ///
    /// # Errors
    /// [`LogFault::Damaged`] when the log contradicts itself, or what somebody holds can't be read any more; the live
    /// tables stay as they are.
    async fn rebuild(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault>;

    /// Folds the log beside the live tables and compares the two, row by row, at one point in time.
    async fn verify(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault>;
}

/// Whether a table that has these columns is the one that this program folds.
pub(super) fn fits<'c>(table: &Table, columns: impl Iterator<Item = &'c str>) -> Result<(), LogFault> {
    if columns.eq(table.stored().map(|(name, ..)| name)) {
        return Ok(());
    }
    Err(LogFault::Unavailable(format!(
        "the read model {} was made by another version of Chrysalis; run `chrysalis projections rebuild`, then start again",
        table.name
    )))
}

/// Opens sealed records to find out what was claimed. Handed in: a store has no keys.
pub trait ClaimReader: Send + Sync {
    /// The key of the claim whose address or identity is sealed in this record.
    fn claim_key(&self, kind: ClaimKind, sealed: &SealedRow) -> Option<ClaimKey>;
}

/// A sealed record and the wrapped key of its person.
#[derive(Clone, Debug)]
pub struct SealedRow {
    pub id: SealedId,
    pub person: String,
    pub ciphertext: Vec<u8>,
    pub epoch: u32,
    pub wrapped: Vec<u8>,
}

/// One row that is not as a refold makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub key: String,
    pub column: String,
    /// What is stored, and what should be.
    pub live: String,
    pub refolded: String,
}

/// Characters of a value that are shown.
const SHOWN: usize = 120;

impl Difference {
    /// A column of a row that stands.
    pub fn of_column(table: &'static str, key: &[String], column: &str, live: &str, refolded: &str) -> Self {
        let (key, column) = (key.join(" "), column.to_owned());
        Self { table, key, column, live: short(live), refolded: short(refolded) }
    }

    /// A row that should not stand.
    pub fn unfounded(table: &'static str, key: &[String], row: &[(&str, String)]) -> Self {
        Self::whole(table, key, whole(row), "absent".to_owned())
    }

    /// A row that should stand.
    pub fn missing(table: &'static str, key: &[String], row: &[(&str, String)]) -> Self {
        Self::whole(table, key, "absent".to_owned(), whole(row))
    }

    fn whole(table: &'static str, key: &[String], live: String, refolded: String) -> Self {
        Self { table, key: key.join(" "), column: "the whole row".to_owned(), live, refolded }
    }
}

/// How a value is shown that is none.
pub(crate) const NULL: &str = "null";

/// A row as far as there is anything in it.
fn whole(row: &[(&str, String)]) -> String {
    let there = row.iter().filter(|(_, value)| value != NULL);
    there.map(|(name, value)| format!("{name}={}", short(value))).collect::<Vec<_>>().join(" ")
}

/// Long values differ at their beginning, or by their length.
fn short(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} characters)", &value[..end], value.chars().count()),
        None => value.to_owned(),
    }
}

/// An event that is stored, and is none that this program can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// As it is stored: where there is no position, nobody looks.
    pub position: i64,
    pub event: String,
    pub why: String,
}

impl Unread {
    /// One that stands before the first position.
    pub(super) fn beside_the_log(position: i64, event: String) -> Self {
        Self { position, event, why: "positions begin with 1".to_owned() }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, event, why } = self;
        write!(f, "the event at position {position} ({event}) does not read: {why}")
    }
}

/// What a refold came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub events: u64,
    pub rows: u64,
    pub differences: Vec<Difference>,
    /// How many rows, gaps, contradictions and records there are besides those that are listed.
    pub further: u64,
    /// Positions that are missing, as the last one before each gap.
    pub gaps: Vec<Position>,
    /// Positions of events whose rows can't stand beside those of the events before them: something else is missing or
    /// was altered. Their rows are left out of the comparison.
    pub misfits: Vec<Position>,
    /// Events that do not read. Nothing follows from them.
    pub unread: Vec<Unread>,
    /// Sealed records that are not what events say of them.
    pub flaws: Vec<Flaw>,
    /// What is not as this store has it in the stream that is its log, where that is elsewhere.
    pub apart: Vec<String>,
    /// Read models that follow the log by another version of their fold: they are being built anew, and were not compared.
    pub unlike: Vec<&'static str>,
}

impl Report {
    /// Notes a row that differs.
    pub fn differs(&mut self, row: impl IntoIterator<Item = Difference>) {
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.extend(row);
        } else {
            self.further += 1;
        }
    }

    /// Notes that positions are missing behind one.
    fn gap(&mut self, after: Position) {
        note(&mut self.gaps, &mut self.further, after);
    }

    /// Notes an event that does not read.
    pub(super) fn does_not_read(&mut self, event: Unread) {
        if self.unread.len() < MOST_DIFFERENCES {
            self.unread.push(event);
        } else {
            self.further += 1;
        }
    }

    /// Notes an event that contradicts those before it.
    pub(super) fn misfit(&mut self, position: Position) {
        note(&mut self.misfits, &mut self.further, position);
    }

    /// Notes what a log that is elsewhere has otherwise.
    pub(super) fn stands_apart(&mut self, told: String) {
        if self.apart.len() < MOST_DIFFERENCES {
            self.apart.push(told);
        } else {
            self.further += 1;
        }
    }

    /// Notes a record that is not as it should be.
    pub(super) fn flawed(&mut self, flaw: Flaw) {
        if self.flaws.len() < MOST_DIFFERENCES {
            self.flaws.push(flaw);
        } else {
            self.further += 1;
        }
    }

    /// What two looks at one store found together.
    pub fn and(mut self, other: Report) -> Report {
        self.events = self.events.max(other.events);
        self.rows += other.rows;
        self.further += other.further;
        self.differences.extend(other.differences);
        self.gaps.extend(other.gaps);
        self.misfits.extend(other.misfits);
        self.unread.extend(other.unread);
        self.flaws.extend(other.flaws);
        self.apart.extend(other.apart);
        self.unlike.extend(other.unlike);
        self
    }

    /// How much is wrong in all.
    pub fn wrong(&self) -> u64 {
        let Self { differences, gaps, misfits, unread, flaws, apart, .. } = self;
        let listed = [differences.len(), gaps.len(), misfits.len(), unread.len(), flaws.len(), apart.len()];
        listed.iter().sum::<usize>() as u64 + self.further
    }

    /// Tables that lack rows must not take the place of the live ones.
    pub(super) fn fits(&self) -> Result<(), LogFault> {
        if let Some(event) = self.unread.first() {
            return Err(LogFault::Damaged(event.to_string()));
        }
        let misfit = |position| {
            LogFault::Damaged(format!(
                "position {position} contradicts the events before it; run `chrysalis verify`, then restore a backup"
            ))
        };
        self.misfits.first().map_or(Ok(()), |position| Err(misfit(*position)))
    }
}

/// Of each kind so many are listed; the last row with all its columns. The first few tell what is wrong.
pub(super) const MOST_DIFFERENCES: usize = 100;

fn note(listed: &mut Vec<Position>, further: &mut u64, position: Position) {
    if listed.len() < MOST_DIFFERENCES {
        listed.push(position);
    } else {
        *further += 1;
    }
}

/// Events that no reader of the log comes by, and readers of a stream do; one more than are listed.
pub(super) fn beside_the_log() -> String {
    format!("SELECT position, event_id FROM events WHERE position < 1 ORDER BY position LIMIT {}", MOST_DIFFERENCES + 1)
}

/// Events of one page of a refold.
pub(super) const PAGE: usize = 8_192;
/// What a rebuild leaves for its last step, which holds up whoever writes.
pub(super) const LITTLE: Position = 256;
/// How often it catches up with a server before that. Each time there is less; where there is not, the load is more than
/// the machine can fold, and going on would not end.
pub(super) const CATCH_UP: usize = 16;

/// One event as the folds take it.
pub struct Decoded {
    pub(super) position: Position,
    /// Nothing where the stream is about something that this program does not know, or the event does not read.
    pub(super) entry: Option<Entry>,
    unread: Option<Box<Unread>>,
}

/// For whoever can do nothing with a page of which an event does not read.
pub fn decode(events: Vec<Recorded>) -> Result<Vec<Decoded>, LogFault> {
    let decode =
        |recorded: Recorded| Ok(Decoded { position: recorded.position, entry: read_entry(recorded)?, unread: None });
    events.into_iter().map(decode).collect()
}

/// For a refold, which says what does not read, and goes on.
pub(super) fn decode_what_reads(events: Vec<Recorded>) -> Vec<Decoded> {
    let decode = |recorded: Recorded| {
        let position = recorded.position;
        match as_of_today(&recorded) {
            Ok(event) => Decoded { position, entry: event.map(|event| entry(recorded, event)), unread: None },
            Err(why) => {
                let (why, event) = (why.to_string(), recorded.event_id);
                let unread = Unread { position: position.cast_signed(), event, why };
                Decoded { position, entry: None, unread: Some(Box::new(unread)) }
            }
        }
    };
    events.into_iter().map(decode).collect()
}

/// A refold on its way, page by page.
#[derive(Default)]
pub(super) struct Folding {
    pub(super) report: Report,
    /// The last position that was folded.
    pub(super) last: Position,
    /// Claims that nobody gave up, and of which no record says any more what is claimed; with where that was said.
    untold: BTreeMap<ClaimId, (Position, SealedId)>,
}

/// A change of rows, whose it is and where it comes from.
pub(super) struct Folded {
    pub(super) subject: Subject,
    pub(super) position: Position,
    pub(super) change: Change,
}

impl Folding {
    /// The changes that follow from a page, in their order.
    pub(super) fn fold(&mut self, page: &[Decoded], keys: &dyn ClaimKeys) -> Vec<Folded> {
        let mut folded: Vec<Folded> = Vec::with_capacity(page.len() * 2);
        // Where the changes of the stream at hand begin: what was decided in one go is written in one go, as it was live.
        let mut begin = 0;
        for Decoded { position, entry, unread } in page {
            if *position != self.last + 1 {
                self.report.gap(self.last);
            }
            self.last = *position;
            self.report.events += 1;
            if let Some(unread) = unread {
                self.report.does_not_read((**unread).clone());
            }
            let Some(Entry { event, occurred_at, .. }) = entry else { continue };
            let subject = event.subject();
            if folded.last().is_some_and(|last| last.subject != subject) {
                begin = folded.len();
            }
            let changes = fold(event, *occurred_at, keys);
            self.note_untold(event, *position, &changes);
            for change in changes {
                if !absorbed(folded[begin..].iter_mut().map(|folded| &mut folded.change), &change) {
                    folded.push(Folded { subject, position: *position, change });
                }
            }
        }
        folded
    }

    fn note_untold(&mut self, event: &Event, position: Position, changes: &[Change]) {
        let told = |change: &Change| matches!(change, Change::Insert { table, .. } if table.name == CLAIMS.name);
        if event.declares().is_some()
            && let Some(named) = claims::named(event)
            && !changes.iter().any(told)
        {
            self.untold.insert(named.claim, (position, named.sealed));
        }
        if let Some(claim) = claims::released(event) {
            self.untold.remove(&claim);
        }
    }

    /// Whether tables may take the place of the live ones, once all is folded: whoever holds something holds it until it is
    /// given up or they are erased, whatever became of the record that says what it is. Else a stranger could take it.
    pub(super) fn keeps_claims(&self) -> Result<(), LogFault> {
        let untold = |(claim, (position, record)): (&ClaimId, &(Position, SealedId))| {
            LogFault::Damaged(format!(
                "of {} claims that somebody holds it can't be told any more what is claimed, and a rebuild would release them, so \
                 the read models stay as they are. The first is {claim} of the event at position {position}: sealed record \
                 {record} was altered or is missing, or the key of its person; run `chrysalis verify`, then restore a backup",
                self.untold.len(),
            ))
        };
        self.untold.first_key_value().map_or(Ok(()), |first| Err(untold(first)))
    }
}
