//! The one door to randomness.

use std::cell::RefCell;

use chrysalis_domain::Timestamp;
use ulid::Ulid;
use zeroize::{Zeroize, Zeroizing};

/// A source of unpredictable bytes. Everything secret or unique that Chrysalis makes starts here.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator, asked for a block at a time: a guest takes some 200 bytes in a dozen pieces, and a
/// system call for each piece would cost more than everything made of them. Each byte is handed out once and then wiped.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

const BLOCK: usize = 1024;

/// Random bytes of one thread that nobody has seen yet: those from `next` on.
struct Block {
    bytes: Zeroizing<[u8; BLOCK]>,
    next: usize,
}

thread_local! {
    static FRESH: RefCell<Block> = RefCell::new(Block { bytes: Zeroizing::new([0; BLOCK]), next: BLOCK });
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > BLOCK {
            return ask(bytes);
        }
        FRESH.with_borrow_mut(|block| {
            if block.next + bytes.len() > BLOCK {
                ask(block.bytes.as_mut());
                block.next = 0;
            }
            let end = block.next + bytes.len();
            let piece = &mut block.bytes[block.next..end];
            bytes.copy_from_slice(piece);
            piece.zeroize();
            block.next = end;
        });
    }
}

#[allow(clippy::disallowed_methods, clippy::expect_used, reason = "this is the door")]
fn ask(bytes: &mut [u8]) {
    // A process that can't draw randomness can't do anything safely; there is no answer to give but to stop.
    getrandom::fill(bytes).expect("the operating system's random generator must answer");
}

/// `N` fresh bytes.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

/// A fresh ULID: its first 48 bits are `now`, so that ids made one after another are neighbours in every index.
pub fn ulid(entropy: &dyn Entropy, now: Timestamp) -> Ulid {
    let random = u128::from_be_bytes(bytes::<16>(entropy));
    Ulid::from_parts(u64::try_from(now.as_millis()).unwrap_or(0), random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_given_twice() {
        let drawn: std::collections::HashSet<[u8; 16]> = (0..10_000).map(|_| bytes::<16>(&OsEntropy)).collect();
        assert_eq!(drawn.len(), 10_000);
        let mut long = vec![0; 3 * BLOCK];
        OsEntropy.fill(&mut long);
        assert!(long.chunks(16).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }
}
