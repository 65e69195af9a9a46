//! `chrysalis verify`: whether every row is as the log makes it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::config::Config;
use chrysalis::followers::search::Indexer;
use chrysalis::keys::{Keyring, KeyringClaims};
use chrysalis::log::cqrs::stored_states;
use chrysalis::log::refold::{Difference, Report};
use chrysalis::log::{LogFault, Store};
use chrysalis::open::{Opened, open};
use chrysalis::serve::{Ports, StartError};

use super::{DIFFERENT, ports, proof};

pub(super) async fn run(config: &Config, kept: &[PathBuf]) -> Result<ExitCode, StartError> {
    let Opened { store, keyring, .. } = open(config, &ports(), Arc::new(())).await?;
    let (proven, compared) =
        tokio::join!(proof::verify(store.as_ref(), &keyring, kept), rows(&store, &keyring, config));
    let proven = proven?;
    let report = match compared {
        Ok(report) => report,
        // What is found without reading what events say is told all the same: one that was altered may not read any more.
        Err(fault) => {
            println!("{proven}");
            return Err(fault.into());
        }
    };
    tell(&report, proven.verdict.findings.len());
    println!("{proven}");
    let wrong = report.wrong() > 0 || !proven.verdict.findings.is_empty();
    Ok(if wrong { ExitCode::from(DIFFERENT) } else { ExitCode::SUCCESS })
}

/// Every row of every read model, and of what is kept of them.
async fn rows(store: &Arc<dyn Store>, keyring: &Arc<Keyring>, config: &Config) -> Result<Report, LogFault> {
    let mut report = store.verify(&KeyringClaims(keyring), &mut |_| ()).await?;
    stored_states::compare(store.as_ref(), &mut report).await?;
    let Ports { clock, entropy } = ports();
    let indexer = Indexer::new(store.clone(), keyring.clone(), clock, entropy, config.search);
    indexer.compare(&mut report).await?;
    Ok(report)
}

fn tell(report: &Report, unproven: usize) {
    for position in &report.gaps {
        println!("the log has a gap after position {position}");
    }
    for position in &report.misfits {
        println!("the event at position {position} contradicts those before it: something is missing or was altered");
    }
    for Difference { table, key, column, live, refolded } in &report.differences {
        println!("{table} {key}: {column} is {live}, and should be {refolded}");
    }
    if report.further > 0 {
        println!("and {} more", report.further);
    }
    for model in &report.unlike {
        println!(
            "{model} is being built, or was made by another version of Chrysalis, and was not compared; a server brings it up"
        );
    }
    println!(
        "{} events, {} rows compared, {} differences",
        report.events,
        report.rows,
        report.wrong() + unproven as u64
    );
    if report.events == 0 {
        println!("the store is empty; look at --store, --data-dir and postgres.schema if it should not be");
    }
}
