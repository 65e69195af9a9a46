//! Secrets of the deployment's own, which it has to say again: an identity provider's client secret, a webhook's key.
//!
//! Each is a sealed record under a key that seals nothing else. An event names both ([`Secret`]) and holds neither.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::PersonId;
use chrysalis_domain::value::Secret;

use super::{Keyring, PersonSealer, Record, SealKind};
use crate::entropy::{self, Entropy};
use crate::log::{Log, LogFault, PersonKey, SealedRecord};

/// A secret, sealed; the record and the key are stored with the event that names it.
pub struct SealedSecret {
    pub secret: Secret,
    pub record: SealedRecord,
    pub key: PersonKey,
}

impl SealedSecret {
    pub fn seal(keyring: &Keyring, text: &str, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, LogFault> {
        let owner = PersonId::from_ulid(entropy::ulid(entropy, now));
        let (sealer, key) = PersonSealer::create(keyring, owner, entropy)?;
        let record = sealer.seal(SealKind::Secret, text, entropy, now);
        Ok(Self { secret: Secret { owner, record: record.id }, record, key })
    }
}

/// The secret itself; none once it was destroyed.
pub async fn open_secret(log: &dyn Log, keyring: &Keyring, secret: Secret) -> Result<Option<String>, LogFault> {
    Record::open(log, keyring, SealKind::Secret, secret.record).await
}
