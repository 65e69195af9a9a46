//! Transfer tickets: what a guest did may move to the account that the same browser signed in to (CONTRACT 2.5).
//!
//! A ticket is made and never stored: both users, the epoch of each, an end, and a MAC that only this installation can
//! make. That it is used once stands in the guest's own stream.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use subtle::ConstantTimeEq;
use ulid::Ulid;

use super::{Key, Keyring, Purpose, lookup};

/// Who may take over what from whom, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub guest: UserId,
    pub guest_epoch: u32,
    pub account: UserId,
    pub account_epoch: u32,
    pub expires_at: Timestamp,
}

const FIELDS: usize = 16 + 4 + 16 + 4 + 8;
const MAC: usize = 32;

impl Ticket {
    /// `None` when there is no key to make it with.
    pub fn write(&self, keyring: &Keyring) -> Option<String> {
        let fields = self.fields();
        let mac = mac(keyring.current(Purpose::MailToken)?, &fields);
        Some(URL_SAFE_NO_PAD.encode([&fields[..], &mac[..]].concat()))
    }

    /// `None` unless this installation made it.
    pub fn read(keyring: &Keyring, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == FIELDS + MAC)?;
        let (fields, given) = bytes.split_at(FIELDS);
        let mut genuine = false;
        for key in keyring.all(Purpose::MailToken) {
            genuine |= bool::from(mac(key, fields).ct_eq(given));
        }
        genuine.then(|| Self::of(fields)).flatten()
    }

    fn fields(&self) -> [u8; FIELDS] {
        let mut fields = [0; FIELDS];
        fields[..16].copy_from_slice(&self.guest.ulid().to_bytes());
        fields[16..20].copy_from_slice(&self.guest_epoch.to_be_bytes());
        fields[20..36].copy_from_slice(&self.account.ulid().to_bytes());
        fields[36..40].copy_from_slice(&self.account_epoch.to_be_bytes());
        fields[40..].copy_from_slice(&self.expires_at.as_millis().to_be_bytes());
        fields
    }

    fn of(fields: &[u8]) -> Option<Self> {
        let user = |bytes: &[u8]| Some(UserId::from_ulid(Ulid::from_bytes(bytes.try_into().ok()?)));
        let epoch = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
        Some(Self {
            guest: user(&fields[..16])?,
            guest_epoch: epoch(&fields[16..20])?,
            account: user(&fields[20..36])?,
            account_epoch: epoch(&fields[36..40])?,
            expires_at: Timestamp::from_millis(i64::from_be_bytes(fields[40..].try_into().ok()?)),
        })
    }
}

fn mac(key: &Key, fields: &[u8]) -> [u8; MAC] {
    lookup::mac(key, "transfer-ticket", &[fields])
}
