//! Texts that are found by any part of them: by `pg_trgm`, where the database has it or lets us have it. Without it what is
//! searched for is looked for row by row, by whoever asked.

use chrysalis_domain::id::UserId;
use chrysalis_projections::Table;
use chrysalis_projections::search::Sought;
use deadpool_postgres::Object;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

/// Characters of which an index knows where they stand.
const TRIGRAM: usize = 3;

/// Tried by itself: whoever makes a table must not fail for an extension. Not into our own schema, with which it would go
/// for everybody else in the database.
const EXTENSION: &str = "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public";
const WHERE_IT_IS: &str =
    "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_trgm'";

/// Makes the index of a table that is new. `generation` keeps names apart, as those of other indexes.
pub(super) async fn make(
    transaction: &mut Transaction<'_>,
    table: &Table,
    name: &str,
    generation: &str,
) -> Result<(), tokio_postgres::Error> {
    let columns = table.by_part();
    if columns.is_empty() {
        return Ok(());
    }
    let mut schema = where_it_is(transaction).await?;
    if schema.is_none() {
        let attempt = transaction.savepoint("extension").await?;
        match attempt.batch_execute(EXTENSION).await {
            Ok(()) => attempt.commit().await?,
            Err(error) => {
                attempt.rollback().await?;
                tracing::debug!(%error, "pg_trgm is not installed by us");
            }
        }
        // Somebody else may have been first.
        schema = where_it_is(transaction).await?;
    }
    // No planner asks how often a text comes, and nobody shall read it in what a planner knows.
    let unsampled: Vec<_> = columns.iter().map(|column| format!("ALTER COLUMN {column} SET STATISTICS 0")).collect();
    transaction.batch_execute(&format!("ALTER TABLE {name} {}", unsampled.join(", "))).await?;
    let Some(schema) = schema else {
        tracing::warn!(
            "the database has no pg_trgm and gives us none: users are searched one by one, which a large store refuses; \
             let an administrator run `CREATE EXTENSION pg_trgm` there, then `chrysalis projections rebuild`"
        );
        return Ok(());
    };
    for column in columns {
        let sql = format!(
            "CREATE INDEX {}_{column}_parts{generation} ON {name} USING gin ({column} {schema}.gin_trgm_ops)",
            table.name
        );
        transaction.batch_execute(&sql).await?;
    }
    Ok(())
}

async fn where_it_is(transaction: &Transaction<'_>) -> Result<Option<String>, tokio_postgres::Error> {
    transaction.query_opt(WHERE_IT_IS, &[]).await?.map(|row| row.try_get(0)).transpose()
}

/// A scan of the index of parts, whatever the planner thinks of it, with the text before its eyes.
const BY_PARTS: &str = "BEGIN READ ONLY; SET LOCAL enable_bitmapscan = on; SET LOCAL enable_indexscan = off;
     SET LOCAL enable_indexonlyscan = off; SET LOCAL plan_cache_mode = force_custom_plan";
const IS_THERE: &str =
    "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
     WHERE i.indrelid = to_regclass('search') AND a.amname = 'gin' AND i.indisvalid LIMIT 1";

/// Users who have a part of a text. `None` where it is too short to be looked for, or nothing knows of parts.
pub(super) async fn find(
    client: &Object,
    sought: &Sought,
    most: usize,
) -> Result<Option<Vec<UserId>>, tokio_postgres::Error> {
    if sought.text().chars().count() < TRIGRAM {
        return Ok(None);
    }
    client.batch_execute(BY_PARTS).await?;
    let found = found(client, sought, most).await;
    // Whatever came of it, the connection is as it was.
    client.batch_execute("ROLLBACK").await?;
    found
}

async fn found(client: &Object, sought: &Sought, most: usize) -> Result<Option<Vec<UserId>>, tokio_postgres::Error> {
    if client.query_opt(IS_THERE, &[]).await?.is_none() {
        return Ok(None);
    }
    let mut values: Vec<String> = Vec::new();
    let fits = sought.sql(|value| {
        values.extend(value.as_text().map(str::to_owned));
        format!("${}", values.len() + 2)
    });
    // What means something to LIKE is any character there; which it is, the row says.
    let like: String = sought.text().chars().map(|c| if matches!(c, '%' | '_' | '\\') { '_' } else { c }).collect();
    let (like, most) = (format!("%{like}%"), super::reader::limit(most));
    let column = sought.field.column();
    let sql = format!("SELECT s.user_id FROM search s WHERE s.{column} LIKE $1 AND {fits} LIMIT $2");
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&like, Type::TEXT), (&most, Type::INT8)];
    parameters.extend(values.iter().map(|text| (text as _, Type::TEXT)));
    let rows = client.query_typed(&sql, &parameters).await?;
    // An id that does not read is nobody's.
    Ok(Some(rows.iter().filter_map(|row| row.try_get::<_, &str>(0).ok()?.parse().ok()).collect()))
}
