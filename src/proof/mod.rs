//! The log as evidence: a Merkle tree (RFC 6962) over all events in the order of their positions, and checkpoints of it that
//! are signed.
//!
//! The leaf of position 1 is the first one: a checkpoint of size `n` is about positions 1 to `n`. Whoever keeps a checkpoint
//! can have it proven later that an event is in it ([`InclusionProof`]), and that a later checkpoint only adds to it
//! ([`ConsistencyProof`]). Everything that leaves the server is in a format of its own standing (C2SP: signed-note,
//! tlog-checkpoint, tlog-tiles, tlog-proof), so that other programs than ours can check it.
//!
//! The tree follows the log ([`crate::followers::proof`]); it is kept as tiles, which can be made anew from the log at any
//! time. What was signed is kept for ever.

mod bundle;
mod certificate;
mod ledger;
pub mod note;
mod prover;
pub mod stored;
pub mod tiles;
pub mod tree;

pub use bundle::{ConsistencyProof, InclusionProof, Proof, ProofFault};
pub use certificate::{Certificate, CertificateFault, Erasure};
pub use ledger::{Signed, at_most, covering, latest, page, signed_at_size};
pub use note::{Checkpoint, NoteFault, Signer, VerifyingKey};
pub use prover::{Fork, Prover, ProverFault};

use chrysalis_projections::model::FOLDED_TO;
use chrysalis_projections::tiles::MODEL;

use crate::log::{Log, LogFault, Position, ask_one};
use tiles::Tree;

/// Proves that the event at a position is in what the newest checkpoint is about. None where it is not yet: a checkpoint is
/// signed every few seconds, or at once by [`Prover::cover`].
pub async fn inclusion(log: &dyn Log, position: Position) -> Result<Option<InclusionProof>, LogFault> {
    match latest(log).await? {
        Some(signed) => inclusion_in(log, position, &signed).await,
        None => Ok(None),
    }
}

/// The same, for a checkpoint of one's choice.
pub async fn inclusion_in(
    log: &dyn Log,
    position: Position,
    signed: &Signed,
) -> Result<Option<InclusionProof>, LogFault> {
    if !(1..=signed.size).contains(&position) {
        return Ok(None);
    }
    let (leaf, hashes) = grown(log, signed.size, Tree { log }.inclusion(position, signed.size).await).await?;
    Ok(Some(InclusionProof { position, leaf, hashes, checkpoint: signed.note.clone() }))
}

/// Proves that a checkpoint adds to the tree of the first so many events, and changes nothing of it. None where it is about
/// fewer, or none is asked for.
pub async fn consistency(log: &dyn Log, from: u64, to: &Signed) -> Result<Option<ConsistencyProof>, LogFault> {
    if !(1..=to.size).contains(&from) {
        return Ok(None);
    }
    let hashes = grown(log, to.size, Tree { log }.consistency(from, to.size).await).await?;
    Ok(Some(ConsistencyProof { from, hashes, checkpoint: to.note.clone() }))
}

/// What was asked of the first so many leaves. A tree that is not as far, as after a copy, is not damaged: it grows.
async fn grown<T>(log: &dyn Log, size: u64, asked: Result<T, LogFault>) -> Result<T, LogFault> {
    if let Err(LogFault::Damaged(_)) = &asked
        && ask_one(log, &FOLDED_TO, &[MODEL.name.into()]).await?.unwrap_or(0) < size
    {
        return Err(LogFault::Unavailable("the tree over the log is being made anew".to_owned()));
    }
    asked
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }
}
