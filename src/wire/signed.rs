//! Values that a client carries for us and can't change: `<value>.<signature>`.
//!
//! The signature is base64(HMAC-SHA256(key, value)) in the standard alphabet with padding, 44 characters (RFC 2104,
//! RFC 4648). In a cookie the whole is percent-encoded besides; in `set-auth-token` and `Authorization` it need not be.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Characters of a signature in base64.
const SIGNATURE_CHARS: usize = 44;
/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// A secret that signs. Holds the keyed hash state, so that a signature costs two compressions and not four.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// A signing secret must have at least 32 bytes: less is weaker than the hash (RFC 2104, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret needs at least 32 bytes")]
pub struct KeyTooShort;

impl SigningKey {
    pub fn new(secret: &[u8]) -> Result<Self, KeyTooShort> {
        if secret.len() < SIGNATURE_BYTES {
            return Err(KeyTooShort);
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| KeyTooShort)
    }

    fn mac(&self, value: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(value.as_bytes());
        mac
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Signs with the current key; verifies with that one and those before it, so that a key can be replaced without signing
/// everybody out.
#[derive(Clone, Debug)]
pub struct Signer {
    current: SigningKey,
    older: Vec<SigningKey>,
}

impl Signer {
    pub fn new(current: SigningKey, older: Vec<SigningKey>) -> Self {
        Self { current, older }
    }

    /// `<value>.<signature>`.
    pub fn sign(&self, value: &str) -> String {
        let signature = self.current.mac(value).finalize().into_bytes();
        let mut signed = String::with_capacity(value.len() + 1 + SIGNATURE_CHARS);
        signed.push_str(value);
        signed.push('.');
        STANDARD.encode_string(signature, &mut signed);
        signed
    }

    /// The value, split off at the last dot, if any key signed it. Compared in constant time.
    pub fn verify<'v>(&self, signed: &'v str) -> Option<&'v str> {
        let (value, signature) = signed.rsplit_once('.')?;
        if signature.len() != SIGNATURE_CHARS {
            return None;
        }
        // One byte more than a signature has, as the decoder asks for room by the length of its input.
        let mut bytes = [0; SIGNATURE_BYTES + 1];
        let len = STANDARD.decode_slice(signature, &mut bytes).ok()?;
        let bytes = bytes.get(..len)?;
        std::iter::once(&self.current)
            .chain(&self.older)
            .any(|key| key.mac(value).verify_slice(bytes).is_ok())
            .then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: u8) -> SigningKey {
        SigningKey::new(&[fill; 32]).unwrap()
    }

    #[test]
    fn signs_as_the_stock_server_does() {
        // Computed apart: printf session-value | openssl dgst -sha256 -hmac better-auth-secret-123456789012345 -binary | base64
        let signer = Signer::new(SigningKey::new(b"better-auth-secret-123456789012345").unwrap(), vec![]);
        assert_eq!(signer.sign("session-value"), "session-value.wqH8CFp51OK6rx5L2OKxRqeRvlpn8HurYyE3fgfpD7U=");
    }

    #[test]
    fn verifies_what_any_key_signed() {
        let (old, new) = (Signer::new(key(1), vec![]), Signer::new(key(2), vec![key(1)]));
        for value in ["token", "", "a.b.c", "ä€"] {
            assert_eq!(new.verify(&old.sign(value)), Some(value));
            assert_eq!(new.verify(&new.sign(value)), Some(value));
            assert_eq!(old.verify(&new.sign(value)), None);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let signer = Signer::new(key(1), vec![]);
        let good = signer.sign("token");
        let signature = &good["token.".len()..];
        for bad in [
            String::new(),
            "token".into(),
            "token.".into(),
            format!("Token.{signature}"),
            format!("token.{}", signature.trim_end_matches('=')),
            format!("token.{signature}="),
            format!("token.{}", signature.replace('=', "A")),
            format!("token {signature}"),
            format!("token.{signature}.{signature}"),
            format!("token.{}", "A".repeat(43) + "="),
            format!("token.{}", "é".repeat(22)),
        ] {
            assert_eq!(signer.verify(&bad), None, "{bad}");
        }
    }

    #[test]
    fn short_secrets_are_refused_and_none_is_shown() {
        assert_eq!(SigningKey::new(&[7; 31]).unwrap_err(), KeyTooShort);
        assert_eq!(format!("{:?}", key(7)), "SigningKey(…)");
    }
}
