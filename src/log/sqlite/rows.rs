//! Row changes as SQL. One statement text for each shape of change; SQLite keeps it prepared.

use std::collections::HashMap;

use chrysalis_projections::{Change, Table, Value};
use rusqlite::Connection;

use super::schema::Bound;

/// Rows of a statement that inserts or deletes many.
const ROWS: usize = 16;

/// Begins a statement that inserts many. By itself SQLite keeps every page that one touches, to take back what it did
/// before a row that doesn't fit; here nothing is taken back but the whole batch, so that would be work for nothing.
pub(super) const INSERT_MANY: &str = "INSERT OR ROLLBACK";

/// Writes row changes to the live tables, or to another generation of them.
pub(super) struct RowWriter {
    /// How a table is called in this generation.
    name: fn(&Table) -> String,
    statements: HashMap<Shape, String>,
    /// Of those that take many changes.
    full: HashMap<Shape, String>,
}

/// What a statement depends on: the table, the columns that are set (by address and length of their constant list), the
/// column that selects.
type Shape = (&'static str, usize, usize, &'static str);

impl RowWriter {
    pub(super) fn live() -> Self {
        Self::new(|table| table.name.to_owned())
    }

    pub(super) fn new(name: fn(&Table) -> String) -> Self {
        Self { name, statements: HashMap::new(), full: HashMap::new() }
    }

    /// Writes changes of one table in their order: rows that come, or go, one after another go many to a statement.
    pub(super) fn write_all(&mut self, connection: &Connection, changes: &[&Change]) -> rusqlite::Result<()> {
        let mut left = changes;
        while let Some(first) = left.first() {
            let alike = left.iter().take(ROWS).take_while(|change| go_together(first, change)).count();
            let (now, later) = left.split_at(alike.max(1));
            if alike == ROWS {
                let name = self.name;
                let sql = self.full.entry(shape(first).0).or_insert_with(|| many(first, name));
                let values = now.iter().flat_map(|change| shape(change).1);
                connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values.map(Bound)))?;
            } else {
                for change in now {
                    self.write(connection, change)?;
                }
            }
            left = later;
        }
        Ok(())
    }

    /// Deletes the rows in which the column of a deletion has one of these values.
    fn delete(&mut self, connection: &Connection, like: &Change, values: &[&Value]) -> rusqlite::Result<()> {
        let (name, shape) = (self.name, shape(like).0);
        let sql = match values.len() {
            ROWS => self.full.entry(shape).or_insert_with(|| many(like, name)),
            _ => self.statements.entry(shape).or_insert_with(|| statement(like, name)),
        };
        let mut prepared = connection.prepare_cached(sql)?;
        let each = if values.len() == ROWS { ROWS } else { 1 };
        for values in values.chunks(each) {
            prepared.execute(rusqlite::params_from_iter(values.iter().map(|value| Bound(value))))?;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, connection: &Connection, change: &Change) -> rusqlite::Result<()> {
        let name = self.name;
        let (shape, values) = shape(change);
        let sql = self.statements.entry(shape).or_insert_with(|| statement(change, name));
        let mut prepared = connection.prepare_cached(sql)?;
        prepared.execute(rusqlite::params_from_iter(values.iter().map(Bound)))?;
        Ok(())
    }
}

/// Rows that go in a batch, held back until there are enough of them for a statement: of many who are deleted at once, each
/// leaves the same tables. In tables where streams meet nothing is held back.
#[derive(Default)]
pub(super) struct Leaving<'w>(Vec<(&'w Change, Vec<&'w Value>)>);

impl<'w> Leaving<'w> {
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        rows: &mut RowWriter,
        change: &'w Change,
    ) -> rusqlite::Result<()> {
        let table = change.table();
        let Change::Delete { value, .. } = change else {
            // What comes after it is not to go with it.
            self.leave(connection, rows, |first| first.table() == table)?;
            return rows.write(connection, change);
        };
        if table.shared {
            return rows.write(connection, change);
        }
        match self.0.iter_mut().find(|(first, _)| go_together(first, change)) {
            Some((_, values)) if values.len() + 1 < ROWS => values.push(value),
            Some((_, values)) => {
                values.push(value);
                return self.leave(connection, rows, |first| go_together(first, change));
            }
            None => self.0.push((change, vec![value])),
        }
        Ok(())
    }

    /// Deletes what is left.
    pub(super) fn finish(&mut self, connection: &Connection, rows: &mut RowWriter) -> rusqlite::Result<()> {
        self.leave(connection, rows, |_| true)
    }

    fn leave(
        &mut self,
        connection: &Connection,
        rows: &mut RowWriter,
        which: impl Fn(&Change) -> bool,
    ) -> rusqlite::Result<()> {
        for (first, values) in self.0.extract_if(.., |(first, _)| which(first)) {
            rows.delete(connection, first, &values)?;
        }
        Ok(())
    }
}

fn shape(change: &Change) -> (Shape, &[Value]) {
    match change {
        Change::Insert { table, values } => ((table.name, 0, 0, "insert"), values),
        Change::Update { table, set, by, values } => ((table.name, set.as_ptr() as usize, set.len(), by), values),
        Change::Delete { table, by, value } => ((table.name, 1, 0, by), std::slice::from_ref(value)),
        Change::Add { table, column, values } => ((table.name, 2, 0, column), values),
        Change::Advance { table, time, values, .. } => ((table.name, 3, 0, time), values),
    }
}

/// Whether two changes of one table are one statement's.
fn go_together(one: &Change, other: &Change) -> bool {
    let many = matches!(one, Change::Insert { .. } | Change::Delete { .. });
    many && shape(one).0 == shape(other).0
}

/// A statement for as many as go to one.
fn many(change: &Change, name: fn(&Table) -> String) -> String {
    match change {
        Change::Delete { table, by, .. } => {
            let rows: Vec<_> = (1..=ROWS).map(|n| format!("?{n}")).collect();
            format!("DELETE FROM {} WHERE {by} IN ({})", name(table), rows.join(", "))
        }
        change => insert(change.table(), name(change.table()), ROWS),
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
    let verb = if rows == 1 { "INSERT" } else { INSERT_MANY };
    let rows: Vec<_> = (0..rows).map(row).collect();
    format!("{verb} INTO {name} ({}) VALUES {}", columns.join(", "), rows.join(", "))
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
