//! `chrysalis verify`: whether every row is as the log makes it, and every sealed record the one that it names.

use std::path::PathBuf;
use std::process::ExitCode;

use chrysalis::followers::search::Indexer;
use chrysalis::keys::KeyringClaims;
use chrysalis::log::cqrs::stored_states;
use chrysalis::log::refold::{Difference, Report};
use chrysalis::log::{LogFault, sealed};
use chrysalis::open::exists;
use chrysalis::serve::{Ports, StartError};
use clap::Args;

use super::audit::proof;
use super::{DIFFERENT, Here, Outcome, block_on};
use crate::flags::Flags;

#[derive(Debug, Args)]
pub struct Words {
    /// A checkpoint of this log that was kept elsewhere, in a file: whoever can write to the store can't make it fit another
    /// history. May be given several times.
    #[arg(long = "checkpoint", value_name = "OLD")]
    checkpoints: Vec<PathBuf>,
}

pub fn run(flags: &Flags, words: &Words) -> Outcome {
    block_on(flags.config()?, async |config| {
        exists(&config).await?;
        verify(&Here::open_to_verify(config).await?, &words.checkpoints).await
    })
}

async fn verify(here: &Here, kept: &[PathBuf]) -> Outcome {
    let mut report = Report::default();
    let (proven, faults) = tokio::join!(proof::verify(here, kept), compare(here, &mut report));
    let (proven, faults): (_, Vec<_>) = match proven {
        Ok(proven) => (Some(proven), faults),
        Err(fault) => (None, std::iter::once(fault).chain(faults).collect()),
    };
    let unproven = proven.as_ref().map_or(0, |proven| proven.verdict.findings.len());
    tell(&report, unproven, faults.is_empty());
    if let Some(proven) = proven {
        println!("{proven}");
    }
    if report.wrong() == 0 && unproven == 0 {
        return faults.into_iter().next().map_or(Ok(ExitCode::SUCCESS), Err);
    }
    for fault in faults {
        eprintln!("chrysalis: not everything could be looked at: {fault}");
    }
    Ok(ExitCode::from(DIFFERENT))
}

/// Every sealed record, every row of every read model, and of what is kept of them. Answers what could not be looked at: that
/// keeps nobody from the rest.
async fn compare(here: &Here, report: &mut Report) -> Vec<StartError> {
    let Here { config, ports: Ports { clock, entropy }, store, keyring, .. } = here;
    let mut faults = Vec::new();
    let mut note = |looked: Result<(), LogFault>| faults.extend(looked.err().map(StartError::from));
    // Records first: one that was altered does not open where a row needs it.
    note(sealed::compare(store.as_ref(), report).await);
    let rows = store.verify(&KeyringClaims(keyring), &mut |_| ()).await;
    note(rows.map(|rows| *report = std::mem::take(report).and(rows)));
    note(stored_states::compare(store.as_ref(), report).await);
    let (clock, entropy) = (clock.clone(), entropy.clone());
    let indexer = Indexer::new(store.clone(), keyring.clone(), clock, entropy, config.search);
    note(indexer.compare(report).await);
    faults
}

/// `whole` is false where it broke off.
fn tell(report: &Report, unproven: usize, whole: bool) {
    for position in &report.gaps {
        println!("the log has a gap after position {position}");
    }
    for event in &report.unread {
        println!("{event}");
    }
    for position in &report.misfits {
        println!("the event at position {position} contradicts those before it: something is missing or was altered");
    }
    for told in &report.apart {
        println!("{told}");
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
