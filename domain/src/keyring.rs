//! The keyring, as far as the log tells of it: which keys came, which make nothing any more, which were destroyed. Never the
//! keys themselves.
//!
//! Keys stand beside the log and are changed there. Whoever changed them tells what stands, and the log works out what of it is
//! news: so what was left untold, because somebody broke off, is told by whoever comes next.

#[cfg(test)]
mod scenarios;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decider::decider;
use crate::event::{Names, events};
use crate::id::ProjectId;
use crate::time::Timestamp;

events! {
    KeyringEvent:
    KeyAdded 1,
    KeysRetired 1,
    KeysDestroyed 1,
}

/// There is another key for a purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAdded {
    pub purpose: String,
    pub key: u32,
    /// When it was made.
    pub made_at: Timestamp,
    pub at: Timestamp,
}

/// The keys of a purpose up to this one make nothing new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysRetired {
    pub purpose: String,
    pub upto: u32,
    pub at: Timestamp,
}

/// The keys of a purpose up to this one are gone, and what they wrapped opens no more, wherever a copy of it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysDestroyed {
    pub purpose: String,
    pub upto: u32,
    pub at: Timestamp,
}

impl Names for KeyringEvent {}

/// What the log was told so far, by purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    pub purposes: BTreeMap<String, Told>,
}

/// The newest key that was told of, and up to which of them others were said to be retired and destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub added: u32,
    pub retired: u32,
    pub destroyed: u32,
}

/// A key that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stands {
    pub purpose: String,
    pub key: u32,
    pub made_at: Timestamp,
    pub retired: bool,
    /// It came with the installation: that is no news.
    pub first: bool,
}

#[derive(Clone, Debug)]
pub enum KeyringCommand {
    /// Every key that there is.
    Tell { keys: Vec<Stands> },
}

/// Nothing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringRefusal {}

decider!(Keyring: Keyring(ProjectId), KeyringCommand, KeyringEvent, KeyringRefusal, format 1);

impl Keyring {
    /// What of it is news; nothing at all when all of it was told.
    ///
    /// # Errors
    /// None.
    pub fn decide(&self, command: KeyringCommand, at: Timestamp) -> Result<Vec<KeyringEvent>, KeyringRefusal> {
        let KeyringCommand::Tell { mut keys } = command;
        keys.sort_by(|one, other| (&one.purpose, one.key).cmp(&(&other.purpose, other.key)));
        let mut events = Vec::new();
        for keys in keys.chunk_by(|one, other| one.purpose == other.purpose) {
            let [oldest, ..] = keys else { continue };
            let purpose = &oldest.purpose;
            let told = self.purposes.get(purpose).copied().unwrap_or_default();
            for Stands { key, made_at, .. } in keys.iter().filter(|stands| !stands.first && stands.key > told.added) {
                events.push(KeyAdded { purpose: purpose.clone(), key: *key, made_at: *made_at, at }.into());
            }
            let retired = keys.iter().filter(|stands| stands.retired).map(|stands| stands.key).max();
            if let Some(upto) = retired.filter(|upto| *upto > told.retired) {
                events.push(KeysRetired { purpose: purpose.clone(), upto, at }.into());
            }
            let destroyed = oldest.key.saturating_sub(1);
            if destroyed > told.destroyed {
                events.push(KeysDestroyed { purpose: purpose.clone(), upto: destroyed, at }.into());
            }
        }
        Ok(events)
    }

    pub fn apply(&mut self, event: &KeyringEvent) {
        let (KeyringEvent::KeyAdded(KeyAdded { purpose, .. })
        | KeyringEvent::KeysRetired(KeysRetired { purpose, .. })
        | KeyringEvent::KeysDestroyed(KeysDestroyed { purpose, .. })) = event;
        let told = self.purposes.entry(purpose.clone()).or_default();
        match event {
            KeyringEvent::KeyAdded(e) => told.added = e.key,
            KeyringEvent::KeysRetired(e) => told.retired = e.upto,
            KeyringEvent::KeysDestroyed(e) => told.destroyed = e.upto,
        }
    }
}
