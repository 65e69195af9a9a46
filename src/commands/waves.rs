//! Waves of bots, from the command line: counted in the store itself; taken out of use and put back by whichever server runs
//! on it.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::admin::waves::{Came, Counted, Waves};
use chrysalis::app::{AppError, Refusal};
use chrysalis::config::Config;
use chrysalis::log::origins::{Grouping, Tally, Width, named, network};
use chrysalis::open::{Opened, open};
use chrysalis::serve::StartError;
use chrysalis::wire::json_time::JsonTime;

use super::{in_words, ports};
use crate::GroupedBy;

pub async fn run(config: &Config, what: crate::Waves) -> Result<ExitCode, StartError> {
    let ports = ports();
    let Opened { store, keyring, .. } = open(config, &ports, Arc::new(())).await?;
    store.fit().await?;
    let at = ports.clock.now();
    let waves = Waves::by(Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), at));
    match what {
        crate::Waves::Origins { since, by, limit } => {
            // All of them, however many there are.
            let counted = waves.count(grouping(&by), at - since, at, usize::MAX).await.map_err(failed)?;
            tell(counted, limit)?;
        }
        crate::Waves::DisableWave { from, to, network: name } => {
            let named = name.map(|name| network(&name).ok_or_else(|| format!("{name:?} names no network")));
            let came = Came { from, to: to.min(at), network: named.transpose().map_err(StartError::Other)? };
            if came.from > came.to {
                return Err(StartError::Other("--from must not be behind --to, nor in the future".to_owned()));
            }
            println!("{}", waves.disable(&came).await.map_err(failed)?);
        }
        crate::Waves::RestoreWave { job } => println!("{}", waves.restore(job).await.map_err(failed)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn grouping(by: &[GroupedBy]) -> Grouping {
    let width = |by: &GroupedBy| match by {
        GroupedBy::Network => Some(Width::Subscriber),
        GroupedBy::Network56 => Some(Width::Home),
        GroupedBy::Network48 => Some(Width::Site),
        GroupedBy::Hour => None,
    };
    Grouping { network: by.iter().find_map(width), hour: by.contains(&GroupedBy::Hour) }
}

/// Whoever reads may have seen enough: that is no panic.
fn tell(counted: Counted, limit: usize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for Tally { key, arrived, guests, upgraded, disabled, first, last } in counted.groups.into_iter().take(limit) {
        let network = key.network.as_ref().map(named).unwrap_or_default();
        let hour = key.hour.map(|hour| JsonTime(hour).to_string()).unwrap_or_default();
        let (first_at, last_at) = (JsonTime(first.1), JsonTime(last.1));
        writeln!(
            out,
            "{network:<22}  {hour:<24}  {arrived:>8} arrived  {guests:>8} guests  {upgraded:>8} upgraded  \
             {disabled:>8} disabled  {first_at} {}  {last_at} {}",
            first.0, last.0,
        )?;
    }
    Ok(())
}

fn failed(error: AppError) -> StartError {
    match error {
        AppError::Refused(Refusal::JobNotFound) => StartError::Other("there is no such job".to_owned()),
        AppError::Refused(Refusal::JobIrreversible) => StartError::Other("that job disabled no wave".to_owned()),
        error => in_words(error),
    }
}
