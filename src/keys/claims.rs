//! Claims from the log: what was claimed stands in a sealed record, which the keyring opens.

use chrysalis_domain::EmailAddress;
use chrysalis_domain::id::PersonId;
use chrysalis_projections::table::Sealed;
use chrysalis_projections::users::WrappedKey;
use chrysalis_projections::{ClaimKey, ClaimKind};

use super::{Keyring, PersonSealer};
use crate::log::sqlite::refold::{ClaimReader, SealedRow};

/// Reads claims for a refold.
pub struct KeyringClaims<'a>(pub &'a Keyring);

impl ClaimReader for KeyringClaims<'_> {
    fn claim_key(&self, kind: ClaimKind, row: &SealedRow) -> Option<ClaimKey> {
        let person: PersonId = row.person.parse().ok()?;
        let key = WrappedKey { epoch: row.epoch, wrapped: row.wrapped.clone() };
        let sealed = Sealed { id: row.id, content: Some((row.kind.clone(), row.ciphertext.clone())) };
        let text = PersonSealer::open(self.0, person, &key)?.read(&sealed).ok()?.value()?;
        match kind {
            ClaimKind::Email => Some(self.0.email_claim(&EmailAddress::parse(&text).ok()?)),
            ClaimKind::Identity => Some(self.0.identity_claim(&text)),
        }
    }
}
