//! `chrysalis verify`: whether every row is as the log makes it, and every sealed record the one that it names.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::config::Config;
use chrysalis::followers::search::Indexer;
use chrysalis::keys::{Keyring, KeyringClaims};
use chrysalis::log::cqrs::stored_states;
use chrysalis::log::refold::{Difference, Report};
use chrysalis::log::{LogFault, Store, sealed};
use chrysalis::open::{Opened, open};
use chrysalis::serve::{Ports, StartError};

use super::{DIFFERENT, ports, proof};

pub(super) async fn run(config: &Config, kept: &[PathBuf]) -> Result<ExitCode, StartError> {
    let Opened { store, keyring, .. } = open(config, &ports(), Arc::new(())).await?;
    let mut report = Report::default();
    let (proven, compared) =
        tokio::join!(proof::verify(store.as_ref(), &keyring, kept), compare(&store, &keyring, config, &mut report));
    let proven = proven?;
    // What is found before something that does not read is told all the same: that may be why.
    tell(&report, proven.verdict.findings.len(), compared.is_ok());
    println!("{proven}");
    compared?;
    let wrong = report.wrong() > 0 || !proven.verdict.findings.is_empty();
    Ok(if wrong { ExitCode::from(DIFFERENT) } else { ExitCode::SUCCESS })
}

/// Every sealed record, every row of every read model, and of what is kept of them.
async fn compare(
    store: &Arc<dyn Store>,
    keyring: &Arc<Keyring>,
    config: &Config,
    report: &mut Report,
) -> Result<(), LogFault> {
    // Records first: one that was altered does not open where a row needs it.
    sealed::compare(store.as_ref(), report).await?;
    let rows = store.verify(&KeyringClaims(keyring), &mut |_| ()).await?;
    *report = std::mem::take(report).and(rows);
    stored_states::compare(store.as_ref(), report).await?;
    let Ports { clock, entropy } = ports();
    let indexer = Indexer::new(store.clone(), keyring.clone(), clock, entropy, config.search);
    indexer.compare(report).await
}

/// `whole` is false where it broke off.
fn tell(report: &Report, unproven: usize, whole: bool) {
    for position in &report.gaps {
        println!("the log has a gap after position {position}");
    }
    for position in &report.misfits {
        println!("the event at position {position} contradicts those before it: something is missing or was altered");
    }
    for flaw in &report.flaws {
        println!("{flaw}");
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
    if !whole {
        return;
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
