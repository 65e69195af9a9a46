//! `chrysalis projections`: the read models.

use std::process::ExitCode;

use chrysalis::followers::models;
use chrysalis::followers::search::{self, Indexer};
use chrysalis::keys::KeyringClaims;
use chrysalis::serve::Ports;
use clap::Subcommand;

use super::{Here, Outcome, on_store};
use crate::flags::Flags;
use crate::progress::folded;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Builds the read models anew beside the live ones, then puts them in their place. A server may run meanwhile.
    Rebuild,
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::Rebuild => on_store(flags, rebuild),
    }
}

async fn rebuild(here: Here) -> Outcome {
    let Here { config, ports: Ports { clock, entropy }, store, keyring, .. } = here;
    let report = store.rebuild(&KeyringClaims(&keyring), &mut folded).await?;
    models::rebuild(store.clone(), &mut folded).await?;
    search::rebuild(Indexer::new(store, keyring, clock, entropy, config.search)).await?;
    println!("{} events folded; the new tables are in place", report.events);
    Ok(ExitCode::SUCCESS)
}
