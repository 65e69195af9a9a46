//! The counts themselves, for taking away: each table that analysts read, in files of a day or a month each.
//!
//! What happened on a day that is over stays as it is; of those who came on it some may still become members, so columns that
//! follow them (`converted`, cohorts) may rise: docs/analytics.md says which.

use chrysalis_projections::conversion::{DAY, questions};
use chrysalis_projections::model::View;
use chrysalis_projections::table::Kind;
use chrysalis_projections::{Row, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Analytics;
use crate::log::{LogFault, ask_one};
use crate::wire::csv;

/// How much goes into one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Day,
    Month,
}

/// A day or a month of UTC: from its beginning to its end, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// `2027-01-15`, `2027-01`.
    pub name: String,
    pub from: i64,
    pub to: i64,
}

impl Width {
    /// All that lie between the days on which anything was counted.
    pub fn partitions(self, first: i64, last: i64) -> Vec<Partition> {
        let mut all = Vec::new();
        let mut date = self.first_of(day(first));
        while begin(date) <= last {
            let next = match self {
                Width::Day => date.checked_add(1.day()),
                Width::Month => date.checked_add(1.month()),
            };
            let Ok(next) = next else { break };
            let name = match self {
                Width::Day => date.to_string(),
                Width::Month => date.strftime("%Y-%m").to_string(),
            };
            all.push(Partition { name, from: begin(date), to: begin(next) });
            date = next;
        }
        all
    }

    fn first_of(self, date: Date) -> Date {
        match self {
            Width::Day => date,
            Width::Month => date.first_of_month(),
        }
    }
}

fn day(at: i64) -> Date {
    TimeZone::UTC.to_datetime(Timestamp::from_second(at).unwrap_or_default()).date()
}

fn begin(date: Date) -> i64 {
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_or(i64::MAX, Timestamp::as_second)
}

impl Analytics<'_> {
    /// The first and the last day on which anything was counted; none where nothing was.
    pub async fn counted(&self) -> Result<Option<(i64, i64)>, LogFault> {
        let days = ask_one(self.log, &questions::DAYS, &[]).await?;
        Ok(days.filter(|(first, last)| first <= last && *last >= DAY))
    }

    /// The rows of a table in a partition.
    pub async fn partition(&self, view: &'static View, partition: &Partition) -> Result<Vec<Vec<Value>>, LogFault> {
        let mut rows = Vec::new();
        let asked = questions::partition(view, partition.from, partition.to);
        self.log.list(&asked, &mut |row| rows.push(read(view, row))).await?;
        Ok(rows)
    }
}

fn read(view: &View, row: &dyn Row) -> Vec<Value> {
    let cell = |(at, kind): (usize, Kind)| match kind {
        Kind::Integer => row.integer(at).into(),
        Kind::Text => row.text(at).map(str::to_owned).into(),
        Kind::Bytes => row.bytes(at).map(<[u8]>::to_vec).into(),
    };
    view.columns.iter().map(|column| column.kind).enumerate().map(cell).collect()
}

/// A file of CSV, with a line of names.
pub fn to_csv(view: &View, rows: &[Vec<Value>]) -> String {
    let cell = |value: &Value| match value {
        Value::Integer(number) => number.to_string(),
        value => value.as_text().unwrap_or_default().to_owned(),
    };
    let head = csv::line(view.columns.iter().map(|column| column.name));
    rows.iter().fold(head, |file, row| file + &csv::line(row.iter().map(cell)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_on_each_other() {
        // 2027-01-15 and 2027-03-01.
        let (first, last) = (1_799_971_200, 1_803_859_200);
        let months = Width::Month.partitions(first, last);
        assert_eq!(
            months.iter().map(|month| month.name.as_str()).collect::<Vec<_>>(),
            ["2027-01", "2027-02", "2027-03"]
        );
        let days = Width::Day.partitions(first, last);
        assert_eq!((days.len(), days[0].name.as_str(), days[45].name.as_str()), (46, "2027-01-15", "2027-03-01"));
        for all in [months, days] {
            assert!(all.windows(2).all(|two| two[0].to == two[1].from));
        }
    }
}
