//! Columns of values on their way into a statement: one array a column, so that a statement has as many parameters as
//! columns, however many rows.

use std::borrow::Cow;

use chrysalis_projections::Value;
use chrysalis_projections::table::Kind;
use tokio_postgres::types::{ToSql, Type};

/// One column's values, one for each row.
pub(super) enum Cells<'c> {
    Text(Vec<Option<Cow<'c, str>>>),
    /// Made for the statement.
    Made(Vec<Option<String>>),
    Integer(Vec<Option<i64>>),
    Bytes(Vec<Option<&'c [u8]>>),
    MadeBytes(Vec<Vec<u8>>),
    /// No column: one number for all rows, or none.
    One(Option<i64>),
    /// No column: one text for all rows.
    Word(&'c str),
}

impl<'c> Cells<'c> {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Cells::Text(Vec::new()),
            Kind::Integer => Cells::Integer(Vec::new()),
            Kind::Bytes => Cells::Bytes(Vec::new()),
        }
    }

    /// A value that is not of the column's kind is none: the database refuses it where one is required.
    pub(super) fn push(&mut self, value: &'c Value) {
        match (self, value) {
            (Cells::Text(cells), Value::Text(said)) => cells.push(Some(sayable(said))),
            (Cells::Text(cells), Value::Static(said)) => cells.push(Some(sayable(said))),
            (Cells::Text(cells), _) => cells.push(None),
            (Cells::Integer(cells), Value::Integer(number)) => cells.push(Some(*number)),
            (Cells::Integer(cells), _) => cells.push(None),
            (Cells::Bytes(cells), Value::Bytes(bytes)) => cells.push(Some(bytes)),
            (Cells::Bytes(cells), _) => cells.push(None),
            (Cells::Made(cells), Value::Text(said)) => cells.push(Some(sayable(said).into_owned())),
            (Cells::Made(cells), _) => cells.push(None),
            (Cells::MadeBytes(cells), Value::Bytes(bytes)) => cells.push(bytes.clone()),
            (Cells::MadeBytes(_) | Cells::One(_) | Cells::Word(_), _) => {}
        }
    }

    pub(super) fn texts(texts: impl IntoIterator<Item = &'c str>) -> Self {
        Cells::Text(texts.into_iter().map(|said| Some(sayable(said))).collect())
    }

    pub(super) fn perhaps(texts: impl IntoIterator<Item = Option<&'c str>>) -> Self {
        Cells::Text(texts.into_iter().map(|said| said.map(sayable)).collect())
    }

    pub(super) fn made<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        Cells::Made(texts.into_iter().map(|text| Some(text.to_string())).collect())
    }

    pub(super) fn one(number: u64) -> Self {
        Cells::any(Some(number))
    }

    pub(super) fn any(number: Option<u64>) -> Self {
        Cells::One(number.map(u64::cast_signed))
    }

    pub(super) fn integers<T: TryInto<i64>>(numbers: impl IntoIterator<Item = T>) -> Self {
        // Positions and versions are counted from 1: none comes near to what a bigint can't hold.
        Cells::Integer(numbers.into_iter().map(|number| Some(number.try_into().unwrap_or(i64::MAX))).collect())
    }

    pub(super) fn bytes(all: impl IntoIterator<Item = &'c [u8]>) -> Self {
        Cells::Bytes(all.into_iter().map(Some).collect())
    }

    pub(super) fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Cells::Text(cells) => cells,
            Cells::Made(cells) => cells,
            Cells::Integer(cells) => cells,
            Cells::Bytes(cells) => cells,
            Cells::MadeBytes(cells) => cells,
            Cells::One(number) => number,
            Cells::Word(text) => text,
        }
    }
}

/// A text as PostgreSQL can have it: with every character but NUL, which it refuses, and with it the whole statement, whoever
/// else asks by it. What stands for NUL is no character either, and the same whether it is stored or looked for.
pub(super) fn sayable(said: &str) -> Cow<'_, str> {
    if said.contains('\0') { Cow::Owned(said.replace('\0', "\u{fffe}")) } else { Cow::Borrowed(said) }
}

/// The type of an array of a kind.
pub(super) fn array(kind: Kind) -> Type {
    match kind {
        Kind::Text => Type::TEXT_ARRAY,
        Kind::Integer => Type::INT8_ARRAY,
        Kind::Bytes => Type::BYTEA_ARRAY,
    }
}

/// The same as SQL has it.
pub(super) fn array_sql(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text[]",
        Kind::Integer => "bigint[]",
        Kind::Bytes => "bytea[]",
    }
}
