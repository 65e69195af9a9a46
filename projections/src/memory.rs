//! The inline tables in memory, as strict as a database: for tests of the folds.

use std::collections::BTreeMap;

use crate::table::{Kind, Table, Value};
use crate::{Change, INLINE};

/// A row: the value of each column by its name.
pub type Row = BTreeMap<&'static str, Value>;

pub struct Memory {
    tables: BTreeMap<&'static str, Vec<Row>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { tables: INLINE.iter().map(|table| (table.name, Vec::new())).collect() }
    }
}

impl Memory {
    pub fn rows(&self, table: &Table) -> &[Row] {
        &self.tables[table.name]
    }

    /// Does what the change says, and panics where a database would refuse it.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Insert { table, values } => {
                assert_eq!(values.len(), table.columns.len(), "{}: a value for each column", table.name);
                let row = table
                    .columns
                    .iter()
                    .zip(values)
                    .map(|(column, value)| (column.name, checked(table, column.name, value)))
                    .collect();
                self.unique(table, &row);
                self.of(table).push(row);
            }
            Change::Update { table, set, by, mut values } => {
                assert_eq!(
                    values.len(),
                    set.len() + 1,
                    "{}: a value for each column set, and one to find the rows",
                    table.name
                );
                let which = checked(table, by, values.pop().unwrap());
                let values: Vec<_> =
                    set.iter().zip(values).map(|(column, value)| (*column, checked(table, column, value))).collect();
                for row in self.of(table).iter_mut().filter(|row| row[by] == which) {
                    row.extend(values.iter().cloned());
                }
            }
            Change::Add { table, .. } | Change::Advance { table, .. } => {
                panic!("{}: nothing inline adds up or moves on", table.name)
            }
            Change::Delete { table, by, value } => {
                let which = checked(table, by, value);
                self.of(table).retain(|row| row[by] != which);
            }
        }
    }

    fn of(&mut self, table: &Table) -> &mut Vec<Row> {
        self.tables.get_mut(table.name).expect("the table is one of INLINE")
    }

    fn unique(&self, table: &Table, new: &Row) {
        let keys = table.indexes.iter().filter(|index| index.unique).map(|index| index.columns);
        for key in keys.chain([table.key]) {
            let taken = self.rows(table).iter().any(|row| key.iter().all(|column| row[column] == new[column]));
            assert!(!taken, "{}: a second row with the same {key:?}: {new:?}", table.name);
        }
    }
}

/// The value as a database would hold it, if the column takes it.
fn checked(table: &Table, name: &str, value: Value) -> Value {
    let column = table.columns.iter().find(|column| column.name == name);
    let column = column.unwrap_or_else(|| panic!("{} has no column {name}", table.name));
    let value = plain(value);
    let fits = match &value {
        Value::Null => !column.required,
        Value::Integer(_) => column.kind == Kind::Integer,
        Value::Text(_) | Value::Static(_) => column.kind == Kind::Text,
        Value::Bytes(_) => column.kind == Kind::Bytes,
    };
    assert!(fits, "{}.{name} can't hold {value:?}", table.name);
    value
}

/// A database knows no difference between a constant text and any other.
pub fn plain(value: Value) -> Value {
    match value {
        Value::Static(text) => Value::Text(text.to_owned()),
        other => other,
    }
}
