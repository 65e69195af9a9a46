//! EventStoreDB: the log in a stream of its own, and one of the other stores for what is read: the embedded one, or as
//! `CHRYSALIS_TEST_READ_STORE` says PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrysalis::clock::MockClock;
use chrysalis::log::eventstore::{EventStoreLog, Options};
use chrysalis::log::postgres::{self, PostgresLog};
use chrysalis::log::replica::Replica;
use chrysalis::log::sqlite::{self, SqliteLog};
use chrysalis::log::{LogFault, Store as WholeStore};
use chrysalis_projections::Model;
use tokio::sync::watch;

use super::{Postgres, Sqlite, Stall, Store, Taken};

pub struct EventStore {
    url: String,
    stream: String,
    read: Read,
}

enum Read {
    Embedded(Sqlite),
    Postgres(Postgres),
}

impl Read {
    fn store(&self) -> &dyn Store {
        match self {
            Read::Embedded(store) => store,
            Read::Postgres(store) => store,
        }
    }

    fn taken(&self) -> watch::Sender<usize> {
        match self {
            Read::Embedded(store) => store.taken.clone(),
            Read::Postgres(store) => store.taken.clone(),
        }
    }

    async fn open(
        &self,
        clock: &MockClock,
        models: Option<&'static [&'static Model]>,
    ) -> Result<Arc<dyn Replica>, LogFault> {
        let clock = Arc::new(clock.clone());
        Ok(match self {
            Read::Embedded(store) => {
                let options = sqlite::Options::at(store.path());
                let models = models.unwrap_or(options.models);
                Arc::new(SqliteLog::open(&sqlite::Options { models, ..options }, clock, Arc::new(()))?)
            }
            Read::Postgres(store) => {
                let options = store.options();
                let models = models.unwrap_or(options.models);
                Arc::new(PostgresLog::open(&postgres::Options { models, ..options }, clock, Arc::new(())).await?)
            }
        })
    }
}

impl EventStore {
    pub fn fresh() -> Self {
        Self::at(crate::eventstore::shared())
    }

    /// On a server of the case's own.
    pub fn at(url: &str) -> Self {
        let read = match crate::support::reads_postgres() {
            true => Read::Postgres(Postgres::fresh()),
            false => Read::Embedded(Sqlite::fresh()),
        };
        Self { url: url.to_owned(), stream: crate::eventstore::fresh_stream(), read }
    }

    /// Another one for what is read, beside the same stream.
    pub fn beside(&self) -> Self {
        Self { stream: self.stream.clone(), ..Self::at(&self.url) }
    }

    /// Another stream, beside the same one for what is read.
    pub fn elsewhere(self) -> Self {
        Self { stream: crate::eventstore::fresh_stream(), ..self }
    }

    /// The stream that the log is.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub fn options(&self) -> Options {
        // Cases hold the writer up for as long as a busy machine takes.
        let commit_timeout = Duration::from_secs(60);
        Options { stream: self.stream.clone(), commit_timeout, ..Options::at(&self.url) }
    }

    /// Opens it where opening may fail.
    pub async fn try_open(&self, options: &Options, clock: &MockClock) -> Result<Arc<dyn WholeStore>, LogFault> {
        self.around(options, None, clock).await
    }

    /// Opens it for whoever says what differs.
    pub async fn to_verify(&self, options: &Options, clock: &MockClock) -> Result<Arc<dyn WholeStore>, LogFault> {
        let read = self.read.open(clock, None).await?;
        Ok(Arc::new(EventStoreLog::open_to_verify(options, read).await?))
    }

    /// Opens what is read alone.
    pub async fn read_store(&self, clock: &MockClock) -> Arc<dyn Replica> {
        self.read.open(clock, None).await.unwrap()
    }

    async fn around(
        &self,
        options: &Options,
        models: Option<&'static [&'static Model]>,
        clock: &MockClock,
    ) -> Result<Arc<dyn WholeStore>, LogFault> {
        let read = self.read.open(clock, models).await?;
        Ok(Arc::new(EventStoreLog::open(options, read, Arc::new(Taken(self.read.taken()))).await?))
    }
}

#[async_trait]
impl Store for EventStore {
    async fn open(&self, clock: &MockClock, queue: usize) -> Arc<dyn WholeStore> {
        let options = Options { queue, ..self.options() };
        self.try_open(&options, clock).await.unwrap()
    }

    async fn open_with(&self, clock: &MockClock, models: &'static [&'static Model]) -> Arc<dyn WholeStore> {
        self.around(&self.options(), Some(models), clock).await.unwrap()
    }

    fn dense(&self) -> bool {
        true
    }

    async fn stall(&self, log: &Arc<dyn WholeStore>) -> Stall {
        self.read.store().stall(log).await
    }

    async fn behind(&self, sql: &str) -> u64 {
        self.read.store().behind(sql).await
    }

    async fn seen(&self, sql: &str) -> String {
        self.read.store().seen(sql).await
    }

    async fn attempt(&self, sql: &str) -> Result<u64, String> {
        self.read.store().attempt(sql).await
    }

    async fn flip(&self, row: (&str, &str), column: &str, byte: usize) {
        self.read.store().flip(row, column, byte).await;
    }

    async fn unguard(&self) {
        self.read.store().unguard().await;
    }
}
