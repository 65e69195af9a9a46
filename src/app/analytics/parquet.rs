//! Counts as a file of Parquet: typed columns that every warehouse reads.

use std::sync::Arc;

use chrysalis_projections::Value;
use chrysalis_projections::model::View;
use chrysalis_projections::table::Kind;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A file with all rows in one group.
///
/// # Errors
/// Where the library finds something wrong with what it was given.
pub fn to_parquet(view: &View, rows: &[Vec<Value>]) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(&schema(view))?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    for (at, column) in view.columns.iter().enumerate() {
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
    group.close()?;
    writer.into_inner()
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
            let rows: Vec<_> = (0..300).map(row).collect();
            let file = to_parquet(view, &rows).unwrap();
            let reader = SerializedFileReader::new(axum::body::Bytes::from(file)).unwrap();
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
