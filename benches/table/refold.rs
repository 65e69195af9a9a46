//! `chrysalis projections rebuild` and `chrysalis verify` on a large store, and the read models that follow by themselves.

use std::process::Command;
use std::time::{Duration, Instant};

use chrysalis::followers::models;

use crate::fill::{self, Store};
use crate::report::short;
use crate::{Bench, Result, median};

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.large()?;
    on(bench, &store, "", 150_000.0)
}

/// `on` says on which store; the bar is that of the models that follow.
pub fn on(bench: &mut Bench, store: &Store, on: &str, bar: f64) -> Result<()> {
    let (events, rate) = followed(store, bench.rounds)?;
    let measured = format!("{}/s ({} events)", short(rate), short(events));
    bench.report.at_least(&format!("{on}all read models that follow, folded anew"), measured, rate, bar, "/s");
    let idle = run(store, &["log", "head"])?.1;
    for (what, arguments) in [
        (
            "`chrysalis projections rebuild`: these, and those that are written with their events",
            ["projections", "rebuild"].as_slice(),
        ),
        (
            "`chrysalis verify`: all of them folded anew and compared, and the log held against what was signed",
            &["verify"],
        ),
    ] {
        let (said, took) = run(store, arguments)?;
        // Both begin with the number of events.
        let events: f64 = said.split(' ').next().unwrap_or_default().parse()?;
        let rate = events / took.saturating_sub(idle).as_secs_f64();
        bench.report.note(&format!("{on}{what}"), format!("{}/s", short(rate)));
    }
    Ok(())
}

/// Events of the log, and how many of them are folded in a second.
fn followed(store: &Store, rounds: usize) -> Result<(f64, f64)> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let log = fill::opened(store).await?;
        let events = log.end().await? as f64;
        let mut rates = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            models::rebuild(log.clone(), &mut |_| {}).await?;
            rates.push(events / begun.elapsed().as_secs_f64());
        }
        Ok((events, median(rates)))
    })
}

/// What a command prints, and how long it takes.
fn run(store: &Store, arguments: &[&str]) -> Result<(String, Duration)> {
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(arguments)
        .args(store.keys.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]))
        .env_clear()
        .env("CHRYSALIS_DATA_DIR", &store.data)
        .output()?;
    if !output.status.success() {
        return Err(format!(
            "{arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok((String::from_utf8(output.stdout)?, begun.elapsed()))
}
