//! The stores under test.

mod eventstore;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrysalis::clock::MockClock;
use chrysalis::log::postgres::{self, PostgresLog};
use chrysalis::log::sqlite::{Options, SqliteLog};
use chrysalis::log::{AppendError, Appended, Expected, Group, LogFault, Store as WholeStore, WriterMetrics};
use chrysalis_projections::Model;
pub use eventstore::EventStore;
use tempfile::TempDir;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::world;

/// A place where a log is kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens the log: empty the first time, later as it was left.
    async fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn WholeStore>;

    /// Opens it with read models of the case's own that follow.
    async fn open_with(&self, clock: &MockClock, models: &'static [&'static Model]) -> Arc<dyn WholeStore>;

    /// Whether positions are 1, 2, 3 … without gaps.
    fn dense(&self) -> bool;

    /// Holds the writer up: what is sent from here on waits in the queue until the stall is released.
    async fn stall(&self, log: &Arc<dyn WholeStore>) -> Stall;

    /// Does something to what is stored, past the port; answers how many rows it touched.
    async fn behind(&self, sql: &str) -> u64;

    /// What a question past the port answers: one text.
    async fn seen(&self, sql: &str) -> String;

    /// The same, where the store may refuse it.
    async fn attempt(&self, sql: &str) -> Result<u64, String>;

    /// Flips a bit of one byte of a row, past the port: `row` is a table, and the condition by which its row is found.
    async fn flip(&self, row: (&str, &str), column: &str, byte: usize);

    /// Takes the guard off the log and what was signed: what must never happen can happen.
    async fn unguard(&self);
}

/// Groups that may wait, where a case doesn't care.
pub const ROOMY: usize = 8192;

/// A writer that is held up in the middle of storing one event.
pub struct Stall {
    lock: Box<dyn Send>,
    plug: JoinHandle<Result<Appended, AppendError>>,
}

impl Stall {
    pub async fn release(self) {
        drop(self.lock);
        self.plug.await.unwrap().unwrap();
    }
}

/// The embedded store, in a folder of its own.
pub struct Sqlite {
    folder: PathBuf,
    _temporary: Option<TempDir>,
    taken: watch::Sender<usize>,
}

impl Sqlite {
    pub fn fresh() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_owned();
        Self { _temporary: Some(temporary), ..Self::at(folder) }
    }

    /// In a folder that somebody else made, and cleans up.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, _temporary: None, taken: watch::channel(0).0 }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join("log.sqlite")
    }

    /// Opens it where opening may fail.
    pub fn try_open(&self, clock: &MockClock) -> Result<Arc<dyn WholeStore>, LogFault> {
        Ok(Arc::new(SqliteLog::open(&Options::at(self.path()), Arc::new(clock.clone()), Arc::new(()))?))
    }

    pub fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn WholeStore> {
        let options = Options { queue, ..Options::at(self.path()) };
        let metrics = Arc::new(Taken(self.taken.clone()));
        Arc::new(SqliteLog::open(&options, Arc::new(clock.clone()), metrics).unwrap())
    }

    /// A connection past the port, to look at what is stored or to spoil it.
    pub fn connection(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn WholeStore> {
        Sqlite::open(self, clock, queue)
    }

    async fn open_with(&self, clock: &MockClock, models: &'static [&'static Model]) -> Arc<dyn WholeStore> {
        let options = Options { models, ..Options::at(self.path()) };
        Arc::new(SqliteLog::open(&options, Arc::new(clock.clone()), Arc::new(())).unwrap())
    }

    fn dense(&self) -> bool {
        true
    }

    async fn stall(&self, log: &Arc<dyn WholeStore>) -> Stall {
        let lock = self.connection();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        Stall { lock: Box::new(lock), plug: plug(log, &self.taken).await }
    }

    async fn behind(&self, sql: &str) -> u64 {
        self.connection().execute(sql, []).unwrap() as u64
    }

    async fn attempt(&self, sql: &str) -> Result<u64, String> {
        self.connection().execute(sql, []).map(|rows| rows as u64).map_err(|error| error.to_string())
    }

    async fn flip(&self, (table, condition): (&str, &str), column: &str, byte: usize) {
        let connection = self.connection();
        let sql = format!("SELECT {column} FROM {table} WHERE {condition}");
        let mut bytes: Vec<u8> = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        bytes[byte] ^= 1;
        let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {condition}");
        assert_eq!(connection.execute(&sql, [bytes]).unwrap(), 1);
    }

    async fn seen(&self, sql: &str) -> String {
        self.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn unguard(&self) {
        let on_events = ["events_are_never_removed", "events_are_never_changed"];
        for trigger in on_events.into_iter().chain(["signed_and_never_removed", "signed_and_never_changed"]) {
            self.behind(&format!("DROP TRIGGER {trigger}")).await;
        }
    }
}

/// Something for the writer to be held up with; it has taken it when this is done.
async fn plug(log: &Arc<dyn WholeStore>, taken: &watch::Sender<usize>) -> JoinHandle<Result<Appended, AppendError>> {
    let mut taken = taken.subscribe();
    let log = log.clone();
    let plug = Group { rests_on_settings: false, ..world::bare("plug", Expected::Any, 1) };
    let plug = tokio::spawn(async move { log.append(plug).await });
    taken.changed().await.unwrap();
    plug
}

/// PostgreSQL, in a schema of its own.
pub struct Postgres {
    schema: String,
    /// Past the port, for whatever is looked at or spoiled.
    behind: Mutex<Option<Arc<tokio_postgres::Client>>>,
    taken: watch::Sender<usize>,
}

impl Postgres {
    pub fn fresh() -> Self {
        Self { schema: crate::support::fresh_schema(), behind: Mutex::default(), taken: watch::channel(0).0 }
    }

    pub fn options(&self) -> postgres::Options {
        // Cases hold the writer up for as long as a busy machine takes.
        let commit_timeout = Duration::from_secs(60);
        let schema = self.schema.clone();
        postgres::Options { schema, commit_timeout, ..postgres::Options::at(crate::postgres::shared()) }
    }

    /// A connection past the port.
    pub async fn connection(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(crate::postgres::shared(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}", self.schema)).await.unwrap();
        client
    }

    /// One connection for all that is asked one after the other: to open one costs more than most questions.
    async fn past_the_port(&self) -> Arc<tokio_postgres::Client> {
        let mut kept = self.behind.lock().await;
        match &*kept {
            Some(client) if !client.is_closed() => client.clone(),
            _ => kept.insert(Arc::new(self.connection().await)).clone(),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        crate::postgres::forget(&self.schema);
    }
}

#[async_trait]
impl Store for Postgres {
    async fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn WholeStore> {
        let options = postgres::Options { queue, ..self.options() };
        let metrics = Arc::new(Taken(self.taken.clone()));
        Arc::new(PostgresLog::open(&options, Arc::new(clock.clone()), metrics).await.unwrap())
    }

    async fn open_with(&self, clock: &MockClock, models: &'static [&'static Model]) -> Arc<dyn WholeStore> {
        let options = postgres::Options { models, ..self.options() };
        Arc::new(PostgresLog::open(&options, Arc::new(clock.clone()), Arc::new(())).await.unwrap())
    }

    fn dense(&self) -> bool {
        true
    }

    async fn stall(&self, log: &Arc<dyn WholeStore>) -> Stall {
        let lock = self.connection().await;
        lock.batch_execute("BEGIN; SELECT FROM log_head FOR UPDATE").await.unwrap();
        Stall { lock: Box::new(lock), plug: plug(log, &self.taken).await }
    }

    async fn behind(&self, sql: &str) -> u64 {
        self.past_the_port().await.execute(sql, &[]).await.unwrap()
    }

    async fn attempt(&self, sql: &str) -> Result<u64, String> {
        self.past_the_port().await.execute(sql, &[]).await.map_err(|error| error.to_string())
    }

    async fn flip(&self, (table, condition): (&str, &str), column: &str, byte: usize) {
        let flipped = format!("set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)");
        let sql = format!("UPDATE {table} SET {column} = {flipped} WHERE {condition}");
        assert_eq!(self.behind(&sql).await, 1);
    }

    async fn seen(&self, sql: &str) -> String {
        self.past_the_port().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn unguard(&self) {
        self.behind("DROP TRIGGER events_are_never_changed ON events").await;
        self.behind("DROP TRIGGER signed_and_never_changed ON signed_checkpoints").await;
    }
}

/// Counts how often the writer took work off its queue.
struct Taken(watch::Sender<usize>);

impl WriterMetrics for Taken {
    fn committed(&self, _: usize, _: u64, _: Duration) {}
    fn failed(&self, _: usize) {}
    fn queued(&self, _: usize) {
        self.0.send_modify(|taken| *taken += 1);
    }
}
