//! One store copied into another, and the other's read models folded.

use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::config::{Config, secret};
use chrysalis::entropy::ulid;
use chrysalis::followers::models;
use chrysalis::keys::{Keyring, KeyringClaims};
use chrysalis::log::copy::{self, Copied, CopyError};
use chrysalis::open::{exists, open_source, open_store};
use clap::Args;
use secrecy::ExposeSecret;

use crate::commands::{Outcome, block_on, ports};
use crate::flags::Flags;
use crate::progress::CopyBar;

#[derive(Debug, Args)]
pub struct Words {
    /// The store to copy, as `--store` has it.
    #[arg(long)]
    from: String,
    /// The store to copy into.
    #[arg(long)]
    to: String,
    /// The stream that is copied into, in EventStoreDB, may hold this log already: no server uses it any more.
    #[arg(long)]
    take_over: bool,
}

pub fn run(flags: &Flags, words: &Words) -> Outcome {
    let end = |store: &str| flags.config_but("store", store);
    let (from, to) = (end(&words.from)?, end(&words.to)?);
    block_on(to, async |to| copy(&from, &to, words.take_over).await)
}

async fn copy(from: &Config, to: &Config, take_over: bool) -> Outcome {
    if from.store.is(&to.store) {
        return Err(CopyError::Itself.into());
    }
    exists(from).await?;
    let ports = ports();
    let entropy = ports.entropy.as_ref();
    let source = open_source(from, &ports).await?;
    let destination = open_store(to, &ports, Arc::new(())).await?;
    if copy::are_one(source.as_ref(), destination.as_ref(), &ulid(entropy, ports.clock.now()).to_string()).await? {
        return Err(CopyError::Itself.into());
    }
    // Before anything is copied: the keys come along, and open under the same secret.
    secret::make_folder(&to.data_dir)?;
    let stored = source.keys().await?;
    let secret = to.secret.resolve(&to.data_dir, stored.is_empty(), entropy)?;
    let previous = to.secret_previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
    let secret = secret.expose_secret().as_bytes();
    Keyring::opens(&stored, secret, previous)?;
    let bar = CopyBar::new();
    let copied = copy::copy(source.as_ref(), destination.as_ref(), take_over, &mut |step| bar.tell(step)).await?;
    let Copied { events, moved, behind } = copied;
    let keyring = Keyring::open(destination.as_ref(), secret, previous, entropy, ports.clock.now()).await?;
    destination.rebuild(&KeyringClaims(&keyring), &mut |folded| bar.folded(folded, events)).await?;
    copy::finish(destination.as_ref()).await?;
    models::rebuild(destination, &mut |folded| bar.folded(folded, events)).await?;
    bar.clear();
    println!("{events} events at both ends, {moved} of them copied now; keys, sealed records and positions compared");
    if behind > 0 {
        println!("{behind} more came to the source meanwhile: stop its server, then copy again");
    }
    Ok(ExitCode::SUCCESS)
}
