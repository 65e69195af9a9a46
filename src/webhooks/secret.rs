//! What a message is signed with, and how: twice, because its readers don't agree on what the key is.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy::{self, Entropy};

const PREFIX: &str = "whsec_";

/// The secret of one endpoint, shared with whoever reads there: `whsec_` and 64 hexadecimal digits.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<String>);

impl WebhookSecret {
    pub fn create(entropy: &dyn Entropy) -> Self {
        let random = Zeroizing::new(entropy::bytes::<32>(entropy));
        Self(Zeroizing::new(format!("{PREFIX}{}", *hex(random.as_ref()))))
    }

    pub fn from_stored(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of the signature header: `t=<seconds>,v1=<A>,v1=<B>`, each the HMAC-SHA256 of `<seconds>.<body>`. A has the
    /// whole secret as its key, B what stands behind the prefix. The order counts: some readers take the first, some the last.
    pub fn sign(&self, seconds: i64, body: &[u8]) -> String {
        let whole = mac(self.0.as_bytes(), seconds, body);
        let bare = mac(self.0.strip_prefix(PREFIX).unwrap_or(&self.0).as_bytes(), seconds, body);
        format!("t={seconds},v1={whole},v1={bare}")
    }
}

fn mac(key: &[u8], seconds: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length: there is nothing to fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    hex(&mac.finalize().into_bytes()).to_string()
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;

    /// Computed apart: printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac KEY
    #[test]
    fn both_keys_in_the_order_that_readers_rely_on() {
        let secret = WebhookSecret::from_stored(format!("whsec_{}", "00ff".repeat(16)));
        assert_eq!(
            secret.sign(1_800_000_000, br#"{"a":1}"#),
            "t=1800000000,\
             v1=ad4fdb063b6eacad4f53c5dee27024a69cbedc7e59bc36b7219f8249a34e19a1,\
             v1=89fb3b67d73d84eb08eeea76ffe41d67b81e58866de921806fd28564ac7889b3"
        );
    }

    #[test]
    fn a_secret_is_long_enough_and_nobody_elses() {
        let (one, other) = (WebhookSecret::create(&OsEntropy), WebhookSecret::create(&OsEntropy));
        let digits = one.as_str().strip_prefix("whsec_").unwrap();
        assert!(digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digits}");
        assert_ne!(one.as_str(), other.as_str());
    }
}
