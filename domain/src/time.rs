//! Instants and spans as the log stores them: whole milliseconds.
//!
//! The domain never reads a clock. An instant is a fact that the caller hands in, which is what lets a test pass
//! seven days in a millisecond.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time since `earlier`; zero when `earlier` lies ahead, as it may after a clock was set back.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn from_hours(hours: i64) -> Self {
        Self::from_secs(hours.saturating_mul(3600))
    }

    pub const fn from_days(days: i64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded up, as `Retry-After` and `Max-Age` want them.
    pub const fn as_secs_ceil(self) -> i64 {
        self.0.saturating_add(999) / 1000
    }
}

/// A day, in UTC, by its number: that of 1970-01-01 is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// The text is no number of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the number of a day")]
pub struct NotADay;

impl Day {
    const LENGTH: i64 = Span::from_days(1).0;

    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u32 {
        self.0
    }

    /// The day of an instant; the first one for what was before it.
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.0.div_euclid(Self::LENGTH)).unwrap_or(0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = NotADay;

    /// Accepts exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, NotADay> {
        let day = text.parse().map(Self).map_err(|_| NotADay)?;
        if day.to_string() == text { Ok(day) } else { Err(NotADay) }
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

/// As configurations write it, in the largest unit that leaves nothing over: `90s`, `36h`, `30d`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let fits = units.into_iter().find(|(one, _)| self.0 != 0 && self.0 % one == 0);
        match fits {
            Some((one, unit)) => write!(f, "{}{unit}", self.0 / one),
            None if self.0 == 0 => f.write_str("0s"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// Logs are read by people.
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_configurations_have_them() {
        for (millis, text) in [
            (0, "0s"),
            (2_000, "2s"),
            (90_000, "90s"),
            (900_000, "15m"),
            (129_600_000, "36h"),
            (2_592_000_000, "30d"),
            (1_500, "1500ms"),
            (-60_000, "-1m"),
        ] {
            assert_eq!(Span::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn a_day_has_one_spelling_and_ends_at_midnight() {
        let last = Timestamp::from_millis(1_800_057_599_999);
        assert_eq!(
            (Day::of(last).to_string().as_str(), Day::of(last + Span::from_millis(1)).number()),
            ("20833", 20834)
        );
        assert_eq!("20833".parse(), Ok(Day::of(last)));
        for other in ["+20833", "020833", " 20833", "-1", "2027-01-15", "4294967296", ""] {
            assert_eq!(other.parse::<Day>(), Err(NotADay), "{other}");
        }
        assert_eq!(Day::of(Timestamp::from_millis(-1)), Day::from_number(0));
    }
}
