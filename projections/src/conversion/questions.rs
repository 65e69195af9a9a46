//! What is asked of the counts. Each is a stretch of one key.

use super::{DAY, HOUR, NUMBERS, QUARTER, Split};
use crate::listing::Statement;
use crate::table::{Cursor, Question, Row};

/// What was counted in a span; see the columns of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub guests: u64,
    pub converted: u64,
    pub converted_verified: u64,
    pub upgrades: u64,
    pub verified: u64,
    pub signups: u64,
    pub verified_signups: u64,
    pub fell_back: u64,
    pub expired: u64,
    pub deleted_guests: u64,
    pub deleted_members: u64,
}

impl Counts {
    fn numbers(&mut self) -> [&mut u64; NUMBERS.len()] {
        [
            &mut self.guests,
            &mut self.converted,
            &mut self.converted_verified,
            &mut self.upgrades,
            &mut self.verified,
            &mut self.signups,
            &mut self.verified_signups,
            &mut self.fell_back,
            &mut self.expired,
            &mut self.deleted_guests,
            &mut self.deleted_members,
        ]
    }

    pub fn add(&mut self, mut other: Counts) {
        self.numbers().into_iter().zip(other.numbers()).for_each(|(sum, more)| *sum += *more);
    }

    /// What is left when that is taken away, which is part of it.
    pub fn less(mut self, mut part: Counts) -> Counts {
        self.numbers().into_iter().zip(part.numbers()).for_each(|(all, some)| *all = all.saturating_sub(*some));
        self
    }
}

/// Of which spans: those of a width, from one time to another, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub width: i64,
    pub from: i64,
    pub to: i64,
}

/// Whole days of UTC, each of which the midnight of another clock parts in two, so many seconds after it begins: the smaller
/// part is counted by its hours and quarters, the rest is what the day counts besides. So a day costs a row, and no more than
/// twelve hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parted {
    pub from: i64,
    pub to: i64,
    pub midnight: i64,
}

impl Parted {
    /// From when to when the smaller part lasts, in seconds of the day.
    pub const fn part(self) -> (i64, i64) {
        if 2 * self.midnight <= DAY { (0, self.midnight) } else { (self.midnight, DAY) }
    }

    /// A moment in the smaller part of a day that begins then, and one in the rest.
    pub const fn moments(self, day: i64) -> (i64, i64) {
        match self.part() {
            (0, end) => (day, day + end),
            (begin, _) => (day + begin, day),
        }
    }

    /// The smaller part as widths, each from when to when.
    fn spans(self) -> impl Iterator<Item = (i64, i64, i64)> {
        let (begin, end) = self.part();
        let (first, last) = (begin + (-begin).rem_euclid(HOUR), end - end.rem_euclid(HOUR));
        let spans = [(QUARTER, begin, first), (HOUR, first, last), (QUARTER, last, end)];
        spans.into_iter().filter(|(_, begin, end)| begin < end)
    }
}

/// Counts of a stretch, put together by spans of so many seconds of a clock that is ahead of UTC by an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which span of that clock, counted from 1970.
    pub nth: i64,
    pub value: String,
    pub counts: Counts,
}

/// What is selected of each number: only some are told apart.
fn numbers(split: Split, of: impl Fn(&str) -> String) -> String {
    let one = |name: &&str| if split.counts(name) { of(name) } else { "CAST(0 AS bigint)".to_owned() };
    NUMBERS.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn sum(name: &str) -> String {
    format!("CAST(SUM(c.{name}) AS bigint)")
}

/// The values that are told apart, and what all others are called.
#[derive(Clone, Debug)]
pub struct Few {
    pub values: Vec<String>,
    pub others: &'static str,
}

/// `few`: only these values are told apart; all are, where nothing is said.
pub fn counts(split: Split, stretch: Stretch, size: i64, offset: i64, few: Option<&Few>) -> Statement {
    let Stretch { width, from, to } = stretch;
    let mut parameters = vec![offset.into(), size.into(), width.into(), split.name().into(), from.into(), to.into()];
    let value = few.map_or("c.value".to_owned(), |few| {
        let others = parameters.len() + 1;
        parameters.push(few.others.into());
        let first = parameters.len() + 1;
        parameters.extend(few.values.iter().map(|value| value.clone().into()));
        let among: Vec<_> = (first..=parameters.len()).map(|n| format!("?{n}")).collect();
        format!("CASE WHEN c.value IN ({}) THEN c.value ELSE ?{others} END", among.join(", "))
    });
    let sql = format!(
        "SELECT (c.at + ?1) / ?2, {value}, {} FROM conversion_counts c
         WHERE c.width = ?3 AND c.split = ?4 AND c.at >= ?5 AND c.at < ?6 GROUP BY 1, 2",
        numbers(split, sum)
    );
    Statement { sql, parameters }
}

/// How many rows days of UTC have, counted no further than to a bound.
pub fn rows_of_days(split: Split, from: i64, to: i64, most: i64) -> Statement {
    let sql = "SELECT COUNT(*) FROM (SELECT c.at FROM conversion_counts c
               WHERE c.width = 86400 AND c.split = ?1 AND c.at >= ?2 AND c.at < ?3 LIMIT ?4) AS bounded";
    let parameters = vec![split.name().into(), from.into(), to.into(), most.into()];
    Statement { sql: sql.to_owned(), parameters }
}

/// The values with the most guests of days of UTC.
pub fn largest(split: Split, from: i64, to: i64, most: i64) -> Statement {
    let sql = "SELECT c.value FROM conversion_counts c
               WHERE c.width = 86400 AND c.split = ?1 AND c.at >= ?2 AND c.at < ?3
               GROUP BY c.value ORDER BY SUM(c.guests + c.upgrades) DESC, c.value LIMIT ?4";
    let parameters = vec![split.name().into(), from.into(), to.into(), most.into()];
    Statement { sql: sql.to_owned(), parameters }
}

/// Counts of a whole day of UTC, or of the smaller part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfDay {
    pub is_part: bool,
    /// When the day began.
    pub day: i64,
    pub value: String,
    pub counts: Counts,
}

/// All of it in one statement: days and parts of them as they stand at one time.
pub fn parted(split: Split, days: Parted) -> Statement {
    let mut sql = format!(
        "WITH RECURSIVE days(at) AS (SELECT ?2 UNION ALL SELECT d.at + 86400 FROM days d WHERE d.at + 86400 < ?3)
         SELECT CAST(0 AS bigint), c.at, c.value, {} FROM conversion_counts c
         WHERE c.width = 86400 AND c.split = ?1 AND c.at >= ?2 AND c.at < ?3",
        numbers(split, |name| format!("c.{name}"))
    );
    let mut parameters = vec![split.name().into(), days.from.into(), days.to.into()];
    for (width, begin, end) in days.spans() {
        let n = parameters.len();
        // Day by day: each is a short stretch of the key.
        sql += &format!(
            " UNION ALL SELECT CAST(1 AS bigint), d.at, c.value, {} FROM days d CROSS JOIN conversion_counts c
             WHERE c.width = ?{} AND c.split = ?1 AND c.at >= d.at + ?{} AND c.at < d.at + ?{} GROUP BY d.at, c.value",
            numbers(split, sum),
            n + 1,
            n + 2,
            n + 3
        );
        parameters.extend([width.into(), begin.into(), end.into()]);
    }
    Statement { sql, parameters }
}

pub fn read_of_day(row: &dyn Row) -> Option<OfDay> {
    let mut c = Cursor::new(row);
    let (is_part, day, value) = (c.integer()? == 1, c.integer()?, c.text()?);
    Some(OfDay { is_part, day, value, counts: read_numbers(&mut c)? })
}

pub fn read_counts(row: &dyn Row) -> Option<Counted> {
    let mut c = Cursor::new(row);
    Some(Counted { nth: c.integer()?, value: c.text()?, counts: read_numbers(&mut c)? })
}

fn read_numbers(c: &mut Cursor<'_>) -> Option<Counts> {
    let mut counts = Counts::default();
    for number in counts.numbers() {
        *number = unsigned(c)?;
    }
    Some(counts)
}

/// Of the guests who came on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// When the day began, in seconds since 1970.
    pub at: i64,
    /// So many days or weeks after.
    pub after: i64,
    pub upgrades: u64,
    pub returned: u64,
}

/// `unit` is `day` or `week`.
pub fn cohorts(unit: &'static str, from: i64, to: i64) -> Statement {
    let sql = "SELECT c.at, c.after, c.upgrades, c.returned FROM conversion_cohorts c
               WHERE c.unit = ?1 AND c.at >= ?2 AND c.at < ?3 ORDER BY c.at, c.after";
    Statement { sql: sql.to_owned(), parameters: vec![unit.into(), from.into(), to.into()] }
}

pub fn read_cohort(row: &dyn Row) -> Option<Cohort> {
    let mut c = Cursor::new(row);
    Some(Cohort { at: c.integer()?, after: c.integer()?, upgrades: unsigned(&mut c)?, returned: unsigned(&mut c)? })
}

/// What is spread over the upgrades of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Seconds,
    Sessions,
}

/// How many upgrades of whole days had which value, the least first.
pub fn spread(measure: Measure, from: i64, to: i64) -> Statement {
    let measure = match measure {
        Measure::Seconds => "seconds",
        Measure::Sessions => "sessions",
    };
    let sql = "SELECT s.value, CAST(SUM(s.upgrades) AS bigint) FROM conversion_spreads s
               WHERE s.measure = ?1 AND s.at >= ?2 AND s.at < ?3 GROUP BY s.value ORDER BY s.value";
    Statement { sql: sql.to_owned(), parameters: vec![measure.into(), from.into(), to.into()] }
}

pub fn read_spread(row: &dyn Row) -> Option<(i64, u64)> {
    let mut c = Cursor::new(row);
    Some((c.integer()?, unsigned(&mut c)?))
}

/// By which version of the definitions what is read was counted.
pub static VERSION: Question<i64> = Question {
    sql: "SELECT g.version FROM generations g WHERE g.model = 'conversion' AND g.stage = 'live'",
    read: |row| row.integer(0),
};

/// All rows of a view whose spans begin in a stretch of time.
pub fn partition(view: &crate::model::View, from: i64, to: i64) -> Statement {
    let columns: Vec<_> = view.columns.iter().map(|column| format!("v.{}", column.name)).collect();
    // Numbers and texts that tell rows apart stand first.
    let order: Vec<_> = (1..=columns.len()).map(|nth| nth.to_string()).collect();
    let sql = format!(
        "SELECT {} FROM {} v WHERE v.at >= ?1 AND v.at < ?2 ORDER BY {}",
        columns.join(", "),
        view.name,
        order.join(", ")
    );
    Statement { sql, parameters: vec![from.into(), to.into()] }
}

/// When the first and the last day begin on which anything was counted.
pub static DAYS: Question<(i64, i64)> = Question {
    sql: "SELECT MIN(c.at), MAX(c.at) FROM conversion_counts c WHERE c.width = 86400 AND c.split = ''",
    read: |row| Some((row.integer(0).unwrap_or(0), row.integer(1).unwrap_or(-DAY))),
};

fn unsigned(c: &mut Cursor<'_>) -> Option<u64> {
    c.integer().and_then(|number| u64::try_from(number).ok())
}
