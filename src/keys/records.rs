//! Sealed records found by their id: for what no row shows beside itself.

use chrysalis_domain::id::{PersonId, SealedId};
use chrysalis_projections::table::{self, Cursor, Question, Sealed};
use chrysalis_projections::users::WrappedKey;

use super::{Keyring, PersonSealer, SealKind};
use crate::log::{Log, LogFault, ask_one};

/// A record that can be opened.
pub struct Record {
    sealed: Sealed,
    /// What seals and opens other records of the same person.
    pub sealer: PersonSealer,
}

struct Row {
    sealed: Sealed,
    person: PersonId,
    key: Option<WrappedKey>,
}

/// `?1` = sealed record id.
static BY_ID: Question<Row> = Question {
    sql: "SELECT s.sealed_id, s.ciphertext, s.person_id, k.epoch, k.wrapped
          FROM sealed s LEFT JOIN person_keys k USING (person_id) WHERE s.sealed_id = ?1",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(Row { sealed: c.sealed()?, person: c.parse()?, key: WrappedKey::read(&mut c) })
    },
};

impl Record {
    /// `None` once the person was erased.
    pub async fn find(log: &dyn Log, keyring: &Keyring, id: SealedId) -> Result<Option<Self>, LogFault> {
        let Some(Row { sealed, person, key }) = ask_one(log, &BY_ID, &[table::id(id)]).await? else { return Ok(None) };
        let sealer = PersonSealer::open(keyring, person, key.as_ref())?;
        Ok(sealer.map(|sealer| Self { sealed, sealer }))
    }

    pub fn read(&self, kind: SealKind) -> Result<Option<String>, LogFault> {
        Ok(self.sealer.read(kind, &self.sealed)?.value())
    }

    /// See [`PersonSealer::shown`].
    pub fn shown(&self, kind: SealKind) -> Option<String> {
        self.sealer.shown(kind, &self.sealed)
    }

    /// Finds and reads in one go.
    pub async fn open(
        log: &dyn Log,
        keyring: &Keyring,
        kind: SealKind,
        id: SealedId,
    ) -> Result<Option<String>, LogFault> {
        match Self::find(log, keyring, id).await? {
            Some(record) => record.read(kind),
            None => Ok(None),
        }
    }
}
