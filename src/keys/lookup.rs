//! Keyed hashes: an address can be looked up by whoever has the key, and guessed by nobody who has only the tables.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::organization::Slug;
use chrysalis_projections::{ClaimKey, ClaimKind};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Key, Keyring, Purpose};

/// HMAC-SHA256 under a look-up key, with the id of that key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupHash {
    pub key_id: u32,
    pub hash: [u8; 32],
}

impl Keyring {
    /// The hash of something, in a domain of its own (`purpose` keeps the hash of an address in one table apart from
    /// the same address in another).
    pub fn lookup(&self, purpose: &str, parts: &[&[u8]]) -> LookupHash {
        self.current(Purpose::Lookup)
            .map(|key| lookup(key, purpose, parts))
            .unwrap_or(LookupHash { key_id: 0, hash: [0; 32] })
    }

    /// The claim on an address.
    pub fn email_claim(&self, email: &EmailAddress) -> ClaimKey {
        self.claim(ClaimKind::Email, "claim/email", email.as_str(), EmailAddress::NORMALISATION)
    }

    /// The claim on a social identity: the text that holds issuer and subject, as it is sealed.
    pub fn identity_claim(&self, subject: &str) -> ClaimKey {
        self.claim(ClaimKind::Identity, "claim/identity", subject, SUBJECT_NORMALISATION)
    }

    /// The claim on a slug.
    pub fn slug_claim(&self, slug: &Slug) -> ClaimKey {
        self.claim(ClaimKind::Slug, "claim/slug", &slug.normal(), Slug::NORMALISATION)
    }

    fn claim(&self, kind: ClaimKind, purpose: &str, what: &str, normalisation: u16) -> ClaimKey {
        let mut hashes = self.all(Purpose::Lookup).iter().rev().map(|key| lookup(key, purpose, &[what.as_bytes()]));
        let LookupHash { key_id, hash } = hashes.next().unwrap_or(LookupHash { key_id: 0, hash: [0; 32] });
        ClaimKey {
            kind,
            hash: hash.to_vec(),
            key_id,
            normalisation,
            former: hashes.map(|former| (former.key_id, former.hash.to_vec())).collect(),
        }
    }
}

/// Names the form in which issuer and subject are hashed: as they are sealed, unchanged.
const SUBJECT_NORMALISATION: u16 = 1;

fn lookup(key: &Key, purpose: &str, parts: &[&[u8]]) -> LookupHash {
    LookupHash { key_id: key.id, hash: mac(key, purpose, parts) }
}

/// HMAC-SHA256 over length-prefixed parts: no two lists of parts make the same input.
pub(crate) fn mac(key: &Key, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length: this can't fail, and a hash of nothing would match nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*key.secret) else { return [0; 32] };
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
