//! `chrysalis webhooks`: endpoints in the store itself, while a server runs or not.

use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::webhooks::{ReplayFrom, WebhookView, Webhooks};
use chrysalis::app::{AppError, Refusal};
use chrysalis::config::Config;
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;

use super::{in_words, ports};
use crate::Webhooks as What;

pub(super) async fn run(config: &Config, what: What) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, keyring, .. } = open(config, &ports, Arc::new(())).await?;
    store.fit().await?;
    let webhooks = Webhooks::by(Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), ports.clock.now()));
    let failed = |error: AppError| match error {
        AppError::Refused(Refusal::WebhookUnknown) => StartError::Other("there is no such endpoint".to_owned()),
        error => in_words(error),
    };
    match what {
        What::List => {
            for WebhookView { row, url } in webhooks.list().await.map_err(failed)? {
                let last = row.tally.last_at.map_or("never".to_owned(), |at| JsonTime(at).to_string());
                let types =
                    if row.event_types.is_empty() { "everything".to_owned() } else { row.event_types.join(" ") };
                let state = if row.enabled { "" } else { "  disabled" };
                println!(
                    "{}  {url}  arrived {}  lost {} ({} in a row)  last {last}  {types}{state}",
                    row.webhook,
                    row.tally.arrived,
                    row.lost,
                    row.lost_in_a_row(),
                );
            }
        }
        What::Replay { id, from } => {
            let from = webhooks.replay(id, from).await.map_err(failed)?;
            println!(
                "{id} is told everything from position {from} on, by the servers that run or the next that starts"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A position, or a date.
pub(crate) fn replay_from(text: &str) -> Result<ReplayFrom, String> {
    if let Ok(position) = text.parse() {
        return Ok(ReplayFrom::Position(position));
    }
    let date = JsonTime::parse(text).map_err(|_| "write a position, or a date YYYY-MM-DDTHH:MM:SS.mmmZ".to_owned())?;
    Ok(ReplayFrom::Time(date.0))
}
