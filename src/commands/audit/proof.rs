//! What was signed of the log, and what it proves. Signing works in the store itself, whether or not a server runs; checking
//! needs neither. docs/audit.md says what is proven, and what is not.

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::proof::stored::{self, Kept, Verdict};
use chrysalis::proof::{
    self, Certificate, CertificateFault, Checkpoint, NoteFault, ProofFault, Prover, ProverFault, Signed, VerifyingKey,
    note,
};
use chrysalis::serve::{StartError, log_signer};
use clap::{ArgGroup, Args, Subcommand};

use super::keys;
use crate::commands::{DIFFERENT, Here, Outcome, USAGE, on_store, ranges};
use crate::flags::Flags;
use crate::progress::folded;

#[derive(Debug, Subcommand)]
pub enum Words {
    /// Signs what is new in the log, and prints the newest checkpoint: to be kept where the server can't reach it.
    Checkpoint {
        /// Prints the one about exactly so many events instead, and signs nothing.
        #[arg(long)]
        size: Option<u64>,
    },
    /// Prints a proof, with the checkpoint that it is about.
    Prove(Prove),
    /// Checks a proof, or a checkpoint by itself, with nothing but keys: no server and no store is asked. Exits with 3 when it
    /// does not hold.
    CheckProof(CheckProof),
    /// Makes the tree over the log anew, beside the one that stands; one that is not what was signed stays out. A server may run
    /// meanwhile.
    Rebuild,
    /// Prints the keys that checkpoints are checked by, oldest first, one line each: name+number+key.
    Keys {
        /// Prints them as a note that is signed by every one of them: whoever trusts one learns of the others.
        #[arg(long)]
        signed: bool,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["position", "from"])))]
pub struct Prove {
    /// That the event at this position is in a checkpoint.
    #[arg(long, value_name = "POSITION")]
    position: Option<u64>,
    /// How many events that checkpoint is about; the newest one, where nothing is said.
    #[arg(long, value_name = "EVENTS", conflicts_with = "from")]
    size: Option<u64>,
    /// That a checkpoint only adds to the older one about so many events.
    #[arg(long, value_name = "EVENTS")]
    from: Option<u64>,
    /// How many the newer one is about; the newest one, where nothing is said.
    #[arg(long, value_name = "EVENTS", conflicts_with = "position")]
    to: Option<u64>,
}

#[derive(Debug, Args)]
pub struct CheckProof {
    /// What `audit prove`, `audit checkpoint` or `users certificate` printed; `-` reads it from the input.
    file: PathBuf,
    /// A key of the log, or a file with some, as `audit keys` prints them; may be given several times.
    #[arg(long = "key", value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// A file with the older checkpoint, for a proof that nothing of it was changed.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub fn run(flags: &Flags, words: Words) -> Outcome {
    match words {
        Words::Checkpoint { size } => on_store(flags, async |here| checkpoint(&here, size).await),
        Words::Prove(what) => on_store(flags, async |here| prove(&here, &what).await),
        Words::CheckProof(what) => check(&what),
        Words::Rebuild => on_store(flags, rebuild),
        Words::Keys { signed } => on_store(flags, async |here| keys(&here, signed)),
    }
}

async fn checkpoint(here: &Here, size: Option<u64>) -> Outcome {
    let nothing = || StartError::Other("the log is empty: there is nothing to sign".to_owned());
    let signed = match size {
        Some(size) => proof::signed_at_size(here.store.as_ref(), size).await?.ok_or_else(nothing_signed)?,
        None => cover(here).await?.ok_or_else(nothing)?,
    };
    say(signed.note)
}

async fn rebuild(here: Here) -> Outcome {
    prover(&here)?.rebuild(&mut folded).await.map_err(failed)?;
    say("the new tree is in place\n")
}

fn keys(here: &Here, signed: bool) -> Outcome {
    let signer = log_signer(&here.keyring)?;
    say(if signed { signer.key_list() } else { signer.keys().map(|key| format!("{key}\n")).collect() })
}

fn say(said: impl fmt::Display) -> Outcome {
    write!(std::io::stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

fn nothing_signed() -> StartError {
    StartError::Other("nothing was signed of so many events".to_owned())
}

fn prover(here: &Here) -> Result<Prover, StartError> {
    Ok(Prover::new(here.store.clone(), Arc::new(log_signer(&here.keyring)?), here.ports.clock.clone()))
}

fn failed(fault: ProverFault) -> StartError {
    match fault {
        ProverFault::Log(fault) => fault.into(),
        ProverFault::Fork(_) => StartError::Other(fault.to_string()),
    }
}

/// Signs all there is.
pub async fn cover(here: &Here) -> Result<Option<Signed>, StartError> {
    let end = here.store.end().await?;
    prover(here)?.cover(end).await.map_err(failed)
}

async fn prove(here: &Here, what: &Prove) -> Outcome {
    ranges::positions(("--position", what.position), ("--size", what.size))?;
    ranges::positions(("--from", what.from), ("--to", what.to))?;
    let log = here.store.as_ref();
    let signed = match what.size.or(what.to) {
        Some(size) => proof::signed_at_size(log, size).await?,
        None => match proof::latest(log).await? {
            // What is asked for is too new for it.
            Some(newest) if newest.size < what.position.or(what.from).unwrap_or(0) => cover(here).await?,
            Some(newest) => Some(newest),
            None => cover(here).await?,
        },
    };
    let signed = signed.ok_or_else(nothing_signed)?;
    // After a copy the tree may be behind what was signed, with no server there that grows it.
    let mut prover = prover(here)?;
    while prover.take_in(signed.size).await.map_err(failed)? {}
    let proof = if let Some(position) = what.position {
        proof::inclusion_in(log, position, &signed).await?.map(|proof| proof.to_string())
    } else {
        proof::consistency(log, what.from.unwrap_or(0), &signed).await?.map(|proof| proof.to_string())
    };
    let beyond = || {
        StartError::Other(format!("the checkpoint is about {} events: write a number from 1 on to that", signed.size))
    };
    say(proof.ok_or_else(beyond)?)
}

/// Checks what somebody was given.
fn check(what: &CheckProof) -> Outcome {
    let text = read(&what.file)?;
    let older = what.checkpoint.as_deref().map(read).transpose()?;
    if older.is_none() && matches!(text.parse(), Ok(proof::Proof::Consistency(_))) {
        let said = "it proves that a checkpoint adds to an older one: give that one with --checkpoint";
        return Err(StartError::Other(said.to_owned()));
    }
    let Some(keys) = keys::read(&what.keys) else { return Ok(ExitCode::from(USAGE)) };
    Ok(match checked(&text, older.as_deref(), &keys) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            println!("it does not hold: {fault}");
            ExitCode::from(DIFFERENT)
        }
    })
}

fn checked(text: &str, older: Option<&str>, keys: &[VerifyingKey]) -> Result<String, CertificateFault> {
    if let Ok(certificate) = text.parse::<Certificate>() {
        let (erasure, checkpoint) = certificate.check(keys)?;
        return Ok(format!("it certifies an erasure:\n{erasure}{}", about(&checkpoint)));
    }
    // A checkpoint by itself begins with the log's name.
    if keys.iter().any(|key| text.lines().next() == Some(key.name())) {
        return Ok(about(&note::open(text, keys).map_err(ProofFault::Note)?));
    }
    match text.parse::<proof::Proof>()? {
        proof::Proof::Inclusion(proof) => {
            let checkpoint = proof.check(keys)?;
            let leaf: String = proof.leaf.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(format!(
                "the event at position {} is in it, and its leaf is {leaf}\n{}",
                proof.position,
                about(&checkpoint)
            ))
        }
        proof::Proof::Consistency(proof) => {
            let older = older.ok_or(ProofFault::OldNote(NoteFault::Malformed))?;
            let checkpoint = proof.check(older, keys)?;
            Ok(format!(
                "it adds to the checkpoint of {} events, and changes nothing of it\n{}",
                proof.from,
                about(&checkpoint)
            ))
        }
    }
}

fn about(checkpoint: &Checkpoint) -> String {
    let Checkpoint { origin, size, signed_by, .. } = checkpoint;
    let keys: Vec<_> = signed_by.iter().map(VerifyingKey::number).collect();
    format!("the checkpoint of {size} events of {origin} holds, signed by key {}", keys.join(" and "))
}

fn read(path: &Path) -> Result<String, StartError> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        let named = |error| StartError::Other(format!("{}: {error}", path.display()));
        text = std::fs::read_to_string(path).map_err(named)?;
    }
    Ok(text)
}

/// Findings that are told one by one.
const LISTED: usize = 100;

/// What came of comparing the log with what was signed.
pub struct Proven {
    pub verdict: Verdict,
}

/// Holds the log against what was signed of it, and what was kept of that in files; says what is not as it was.
pub async fn verify(here: &Here, files: &[PathBuf]) -> Result<Proven, StartError> {
    let keys: Vec<_> = log_signer(&here.keyring)?.keys().cloned().collect();
    let kept = files.iter().map(|file| Ok(Kept { name: file.display().to_string(), note: read(file)? }));
    let kept: Vec<_> = kept.collect::<Result<_, StartError>>()?;
    let verdict = stored::verify(here.store.as_ref(), &keys, &kept, &mut |_| ()).await?;
    for finding in verdict.findings.iter().take(LISTED) {
        println!("{finding}");
    }
    if let Some(further) = verdict.findings.len().checked_sub(LISTED).filter(|further| *further > 0) {
        println!("and {further} more that are not what was signed");
    }
    Ok(Proven { verdict })
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { checkpoints, signed, kept, findings, .. } = &self.verdict;
        if *kept > 0 {
            writeln!(f, "checkpoints that were kept elsewhere: {kept} hold")?;
        }
        match (findings.len(), checkpoints) {
            (0, 0) => write!(f, "nothing of the log is signed yet"),
            (0, _) => write!(
                f,
                "checkpoints: {checkpoints} hold; every event up to position {signed} is the one that was signed"
            ),
            _ => write!(
                f,
                "checkpoints: {checkpoints} hold, the last of them at position {signed}; not all is as it was signed"
            ),
        }
    }
}
