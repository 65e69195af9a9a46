//! Proofs as they leave the server: texts that need nothing but a key, and an older checkpoint where two are compared.
//!
//! That an event is in a checkpoint is a C2SP tlog-proof: the leaf (as its `extra` data), the leaf's place counted from 0, the
//! hashes that lead to the root, and the checkpoint. That a checkpoint adds to an older one is written as C2SP tlog-witness
//! has it sent to a witness: the older size, the hashes, and the newer checkpoint.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tlog_tiles::Hash as Node;

use super::note::{self, Checkpoint, NoteFault, VerifyingKey};
use super::tree::Hash;
use crate::log::Position;

const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
/// Hashes that a proof has at the most: one for each height of a tree that no position can outgrow.
const MOST: usize = 64;

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("its checkpoint is not taken: {0}")]
    Note(NoteFault),
    #[error("the older checkpoint is not taken: {0}")]
    OldNote(NoteFault),
    #[error("the event is not in the checkpoint: the hashes do not lead to its root")]
    NotIncluded,
    #[error("it begins at {proof} events, and the older checkpoint is about {checkpoint}")]
    OtherSize { proof: u64, checkpoint: u64 },
    #[error(
        "the checkpoint of {to} events does not add to that of {from}: what was signed then was altered, or this is another history"
    )]
    Forked { from: u64, to: u64 },
}

/// An event is in what a checkpoint is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    pub position: Position,
    pub leaf: Hash,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// As it was signed.
    pub checkpoint: String,
}

/// A checkpoint adds to what another one was about, and changes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The size of the older one.
    pub from: u64,
    pub hashes: Vec<Hash>,
    /// The newer one, as it was signed.
    pub checkpoint: String,
}

/// Either, as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    Inclusion(InclusionProof),
    Consistency(ConsistencyProof),
}

impl InclusionProof {
    /// Whether the leaf is where the proof says, in a checkpoint that one of these keys signed. Whose leaf it is, is for
    /// whoever has the event to say: [`Recorded::leaf`](crate::log::Recorded::leaf).
    pub fn check(&self, keys: &[VerifyingKey]) -> Result<Checkpoint, ProofFault> {
        let checkpoint = note::open(&self.checkpoint, keys).map_err(ProofFault::Note)?;
        let index = self.position.checked_sub(1).ok_or(ProofFault::NotIncluded)?;
        tlog_tiles::check_record(&nodes(&self.hashes), checkpoint.size, Node(checkpoint.root), index, Node(self.leaf))
            .map_err(|_| ProofFault::NotIncluded)?;
        Ok(checkpoint)
    }
}

impl ConsistencyProof {
    /// Whether the newer checkpoint adds to the older one; both are signed by one of these keys.
    pub fn check(&self, older: &str, keys: &[VerifyingKey]) -> Result<Checkpoint, ProofFault> {
        let checkpoint = note::open(&self.checkpoint, keys).map_err(ProofFault::Note)?;
        let older = note::open(older, keys).map_err(ProofFault::OldNote)?;
        if older.size != self.from {
            return Err(ProofFault::OtherSize { proof: self.from, checkpoint: older.size });
        }
        let forked = ProofFault::Forked { from: older.size, to: checkpoint.size };
        if older.origin != checkpoint.origin {
            return Err(forked);
        }
        let (newer_root, older_root) = (Node(checkpoint.root), Node(older.root));
        tlog_tiles::check_tree(&nodes(&self.hashes), checkpoint.size, newer_root, older.size, older_root)
            .map_err(|_| forked)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.position.saturating_sub(1);
        writeln!(f, "{INCLUSION}\nextra {}\nindex {index}", STANDARD.encode(self.leaf))?;
        hash_lines(f, &self.hashes)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.from)?;
        hash_lines(f, &self.hashes)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn hash_lines(f: &mut fmt::Formatter<'_>, hashes: &[Hash]) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))
}

impl FromStr for Proof {
    type Err = ProofFault;

    fn from_str(text: &str) -> Result<Self, ProofFault> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofFault::Malformed("it has no checkpoint"))?;
        let checkpoint = checkpoint.to_owned();
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        if first == INCLUSION {
            let leaf = lines.next().and_then(|line| hash(line.strip_prefix("extra ")?));
            let leaf = leaf.ok_or(ProofFault::Malformed("its second line is not `extra` and a leaf"))?;
            let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
            let index = index.ok_or(ProofFault::Malformed("its third line is not `index` and a number"))?;
            Ok(Self::Inclusion(InclusionProof { position: index + 1, leaf, hashes: hashes(lines)?, checkpoint }))
        } else if let Some(from) = first.strip_prefix("old ").and_then(number) {
            Ok(Self::Consistency(ConsistencyProof { from, hashes: hashes(lines)?, checkpoint }))
        } else {
            Err(ProofFault::Malformed("it begins with neither `c2sp.org/tlog-proof@v1` nor `old` and a size"))
        }
    }
}

/// No more than a position can be.
fn number(text: &str) -> Option<u64> {
    let number = text.parse().ok().filter(|number| *number < i64::MAX.cast_unsigned())?;
    (u64::to_string(&number) == text).then_some(number)
}

fn hash(line: &str) -> Option<Hash> {
    STANDARD.decode(line).ok()?.try_into().ok()
}

fn hashes<'t>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<Hash>, ProofFault> {
    let read: Option<Vec<_>> = lines.take(MOST + 1).map(hash).collect();
    let fits = read.filter(|hashes| hashes.len() <= MOST);
    fits.ok_or(ProofFault::Malformed("a line of it is no hash"))
}

fn nodes(hashes: &[Hash]) -> Vec<Node> {
    hashes.iter().map(|hash| Node(*hash)).collect()
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::keys::Keyring;
    use crate::proof::Signer;

    const SIZE: u64 = 23;

    /// A log whose events are numbers, kept by another implementation: its proofs are the ones that are checked here.
    struct Theirs(MemoryBackedTree<Sha256, Vec<u8>>, Signer);

    impl Theirs {
        fn of(size: u64, salt: u8) -> Self {
            let mut tree = MemoryBackedTree::new();
            (1..=size).for_each(|position| tree.push(data(position, salt)));
            Self(tree, Signer::of(&Keyring::of_log_signing(&[1])).unwrap())
        }

        fn checkpoint(&self) -> String {
            self.1.checkpoint(self.0.len(), &self.0.root().as_bytes().as_slice().try_into().unwrap())
        }

        fn inclusion(&self, position: u64) -> InclusionProof {
            let hashes = self.0.prove_inclusion(usize::try_from(position).unwrap() - 1);
            let leaf = Sha256::new_with_prefix([0x00]).chain_update(data(position, 0)).finalize().into();
            InclusionProof { position, leaf, hashes: chunks(hashes.as_bytes()), checkpoint: self.checkpoint() }
        }

        fn consistency(&self, from: u64) -> ConsistencyProof {
            let added = usize::try_from(self.0.len() - from).unwrap();
            let hashes = chunks(self.0.prove_consistency(added).as_bytes());
            ConsistencyProof { from, hashes, checkpoint: self.checkpoint() }
        }

        fn keys(&self) -> Vec<VerifyingKey> {
            self.1.keys().cloned().collect()
        }
    }

    fn data(position: u64, salt: u8) -> Vec<u8> {
        [&position.to_be_bytes()[..], &[salt]].concat()
    }

    fn chunks(bytes: &[u8]) -> Vec<Hash> {
        bytes.chunks(32).map(|chunk| chunk.try_into().unwrap()).collect()
    }

    fn included(text: &str) -> InclusionProof {
        let Proof::Inclusion(proof) = text.parse().unwrap() else { panic!("no such proof") };
        proof
    }

    fn consistent(text: &str) -> ConsistencyProof {
        let Proof::Consistency(proof) = text.parse().unwrap() else { panic!("no such proof") };
        proof
    }

    #[test]
    fn proofs_of_another_implementation_hold_and_read_back() {
        for size in 1..=SIZE {
            let theirs = Theirs::of(size, 0);
            for position in 1..=size {
                let proof = theirs.inclusion(position);
                let read = included(&proof.to_string());
                assert_eq!(read, proof);
                assert_eq!(read.check(&theirs.keys()).unwrap().size, size);
            }
            for from in 1..size {
                let proof = theirs.consistency(from);
                let read = consistent(&proof.to_string());
                assert_eq!(read, proof);
                let older = Theirs::of(from, 0).checkpoint();
                assert_eq!(read.check(&older, &theirs.keys()).unwrap().size, size);
            }
        }
    }

    #[test]
    fn what_is_proven_of_one_event_is_proven_of_no_other() {
        let theirs = Theirs::of(SIZE, 0);
        let (proof, keys) = (theirs.inclusion(9), theirs.keys());
        for position in (0..=SIZE + 1).filter(|position| *position != 9) {
            let other = InclusionProof { position, ..proof.clone() };
            assert_eq!(other.check(&keys), Err(ProofFault::NotIncluded), "at {position}");
        }
        let other = InclusionProof { leaf: theirs.inclusion(10).leaf, ..proof.clone() };
        assert_eq!(other.check(&keys), Err(ProofFault::NotIncluded));
        let short = InclusionProof { hashes: proof.hashes[1..].to_vec(), ..proof.clone() };
        assert_eq!(short.check(&keys), Err(ProofFault::NotIncluded));
        let signer = Signer::of(&Keyring::of_log_signing(&[2])).unwrap();
        let strangers: Vec<_> = signer.keys().cloned().collect();
        assert!(matches!(proof.check(&strangers), Err(ProofFault::Note(NoteFault::OtherLog { .. }))));
    }

    #[test]
    fn a_fork_is_told() {
        let (theirs, other) = (Theirs::of(SIZE, 0), Theirs::of(9, 1));
        let (proof, keys) = (theirs.consistency(9), theirs.keys());
        assert!(proof.check(&Theirs::of(9, 0).checkpoint(), &keys).is_ok());
        assert_eq!(proof.check(&other.checkpoint(), &keys), Err(ProofFault::Forked { from: 9, to: SIZE }));
        let elsewhere = Theirs::of(8, 0).checkpoint();
        assert_eq!(proof.check(&elsewhere, &keys), Err(ProofFault::OtherSize { proof: 9, checkpoint: 8 }));
        // Of one size there is one checkpoint.
        let same = ConsistencyProof { from: 9, hashes: Vec::new(), checkpoint: other.checkpoint() };
        assert!(same.check(&other.checkpoint(), &keys).is_ok());
        assert_eq!(same.check(&Theirs::of(9, 0).checkpoint(), &keys), Err(ProofFault::Forked { from: 9, to: 9 }));
        let empty = ConsistencyProof { from: 0, ..proof };
        let of_nothing = theirs.1.checkpoint(0, &[0; 32]);
        assert_eq!(empty.check(&of_nothing, &keys), Err(ProofFault::Forked { from: 0, to: SIZE }));
    }

    #[test]
    fn every_byte_of_a_proof_counts() {
        let theirs = Theirs::of(SIZE, 0);
        let (keys, older) = (theirs.keys(), Theirs::of(9, 0).checkpoint());
        for text in [theirs.inclusion(9).to_string(), theirs.consistency(9).to_string()] {
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let Ok(altered) = String::from_utf8(bytes) else { continue };
                let checked = altered.parse().and_then(|proof| match proof {
                    Proof::Inclusion(proof) => proof.check(&keys).map(|_| ()),
                    Proof::Consistency(proof) => proof.check(&older, &keys).map(|_| ()),
                });
                assert!(checked.is_err(), "byte {at} of {text}");
            }
        }
    }

    #[test]
    fn what_is_no_proof_is_refused_and_breaks_nothing() {
        let note = Theirs::of(SIZE, 0).checkpoint();
        let far = format!("{INCLUSION}\nextra {}\nindex 18446744073709551615\n\n{note}", STANDARD.encode([0; 32]));
        let many = format!("old 9\n{}\n{note}", format!("{}\n", STANDARD.encode([0; 32])).repeat(65));
        let none = format!("{INCLUSION}\nindex 8\n\n{note}");
        for text in ["", "\n\n", "old x\n\n", "old -1\n\nx", "old 09\n\nx", &note, &far, &many, &none] {
            assert!(matches!(text.parse::<Proof>(), Err(ProofFault::Malformed(_))), "{text:?}");
        }
    }
}
