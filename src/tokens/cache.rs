//! Signatures that were made a moment ago, by session: what costs, without the text, which is quick to make again. Bounded:
//! two generations, and the older goes when the younger is full.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::SessionId;

/// Signatures of one generation, of some 130 bytes each: the two take 34 MB at the most.
const GENERATION: usize = 131_072;

#[derive(Default)]
pub(super) struct Cache {
    generations: Mutex<Generations>,
    hasher: RandomState,
}

#[derive(Default)]
struct Generations {
    young: HashMap<SessionId, Kept>,
    old: HashMap<SessionId, Kept>,
}

#[derive(Clone, Copy)]
struct Kept {
    /// Of all that was signed.
    hash: u64,
    signature: [u8; 64],
    iat: Timestamp,
    until: Timestamp,
}

impl Cache {
    /// When the session's last token was issued, if it is still to be given.
    pub(super) fn issued(&self, session: SessionId, now: Timestamp) -> Option<Timestamp> {
        self.kept(session).filter(|kept| now < kept.until && kept.iat <= now).map(|kept| kept.iat)
    }

    /// The signature of exactly this text.
    pub(super) fn signature(&self, session: SessionId, signed: &str) -> Option<[u8; 64]> {
        self.kept(session).filter(|kept| kept.hash == self.hasher.hash_one(signed)).map(|kept| kept.signature)
    }

    pub(super) fn put(&self, session: SessionId, signed: &str, signature: [u8; 64], iat: Timestamp, until: Timestamp) {
        let kept = Kept { hash: self.hasher.hash_one(signed), signature, iat, until };
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(session, kept);
    }

    fn kept(&self, session: SessionId) -> Option<Kept> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.get(&session).or_else(|| generations.old.get(&session)).copied()
    }
}
