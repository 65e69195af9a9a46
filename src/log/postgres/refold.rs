//! Rebuild and comparison of the read models: the same fold as live, from the first event on.

use std::collections::{HashMap, HashSet};

use chrysalis_domain::id::{ChallengeId, ClaimId, InvitationId, SealedId};
use chrysalis_projections::claims::{self, Named};
use chrysalis_projections::table::{Kind, Table};
use chrysalis_projections::{Change, ClaimKey, ClaimKeys, ClaimKind, INLINE, Model, Value};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use super::cells::Cells;
use super::connect::{Connector, Purpose};
use super::facts::number;
use super::rows::RowWriter;
use super::{LogFault, Position, fault, follow, reader, schema};
use crate::log::erasure::{Copies, which_epochs};
use crate::log::follow::{Following, tables};
use crate::log::refold::{
    CATCH_UP, ClaimReader, Decoded, Difference, Folding, LITTLE, MOST_DIFFERENCES, NULL, PAGE, Progress, Report,
    SealedRow, Unread, beside_the_log, decode_what_reads,
};

/// How long a lock is waited for before all are let go: shorter than PostgreSQL takes to find a deadlock, of which it
/// would make somebody else the victim.
const LET_GO_AFTER_MS: u32 = 100;
/// How often.
const LOCKS: usize = 600;

/// While tables grow from nothing, every statement finds its rows by an index.
const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";
const AS_IT_LIKES: &str = "RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin";

pub(super) async fn rebuild(
    connector: &Connector,
    claims: &dyn ClaimReader,
    progress: Progress<'_>,
) -> Result<Report, LogFault> {
    let mut client = connector.open_driven(Purpose::Long).await?;
    // One rebuild at a time; the lock goes with the connection.
    let lock = "SELECT pg_advisory_lock(hashtextextended('chrysalis rebuild of ' || current_schema(), 0))";
    client.batch_execute(&format!("{lock}; {BY_INDEX}")).await.map_err(fault)?;
    let id = client.query_one("SELECT pg_current_xact_id()::text", &[]).await.map_err(fault)?;
    let generation = format!("_g{}", id.get::<_, &str>(0));
    let epochs = epochs(&client).await?;
    make(&client, INLINE, next_name, &generation).await?;
    let mut refold =
        Refold { rows: RowWriter::lenient(next_name), claims, as_live: false, folding: Folding::default() };
    // In steps, beside the live tables; until little is left.
    for _ in 0..CATCH_UP {
        let (last, upto) = (refold.folding.last, head(&client).await?);
        if upto - last <= LITTLE {
            break;
        }
        let mut ahead = Ahead::of(connector, last, upto).await?;
        while let Some(page) = ahead.next().await? {
            let transaction = client.transaction().await.map_err(fault)?;
            refold.fold(&transaction, &page).await?;
            refold.folding.report.fits()?;
            transaction.commit().await.map_err(fault)?;
            progress(refold.folding.report.events);
        }
    }
    for table in INLINE {
        client.batch_execute(&format!("ANALYZE {}", next_name(table))).await.map_err(fault)?;
    }
    flip(&mut client, &mut refold, &epochs).await?;
    progress(refold.folding.report.events);
    Ok(refold.folding.report)
}

/// Folds what is left while nobody writes, and puts the new tables in the place of the live ones.
async fn flip(client: &mut Client, refold: &mut Refold<'_>, epochs: &[i64]) -> Result<(), LogFault> {
    let mut transaction = client.transaction().await.map_err(fault)?;
    // Writers wait from here on, after those that are at it have finished; readers read on.
    lock(&mut transaction, "EXCLUSIVE").await?;
    loop {
        let page = page(&transaction, refold.folding.last).await?;
        if page.is_empty() {
            break;
        }
        refold.fold(&transaction, &page).await?;
    }
    refold.folding.report.fits()?;
    refold.folding.keeps_claims()?;
    if epochs.len() != 1 || epochs != self::epochs(&transaction).await? {
        for copies in Copies::all() {
            transaction.batch_execute(&copies.catch_up_in(&next_name(copies.table))).await.map_err(fault)?;
        }
    }
    lock(&mut transaction, "ACCESS EXCLUSIVE").await?;
    for table in INLINE {
        let (name, next) = (table.name, next_name(table));
        let sql = format!("DROP TABLE IF EXISTS {name}; ALTER TABLE {next} RENAME TO {name};");
        transaction.batch_execute(&sql).await.map_err(fault)?;
    }
    transaction.commit().await.map_err(fault)
}

/// Locks every read model. Others take them in an order of their own: rather than wait for somebody who waits for us,
/// what was locked so far is let go, and all of it asked for again.
async fn lock(transaction: &mut tokio_postgres::Transaction<'_>, mode: &str) -> Result<(), LogFault> {
    transaction.batch_execute(&format!("SET LOCAL lock_timeout = {LET_GO_AFTER_MS}")).await.map_err(fault)?;
    // One that is new to an old store is not there yet.
    let there =
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1)";
    let names: Vec<_> = INLINE.iter().map(|table| table.name).collect();
    let there = transaction.query(there, &[&names]).await.map_err(fault)?;
    let tables: Vec<&str> = there.iter().map(|row| row.get(0)).collect();
    for _ in 0..LOCKS {
        let attempt = transaction.savepoint("locks").await.map_err(fault)?;
        match attempt.batch_execute(&format!("LOCK TABLE {} IN {mode} MODE", tables.join(", "))).await {
            Ok(()) => return attempt.commit().await.map_err(fault),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                attempt.rollback().await.map_err(fault)?;
            }
            Err(error) => return Err(fault(error)),
        }
    }
    Err(LogFault::Unavailable("the tables are too busy for new ones to take their place; try again".to_owned()))
}

pub(super) async fn verify(
    connector: &Connector,
    models: &'static [&'static Model],
    claims: &dyn ClaimReader,
    progress: Progress<'_>,
) -> Result<Report, LogFault> {
    let mut client = connector.open_driven(Purpose::Long).await?;
    schema::models_fit(&client, connector.schema()).await?;
    client.batch_execute(BY_INDEX).await.map_err(fault)?;
    make(&client, INLINE, temporary_name, "_verify").await?;
    let followed = tables(models);
    make(&client, followed.clone(), temporary_name, "_verify").await?;
    // A snapshot: the log and the live tables stand still, the temporary ones are ours alone.
    let still = client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let transaction = still.start().await.map_err(fault)?;
    // From before the snapshot on: a generation that takes another's place meanwhile would be empty in it.
    let names: Vec<_> = followed.iter().map(|table| table.name).collect();
    if !names.is_empty() {
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        transaction.batch_execute(&lock).await.map_err(fault)?;
    }
    let mut refold =
        Refold { rows: RowWriter::lenient(temporary_name), claims, as_live: true, folding: Folding::default() };
    let upto = head(&transaction).await?;
    let (following, unlike) = Following::of(follow::generations(&transaction, models).await?);
    // What is in the log stays as it is: another connection sees the same.
    let mut ahead = Ahead::of(connector, 0, upto).await?;
    while let Some(page) = ahead.next().await? {
        refold.fold(&transaction, &page).await?;
        for folded in following.fold(&page) {
            let rows = follow::kept(&transaction, &folded, temporary_name).await.map_err(fault)?;
            let changes = folded.settled(rows);
            let changes = changes.iter().map(|(subject, change)| (*subject, change));
            // What is missing before a row that does not fit is told already.
            for step in RowWriter::lenient(temporary_name).steps(changes) {
                let statement = transaction.prepare_typed(&step.text.sql, &step.text.types).await.map_err(fault)?;
                let parameters: Vec<_> = step.cells.iter().map(Cells::parameter).collect();
                transaction.query(&statement, &parameters).await.map_err(fault)?;
            }
        }
        progress(refold.folding.report.events);
    }
    transaction.batch_execute(AS_IT_LIKES).await.map_err(fault)?;
    let mut report = Report { unlike, ..refold.folding.report };
    for row in transaction.query(&beside_the_log(), &[]).await.map_err(fault)? {
        report.does_not_read(Unread::beside_the_log(row.get(0), row.get(1)));
    }
    for table in INLINE.into_iter().chain(following.tables()) {
        compare(&transaction, table, &mut report).await?;
    }
    Ok(report)
}

fn next_name(table: &Table) -> String {
    format!("{}_next", table.name)
}

fn temporary_name(table: &Table) -> String {
    format!("pg_temp.{}_verify", table.name)
}

async fn epochs(client: &impl GenericClient) -> Result<Vec<i64>, LogFault> {
    let rows = client.query(&which_epochs(), &[]).await.map_err(fault)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Where the events end: their last position, whatever the head says of itself.
async fn head(client: &impl GenericClient) -> Result<Position, LogFault> {
    let row = client.query_one("SELECT coalesce(max(position), 0) FROM events", &[]).await.map_err(fault)?;
    Ok(number(row.get(0)))
}

async fn make(
    client: &Client,
    tables: impl IntoIterator<Item = &'static Table>,
    name: fn(&Table) -> String,
    generation: &str,
) -> Result<(), LogFault> {
    for table in tables {
        let name = name(table);
        let sql = format!("DROP TABLE IF EXISTS {name};\n{}", schema::create(table, &name, generation));
        client.batch_execute(&sql).await.map_err(fault)?;
    }
    Ok(())
}

/// The page after a position; empty at the end of the log.
async fn page(client: &impl GenericClient, after: Position) -> Result<Vec<Decoded>, LogFault> {
    let rows = client.query(reader::ALL, &[&after.cast_signed(), &reader::limit(PAGE)]).await.map_err(fault)?;
    Ok(decode_what_reads(reader::recorded(&rows)?))
}

/// Reads and decodes a page ahead of whoever folds: decoding costs a third of a refold.
struct Ahead {
    client: std::sync::Arc<Client>,
    upto: Position,
    coming: Option<JoinHandle<Result<Vec<Decoded>, LogFault>>>,
}

impl Ahead {
    async fn of(connector: &Connector, after: Position, upto: Position) -> Result<Self, LogFault> {
        let client = std::sync::Arc::new(connector.open_driven(Purpose::Long).await?);
        client.batch_execute(BY_INDEX).await.map_err(fault)?;
        let mut ahead = Self { client, upto, coming: None };
        ahead.fetch(after);
        Ok(ahead)
    }

    fn fetch(&mut self, after: Position) {
        let client = self.client.clone();
        self.coming = (after < self.upto).then(|| tokio::spawn(async move { page(client.as_ref(), after).await }));
    }

    async fn next(&mut self) -> Result<Option<Vec<Decoded>>, LogFault> {
        let Some(coming) = self.coming.take() else { return Ok(None) };
        let mut page = coming.await.map_err(|error| LogFault::Bug(error.to_string()))??;
        page.retain(|decoded| decoded.position <= self.upto);
        let Some(last) = page.last() else { return Ok(None) };
        self.fetch(last.position);
        Ok(Some(page))
    }
}

struct Refold<'a> {
    rows: RowWriter,
    claims: &'a dyn ClaimReader,
    /// A comparison hashes under the look-up key that the live row was made with; a rebuild moves every claim to the
    /// present one.
    as_live: bool,
    folding: Folding,
}

impl Refold<'_> {
    async fn fold(&mut self, client: &tokio_postgres::Transaction<'_>, page: &[Decoded]) -> Result<(), LogFault> {
        let keys = self.open(client, page).await?;
        let folded = self.folding.fold(page, &keys);
        let steps = self.rows.steps(folded.iter().map(|folded| (folded.subject, &folded.change)));
        for step in steps {
            let statement = client.prepare_typed(&step.text.sql, &step.text.types).await.map_err(fault)?;
            let parameters: Vec<_> = step.cells.iter().map(Cells::parameter).collect();
            let written = client.query(&statement, &parameters).await.map_err(fault)?;
            let inserts = step.changes.iter().any(|change| matches!(change, Change::Insert { .. }));
            if inserts && written.len() < step.changes.len() {
                let width = step.changes.first().map_or(0, |change| key(change).len());
                let mut there: HashSet<Vec<String>> = HashSet::new();
                for row in &written {
                    there.insert((0..width).map(|index| shown(row, index)).collect());
                }
                // A key that came twice was written once.
                let missing: HashSet<*const Change> = step
                    .changes
                    .iter()
                    .filter(|change| !there.remove(&key(change)))
                    .map(|change| std::ptr::from_ref(*change))
                    .collect();
                let misfits = folded.iter().filter(|folded| missing.contains(&std::ptr::from_ref(&folded.change)));
                misfits.for_each(|folded| self.folding.report.misfit(folded.position));
            }
        }
        Ok(())
    }

    /// The keys of the claims that a page declares, from the sealed records of the log.
    async fn open(&self, client: &tokio_postgres::Transaction<'_>, page: &[Decoded]) -> Result<Opened, LogFault> {
        let named = page.iter().filter_map(|decoded| claims::named(&decoded.entry.as_ref()?.event));
        let named: Vec<Named> = named.collect();
        let mut opened = Opened::default();
        if named.is_empty() {
            return Ok(opened);
        }
        let ids: Vec<String> = named.iter().map(|named| named.sealed.to_string()).collect();
        let sql = "SELECT s.sealed_id, s.person_id, s.ciphertext, k.epoch, k.wrapped
                   FROM sealed s JOIN person_keys k USING (person_id) WHERE s.sealed_id = ANY($1)";
        let mut records = HashMap::new();
        for row in client.query(sql, &[&ids]).await.map_err(fault)? {
            if let Ok(id) = row.get::<_, &str>(0).parse::<SealedId>() {
                let epoch = u32::try_from(row.get::<_, i64>(3)).unwrap_or(u32::MAX);
                let (person, ciphertext, wrapped) = (row.get(1), row.get(2), row.get(4));
                records.insert(id, SealedRow { id, person, ciphertext, epoch, wrapped });
            }
        }
        let live = if self.as_live { live_keys(client, &named).await? } else { HashMap::new() };
        for Named { kind, claim, sealed } in named {
            let Some(key) = records.get(&sealed).and_then(|record| self.claims.claim_key(kind, record)) else {
                continue;
            };
            let under = live.get(&claim).and_then(|id| u32::try_from(*id).ok());
            opened.0.insert(claim, under.map_or(key.clone(), |id| key.under(id)));
        }
        Ok(opened)
    }
}

/// Which look-up key made the live rows of what is named.
async fn live_keys(
    client: &tokio_postgres::Transaction<'_>,
    named: &[Named],
) -> Result<HashMap<ClaimId, i64>, LogFault> {
    let ids = |id: fn(ClaimId) -> String| named.iter().map(|named| id(named.claim)).collect::<Vec<String>>();
    let claims = ids(|claim| claim.to_string());
    let challenges = ids(|claim| ChallengeId::from_ulid(claim.ulid()).to_string());
    let invitations = ids(|claim| InvitationId::from_ulid(claim.ulid()).to_string());
    let sql = "SELECT claim_id, key_id FROM claims WHERE claim_id = ANY($1)
               UNION ALL SELECT $4 || substr(challenge_id, 5), key_id FROM codes WHERE challenge_id = ANY($2)
               UNION ALL SELECT $4 || substr(invitation_id, 5), key_id FROM invitations
                         WHERE invitation_id = ANY($3) AND key_id IS NOT NULL";
    let rows = client.query(sql, &[&claims, &challenges, &invitations, &ClaimId::PREFIX]).await.map_err(fault)?;
    Ok(rows.iter().filter_map(|row| Some((row.get::<_, &str>(0).parse().ok()?, row.get(1)))).collect())
}

#[derive(Default)]
struct Opened(HashMap<ClaimId, ClaimKey>);

impl ClaimKeys for Opened {
    fn claim_key(&self, _: ClaimKind, claim: ClaimId, _: SealedId) -> Option<ClaimKey> {
        self.0.get(&claim).cloned()
    }
}

/// The key of the row that a change inserts, as text.
fn key(change: &Change) -> Vec<String> {
    let Change::Insert { table, values } = change else { return Vec::new() };
    let value = |name: &&str| table.columns.iter().position(|column| column.name == *name).map(|at| &values[at]);
    table.key.iter().filter_map(value).map(as_text).collect()
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Static(text) => (*text).to_owned(),
        Value::Bytes(bytes) => hex(bytes),
    }
}

fn shown(row: &tokio_postgres::Row, index: usize) -> String {
    match row.try_get::<_, &str>(index) {
        Ok(text) => text.to_owned(),
        Err(_) => row.try_get::<_, &[u8]>(index).map(hex).unwrap_or_default(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets the database set both tables side by side; what differs comes back as text.
async fn compare(client: &impl GenericClient, table: &'static Table, report: &mut Report) -> Result<(), LogFault> {
    let columns: Vec<_> = table.stored().collect();
    let list = |side: &str| columns.iter().map(|(name, ..)| format!("{side}.{name}")).collect::<Vec<_>>().join(", ");
    let text = |side: &str| {
        let shown = columns.iter().map(|(name, kind, _)| match kind {
            Kind::Bytes => format!("encode({side}.{name}, 'hex')"),
            Kind::Text | Kind::Integer => format!("{side}.{name}::text"),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let key = table.key.join(", ");
    let order = table.key.iter().map(|key| format!("coalesce(l.{key}, r.{key})")).collect::<Vec<_>>().join(", ");
    let both = format!("FROM {} AS l FULL JOIN {} AS r USING ({key})", table.name, temporary_name(table));
    let counted = client.query_one(&format!("SELECT count(*) {both}"), &[]).await.map_err(fault)?;
    report.rows += number(counted.get(0));
    let differing = format!("{both} WHERE ROW({}) IS DISTINCT FROM ROW({})", list("l"), list("r"));
    let left = MOST_DIFFERENCES.saturating_sub(report.differences.len());
    let sql = format!(
        "SELECT l.{first} IS NULL, r.{first} IS NULL, {}, {} {differing} ORDER BY {order} LIMIT {left}",
        text("l"),
        text("r"),
        first = table.key[0],
    );
    let width = columns.len();
    let rows = client.query(&sql, &[]).await.map_err(fault)?;
    if rows.len() == left {
        let all = client.query_one(&format!("SELECT count(*) {differing}"), &[]).await.map_err(fault)?;
        report.further += number(all.get(0)).saturating_sub(rows.len() as u64);
    }
    for row in rows {
        let cell = |index: usize| row.get::<_, Option<String>>(2 + index).unwrap_or_else(|| NULL.to_owned());
        let side = |from: usize| (from..from + width).map(cell).collect::<Vec<_>>();
        let (live, refolded) = (side(0), side(width));
        let named =
            |cells: &[String]| columns.iter().map(|(name, ..)| *name).zip(cells.iter().cloned()).collect::<Vec<_>>();
        let key = |cells: &[String]| {
            let at = |name: &&str| columns.iter().position(|(column, ..)| column == name);
            table.key.iter().filter_map(at).map(|index| cells[index].clone()).collect::<Vec<_>>()
        };
        match (row.get(0), row.get(1)) {
            (true, _) => report.differs([Difference::missing(table.name, &key(&refolded), &named(&refolded))]),
            (_, true) => report.differs([Difference::unfounded(table.name, &key(&live), &named(&live))]),
            (false, false) => {
                let key = key(&live);
                let differ = (0..width).filter(|index| live[*index] != refolded[*index]).map(|index| {
                    Difference::of_column(table.name, &key, columns[index].0, &live[index], &refolded[index])
                });
                report.differs(differ);
            }
        }
    }
    Ok(())
}
