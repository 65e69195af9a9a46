//! From one epoch to the next: the keys of all persons there are, wrapped anew, a few at a time, while servers run.
//!
//! Whatever is broken off goes on from what stands: an epoch that was begun is the one to end up in, and a key that is in
//! it already is passed by. Only when a walk found nothing left is the key of the old epoch destroyed.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::PersonId;
use chrysalis_projections::listing::Statement;
use chrysalis_projections::table::Cursor;
use chrysalis_projections::users::WrappedKey;
use chrysalis_projections::{Row, Value};

use super::{Keyring, KeyringError, PersonSealer, Purpose};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::log::erasure::{Copies, Rewrapped};
use crate::log::{LogFault, PersonKey, Store, list};

/// Keys of one step: a moment of the writer's, and others come in between.
const PAGE: usize = 256;

/// A rotation of the epoch, and what it works with.
pub struct Rewrapping<'a> {
    pub store: &'a dyn Store,
    pub keyring: &'a Keyring,
    pub secret: &'a [u8],
    pub entropy: &'a dyn Entropy,
    pub clock: &'a dyn Clock,
}

/// An epoch that persons' keys are to end up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEpoch {
    pub id: u32,
    pub created_at: Timestamp,
    /// An earlier run began it.
    pub begun_before: bool,
}

/// A key as it stands, and the epoch that a row which copies it knows.
struct Stands {
    person: PersonId,
    key: WrappedKey,
    copied: u32,
    row: [String; 2],
}

impl Rewrapping<'_> {
    /// Begins a new epoch, unless one was begun that is not the only one yet.
    pub async fn begin(&self) -> Result<NewEpoch, KeyringError> {
        let standing = self.standing().await?;
        if let (1, Some(only)) = (standing.len(), standing.last()) {
            let now = self.clock.now();
            super::add(self.store, self.secret, Purpose::PersonKek, only.id + 1, self.entropy, now).await?;
            self.keyring.learn(self.store, self.secret, now).await?;
        }
        let newest = self.standing().await?.pop();
        let newest = newest.ok_or_else(|| LogFault::Bug("there is no epoch of persons' keys".to_owned()))?;
        Ok(NewEpoch { begun_before: standing.len() > 1, ..newest })
    }

    async fn standing(&self) -> Result<Vec<NewEpoch>, LogFault> {
        let all = self.store.keys().await?.into_iter().filter(|key| key.purpose == Purpose::PersonKek.name());
        Ok(all.map(|key| NewEpoch { id: key.id, created_at: key.created_at, begun_before: true }).collect())
    }

    /// Ends those before it: nothing is made in them from here on.
    pub async fn end_others(&self, epoch: NewEpoch) -> Result<(), LogFault> {
        self.store.retire(epoch.id.saturating_sub(1), self.clock.now()).await?;
        self.keyring.learn(self.store, self.secret, self.clock.now()).await
    }

    /// Goes through everybody; answers how many keys were not yet wrapped in the epoch, or not yet copied. None: all are.
    pub async fn walk(&self, epoch: NewEpoch, tell: &mut (dyn FnMut(u64) + Send)) -> Result<u64, LogFault> {
        let mut anew = 0;
        // Where they are copied first: who is in several places is changed in one transaction with each.
        for copied in Copies::all().map(Some).chain([None]) {
            let mut behind = [String::new(), String::new()];
            loop {
                let page = list(self.store, page(copied, &behind), read).await?;
                let Some(last) = page.last() else { break };
                behind = last.row.clone();
                let whole = page.len() == PAGE;
                let keys = page.into_iter().filter(|stands| stands.key.epoch != epoch.id || stands.copied != epoch.id);
                let keys = keys.map(|stands| self.anew(epoch, copied, stands)).collect::<Result<Vec<_>, _>>()?;
                if !keys.is_empty() {
                    anew += keys.len() as u64;
                    self.store.rewrap(copied, keys).await?;
                    tell(anew);
                }
                if !whole {
                    break;
                }
            }
        }
        Ok(anew)
    }

    fn anew(&self, epoch: NewEpoch, copied: Option<Copies>, stands: Stands) -> Result<Rewrapped, LogFault> {
        let Stands { person, key, row, .. } = stands;
        let unread = || LogFault::Damaged(format!("the key of {person} does not open: nothing of it is changed"));
        let wrapped = if key.epoch == epoch.id {
            // It stands so elsewhere, too: only the copy is to follow.
            PersonKey { person, epoch: epoch.id, wrapped: key.wrapped.clone() }
        } else {
            PersonSealer::wrap_anew(self.keyring, person, &key, epoch.id, self.entropy)?.ok_or_else(unread)?
        };
        let columns = copied.map_or(0, |copied| copied.table.key.len());
        Ok(Rewrapped {
            row: row.into_iter().take(columns).map(Value::Text).collect(),
            before: key.wrapped,
            key: wrapped,
        })
    }

    /// Destroys the keys of the epochs before it. To be done when a walk found nothing left.
    pub async fn destroy_others(&self, epoch: NewEpoch) -> Result<(), LogFault> {
        self.store.destroy(epoch.id.saturating_sub(1)).await?;
        self.keyring.learn(self.store, self.secret, self.clock.now()).await
    }
}

/// The keys behind a row, and the rows they are copied to.
fn page(copied: Option<Copies>, behind: &[String; 2]) -> Statement {
    let columns: &[&str] = copied.map_or(&["person_id"], |copied| copied.table.key);
    let named: Vec<_> = columns.iter().map(|name| format!("t.{name}")).collect();
    let places: Vec<_> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let (from, epoch) = match copied {
        Some(Copies { table, person }) => {
            (format!("{} t JOIN person_keys k ON k.person_id = t.{person}", table.name), "t.person_key_epoch")
        }
        None => ("person_keys t JOIN person_keys k ON k.person_id = t.person_id".to_owned(), "t.epoch"),
    };
    let second = named.get(1).map_or("''", String::as_str);
    let sql = format!(
        "SELECT k.person_id, k.epoch, k.wrapped, {epoch}, {}, {second} FROM {from} WHERE ({}) > ({}) ORDER BY {} LIMIT ?{}",
        named[0],
        named.join(", "),
        places.join(", "),
        named.join(", "),
        columns.len() + 1,
    );
    let parameters = behind.iter().take(columns.len()).cloned().map(Value::Text);
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX).into();
    Statement { sql, parameters: parameters.chain([limit]).collect() }
}

fn read(row: &dyn Row) -> Option<Stands> {
    let mut c = Cursor::new(row);
    Some(Stands {
        person: c.parse()?,
        key: WrappedKey::read(&mut c)?,
        // A copy that is missing is none of the epoch's.
        copied: c.integer().and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(0),
        row: [c.text()?, c.text()?],
    })
}
