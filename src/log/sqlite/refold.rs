//! Rebuild and comparison of the read models: the same fold as live, from the first event on.

use std::cmp::Ordering;
use std::path::Path;

use chrysalis_domain::id::{ChallengeId, ClaimId, InvitationId, SealedId};
use chrysalis_projections::table::Table;
use chrysalis_projections::{ClaimKey, ClaimKeys, ClaimKind, INLINE, Model};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use super::ahead;
use super::rows::RowWriter;
use super::{LogFault, Position, connect, fault, follow, schema};
use crate::log::erasure::{Copies, which_epochs};
use crate::log::follow::{Following, tables};
use crate::log::refold::{
    CATCH_UP, ClaimReader, Decoded, Difference, Folded, Folding, LITTLE, NULL, Progress, Report, SealedRow, Unread,
    beside_the_log,
};

/// Pages written by a rebuild before it brings them home: 32 MiB.
const HOME_AFTER: i64 = 8_192;
/// Events of one step of a rebuild, for as long as which a server on the same file can't write.
const STEP: usize = 2_048;
/// Pause between two steps: several looks of a server's writer that waits for the lock.
const LET_IN: std::time::Duration = std::time::Duration::from_millis(3);

pub(super) fn rebuild(path: &Path, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
    let mut connection = connect(path)?;
    // Where no server runs nobody else brings the pages home, and what was written would pile up beside the file.
    connection.pragma_update(None, "wal_autocheckpoint", HOME_AFTER).map_err(fault)?;
    // A step that is lost with the machine is lost with the whole rebuild: only the last one waits for the disk.
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(fault)?;
    // The schema's version rises with every table that is made: no index still has a name of this generation.
    let version: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0)).map_err(fault)?;
    let generation = format!("_g{version}");
    let epochs = epochs(&connection)?;
    make(&connection, INLINE, next_name, &generation)?;
    let mut refold = Refold { rows: RowWriter::new(next_name), claims, as_live: false, folding: Folding::default() };
    // In steps, so that a server on the same file can write in between, until little is left; the last step holds the
    // write lock, so that nothing is stored between catching up and the flip.
    for _ in 0..CATCH_UP {
        let (last, upto) = (refold.folding.last, head(&connection)?);
        if upto - last <= LITTLE {
            break;
        }
        ahead::each_page(path, last, upto, |page| {
            for step in page.chunks(STEP) {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
                refold.fold(&transaction, step)?;
                refold.folding.report.fits()?;
                transaction.commit().map_err(fault)?;
                progress(refold.folding.report.events);
                std::thread::sleep(LET_IN);
            }
            Ok(())
        })?;
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    loop {
        let page = ahead::page(&transaction, refold.folding.last)?;
        if page.is_empty() {
            break;
        }
        refold.fold(&transaction, &page)?;
    }
    refold.folding.report.fits()?;
    refold.folding.keeps_claims()?;
    if epochs.len() != 1 || epochs != self::epochs(&transaction)? {
        for copies in Copies::all() {
            transaction.execute_batch(&copies.catch_up_in(&next_name(copies.table))).map_err(fault)?;
        }
    }
    for table in INLINE {
        let (name, next) = (table.name, next_name(table));
        transaction
            .execute_batch(&format!("DROP TABLE IF EXISTS {name}; ALTER TABLE {next} RENAME TO {name};"))
            .map_err(fault)?;
    }
    transaction.commit().map_err(fault)?;
    progress(refold.folding.report.events);
    Ok(refold.folding.report)
}

pub(super) fn fit(path: &Path) -> Result<(), LogFault> {
    schema::models_fit(&connect(path)?)
}

/// Into temporary tables.
pub(super) fn verify(
    path: &Path,
    models: &'static [&'static Model],
    claims: &dyn ClaimReader,
    progress: Progress<'_>,
) -> Result<Report, LogFault> {
    let mut connection = connect(path)?;
    schema::models_fit(&connection)?;
    // A scattered damage can hide an event from an index: what is compared must be whole first.
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fault)?;
    if sound != "ok" {
        return Err(LogFault::Damaged(format!("{sound}; restore the file from a backup, then verify again")));
    }
    make(&connection, INLINE, temporary_name, "_verify")?;
    make(&connection, tables(models), temporary_name, "_verify")?;
    // A read transaction: the log and the live tables stand still, the temporary ones are ours alone.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(fault)?;
    let mut refold =
        Refold { rows: RowWriter::new(temporary_name), claims, as_live: true, folding: Folding::default() };
    let upto = head(&transaction)?;
    let standing = follow::generations(&transaction, models).map_err(fault)?;
    let (following, unlike) = Following::of(standing);
    ahead::each_page(path, 0, upto, |page| {
        refold.fold(&transaction, page)?;
        for folded in following.fold(page) {
            let rows = follow::kept(&transaction, &folded, temporary_name).map_err(fault)?;
            for (_, change) in folded.settled(rows).iter() {
                match refold.rows.write(&transaction, change) {
                    // What is missing before it is told already.
                    Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {}
                    written => written.map_err(fault)?,
                }
            }
        }
        progress(refold.folding.report.events);
        Ok(())
    })?;
    let mut report = Report { unlike, ..refold.folding.report };
    let mut statement = transaction.prepare(&beside_the_log()).map_err(fault)?;
    let beside = statement.query_map([], |row| Ok((row.get(0)?, text(row.get_ref(1)?)))).map_err(fault)?;
    for row in beside {
        let (position, event) = row.map_err(fault)?;
        report.does_not_read(Unread::beside_the_log(position, event));
    }
    for table in INLINE.into_iter().chain(following.tables()) {
        compare(&transaction, table, &mut report)?;
    }
    Ok(report)
}

fn next_name(table: &Table) -> String {
    format!("{}_next", table.name)
}

fn temporary_name(table: &Table) -> String {
    format!("temp.{}_verify", table.name)
}

fn epochs(connection: &Connection) -> Result<Vec<u32>, LogFault> {
    let mut statement = connection.prepare(&which_epochs()).map_err(fault)?;
    let epochs = statement.query_map([], |row| row.get(0)).map_err(fault)?;
    epochs.collect::<Result<_, _>>().map_err(fault)
}

/// A text, whatever it is.
fn text(value: ValueRef<'_>) -> String {
    value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

fn head(connection: &Connection) -> Result<Position, LogFault> {
    connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0)).map_err(fault)
}

fn make(
    connection: &Connection,
    tables: impl IntoIterator<Item = &'static Table>,
    name: fn(&Table) -> String,
    generation: &str,
) -> Result<(), LogFault> {
    for table in tables {
        let name = name(table);
        let sql = format!("DROP TABLE IF EXISTS {name};\n{}", schema::create(table, &name, generation));
        connection.execute_batch(&sql).map_err(fault)?;
    }
    Ok(())
}

struct Refold<'a> {
    rows: RowWriter,
    claims: &'a dyn ClaimReader,
    as_live: bool,
    folding: Folding,
}

impl Refold<'_> {
    fn fold(&mut self, connection: &Connection, page: &[Decoded]) -> Result<(), LogFault> {
        let keys = Opened { connection, claims: self.claims, as_live: self.as_live };
        for Folded { position, change, .. } in self.folding.fold(page, &keys) {
            match self.rows.write(connection, &change) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    self.folding.report.misfit(position)
                }
                written => written.map_err(fault)?,
            }
        }
        Ok(())
    }
}

/// Claim keys from the sealed records of the log.
struct Opened<'a> {
    connection: &'a Connection,
    claims: &'a dyn ClaimReader,
    /// A comparison hashes under the look-up key that the live row was made with; a rebuild moves every claim to the
    /// present one.
    as_live: bool,
}

impl Opened<'_> {
    fn live_key(&self, claim: ClaimId) -> Option<u32> {
        if !self.as_live {
            return None;
        }
        let sql = "SELECT key_id FROM main.claims WHERE claim_id = ?1
                   UNION ALL SELECT key_id FROM main.codes WHERE challenge_id = ?2
                   UNION ALL SELECT key_id FROM main.invitations WHERE invitation_id = ?3";
        let ulid = claim.ulid();
        let ids =
            [claim.to_string(), ChallengeId::from_ulid(ulid).to_string(), InvitationId::from_ulid(ulid).to_string()];
        self.connection.prepare_cached(sql).ok()?.query_row(ids, |row| row.get(0)).ok()
    }
}

impl ClaimKeys for Opened<'_> {
    fn claim_key(&self, kind: ClaimKind, claim: ClaimId, sealed: SealedId) -> Option<ClaimKey> {
        let sql = "SELECT s.person_id, s.ciphertext, k.epoch, k.wrapped
                   FROM sealed s JOIN person_keys k USING (person_id) WHERE s.sealed_id = ?1";
        let row = self.connection.prepare_cached(sql).ok()?.query_row([sealed.to_string()], |row| {
            Ok(SealedRow {
                id: sealed,
                person: row.get(0)?,
                ciphertext: row.get(1)?,
                epoch: row.get(2)?,
                wrapped: row.get(3)?,
            })
        });
        let key = self.claims.claim_key(kind, &row.optional().ok()??)?;
        Some(match self.live_key(claim) {
            Some(id) => key.under(id),
            None => key,
        })
    }
}

/// Walks both tables in the order of their key.
fn compare(connection: &Connection, table: &'static Table, report: &mut Report) -> Result<(), LogFault> {
    let order = table.key.join(", ");
    let columns: Vec<_> = table.stored().map(|(name, ..)| name).collect();
    let select = |name: &str| format!("SELECT {} FROM {name} ORDER BY {order}", columns.join(", "));
    let mut live_statement = connection.prepare(&select(table.name)).map_err(fault)?;
    let mut refolded_statement = connection.prepare(&select(&temporary_name(table))).map_err(fault)?;
    let mut live_rows = live_statement.query([]).map_err(fault)?;
    let mut refolded_rows = refolded_statement.query([]).map_err(fault)?;
    let width = columns.len();
    let keys: Vec<usize> = table.key.iter().filter_map(|key| columns.iter().position(|column| column == key)).collect();
    let key_of = |row: &[Cell]| keys.iter().map(|index| show(&row[*index])).collect::<Vec<_>>();
    let named = |row: &[Cell]| columns.iter().copied().zip(row.iter().map(show)).collect::<Vec<_>>();

    let (mut live, mut refolded) = (next(&mut live_rows, width)?, next(&mut refolded_rows, width)?);
    loop {
        let order = match (&live, &refolded) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(live), Some(refolded)) => {
                let keys = keys.iter().map(|index| compare_cells(&live[*index], &refolded[*index]));
                keys.fold(Ordering::Equal, Ordering::then)
            }
        };
        match (order, &live, &refolded) {
            (Ordering::Equal, Some(live), Some(refolded)) if live != refolded => {
                let key = key_of(live);
                let differ = (0..width).filter(|index| live[*index] != refolded[*index]).map(|index| {
                    let (stored, should) = (show(&live[index]), show(&refolded[index]));
                    Difference::of_column(table.name, &key, columns[index], &stored, &should)
                });
                report.differs(differ);
            }
            (Ordering::Less, Some(live), _) => {
                report.differs([Difference::unfounded(table.name, &key_of(live), &named(live))]);
            }
            (Ordering::Greater, _, Some(refolded)) => {
                report.differs([Difference::missing(table.name, &key_of(refolded), &named(refolded))]);
            }
            _ => {}
        }
        report.rows += 1;
        if order.is_le() {
            live = next(&mut live_rows, width)?;
        }
        if order.is_ge() {
            refolded = next(&mut refolded_rows, width)?;
        }
    }
}

/// What stands in a row. Texts are bytes here: what is no UTF-8 differs from all that a fold makes, and is no reason to stop.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Integer(number),
            ValueRef::Real(number) => Cell::Real(number),
            ValueRef::Text(bytes) => Cell::Text(bytes.to_vec()),
            ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
        }
    }
}

/// As SQLite sorts them: nothing, numbers, texts byte by byte, bytes.
fn compare_cells(one: &Cell, other: &Cell) -> Ordering {
    let kind = |cell: &Cell| match cell {
        Cell::Null => 0,
        Cell::Integer(_) | Cell::Real(_) => 1,
        Cell::Text(_) => 2,
        Cell::Blob(_) => 3,
    };
    match (one, other) {
        (Cell::Integer(one), Cell::Integer(other)) => one.cmp(other),
        (Cell::Text(one), Cell::Text(other)) | (Cell::Blob(one), Cell::Blob(other)) => one.cmp(other),
        _ => kind(one).cmp(&kind(other)),
    }
}

fn next(rows: &mut rusqlite::Rows<'_>, width: usize) -> Result<Option<Vec<Cell>>, LogFault> {
    let Some(row) = rows.next().map_err(fault)? else { return Ok(None) };
    (0..width).map(|index| row.get_ref(index).map(Cell::from)).collect::<Result<_, _>>().map(Some).map_err(fault)
}

fn show(cell: &Cell) -> String {
    match cell {
        Cell::Null => NULL.to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Cell::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
