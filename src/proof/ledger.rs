//! What was signed, for ever: a row for each checkpoint. Of one size there is one, and later ones are about more.

use chrysalis_domain::Timestamp;
use chrysalis_projections::table::Cursor;
use chrysalis_projections::{Question, Row, Value};

use super::tree::Hash;
use crate::log::transfer::{CHECKPOINTS, SIGNED_CHECKPOINTS, SideChange};
use crate::log::{Log, LogFault, Position, Store, ask, ask_one};

/// Counts what was signed, so that of two who sign at once one is late, and that what is gone is missed. A name for ever.
pub(super) const COUNT: &str = "proof";

/// A checkpoint as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub size: u64,
    pub root: Hash,
    pub note: String,
    pub signed_at: Timestamp,
}

static LATEST: Question<Signed> = Question {
    sql: "SELECT c.size, c.root, c.note, c.signed_at FROM signed_checkpoints c ORDER BY c.size DESC LIMIT 1",
    read,
};

/// `?1` = a size.
static AT_SIZE: Question<Signed> =
    Question { sql: "SELECT c.size, c.root, c.note, c.signed_at FROM signed_checkpoints c WHERE c.size = ?1", read };

/// `?1` = a size, `?2` = how many. Those of larger sizes, in their order.
static BEHIND: Question<Signed> = Question {
    sql: "SELECT c.size, c.root, c.note, c.signed_at FROM signed_checkpoints c WHERE c.size > ?1 ORDER BY c.size LIMIT ?2",
    read,
};

fn read(row: &dyn Row) -> Option<Signed> {
    let mut cursor = Cursor::new(row);
    let size = cursor.integer()?.cast_unsigned();
    // What is no root is not the one that the note says.
    let root = cursor.bytes().and_then(|root| root.try_into().ok()).unwrap_or_default();
    Some(Signed { size, root, note: cursor.text().unwrap_or_default(), signed_at: cursor.time()? })
}

/// `?1` = a size.
static AT_MOST: Question<Signed> = Question {
    sql: "SELECT c.size, c.root, c.note, c.signed_at FROM signed_checkpoints c WHERE c.size <= ?1
          ORDER BY c.size DESC LIMIT 1",
    read,
};

static COUNTED: Question<u64> = Question {
    sql: "SELECT count(*) FROM signed_checkpoints c WHERE c.size > 0",
    read: |row| row.integer(0).map(i64::cast_unsigned),
};

/// The newest one; none while nothing was signed.
pub async fn latest(log: &dyn Log) -> Result<Option<Signed>, LogFault> {
    ask_one(log, &LATEST, &[]).await
}

/// The one about exactly so many events.
pub async fn signed_at_size(log: &dyn Log, size: u64) -> Result<Option<Signed>, LogFault> {
    let Ok(size) = i64::try_from(size) else { return Ok(None) };
    ask_one(log, &AT_SIZE, &[size.into()]).await
}

/// The newest of those about no more events than that.
pub async fn at_most(log: &dyn Log, size: u64) -> Result<Option<Signed>, LogFault> {
    ask_one(log, &AT_MOST, &[i64::try_from(size).unwrap_or(i64::MAX).into()]).await
}

/// The first that covers the event at a position.
pub async fn covering(log: &dyn Log, position: Position) -> Result<Option<Signed>, LogFault> {
    Ok(page(log, position.saturating_sub(1), 1).await?.pop())
}

/// How many there are.
pub(super) async fn count(log: &dyn Log) -> Result<u64, LogFault> {
    Ok(ask_one(log, &COUNTED, &[]).await?.unwrap_or(0))
}

/// Those about more events than that, in their order.
pub async fn page(log: &dyn Log, after: u64, limit: u32) -> Result<Vec<Signed>, LogFault> {
    let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
    ask(log, &BEHIND, &[after.into(), i64::from(limit).into()]).await
}

/// Where whoever signs stands: to be asked for before anything that a signature rests on.
pub(super) async fn turn(store: &dyn Store) -> Result<Position, LogFault> {
    let turn = store.checkpoint(COUNT).await?;
    if turn == 0 {
        store.advance(COUNT, 0, 0).await?;
    }
    Ok(turn)
}

/// Keeps what was signed. `false` where somebody else signed since the turn was asked for: then it never was signed.
pub(super) async fn keep(store: &dyn Store, turn: Position, signed: &Signed) -> Result<bool, LogFault> {
    let row = vec![
        Value::Integer(signed.size.cast_signed()),
        signed.root.into(),
        signed.note.clone().into(),
        signed.signed_at.into(),
    ];
    let count = vec![COUNT.into(), Value::Integer((turn + 1).cast_signed())];
    let put = |table, row| SideChange { table, put: vec![row], gone: Vec::new() };
    store.keep(COUNT, turn, vec![put(&CHECKPOINTS, count), put(&SIGNED_CHECKPOINTS, row)]).await
}
