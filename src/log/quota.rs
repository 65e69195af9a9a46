//! How a quota is counted: by marks, each so many groups up to a certain time, oldest first.
//!
//! A small limit has a mark for each group and is exact to the millisecond. A large one has some 64 marks to its span,
//! however many groups there are: groups that came close to each other share a mark, which stands at the last of them.
//! So a mark counts for at least as long as each of its groups does, and no span ever holds more than the limit; what it
//! costs is that room may come up to a 64th of the span late. Where a key has several ceilings they share the marks, and
//! those that only a longer ceiling still counts are as coarse as that one takes.

use std::collections::HashMap;

use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::{Question, Value};

use super::{Ceiling, Counting, Log, LogFault, Quota, Refused, ask_one};

/// Marks to a span, and the largest limit that has a mark for each of its groups.
const MARKS: i64 = 64;
/// The first byte of what is stored. It also makes the length odd: before, eight bytes a group were stored and no more.
const FORMAT: u8 = 1;
const MARK: usize = 8 + 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    until: i64,
    groups: u32,
}

/// What has been counted for one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally(Vec<Mark>);

impl Tally {
    fn read(stored: &[u8]) -> Self {
        let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().unwrap_or_default());
        Self(match stored.split_first() {
            Some((&FORMAT, marks)) if !stored.len().is_multiple_of(8) => marks
                .chunks_exact(MARK)
                .map(|mark| Mark {
                    until: number(&mark[..8]),
                    groups: u32::from_be_bytes(mark[8..].try_into().unwrap_or_default()),
                })
                .collect(),
            _ => stored.chunks_exact(8).map(|stamp| Mark { until: number(stamp), groups: 1 }).collect(),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.0.len() * MARK);
        bytes.push(FORMAT);
        for mark in &self.0 {
            bytes.extend(mark.until.to_be_bytes());
            bytes.extend(mark.groups.to_be_bytes());
        }
        bytes
    }

    /// Groups within the last `span`.
    fn within(&self, span: Span, now: Timestamp) -> u64 {
        self.counting(span, now).map(|mark| u64::from(mark.groups)).sum()
    }

    /// A mark counts while less than a whole span has passed since it.
    fn counting(&self, span: Span, now: Timestamp) -> impl Iterator<Item = &Mark> {
        let floor = (now - span).as_millis();
        self.0.iter().filter(move |mark| mark.until > floor)
    }

    /// Whether one more fits below the ceiling, or how long until it does.
    fn room(&self, ceiling: Ceiling, now: Timestamp) -> Result<(), Span> {
        let Ceiling { limit, span } = ceiling;
        let mut counted = self.within(span, now);
        if counted < u64::from(limit) {
            return Ok(());
        }
        // Room comes when enough of the oldest have aged out.
        let blocking = self.counting(span, now).find(|mark| {
            counted -= u64::from(mark.groups);
            counted < u64::from(limit)
        });
        let wait = blocking.map_or(span, |mark| (Timestamp::from_millis(mark.until) + span).since(now));
        Err(wait.max(Span::from_millis(1)))
    }

    /// One more. Marks that no ceiling counts any more go, those that are old enough come together.
    fn add(&mut self, quota: &Quota, now: Timestamp) {
        let longest = quota.longest();
        let one = Mark { until: now.as_millis(), groups: 1 };
        let mut marks: Vec<Mark> = Vec::with_capacity(self.0.len() + 1);
        for mark in self.0.iter().copied().chain([one]) {
            let age = now.as_millis().saturating_sub(mark.until);
            if age >= longest.as_millis() {
                continue;
            }
            let grain = quota.grain(age);
            match marks.last_mut().filter(|last| last.until.div_euclid(grain) == mark.until.div_euclid(grain)) {
                Some(last) if grain > 1 => {
                    last.until = last.until.max(mark.until);
                    last.groups = last.groups.saturating_add(mark.groups);
                }
                _ => marks.push(mark),
            }
        }
        self.0 = marks;
    }
}

impl Quota {
    fn longest(&self) -> Span {
        self.ceilings.iter().map(|ceiling| ceiling.span).max().unwrap_or(Span::ZERO)
    }

    /// Milliseconds within which groups of that age may share a mark: no more than each ceiling bears that still counts
    /// them.
    fn grain(&self, age: i64) -> i64 {
        let bears = |ceiling: &Ceiling| match (self.counting, i64::from(ceiling.limit)) {
            // What is never refused is not bounded by its limit.
            (Counting::Takes | Counting::Asks, ..=MARKS) => 1,
            _ => (ceiling.span.as_millis() / MARKS).max(1),
        };
        let counts = self.ceilings.iter().filter(|ceiling| ceiling.span.as_millis() > age);
        counts.map(bears).min().unwrap_or(1)
    }
}

/// The quotas of one batch: read once, counted in memory, written once, however many groups name them.
#[derive(Default)]
pub(super) struct Counts<'w> {
    keys: HashMap<&'w [u8], Count>,
}

#[derive(Default)]
struct Count {
    tally: Tally,
    /// The key has a row already.
    stands: bool,
    /// Until when the row counts, once something was added to it.
    expires_at: Option<i64>,
}

/// A quota's row as the batch leaves it.
pub(super) struct Left<'w> {
    pub(super) key: &'w [u8],
    pub(super) stamps: Vec<u8>,
    pub(super) expires_at: i64,
    pub(super) stands: bool,
}

impl<'w> Counts<'w> {
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    /// What is stored for a key; nothing for one that was never counted.
    pub(super) fn learn(&mut self, key: &'w [u8], stored: Option<&[u8]>) {
        let tally = stored.map_or_else(Tally::default, Tally::read);
        self.keys.insert(key, Count { tally, stands: stored.is_some(), expires_at: None });
    }

    /// Whether every quota of a group has room for it.
    pub(super) fn room(&self, quotas: &[Quota], now: Timestamp) -> Result<(), Refused> {
        let fresh = Tally::default();
        for (index, quota) in quotas.iter().enumerate().filter(|(_, quota)| quota.counting != Counting::Notes) {
            let tally = self.keys.get(quota.key.as_slice()).map_or(&fresh, |count| &count.tally);
            let wait = quota.ceilings.iter().filter_map(|ceiling| tally.room(*ceiling, now).err()).max();
            if let Some(retry_after) = wait {
                return Err(Refused::QuotaExceeded { quota: index, retry_after });
            }
        }
        Ok(())
    }

    /// Counts a group that is stored.
    pub(super) fn take(&mut self, quotas: &'w [Quota], now: Timestamp) {
        for quota in quotas.iter().filter(|quota| quota.counting != Counting::Asks) {
            let count = self.keys.entry(&quota.key).or_default();
            count.tally.add(quota, now);
            count.expires_at = count.expires_at.max(Some((now + quota.longest()).as_millis()));
        }
    }

    /// What is to be written, in the order of the keys: none of two nodes waits for one who waits for it.
    pub(super) fn left(&self) -> Vec<Left<'w>> {
        let row = |(key, count): (&&'w [u8], &Count)| {
            let expires_at = count.expires_at?;
            Some(Left { key, stamps: count.tally.bytes(), expires_at, stands: count.stands })
        };
        let mut rows: Vec<_> = self.keys.iter().filter_map(row).collect();
        rows.sort_unstable_by_key(|row| row.key);
        rows
    }
}

static STORED: Question<Vec<u8>> =
    Question { sql: "SELECT stamps FROM quotas WHERE key = ?1", read: |row| row.bytes(0).map(<[u8]>::to_vec) };

/// How many groups each of a quota's ceilings counts now, in the order of its ceilings: for those who want to know how far
/// it is spent, and decide nothing by it.
pub async fn spent(log: &dyn Log, quota: &Quota, now: Timestamp) -> Result<Vec<u64>, LogFault> {
    let stored = ask_one(log, &STORED, &[Value::Bytes(quota.key.clone())]).await?;
    let tally = stored.as_deref().map_or_else(Tally::default, Tally::read);
    Ok(quota.ceilings.iter().map(|ceiling| tally.within(ceiling.span, now)).collect())
}

#[cfg(test)]
mod tests;
