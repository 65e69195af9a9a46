//! The one door to randomness.

use chrysalis_domain::Timestamp;
use ulid::Ulid;

/// A source of unpredictable bytes. Everything secret or unique that Chrysalis makes starts here.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[allow(clippy::disallowed_methods, clippy::expect_used, reason = "this is the door")]
    fn fill(&self, bytes: &mut [u8]) {
        // A process that can't draw randomness can't do anything safely; there is no answer to give but to stop.
        getrandom::fill(bytes).expect("the operating system's random generator must answer");
    }
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
