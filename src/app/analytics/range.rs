//! Which time is asked about: from one moment to another, in steps, by the clock of a time zone.
//!
//! Counts stand by quarters of an hour, hours and days of UTC. An offset of any time zone since 2000 is a multiple of a
//! quarter of an hour, and since April 2011 clocks change on one, so every step is a sum of whole ones; the widest that fit
//! are taken, so that years are few rows. A day of another time zone is one of UTC, with a few hours more of the day before,
//! and a few less at its end.

mod asked;
mod calendar;
#[cfg(test)]
mod tests;

use chrysalis_projections::conversion::questions::{Parted, Stretch};
use chrysalis_projections::conversion::{DAY, HOUR, QUARTER};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::asked::STEPS_MAX;
pub(super) use self::asked::unfit;
pub use self::asked::{Asked, Unfit};
use self::calendar::{EPOCH, day_number, instant, local, midnight, offset, shifted};

/// How wide a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Quarter,
    Hour,
    Day,
    /// From Monday on.
    Week,
    Month,
    /// One step.
    All,
}

impl Grain {
    const NAMES: [(&'static str, Grain); 6] = [
        ("quarter", Grain::Quarter),
        ("hour", Grain::Hour),
        ("day", Grain::Day),
        ("week", Grain::Week),
        ("month", Grain::Month),
        ("all", Grain::All),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, grain)| *grain == self).map_or("", |(name, _)| name)
    }

    fn parse(text: &str) -> Result<Self, Unfit> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, grain)| *grain);
        known.ok_or_else(|| unfit("grain", "takes quarter, hour, day, week, month or all"))
    }

    /// Seconds of a clock within which counts are put together at first.
    pub(super) const fn size(self) -> i64 {
        match self {
            Grain::Quarter => QUARTER,
            Grain::Hour => HOUR,
            Grain::Day | Grain::Week | Grain::Month | Grain::All => DAY,
        }
    }
}

/// From a moment to another, which is no part of it, both in seconds since 1970.
#[derive(Clone, Debug)]
pub struct Range {
    pub from: i64,
    pub to: i64,
    pub grain: Grain,
    pub zone: TimeZone,
    pub zone_name: String,
}

/// A step of a range, as far as it lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Tells it from the others.
    pub(super) key: i64,
    pub from: i64,
    pub to: i64,
    /// When it begins, by the clock of the time zone: a date, or a date and a time.
    pub label: String,
}

/// Some counts, and what makes steps of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) what: What,
    /// Seconds of a clock that is ahead of UTC by an offset, within which counts are put together.
    pub(super) size: i64,
    pub(super) offset: i64,
    leads_to: Leads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Spans(Stretch),
    /// Days of UTC that the clock's midnight parts in two.
    Days(Parted),
}

impl Piece {
    /// Into which span of the clock a moment falls.
    pub(super) fn nth(&self, moment: i64) -> i64 {
        (moment + self.offset).div_euclid(self.size)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    /// All of it is one step's.
    To(i64),
    /// Days since 1970, times so many, less so many.
    Days(i64, i64),
    /// Days since 1970, to that with which their month begins.
    Month,
    /// Moments, but none before this one.
    Since(i64),
}

/// Longer than any time there is.
const WHOLE: i64 = i64::MAX / 4;
/// 1970 began on a Thursday.
const MONDAY: i64 = 3;

impl Range {
    /// Whether it is made of whole days of UTC.
    pub fn is_of_utc_days(&self) -> bool {
        let utc = self.zone == TimeZone::UTC || ["UTC", "Etc/UTC"].contains(&self.zone_name.as_str());
        utc && self.grain.size() == DAY && self.from % DAY == 0 && self.to % DAY == 0
    }

    /// The days of UTC in which it lies.
    pub fn in_utc_days(&self) -> Range {
        let (from, to) = (self.from - self.from.rem_euclid(DAY), self.to + (-self.to).rem_euclid(DAY));
        Range { from, to, grain: self.grain, zone: TimeZone::UTC, zone_name: "UTC".to_owned() }
    }

    /// No more than its last steps.
    pub fn last(self, steps: usize) -> Range {
        let all = self.steps();
        let from = all.get(all.len().saturating_sub(steps)).map_or(self.from, |step| step.from);
        Range { from, ..self }
    }

    /// Every step, one after another.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.grain.size() == DAY {
            let mut from = self.from;
            while from < self.to {
                let first = self.first_day(local(&self.zone, from));
                let to = self.next(first).map_or(self.to, |next| midnight(&self.zone, next).min(self.to));
                let label = local(&self.zone, from).to_string();
                steps.push(Step { key: day_number(first), from, to, label });
                from = to.max(from + QUARTER);
            }
            return steps;
        }
        for (since, until, offset) in self.offsets() {
            let mut from = since;
            while from < until {
                let to = (self.begin((from + offset).div_euclid(self.grain.size()) + 1, offset)).min(until);
                let label = self.zone.to_datetime(instant(from)).strftime("%Y-%m-%dT%H:%M").to_string();
                steps.push(Step { key: from, from, to, label });
                from = to;
                if steps.len() > STEPS_MAX {
                    return steps;
                }
            }
        }
        steps
    }

    /// When a step of the clock begins that is less than a day.
    fn begin(&self, nth: i64, offset: i64) -> i64 {
        nth * self.grain.size() - offset
    }

    /// The first day of the step that a day lies in.
    fn first_day(&self, date: Date) -> Date {
        match self.grain {
            Grain::Week => shifted(date, -i64::from(date.weekday().to_monday_zero_offset())),
            Grain::Month => date.first_of_month(),
            Grain::All => local(&self.zone, self.from),
            Grain::Quarter | Grain::Hour | Grain::Day => date,
        }
    }

    /// The first day of the next step; none behind the last one.
    fn next(&self, first: Date) -> Option<Date> {
        match self.grain {
            Grain::Week => Some(shifted(first, 7)),
            Grain::Month => first.checked_add(1.month()).ok(),
            Grain::All => None,
            Grain::Quarter | Grain::Hour | Grain::Day => Some(shifted(first, 1)),
        }
    }

    /// The step in which that many spans of the clock since 1970 end up.
    pub(super) fn key(&self, nth: i64, piece: &Piece) -> i64 {
        match piece.leads_to {
            Leads::To(key) => key,
            Leads::Days(times, less) => nth * times - less,
            Leads::Month => day_number(shifted(EPOCH, nth).first_of_month()),
            Leads::Since(since) => self.begin(nth, piece.offset).max(since),
        }
    }

    /// Stretches within which the clock is ahead of UTC by the same.
    fn offsets(&self) -> Vec<(i64, i64, i64)> {
        let mut all = Vec::new();
        let mut since = self.from;
        while since < self.to {
            let change = self.zone.following(instant(since)).next().map(|change| change.timestamp().as_second());
            let until = change.unwrap_or(self.to).clamp(since + 1, self.to);
            all.push((since, until, offset(&self.zone, since)));
            since = until;
        }
        all
    }

    /// The counts that make it up.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let offsets = self.offsets();
        let is_utc = offsets.iter().all(|(.., offset)| offset % DAY == 0);
        if self.grain == Grain::All || (self.grain == Grain::Month && is_utc) {
            // What lies within one of them need not be told apart, so whole days of UTC do in every time zone.
            let piece = |step: &Step| {
                let (size, leads_to) = (WHOLE, Leads::To(step.key));
                let all = widest(step.from, step.to, &[DAY, HOUR, QUARTER]).into_iter();
                all.map(move |stretch| Piece { what: What::Spans(stretch), size, offset: 0, leads_to })
                    .collect::<Vec<_>>()
            };
            return self.steps().iter().flat_map(piece).collect();
        }
        offsets.into_iter().flat_map(|(since, until, offset)| self.pieces_at(since, until, offset)).collect()
    }

    /// Those of a time in which the clock is ahead of UTC by the same.
    fn pieces_at(&self, since: i64, until: i64, offset: i64) -> Vec<Piece> {
        let (size, ahead, leads_to) = match self.grain {
            Grain::Week => (7 * DAY, offset + MONDAY * DAY, Leads::Days(7, MONDAY)),
            Grain::Month => (DAY, offset, Leads::Month),
            Grain::Day => (DAY, offset, Leads::Days(1, 0)),
            _ => (self.grain.size(), offset, Leads::Since(since)),
        };
        let piece = move |what| Piece { what, size, offset: ahead, leads_to };
        let fit = |width: &i64| size % width == 0 && offset % width == 0;
        let widths: Vec<_> = [DAY, HOUR, QUARTER].into_iter().filter(fit).collect();
        let spans = |from, to| widest(from, to, &widths).into_iter().map(move |stretch| piece(What::Spans(stretch)));
        let midnight = (-offset).rem_euclid(DAY);
        let (from, to) = (since + (-since).rem_euclid(DAY), until - until.rem_euclid(DAY));
        if size < DAY || midnight == 0 || from >= to {
            return spans(since, until).collect();
        }
        let days = piece(What::Days(Parted { from, to, midnight }));
        spans(since, from).chain([days]).chain(spans(to, until)).collect()
    }
}

/// A time in as few spans as can be: of the widest that fit, and of narrower ones at its ends.
fn widest(from: i64, to: i64, widths: &[i64]) -> Vec<Stretch> {
    let [width, narrower @ ..] = widths else { return Vec::new() };
    let (first, last) = (from + (-from).rem_euclid(*width), to - to.rem_euclid(*width));
    if first >= last {
        return widest(from, to, narrower);
    }
    let mut all = widest(from, first, narrower);
    all.push(Stretch { width: *width, from: first, to: last });
    all.extend(widest(last, to, narrower));
    all
}
