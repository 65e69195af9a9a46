//! Row changes as few statements: all changes of one shape that may happen together are one statement over arrays.
//!
//! What one stream changes in one table happens in its order; different streams don't know of each other. Where they meet
//! in a table (claims above all) the order of the whole batch counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use chrysalis_projections::table::{Kind, Table};
use chrysalis_projections::{Change, Value};
use tokio_postgres::types::Type;

use super::cells::{Cells, array, array_sql};

/// A statement over arrays.
pub(super) struct Text {
    pub(super) sql: String,
    pub(super) types: Vec<Type>,
    kinds: Vec<Kind>,
}

/// A statement with its rows.
pub(super) struct Step<'c> {
    pub(super) text: Arc<Text>,
    pub(super) cells: Vec<Cells<'c>>,
    /// The changes, in the order of the rows.
    pub(super) changes: Vec<&'c Change>,
}

/// Turns row changes into statements on the live tables, or on another generation of them.
pub(super) struct RowWriter {
    /// How a table is called in this generation.
    name: fn(&Table) -> String,
    /// Rows that can't stand beside those that are there are left out, and those that were written are answered.
    lenient: bool,
    /// Every column is written, also one that is null in all rows: few statements, for rows that are of many patterns.
    whole: bool,
    texts: HashMap<(Shape, Absent), Arc<Text>>,
}

/// Columns that no row of an insert has a value for, a bit for each: they are left out, with what would be copied
/// beside them.
type Absent = u64;

/// What a statement depends on: the table, the columns that are set (by address and length of their constant list), the
/// column that selects.
type Shape = (&'static str, usize, usize, &'static str);

impl RowWriter {
    pub(super) fn live() -> Self {
        Self { name: |table| table.name.to_owned(), lenient: false, whole: false, texts: HashMap::new() }
    }

    /// For a generation of a read model that follows the log.
    pub(super) fn of(name: fn(&Table) -> String) -> Self {
        Self { name, lenient: false, whole: true, texts: HashMap::new() }
    }

    pub(super) fn lenient(name: fn(&Table) -> String) -> Self {
        Self { name, lenient: true, whole: false, texts: HashMap::new() }
    }

    /// The statements, in an order in which they give what the changes give one by one. Each change comes with the
    /// stream that it belongs to.
    pub(super) fn steps<'c, K: Hash + Eq>(&mut self, changes: impl Iterator<Item = (K, &'c Change)>) -> Vec<Step<'c>> {
        let mut reached: HashMap<(&'static str, Option<K>), (usize, Shape)> = HashMap::new();
        let mut layers: Vec<Vec<(Shape, Vec<&'c Change>)>> = Vec::new();
        for (stream, change) in changes {
            let (shape, table) = (shape(change), change.table());
            if let Change::Add { .. } = change {
                // In whatever order, also with those of other shapes.
                match layers.first_mut().and_then(|layer| layer.iter_mut().find(|(known, _)| *known == shape)) {
                    Some((_, changes)) => changes.push(change),
                    None => {
                        layers.resize_with(layers.len().max(1), Vec::new);
                        layers[0].push((shape, vec![change]));
                    }
                }
                continue;
            }
            let stream = if table.shared { None } else { Some(stream) };
            let last = reached.entry((table.name, stream));
            let layer = match &last {
                Entry::Vacant(_) => 0,
                // Rows that come or go don't care in which order.
                Entry::Occupied(last)
                    if last.get().1 == shape && matches!(change, Change::Insert { .. } | Change::Delete { .. }) =>
                {
                    last.get().0
                }
                Entry::Occupied(last) => last.get().0 + 1,
            };
            last.insert_entry((layer, shape));
            if layers.len() <= layer {
                layers.resize_with(layer + 1, Vec::new);
            }
            match layers[layer].iter_mut().find(|(known, _)| *known == shape) {
                Some((_, changes)) => changes.push(change),
                None => layers[layer].push((shape, vec![change])),
            }
        }
        layers.into_iter().flatten().map(|(shape, changes)| self.step(shape, changes)).collect()
    }

    fn step<'c>(&mut self, shape: Shape, mut changes: Vec<&'c Change>) -> Step<'c> {
        let (name, lenient) = (self.name, self.lenient);
        let absent = if self.whole { 0 } else { absent(&changes) };
        let text = self.texts.entry((shape, absent));
        let text = text.or_insert_with(|| Arc::new(text_of(changes[0], absent, name, lenient))).clone();
        // Nodes that change the same rows at once do it in one order: none waits for one who waits for it.
        if changes[0].table().shared {
            changes.sort_by(|one, other| bytes(values(one)).cmp(bytes(values(other))));
        }
        let mut cells: Vec<_> = text.kinds.iter().map(|kind| Cells::of(*kind)).collect();
        for change in &changes {
            let present = values(change).iter().enumerate().filter(|(at, _)| absent & (1 << at) == 0);
            cells.iter_mut().zip(present).for_each(|(cells, (_, value))| cells.push(value));
        }
        Step { text, cells, changes }
    }
}

fn shape(change: &Change) -> Shape {
    match change {
        Change::Insert { table, .. } => (table.name, 0, 0, "insert"),
        Change::Update { table, set, by, .. } => (table.name, set.as_ptr() as usize, set.len(), by),
        Change::Delete { table, by, .. } => (table.name, 1, 0, by),
        Change::Add { table, column, .. } => (table.name, 2, 0, column),
        Change::Advance { table, time, .. } => (table.name, 3, 0, time),
    }
}

fn values(change: &Change) -> &[Value] {
    match change {
        Change::Insert { values, .. }
        | Change::Update { values, .. }
        | Change::Add { values, .. }
        | Change::Advance { values, .. } => values,
        Change::Delete { value, .. } => std::slice::from_ref(value),
    }
}

/// Which columns are null in every row. No table has more columns than there are bits.
fn absent(changes: &[&Change]) -> Absent {
    let Some(Change::Insert { values: first, .. }) = changes.first() else { return 0 };
    let null = |at: usize| changes.iter().all(|change| values(change).get(at) == Some(&Value::Null));
    (0..first.len()).filter(|at| null(*at)).map(|at| 1 << at).sum()
}

/// Values in an order: of claims that is their kind and their hash.
fn bytes(values: &[Value]) -> impl Iterator<Item = &[u8]> {
    values.iter().map(|value| match value {
        Value::Text(text) => text.as_bytes(),
        Value::Static(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        Value::Null | Value::Integer(_) => &[],
    })
}

fn text_of(change: &Change, absent: Absent, name: fn(&Table) -> String, lenient: bool) -> Text {
    let table = change.table();
    let kind =
        |name: &str| table.columns.iter().find(|column| column.name == name).map_or(Kind::Text, |column| column.kind);
    let given: Vec<&str> = match change {
        Change::Insert { table, .. } => {
            let present = table.columns.iter().enumerate().filter(|(at, _)| absent & (1 << at) == 0);
            present.map(|(_, column)| column.name).collect()
        }
        Change::Update { set, by, .. } => set.iter().chain([by]).copied().collect(),
        Change::Delete { by, .. } => vec![by],
        Change::Add { column, .. } => table.key.iter().chain([column]).copied().collect(),
        // The later time, the least pause, the key.
        Change::Advance { time, pause, .. } => [*time, *pause].into_iter().chain(table.key.iter().copied()).collect(),
    };
    let kinds: Vec<Kind> = given.iter().map(|name| kind(name)).collect();
    let arrays: Vec<_> = kinds.iter().zip(1..).map(|(kind, n)| format!("${n}::{}", array_sql(*kind))).collect();
    let columns: Vec<_> = (1..=kinds.len()).map(|n| format!("c{n}")).collect();
    let from = format!("unnest({}) AS i({})", arrays.join(", "), columns.join(", "));
    let name = name(table);
    let sql = match change {
        Change::Insert { .. } => {
            let (columns, values): (Vec<_>, Vec<_>) = stored(table, &given).into_iter().unzip();
            let key = table.key.join(", ");
            let or = if lenient { format!(" ON CONFLICT DO NOTHING RETURNING {key}") } else { String::new() };
            format!("INSERT INTO {name} ({}) SELECT {} FROM {from}{or}", columns.join(", "), values.join(", "))
        }
        Change::Update { set, by, .. } => {
            let columns = stored(table, set).into_iter().map(|(column, value)| format!("{column} = {value}"));
            let columns: Vec<_> = columns.collect();
            format!("UPDATE {name} AS t SET {} FROM {from} WHERE t.{by} = i.c{}", columns.join(", "), kinds.len())
        }
        Change::Delete { by, .. } => format!("DELETE FROM {name} WHERE {by} = ANY({})", arrays[0]),
        Change::Add { column, .. } => added(table, &name, column, &from),
        Change::Advance { time, pause, .. } => format!(
            "UPDATE {name} AS t SET {time} = i.c1, {pause} = CASE WHEN i.c1 - t.{time} >= i.c2
                 AND i.c1 - t.{time} > coalesce(t.{pause}, 0) THEN i.c1 - t.{time} ELSE t.{pause} END
             FROM {from} WHERE t.{} = i.c3 AND t.{time} < i.c1",
            table.key.join(", ")
        ),
    };
    Text { sql, types: kinds.iter().map(|kind| array(*kind)).collect(), kinds }
}

/// A statement touches a row once, so what is added to it is summed up first.
fn added(table: &Table, name: &str, column: &str, from: &str) -> String {
    let key: Vec<_> = (1..=table.key.len()).map(|n| format!("i.c{n}")).collect();
    let value = |known: &str| match table.key.iter().position(|key| *key == known) {
        Some(at) => key[at].clone(),
        None if known == column => format!("sum(i.c{})::bigint", key.len() + 1),
        None => "0".to_owned(),
    };
    let (columns, values): (Vec<_>, Vec<_>) = table.columns.iter().map(|known| (known.name, value(known.name))).unzip();
    format!(
        "INSERT INTO {name} AS t ({columns}) SELECT {values} FROM {from} GROUP BY {key} ORDER BY {key}
         ON CONFLICT ({conflict}) DO UPDATE SET {column} = t.{column} + excluded.{column}",
        columns = columns.join(", "),
        values = values.join(", "),
        key = key.join(", "),
        conflict = table.key.join(", "),
    )
}

/// The columns that a change writes, each with what is written: its own value, or for a copy the select that finds it.
fn stored(table: &Table, given: &[&'static str]) -> Vec<(&'static str, String)> {
    let mut stored = Vec::new();
    for (given, n) in given.iter().copied().zip(1..) {
        stored.push((given, format!("i.c{n}")));
        let column = table.columns.iter().find(|column| column.name == given);
        for copied in column.map_or(&[] as &[_], |column| column.copied) {
            stored.push((copied.name, format!("({}i.c{n})", copied.select)));
        }
    }
    stored
}
