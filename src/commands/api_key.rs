//! `chrysalis api-key`: keys for programs.

use std::process::ExitCode;

use chrysalis::app::api_keys::{ApiKeyView, ApiKeys, NewApiKey};
use chrysalis::app::{AppError, Refusal};
use chrysalis::open::exists;
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::id::ApiKeyId;
use chrysalis_domain::{Permission, Span, Timestamp};
use clap::{Args, Subcommand};

use super::{Here, Outcome, block_on, in_words, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Makes a key and prints its secret, which is shown this once.
    Create(Create),
    /// Ids, names, starts, permissions and ages; never the secrets.
    List,
    /// Ends a key, for good.
    Revoke { id: ApiKeyId },
}

#[derive(Debug, Args)]
pub struct Create {
    #[arg(long)]
    name: String,
    /// What the key may do, such as users.read; may be given several times. Without it, everything.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<Permission>,
    /// Days after which it ends. Without it, never.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in: Option<u32>,
    /// A key that begins with sk_test_.
    #[arg(long)]
    test: bool,
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::Create(words) => create(flags, words),
        Words::List => on_store(flags, list),
        Words::Revoke { id } => on_store(flags, async |here| revoke(here, id).await),
    }
}

/// The first key may be made before the first start.
fn create(flags: &Flags, words: Create) -> Outcome {
    block_on(flags.config()?, async |config| {
        let missing = match exists(&config).await {
            Err(StartError::NoStore { place }) => Some(place),
            there => there.map(|()| None)?,
        };
        let here = Here::open(config).await?;
        let at = here.now();
        let Create { name, permissions, expires_in, test } = words;
        let permissions = (!permissions.is_empty()).then(|| permissions.into_iter().collect());
        let expires_at = expires_in.map(|days| at + Span::from_days(days.into()));
        let new = NewApiKey { name, metadata: None, permissions, organization: None, expires_at };
        let issued = keys(&here, at).await?.create(new, test).await.map_err(failed)?;
        if let Some(place) = missing {
            eprintln!("there was no store {place} if there should be one; a new one is made");
        }
        eprintln!("{} is made; its secret is shown this once:", issued.view.row.key);
        println!("{}", issued.secret.as_str());
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(here: Here) -> Outcome {
    for ApiKeyView { row, name, .. } in keys(&here, here.now()).await?.list().await.map_err(failed)? {
        let time = |time: Option<Timestamp>| time.map_or("never".to_owned(), |time| JsonTime(time).to_string());
        let permissions: Vec<_> = row.permissions.names().collect();
        let state = if row.enabled { "" } else { "  switched off" };
        println!(
            "{}  {}…  {:?}  made {}  used {}  ends {}  {}{state}",
            row.key,
            row.start,
            name.unwrap_or_default(),
            JsonTime(row.created_at),
            time(row.last_used_at),
            time(row.expires_at),
            permissions.join(" "),
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(here: Here, id: ApiKeyId) -> Outcome {
    keys(&here, here.now()).await?.revoke(id).await.map_err(failed)?;
    println!("{id} is revoked");
    Ok(ExitCode::SUCCESS)
}

async fn keys(here: &Here, at: Timestamp) -> Result<ApiKeys<'_>, StartError> {
    here.store.fit().await?;
    Ok(ApiKeys::of_operator(here.acting(at)))
}

fn failed(error: AppError) -> StartError {
    match error {
        AppError::Refused(Refusal::ApiKeyUnknown) => StartError::Other("there is no such key".to_owned()),
        error => in_words(error),
    }
}
