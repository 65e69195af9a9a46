//! `conversion`: how many guests came, how many of them became members, by what, when, and how long it took: counted from the
//! log, exactly, whatever became of the guests since. docs/analytics.md says what each number means.
//!
//! - [`fold`]: what an event counts for;
//! - [`kept`]: what has to be known of a guest for that;
//! - [`spread`]: the bounds between which times are counted;
//! - [`questions`]: what is asked of the counts.
//!
//! Answers are sums of counts, and never look at guests: a quarter of an hour has one row, however many came in it. Which days
//! they add up to is a matter of the question: midnight falls on a quarter of an hour in every time zone.

mod fold;
mod kept;
pub mod questions;
pub mod spread;
#[cfg(test)]
mod tests;

use crate::model::{Fold, Keeping, Model, View};
use crate::table::{Column, Table, integer, text};

pub static MODEL: Model = Model {
    name: "conversion",
    version: 1,
    tables: &[&COUNTS, &COHORTS, &SPREADS, &kept::GUESTS],
    views: VIEWS,
    fold: Fold::Keeping(Keeping { table: &kept::GUESTS, set: kept::SET, whose: fold::whose, fold: fold::fold }),
};

/// Seconds of the spans that are counted by.
pub const QUARTER: i64 = 900;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 86_400;
pub const WEEK_DAYS: i64 = 7;

/// By what a count is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    All,
    /// By which they became members.
    Method,
    /// What the app said of where they came from. Counted by whole days of UTC alone: there may be many of these.
    Channel,
    Campaign,
    Referrer,
}

impl Split {
    pub const fn name(self) -> &'static str {
        match self {
            Split::All => "",
            Split::Method => "method",
            Split::Channel => "channel",
            Split::Campaign => "campaign",
            Split::Referrer => "referrer",
        }
    }

    /// Whether a number is told apart by it.
    pub(crate) fn counts(self, number: &str) -> bool {
        let numbers: &[_] = match self {
            Split::All => &NUMBERS,
            Split::Method => {
                &["converted", "converted_verified", "upgrades", "verified", "signups", "verified_signups"]
            }
            Split::Channel | Split::Campaign | Split::Referrer => {
                &["guests", "converted", "converted_verified", "upgrades", "verified"]
            }
        };
        numbers.contains(&number)
    }
}

/// What is counted in a span of time.
pub(crate) const NUMBERS: [&str; 11] = [
    // Of the guests who came in it: all; who became members so far; of these, who have proven an address.
    "guests",
    "converted",
    "converted_verified",
    // What happened in it: guests who first became members; who first were members with a proven address.
    "upgrades",
    "verified",
    // Members who never were guests, likewise.
    "signups",
    "verified_signups",
    // Members who became guests again, for somebody else proved their address.
    "fell_back",
    // Guests who were deleted, by a clean-up and otherwise; members who were.
    "expired",
    "deleted_guests",
    "deleted_members",
];

/// Counts by the spans in which they fall.
static COUNTS: Table = Table {
    name: "conversion_counts",
    key: &["width", "split", "at", "value"],
    columns: &[
        // Seconds: a quarter of an hour, an hour, a day.
        integer("width"),
        text("split"),
        // When the span begins, in seconds since 1970 (UTC).
        integer("at"),
        text("value"),
        integer(NUMBERS[0]),
        integer(NUMBERS[1]),
        integer(NUMBERS[2]),
        integer(NUMBERS[3]),
        integer(NUMBERS[4]),
        integer(NUMBERS[5]),
        integer(NUMBERS[6]),
        integer(NUMBERS[7]),
        integer(NUMBERS[8]),
        integer(NUMBERS[9]),
        integer(NUMBERS[10]),
    ],
    indexes: &[],
    shared: true,
    clustered: true,
};

/// Of the guests who came on a day, how many became members so many days or weeks after, and how many were active then.
static COHORTS: Table = Table {
    name: "conversion_cohorts",
    key: &["unit", "at", "after"],
    columns: &[text("unit"), integer("at"), integer("after"), integer("upgrades"), integer("returned")],
    indexes: &[],
    shared: true,
    clustered: true,
};

/// Of the guests who became members on a day, how many seconds that took, and in how many sessions.
static SPREADS: Table = Table {
    name: "conversion_spreads",
    key: &["measure", "at", "value"],
    columns: &[text("measure"), integer("at"), integer("value"), integer("upgrades")],
    indexes: &[],
    shared: true,
    clustered: true,
};

const COUNTED: &[Column] = &[
    integer("at"),
    integer("guests"),
    integer("converted"),
    integer("converted_verified"),
    integer("upgrades"),
    integer("verified"),
    integer("signups"),
    integer("verified_signups"),
    integer("fell_back"),
    integer("expired"),
    integer("deleted_guests"),
    integer("deleted_members"),
];

const BY_METHOD: &[Column] = &[
    integer("at"),
    text("method"),
    integer("converted"),
    integer("converted_verified"),
    integer("upgrades"),
    integer("verified"),
    integer("signups"),
    integer("verified_signups"),
];

const BY_ENTRY: &[Column] = &[
    integer("at"),
    text("entry"),
    text("value"),
    integer("guests"),
    integer("converted"),
    integer("converted_verified"),
    integer("upgrades"),
    integer("verified"),
];

const COHORT: &[Column] = &[integer("at"), integer("after"), integer("upgrades"), integer("returned")];

macro_rules! counted {
    ($width:literal) => {
        concat!(
            "SELECT c.at, c.guests, c.converted, c.converted_verified, c.upgrades, c.verified, c.signups, ",
            "c.verified_signups, c.fell_back, c.expired, c.deleted_guests, c.deleted_members ",
            "FROM conversion_counts c WHERE c.width = ",
            $width,
            " AND c.split = ''"
        )
    };
}

macro_rules! by_method {
    ($width:literal) => {
        concat!(
            "SELECT c.at, c.value AS method, c.converted, c.converted_verified, c.upgrades, c.verified, c.signups, ",
            "c.verified_signups FROM conversion_counts c WHERE c.width = ",
            $width,
            " AND c.split = 'method'"
        )
    };
}

macro_rules! cohort {
    ($unit:literal) => {
        concat!("SELECT c.at, c.after, c.upgrades, c.returned FROM conversion_cohorts c WHERE c.unit = '", $unit, "'")
    };
}

/// What analysts read.
pub static VIEWS: &[View] = &[
    View { name: "analytics_quarters", columns: COUNTED, select: counted!(900) },
    View { name: "analytics_hours", columns: COUNTED, select: counted!(3600) },
    View { name: "analytics_days", columns: COUNTED, select: counted!(86400) },
    View { name: "analytics_method_quarters", columns: BY_METHOD, select: by_method!(900) },
    View { name: "analytics_method_hours", columns: BY_METHOD, select: by_method!(3600) },
    View { name: "analytics_method_days", columns: BY_METHOD, select: by_method!(86400) },
    View {
        name: "analytics_entry_days",
        columns: BY_ENTRY,
        select:
            "SELECT c.at, c.split AS entry, c.value, c.guests, c.converted, c.converted_verified, c.upgrades, c.verified
                 FROM conversion_counts c WHERE c.width = 86400 AND c.split IN ('channel', 'campaign', 'referrer')",
    },
    View { name: "analytics_cohort_days", columns: COHORT, select: cohort!("day") },
    View { name: "analytics_cohort_weeks", columns: COHORT, select: cohort!("week") },
    View {
        name: "analytics_time_to_convert",
        columns: &[integer("at"), integer("seconds"), integer("upgrades")],
        select: "SELECT s.at, s.value AS seconds, s.upgrades FROM conversion_spreads s WHERE s.measure = 'seconds'",
    },
    View {
        name: "analytics_sessions",
        columns: &[integer("at"), integer("sessions"), integer("upgrades")],
        select: "SELECT s.at, s.value AS sessions, s.upgrades FROM conversion_spreads s WHERE s.measure = 'sessions'",
    },
];
