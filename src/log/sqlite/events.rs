//! A batch's events, written many to a statement: a statement costs as much as several of its rows.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrysalis_domain::Timestamp;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::batch::Head;
use super::rows::INSERT_MANY;
use crate::log::{Append, Context, NewEvent, SealedRef, StreamId, Version};

/// Rows of a full statement.
const ROWS: usize = 16;
/// As many as the table has.
const COLUMNS: usize = 19;

/// Holds events back until a statement is full. Until [`EventWriter::finish`] the table lacks some of them: what a
/// stream's version is, only [`EventWriter::version`] knows.
pub(super) struct EventWriter<'w> {
    waiting: Vec<Row<'w>>,
    versions: HashMap<&'w str, Version>,
}

struct Row<'w> {
    context: &'w Context,
    append: &'w Append,
    event: &'w NewEvent,
    head: Head,
    version: Version,
}

impl<'w> EventWriter<'w> {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::with_capacity(ROWS), versions: HashMap::new() }
    }

    /// The version of a stream that this batch has written to.
    pub(super) fn version(&self, stream: &StreamId) -> Option<Version> {
        self.versions.get(stream.as_str()).copied()
    }

    pub(super) fn write(
        &mut self,
        connection: &Connection,
        context: &'w Context,
        append: &'w Append,
        event: &'w NewEvent,
        head: Head,
        version: Version,
    ) -> rusqlite::Result<()> {
        self.versions.insert(append.stream.as_str(), version);
        self.waiting.push(Row { context, append, event, head, version });
        if self.waiting.len() == ROWS { self.insert(connection, ROWS) } else { Ok(()) }
    }

    /// Writes what is left.
    pub(super) fn finish(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        while !self.waiting.is_empty() {
            self.insert(connection, 1)?;
        }
        Ok(())
    }

    fn insert(&mut self, connection: &Connection, rows: usize) -> rusqlite::Result<()> {
        static FULL: LazyLock<String> = LazyLock::new(|| statement(ROWS));
        static ONE: LazyLock<String> = LazyLock::new(|| statement(1));
        let mut prepared = connection.prepare_cached(if rows == ROWS { &FULL } else { &ONE })?;
        prepared.execute(params_from_iter(self.waiting.drain(..rows).flat_map(Row::cells)))?;
        Ok(())
    }
}

fn statement(rows: usize) -> String {
    let row = format!("(?{})", ", ?".repeat(COLUMNS - 1));
    let verb = if rows == 1 { "INSERT" } else { INSERT_MANY };
    format!(
        "{verb} INTO events (position, project, stream, version, event_id, type, type_version, recorded_at,
             occurred_at, actor_type, actor_id, actor_by, impersonator, request_id, command_id, cause,
             settings_version, sealed, body)
         VALUES {}",
        vec![row.as_str(); rows].join(", ")
    )
}

impl<'w> Row<'w> {
    fn cells(self) -> [ToSqlOutput<'w>; COLUMNS] {
        let Row { context, append, event, head, version } = self;
        let actor = &context.actor;
        [
            integer(head.position),
            id(context.project),
            text(append.stream.as_str()),
            integer(version),
            id(event.id),
            text(event.event_type),
            integer(event.type_version),
            time(head.recorded_at),
            time(event.occurred_at),
            text(actor.kind),
            optional(actor.id.as_deref(), text),
            optional(actor.by.as_deref(), text),
            optional(actor.impersonator.as_deref(), text),
            optional(context.request, id),
            id(context.command),
            optional(context.cause, id),
            integer(context.settings_version),
            ToSqlOutput::Owned(Value::Blob(SealedRef::encode(&event.sealed))),
            ToSqlOutput::Borrowed(ValueRef::Blob(&event.body)),
        ]
    }
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}

fn id<'w>(id: impl ToString) -> ToSqlOutput<'w> {
    ToSqlOutput::Owned(Value::Text(id.to_string()))
}

fn integer<'w>(number: impl Into<u64>) -> ToSqlOutput<'w> {
    // Positions and versions are counted from 1: none comes near to what SQLite can't hold.
    ToSqlOutput::Owned(Value::Integer(number.into().cast_signed()))
}

fn time<'w>(time: Timestamp) -> ToSqlOutput<'w> {
    ToSqlOutput::Owned(Value::Integer(time.as_millis()))
}

fn optional<'w, T>(value: Option<T>, cell: impl Fn(T) -> ToSqlOutput<'w>) -> ToSqlOutput<'w> {
    value.map_or(ToSqlOutput::Borrowed(ValueRef::Null), cell)
}
