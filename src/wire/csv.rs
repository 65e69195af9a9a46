//! Lines of CSV (RFC 4180), as programs and spreadsheets read them.

/// A line of cells.
pub fn line(cells: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let cells: Vec<_> = cells.into_iter().map(|cell| quoted(&harmless(cell.as_ref()))).collect();
    cells.join(",") + "\r\n"
}

/// Spreadsheets take a cell that begins so for a formula, and would run what somebody else wrote.
fn harmless(cell: &str) -> String {
    let quote = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("{quote}{cell}")
}

fn quoted(cell: &str) -> String {
    let plain = !cell.contains(['"', ',', '\n', '\r']);
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_runs_nothing_and_ends_where_it_ends() {
        let written =
            ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a,b", "say \"=\"", "two\nlines", " =1", "'=1", "plain", ""];
        assert_eq!(
            line(written),
            "'=1+1,'+1,'-1,'@x,'\tx,\"'\rx\",\"a,b\",\"say \"\"=\"\"\",\"two\nlines\", =1,'=1,plain,\r\n"
        );
    }
}
