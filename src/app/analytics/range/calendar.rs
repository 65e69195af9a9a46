//! Dates and moments, by the clock of a time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

pub(super) fn instant(at: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at).unwrap_or_default()
}

pub(super) fn offset(zone: &TimeZone, at: i64) -> i64 {
    zone.to_offset(instant(at)).seconds().into()
}

pub(super) fn local(zone: &TimeZone, at: i64) -> Date {
    zone.to_datetime(instant(at)).date()
}

/// When a date begins: where there is no midnight, with the first moment after it.
pub(super) fn midnight(zone: &TimeZone, date: Date) -> i64 {
    zone.to_timestamp(date.at(0, 0, 0, 0)).map_or(0, jiff::Timestamp::as_second)
}

pub(super) fn shifted(date: Date, days: i64) -> Date {
    date.checked_add(days.days()).unwrap_or(date)
}

pub(super) const EPOCH: Date = Date::constant(1970, 1, 1);

pub(super) fn day_number(date: Date) -> i64 {
    EPOCH.until(date).map_or(0, |span: Span| span.get_days().into())
}
