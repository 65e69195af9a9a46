//! How long it took guests to become members, and how many sessions they had until then: of those who did so on some days.

use chrysalis_projections::conversion::questions::{self, Measure};
use chrysalis_projections::conversion::spread::upper_bound;
use serde::Serialize;
use utoipa::ToSchema;

use super::range::{Range, Unfit, unfit};
use super::{Analytics, Line, cell, percent};
use crate::log::{LogFault, list};

/// Quantiles that are told.
const QUANTILES: [f64; 7] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

/// Both are counted by whole days of UTC.
pub fn whole_days(range: &Range) -> Result<(), Unfit> {
    if range.is_of_utc_days() {
        return Ok(());
    }
    let field = if range.zone_name == "UTC" { "from" } else { "timeZone" };
    Err(unfit(field, "is counted by whole days of UTC"))
}

/// Guests who became members after so long.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeRow {
    /// At least so many seconds after they came …
    pub seconds: i64,
    /// … and less than so many.
    pub below: i64,
    pub upgrades: u64,
    pub percent: Option<f64>,
    /// Those who took no longer than this row says.
    pub cumulative: u64,
    pub cumulative_percent: Option<f64>,
}

/// So many of all took no longer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quantile {
    #[schema(example = 0.5)]
    pub quantile: f64,
    /// The quantile itself is not less than this and less than `below`: exactly that is known.
    pub at_least: i64,
    pub below: i64,
    /// An estimate between the two: off by an eighth at the most.
    pub seconds: f64,
}

/// Guests who became members in so many sessions.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsRow {
    /// The one in which they did so included; 100 stands for as many or more.
    pub sessions: i64,
    pub upgrades: u64,
    pub percent: Option<f64>,
}

impl Line for TimeRow {
    const COLUMNS: &'static [&'static str] =
        &["seconds", "below", "upgrades", "percent", "cumulative", "cumulativePercent"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.seconds.to_string(),
            self.below.to_string(),
            self.upgrades.to_string(),
            cell(self.percent),
            self.cumulative.to_string(),
            cell(self.cumulative_percent),
        ]
    }
}

impl Line for SessionsRow {
    const COLUMNS: &'static [&'static str] = &["sessions", "upgrades", "percent"];

    fn cells(&self) -> Vec<String> {
        vec![self.sessions.to_string(), self.upgrades.to_string(), cell(self.percent)]
    }
}

/// The rows with their sum and what follows from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeToConvert {
    pub upgrades: u64,
    pub rows: Vec<TimeRow>,
    pub quantiles: Vec<Quantile>,
}

impl Analytics<'_> {
    pub async fn time_to_convert(&self, range: &Range) -> Result<TimeToConvert, LogFault> {
        let found = list(self.log, questions::spread(Measure::Seconds, range.from, range.to), questions::read_spread);
        Ok(time_to_convert(&found.await?))
    }

    pub async fn sessions(&self, range: &Range) -> Result<Vec<SessionsRow>, LogFault> {
        let found = list(self.log, questions::spread(Measure::Sessions, range.from, range.to), questions::read_spread);
        let found = found.await?;
        let all = found.iter().map(|(_, upgrades)| upgrades).sum();
        let row = |(sessions, upgrades)| SessionsRow { sessions, upgrades, percent: percent(upgrades, all) };
        Ok(found.into_iter().map(row).collect())
    }
}

fn time_to_convert(found: &[(i64, u64)]) -> TimeToConvert {
    let all = found.iter().map(|(_, upgrades)| upgrades).sum();
    let mut cumulative = 0;
    let rows: Vec<_> = found
        .iter()
        .map(|(seconds, upgrades)| {
            cumulative += upgrades;
            TimeRow {
                seconds: *seconds,
                below: upper_bound(*seconds),
                upgrades: *upgrades,
                percent: percent(*upgrades, all),
                cumulative,
                cumulative_percent: percent(cumulative, all),
            }
        })
        .collect();
    let quantiles = QUANTILES.iter().filter_map(|quantile| of(&rows, all, *quantile)).collect();
    TimeToConvert { upgrades: all, rows, quantiles }
}

/// The value that stands at that share of all, put in order: at the smallest place that leaves no less than it behind.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of guests and seconds of years have room"
)]
fn of(rows: &[TimeRow], all: u64, quantile: f64) -> Option<Quantile> {
    let place = ((quantile * all as f64).ceil() as u64).clamp(1, all.max(1));
    let row = rows.iter().find(|row| row.cumulative >= place)?;
    let before = row.cumulative - row.upgrades;
    // As if those of the row were spread evenly over it.
    let within = ((place - before) as f64 - 0.5) / row.upgrades as f64;
    let seconds = row.seconds as f64 + within * (row.below - row.seconds) as f64;
    Some(Quantile { quantile, at_least: row.seconds, below: row.below, seconds: (seconds * 10.0).round() / 10.0 })
}

#[cfg(test)]
mod tests {
    use chrysalis_projections::conversion::spread::lower_bound;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_lies_where_it_says(mut took in prop::collection::vec(0..100_000_000i64, 1..300)) {
            took.sort_unstable();
            let mut found: Vec<(i64, u64)> = Vec::new();
            for seconds in &took {
                match found.last_mut() {
                    Some((bound, upgrades)) if *bound == lower_bound(*seconds) => *upgrades += 1,
                    _ => found.push((lower_bound(*seconds), 1)),
                }
            }
            let told = time_to_convert(&found);
            prop_assert_eq!(told.upgrades, took.len() as u64);
            prop_assert_eq!(told.quantiles.len(), QUANTILES.len());
            for said in told.quantiles {
                let place = ((said.quantile * took.len() as f64).ceil() as usize).max(1);
                let exact = took[place - 1];
                prop_assert!((said.at_least..said.below).contains(&exact), "{} {:?}", exact, said);
                prop_assert!((said.seconds - exact as f64).abs() <= (exact as f64 / 8.0).max(1.0), "{} {:?}", exact, said);
            }
        }
    }

    #[test]
    fn of_nobody_there_is_nothing_to_tell() {
        assert_eq!(time_to_convert(&[]), TimeToConvert::default());
    }
}
