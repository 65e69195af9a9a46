//! What a store does about those who were erased, beside the rows that go with the event that erases them: its own files
//! keep nothing of them, and the keys of those who stay are wrapped anew, so that the key that wrapped them all can be
//! destroyed.
//!
//! A person's key stands wrapped in `person_keys`, and copied beside the rows that are read with it (docs/decisions/0002).
//! Both are changed in one transaction.

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_projections::table::Table;
use chrysalis_projections::users::copies_keys;
use chrysalis_projections::{INLINE, Value};

use super::{LogFault, PersonKey};

/// The purpose of the keys that wrap those of persons; their ids are the epochs. Stored, so it is for ever.
pub const EPOCHS: &str = "person-kek";

/// What a store erases beyond what its events say.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Leaves nothing in the store's own files of what went with those who were erased, as far as they are the store's to
    /// write. Servers may run meanwhile.
    async fn leave_no_traces(&self) -> Result<(), LogFault>;

    /// Puts keys in the place of those that stand, also beside the rows of `copied`. Whoever was erased meanwhile stays so,
    /// a key that is not what it was when it was read stays as it is, and who is busy is left for the next time.
    async fn rewrap(&self, copied: Option<Copies>, keys: Vec<Rewrapped>) -> Result<(), LogFault>;

    /// Ends the epochs up to this one: when it is done, no key that was wrapped in one of them is stored any more, by
    /// whichever node.
    async fn retire(&self, upto: u32, at: Timestamp) -> Result<(), LogFault>;

    /// Destroys the keys of the epochs up to this one that are over. Nobody may need them any more.
    async fn destroy(&self, upto: u32) -> Result<(), LogFault>;
}

/// A read model that copies persons' keys, and its column that names the persons.
#[derive(Clone, Copy, Debug)]
pub struct Copies {
    pub table: &'static Table,
    pub person: &'static str,
}

impl Copies {
    pub fn all() -> impl Iterator<Item = Self> {
        INLINE.into_iter().filter_map(|table| copies_keys(table).map(|person| Self { table, person }))
    }

    /// Sets the copies of a row to what stands; its key is to be selected.
    pub(super) fn again(&self) -> String {
        self.again_in(self.table.name)
    }

    /// Sets all copies in a table that is about to take the place of the one there is, and that was made while keys passed
    /// from one epoch to another: whoever wraps them anew knows of the other alone.
    pub(super) fn catch_up_in(&self, name: &str) -> String {
        let stand = format!("SELECT k.id FROM keys k WHERE k.purpose = '{EPOCHS}' AND k.retired_at IS NULL");
        format!("{} WHERE {name}.person_key_epoch NOT IN ({stand})", self.again_in(name))
    }

    fn again_in(&self, name: &str) -> String {
        let stands =
            |column| format!("(SELECT k.{column} FROM person_keys k WHERE k.person_id = {name}.{})", self.person);
        format!("UPDATE {name} SET person_key_epoch = {}, person_key = {}", stands("epoch"), stands("wrapped"))
    }
}

/// Asks which epochs there are, the oldest first. As long as it is one, and the same one, no key is wrapped anew.
pub(super) fn which_epochs() -> String {
    format!("SELECT id FROM keys WHERE purpose = '{EPOCHS}' ORDER BY id")
}

/// A key on its way into another epoch.
#[derive(Clone, Debug)]
pub struct Rewrapped {
    /// The key of the row that copies it; nothing where none is meant.
    pub row: Vec<Value>,
    /// As it was wrapped when it was read.
    pub before: Vec<u8>,
    pub key: PersonKey,
}
