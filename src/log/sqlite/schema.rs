//! The file's schema: numbered migrations for what can't be rebuilt, and the read models from their definitions.

use chrysalis_projections::table::{Kind, Table};
use chrysalis_projections::{INLINE, Model, Value};
use rusqlite::{Connection, TransactionBehavior};

use super::{LogFault, fault, follow};
use crate::log::refold::fits;

/// In order; the file's `user_version` counts those that ran.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_log.sql"),
    include_str!("../../../migrations/sqlite/0002_leases.sql"),
    include_str!("../../../migrations/sqlite/0003_generations.sql"),
    include_str!("../../../migrations/sqlite/0004_origins.sql"),
    include_str!("../../../migrations/sqlite/0005_webhooks.sql"),
    include_str!("../../../migrations/sqlite/0006_erasure.sql"),
    include_str!("../../../migrations/sqlite/0008_signed_checkpoints.sql"),
    include_str!("../../../migrations/sqlite/0009_epochs.sql"),
    include_str!("../../../migrations/sqlite/0010_staged.sql"),
    include_str!("../../../migrations/sqlite/0011_reserved.sql"),
];

/// Brings the file up to this program's schema. Safe when several processes start at once: the first to take the
/// write lock migrates, the others find it done.
pub(super) fn migrate(connection: &mut Connection, models: &[&Model]) -> Result<(), LogFault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    let done: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fault)?;
    if done > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(LogFault::Unavailable(format!(
            "the file has schema version {done}, this program knows {known}; run the Chrysalis that last wrote it, or a later one"
        )));
    }
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration).map_err(fault)?;
    }
    if done == 0 {
        for table in INLINE {
            transaction.execute_batch(&create(table, table.name, "")).map_err(fault)?;
        }
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len()).map_err(fault)?;
    follow::stand(&transaction, models).map_err(fault)?;
    transaction.commit().map_err(fault)
}

/// Whether the file's read models are those that this program folds: another version may have made them.
pub(super) fn models_fit(connection: &Connection) -> Result<(), LogFault> {
    for table in INLINE {
        let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
        let mut statement = connection.prepare(sql).map_err(fault)?;
        let columns = statement.query_map([table.name], |row| row.get::<_, String>(0)).map_err(fault)?;
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        fits(table, columns.iter().map(String::as_str))?;
    }
    Ok(())
}

/// The statements that make a read model's table under some name. `generation` keeps the names of indexes apart while
/// two generations stand side by side.
pub(super) fn create(table: &Table, name: &str, generation: &str) -> String {
    let columns = table.stored().map(|(name, kind, required)| {
        let kind = match kind {
            Kind::Text => "TEXT",
            Kind::Integer => "INTEGER",
            Kind::Bytes => "BLOB",
        };
        let required = if required { " NOT NULL" } else { "" };
        format!("{name} {kind}{required}")
    });
    let columns: Vec<_> = columns.collect();
    let kept = if table.clustered { "STRICT, WITHOUT ROWID" } else { "STRICT" };
    let mut sql =
        format!("CREATE TABLE {name} ({}, PRIMARY KEY ({})) {kept};\n", columns.join(", "), table.key.join(", "));
    let (schema, bare) = name.split_once('.').map_or(("", name), |(schema, bare)| (schema, bare));
    let prefix = if schema.is_empty() { String::new() } else { format!("{schema}.") };
    for index in table.indexes {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let (called, columns, only) = index.sql(table.name, generation);
        sql += &format!("CREATE {unique}INDEX {prefix}{called} ON {bare} ({columns}){only};\n");
    }
    sql
}

/// A value on its way into a statement.
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Static(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
