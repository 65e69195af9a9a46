//! The counts themselves, for taking away: each table that analysts read, in files of a day or a month each.
//!
//! What happened on a day that is over stays as it is; of those who came on it some may still become members, so columns that
//! follow them (`converted`, cohorts) may rise: docs/analytics.md says which.

use std::io::{self, BufWriter, Write};

use chrysalis_projections::conversion::{DAY, questions};
use chrysalis_projections::model::View;
use chrysalis_projections::table::Kind;
use chrysalis_projections::{Row, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Analytics;
use super::parquet::Rows;
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

/// How a table is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Csv,
    Parquet,
}

impl Form {
    pub const fn extension(self) -> &'static str {
        match self {
            Form::Csv => "csv",
            Form::Parquet => "parquet",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error(transparent)]
    Io(#[from] io::Error),
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

    /// Writes the rows of a table in a partition, as they come: few are held, however many there are. Answers how many, and
    /// what they were written to; nothing where there are none, and then nothing is made to write to.
    pub async fn write<W: Write + Send>(
        &self,
        view: &'static View,
        partition: &Partition,
        form: Form,
        make: impl Fn() -> io::Result<W> + Send + Sync,
    ) -> Result<Option<(u64, W)>, Unwritten> {
        let (mut file, mut rows): (io::Result<Option<File<W>>>, u64) = (Ok(None), 0);
        let mut from = partition.from;
        // By the day: no answer takes long.
        while from < partition.to {
            let to = partition.to.min(from + DAY);
            let write = &mut |row: &dyn Row| {
                let begun = std::mem::replace(&mut file, Ok(None));
                file = begun.and_then(|begun| {
                    let mut file = begun.map_or_else(|| File::begin(view, form, make()?), Ok)?;
                    file.put(read(view, row))?;
                    Ok(Some(file))
                });
                rows += 1;
            };
            self.log.list(&questions::partition(view, from, to), write).await?;
            if file.is_err() {
                break;
            }
            from = to;
        }
        Ok(file?.map(File::end).transpose()?.map(|written| (rows, written)))
    }
}

/// A file on its way.
enum File<W: Write + Send> {
    Csv(BufWriter<W>),
    Parquet(Box<Rows<W>>),
}

impl<W: Write + Send> File<W> {
    fn begin(view: &'static View, form: Form, into: W) -> io::Result<Self> {
        Ok(match form {
            Form::Csv => {
                let mut into = BufWriter::new(into);
                into.write_all(csv::line(view.columns.iter().map(|column| column.name)).as_bytes())?;
                File::Csv(into)
            }
            Form::Parquet => File::Parquet(Box::new(Rows::begin(view, into).map_err(io::Error::other)?)),
        })
    }

    fn put(&mut self, row: Vec<Value>) -> io::Result<()> {
        match self {
            File::Csv(into) => into.write_all(csv::line(row.iter().map(cell)).as_bytes()),
            File::Parquet(rows) => rows.put(row).map_err(io::Error::other),
        }
    }

    fn end(self) -> io::Result<W> {
        match self {
            File::Csv(into) => into.into_inner().map_err(io::IntoInnerError::into_error),
            File::Parquet(rows) => rows.end().map_err(io::Error::other),
        }
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

fn cell(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        value => value.as_text().unwrap_or_default().to_owned(),
    }
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
