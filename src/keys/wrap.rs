//! Keys under keys: AES-256-GCM with a random nonce, the purpose and id as associated data, so that a wrapped key can't
//! be put in another's place.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entropy::{self, Entropy};

/// The root secret at work.
pub(super) struct Wrapper {
    cipher: Aes256Gcm,
    root: String,
}

impl Wrapper {
    pub(super) fn new(secret: &[u8]) -> Self {
        let derive = Hkdf::<Sha256>::new(Some(b"chrysalis keyring v1"), secret);
        let key = Zeroizing::new(expand::<32>(&derive, b"wrap"));
        let name: [u8; 8] = expand(&derive, b"name");
        Self { cipher: Aes256Gcm::new((&*key).into()), root: name.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// Tells one root secret from another, and says nothing else of it.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn wrap(&self, purpose: &str, id: u32, secret: &[u8; 32], entropy: &dyn Entropy) -> Vec<u8> {
        encrypt(&self.cipher, secret, format!("{purpose}/{id}").as_bytes(), entropy)
    }

    pub(super) fn unwrap(&self, purpose: &str, id: u32, wrapped: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let secret = Zeroizing::new(decrypt(&self.cipher, wrapped, format!("{purpose}/{id}").as_bytes())?);
        Some(Zeroizing::new(secret.as_slice().try_into().ok()?))
    }
}

fn expand<const N: usize>(derive: &Hkdf<Sha256>, info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    // Fails only for more than 255 blocks of output.
    let _ = derive.expand(info, &mut out);
    out
}

const NONCE: usize = 12;

/// Nonce and ciphertext, one behind the other.
pub(super) fn encrypt(cipher: &Aes256Gcm, plaintext: &[u8], aad: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let nonce = entropy::bytes::<NONCE>(entropy);
    let payload = Payload { msg: plaintext, aad };
    // Fails only for plaintexts of many gigabytes.
    let mut sealed = cipher.encrypt(&Nonce::from(nonce), payload).unwrap_or_default();
    sealed.splice(..0, nonce);
    sealed
}

/// `None`: another key, other associated data, or damage.
pub(super) fn decrypt(cipher: &Aes256Gcm, sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad }).ok()
}
