//! What analysts ask: how many guests came and became members, by what, after how long, and who came back. Answered from
//! counts ([`chrysalis_projections::conversion`]), never from guests; docs/analytics.md says what each number means.
//!
//! - [`range`]: which time, in which time zone, in which steps;
//! - [`conversion`]: counts step by step, also by method or by where guests came from;
//! - [`spread`]: how long it took, and how many sessions;
//! - [`cohorts`]: guests who came at the same time, and what became of them;
//! - [`overview`]: all of it at once;
//! - [`report`]: the same as a page with pictures;
//! - [`export`]: the counts themselves, for taking away, also as [`parquet`].

pub mod cohorts;
pub mod conversion;
pub mod export;
pub mod overview;
pub mod parquet;
pub mod range;
pub mod report;
pub mod spread;

use std::time::Duration;

use chrysalis_domain::Timestamp;
use chrysalis_projections::conversion::{self as model, questions};

use super::App;
use crate::log::{Log, LogFault, ask_one, follow};
use crate::wire::json_time::JsonTime;

/// How long a question waits for what happened before it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks at a time.
#[derive(Clone, Copy)]
pub struct Analytics<'a> {
    pub log: &'a dyn Log,
    pub now: Timestamp,
}

/// How far the counts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The version of what numbers mean.
    pub definitions: i64,
    /// Events that are not counted yet.
    pub behind: u64,
}

/// Of no event that is not counted yet nothing is said.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub fn is_none(events: &u64) -> bool {
    *events == 0
}

impl App {
    pub fn analytics(&self, now: Timestamp) -> Analytics<'_> {
        Analytics { log: self.log.as_ref(), now }
    }
}

impl Analytics<'_> {
    /// Once what has happened so far is counted, or after as long as anybody should have to wait.
    pub async fn state(&self) -> Result<State, LogFault> {
        let behind = follow::behind(self.log, &model::MODEL, PATIENCE).await?;
        let definitions = ask_one(self.log, &questions::VERSION, &[]).await?;
        Ok(State { definitions: definitions.unwrap_or(0), behind })
    }
}

/// A share of something, in percent with two decimals; none of nothing.
#[allow(clippy::cast_precision_loss, reason = "counts of guests have room, and what is shown has two decimals")]
pub(crate) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 10_000.0 / whole as f64).round() / 100.0)
}

/// A row that is a line of CSV, too: cells in the order of the columns, which are named as in JSON.
pub trait Line {
    const COLUMNS: &'static [&'static str];

    fn cells(&self) -> Vec<String>;
}

/// Seconds since 1970 as they are told.
fn time(at: i64) -> JsonTime {
    Timestamp::from_millis(at * 1_000).into()
}

/// A cell that may be empty.
fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
