//! An export, verified: what an auditor runs. No store, no server and no configuration is asked for anything.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrysalis::evidence::verify::{self, Question, Report, Verdict};
use chrysalis::proof::note::VerifyingKey;
use chrysalis::serve::StartError;
use clap::Args;

use super::keys;
use crate::commands::{DIFFERENT, Outcome, USAGE};

#[derive(Debug, Args)]
pub struct Words {
    /// What `chrysalis log export` wrote; several are one log, one after another.
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,
    /// A key that the log signs with, or a file with some, as `chrysalis audit keys` writes them. Without one nothing is
    /// proven, but that a file agrees with itself.
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<String>,
    /// A checkpoint that was kept from former times, in a file. May be given several times: each narrows down where
    /// something was changed.
    #[arg(long = "checkpoint", value_name = "OLD", requires = "keys")]
    checkpoints: Vec<PathBuf>,
    /// Another export of the same log, to be told which events differ.
    #[arg(long, value_name = "OTHER")]
    against: Option<PathBuf>,
}

pub fn run(words: Words) -> Outcome {
    let Words { exports, keys: given, checkpoints: files, against } = words;
    let Some(keys) = keys::read(&given) else { return Ok(ExitCode::from(USAGE)) };
    let mut checkpoints = Vec::new();
    for file in files {
        checkpoints.push((file.display().to_string(), read(&file)?));
    }
    let question = Question { exports, keys, checkpoints, against };
    let report = verify::verify(&question)?;
    tell(&question, &report)?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

fn read(file: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(file).map_err(|error| StartError::Other(format!("{}: {error}", file.display())))
}

fn tell(question: &Question, report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in &report.findings {
        if finding.line > 0 {
            write!(out, "{}:{}: ", question.exports[finding.file].display(), finding.line)?;
        }
        writeln!(out, "{}", finding.fault)?;
    }
    if report.unlisted > 0 {
        writeln!(out, "and {} more", report.unlisted)?;
    }
    let Report { events, from, through, .. } = report;
    writeln!(out, "{events} events, positions {from} to {through}")?;
    if let Some(root) = report.root {
        writeln!(out, "Merkle root {root}")?;
    }
    for held in &report.checkpoints {
        let Ok(checkpoint) = &held.checkpoint else { continue };
        let by: Vec<_> = checkpoint.signed_by.iter().map(VerifyingKey::number).collect();
        let how = match held.verdict {
            Verdict::Holds => "holds",
            Verdict::AsStated => "holds for what the lines state of themselves",
            Verdict::Differs => "does not hold",
            Verdict::Unmet => "could not be held against anything",
        };
        let (size, origin) = (checkpoint.size, &checkpoint.origin);
        writeln!(out, "the checkpoint {} {how}: {size} events of {origin}, signed by {}", held.name, by.join(", "))?;
    }
    conclude(question, report, &mut out)
}

/// What is proven by it, and what is not.
fn conclude(question: &Question, report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let (proven, stated) = (report.proven(), report.stated());
    if proven > 0 {
        writeln!(out, "proven: positions 1 to {proven} are, field by field, what was signed")?;
    }
    if stated > proven {
        writeln!(
            out,
            "proven: positions 1 to {stated} are what was signed, but for the lines above that were altered"
        )?;
    }
    if report.filtered {
        writeln!(out, "not proven: an export of some events only shows that each line agrees with itself")?;
    } else if question.keys.is_empty() {
        writeln!(
            out,
            "not proven: the file agrees with itself or not, as anybody's can; give --key to hold it against what was signed"
        )?;
    } else if stated < report.through {
        let why = if report.findings.is_empty() { ", which came after the newest checkpoint" } else { "" };
        writeln!(out, "not proven: positions {} to {}{why}", stated + 1, report.through)?;
    }
    writeln!(out, "{}", if report.findings.is_empty() { "nothing is wrong" } else { "something is wrong: see above" })
}
