//! Users, from the command line: in the operator's own name, with nothing but the store.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::admin::Erased;
use chrysalis::app::admin::erase::erase;
use chrysalis::app::admin::export::Export;
use chrysalis::app::{AppError, Refusal};
use chrysalis::config::Config;
use chrysalis::followers::{models, traces};
use chrysalis::mail::Outbox;
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;

use super::{in_words, ports};
use crate::Users;

pub async fn run(config: &Config, what: Users) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, keyring, .. } = open(config, &ports, Arc::new(())).await?;
    store.fit().await?;
    let at = ports.clock.now();
    match what {
        Users::Erase { user } => {
            let acting = Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), at);
            let erased = erase(&acting, user).await.map_err(failed)?;
            if let Some(person) = erased.person {
                traces::remove_now(store.as_ref(), &Outbox::open(&config.data_dir)?, person).await?;
            }
            let (when, event) = (JsonTime(erased.at()), &erased.recorded);
            println!(
                "{user} was erased at {when}: {} sealed records are destroyed, {} at position {} says so",
                erased.records, event.event_id, event.position,
            );
        }
        Users::Certificate { user } => {
            let erased = Erased::find(store.as_ref(), user).await?;
            let erased = erased.ok_or_else(|| StartError::Other(format!("{user} was not erased")))?;
            let certificate = erased.certificate(&store, &keyring, &ports.clock, u64::MAX).await?;
            write!(std::io::stdout().lock(), "{certificate}")?;
        }
        Users::Export { user } => {
            let acting = Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), at);
            Export::record(&acting, user).await.map_err(failed)?;
            models::fold_the_rest(store.clone()).await?;
            let mut export = Export::begin(store, keyring, user, at).await.map_err(failed)?;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            while let Some(part) = export.part().await.map_err(failed)? {
                out.write_all(part.as_bytes())?;
            }
            out.flush()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(error: AppError) -> StartError {
    match error {
        AppError::Refused(Refusal::UserUnknown) => StartError::Other("there is no such user".to_owned()),
        error => in_words(error),
    }
}
