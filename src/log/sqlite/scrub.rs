//! Tables whose rows nobody may read any more, taken down so that nothing of them is left in the file: little by little,
//! between the batches of those who wait for an answer. To drop a large table in one go would hold all of them up.

use chrysalis_projections::Table;
use rusqlite::Connection;

use super::parts;

/// Rows that go at a time: some milliseconds of the writer's.
const ROWS: usize = 500;

/// Until the transaction's end, pages that come free are overwritten too.
pub(super) fn leave_nothing(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "secure_delete", "ON")
}

fn gone(table: &Table) -> String {
    format!("{}_gone", table.name)
}

/// Makes room for another table of that name.
pub(super) fn set_aside(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let (name, gone) = (table.name, gone(table));
    leave_nothing(connection)?;
    drop_whole(connection, table)?;
    connection.execute_batch(&format!(
        "ALTER TABLE {name} RENAME TO {gone}; ALTER TABLE {} RENAME TO {};",
        parts::index(name),
        parts::index(&gone)
    ))
}

/// Takes the next bit of it away; `false` when nothing is left.
pub(super) fn take_down(connection: &Connection, table: &Table) -> rusqlite::Result<bool> {
    let gone = gone(table);
    if !connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?1")?.exists([&gone])? {
        return Ok(false);
    }
    leave_nothing(connection)?;
    let sql = format!("DELETE FROM {gone} WHERE rowid IN (SELECT rowid FROM {gone} LIMIT {ROWS})");
    if connection.prepare(&sql)?.execute([])? == 0 {
        // The index of parts goes whole: half of one is a damaged one for whoever checks the file.
        drop_whole(connection, table)?;
    }
    Ok(true)
}

fn drop_whole(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let gone = gone(table);
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {gone}; DROP TABLE IF EXISTS {};", parts::index(&gone)))
}
