//! Counts as a file of Parquet: typed columns that every warehouse reads.

use std::io::Write;
use std::sync::Arc;

use chrysalis_projections::Value;
use chrysalis_projections::model::View;
use chrysalis_projections::table::Kind;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Rows of one group: what is held of a file while it is written.
const GROUP: usize = 32_768;

/// A file on its way, a group of rows at a time.
///
/// # Errors
/// Where the library finds something wrong with what it was given, or it can't be written.
pub struct Rows<W: Write + Send> {
    view: &'static View,
    writer: SerializedFileWriter<W>,
    group: Vec<Vec<Value>>,
}

impl<W: Write + Send> Rows<W> {
    pub fn begin(view: &'static View, into: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema(view))?);
        let properties = Arc::new(WriterProperties::builder().build());
        Ok(Self { view, writer: SerializedFileWriter::new(into, schema, properties)?, group: Vec::new() })
    }

    pub fn put(&mut self, row: Vec<Value>) -> Result<(), ParquetError> {
        self.group.push(row);
        if self.group.len() < GROUP { Ok(()) } else { self.write() }
    }

    pub fn end(mut self) -> Result<W, ParquetError> {
        self.write()?;
        self.writer.into_inner()
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.group);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (at, column) in self.view.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
            let Some(mut into) = group.next_column()? else { break };
            match column.kind {
                Kind::Integer => {
                    let numbers: Vec<i64> = cells.map(number).collect();
                    into.typed::<Int64Type>().write_batch(&numbers, None, None)?;
                }
                Kind::Text | Kind::Bytes => {
                    let texts: Vec<ByteArray> = cells.map(|cell| cell.as_text().unwrap_or_default().into()).collect();
                    into.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
                }
            }
            into.close()?;
        }
        group.close().map(|_| ())
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        _ => 0,
    }
}

/// As Parquet spells it. No column of a view is ever null.
fn schema(view: &View) -> String {
    let column = |name, kind| match kind {
        Kind::Integer => format!("REQUIRED INT64 {name};"),
        Kind::Text => format!("REQUIRED BYTE_ARRAY {name} (UTF8);"),
        Kind::Bytes => format!("REQUIRED BYTE_ARRAY {name};"),
    };
    let columns: Vec<_> = view.columns.iter().map(|known| column(known.name, known.kind)).collect();
    format!("message {} {{ {} }}", view.name, columns.join(" "))
}

#[cfg(test)]
mod tests {
    use chrysalis_projections::conversion::VIEWS;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// Every table that there is, read by the same library's other half.
    #[test]
    fn what_was_written_is_read() {
        for view in VIEWS {
            let cell = |row: i64, at: usize| match view.columns[at].kind {
                Kind::Integer => Value::Integer(row * 1_000 + at as i64),
                _ => Value::Text(format!("é {row}")),
            };
            let row = |row| (0..view.columns.len()).map(|at| cell(row, at)).collect::<Vec<_>>();
            let rows: Vec<_> = (0..GROUP as i64 + 300).map(row).collect();
            let mut file = Rows::begin(view, Vec::new()).unwrap();
            rows.iter().for_each(|row| file.put(row.clone()).unwrap());
            let file = file.end().unwrap();
            let reader = SerializedFileReader::new(axum::body::Bytes::from(file)).unwrap();
            assert_eq!(reader.num_row_groups(), 2);
            let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
            assert_eq!(read.len(), rows.len());
            for (read, row) in read.iter().zip(&rows) {
                for ((name, field), (column, value)) in read.get_column_iter().zip(view.columns.iter().zip(row)) {
                    assert_eq!(name, column.name);
                    let expected = match value {
                        Value::Integer(number) => number.to_string(),
                        value => format!("{:?}", value.as_text().unwrap()),
                    };
                    assert_eq!(field.to_string(), expected);
                }
            }
        }
    }
}
