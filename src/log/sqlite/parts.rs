//! Texts that are found by any part of them: beside a table with such columns stands an index of their trigrams, by FTS5.
//! It holds no text, only which rows have which trigrams, in whatever order; so what it finds is held against the row.

use chrysalis_domain::id::UserId;
use chrysalis_projections::Table;
use chrysalis_projections::search::Sought;
use rusqlite::{Connection, params_from_iter};

use super::schema::Bound;

/// Characters that the index knows of together.
const TRIGRAM: usize = 3;
/// Trigrams of a part that are asked for: so many find nobody else.
const ASKED: usize = 32;

/// What the index of a table is called.
pub(super) fn index(name: &str) -> String {
    format!("{name}_parts")
}

/// Makes the index of a table that is new.
pub(super) fn make(connection: &Connection, table: &Table, name: &str) -> rusqlite::Result<()> {
    let (columns, index) = (table.by_part(), index(name));
    if columns.is_empty() {
        return Ok(());
    }
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS {index};
         CREATE VIRTUAL TABLE {index} USING fts5
             ({}, tokenize = 'trigram case_sensitive 1', detail = column, content = '', contentless_delete = 1);",
        columns.join(", ")
    ))
}

/// Takes rows out, while they are there.
pub(super) fn forget(connection: &Connection, table: &Table, name: &str, keys: &[&str]) -> rusqlite::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM {} WHERE rowid IN (SELECT rowid FROM {})", index(name), of_keys(table, name, keys));
    connection.prepare(&sql)?.execute(params_from_iter(keys)).map(|_| ())
}

/// Takes rows in, once they are there.
pub(super) fn learn(connection: &Connection, table: &Table, name: &str, keys: &[&str]) -> rusqlite::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let columns = table.by_part().join(", ");
    let sql = format!(
        "INSERT INTO {} (rowid, {columns}) SELECT rowid, {columns} FROM {}",
        index(name),
        of_keys(table, name, keys)
    );
    connection.prepare(&sql)?.execute(params_from_iter(keys)).map(|_| ())
}

fn of_keys(table: &Table, name: &str, keys: &[&str]) -> String {
    let keys: Vec<_> = (1..=keys.len()).map(|n| format!("?{n}")).collect();
    format!("{name} WHERE {} IN ({})", table.key[0], keys.join(", "))
}

/// Users who have a part of a text. `None` where it is too short to be looked for.
pub(super) fn find(connection: &Connection, sought: &Sought, most: usize) -> rusqlite::Result<Option<Vec<UserId>>> {
    let characters: Vec<char> = sought.text().chars().collect();
    let trigrams = characters.windows(TRIGRAM).take(ASKED);
    // In quotes everything stands for itself.
    let trigrams: Vec<_> =
        trigrams.map(|all| format!("\"{}\"", all.iter().collect::<String>().replace('"', "\"\""))).collect();
    if trigrams.is_empty() {
        return Ok(None);
    }
    let all = format!("{} : ({})", sought.field.column(), trigrams.join(" AND "));
    let mut values = Vec::new();
    let fits = sought.sql(|value| {
        values.push(value);
        format!("?{}", values.len() + 2)
    });
    let sql =
        format!("SELECT s.user_id FROM search_parts(?1) p JOIN search s ON s.rowid = p.rowid WHERE {fits} LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    for (value, n) in values.iter().zip(3..) {
        statement.raw_bind_parameter(n, Bound(value))?;
    }
    statement.raw_bind_parameter(1, &all)?;
    statement.raw_bind_parameter(2, most)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // An id that does not read is nobody's.
        found.extend(row.get::<_, String>(0)?.parse::<UserId>().ok());
    }
    Ok(Some(found))
}
