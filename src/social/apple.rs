//! Apple's clients have no secret: they sign a short statement of who they are (Apple, "Creating a client secret").

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// Who the statement is for.
const AUDIENCE: &str = "https://appleid.apple.com";
/// Seconds that a statement stands: it is used at once.
const LIFE: i64 = 300;

/// The key that Apple gave a team, and its name.
#[derive(Clone)]
pub struct SigningKey {
    team: String,
    id: String,
    pkcs8: std::sync::Arc<Vec<u8>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("team", &self.team).field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a `.p8` file: PKCS #8 in PEM, a key on P-256.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(path: &Path, team: String, id: String) -> Result<Self, String> {
        let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|error| error.to_string())?;
        let pkcs8 = key.secret_pkcs8_der().to_vec();
        pair(&pkcs8).map_err(|error| error.to_string())?;
        Ok(Self { team, id, pkcs8: std::sync::Arc::new(pkcs8) })
    }

    /// A client secret that stands for five minutes: a JWT signed with ES256.
    pub fn client_secret(&self, client_id: &str, now: Timestamp) -> Option<String> {
        let seconds = now.as_millis() / 1000;
        let header = serde_json::json!({ "alg": "ES256", "kid": self.id });
        let claims = serde_json::json!({
            "iss": self.team,
            "iat": seconds,
            "exp": seconds + LIFE,
            "aud": AUDIENCE,
            "sub": client_id,
        });
        let encode = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = pair(&self.pkcs8).ok()?.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair, ring::error::KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, UnparsedPublicKey};
    use std::io::Write;

    #[test]
    fn the_secret_is_a_statement_signed_with_the_key() {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let body = base64::engine::general_purpose::STANDARD.encode(document.as_ref());
        write!(file, "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").unwrap();
        let key = SigningKey::read(file.path(), "TEAM".to_owned(), "KEY".to_owned()).unwrap();
        let secret = key.client_secret("app.example", Timestamp::from_millis(1_800_000_000_000)).unwrap();
        let (signed, signature) = secret.rsplit_once('.').unwrap();
        let public = pair(document.as_ref()).unwrap().public_key().as_ref().to_vec();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["sub"], "app.example");
        assert_eq!(claims["iss"], "TEAM");
        assert_eq!(claims["exp"], 1_800_000_300);
    }

    #[test]
    fn a_file_that_is_no_key_is_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"nothing of the kind").unwrap();
        assert!(SigningKey::read(file.path(), "T".to_owned(), "K".to_owned()).is_err());
        assert!(SigningKey::read(Path::new("/nonexistent"), "T".to_owned(), "K".to_owned()).is_err());
    }
}
