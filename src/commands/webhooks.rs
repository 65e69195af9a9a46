//! `chrysalis webhooks`: endpoints in the store itself, while a server runs or not.

use std::process::ExitCode;

use chrysalis::app::webhooks::{ReplayFrom, WebhookView, Webhooks};
use chrysalis::app::{AppError, Refusal};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::id::WebhookId;
use clap::Subcommand;

use super::{Here, Outcome, in_words, on_store};
use crate::flags::Flags;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Ids, addresses, and how deliveries went; never the secrets.
    List,
    /// Tells an endpoint everything anew, from somewhere in the log on.
    Replay {
        id: WebhookId,
        /// A position (see `log show`), or a date.
        #[arg(long, value_parser = replay_from)]
        from: ReplayFrom,
    },
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    on_store(flags, async |here| {
        here.store.fit().await?;
        match words {
            Words::List => list(here).await,
            Words::Replay { id, from } => replay(here, id, from).await,
        }
    })
}

async fn list(here: Here) -> Outcome {
    for WebhookView { row, url } in Webhooks::by(here.acting(here.now())).list().await.map_err(failed)? {
        let last = row.tally.last_at.map_or("never".to_owned(), |at| JsonTime(at).to_string());
        let types = if row.event_types.is_empty() { "everything".to_owned() } else { row.event_types.join(" ") };
        let state = if row.enabled { "" } else { "  disabled" };
        println!(
            "{}  {url}  arrived {}  lost {} ({} in a row)  last {last}  {types}{state}",
            row.webhook,
            row.tally.arrived,
            row.lost,
            row.lost_in_a_row(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(here: Here, id: WebhookId, from: ReplayFrom) -> Outcome {
    let from = Webhooks::by(here.acting(here.now())).replay(id, from).await.map_err(failed)?;
    println!("{id} is told everything from position {from} on, by the servers that run or the next that starts");
    Ok(ExitCode::SUCCESS)
}

fn failed(error: AppError) -> StartError {
    match error {
        AppError::Refused(Refusal::WebhookUnknown) => StartError::Other("there is no such endpoint".to_owned()),
        error => in_words(error),
    }
}

/// A position, or a date.
fn replay_from(text: &str) -> Result<ReplayFrom, String> {
    if let Ok(position) = text.parse() {
        return Ok(ReplayFrom::Position(position));
    }
    let date = JsonTime::parse(text).map_err(|_| "write a position, or a date YYYY-MM-DDTHH:MM:SS.mmmZ".to_owned())?;
    Ok(ReplayFrom::Time(date.0))
}
