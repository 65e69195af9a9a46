//! What is kept beside an idempotency key, for those who have to know before they send their group.

use chrysalis_domain::Timestamp;
use chrysalis_projections::table::Cursor;
use chrysalis_projections::{Question, Value};

use super::{Log, LogFault, ask_one};

/// What the first group with a key left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub recorded_at: Timestamp,
    pub note: Vec<u8>,
}

/// `?1` = key, `?2` = now.
static KEPT: Question<Kept> = Question {
    sql: "SELECT recorded_at, note FROM idempotency WHERE key = ?1 AND expires_at > ?2",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(Kept { recorded_at: c.time()?, note: c.bytes()? })
    },
};

/// Nothing: no group with that key was stored so far.
pub async fn kept(log: &dyn Log, key: &[u8], now: Timestamp) -> Result<Option<Kept>, LogFault> {
    ask_one(log, &KEPT, &[Value::Bytes(key.to_vec()), now.into()]).await
}
