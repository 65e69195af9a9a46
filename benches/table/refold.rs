//! `chrysalis projections rebuild` and `chrysalis verify` on the large store.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::short;
use crate::{Bench, Result};

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.large()?;
    let idle = run(&store.data, &["log", "head"])?.1;
    for (what, arguments, bar) in [
        ("refold: `chrysalis projections rebuild`", ["projections", "rebuild"].as_slice(), Some(150_000.0)),
        ("refold and compare: `chrysalis verify`", &["verify"], None),
    ] {
        let (said, took) = run(&store.data, arguments)?;
        // Both begin with the number of events.
        let events: f64 = said.split(' ').next().unwrap_or_default().parse()?;
        let rate = events / took.saturating_sub(idle).as_secs_f64();
        let measured = format!("{}/s ({} events)", short(rate), short(events));
        match bar {
            Some(bar) => bench.report.at_least(what, measured, rate, bar, "/s"),
            None => bench.report.note(what, measured),
        }
    }
    Ok(())
}

/// What a command prints, and how long it takes.
fn run(data: &Path, arguments: &[&str]) -> Result<(String, Duration)> {
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(arguments)
        .env_clear()
        .env("CHRYSALIS_DATA_DIR", data)
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
