//! `chrysalis audit`: who did what, and what is proven of the log.

mod export;
mod keys;
pub(super) mod proof;
mod verify;

use clap::Subcommand;

use super::{Outcome, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Verifies an export offline: what was altered, removed, inserted, moved or cut off, and what is proven. Needs no
    /// store and no configuration. Exits with 3 when anything is wrong.
    Verify(verify::Words),
    /// Who did what to whom, oldest first, one line each.
    Export(export::Words),
    #[command(flatten)]
    Proof(proof::Words),
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        // Whoever checks has neither a server nor its configuration.
        Words::Verify(words) => verify::run(words),
        Words::Export(words) => on_store(flags, async |here| export::run(here, words).await),
        Words::Proof(words) => proof::run(flags, words),
    }
}
