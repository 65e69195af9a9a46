//! The database's schema: numbered migrations for what can't be rebuilt, and the read models from their definitions.

use chrysalis_projections::table::{Kind, Table};
use chrysalis_projections::{INLINE, Model};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{LogFault, fault, follow};
use crate::log::refold::fits;

/// In order; the table `schema_version` counts those that ran.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_log.sql"),
    include_str!("../../../migrations/postgres/0002_generations.sql"),
    include_str!("../../../migrations/postgres/0003_origins.sql"),
    include_str!("../../../migrations/postgres/0004_settings.sql"),
    include_str!("../../../migrations/postgres/0005_webhooks.sql"),
    include_str!("../../../migrations/postgres/0006_erasure.sql"),
    include_str!("../../../migrations/postgres/0008_signed_checkpoints.sql"),
    include_str!("../../../migrations/postgres/0009_epochs.sql"),
    include_str!("../../../migrations/postgres/0010_staged.sql"),
    include_str!("../../../migrations/postgres/0011_reserved.sql"),
];

/// Brings the schema up to this program's. Safe when several nodes start at once: the first to take the lock migrates,
/// the others find it done.
pub(super) async fn migrate(client: &mut Client, schema: &str, models: &[&Model]) -> Result<(), LogFault> {
    let mut transaction = client.transaction().await.map_err(fault)?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('chrysalis migration of ' || $1, 0))";
    transaction.execute(lock, &[&schema]).await.map_err(fault)?;
    // To be allowed to use a schema is enough where somebody else made it.
    let there = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    if transaction.query_opt(there, &[&schema]).await.map_err(fault)?.is_none() {
        let made = transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await;
        made.map_err(|error| match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => LogFault::Unavailable(format!(
                "the role may make no schema in this database; let an administrator run `CREATE SCHEMA {schema} AUTHORIZATION` \
                 and the role's name there, then start again"
            )),
            _ => fault(error),
        })?;
    }
    transaction
        .batch_execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")
        .await
        .map_err(fault)?;
    let done = transaction.query_opt("SELECT version FROM schema_version", &[]).await.map_err(fault)?;
    let done: i64 = done.map_or(0, |row| row.get(0));
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(LogFault::Unavailable(format!(
            "the database has schema version {done}, this program knows {known}; run the Chrysalis that last migrated it, or a later one"
        )));
    }
    for migration in &MIGRATIONS[done..] {
        transaction.batch_execute(migration).await.map_err(fault)?;
    }
    if done == 0 {
        for table in INLINE {
            transaction.batch_execute(&create(table, table.name, "")).await.map_err(fault)?;
        }
    }
    if done < MIGRATIONS.len() {
        let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        transaction.execute("DELETE FROM schema_version", &[]).await.map_err(fault)?;
        transaction.execute("INSERT INTO schema_version VALUES ($1)", &[&version]).await.map_err(fault)?;
    }
    follow::stand(&mut transaction, models).await.map_err(fault)?;
    transaction.commit().await.map_err(fault)
}

/// Whether the read models are those that this program folds: another version may have made them.
pub(super) async fn models_fit(client: &Client, schema: &str) -> Result<(), LogFault> {
    for table in INLINE {
        let sql = "SELECT column_name::text FROM information_schema.columns
                   WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position";
        let columns = client.query(sql, &[&schema, &table.name]).await.map_err(fault)?;
        fits(table, columns.iter().map(|row| row.get::<_, &str>(0)))?;
    }
    Ok(())
}

/// The statements that make a read model's table under some name. `generation` keeps the names of indexes apart while
/// two generations stand side by side.
pub(super) fn create(table: &Table, name: &str, generation: &str) -> String {
    let columns = table.stored().map(|(name, kind, required)| {
        let kind = match kind {
            Kind::Text => "text COLLATE \"C\"",
            Kind::Integer => "bigint",
            Kind::Bytes => "bytea",
        };
        let required = if required { " NOT NULL" } else { "" };
        format!("{name} {kind}{required}")
    });
    let columns: Vec<_> = columns.collect();
    // Rows are changed in place now and then: a little room keeps the new version on the page of the old one.
    let mut sql = format!(
        "CREATE TABLE {name} ({}, CONSTRAINT {}_key{generation} PRIMARY KEY ({})) WITH (fillfactor = 95);\n",
        columns.join(", "),
        table.name,
        table.key.join(", ")
    );
    for index in table.indexes {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let (called, columns, only) = index.sql(table.name, generation);
        sql += &format!("CREATE {unique}INDEX {called} ON {name} ({columns}){only};\n");
    }
    sql
}
