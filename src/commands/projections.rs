//! `chrysalis projections`: the read models.

use std::process::ExitCode;

use chrysalis::followers::models;
use chrysalis::followers::search::{self, Indexer};
use chrysalis::keys::KeyringClaims;
use chrysalis::log::{Store, sealed};
use chrysalis::serve::{Ports, StartError};
use clap::Subcommand;

use super::{Here, Outcome, on_store};
use crate::flags::Flags;
use crate::progress::folded;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Builds the read models anew beside the live ones, then puts them in their place. A server may run meanwhile.
    Rebuild {
        /// Goes on although sealed records were altered or are missing, and no backup has them: what they held is lost.
        #[arg(long)]
        accept_loss: bool,
    },
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::Rebuild { accept_loss } => on_store(flags, async |here| rebuild(here, accept_loss).await),
    }
}

async fn rebuild(here: Here, accept_loss: bool) -> Outcome {
    let Here { config, ports: Ports { clock, entropy }, store, keyring, .. } = here;
    keep_what_is_good(store.as_ref(), accept_loss).await?;
    let report = store.rebuild(&KeyringClaims(&keyring), &mut folded).await?;
    models::rebuild(store.clone(), &mut folded).await?;
    search::rebuild(Indexer::new(store, keyring, clock, entropy, config.search)).await?;
    println!("{} events folded; the new tables are in place", report.events);
    Ok(ExitCode::SUCCESS)
}

/// Rows copy what is sealed: a record that is not the one that its event committed to would take the place of a copy that is.
async fn keep_what_is_good(store: &dyn Store, accept_loss: bool) -> Result<(), StartError> {
    let lost = sealed::lost(store).await?;
    let Some(first) = lost.flaws.first() else { return Ok(()) };
    let (count, first) = (lost.wrong(), first.to_string());
    if accept_loss {
        tracing::warn!(count, first, "sealed records were altered or are missing; what they held is lost");
        return Ok(());
    }
    let others = if count > 1 { format!(" (the first of {count})") } else { String::new() };
    Err(StartError::Other(format!(
        "{first}{others}; rows copy what is sealed, and a rebuild would put that in the place of copies that are good. Restore the \
         records from a backup (`chrysalis verify` names all); if there is none, `chrysalis projections rebuild --accept-loss` goes \
         on without what they held"
    )))
}
