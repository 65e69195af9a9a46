//! Claims from what was sealed: how a rebuild, which has only the log and the sealed records, finds out again who holds
//! which address.
//!
//! Everything is hashed under the current look-up key: after that key was rotated, a rebuild moves every claim to it.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::organization::Slug;
use chrysalis_projections::table::Sealed;
use chrysalis_projections::users::WrappedKey;
use chrysalis_projections::{ClaimKey, ClaimKind};

use super::{Keyring, PersonSealer, SealKind};
use crate::log::refold::{ClaimReader, SealedRow};

/// Reads claims with the keys of a keyring.
pub struct KeyringClaims<'a>(pub &'a Keyring);

impl ClaimReader for KeyringClaims<'_> {
    /// `None` when the record does not open or holds no address: a comparison with the live table says so, and a rebuild
    /// does not take place while somebody holds what it named.
    fn claim_key(&self, kind: ClaimKind, sealed: &SealedRow) -> Option<ClaimKey> {
        let key = WrappedKey { epoch: sealed.epoch, wrapped: sealed.wrapped.clone() };
        // What refolds learns of new epochs before anybody's key is wrapped in one (`src/open.rs`).
        let sealer = PersonSealer::open(self.0, sealed.person.parse().ok()?, &key).ok()??;
        let record = Sealed { id: sealed.id, ciphertext: Some(sealed.ciphertext.clone()) };
        let text = |kind| sealer.read(kind, &record).ok()?.value();
        match kind {
            ClaimKind::Email => Some(self.0.email_claim(&EmailAddress::parse(&text(SealKind::Email)?).ok()?)),
            ClaimKind::Identity => Some(self.0.identity_claim(&text(SealKind::Subject)?)),
            ClaimKind::Slug => Some(self.0.slug_claim(&Slug::from_stored(text(SealKind::Slug)?))),
        }
    }
}
