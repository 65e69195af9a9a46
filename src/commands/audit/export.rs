//! The audit trail, written out.

use std::io::{BufWriter, Error, Write};
use std::process::ExitCode;

use chrysalis::app::audit::Trail;
use chrysalis::app::audit::form::DeedRow;
use chrysalis::app::audit::pages::{Filter, Page, Toward};
use chrysalis::followers::models;
use chrysalis_domain::Timestamp;
use clap::{Args, ValueEnum};

use crate::commands::values::time;
use crate::commands::{Here, Outcome, ranges};

#[derive(Debug, Args)]
pub struct Words {
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Only what was recorded at this time or later: a date, a time of RFC 3339, or epoch milliseconds.
    #[arg(long, value_parser = time)]
    from: Option<Timestamp>,
    /// Only what was recorded at this time or before.
    #[arg(long, value_parser = time)]
    to: Option<Timestamp>,
    /// Only this action, such as user.deleted.
    #[arg(long)]
    action: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON, a line each.
    Jsonl,
    Csv,
}

/// Deeds that are held in memory at a time.
const DEEDS: usize = 1_000;

pub async fn run(here: Here, words: Words) -> Outcome {
    let Words { format, from, to, action } = words;
    ranges::times(("--from", from), ("--to", to))?;
    models::fold_the_rest(here.store.clone()).await?;
    let trail = Trail { log: here.store.as_ref(), keyring: &here.keyring };
    let filter = Filter { actions: action.into_iter().collect(), ..Filter::default() };
    if format == Format::Csv {
        write!(std::io::stdout(), "{}", DeedRow::csv_head())?;
    }
    let Some(mut toward) = trail.since(from).await? else { return Ok(ExitCode::SUCCESS) };
    loop {
        let Page { mut rows, on } = trail.page(&filter, toward, DEEDS).await?;
        let found = rows.len();
        rows.retain(|row| to.is_none_or(|to| row.recorded_at <= to));
        let ended = rows.len() < found;
        let deeds: Vec<DeedRow> = trail.open(rows).await?.into_iter().map(Into::into).collect();
        let mut out = BufWriter::new(std::io::stdout().lock());
        for deed in &deeds {
            match format {
                Format::Csv => write!(out, "{}", deed.csv())?,
                Format::Jsonl => writeln!(out, "{}", serde_json::to_string(deed).map_err(Error::other)?)?,
            }
        }
        out.flush()?;
        match on.filter(|_| !ended) {
            Some(on) => toward = Toward::newer_than(on),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}
