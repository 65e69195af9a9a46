//! The store for several nodes: PostgreSQL. Every node is equal; the log head's row lock orders their batches.
//!
//! - [`connect`]: where to, how protected, within which time;
//! - [`writer`]: this node's group-commit loop; a batch is one or two round trips:
//!   [`facts`] reads what its checks rest on, [`verdicts`] checks, [`batch`] writes and commits;
//! - [`rows`], [`cells`], [`pipeline`]: row changes as few statements, sent without waiting in between;
//! - [`lookups`]: questions to the read models, those that arrive together in one statement;
//! - [`reader`]: how events are read;
//! - [`pulse`]: whether PostgreSQL answers, and how far the log has come;
//! - [`follow`]: the read models that follow the log; [`parts`]: texts of theirs that are found by any part;
//! - [`schema`]: migrations and the read models' tables;
//! - [`refold`]: rebuild and comparison of the read models;
//! - [`erasure`]: what is left of whoever was erased; persons' keys are wrapped anew;
//! - [`analysts`]: a role that reads counts and nothing else;
//! - [`replica`]: as the read store of a log that is kept elsewhere;
//! - [`transfer`]: as an end of a copy.

mod analysts;
mod batch;
mod cells;
mod connect;
mod erasure;
mod facts;
mod follow;
mod lookups;
mod parts;
mod pipeline;
mod pulse;
mod reader;
mod refold;
mod replica;
mod rows;
mod schema;
mod transfer;
mod verdicts;
mod writer;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_projections::{Model, Row, Value};
use deadpool_postgres::{Object, Pool, PoolError};
use futures_util::TryStreamExt;
use tokio::sync::watch;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::origins::first_id;
use super::refold::{ClaimReader, Progress, Refold, Report};
use super::*;
use crate::clock::Clock;
use cells::sayable;
pub use connect::Options;
use connect::{Connector, Lent, Purpose};
use facts::number;

/// PostgreSQL. Dropping it stores what was accepted, then stops its writer.
pub struct PostgresLog {
    writer: writer::Writer,
    lookups: lookups::Lookups,
    /// For everything else that is short.
    pool: Pool,
    /// For the read models that follow the log: opened by the node whose turn it is.
    followers: Pool,
    offered: replica::Offered,
    pulse: Arc<pulse::Pulse>,
    connector: Connector,
    patience: Duration,
    models: &'static [&'static Model],
}

/// Statements of look-ups on their way at the same time: while they are, the next ones gather.
const LOOKUPS: usize = 2;

impl PostgresLog {
    /// Connects, makes or migrates the schema, and starts the writer.
    ///
    /// # Errors
    /// When no server that takes writes is reached, or the schema was made by a newer Chrysalis.
    pub async fn open(
        options: &Options,
        clock: Arc<dyn Clock>,
        metrics: Arc<dyn WriterMetrics>,
    ) -> Result<Self, LogFault> {
        let connector = Connector::new(options)?;
        let mut client = connector.open_driven(Purpose::Long).await?;
        schema::migrate(&mut client, &options.schema, options.models).await?;
        let head = client.query_one("SELECT position FROM log_head", &[]).await.map_err(fault)?;
        let pulse = Arc::new(pulse::Pulse::new(number(head.get(0))));
        drop(client);
        let (pool, followers) = (connector.pool(options.pool)?, connector.pool_of_one()?);
        let offered = replica::Offered::new(connector.pool_of_one()?, options.commit_timeout, clock.clone());
        let lookups = lookups::Lookups::new(connector.pool(LOOKUPS)?, LOOKUPS, pulse.clone(), options.query_timeout);
        let writer = writer::Writer::start(&connector, options, clock, pulse.clone(), metrics)?;
        let (patience, models) = (options.query_timeout, options.models);
        Ok(Self { writer, lookups, pool, followers, offered, pulse, connector, patience, models })
    }

    /// Whether a store is there, in whatever version: looks, and makes none.
    ///
    /// # Errors
    /// When no server is reached.
    pub async fn is_at(options: &Options) -> Result<bool, LogFault> {
        let client = Connector::new(options)?.open_driven(Purpose::Long).await?;
        let sql = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'";
        Ok(client.query_opt(sql, &[&options.schema]).await.map_err(fault)?.is_some())
    }

    /// A connection for what may take a while: nobody else waits for it.
    async fn apart(&self) -> Result<Object, LogFault> {
        self.pulse.alive()?;
        self.pool.get().await.map_err(|error| {
            self.pulse.doubt();
            pool_fault(error)
        })
    }

    /// One short statement of its own.
    async fn query(
        &self,
        sql: &str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, LogFault> {
        self.pulse.alive()?;
        let client = self.pool.get().await.map_err(|error| {
            self.pulse.doubt();
            pool_fault(error)
        })?;
        let asked = async {
            let statement = client.prepare_typed_cached(sql, types).await?;
            client.query(&statement, parameters).await
        };
        let answered = tokio::select! {
            answered = tokio::time::timeout(self.patience, asked) => answered.ok(),
            () = self.pulse.stopped() => None,
        };
        match answered {
            Some(Ok(rows)) => Ok(rows),
            Some(Err(error)) => {
                if error.is_closed() {
                    drop(Object::take(client));
                    self.pulse.doubt();
                }
                Err(fault(error))
            }
            None => {
                // What it answers late is for nobody.
                drop(Object::take(client));
                self.pulse.doubt();
                Err(LogFault::Unavailable("PostgreSQL did not answer in time".to_owned()))
            }
        }
    }
}

/// What kind of failure an error of PostgreSQL is.
fn fault(error: tokio_postgres::Error) -> LogFault {
    let Some(told) = error.as_db_error() else {
        // Nothing was told: the connection broke, or a value was not of its column's kind.
        let said = spelled(&error);
        return if said.contains("deserializing") || said.contains("serializing") {
            LogFault::Damaged(format!("{said}; run `chrysalis verify`"))
        } else {
            LogFault::Unavailable(said)
        };
    };
    let (code, said) = (told.code(), format!("PostgreSQL says: {} ({})", told.message(), told.code().code()));
    if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) {
        return LogFault::Damaged(format!("{said}; restore a backup, then start again"));
    }
    // A read model of another version: it is folded anew, and this program's question waits until then.
    if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN].contains(code) {
        return LogFault::Unavailable(format!("{said}; a read model is being built"));
    }
    // Connection, resources, the operator's doing, the system, read-only, locks that took too long, who may do what.
    let passing =
        ["08", "53", "57", "58", "25", "55", "28", "3D", "40"].iter().any(|class| code.code().starts_with(class))
            || *code == SqlState::INSUFFICIENT_PRIVILEGE;
    if passing { LogFault::Unavailable(said) } else { LogFault::Bug(said) }
}

/// The error with its causes: the library's own text leaves them out.
fn spelled(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said += &format!(": {error}");
        cause = error.source();
    }
    said
}

fn pool_fault(error: PoolError) -> LogFault {
    match error {
        PoolError::Backend(error) => fault(error),
        other => LogFault::Unavailable(format!("no connection to PostgreSQL: {}", spelled(&other))),
    }
}

#[async_trait]
impl Log for PostgresLog {
    async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        if let Some(twice) = group.stream_named_twice() {
            return Err(LogFault::Bug(format!("a group names {} twice", twice.as_str())).into());
        }
        self.pulse.alive()?;
        self.writer.append(group).await
    }

    async fn read_stream(&self, stream: &StreamId, after: Version, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        let (after, limit) = (after.cast_signed(), reader::limit(limit));
        let types = [Type::TEXT, Type::INT8, Type::INT8];
        reader::recorded(&self.query(reader::STREAM, &types, &[&sayable(stream.as_str()), &after, &limit]).await?)
    }

    async fn read_streams(&self, streams: &[StreamId], upto: Version) -> Result<Vec<Recorded>, LogFault> {
        let streams: Vec<_> = streams.iter().map(|stream| sayable(stream.as_str())).collect();
        let types = [Type::TEXT_ARRAY, Type::INT8];
        reader::recorded(&self.query(reader::STREAMS, &types, &[&streams, &upto.cast_signed()]).await?)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        let (after, limit) = (after.cast_signed(), reader::limit(limit));
        reader::recorded(&self.query(reader::ALL, &[Type::INT8, Type::INT8], &[&after, &limit]).await?)
    }

    async fn read_types(
        &self,
        types: &[&str],
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogFault> {
        let (after, upto, limit) = (after.cast_signed(), upto.cast_signed(), reader::limit(limit));
        let kinds = [Type::INT8, Type::INT8, Type::TEXT_ARRAY, Type::INT8];
        reader::recorded(&self.query(reader::OF_TYPES, &kinds, &[&after, &upto, &types, &limit]).await?)
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.pulse.head()
    }

    async fn snapshot(&self, stream: &StreamId) -> Result<Option<Snapshot>, LogFault> {
        let sql = "SELECT version, state FROM snapshots WHERE stream = $1";
        let rows = self.query(sql, &[Type::TEXT], &[&stream.as_str()]).await?;
        let read =
            |row: &tokio_postgres::Row| Ok(Snapshot { version: number(row.try_get(0)?), state: row.try_get(1)? });
        rows.first().map(read).transpose().map_err(fault)
    }

    async fn rows(
        &self,
        sql: &'static str,
        parameters: &[Value],
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        self.lookups.ask(sql, parameters, each).await
    }

    async fn list(
        &self,
        asked: &Statement,
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        let client = self.apart().await?;
        let listing = async {
            let mut rows = pin!(within(self.patience, lookups::list(&client, asked)).await?);
            while let Some(row) = within(self.patience, rows.try_next()).await? {
                each(&lookups::Listed(&row));
            }
            Ok::<_, Option<tokio_postgres::Error>>(())
        };
        match listing.await {
            Ok(()) => Ok(()),
            Err(Some(error)) => {
                if error.is_closed() {
                    drop(Object::take(client));
                    self.pulse.doubt();
                }
                Err(fault(error))
            }
            Err(None) => {
                // What it answers late is for nobody.
                drop(Object::take(client));
                Err(LogFault::Unavailable("PostgreSQL did not answer in time".to_owned()))
            }
        }
    }

    async fn by_part(&self, sought: &Sought, most: usize) -> Result<Option<Vec<UserId>>, LogFault> {
        let client = self.apart().await?;
        let client = Lent::new(client);
        match tokio::time::timeout(self.patience, parts::find(&client, sought, most)).await {
            Ok(Ok(found)) => {
                client.give_back();
                Ok(found)
            }
            Ok(Err(error)) => Err(fault(error)),
            Err(_) => Err(LogFault::Unavailable("PostgreSQL did not answer in time".to_owned())),
        }
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, LogFault> {
        let sql = "SELECT purpose, id, root, wrapped, created_at, retired_at FROM keys ORDER BY purpose, id";
        let rows = self.query(sql, &[], &[]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(StoredKey {
                purpose: row.try_get(0)?,
                id: u32::try_from(row.try_get::<_, i64>(1)?).unwrap_or(u32::MAX),
                root: row.try_get(2)?,
                wrapped: row.try_get(3)?,
                created_at: Timestamp::from_millis(row.try_get(4)?),
                retired_at: row.try_get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(fault)
    }

    async fn put_key(&self, key: StoredKey, replace: bool) -> Result<bool, LogFault> {
        let sql = if replace {
            "INSERT INTO keys (purpose, id, root, wrapped, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (purpose, id) DO UPDATE SET root = excluded.root, wrapped = excluded.wrapped,
                 created_at = excluded.created_at, retired_at = excluded.retired_at RETURNING id"
        } else {
            "INSERT INTO keys (purpose, id, root, wrapped, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING RETURNING id"
        };
        let types = [Type::TEXT, Type::INT8, Type::TEXT, Type::BYTEA, Type::INT8, Type::INT8];
        let StoredKey { purpose, id, root, wrapped, created_at, retired_at } = &key;
        let (id, created_at) = (i64::from(*id), created_at.as_millis());
        let retired_at = retired_at.map(Timestamp::as_millis);
        let put = self.query(sql, &types, &[purpose, &id, root, wrapped, &created_at, &retired_at]).await?;
        Ok(!put.is_empty())
    }

    async fn checkpoint(&self, follower: &str) -> Result<Position, LogFault> {
        let sql = "SELECT position FROM checkpoints WHERE follower = $1";
        let rows = self.query(sql, &[Type::TEXT], &[&follower]).await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0).map(number)).map_err(fault)
    }

    async fn advance(&self, follower: &str, from: Position, to: Position) -> Result<bool, LogFault> {
        let (from, to) = (from.cast_signed(), to.cast_signed());
        let sql = "INSERT INTO checkpoints AS c (follower, position) VALUES ($1, $3)
                   ON CONFLICT (follower) DO UPDATE SET position = $3 WHERE c.position = $2 RETURNING position";
        let moved = "UPDATE checkpoints SET position = $3 WHERE follower = $1 AND position = $2 RETURNING position";
        let types = [Type::TEXT, Type::INT8, Type::INT8];
        let sql = if from == 0 { sql } else { moved };
        Ok(!self.query(sql, &types, &[&follower, &from, &to]).await?.is_empty())
    }

    async fn lease(&self, name: &str, holder: &str, span: Duration) -> Result<bool, LogFault> {
        // By the database's clock: the nodes' own may differ.
        let sql = "INSERT INTO leases AS l (name, holder, expires_at)
                   VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
                   ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
                   WHERE l.holder = $2 OR l.expires_at <= clock_timestamp() RETURNING name";
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let types = [Type::TEXT, Type::TEXT, Type::INT8];
        Ok(!self.query(sql, &types, &[&name, &holder, &millis]).await?.is_empty())
    }

    async fn forget_origins(&self, before: Timestamp, limit: usize) -> Result<usize, LogFault> {
        let sql = "DELETE FROM origins WHERE user_id IN
                       (SELECT user_id FROM origins WHERE user_id < $1 ORDER BY user_id LIMIT $2) RETURNING 1";
        let before = first_id(before).to_string();
        Ok(self.query(sql, &[Type::TEXT, Type::INT8], &[&before, &reader::limit(limit)]).await?.len())
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), LogFault> {
        let sql = "DELETE FROM leases WHERE name = $1 AND holder = $2";
        self.query(sql, &[Type::TEXT, Type::TEXT], &[&name, &holder]).await.map(|_| ())
    }

    async fn ready(&self) -> Result<(), LogFault> {
        // A record in the write-ahead log that is made durable, and nothing else.
        let sql = "SELECT 1 FROM pg_logical_emit_message(true, 'chrysalis', 'ready')";
        self.query(sql, &[], &[]).await.map(|_| ())
    }
}

#[async_trait]
impl Refold for PostgresLog {
    async fn fit(&self) -> Result<(), LogFault> {
        let client = self.connector.open_driven(Purpose::Long).await?;
        schema::models_fit(&client, self.connector.schema()).await
    }

    async fn rebuild(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
        refold::rebuild(&self.connector, claims, progress).await
    }

    async fn verify(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
        refold::verify(&self.connector, self.models, claims, progress).await
    }
}

/// Waits for a step of an answer; nothing where it takes too long.
async fn within<T>(
    patience: Duration,
    step: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Option<tokio_postgres::Error>> {
    tokio::time::timeout(patience, step).await.map_or(Err(None), |done| done.map_err(Some))
}
