//! Epochs: the keys that wrap those of persons, one after another. A node learns of a new one while it runs; whatever an
//! epoch wrapped is gone when its key is destroyed, wherever a copy of it may lie.

use std::sync::{PoisonError, RwLock, Weak};
use std::time::Duration;

use chrysalis_domain::{Span, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::{Key, Keyring, Purpose, Wrapper};
use crate::clock::Clock;
use crate::log::{Log, LogFault, Store};

/// How old an epoch is before anything is made in it: until then another node may not know it yet.
pub const KNOWN_AFTER: Span = Span::from_secs(30);
/// How often to look whether there is a new one.
const LOOK: Duration = Duration::from_secs(1);

/// Those that stand, as this node knows.
#[derive(Default)]
pub(super) struct Epochs(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Oldest first.
    all: Vec<Epoch>,
    /// In which persons' keys are made.
    current: Option<u32>,
}

#[derive(Clone)]
pub(super) struct Epoch {
    pub(super) key: Key,
    pub(super) created_at: Timestamp,
    pub(super) retired: bool,
}

impl Epochs {
    pub(super) fn of(all: Vec<Epoch>, now: Timestamp) -> Self {
        let epochs = Self::default();
        epochs.set(all, now);
        epochs
    }

    fn set(&self, all: Vec<Epoch>, now: Timestamp) {
        let mut good = all.iter().filter(|epoch| !epoch.retired);
        let known = |epoch: &&Epoch| epoch.created_at + KNOWN_AFTER <= now;
        let current = good.clone().rfind(known).or_else(|| good.next()).map(|epoch| epoch.key.id);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Known { all, current };
    }

    fn find(&self, id: u32) -> Option<Epoch> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.all.iter().find(|epoch| epoch.key.id == id).cloned()
    }

    fn newest(&self) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all.last().map(|epoch| epoch.key.id)
    }

    fn current(&self) -> Option<Epoch> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner).current;
        self.find(current?)
    }
}

impl Keyring {
    /// The epoch in which persons' keys are made.
    pub(super) fn epoch(&self) -> Result<Key, LogFault> {
        self.epochs.current().map(|epoch| epoch.key).ok_or_else(|| LogFault::Bug("no key encryption key".to_owned()))
    }

    /// The key of an epoch; none where it was destroyed.
    ///
    /// # Errors
    /// [`LogFault::Unavailable`] for the moment in which another node knows of an epoch and this one does not.
    pub(super) fn epoch_of(&self, id: u32) -> Result<Option<Key>, LogFault> {
        match self.epochs.find(id) {
            Some(epoch) => Ok(Some(epoch.key)),
            None if self.epochs.newest().is_none_or(|newest| newest < id) => {
                Err(LogFault::Unavailable(format!("epoch {id} of persons' keys is not known here yet")))
            }
            None => Ok(None),
        }
    }

    /// Looks which epochs stand now.
    pub async fn learn(&self, log: &dyn Log, secret: &[u8], now: Timestamp) -> Result<(), LogFault> {
        let wrapper = Wrapper::new(secret);
        let rows = log.keys().await?.into_iter().filter(|row| row.purpose == Purpose::PersonKek.name());
        let epoch = |row: crate::log::StoredKey| {
            let opened = (row.root == wrapper.root()).then(|| wrapper.unwrap(&row.purpose, row.id, &row.wrapped));
            // Whoever changes the root secret wraps it anew before the others know that one.
            let secret = opened.flatten().or_else(|| self.epochs.find(row.id).map(|known| known.key.secret))?;
            let key = Key { id: row.id, secret };
            Some(Epoch { key, created_at: row.created_at, retired: row.retired_at.is_some() })
        };
        self.epochs.set(rows.filter_map(epoch).collect(), now);
        Ok(())
    }
}

/// Learns of new epochs for as long as somebody has the keyring.
pub(crate) async fn keep_learning(
    keyring: Weak<Keyring>,
    store: Weak<dyn Store>,
    secret: SecretString,
    clock: std::sync::Arc<dyn Clock>,
) {
    loop {
        tokio::time::sleep(LOOK).await;
        let (Some(keyring), Some(store)) = (keyring.upgrade(), store.upgrade()) else { return };
        if let Err(fault) = keyring.learn(store.as_ref(), secret.expose_secret().as_bytes(), clock.now()).await {
            tracing::debug!(%fault, "whether there is a new epoch of persons' keys is not known for the moment");
        }
    }
}
