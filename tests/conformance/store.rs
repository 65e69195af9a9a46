//! The stores under test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrysalis::clock::MockClock;
use chrysalis::log::WriterMetrics;
use chrysalis::log::sqlite::{Options, SqliteLog};
use chrysalis::log::{AppendError, Appended, Expected, Log, LogFault};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::world;

/// A place where a log is kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens the log: empty the first time, later as it was left. Close one before you open the next.
    fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn Log>;

    /// Whether positions are 1, 2, 3 … without gaps.
    fn dense(&self) -> bool;

    /// Holds the writer up: what is sent from here on waits in the queue until the stall is released.
    async fn stall(&self, log: &Arc<dyn Log>) -> Stall;
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
    pub fn try_open(&self, clock: &MockClock) -> Result<Arc<dyn Log>, LogFault> {
        Ok(Arc::new(SqliteLog::open(&Options::at(self.path()), Arc::new(clock.clone()), Arc::new(()))?))
    }

    /// A connection past the port, to look at what is stored or to spoil it.
    pub fn behind(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }
}

#[async_trait]
impl Store for Sqlite {
    fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn Log> {
        let options = Options { queue, ..Options::at(self.path()) };
        let metrics = Arc::new(Taken(self.taken.clone()));
        Arc::new(SqliteLog::open(&options, Arc::new(clock.clone()), metrics).unwrap())
    }

    fn dense(&self) -> bool {
        true
    }

    async fn stall(&self, log: &Arc<dyn Log>) -> Stall {
        let lock = self.behind();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut taken = self.taken.subscribe();
        let log = log.clone();
        let plug = tokio::spawn(async move { log.append(world::bare("plug", Expected::Any, 1)).await });
        taken.changed().await.unwrap();
        Stall { lock: Box::new(lock), plug }
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
