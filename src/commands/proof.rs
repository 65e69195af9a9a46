//! `chrysalis audit`: what was signed of the log, and what it proves. Signing works in the store itself, whether or not a server
//! runs; checking needs neither.

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::config::Config;
use chrysalis::keys::Keyring;
use chrysalis::log::Store;
use chrysalis::open::{Opened, open};
use chrysalis::proof::stored::{self, Kept, Verdict};
use chrysalis::proof::{
    self, Certificate, CertificateFault, Checkpoint, NoteFault, ProofFault, Prover, ProverFault, Signed, VerifyingKey,
    note,
};
use chrysalis::serve::{StartError, log_signer};

use super::{DIFFERENT, audit, ports, progress};
use crate::{CheckProof, Proof, Prove, USAGE};

pub(super) async fn run(config: &Config, what: Proof) -> Result<ExitCode, StartError> {
    let Opened { store, keyring, .. } = open(config, &ports(), Arc::new(())).await?;
    let said = match what {
        Proof::Checkpoint { size: None } => {
            let signed = cover(&store, &keyring).await?;
            Some(signed.ok_or_else(|| StartError::Other("the log is empty: there is nothing to sign".to_owned()))?.note)
        }
        Proof::Checkpoint { size: Some(size) } => {
            proof::signed_at_size(store.as_ref(), size).await?.map(|signed| signed.note)
        }
        Proof::Prove(what) => prove(&store, &keyring, &what).await?,
        Proof::Rebuild => {
            prover(&store, &keyring)?.rebuild(&mut progress).await.map_err(failed)?;
            Some("the new tree is in place\n".to_owned())
        }
        Proof::Keys { signed: true } => Some(log_signer(&keyring)?.key_list()),
        Proof::Keys { signed: false } => Some(log_signer(&keyring)?.keys().map(|key| format!("{key}\n")).collect()),
        // Needs no store: see `check`.
        Proof::CheckProof(_) => None,
    };
    let said = said.ok_or_else(|| StartError::Other("nothing was signed of so many events".to_owned()))?;
    write!(std::io::stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

fn prover(store: &Arc<dyn Store>, keyring: &Keyring) -> Result<Prover, StartError> {
    Ok(Prover::new(store.clone(), Arc::new(log_signer(keyring)?), ports().clock))
}

fn failed(fault: ProverFault) -> StartError {
    match fault {
        ProverFault::Log(fault) => fault.into(),
        ProverFault::Fork(_) => StartError::Other(fault.to_string()),
    }
}

/// Signs all there is.
pub(super) async fn cover(store: &Arc<dyn Store>, keyring: &Keyring) -> Result<Option<Signed>, StartError> {
    let end = store.end().await?;
    prover(store, keyring)?.cover(end).await.map_err(failed)
}

async fn prove(store: &Arc<dyn Store>, keyring: &Keyring, what: &Prove) -> Result<Option<String>, StartError> {
    let log = store.as_ref();
    let signed = match what.size.or(what.to) {
        Some(size) => proof::signed_at_size(log, size).await?,
        None => match proof::latest(log).await? {
            // What is asked for is too new for it.
            Some(newest) if newest.size < what.position.or(what.from).unwrap_or(0) => cover(store, keyring).await?,
            Some(newest) => Some(newest),
            None => cover(store, keyring).await?,
        },
    };
    let Some(signed) = signed else { return Ok(None) };
    // After a copy the tree may be behind what was signed, with no server there that grows it.
    let mut prover = prover(store, keyring)?;
    while prover.take_in(signed.size).await.map_err(failed)? {}
    let proof = if let Some(position) = what.position {
        proof::inclusion_in(log, position, &signed).await?.map(|proof| proof.to_string())
    } else {
        proof::consistency(log, what.from.unwrap_or(0), &signed).await?.map(|proof| proof.to_string())
    };
    let beyond = || {
        StartError::Other(format!("the checkpoint is about {} events: write a number from 1 on to that", signed.size))
    };
    proof.map(Some).ok_or_else(beyond)
}

/// Checks what somebody was given.
pub(crate) fn check(what: &CheckProof) -> Result<ExitCode, StartError> {
    let text = read(&what.file)?;
    let older = what.checkpoint.as_deref().map(read).transpose()?;
    if older.is_none() && matches!(text.parse(), Ok(proof::Proof::Consistency(_))) {
        let said = "it proves that a checkpoint adds to an older one: give that one with --checkpoint";
        return Err(StartError::Other(said.to_owned()));
    }
    let Some(keys) = audit::keys(&what.keys) else { return Ok(ExitCode::from(USAGE)) };
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

/// What came of comparing the log with what was signed.
pub(super) struct Proven {
    pub(super) verdict: Verdict,
}

/// Holds the log against what was signed of it, and what was kept of that in files; says what is not as it was.
pub(super) async fn verify(store: &dyn Store, keyring: &Keyring, files: &[PathBuf]) -> Result<Proven, StartError> {
    let keys: Vec<_> = log_signer(keyring)?.keys().cloned().collect();
    let kept = files.iter().map(|file| Ok(Kept { name: file.display().to_string(), note: read(file)? }));
    let kept: Vec<_> = kept.collect::<Result<_, StartError>>()?;
    let verdict = stored::verify(store, &keys, &kept, &mut |_| ()).await?;
    for finding in &verdict.findings {
        println!("{finding}");
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
