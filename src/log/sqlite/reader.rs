//! The pool of read connections, and how events and rows are read.
//!
//! A read of SQLite takes microseconds and is done where it is asked for: handing it to another thread would cost more
//! than the read itself.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use chrysalis_domain::Timestamp;
use chrysalis_projections::listing::Statement;
use chrysalis_projections::{Row, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::schema::Bound;
use super::{LogFault, Position, Recorded, StreamId, Version, connect_to_read, fault};

pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    /// Spreads those that find all connections busy.
    waiting: AtomicUsize,
}

impl Readers {
    /// `cache`: what the page caches of all of them hold together, in KiB.
    pub(super) fn open(path: &Path, count: usize, cache: i64) -> Result<Self, LogFault> {
        let count = count.max(1);
        let share = cache / i64::try_from(count).unwrap_or(cache);
        let connect = |_| connect_to_read(path, share).map(Mutex::new);
        let connections = (0..count).map(connect).collect::<Result<_, _>>()?;
        Ok(Self { connections, waiting: AtomicUsize::new(0) })
    }

    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LogFault> {
        // The first that is free: what it read lately is in its cache, and the others' caches stay small.
        let free = self.connections.iter().find_map(|connection| connection.try_lock().ok());
        let connection = match free {
            Some(connection) => connection,
            None => {
                let turn = self.waiting.fetch_add(1, Ordering::Relaxed) % self.connections.len();
                self.connections[turn].lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        read(&connection).map_err(fault)
    }
}

/// A select of every column of the log, as [`recorded`] reads it.
macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT position, project, stream, version, event_id, type, type_version, recorded_at, occurred_at,
                    actor_type, actor_id, actor_by, impersonator, request_id, command_id, cause, settings_version,
                    sealed, body
             FROM events ",
            $rest
        )
    };
}

/// What stands there that no program wrote (a text that is no UTF-8, a number that is none of its kind) reads as something all
/// the same, which is not what the event's leaf says: whoever verifies the log names it, and goes on.
pub(super) fn recorded(row: &rusqlite::Row<'_>) -> rusqlite::Result<Recorded> {
    let number = |column| row.get(column).map(i64::cast_unsigned);
    Ok(Recorded {
        position: row.get(0)?,
        project: text(row, 1)?,
        stream: StreamId::from_stored(text(row, 2)?),
        version: number(3)?,
        event_id: text(row, 4)?,
        event_type: text(row, 5)?,
        type_version: u16::try_from(row.get::<_, i64>(6)?).unwrap_or(u16::MAX),
        recorded_at: Timestamp::from_millis(row.get(7)?),
        occurred_at: Timestamp::from_millis(row.get(8)?),
        actor_type: text(row, 9)?,
        actor_id: perhaps(row, 10)?,
        actor_by: perhaps(row, 11)?,
        impersonator: perhaps(row, 12)?,
        request_id: perhaps(row, 13)?,
        command_id: text(row, 14)?,
        cause: perhaps(row, 15)?,
        settings_version: number(16)?,
        sealed: row.get(17)?,
        body: row.get(18)?,
    })
}

fn text(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<String> {
    match row.get_ref(column)? {
        ValueRef::Text(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        _ => row.get(column),
    }
}

fn perhaps(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => text(row, column).map(Some),
    }
}

pub(super) fn stream(
    connection: &Connection,
    stream: &StreamId,
    after: Version,
    limit: usize,
) -> rusqlite::Result<Vec<Recorded>> {
    let sql = select_events!("WHERE stream = ?1 AND version > ?2 ORDER BY version LIMIT ?3");
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![stream.as_str(), after, limit], recorded)?.collect()
}

/// `streams` is a JSON array of their names.
pub(super) fn streams(connection: &Connection, streams: &str, upto: Version) -> rusqlite::Result<Vec<Recorded>> {
    let sql =
        select_events!("WHERE stream IN (SELECT value FROM json_each(?1)) AND version <= ?2 ORDER BY stream, version");
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![streams, upto], recorded)?.collect()
}

/// Texts as a parameter that stands for many.
pub(super) fn json<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    serde_json::Value::from_iter(texts).to_string()
}

pub(super) fn all(connection: &Connection, after: Position, limit: usize) -> rusqlite::Result<Vec<Recorded>> {
    let sql = select_events!("WHERE position > ?1 ORDER BY position LIMIT ?2");
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![after, limit], recorded)?.collect()
}

pub(super) fn of_types(
    connection: &Connection,
    types: &[&str],
    after: Position,
    upto: Position,
    limit: usize,
) -> rusqlite::Result<Vec<Recorded>> {
    let sql = select_events!(
        "WHERE position > ?1 AND position <= ?2 AND type IN (SELECT value FROM json_each(?3)) ORDER BY position LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(sql)?;
    let types = json(types.iter().copied());
    statement.query_map(params![after, upto, types, limit], recorded)?.collect()
}

pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters.iter().map(Bound)))?;
    while let Some(row) = rows.next()? {
        each(&SqliteRow(row));
    }
    Ok(())
}

struct SqliteRow<'a>(&'a rusqlite::Row<'a>);

impl Row for SqliteRow<'_> {
    fn integer(&self, column: usize) -> Option<i64> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Integer(number)) => Some(number),
            _ => None,
        }
    }

    /// What is no UTF-8 was written by no program: it reads as a text that is no id and no name.
    fn text(&self, column: usize) -> Option<&str> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Text(bytes)) => Some(std::str::from_utf8(bytes).unwrap_or("\u{fffd}")),
            _ => None,
        }
    }

    fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.0.get_ref(column).ok()?.as_blob().ok()
    }
}

/// A row that outlives the statement it came from.
pub(super) struct OwnedRow(Vec<Value>);

/// Rows that are handed on together.
const HANDED: usize = 256;

/// Hands rows on as they are found, until nobody takes them.
pub(super) fn list(
    connection: &Connection,
    asked: &Statement,
    mut hand: impl FnMut(Vec<OwnedRow>) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&asked.sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(asked.parameters.iter().map(Bound)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let value = |column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
                ValueRef::Null | ValueRef::Real(_) => Value::Null,
            })
        };
        found.push(OwnedRow((0..columns).map(value).collect::<rusqlite::Result<_>>()?));
        if found.len() == HANDED && !hand(std::mem::take(&mut found)) {
            return Ok(());
        }
    }
    hand(found);
    Ok(())
}

impl Row for OwnedRow {
    fn integer(&self, column: usize) -> Option<i64> {
        match self.0.get(column)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_text()
    }

    fn bytes(&self, column: usize) -> Option<&[u8]> {
        match self.0.get(column)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}
