//! Waves of bots: counted in the store itself; taken out of use and put back by whichever server runs on it.

use std::io::Write;
use std::process::ExitCode;

use chrysalis::app::admin::waves::{Came, Counted, Waves};
use chrysalis::app::{AppError, Refusal};
use chrysalis::log::origins::{Grouping, Tally, Width, named, network};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::id::JobId;
use chrysalis_domain::{Span, Timestamp};
use clap::{Subcommand, ValueEnum};

use crate::commands::values::{span, time};
use crate::commands::{Here, Outcome, in_words, ranges};

/// Many guests who came together.
#[derive(Debug, Subcommand)]
pub enum Words {
    /// How many guests came from where and when, and what became of them: the largest groups first, one line each.
    Origins {
        /// Who came within this time, such as 90m, 24h or 7d.
        #[arg(long, default_value = "24h", value_parser = span)]
        since: Span,
        /// What is told apart: one width of networks, hours, or both.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "network")]
        by: Vec<GroupedBy>,
        /// At most this many groups.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Takes all guests out of use who came in a time and still are guests: a running server does it. Prints the job.
    DisableWave {
        /// Who came at this time or later: a date, a time of RFC 3339, or epoch milliseconds.
        #[arg(long, value_parser = time)]
        from: Timestamp,
        /// Who came at this time or before.
        #[arg(long, value_parser = time)]
        to: Timestamp,
        /// Only from this network, as `guests origins` names it.
        #[arg(long, allow_hyphen_values = true)]
        network: Option<String>,
    },
    /// Puts back whom that job took out of use: a running server does it. Prints the job.
    RestoreWave { job: JobId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupedBy {
    /// An IPv4 address, an IPv6 /64.
    Network,
    /// The IPv6 /56 around it.
    Network56,
    /// The IPv6 /48 around it.
    Network48,
    Hour,
}

pub async fn run(here: Here, words: Words) -> Outcome {
    here.store.fit().await?;
    let at = here.now();
    let waves = Waves::by(here.acting(at));
    match words {
        Words::Origins { since, by, limit } => {
            // All of them, however many there are.
            let counted = waves.count(grouping(&by), at - since, at, usize::MAX).await.map_err(failed)?;
            tell(counted, limit)?;
        }
        Words::DisableWave { from, to, network: name } => {
            let named = name.map(|name| network(&name).ok_or_else(|| format!("{name:?} names no network")));
            let came = Came { from, to: to.min(at), network: named.transpose().map_err(StartError::Other)? };
            ranges::times(("--from", Some(from)), ("--to", Some(to)))?;
            if came.from > came.to {
                return Err(StartError::Usage("--from must not be in the future".to_owned()));
            }
            println!("{}", waves.disable(&came).await.map_err(failed)?);
        }
        Words::RestoreWave { job } => println!("{}", waves.restore(job).await.map_err(failed)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn grouping(by: &[GroupedBy]) -> Grouping {
    let width = |by: &GroupedBy| match by {
        GroupedBy::Network => Some(Width::Subscriber),
        GroupedBy::Network56 => Some(Width::Home),
        GroupedBy::Network48 => Some(Width::Site),
        GroupedBy::Hour => None,
    };
    Grouping { network: by.iter().find_map(width), hour: by.contains(&GroupedBy::Hour) }
}

/// Whoever reads may have seen enough: that is no panic.
fn tell(counted: Counted, limit: usize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for Tally { key, arrived, guests, upgraded, disabled, first, last } in counted.groups.into_iter().take(limit) {
        let network = key.network.as_ref().map(named).unwrap_or_default();
        let hour = key.hour.map(|hour| JsonTime(hour).to_string()).unwrap_or_default();
        let (first_at, last_at) = (JsonTime(first.1), JsonTime(last.1));
        writeln!(
            out,
            "{network:<22}  {hour:<24}  {arrived:>8} arrived  {guests:>8} guests  {upgraded:>8} upgraded  \
             {disabled:>8} disabled  {first_at} {}  {last_at} {}",
            first.0, last.0,
        )?;
    }
    Ok(())
}

fn failed(error: AppError) -> StartError {
    match error {
        AppError::Refused(Refusal::JobNotFound) => StartError::Other("there is no such job".to_owned()),
        AppError::Refused(Refusal::JobIrreversible) => StartError::Other("that job disabled no wave".to_owned()),
        error => in_words(error),
    }
}
