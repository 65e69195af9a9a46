//! `chrysalis keys`: the keyring, looked at and added to. What was done stands in the log.

mod epochs;

use std::process::ExitCode;

use chrysalis::app::keyring;
use chrysalis::keys::Purpose;
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::Span;
use clap::Subcommand;
use secrecy::ExposeSecret;

use super::values::span;
use super::{Here, Outcome, in_words, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Purposes, ids and ages; never the keys themselves.
    List,
    /// Adds a key for a purpose; used from the next start on, while the older ones still open what they made. Of person-kek
    /// the keys of all persons are wrapped anew under it, and the older ones are destroyed; a server may run meanwhile.
    Rotate {
        purpose: String,
        /// For person-kek: how long running nodes get to learn of the new key, such as 60s; 0s where none runs.
        #[arg(long, default_value = "60s", value_parser = span)]
        wait: Span,
    },
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    on_store(flags, async |here| match words {
        Words::List => list(&here).await,
        Words::Rotate { purpose, wait } if purpose == Purpose::PersonKek.name() => epochs::rotate(&here, wait).await,
        Words::Rotate { purpose, .. } => rotate(&here, &purpose).await,
    })
}

async fn list(here: &Here) -> Outcome {
    for key in here.store.keys().await? {
        let ended = key.retired_at.map_or_else(String::new, |at| format!("  makes nothing since {}", JsonTime(at)));
        println!("{:<14} {:>3}  made {}{ended}", key.purpose, key.id, JsonTime(key.created_at));
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(here: &Here, purpose: &str) -> Outcome {
    let names = || Purpose::ALL.map(Purpose::name).join(", ");
    let purpose = Purpose::from_name(purpose)
        .ok_or_else(|| StartError::Other(format!("there is no purpose {purpose:?}; there are {}", names())))?;
    let secret = here.secret.expose_secret().as_bytes();
    let id = here.keyring.rotate(here.store.as_ref(), secret, purpose, here.ports.entropy.as_ref(), here.now()).await?;
    tell(here).await?;
    println!("{} has key {id}; restart the server to use it", purpose.name());
    Ok(ExitCode::SUCCESS)
}

/// Says in the log what became of the keyring.
async fn tell(here: &Here) -> Result<(), StartError> {
    keyring::tell(&here.acting(here.now())).await.map_err(in_words)
}
