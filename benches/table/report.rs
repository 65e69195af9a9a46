//! The table.

use std::fmt;
use std::path::Path;

use crate::Result;
use crate::machine::Machine;

#[derive(Default)]
pub struct Report(Vec<Row>);

struct Row {
    what: String,
    measured: String,
    /// What it is held to, and whether it is met. Rows without are there to be read.
    bar: Option<(String, bool)>,
}

impl Report {
    /// A figure that must be at least so large.
    pub fn at_least(&mut self, what: &str, measured: impl Into<String>, value: f64, bar: f64, unit: &str) {
        self.push(what, measured, Some((format!("≥ {}{unit}", short(bar)), value >= bar)));
    }

    /// A figure that must be at most so large.
    pub fn at_most(&mut self, what: &str, measured: impl Into<String>, value: f64, bar: f64, unit: &str) {
        self.push(what, measured, Some((format!("≤ {}{unit}", short(bar)), value <= bar)));
    }

    pub fn note(&mut self, what: &str, measured: impl Into<String>) {
        self.push(what, measured, None);
    }

    fn push(&mut self, what: &str, measured: impl Into<String>, bar: Option<(String, bool)>) {
        let row = Row { what: what.to_owned(), measured: measured.into(), bar };
        // Seen as it comes: a run takes minutes.
        println!("{row}");
        self.0.push(row);
    }
}

/// Two digits behind the point where they matter, thousands apart where they don't.
pub fn short(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let apart: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    apart.join(" ")
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { what, measured, bar } = self;
        match bar {
            Some((bar, true)) => write!(f, "| {what} | {measured} | {bar} | met |"),
            Some((bar, false)) => write!(f, "| {what} | {measured} | {bar} | **missed** |"),
            None => write!(f, "| {what} | {measured} | | |"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | measured | bar | |\n|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// Where a table stands in docs/performance.md.
pub struct Place {
    begin: &'static str,
    end: &'static str,
}

pub const EMBEDDED: Place =
    Place { begin: "<!-- the table: written by benches/run -->\n", end: "<!-- the table ends -->\n" };
pub const POSTGRES: Place = Place {
    begin: "<!-- the table of PostgreSQL: written by benches/run postgres -->\n",
    end: "<!-- the table of PostgreSQL ends -->\n",
};

/// Puts the table into docs/performance.md, in the place of the last one.
pub fn write(machine: &Machine, report: &Report, place: &Place) -> Result<()> {
    let Place { begin, end } = place;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(begin).ok_or("docs/performance.md has no place for the table")?;
    let (_, after) = rest.split_once(end).ok_or("docs/performance.md has no end of the table")?;
    std::fs::write(path, format!("{before}{begin}\n{machine}\n\n{report}\n{end}{after}"))?;
    Ok(())
}
