//! All of it at once: what the path for administrators answers, and what the report shows.

use chrysalis_projections::conversion::Split;
use serde::Serialize;
use utoipa::ToSchema;

use super::cohorts::{self, CohortRow, Unit};
use super::conversion::{Conversion, ConversionRow};
use super::range::{Grain, Range, Unfit, unfit};
use super::spread::{Quantile, SessionsRow, TimeRow, TimeToConvert, whole_days};
use super::{Analytics, State, is_none, time};
use crate::log::LogFault;
use crate::wire::json_time::JsonTime;

/// Cohorts that are shown: the last ones.
const COHORTS: usize = 26;

/// Guests, members, and the way from the one to the other.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    pub from: JsonTime,
    pub to: JsonTime,
    #[schema(example = "UTC")]
    pub time_zone: String,
    #[schema(example = "day")]
    pub grain: &'static str,
    /// The version of what numbers mean.
    pub definitions: i64,
    /// Events that are not counted yet.
    #[serde(skip_serializing_if = "is_none")]
    pub events_behind: u64,
    pub total: ConversionRow,
    pub steps: Vec<ConversionRow>,
    /// The whole time, by method.
    pub methods: Vec<ConversionRow>,
    /// Of the days of UTC in which that time lies: how long it took those who became members on them.
    pub time_to_convert: Vec<TimeRow>,
    pub quantiles: Vec<Quantile>,
    pub sessions: Vec<SessionsRow>,
    /// Who came in each week (of UTC, from Monday on), and what became of them week by week: the last 26.
    pub cohorts: Vec<CohortRow>,
}

/// It has cohorts in it, so days are what there is of it.
pub fn fits(range: &Range) -> Result<(), Unfit> {
    match range.grain {
        Grain::Quarter | Grain::Hour => Err(unfit("grain", "takes day, week, month or all")),
        Grain::Day | Grain::Week | Grain::Month | Grain::All => Ok(()),
    }
}

impl Analytics<'_> {
    pub async fn overview(&self, range: &Range) -> Result<Overview, LogFault> {
        let State { definitions, behind } = self.state().await?;
        let Conversion { rows: steps, total } = self.conversion(range, Split::All).await?;
        let whole = Range { grain: Grain::All, ..range.clone() };
        let methods = self.conversion(&whole, Split::Method).await?.rows;
        let days = whole.in_utc_days();
        debug_assert!(whole_days(&days).is_ok());
        let TimeToConvert { rows: time_to_convert, quantiles, .. } = self.time_to_convert(&days).await?;
        let sessions = self.sessions(&days).await?;
        let weeks = Range { grain: Grain::Week, ..days }.last(COHORTS);
        debug_assert!(cohorts::fits(&weeks).is_ok());
        let cohorts = self.cohorts(&weeks, Unit::Week).await?;
        Ok(Overview {
            from: time(range.from),
            to: time(range.to),
            time_zone: range.zone_name.clone(),
            grain: range.grain.name(),
            definitions,
            events_behind: behind,
            total,
            steps,
            methods,
            time_to_convert,
            quantiles,
            sessions,
            cohorts,
        })
    }
}
