//! A role that reads views, and nothing else. Views are read with the rights of whoever owns them: who may read one needs no
//! right to what it stands on.

use async_trait::async_trait;
use tokio_postgres::Transaction;

use super::{LogFault, PostgresLog, fault};
use crate::log::analysts::{Analysts, LetRead};

/// PostgreSQL cuts off what is longer, in bytes.
const NAME_MAX: usize = 63;

/// `$1` = role, `$2` = views. What it may do beyond reading them, by itself or by any role that it is a member of.
const MORE: &str = "
    WITH them AS (SELECT r.oid, r.rolname FROM pg_roles r WHERE pg_has_role($1::name, r.oid, 'MEMBER')),
    kinds(kind, by_column) AS (VALUES ('INSERT', true), ('UPDATE', true), ('DELETE', false), ('TRUNCATE', false),
        ('SELECT', true))
    (SELECT DISTINCT k.kind || ' on ' || c.relname AS may FROM them t, kinds k, pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
         AND NOT (k.kind = 'SELECT' AND c.relname = ANY($2))
         AND (has_table_privilege(t.oid, c.oid, k.kind)
             OR CASE WHEN k.by_column THEN has_any_column_privilege(t.oid, c.oid, k.kind) ELSE false END)
     ORDER BY may LIMIT 5)
    UNION ALL
    SELECT DISTINCT 'CREATE in schema ' || current_schema() FROM them t
    WHERE has_schema_privilege(t.oid, current_schema(), 'CREATE')";

#[async_trait]
impl Analysts for PostgresLog {
    async fn let_read(&self, role: &str, views: &[&'static str]) -> Result<LetRead, LogFault> {
        // Names that begin so are PostgreSQL's own, and these two are none.
        let taken = role.starts_with("pg_") || ["public", "none"].contains(&role);
        if role.is_empty() || role.len() > NAME_MAX || role.chars().any(char::is_control) || taken {
            return Ok(LetRead::NoName);
        }
        let mut client = self.long().await?;
        let transaction = client.transaction().await.map_err(fault)?;
        let come = let_read(&transaction, role, views).await.map_err(fault)?;
        if let LetRead::Reads { .. } = come {
            transaction.commit().await.map_err(fault)?;
        }
        Ok(come)
    }
}

async fn let_read(
    transaction: &Transaction<'_>,
    role: &str,
    views: &[&'static str],
) -> Result<LetRead, tokio_postgres::Error> {
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    let known =
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1";
    let known = transaction.query_opt(known, &[&role]).await?;
    let made = known.is_none();
    if let Some(row) = known {
        let attributes = ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"];
        let has = |(at, name): (usize, &str)| row.get::<_, bool>(at).then(|| name.to_owned());
        let has: Vec<String> = attributes.into_iter().enumerate().filter_map(has).collect();
        if !has.is_empty() {
            return Ok(LetRead::MayMore(has));
        }
    } else {
        // Without a password nobody comes in by one.
        transaction.batch_execute(&format!("CREATE ROLE {quoted} LOGIN")).await?;
    }
    // A new one may do, too, whatever everybody may.
    let more = transaction.query(MORE, &[&role, &views]).await?;
    if !more.is_empty() {
        return Ok(LetRead::MayMore(more.iter().map(|row| row.get(0)).collect()));
    }
    let schema: String = transaction.query_one("SELECT quote_ident(current_schema())", &[]).await?.get(0);
    let mut grants = Vec::with_capacity(views.len() + 1);
    let may = "SELECT has_schema_privilege($1::name, current_schema(), 'USAGE')";
    let before: bool = transaction.query_one(may, &[&role]).await?.get(0);
    transaction.batch_execute(&format!("GRANT USAGE ON SCHEMA {schema} TO {quoted}")).await?;
    grants.push((format!("USAGE on schema {schema}"), !before));
    for view in views {
        let may = "SELECT has_table_privilege($1::name, $2::text, 'SELECT')";
        let before: bool = transaction.query_one(may, &[&role, view]).await?.get(0);
        transaction.batch_execute(&format!("GRANT SELECT ON {view} TO {quoted}")).await?;
        grants.push((format!("SELECT on {schema}.{view}"), !before));
    }
    Ok(LetRead::Reads { made, grants })
}
