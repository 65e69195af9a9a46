//! Session tokens.

use chrysalis_domain::Timestamp;
use chrysalis_domain::user::command::NewToken;
use chrysalis_domain::value::{Locator, TokenHash};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Key, Keyring, Purpose};
use crate::entropy::{self, Entropy};

/// A session token: 32 letters and digits, 10 of time-ordered locator and 22 random (131 bits, SECURITY S7).
///
/// The locator is what sessions are found by; tokens made one after another are neighbours in the index. The whole is
/// then compared by its SHA-256.
#[derive(Clone)]
pub struct SessionToken(Zeroizing<String>);

pub(super) const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_LEN: usize = 22;

impl SessionToken {
    pub const LEN: usize = Locator::LEN + SECRET_LEN;

    pub fn create(entropy: &dyn Entropy, now: Timestamp) -> Self {
        Self::from_parts(&locator(entropy, now), &|block| {
            let _ = block;
            entropy::bytes::<32>(entropy)
        })
    }

    /// The token that belongs to an idempotency key: made again from a server key, the salt in the key's row and the
    /// key itself, so that nothing from which it could be read is stored.
    pub fn derive(keyring: &Keyring, key_id: u32, locator: &str, salt: &[u8], idempotency_key: &str) -> Option<Self> {
        let key = keyring.by_id(Purpose::ReplayToken, key_id)?;
        Some(Self::from_parts(locator, &|block| derived(key, salt, idempotency_key, block)))
    }

    /// A token's locator alone, for [`Self::derive`].
    pub fn locator(entropy: &dyn Entropy, now: Timestamp) -> String {
        locator(entropy, now)
    }

    /// Draws 22 unbiased characters from blocks of 32 bytes.
    fn from_parts(locator: &str, block: &dyn Fn(u32) -> [u8; 32]) -> Self {
        let mut token = Zeroizing::new(String::with_capacity(Self::LEN));
        token.push_str(locator);
        for index in 0.. {
            let bytes = Zeroizing::new(block(index));
            for byte in bytes.iter().filter(|byte| **byte < 248) {
                if token.len() == Self::LEN {
                    return Self(token);
                }
                token.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
        Self(token)
    }

    /// `None` unless the text has the shape of a token.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = text.len() == Self::LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        shaped.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn locator_str(&self) -> &str {
        &self.0[..Locator::LEN]
    }

    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// What an event may say of it.
    pub fn public(&self) -> Option<NewToken> {
        Some(NewToken { locator: Locator::parse(self.locator_str())?, hash: self.hash() })
    }
}

/// Ten characters: milliseconds, then random bits below them. 62^10 is just short of 2^60: 43 bits of time (until the
/// year 2248) and 16 of chance. Two tokens of one millisecond may share a locator: it finds candidates, the hash decides.
fn locator(entropy: &dyn Entropy, now: Timestamp) -> String {
    let chance = u64::from(u16::from_be_bytes(entropy::bytes(entropy)));
    let millis = u64::try_from(now.as_millis()).unwrap_or(0) & ((1 << 43) - 1);
    let mut number = (millis << 16) | chance;
    let mut out = [b'0'; Locator::LEN];
    for digit in out.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    out.iter().copied().map(char::from).collect()
}

fn derived(key: &Key, salt: &[u8], idempotency_key: &str, block: u32) -> [u8; 32] {
    super::lookup::mac(key, "session-token", &[salt, idempotency_key.as_bytes(), &block.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;

    #[test]
    fn a_token_has_its_shape_and_its_neighbours_sort_by_time() {
        let early = SessionToken::create(&OsEntropy, Timestamp::from_millis(1_800_000_000_000));
        let late = SessionToken::create(&OsEntropy, Timestamp::from_millis(1_800_000_000_001));
        assert_eq!(early.as_str().len(), 32);
        assert!(SessionToken::parse(early.as_str()).is_some());
        assert!(early.locator_str() < late.locator_str());
        assert_ne!(early.hash(), late.hash());
        assert!(SessionToken::parse("short").is_none());
        assert!(SessionToken::parse(&"_".repeat(32)).is_none());
    }
}
