//! `chrysalis users`: one by one, in the operator's own name, with nothing but the store.

use std::io::Write;
use std::process::ExitCode;

use chrysalis::app::admin::export::Export;
use chrysalis::app::admin::{Erased, erase};
use chrysalis::app::{AppError, Refusal};
use chrysalis::followers::{models, traces};
use chrysalis::mail::Outbox;
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::id::UserId;
use clap::Subcommand;

use super::{Here, Outcome, in_words, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Erases a user, guest or member: the key of all that is personal goes, and whatever was sealed under it.
    Erase { user: UserId },
    /// What the log certifies of an erasure, whoever asked for it: to be checked by `audit check-proof`, with a key and nothing
    /// else.
    Certificate { user: UserId },
    /// Everything that is held of a user, as JSON.
    Export { user: UserId },
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    on_store(flags, async |here| {
        here.store.fit().await?;
        match words {
            Words::Erase { user } => erase(here, user).await,
            Words::Certificate { user } => certificate(here, user).await,
            Words::Export { user } => export(here, user).await,
        }
    })
}

async fn erase(here: Here, user: UserId) -> Outcome {
    let erased = erase::erase(&here.acting(here.now()), user).await.map_err(failed)?;
    if let Some(person) = erased.person {
        traces::remove_now(here.store.as_ref(), &Outbox::open(&here.config.data_dir)?, person).await?;
    }
    let (when, event) = (JsonTime(erased.at()), &erased.recorded);
    println!(
        "{user} was erased at {when}: {} sealed records are destroyed, {} at position {} says so",
        erased.records, event.event_id, event.position,
    );
    Ok(ExitCode::SUCCESS)
}

async fn certificate(here: Here, user: UserId) -> Outcome {
    let erased = Erased::find(here.store.as_ref(), user).await?;
    let erased = erased.ok_or_else(|| StartError::Other(format!("{user} was not erased")))?;
    let certificate = erased.certificate(&here.store, &here.keyring, &here.ports.clock, u64::MAX).await?;
    write!(std::io::stdout().lock(), "{certificate}")?;
    Ok(ExitCode::SUCCESS)
}

async fn export(here: Here, user: UserId) -> Outcome {
    let at = here.now();
    Export::record(&here.acting(at), user).await.map_err(failed)?;
    models::fold_the_rest(here.store.clone()).await?;
    let mut export = Export::begin(here.store, here.keyring, user, at).await.map_err(failed)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while let Some(part) = export.part().await.map_err(failed)? {
        out.write_all(part.as_bytes())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn failed(error: AppError) -> StartError {
    match error {
        AppError::Refused(Refusal::UserUnknown) => StartError::Other("there is no such user".to_owned()),
        error => in_words(error),
    }
}
