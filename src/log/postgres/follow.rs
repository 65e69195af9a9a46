//! The read models that follow the log. They take no lock on the log's head, and don't wait for the disk: what a crash
//! takes back, it takes back with its position, and it is folded again.

use async_trait::async_trait;
use chrysalis_projections::table::{Column, Kind};
use chrysalis_projections::{Model, Table, Value};
use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Transaction};

use super::cells::Cells;
use super::connect::{Lent, Purpose};
use super::facts::{BEGIN, number};
use super::pipeline::Pipeline;
use super::rows::RowWriter;
use super::{LogFault, PostgresLog, fault, parts, pool_fault, schema};
use crate::log::follow::{Folded, Follow, Generation, Stage};

/// The row's lock makes who follows at the same time wait, and then find that it is late.
const MOVE: &str = "UPDATE generations SET position = $5
     WHERE model = $1 AND stage = $2 AND version = $3 AND position = $4 RETURNING position";
const MOVE_TYPES: &[Type] = &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8, Type::INT8];
const NOT_WAITING: &str = "SET LOCAL synchronous_commit = off";

/// How long readers may be in the way of a flip before it is put off.
const PUT_OFF_AFTER: &str = "SET LOCAL lock_timeout = 100";
/// A node that stops in the middle of a transaction of several steps does not keep its tables locked for the others.
const NOT_LEFT_OPEN: &str = "SET LOCAL idle_in_transaction_session_timeout = 2000";

/// One at a time begins. A row's lock is not enough for that: whoever waits for a row that a flip takes away gets none.
const ALONE: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('chrysalis generations of ' || current_schema(), 0))";

/// Rows go in a transaction of their own, and what that costs besides them is to be spread over many.
const PAGE: usize = 2_048;

#[async_trait]
impl Follow for PostgresLog {
    fn models(&self) -> &'static [&'static Model] {
        self.models
    }

    fn page(&self) -> usize {
        PAGE
    }

    fn queued(&self) -> usize {
        self.writer.queued()
    }

    async fn generations(&self) -> Result<Vec<Generation>, LogFault> {
        let rows = self.query(GENERATIONS, &[], &[]).await?;
        read(self.models, &rows)
    }

    async fn fold(&self, folded: Folded) -> Result<bool, LogFault> {
        self.pulse.alive()?;
        let client = self.followers.get().await.map_err(|error| {
            self.pulse.doubt();
            pool_fault(error)
        })?;
        let client = Lent::new(client);
        let stored = tokio::select! {
            stored = write(&client, &folded) => stored.map_err(fault),
            () = self.pulse.stopped() => Err(super::pulse::silent()),
        };
        match stored {
            Ok(_) => client.give_back(),
            Err(_) => self.pulse.doubt(),
        }
        stored
    }

    async fn begin(&self, model: &'static Model) -> Result<bool, LogFault> {
        let mut client = self.connector.open_driven(Purpose::Long).await?;
        let mut transaction = client.transaction().await.map_err(fault)?;
        let begun = begin(&mut transaction, model).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok(begun)
    }

    async fn flip(&self, next: Generation) -> Result<bool, LogFault> {
        let mut client = self.connector.open_driven(Purpose::Long).await?;
        let transaction = client.transaction().await.map_err(fault)?;
        match flip(&transaction, next).await {
            Ok(flipped) => {
                transaction.commit().await.map_err(fault)?;
                Ok(flipped)
            }
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    /// The files of a table that is dropped go with it; the rest is PostgreSQL's.
    async fn scrub(&self) -> Result<(), LogFault> {
        Ok(())
    }
}

const GENERATIONS: &str = "SELECT model, stage, version, position FROM generations";

pub(super) async fn generations(
    client: &impl GenericClient,
    models: &'static [&'static Model],
) -> Result<Vec<Generation>, LogFault> {
    read(models, &client.query(GENERATIONS, &[]).await.map_err(fault)?)
}

fn read(models: &'static [&'static Model], rows: &[tokio_postgres::Row]) -> Result<Vec<Generation>, LogFault> {
    let generation = |row: &tokio_postgres::Row| {
        Ok(Generation::read(models, row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, number(row.try_get(3)?)))
    };
    rows.iter().filter_map(|row| generation(row).transpose()).collect::<Result<_, _>>().map_err(fault)
}

async fn write(client: &Object, folded: &Folded) -> Result<bool, tokio_postgres::Error> {
    let Generation { model, stage, version, position } = folded.generation;
    let mut pipeline = Pipeline::default();
    pipeline.push(BEGIN, &[], vec![]);
    pipeline.push(NOT_WAITING, &[], vec![]);
    let to = vec![
        Cells::Word(model.name),
        Cells::Word(stage.name()),
        Cells::One(Some(version.into())),
        Cells::one(position),
        Cells::one(folded.to),
    ];
    let moved = pipeline.push(MOVE, MOVE_TYPES, to);
    if pipeline.run(client).await?[moved].is_empty() {
        client.batch_execute("ROLLBACK").await?;
        return Ok(false);
    }
    // Only of a model that keeps rows: the others need no further round trip.
    let plain: &tokio_postgres::Client = client;
    let kept = kept(plain, folded, stage.table()).await?;
    let changes = folded.settled(kept);
    let mut rows = RowWriter::of(stage.table());
    let steps = rows.steps(changes.iter().map(|(subject, change)| (*subject, change)));
    let texts: Vec<_> = steps.iter().map(|step| step.text.clone()).collect();
    let mut pipeline = Pipeline::default();
    for (step, text) in steps.into_iter().zip(&texts) {
        pipeline.push(&text.sql, &text.types, step.cells);
    }
    pipeline.push("COMMIT", &[], vec![]);
    pipeline.run(client).await?;
    Ok(true)
}

/// Makes the tables of models that never stood.
pub(super) async fn stand(transaction: &mut Transaction<'_>, models: &[&Model]) -> Result<(), tokio_postgres::Error> {
    for model in models {
        if version_of(transaction, model, Stage::Live).await?.is_none() {
            make(transaction, model, Stage::Live).await?;
            show(transaction, model).await?;
        }
    }
    Ok(())
}

/// Makes the views of a model, or puts those that are there on the tables that stand now. Who was allowed to read one still
/// is.
async fn show(transaction: &Transaction<'_>, model: &Model) -> Result<(), tokio_postgres::Error> {
    for view in model.views {
        transaction.batch_execute(&format!("CREATE OR REPLACE VIEW {} AS {}", view.name, view.select)).await?;
    }
    Ok(())
}

fn cell(row: &tokio_postgres::Row, at: usize, column: &Column) -> Result<Value, tokio_postgres::Error> {
    Ok(match column.kind {
        Kind::Text => row.try_get::<_, Option<String>>(at)?.into(),
        Kind::Integer => row.try_get::<_, Option<i64>>(at)?.into(),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(at)?.into(),
    })
}

/// The rows that a model keeps and that what was folded hangs on.
pub(super) async fn kept(
    client: &impl GenericClient,
    folded: &Folded,
    name: fn(&Table) -> String,
) -> Result<Vec<Vec<Value>>, tokio_postgres::Error> {
    let Some(pending) = &folded.pending else { return Ok(Vec::new()) };
    let (table, keys) = (pending.table(), pending.keys());
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let sql = format!("SELECT {} FROM {} WHERE {} = ANY($1)", columns.join(", "), name(table), table.key[0]);
    let rows = client.query_typed(&sql, &[(&keys as &(dyn ToSql + Sync), Type::TEXT_ARRAY)]).await?;
    rows.iter()
        .map(|row| table.columns.iter().enumerate().map(|(at, column)| cell(row, at, column)).collect())
        .collect()
}

/// Locks the row, if it is still there once nobody else has it.
async fn version_of(
    transaction: &Transaction<'_>,
    model: &Model,
    stage: Stage,
) -> Result<Option<i64>, tokio_postgres::Error> {
    let sql = "SELECT version FROM generations WHERE model = $1 AND stage = $2 FOR UPDATE";
    transaction.query_opt(sql, &[&model.name, &stage.name()]).await?.map(|row| row.try_get(0)).transpose()
}

async fn begin(transaction: &mut Transaction<'_>, model: &Model) -> Result<bool, tokio_postgres::Error> {
    transaction.batch_execute(&format!("{NOT_LEFT_OPEN}; {ALONE}")).await?;
    let live = version_of(transaction, model, Stage::Live).await?;
    let next = version_of(transaction, model, Stage::Next).await?;
    let ours = i64::from(model.version);
    if live.max(next).is_some_and(|version| version > ours) {
        return Ok(false);
    }
    if next != Some(ours) || !model.is_folded() {
        make(transaction, model, Stage::Next).await?;
    }
    Ok(true)
}

/// Makes a generation's tables, empty.
async fn make(transaction: &mut Transaction<'_>, model: &Model, stage: Stage) -> Result<(), tokio_postgres::Error> {
    let id: String = transaction.query_one("SELECT pg_current_xact_id()::text", &[]).await?.get(0);
    for table in model.tables {
        let name = stage.table()(table);
        let generation = format!("_g{id}");
        let create = schema::create(table, &name, &generation);
        transaction.batch_execute(&format!("DROP TABLE IF EXISTS {name};\n{create}")).await?;
        parts::make(transaction, table, &name, &generation).await?;
    }
    let sql = "INSERT INTO generations (model, stage, version, position) VALUES ($1, $2, $3, 0)
               ON CONFLICT (model, stage) DO UPDATE SET version = excluded.version, position = 0";
    transaction.execute(sql, &[&model.name, &stage.name(), &i64::from(model.version)]).await?;
    Ok(())
}

async fn flip(transaction: &Transaction<'_>, next: Generation) -> Result<bool, tokio_postgres::Error> {
    let Generation { model, version, position, .. } = next;
    transaction.batch_execute(&format!("{PUT_OFF_AFTER}; {NOT_LEFT_OPEN}")).await?;
    // Both rows first, as whoever folds takes them: in one order, before any table.
    version_of(transaction, model, Stage::Live).await?;
    version_of(transaction, model, Stage::Next).await?;
    let sql = "DELETE FROM generations AS live USING generations AS next
               WHERE live.model = $1 AND live.stage = 'live' AND next.model = $1 AND next.stage = 'next'
                   AND next.version = $2 AND next.version >= live.version
                   AND next.position = $3 AND next.position >= live.position";
    if transaction.execute(sql, &[&model.name, &i64::from(version), &position.cast_signed()]).await? == 0 {
        return Ok(false);
    }
    transaction.execute("UPDATE generations SET stage = 'live' WHERE model = $1", &[&model.name]).await?;
    // Views go on standing on the tables of before until they are put on the new ones.
    let former = |table: &Table| format!("{}_former", table.name);
    for table in model.tables {
        let (name, former, next) = (table.name, former(table), Stage::Next.table()(table));
        let sql = format!("ALTER TABLE {name} RENAME TO {former}; ALTER TABLE {next} RENAME TO {name};");
        transaction.batch_execute(&sql).await?;
    }
    show(transaction, model).await?;
    for table in model.tables {
        transaction.batch_execute(&format!("DROP TABLE {}", former(table))).await?;
    }
    Ok(true)
}
