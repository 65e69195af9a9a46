//! The read models that follow the log. What they write goes along with the writer's batches: no lock of its own, and no
//! wait for the disk.

use async_trait::async_trait;
use chrysalis_projections::{Model, Table, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::reader::json;
use super::rows::RowWriter;
use super::{LogFault, SqliteLog, checkpointer, parts, schema, scrub};
use crate::log::follow::{Folded, Follow, Generation, Stage, by_table, come_and_gone};

/// Rows of a model go along in one of the writer's batches, and those in it wait for them.
const PAGE: usize = 256;

#[async_trait]
impl Follow for SqliteLog {
    fn models(&self) -> &'static [&'static Model] {
        self.models
    }

    fn page(&self) -> usize {
        PAGE
    }

    fn queued(&self) -> usize {
        self.writer.queued()
    }

    async fn generations(&self) -> Result<Vec<Generation>, LogFault> {
        self.readers.with(|connection| generations(connection, self.models))
    }

    async fn fold(&self, folded: Folded) -> Result<bool, LogFault> {
        let weight = folded.changes.len() + 1;
        let write = move |connection: &Connection| {
            let Generation { model, stage, version, position } = folded.generation;
            let sql = "UPDATE generations SET position = ?5
                       WHERE model = ?1 AND stage = ?2 AND version = ?3 AND position = ?4";
            let moved = params![model.name, stage.name(), version, position, folded.to];
            if connection.prepare_cached(sql)?.execute(moved)? == 0 {
                return Ok(false);
            }
            let changes = folded.settled(kept(connection, &folded, stage.table())?);
            let mut rows = RowWriter::new(stage.table());
            for (table, changes) in model.tables.iter().zip(by_table(model, &changes)) {
                if table.by_part().is_empty() {
                    rows.write_all(connection, &changes)?;
                    continue;
                }
                let ((gone, come), name) = (come_and_gone(table, &changes), stage.table()(table));
                scrub::leave_nothing(connection)?;
                parts::forget(connection, table, &name, &gone)?;
                rows.write_all(connection, &changes)?;
                parts::learn(connection, table, &name, &come)?;
            }
            Ok(true)
        };
        self.writer.bulk_aside(weight, write).await
    }

    async fn begin(&self, model: &'static Model) -> Result<bool, LogFault> {
        let begin = move |connection: &Connection| {
            let standing = |stage| version_of(connection, model, stage);
            if standing(Stage::Live)?.max(standing(Stage::Next)?).is_some_and(|version| version > model.version) {
                return Ok(false);
            }
            if standing(Stage::Next)? != Some(model.version) || !model.is_folded() {
                scrub::leave_nothing(connection)?;
                make(connection, model, Stage::Next)?;
            }
            Ok(true)
        };
        self.writer.aside(begin).await
    }

    async fn flip(&self, next: Generation) -> Result<bool, LogFault> {
        let Generation { model, version, position, .. } = next;
        let flip = move |connection: &Connection| {
            let sql = "DELETE FROM generations AS live WHERE model = ?1 AND stage = 'live' AND EXISTS (
                           SELECT 1 FROM generations AS next WHERE next.model = ?1 AND next.stage = 'next'
                               AND next.version = ?2 AND next.version >= live.version
                               AND next.position = ?3 AND next.position >= live.position)";
            if connection.execute(sql, params![model.name, version, position])? == 0 {
                return Ok(false);
            }
            connection.execute("UPDATE generations SET stage = 'live' WHERE model = ?1", [model.name])?;
            // While a view stands on a table that is gone, no other can be renamed.
            for view in model.views {
                connection.execute_batch(&format!("DROP VIEW IF EXISTS {}", view.name))?;
            }
            for table in model.tables {
                let (name, next) = (table.name, Stage::Next.table()(table));
                let rename = format!("ALTER TABLE {next} RENAME TO {name};");
                if table.by_part().is_empty() {
                    connection.execute_batch(&format!("DROP TABLE {name}; {rename}"))?;
                } else {
                    scrub::set_aside(connection, table)?;
                    let (index, next) = (parts::index(name), parts::index(&next));
                    connection.execute_batch(&format!("{rename} ALTER TABLE {next} RENAME TO {index};"))?;
                }
            }
            show(connection, model)?;
            Ok(true)
        };
        self.writer.aside(flip).await
    }

    /// Then free pages hold zeros, and what is left is the write-ahead log, of which all is brought home.
    async fn scrub(&self) -> Result<(), LogFault> {
        let tables = self.models.iter().flat_map(|model| model.tables).filter(|table| !table.by_part().is_empty());
        for table in tables {
            while self.writer.aside(move |connection| scrub::take_down(connection, table)).await? {}
        }
        let path = self.path.clone();
        let emptied = tokio::task::spawn_blocking(move || checkpointer::empty(&path));
        emptied.await.map_err(|error| LogFault::Bug(format!("a checkpoint broke off: {error}")))?
    }
}

pub(super) fn generations(
    connection: &Connection,
    models: &'static [&'static Model],
) -> rusqlite::Result<Vec<Generation>> {
    let sql = "SELECT model, stage, version, position FROM generations";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (model, stage): (String, String) = (row.get(0)?, row.get(1)?);
        all.extend(Generation::read(models, &model, &stage, row.get(2)?, row.get::<_, i64>(3)?.cast_unsigned()));
    }
    Ok(all)
}

/// Makes the tables of models that never stood.
pub(super) fn stand(connection: &Connection, models: &[&Model]) -> rusqlite::Result<()> {
    for model in models {
        if version_of(connection, model, Stage::Live)?.is_none() {
            make(connection, model, Stage::Live)?;
            show(connection, model)?;
        }
    }
    Ok(())
}

/// Makes the views of a model.
fn show(connection: &Connection, model: &Model) -> rusqlite::Result<()> {
    for view in model.views {
        connection.execute_batch(&format!("CREATE VIEW {} AS {}", view.name, view.select))?;
    }
    Ok(())
}

/// The rows that a model keeps and that what was folded hangs on.
pub(super) fn kept(
    connection: &Connection,
    folded: &Folded,
    name: fn(&Table) -> String,
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let Some(pending) = &folded.pending else { return Ok(Vec::new()) };
    let (table, keys) = (pending.table(), pending.keys());
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let sql = format!(
        "SELECT {} FROM {} WHERE {} IN (SELECT value FROM json_each(?1))",
        columns.join(", "),
        name(table),
        table.key[0]
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Value>> {
        (0..columns.len()).map(|at| row.get_ref(at).map(value)).collect()
    };
    statement.query_map([json(keys.into_iter())], read)?.collect()
}

fn value(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}

fn version_of(connection: &Connection, model: &Model, stage: Stage) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT version FROM generations WHERE model = ?1 AND stage = ?2";
    connection.query_row(sql, params![model.name, stage.name()], |row| row.get(0)).optional()
}

/// Makes a generation's tables, empty.
fn make(connection: &Connection, model: &Model, stage: Stage) -> rusqlite::Result<()> {
    // The schema's version rises with every table that is made: no index still has a name of this generation.
    let version: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    for table in model.tables {
        let name = stage.table()(table);
        let create = schema::create(table, &name, &format!("_g{version}"));
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {name};\n{create}"))?;
        parts::make(connection, table, &name)?;
    }
    let sql = "INSERT OR REPLACE INTO generations (model, stage, version, position) VALUES (?1, ?2, ?3, 0)";
    connection.execute(sql, params![model.name, stage.name(), model.version])?;
    Ok(())
}
