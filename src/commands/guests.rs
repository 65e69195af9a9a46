//! `chrysalis guests`: who stays away, and who came in a wave.

mod cleanup;
mod rehearsal;
mod waves;

use chrysalis::config::parse_span;
use chrysalis_domain::Span;
use chrysalis_domain::user::command::ExpiryTerms;
use clap::Subcommand;

use super::{Outcome, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Tells whom a maximum age would delete now, and whom it would have deleted had it always been in force. Does nothing.
    DryRun {
        /// Such as 14d or 36h: from 1h to 3650d.
        #[arg(long, value_name = "AGE", value_parser = max_age)]
        max_age: Span,
    },
    #[command(flatten)]
    Cleanup(cleanup::Words),
    #[command(flatten)]
    Waves(waves::Words),
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    on_store(flags, async |here| match words {
        Words::DryRun { max_age } => rehearsal::run(here, max_age).await,
        Words::Cleanup(words) => cleanup::run(here, words).await,
        Words::Waves(words) => waves::run(here, words).await,
    })
}

fn max_age(text: &str) -> Result<Span, String> {
    let age = parse_span(text).filter(|age| ExpiryTerms::MAX_AGE.contains(age));
    age.ok_or_else(|| "write a time such as 36h or 14d, from 1h to 3650d".to_owned())
}
