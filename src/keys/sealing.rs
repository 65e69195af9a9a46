//! Personal data: sealed under one key for each person, so that erasing the key erases the person.
//!
//! A sealed record holds one value. Its ciphertext is bound to the person, the record's id and the kind of value, so
//! that no record can be passed off as another.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::KeyInit;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{PersonId, SealedId};
use chrysalis_projections::table::Sealed;
use chrysalis_projections::users::WrappedKey;
use zeroize::Zeroizing;

use super::{Key, Keyring, wrap};
use crate::entropy::{self, Entropy};
use crate::log::{LogFault, PersonKey, SealedRecord};

/// What a sealed record holds. The name is stored, so it is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealKind {
    Email,
    Name,
    Image,
    Metadata,
    /// What the app decides about a user.
    AppMetadata,
    BanReason,
    /// Why no clean-up takes a guest.
    HoldReason,
    /// Network address and user agent of a session.
    Client,
    Referrer,
    CallbackUrl,
    /// What else was said when a challenge was asked for, and from where.
    Details,
    PasswordHash,
    /// Issuer and subject of a social identity.
    Subject,
    /// Nobody's: the deployment's own.
    Secret,
    /// What an organization is found by.
    Slug,
    /// That which a job is about, as a keyed hash.
    Network,
}

impl SealKind {
    pub const ALL: [SealKind; 16] = [
        SealKind::Email,
        SealKind::Name,
        SealKind::Image,
        SealKind::Metadata,
        SealKind::AppMetadata,
        SealKind::BanReason,
        SealKind::HoldReason,
        SealKind::Client,
        SealKind::Referrer,
        SealKind::CallbackUrl,
        SealKind::Details,
        SealKind::PasswordHash,
        SealKind::Subject,
        SealKind::Secret,
        SealKind::Slug,
        SealKind::Network,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            SealKind::Email => "email",
            SealKind::Name => "name",
            SealKind::Image => "image",
            SealKind::Metadata => "metadata",
            SealKind::AppMetadata => "app_metadata",
            SealKind::BanReason => "ban_reason",
            SealKind::HoldReason => "hold_reason",
            SealKind::Client => "client",
            SealKind::Referrer => "referrer",
            SealKind::CallbackUrl => "callback_url",
            SealKind::Details => "details",
            SealKind::PasswordHash => "password_hash",
            SealKind::Subject => "subject",
            SealKind::Secret => "secret",
            SealKind::Slug => "slug",
            SealKind::Network => "network",
        }
    }
}

fn wrap_in(epoch: &Key, person: PersonId, secret: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let outer = Aes256Gcm::new((&*epoch.secret).into());
    wrap::encrypt(&outer, secret, person.to_string().as_bytes(), entropy)
}

fn unwrap(keyring: &Keyring, person: PersonId, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, LogFault> {
    let Some(epoch) = keyring.epoch_of(key.epoch)? else { return Ok(None) };
    let outer = Aes256Gcm::new((&*epoch.secret).into());
    Ok(wrap::decrypt(&outer, &key.wrapped, person.to_string().as_bytes()).map(Zeroizing::new))
}

/// Seals and opens the records of one person.
pub struct PersonSealer {
    person: PersonId,
    cipher: Aes256Gcm,
}

/// What became of a sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Value(String),
    /// The person was erased: nothing is left to read, and that is no error.
    Erased,
}

impl Opened {
    pub fn value(self) -> Option<String> {
        match self {
            Opened::Value(value) => Some(value),
            Opened::Erased => None,
        }
    }
}

impl PersonSealer {
    /// A key for a new person; store it with the person's first event.
    ///
    /// Person keys are wrapped with random 96-bit nonces: one epoch serves at most 2^32 persons (NIST SP 800-38D, 8.3).
    pub fn create(keyring: &Keyring, person: PersonId, entropy: &dyn Entropy) -> Result<(Self, PersonKey), LogFault> {
        let kek = keyring.epoch()?;
        let secret = Zeroizing::new(entropy::bytes::<32>(entropy));
        let wrapped = wrap_in(&kek, person, &*secret, entropy);
        let sealer = Self { person, cipher: Aes256Gcm::new((&*secret).into()) };
        Ok((sealer, PersonKey { person, epoch: kek.id, wrapped }))
    }

    /// The key of a person as it stands; none where there is none any more, or the epoch that wrapped it was destroyed.
    ///
    /// # Errors
    /// [`LogFault::Unavailable`] for the moment in which the epoch is not known here yet.
    pub fn open<'k>(
        keyring: &Keyring,
        person: PersonId,
        key: impl Into<Option<&'k WrappedKey>>,
    ) -> Result<Option<Self>, LogFault> {
        let Some(key) = key.into() else { return Ok(None) };
        let opened = unwrap(keyring, person, key)?;
        let cipher = opened.and_then(|secret| Aes256Gcm::new_from_slice(&secret).ok());
        Ok(cipher.map(|cipher| Self { person, cipher }))
    }

    /// The same key, wrapped in another epoch; none where it does not open.
    pub(super) fn wrap_anew(
        keyring: &Keyring,
        person: PersonId,
        key: &WrappedKey,
        epoch: u32,
        entropy: &dyn Entropy,
    ) -> Result<Option<PersonKey>, LogFault> {
        let (opened, kek) = (unwrap(keyring, person, key)?, keyring.epoch_of(epoch)?);
        Ok(opened.zip(kek).map(|(secret, kek)| PersonKey {
            person,
            epoch,
            wrapped: wrap_in(&kek, person, &secret, entropy),
        }))
    }

    /// Whose records these are.
    pub fn person(&self) -> PersonId {
        self.person
    }

    pub fn seal(&self, kind: SealKind, value: &str, entropy: &dyn Entropy, now: Timestamp) -> SealedRecord {
        let id = SealedId::from_ulid(entropy::ulid(entropy, now));
        let ciphertext =
            wrap::encrypt(&self.cipher, value.as_bytes(), self.bound_to(id, kind.name()).as_bytes(), entropy);
        SealedRecord { id, person: self.person, kind: kind.name(), salt: entropy::bytes(entropy), ciphertext }
    }

    /// Opens a record of the kind that is expected where it stands.
    ///
    /// # Errors
    /// [`LogFault::Damaged`] when a record that is there does not open: it was altered, or is of another kind.
    pub fn read(&self, kind: SealKind, sealed: &Sealed) -> Result<Opened, LogFault> {
        let Some(ciphertext) = &sealed.ciphertext else { return Ok(Opened::Erased) };
        let opened = wrap::decrypt(&self.cipher, ciphertext, self.bound_to(sealed.id, kind.name()).as_bytes());
        let text = opened.and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Opened::Value).ok_or_else(|| LogFault::Damaged(format!("sealed record {} does not open", sealed.id)))
    }

    /// What is shown among much else. Of a record that does not open that is nothing, and the operator is told which it is:
    /// one that was altered takes nobody's view of the others.
    pub fn shown(&self, kind: SealKind, sealed: &Sealed) -> Option<String> {
        match self.read(kind, sealed) {
            Ok(opened) => opened.value(),
            Err(fault) => {
                tracing::error!(%fault, "a sealed record was altered, and is shown as empty; run `chrysalis verify`");
                None
            }
        }
    }

    fn bound_to(&self, id: SealedId, kind: &str) -> String {
        format!("{}/{id}/{kind}", self.person)
    }
}
