//! `chrysalis log export` and `chrysalis audit verify` on the large store.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::short;
use crate::{Bench, Result, median};

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.large()?;
    let (plain, compressed) = (bench.folder.join("export.jsonl"), bench.folder.join("export.jsonl.zst"));
    let (plain_to, compressed_to) = (plain.display().to_string(), compressed.display().to_string());
    let export = ["log", "export", "--output"];
    let rounds = bench.rounds;
    let rate = |arguments: &[&str], file: &Path, fresh: bool| -> Result<Measured> {
        let idle = run(&store.data, &["log", "head"])?.took;
        let mut rates = Vec::new();
        let mut peak: f64 = 0.0;
        for _ in 0..rounds {
            if fresh && file.exists() {
                std::fs::remove_file(file)?;
            }
            let ran = run(&store.data, arguments)?;
            // Both begin with the number of events.
            let events: f64 = ran.said.split(' ').next().unwrap_or_default().parse()?;
            rates.push((events / ran.took.saturating_sub(idle).as_secs_f64(), events));
            peak = peak.max(ran.peak);
        }
        Ok(Measured { rate: median(rates.iter().map(|(rate, _)| *rate)), events: rates[0].1, peak })
    };
    for (what, arguments, file, fresh, bar) in [
        ("`chrysalis log export`", [&export[..], &[&plain_to]].concat(), &plain, true, Some(200_000.0)),
        ("the same, compressed", [&export[..], &[&compressed_to, "--compress"]].concat(), &compressed, true, None),
        ("`chrysalis audit verify`", vec!["audit", "verify", &plain_to], &plain, false, Some(400_000.0)),
        ("the same, compressed", vec!["audit", "verify", &compressed_to], &compressed, false, None),
    ] {
        let Measured { rate, events, peak } = rate(&arguments, file, fresh)?;
        let size = std::fs::metadata(file)?.len() as f64 / 1e6;
        let measured = format!(
            "{}/s ({} events, {} MB), at most {} MB of memory",
            short(rate),
            short(events),
            short(size),
            short(peak)
        );
        match bar {
            Some(bar) => bench.report.at_least(what, measured, rate, bar, "/s"),
            None => bench.report.note(what, measured),
        }
    }
    std::fs::remove_file(plain)?;
    std::fs::remove_file(compressed)?;
    Ok(())
}

struct Measured {
    rate: f64,
    events: f64,
    peak: f64,
}

struct Ran {
    /// On either output.
    said: String,
    took: Duration,
    /// Resident memory, in MB.
    peak: f64,
}

/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(5);

fn run(data: &Path, arguments: &[&str]) -> Result<Ran> {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(arguments)
        .env_clear()
        .env("CHRYSALIS_DATA_DIR", data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut peak: f64 = 0.0;
    // What it says fits into the pipe.
    let (status, took) = loop {
        if let Some(status) = child.try_wait()? {
            break (status, begun.elapsed());
        }
        peak = peak.max(high_water(child.id()).unwrap_or(0.0));
        std::thread::sleep(LOOK);
    };
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said)?;
    if !status.success() {
        return Err(format!("{arguments:?}: {said}").into());
    }
    Ok(Ran { said, took, peak })
}

fn high_water(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok().map(|kib: f64| kib * 1024.0 / 1e6)
}
