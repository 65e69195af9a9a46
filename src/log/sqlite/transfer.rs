//! The embedded store as an end of a copy.

use async_trait::async_trait;
use chrysalis_projections::Value;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params, params_from_iter};

use super::schema::Bound;
use super::{LogFault, Position, SqliteLog, scrub};
use crate::log::Recorded;
use crate::log::transfer::{SideChange, SideRow, SideTable, Transfer, elsewhere};

#[async_trait]
impl Transfer for SqliteLog {
    async fn side_rows(
        &self,
        table: &'static SideTable,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<SideRow>, LogFault> {
        let key = table.key_names().join(", ");
        let behind = after.map_or_else(String::new, |after| {
            let values: Vec<_> = (1..=after.len()).map(|n| format!("?{n}")).collect();
            format!("WHERE ({key}) > ({})", values.join(", "))
        });
        let sql =
            format!("SELECT {} FROM {} {behind} ORDER BY {key} LIMIT {limit}", table.names().join(", "), table.name);
        self.readers.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(after.unwrap_or_default().iter().map(Bound)))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let values = (0..table.columns.len()).map(|column| row.get_ref(column).map(value));
                all.push(values.collect::<Result<SideRow, _>>()?);
            }
            Ok(all)
        })
    }

    async fn put_side_rows(&self, change: SideChange) -> Result<(), LogFault> {
        let change = Prepared::from(change);
        let write = move |connection: &Connection| {
            // What goes may be somebody's who is erased later.
            if !change.change.gone.is_empty() {
                scrub::leave_nothing(connection)?;
            }
            change.write(connection).map(|()| true)
        };
        self.writer.aside(write).await.map(|_| ())
    }

    async fn keep(&self, follower: &str, at: Position, changes: Vec<SideChange>) -> Result<bool, LogFault> {
        let (follower, changes) = (follower.to_owned(), changes.into_iter().map(Prepared::from).collect::<Vec<_>>());
        let write = move |connection: &Connection| {
            let sql = "SELECT 1 FROM checkpoints WHERE follower = ?1 AND position = ?2";
            let stands = connection.prepare_cached(sql)?.exists(params![follower, at])?;
            if stands {
                changes.iter().try_for_each(|change| change.write(connection))?;
            }
            Ok(stands)
        };
        self.writer.aside(write).await
    }

    async fn receive(&self, after: Position, events: Vec<Recorded>) -> Result<(), LogFault> {
        let write = move |connection: &Connection| {
            let end: Position =
                connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0))?;
            if end != after {
                return Ok(false);
            }
            let mut statement = connection.prepare_cached(
                "INSERT INTO events (position, project, stream, version, event_id, type, type_version, recorded_at,
                     occurred_at, actor_type, actor_id, actor_by, impersonator, request_id, command_id, cause,
                     settings_version, sealed, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
            )?;
            for event in &events {
                statement.execute(params![
                    event.position,
                    event.project,
                    event.stream.as_str(),
                    event.version,
                    event.event_id,
                    event.event_type,
                    event.type_version,
                    event.recorded_at.as_millis(),
                    event.occurred_at.as_millis(),
                    event.actor_type,
                    event.actor_id,
                    event.actor_by,
                    event.impersonator,
                    event.request_id,
                    event.command_id,
                    event.cause,
                    event.settings_version,
                    event.sealed,
                    event.body,
                ])?;
            }
            Ok(true)
        };
        if self.writer.aside(write).await? { Ok(()) } else { Err(elsewhere(after)) }
    }

    async fn end(&self) -> Result<Position, LogFault> {
        self.readers.with(|connection| {
            connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0))
        })
    }
}

/// A change with its statements: the one writer has better things to do than to write them.
struct Prepared {
    put: String,
    remove: String,
    change: SideChange,
}

impl From<SideChange> for Prepared {
    fn from(change: SideChange) -> Self {
        let table = change.table;
        let values: Vec<_> = (1..=table.columns.len()).map(|n| format!("?{n}")).collect();
        let put = format!(
            "INSERT OR REPLACE INTO {} ({}) VALUES ({})",
            table.name,
            table.names().join(", "),
            values.join(", ")
        );
        let key: Vec<_> = table.key_names().iter().zip(1..).map(|(name, n)| format!("{name} = ?{n}")).collect();
        let remove = format!("DELETE FROM {} WHERE {}", table.name, key.join(" AND "));
        Self { put, remove, change }
    }
}

impl Prepared {
    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (sql, rows) in [(&self.put, &self.change.put), (&self.remove, &self.change.gone)] {
            let mut statement = connection.prepare_cached(sql)?;
            for row in rows {
                statement.execute(params_from_iter(row.iter().map(Bound)))?;
            }
        }
        Ok(())
    }
}

fn value(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Integer(number) => Value::Integer(number),
        // Tables are strict: what is text is UTF-8, and no column holds fractions.
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}
