//! A range, as it is asked for.

use chrysalis_domain::Timestamp;
use chrysalis_projections::conversion::{DAY, QUARTER};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::calendar::{local, midnight, shifted};
use super::{Grain, Range};
use crate::wire::moment::Moment;

/// Steps of one answer.
pub(super) const STEPS_MAX: usize = 5_000;
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

pub(in crate::app::analytics) fn unfit(field: &'static str, message: impl Into<String>) -> Unfit {
    Unfit { field, message: message.into() }
}

/// As it is asked for, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub from: Option<String>,
    pub to: Option<String>,
    pub grain: Option<String>,
    pub time_zone: Option<String>,
}

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
