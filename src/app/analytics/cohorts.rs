//! Guests who came on the same days (of UTC), and how many of them became members or were there again, so many days or weeks
//! after the day on which each of them came.

use std::collections::BTreeMap;

use chrysalis_projections::conversion::questions::{self, Cohort};
use chrysalis_projections::conversion::spread::AFTER_MAX;
use chrysalis_projections::conversion::{DAY, Split, WEEK_DAYS};
use serde::Serialize;
use utoipa::ToSchema;

use super::range::{Grain, Range, Step, Unfit, unfit};
use super::{Analytics, Line, cell, percent, spread};
use crate::log::{LogFault, list};

/// Cohorts of one answer.
const COHORTS_MAX: usize = 200;

/// What is counted after the first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Day,
    Week,
}

impl Unit {
    pub fn parse(text: Option<&str>) -> Result<Self, Unfit> {
        match text {
            None | Some("day") => Ok(Unit::Day),
            Some("week") => Ok(Unit::Week),
            Some(_) => Err(unfit("after", "takes day or week")),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Week => "week",
        }
    }

    const fn seconds(self) -> i64 {
        match self {
            Unit::Day => DAY,
            Unit::Week => WEEK_DAYS * DAY,
        }
    }
}

/// Whether a range is one of cohorts.
pub fn fits(range: &Range) -> Result<(), Unfit> {
    if matches!(range.grain, Grain::Quarter | Grain::Hour) {
        return Err(unfit("grain", "takes day, week, month or all"));
    }
    spread::whole_days(range)?;
    if range.steps().len() > COHORTS_MAX {
        let message = format!("gives more than {COHORTS_MAX} cohorts; ask for wider ones or a shorter time");
        return Err(unfit("grain", message));
    }
    Ok(())
}

/// What became of a cohort so long after.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CohortRow {
    /// The day on which the first of them came.
    #[schema(example = "2027-01-15")]
    pub cohort: String,
    pub guests: u64,
    /// Days or weeks after the day on which each of them came; 0 is that day, or the week that begins with it.
    pub after: i64,
    /// Guests who became members then …
    pub upgrades: u64,
    /// … and until the end of it.
    pub converted: u64,
    pub converted_percent: Option<f64>,
    /// Guests, also those who are members by now, who were active then; null for 0, when all of them came.
    pub returned: Option<u64>,
    pub returned_percent: Option<f64>,
    /// False: it is not over for all of them, and may still rise.
    pub complete: bool,
}

impl Line for CohortRow {
    const COLUMNS: &'static [&'static str] = &[
        "cohort",
        "guests",
        "after",
        "upgrades",
        "converted",
        "convertedPercent",
        "returned",
        "returnedPercent",
        "complete",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.cohort.clone(),
            self.guests.to_string(),
            self.after.to_string(),
            self.upgrades.to_string(),
            self.converted.to_string(),
            cell(self.converted_percent),
            cell(self.returned),
            cell(self.returned_percent),
            self.complete.to_string(),
        ]
    }
}

impl Analytics<'_> {
    /// Of each cohort a row for each day or week that has begun, 63 at the most.
    pub async fn cohorts(&self, range: &Range, unit: Unit) -> Result<Vec<CohortRow>, LogFault> {
        let came = self.conversion(range, Split::All).await?.rows;
        let found = list(self.log, questions::cohorts(unit.name(), range.from, range.to), questions::read_cohort);
        let (found, steps) = (found.await?, range.steps());
        let mut cells: BTreeMap<(usize, i64), (u64, u64)> = BTreeMap::new();
        for Cohort { at, after, upgrades, returned } in found {
            let which = steps.partition_point(|step| step.to <= at);
            let cell = cells.entry((which, after)).or_default();
            *cell = (cell.0 + upgrades, cell.1 + returned);
        }
        let now = self.now.as_millis().div_euclid(1_000);
        let mut rows = Vec::new();
        for (which, (step, guests)) in steps.iter().zip(came.iter().map(|row| row.guests)).enumerate() {
            let mut converted = 0;
            for after in 0..AFTER_MAX.min(begun(step, now, unit)) {
                let (upgrades, returned) = cells.get(&(which, after)).copied().unwrap_or_default();
                converted += upgrades;
                let returned = (after > 0).then_some(returned);
                rows.push(CohortRow {
                    cohort: step.label.clone(),
                    guests,
                    after,
                    upgrades,
                    converted,
                    converted_percent: percent(converted, guests),
                    returned,
                    returned_percent: returned.and_then(|returned| percent(returned, guests)),
                    complete: step.to - DAY + (after + 1) * unit.seconds() <= now,
                });
            }
        }
        Ok(rows)
    }
}

/// Days or weeks that have begun for the first of a cohort.
fn begun(step: &Step, now: i64, unit: Unit) -> i64 {
    let passed = now - step.from;
    if passed < 0 { 0 } else { passed / unit.seconds() + 1 }
}
