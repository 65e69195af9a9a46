//! Row changes as SQL. One statement text for each shape of change; SQLite keeps it prepared.

use std::collections::HashMap;

use chrysalis_projections::{Change, Table};
use rusqlite::Connection;

use super::schema::Bound;

/// Rows of a statement that inserts many.
const ROWS: usize = 16;

/// Writes row changes to the live tables, or to another generation of them.
pub(super) struct RowWriter {
    /// How a table is called in this generation.
    name: fn(&Table) -> String,
    statements: HashMap<Shape, String>,
}

/// What a statement depends on: the table, the columns that are set (by address and length of their constant list), the
/// column that selects.
type Shape = (&'static str, usize, usize, &'static str);

impl RowWriter {
    pub(super) fn live() -> Self {
        Self::new(|table| table.name.to_owned())
    }

    pub(super) fn new(name: fn(&Table) -> String) -> Self {
        Self { name, statements: HashMap::new() }
    }

    /// Writes changes of one table in their order: rows that are inserted one after another go many to a statement.
    pub(super) fn write_all(&mut self, connection: &Connection, changes: &[&Change]) -> rusqlite::Result<()> {
        let mut left = changes;
        while let Some(first) = left.first() {
            let inserts = left.iter().take(ROWS).take_while(|change| matches!(change, Change::Insert { .. })).count();
            let (now, later) = left.split_at(inserts.max(1));
            if inserts == ROWS {
                let sql = insert(first.table(), (self.name)(first.table()), ROWS);
                let values = now.iter().flat_map(|change| match change {
                    Change::Insert { values, .. } => values.as_slice(),
                    Change::Update { .. } | Change::Delete { .. } | Change::Add { .. } | Change::Advance { .. } => &[],
                });
                connection.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values.map(Bound)))?;
            } else {
                for change in now {
                    self.write(connection, change)?;
                }
            }
            left = later;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, connection: &Connection, change: &Change) -> rusqlite::Result<()> {
        let name = self.name;
        let (shape, values): (Shape, &[_]) = match change {
            Change::Insert { table, values } => ((table.name, 0, 0, "insert"), values),
            Change::Update { table, set, by, values } => ((table.name, set.as_ptr() as usize, set.len(), by), values),
            Change::Delete { table, by, value } => ((table.name, 1, 0, by), std::slice::from_ref(value)),
            Change::Add { table, column, values } => ((table.name, 2, 0, column), values),
            Change::Advance { table, time, values, .. } => ((table.name, 3, 0, time), values),
        };
        let sql = self.statements.entry(shape).or_insert_with(|| statement(change, name));
        let mut prepared = connection.prepare_cached(sql)?;
        prepared.execute(rusqlite::params_from_iter(values.iter().map(Bound)))?;
        Ok(())
    }
}

fn statement(change: &Change, name: fn(&Table) -> String) -> String {
    match change {
        Change::Insert { table, .. } => insert(table, name(table), 1),
        Change::Update { table, set, by, .. } => {
            let columns = stored(table, set.iter().copied(), 0).into_iter();
            let columns: Vec<_> = columns.map(|(column, value)| format!("{column} = {value}")).collect();
            format!("UPDATE {} SET {} WHERE {by} = ?{}", name(table), columns.join(", "), set.len() + 1)
        }
        Change::Delete { table, by, .. } => format!("DELETE FROM {} WHERE {by} = ?1", name(table)),
        Change::Advance { table, time, pause, .. } => format!(
            "UPDATE {} SET {time} = ?1, {pause} = CASE WHEN ?1 - {time} >= ?2 AND ?1 - {time} > coalesce({pause}, 0)
                 THEN ?1 - {time} ELSE {pause} END WHERE {} = ?3 AND {time} < ?1",
            name(table),
            table.key.join(", ")
        ),
        Change::Add { table, column, .. } => {
            let (name, key) = (name(table), table.key.join(", "));
            let values: Vec<_> = table.columns.iter().map(|known| value_of(table, known.name, column)).collect();
            let columns: Vec<_> = table.columns.iter().map(|known| known.name).collect();
            format!(
                "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT ({key}) DO UPDATE SET {column} = {column} + excluded.{column}",
                columns.join(", "),
                values.join(", ")
            )
        }
    }
}

fn insert(table: &Table, name: String, rows: usize) -> String {
    let all = || table.columns.iter().map(|column| column.name);
    let columns: Vec<_> = stored(table, all(), 0).into_iter().map(|(column, _)| column).collect();
    let row = |nth: usize| {
        let values: Vec<_> =
            stored(table, all(), nth * table.columns.len()).into_iter().map(|(_, value)| value).collect();
        format!("({})", values.join(", "))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    format!("INSERT INTO {name} ({}) VALUES {}", columns.join(", "), rows.join(", "))
}

/// The columns that a change writes, each with what is written: its parameter, or for a copy the select that finds it.
/// So many parameters stand before them.
fn stored(table: &Table, given: impl Iterator<Item = &'static str>, before: usize) -> Vec<(&'static str, String)> {
    let mut stored = Vec::new();
    for (given, n) in given.zip(before + 1..) {
        stored.push((given, format!("?{n}")));
        let column = table.columns.iter().find(|column| column.name == given);
        for copied in column.map_or(&[] as &[_], |column| column.copied) {
            stored.push((copied.name, format!("({}?{n})", copied.select)));
        }
    }
    stored
}

/// What a column of a row holds that comes into being by an addition to `added`: keys and the amount are parameters, other
/// numbers are nothing yet.
fn value_of(table: &Table, column: &str, added: &str) -> String {
    match table.key.iter().position(|key| *key == column) {
        Some(at) => format!("?{}", at + 1),
        None if column == added => format!("?{}", table.key.len() + 1),
        None => "0".to_owned(),
    }
}
