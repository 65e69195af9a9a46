//! What a counter is filed under.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};

/// Who is being counted, as a keyed hash: no address and no e-mail stays in memory, and nobody outside can find two
/// callers that share a counter. Two of a hundred thousand callers collide with a probability of 3 in 10^10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    pub(super) fn shard(self, shards: usize) -> usize {
        // The low bits choose the place inside the shard's table.
        (self.0 >> 32) as usize % shards
    }
}

/// The secret of this process that makes [`Key`]s unpredictable.
#[derive(Clone, Copy)]
pub struct Seed([u8; 16]);

impl Seed {
    /// `bytes` must be random.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key of `subject`. SipHash whose state has taken in the secret before anything else; the standard library offers
    /// no other way to key it.
    pub fn key(&self, subject: impl Hash) -> Key {
        let mut state = DefaultHasher::new();
        state.write(&self.0);
        subject.hash(&mut state);
        Key(state.finish())
    }
}

/// A [`Key`] is hashed already.
#[derive(Clone, Copy, Default)]
pub(super) struct AsIs(u64);

impl BuildHasher for AsIs {
    type Hasher = AsIs;
    fn build_hasher(&self) -> AsIs {
        AsIs(0)
    }
}

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is called for a `Key`; this keeps the contract for anything else.
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
