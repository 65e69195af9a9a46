//! Which time is asked about: from one moment to another, in steps, by the clock of a time zone.
//!
//! Counts stand by quarters of an hour, hours and days of UTC. An offset of any time zone since 2000 is a multiple of a
//! quarter of an hour, and since April 2011 clocks change on one, so every step is a sum of whole ones; the widest that fit
//! are taken, so that years are few rows. A day of another time zone is one of UTC, with a few hours more of the day before,
//! and a few less at its end.

use chrysalis_domain::Timestamp;
use chrysalis_projections::conversion::questions::{Parted, Stretch};
use chrysalis_projections::conversion::{DAY, HOUR, QUARTER};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use crate::wire::moment::Moment;

/// Steps of one answer.
const STEPS_MAX: usize = 5_000;
const YEARS_MAX: i64 = 20;
/// Where nothing is said.
const DAYS: i64 = 30;
/// 2000-01-01 and 2200-01-01: before, offsets were not yet what they are.
const EARLIEST: i64 = 946_684_800;
const LATEST: i64 = 7_258_118_400;

/// What was asked for can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub field: &'static str,
    pub message: String,
}

pub(super) fn unfit(field: &'static str, message: impl Into<String>) -> Unfit {
    Unfit { field, message: message.into() }
}

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

/// As it is asked for, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub from: Option<String>,
    pub to: Option<String>,
    pub grain: Option<String>,
    pub time_zone: Option<String>,
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

impl Asked {
    pub fn read(&self, now: Timestamp) -> Result<Range, Unfit> {
        let zone_name = self.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
        let zone = zone(&zone_name)?;
        let grain = self.grain.as_deref().map_or(Ok(Grain::Day), Grain::parse)?;
        let today = local(&zone, now.as_millis().div_euclid(1_000));
        let to = match &self.to {
            Some(text) => moment("to", text, &zone)?,
            None => midnight(&zone, shifted(today, 1)),
        };
        let from = match &self.from {
            Some(text) => moment("from", text, &zone)?,
            // Whole days back from there.
            None => midnight(&zone, shifted(local(&zone, to), -DAYS)).max(EARLIEST),
        };
        if from >= to {
            return Err(unfit("to", "must be after `from`"));
        }
        let range = Range { from, to, grain, zone, zone_name };
        if to - from > YEARS_MAX * 366 * DAY {
            return Err(unfit("to", format!("must be within {YEARS_MAX} years of `from`")));
        }
        if range.steps().len() > STEPS_MAX {
            return Err(unfit(
                "grain",
                format!("gives more than {STEPS_MAX} steps; ask for wider ones or a shorter time"),
            ));
        }
        Ok(range)
    }
}

fn zone(name: &str) -> Result<TimeZone, Unfit> {
    let known = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
    known.ok_or_else(|| unfit("timeZone", "is none of the IANA time zones, such as Europe/Berlin"))
}

/// A date is the midnight with which it begins; a moment must be one that counts begin at.
fn moment(field: &'static str, text: &str, zone: &TimeZone) -> Result<i64, Unfit> {
    let date = (text.len() == 10).then(|| text.parse::<Date>().ok()).flatten();
    let at = match date {
        Some(date) => midnight(zone, date),
        None => {
            let rule = "takes YYYY-MM-DD, a time of RFC 3339 or epoch milliseconds";
            let millis = Moment::parse(text).map_err(|_| unfit(field, rule))?.0.as_millis();
            if millis.rem_euclid(QUARTER * 1_000) != 0 {
                return Err(unfit(field, "must be on a quarter of an hour"));
            }
            millis / 1_000
        }
    };
    if (EARLIEST..=LATEST).contains(&at) { Ok(at) } else { Err(unfit(field, "must lie between 2000 and 2200")) }
}

fn instant(at: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at).unwrap_or_default()
}

fn offset(zone: &TimeZone, at: i64) -> i64 {
    zone.to_offset(instant(at)).seconds().into()
}

fn local(zone: &TimeZone, at: i64) -> Date {
    zone.to_datetime(instant(at)).date()
}

/// When a date begins: where there is no midnight, with the first moment after it.
fn midnight(zone: &TimeZone, date: Date) -> i64 {
    zone.to_timestamp(date.at(0, 0, 0, 0)).map_or(0, jiff::Timestamp::as_second)
}

fn shifted(date: Date, days: i64) -> Date {
    date.checked_add(days.days()).unwrap_or(date)
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn day_number(date: Date) -> i64 {
    EPOCH.until(date).map_or(0, |span: Span| span.get_days().into())
}

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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_007);

    fn asked(from: &str, to: &str, grain: &str, zone: &str) -> Result<Range, Unfit> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Asked { from: text(from), to: text(to), grain: text(grain), time_zone: text(zone) }.read(NOW)
    }

    fn field(asked: Result<Range, Unfit>) -> &'static str {
        asked.unwrap_err().field
    }

    #[test]
    fn what_can_not_be_asked_is_told_by_its_field() {
        for (from, to, grain, zone, wrong) in [
            ("2027-01-02", "2027-01-01", "", "", "to"),
            ("2027-01-01", "2027-01-01", "", "", "to"),
            ("2027-02-30", "", "", "", "from"),
            ("yesterday", "", "", "", "from"),
            ("1999-12-31", "", "", "", "from"),
            ("", "2200-01-02", "", "", "to"),
            ("2027-01-01T00:07:00.000Z", "", "", "", "from"),
            ("", "", "fortnight", "", "grain"),
            ("", "", "Day", "", "grain"),
            ("2000-01-01", "2200-01-01", "all", "", "to"),
            ("2027-01-01", "2028-01-01", "quarter", "", "grain"),
            ("2026-01-01", "2027-01-01", "hour", "", "grain"),
            ("", "", "", "Mars/Olympus", "timeZone"),
            ("", "", "", "Etc/Unknown", "timeZone"),
            ("", "", "", "../../etc/passwd", "timeZone"),
        ] {
            assert_eq!(field(asked(from, to, grain, zone)), wrong, "{from} {to} {grain} {zone}");
        }
    }

    #[test]
    fn where_nothing_is_said_it_is_the_last_thirty_days() {
        let range = asked("", "", "", "").unwrap();
        assert_eq!((range.to, range.to - range.from), (1_800_057_600, 30 * DAY));
        assert_eq!(range.steps().len(), 30);
        assert_eq!(range.steps()[0].label, "2026-12-17");
        assert!(range.is_of_utc_days());
    }

    /// In Berlin the 28th of March 2027 has 23 hours, in Kolkata every midnight is at half past.
    #[test]
    fn days_are_those_of_the_time_zone() {
        let range = asked("2027-03-27", "2027-03-30", "day", "Europe/Berlin").unwrap();
        let hours: Vec<_> =
            range.steps().iter().map(|step| (step.label.clone(), (step.to - step.from) / HOUR)).collect();
        let expected = [("2027-03-27", 24), ("2027-03-28", 23), ("2027-03-29", 24)];
        assert_eq!(hours, expected.map(|(label, hours)| (label.to_owned(), hours)));
        let range = asked("2027-03-27", "2027-03-30", "day", "Asia/Kolkata").unwrap();
        assert_eq!(range.from % DAY, DAY - 5 * HOUR - 1_800);
    }

    /// What years of days cost is a row for each and some hours, in whatever time zone: not 24 of them.
    #[test]
    fn years_are_days_with_a_few_hours_each() {
        let rows = |zone, grain| -> i64 {
            let range = asked("2027-01-01", "2030-01-01", grain, zone).unwrap();
            let of = |piece: &Piece| match piece.what {
                What::Spans(Stretch { width, from, to }) => (to - from) / width,
                What::Days(days) => {
                    let (begin, end) = days.part();
                    let (hours, quarters) = ((end - begin) / HOUR, (end - begin) % HOUR / QUARTER);
                    (days.to - days.from) / DAY * (1 + hours + quarters)
                }
            };
            assert!(range.pieces().len() < 200, "{zone} {grain}");
            range.pieces().iter().map(of).sum()
        };
        for (zone, most) in
            [("UTC", 1), ("Europe/Berlin", 3), ("America/New_York", 6), ("Asia/Kolkata", 8), ("Australia/Sydney", 13)]
        {
            for grain in ["day", "week", "month"] {
                assert!(rows(zone, grain) <= 1_096 * most + 300, "{zone} {grain}: {}", rows(zone, grain));
            }
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let labels = |grain| {
            let range = asked("2027-01-15", "2027-02-03", grain, "").unwrap();
            range.steps().into_iter().map(|step| step.label).collect::<Vec<_>>()
        };
        assert_eq!(labels("week"), ["2027-01-15", "2027-01-18", "2027-01-25", "2027-02-01"]);
        assert_eq!(labels("month"), ["2027-01-15", "2027-02-01"]);
        assert_eq!(labels("all"), ["2027-01-15"]);
    }

    /// Whatever is asked for, each quarter of an hour of it is counted once and falls into one of its steps.
    #[test]
    fn pieces_cover_a_range_and_lead_to_its_steps() {
        for zone in
            ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham"]
        {
            for grain in ["quarter", "hour", "day", "week", "month", "all"] {
                for (from, to) in [
                    ("2027-03-20", "2027-04-10"),
                    ("2027-10-01T05:45:00.000Z", "2027-11-08T23:15:00.000Z"),
                    ("2027-10-30T22:15:00.000Z", "2027-10-31T04:30:00.000Z"),
                ] {
                    let range = asked(from, to, grain, zone).unwrap();
                    let (steps, pieces) = (range.steps(), range.pieces());
                    assert_eq!((steps[0].from, steps[steps.len() - 1].to), (range.from, range.to));
                    assert!(steps.windows(2).all(|two| two[0].to == two[1].from && two[0].from < two[0].to));
                    assert!(steps.windows(2).all(|two| two[0].key != two[1].key), "{zone} {grain}");
                    let mut counted = HashSet::new();
                    // A span and a moment in it, by which it is counted.
                    let mut count = |piece: &Piece, begin: i64, end: i64, moment: i64| {
                        let key = range.key(piece.nth(moment), piece);
                        let step = steps.iter().find(|step| step.key == key).unwrap();
                        assert!(step.from <= begin && end <= step.to, "{zone} {grain} {begin}");
                        for quarter in (begin..end).step_by(900) {
                            assert!(counted.insert(quarter), "{zone} {grain}: {quarter} is counted twice");
                        }
                    };
                    for piece in pieces {
                        match piece.what {
                            What::Spans(Stretch { width, from, to }) => {
                                assert_eq!(((to - from) % width, from % width), (0, 0));
                                for begin in (from..to).step_by(usize::try_from(width).unwrap()) {
                                    count(&piece, begin, begin + width, begin);
                                }
                            }
                            What::Days(days) => {
                                assert_eq!((days.from % DAY, days.to % DAY), (0, 0));
                                let (begin, end) = days.part();
                                assert!(end - begin <= DAY / 2 && begin % QUARTER == 0 && end % QUARTER == 0);
                                for day in (days.from..days.to).step_by(usize::try_from(DAY).unwrap()) {
                                    let (part, rest) = days.moments(day);
                                    count(&piece, day + begin, day + end, part);
                                    let rest_of = if begin == 0 { (day + end, day + DAY) } else { (day, day + begin) };
                                    count(&piece, rest_of.0, rest_of.1, rest);
                                }
                            }
                        }
                    }
                    assert_eq!(counted.len() as i64, (range.to - range.from) / QUARTER);
                }
            }
        }
    }
}
