//! Checkpoints that an export is held against.

use super::{Checkpoint, Fault, NoteFault, VerifyingKey, note};

/// A checkpoint, and how it was met.
#[derive(Debug)]
pub struct Held {
    /// Where it comes from.
    pub name: String,
    /// The line on which it stands; 0 where it was given.
    pub line: u64,
    pub checkpoint: Result<Checkpoint, NoteFault>,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The tree never came to its size.
    Unmet,
    /// Every event up to its size is, field by field, what was signed.
    Holds,
    /// What the lines state of themselves is what was signed: the lines that don't give what they state were altered, and
    /// nothing else up to its size.
    AsStated,
    Differs,
}

impl Held {
    /// 0 where it is not to be taken.
    pub fn size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    pub(super) fn is_due(&self, size: u64) -> bool {
        self.verdict == Verdict::Unmet && self.checkpoint.as_ref().is_ok_and(|checkpoint| checkpoint.size == size)
    }

    pub(super) fn meet(&mut self, fields: &[u8; 32], stated: Option<&[u8; 32]>) {
        let Ok(Checkpoint { root, .. }) = &self.checkpoint else { return };
        self.verdict = if root == fields {
            Verdict::Holds
        } else if Some(root) == stated {
            Verdict::AsStated
        } else {
            Verdict::Differs
        };
    }
}

pub(super) fn open(given: &[(String, String)], keys: &[VerifyingKey]) -> Vec<Held> {
    let held = |(name, note): &(String, String)| Held {
        name: format!("in {name}"),
        line: 0,
        checkpoint: note::open(note, keys),
        verdict: Verdict::Unmet,
    };
    given.iter().map(held).collect()
}

/// The one that an export brings along. Without a key nobody can say whose it is.
pub(super) fn in_header(file: usize, note: String, keys: &[VerifyingKey]) -> Option<Held> {
    let name = if file == 0 { "in the header".to_owned() } else { format!("in the header of file {}", file + 1) };
    let held = || Held { name, line: 1, checkpoint: note::open(&note, keys), verdict: Verdict::Unmet };
    (!keys.is_empty()).then(held)
}

/// What is wrong with the checkpoints, or by them. `size`: how many events the tree is over, if it is one.
pub(super) fn faults(all: &[Held], size: Option<u64>, keys: bool) -> Vec<(u64, Fault)> {
    let met = |held: &&Held| matches!(held.verdict, Verdict::Holds | Verdict::AsStated);
    let good = |below: u64| all.iter().filter(met).map(Held::size).filter(|size| *size < below).max().unwrap_or(0);
    let larger = |above: u64| all.iter().filter(met).map(Held::size).filter(|size| *size > above).min();
    let mut faults: Vec<(u64, Fault)> = Vec::new();
    for held in all {
        let (of, size_of) = (held.name.clone(), held.size());
        let fault = match (&held.checkpoint, held.verdict) {
            (Err(fault), _) => Fault::Note { of, fault: fault.clone() },
            (_, Verdict::Holds | Verdict::AsStated) => continue,
            (_, Verdict::Differs) => match larger(size_of) {
                Some(larger) => Fault::Fork { of, size: size_of, larger },
                None => Fault::Unsigned { of, from: good(size_of) + 1, size: size_of },
            },
            (_, Verdict::Unmet) => match size {
                Some(held) if held < size_of => Fault::Short { of, size: size_of, held },
                _ => Fault::Unheld { of, size: size_of },
            },
        };
        faults.push((held.line, fault));
    }
    if keys && all.is_empty() {
        faults.push((0, Fault::NothingSigned));
    }
    faults
}
