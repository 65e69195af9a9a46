//! Read models as data: what a table is, what a fold changes, what a question asks.
//!
//! A fold returns [`Change`]s and touches nothing. A store turns many folds' changes into few statements, in its own
//! dialect: this is why one fold serves live use, rebuild and every database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;

/// A table that can be built from the log at any time.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// The primary key: names among `columns`.
    pub key: &'static [&'static str],
    pub columns: &'static [Column],
    pub indexes: &'static [Index],
    /// More than one stream changes its rows, so the order of all changes counts; in every other table only that of one
    /// stream's.
    pub shared: bool,
    /// Its rows are small, and kept in the order of their key, where the store can do that: a row is then one place to
    /// write instead of two. Wide rows are better apart from the tree by which they are found.
    pub clustered: bool,
}

impl Table {
    /// Where a column stands among those that folds give.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Every column as it stands in a store, copies included: its name, its kind, whether it is always there.
    pub fn stored(&self) -> impl Iterator<Item = (&'static str, Kind, bool)> {
        self.columns.iter().flat_map(|column| {
            let copied = column.copied.iter().map(|copied| (copied.name, copied.kind, false));
            std::iter::once((column.name, column.kind, column.required)).chain(copied)
        })
    }

    /// Columns whose text is found by any part of it.
    pub fn by_part(&self) -> Vec<&'static str> {
        self.columns.iter().filter(|column| column.by_part).map(|column| column.name).collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// What stands beside it in the row, and no fold gives.
    pub copied: &'static [Copied],
    /// Its text is found by any part of it: a store keeps an index for that, each in its own way.
    pub by_part: bool,
}

/// A value that a store copies into the row when it writes the column that this belongs to: from the tables beside the
/// log, of which a fold knows nothing (docs/decisions/0002). Null when it is no longer there.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    pub name: &'static str,
    pub kind: Kind,
    /// A select of one value, up to the key that it is found by: the column's own value.
    pub select: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Bytes,
}

#[derive(Clone, Copy, Debug)]
pub struct Index {
    pub columns: &'static [&'static str],
    pub unique: bool,
    /// Rows in which the first column is null stand outside the index.
    pub only_present: bool,
}

impl Index {
    /// What it is called, and after what it selects: `name` is that of the table as it was defined.
    pub fn sql(&self, name: &str, generation: &str) -> (String, String, String) {
        let only = if self.only_present { format!(" WHERE {} IS NOT NULL", self.columns[0]) } else { String::new() };
        (format!("{name}_{}{generation}", self.columns.join("_")), self.columns.join(", "), only)
    }
}

pub const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, required: true, copied: &[], by_part: false }
}

pub const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer, required: true, copied: &[], by_part: false }
}

pub const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes, required: true, copied: &[], by_part: false }
}

impl Column {
    pub const fn optional(self) -> Column {
        Column { required: false, ..self }
    }

    pub const fn with(self, copied: &'static [Copied]) -> Column {
        Column { copied, ..self }
    }

    pub const fn found_by_part(self) -> Column {
        Column { by_part: true, ..self }
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Static(&'static str),
    Bytes(Vec<u8>),
}

impl Value {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Static(text) => Some(text),
            Value::Null | Value::Integer(_) | Value::Bytes(_) => None,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Integer(value.into())
    }
}

impl From<chrysalis_domain::Timestamp> for Value {
    fn from(value: chrysalis_domain::Timestamp) -> Self {
        Value::Integer(value.as_millis())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Value::Static(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}

impl From<[u8; 32]> for Value {
    fn from(value: [u8; 32]) -> Self {
        Value::Bytes(value.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// The text of an id, as every table spells it.
pub fn id(id: impl ToString) -> Value {
    Value::Text(id.to_string())
}

/// A change of rows. The column lists are constants of the fold that made it, so a store can key its prepared
/// statements by their address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, with a value for each of the table's columns in their order.
    Insert { table: &'static Table, values: Vec<Value> },
    /// Sets columns of every row in which `by` has the value. `values` are those of `set`, then that of `by`.
    Update { table: &'static Table, set: &'static [&'static str], by: &'static str, values: Vec<Value> },
    /// Removes every row in which `by` has the value.
    Delete { table: &'static Table, by: &'static str, value: Value },
    /// Adds to a number in the row of a key; where there is none, the row comes into being with that number. The table's
    /// columns are its key and numbers, and nothing else is done to it: so the order of these does not count. `values` are
    /// those of the key, then the amount.
    Add { table: &'static Table, column: &'static str, values: Vec<Value> },
    /// Moves a time on in the row of a key, and keeps beside it the longest that it stood still before, if that is long
    /// enough to matter. A row in which the time is null, or as late already, stays as it is. `values` are the later time,
    /// the shortest pause that matters, then the key, which is one column.
    Advance { table: &'static Table, time: &'static str, pause: &'static str, values: Vec<Value> },
}

/// Takes a change into an insert among those before it, if it only changes columns of that very row: the row is then
/// inserted as it will be, and nothing is left to do. `earlier` are the changes that are to be written before this one.
pub fn absorbed<'c>(earlier: impl DoubleEndedIterator<Item = &'c mut Change>, change: &Change) -> bool {
    let (by, which) = match change {
        Change::Update { by, values, .. } => (*by, values.last()),
        Change::Advance { table, values, .. } => (table.key[0], values.last()),
        Change::Insert { .. } | Change::Delete { .. } | Change::Add { .. } => return false,
    };
    let table = change.table();
    let Some(key) = table.column(by).filter(|_| table.key == [by]) else { return false };
    for before in earlier.rev().filter(|before| before.table() == table) {
        match before {
            Change::Insert { values, .. } if Some(&values[key]) == which => {
                change.settle(values);
                return true;
            }
            Change::Insert { .. } => {}
            // Whatever else happened to the table in between may have happened to the row.
            Change::Update { .. } | Change::Delete { .. } | Change::Add { .. } | Change::Advance { .. } => {
                return false;
            }
        }
    }
    false
}

/// Puts what is added to one number of one row together: of many who are counted at once, one change is left. What comes to
/// nothing stays, for it makes the row.
pub fn sum_up<W>(changes: &mut Vec<(W, Change)>) {
    let mut first: HashMap<(&'static str, &'static str, Vec<Value>), usize> = HashMap::new();
    let mut summed: Vec<(W, Change)> = Vec::with_capacity(changes.len());
    for (whose, change) in changes.drain(..) {
        if let Change::Add { table, column, values } = &change
            && let Some((Value::Integer(amount), key)) = values.split_last()
        {
            match first.entry((table.name, column, key.to_vec())) {
                Entry::Occupied(at) => {
                    if let Change::Add { values, .. } = &mut summed[*at.get()].1
                        && let Some(Value::Integer(sum)) = values.last_mut()
                    {
                        *sum += amount;
                    }
                    continue;
                }
                Entry::Vacant(place) => {
                    place.insert(summed.len());
                }
            }
        }
        summed.push((whose, change));
    }
    *changes = summed;
}

impl Change {
    pub fn table(&self) -> &'static Table {
        match self {
            Change::Insert { table, .. }
            | Change::Update { table, .. }
            | Change::Delete { table, .. }
            | Change::Add { table, .. }
            | Change::Advance { table, .. } => table,
        }
    }

    /// What a row becomes by it that has a value for each column.
    fn settle(&self, row: &mut [Value]) {
        let place = |name: &str| self.table().column(name);
        match self {
            Change::Update { set, values, .. } => {
                for (name, value) in set.iter().zip(values) {
                    if let Some(at) = place(name) {
                        row[at] = value.clone();
                    }
                }
            }
            Change::Advance { time, pause, values, .. } => {
                let (Some(time), Some(pause)) = (place(time), place(pause)) else { return };
                let (Value::Integer(then), [Value::Integer(now), Value::Integer(least), ..]) =
                    (&row[time], &values[..])
                else {
                    return;
                };
                let (stood, now) = (now - then, *now);
                let longest = if let Value::Integer(longest) = row[pause] { longest } else { 0 };
                if stood >= *least && stood > longest {
                    row[pause] = Value::Integer(stood);
                }
                if stood > 0 {
                    row[time] = Value::Integer(now);
                }
            }
            Change::Insert { .. } | Change::Delete { .. } | Change::Add { .. } => {}
        }
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

/// A row as a store hands it to a question. Columns are numbered from 0. A column that does not hold what is asked
/// for reads as the empty value: the types are those of our own tables, checked by the tests of each question.
pub trait Row {
    fn integer(&self, column: usize) -> Option<i64>;
    fn text(&self, column: usize) -> Option<&str>;
    fn bytes(&self, column: usize) -> Option<&[u8]>;
}

/// A question to the read models: SQL with parameters `?1`, `?2` …, and how one row of the answer reads.
pub struct Question<T> {
    pub sql: &'static str,
    pub read: fn(&dyn Row) -> Option<T>,
}

/// Reads columns from left to right, so that a long select list and its reader stay in step.
pub struct Cursor<'a> {
    row: &'a dyn Row,
    next: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(row: &'a dyn Row) -> Self {
        Self { row, next: 0 }
    }

    fn advance(&mut self) -> usize {
        let column = self.next;
        self.next += 1;
        column
    }

    pub fn integer(&mut self) -> Option<i64> {
        let column = self.advance();
        self.row.integer(column)
    }

    pub fn time(&mut self) -> Option<chrysalis_domain::Timestamp> {
        self.integer().map(chrysalis_domain::Timestamp::from_millis)
    }

    pub fn flag(&mut self) -> bool {
        self.integer() == Some(1)
    }

    pub fn text(&mut self) -> Option<String> {
        let column = self.advance();
        self.row.text(column).map(str::to_owned)
    }

    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let column = self.advance();
        self.row.bytes(column).map(<[u8]>::to_vec)
    }

    pub fn parse<T: std::str::FromStr>(&mut self) -> Option<T> {
        let column = self.advance();
        self.row.text(column)?.parse().ok()
    }

    /// A sealed value, as [`sealed!`](crate::sealed) selects it: two columns, id and ciphertext.
    pub fn sealed(&mut self) -> Option<Sealed> {
        let (id, ciphertext) = (self.parse(), self.bytes());
        Some(Sealed { id: id?, ciphertext })
    }
}

/// A sealed record as it stands in an answer: unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub id: chrysalis_domain::id::SealedId,
    /// None once the person was erased.
    pub ciphertext: Option<Vec<u8>>,
}

/// A column that may name a sealed record. The record's ciphertext is copied beside it.
macro_rules! sealed_record {
    ($name:literal) => {
        $crate::table::text($name).optional().with(&[$crate::table::Copied {
            name: concat!($name, "_sealed"),
            kind: $crate::table::Kind::Bytes,
            select: "SELECT ciphertext FROM sealed WHERE sealed_id = ",
        }])
    };
}

/// Selects a sealed value: the column that names it, and the ciphertext beside it.
macro_rules! sealed {
    ($column:literal) => {
        concat!($column, ", ", $column, "_sealed")
    };
}

pub(crate) use sealed;
pub(crate) use sealed_record;
