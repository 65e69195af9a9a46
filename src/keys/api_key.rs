//! Secrets of API keys.

use chrysalis_domain::api_key::Secret;
use chrysalis_domain::value::TokenHash;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::token::ALPHABET;
use crate::entropy::{self, Entropy};

/// The secret of an API key: `sk_live_` or `sk_test_` and 32 or more characters, of which four tell keys apart. Shown once;
/// what is kept is its SHA-256.
#[derive(Clone)]
pub struct ApiSecret(Zeroizing<String>);

const PREFIXES: [&str; 2] = ["sk_live_", "sk_test_"];
/// Characters that a person tells keys apart by.
const SHOWN: usize = 4;
/// Random characters: 190 bits, of which 166 are never shown.
const RANDOM: usize = 32;
const LONGEST: usize = 256;

impl ApiSecret {
    pub fn create(entropy: &dyn Entropy, test: bool) -> Self {
        let mut secret = Zeroizing::new(String::with_capacity(PREFIXES[0].len() + RANDOM));
        secret.push_str(PREFIXES[usize::from(test)]);
        let end = secret.len() + RANDOM;
        while secret.len() < end {
            let bytes = Zeroizing::new(entropy::bytes::<64>(entropy));
            // Bytes above the last multiple of 62 would make some characters likelier than others.
            let fair =
                bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
            let missing = end - secret.len();
            secret.extend(fair.take(missing));
        }
        Self(secret)
    }

    /// `None` unless the text has the shape of a key.
    pub fn parse(text: &str) -> Option<Self> {
        let random = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        let plain = random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        ((RANDOM..=LONGEST).contains(&random.len()) && plain).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that proves nothing: prefix and a few characters.
    pub fn start(&self) -> &str {
        &self.0[..PREFIXES[0].len() + SHOWN]
    }

    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// What an event may say of it.
    pub fn public(&self) -> Secret {
        Secret { start: self.start().to_owned(), hash: self.hash() }
    }
}

/// The prefix of a key by its start.
pub fn prefix_of(start: &str) -> &str {
    start.get(..PREFIXES[0].len()).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;

    #[test]
    fn a_secret_has_its_shape_and_its_start_says_little_of_it() {
        let [live, test] = [false, true].map(|test| ApiSecret::create(&OsEntropy, test));
        assert_eq!((live.as_str().len(), &live.as_str()[..8], test.start().len()), (40, "sk_live_", 12));
        assert_eq!(prefix_of(test.start()), "sk_test_");
        assert_eq!(ApiSecret::parse(live.as_str()).unwrap().hash(), live.hash());
        assert_ne!(ApiSecret::create(&OsEntropy, false).hash(), live.hash());
    }

    #[test]
    fn nothing_else_is_one() {
        let random = "0123456789abcdefABCDEF_-01234567";
        assert!(ApiSecret::parse(&format!("sk_live_{random}")).is_some());
        for text in [
            "",
            "sk_live_",
            "sk_live_0123456789",
            random,
            &format!("sk_prod_{random}"),
            &format!("sk_live_{random} "),
            &format!("sk_live_{random}\u{fc}"),
        ] {
            assert!(ApiSecret::parse(text).is_none(), "{text}");
        }
        assert!(ApiSecret::parse(&format!("sk_live_{}", "x".repeat(LONGEST + 1))).is_none());
    }
}
