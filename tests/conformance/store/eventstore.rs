//! EventStoreDB: the log in a stream of its own, and the embedded store for what is read.

use std::sync::Arc;

use async_trait::async_trait;
use chrysalis::clock::MockClock;
use chrysalis::log::eventstore::{EventStoreLog, Options};
use chrysalis::log::sqlite::{self, SqliteLog};
use chrysalis::log::{LogFault, Store as WholeStore};
use chrysalis_projections::Model;

use super::{Sqlite, Stall, Store, Taken};

pub struct EventStore {
    url: String,
    stream: String,
    read: Sqlite,
}

impl EventStore {
    pub fn fresh() -> Self {
        Self::at(crate::eventstore::shared())
    }

    /// On a server of the case's own.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), stream: crate::eventstore::fresh_stream(), read: Sqlite::fresh() }
    }

    /// The stream that the log is.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub fn options(&self) -> Options {
        Options { stream: self.stream.clone(), ..Options::at(&self.url) }
    }

    /// Opens it where opening may fail.
    pub async fn try_open(&self, options: &Options, clock: &MockClock) -> Result<Arc<dyn WholeStore>, LogFault> {
        self.around(options, sqlite::Options::at(self.read.path()), clock).await
    }

    async fn around(
        &self,
        options: &Options,
        read: sqlite::Options,
        clock: &MockClock,
    ) -> Result<Arc<dyn WholeStore>, LogFault> {
        let read = Arc::new(SqliteLog::open(&read, Arc::new(clock.clone()), Arc::new(()))?);
        let metrics = Arc::new(Taken(self.read.taken.clone()));
        Ok(Arc::new(EventStoreLog::open(options, read, metrics).await?))
    }
}

#[async_trait]
impl Store for EventStore {
    async fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn WholeStore> {
        let options = Options { queue, ..self.options() };
        self.try_open(&options, clock).await.unwrap()
    }

    async fn open_with(&self, clock: &MockClock, models: &'static [&'static Model]) -> Arc<dyn WholeStore> {
        let read = sqlite::Options { models, ..sqlite::Options::at(self.read.path()) };
        self.around(&self.options(), read, clock).await.unwrap()
    }

    fn dense(&self) -> bool {
        true
    }

    async fn stall(&self, log: &Arc<dyn WholeStore>) -> Stall {
        self.read.stall(log).await
    }

    async fn behind(&self, sql: &str) -> u64 {
        self.read.behind(sql).await
    }

    async fn seen(&self, sql: &str) -> String {
        self.read.seen(sql).await
    }

    async fn attempt(&self, sql: &str) -> Result<u64, String> {
        self.read.attempt(sql).await
    }

    async fn flip(&self, position: u64, column: &str, byte: usize) {
        self.read.flip(position, column, byte).await;
    }

    async fn unguard(&self) {
        self.read.unguard().await;
    }
}
