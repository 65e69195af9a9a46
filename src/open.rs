//! From a configuration to the store it names, with its keys. The one place that knows which stores there are.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrysalis_domain::Span;
use chrysalis_projections::ASYNC;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{self, Config, secret};
use crate::keys::{Keyring, keep_learning};
use crate::log::copy::UNFINISHED;
use crate::log::eventstore::EventStoreLog;
use crate::log::postgres::PostgresLog;
use crate::log::replica::{ELSEWHERE, Replica};
use crate::log::sqlite::SqliteLog;
use crate::log::{LogFault, Store, WriterMetrics, eventstore, postgres, sqlite};
use crate::serve::{Ports, StartError};

/// The store and its keys: what the command line works on too.
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub keyring: Arc<Keyring>,
    pub secret: SecretString,
}

/// Opens the store of a configuration with its keyring; both are made on a first start.
pub async fn open(config: &Config, ports: &Ports, metrics: Arc<dyn WriterMetrics>) -> Result<Opened, StartError> {
    secret::make_folder(&config.data_dir)?;
    let store = open_store(config, ports, metrics).await?;
    unlock(store, config, ports).await
}

/// The same for whoever says what differs: where a log in EventStoreDB and its read store don't belong together, too.
pub async fn open_to_verify(config: &Config, ports: &Ports) -> Result<Opened, StartError> {
    let config::Store::EventStore(given) = &config.store else { return open(config, ports, Arc::new(())).await };
    secret::make_folder(&config.data_dir)?;
    let read_store = open_tables(config, &given.read_store, ports, Arc::new(())).await?;
    let store = EventStoreLog::open_to_verify(&event_store_options(config, given), read_store).await?;
    unlock(Arc::new(store), config, ports).await
}

async fn unlock(store: Arc<dyn Store>, config: &Config, ports: &Ports) -> Result<Opened, StartError> {
    if store.checkpoint(UNFINISHED).await? != 0 {
        return Err(StartError::Unfinished);
    }
    let is_new = store.keys().await?.is_empty();
    let secret = config.secret.resolve(&config.data_dir, is_new, ports.entropy.as_ref())?;
    let previous = config.secret_previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
    let keyring = Keyring::open(
        store.as_ref(),
        secret.expose_secret().as_bytes(),
        previous,
        ports.entropy.as_ref(),
        ports.clock.now(),
    )
    .await?;
    let keyring = Arc::new(keyring);
    // Whatever is opened: persons' keys may be wrapped anew while it is at work.
    let (known, kept): (_, Weak<dyn Store>) = (Arc::downgrade(&keyring), Arc::downgrade(&store));
    tokio::spawn(keep_learning(known, kept, secret.clone(), ports.clock.clone()));
    Ok(Opened { store, keyring, secret })
}

/// Whether there is a store to look at: what only looks makes none, and says nothing good of one that it made just now.
///
/// # Errors
/// [`StartError::NoStore`] where there is none.
pub async fn exists(config: &Config) -> Result<(), StartError> {
    let store = match &config.store {
        // Without its sealed records and keys a log is nothing to look at.
        config::Store::EventStore(given) => given.read_store.as_ref(),
        store => store,
    };
    let (there, place) = match store {
        config::Store::Sqlite(path) => {
            (SqliteLog::is_at(path)?, format!("at {}; look at --store and --data-dir", path.display()))
        }
        config::Store::Postgres(given) => (
            PostgresLog::is_at(&postgres_options(config, given)).await?,
            format!("in the schema {} of that database; look at --store and postgres.schema", given.schema),
        ),
        config::Store::EventStore(_) => return Err(no_read_store().into()),
    };
    if there { Ok(()) } else { Err(StartError::NoStore { place }) }
}

/// Opens the store of a configuration, whatever is in it.
pub async fn open_store(
    config: &Config,
    ports: &Ports,
    metrics: Arc<dyn WriterMetrics>,
) -> Result<Arc<dyn Store>, LogFault> {
    if let config::Store::EventStore(given) = &config.store {
        let read_store = open_tables(config, &given.read_store, ports, Arc::new(())).await?;
        let options = event_store_options(config, given);
        return Ok(Arc::new(EventStoreLog::open(&options, read_store, metrics).await?));
    }
    let store = open_tables(config, &config.store, ports, metrics).await?;
    if store.checkpoint(ELSEWHERE).await? != 0 {
        return Err(LogFault::Unavailable(
            "this is the read store of a log in EventStoreDB; name that log with CHRYSALIS_STORE=esdb://…, and this store with \
             CHRYSALIS_READ_STORE"
                .to_owned(),
        ));
    }
    Ok(store)
}

/// Opens a store to be copied from: the read store of a log in EventStoreDB, too, which has all that was ever acknowledged.
pub async fn open_source(config: &Config, ports: &Ports) -> Result<Arc<dyn Store>, LogFault> {
    match &config.store {
        config::Store::EventStore(_) => open_store(config, ports, Arc::new(())).await,
        store => Ok(open_tables(config, store, ports, Arc::new(())).await?),
    }
}

/// Opens a store that has tables: a whole one, or the read store of a log elsewhere.
async fn open_tables(
    config: &Config,
    store: &config::Store,
    ports: &Ports,
    metrics: Arc<dyn WriterMetrics>,
) -> Result<Arc<dyn Replica>, LogFault> {
    match store {
        config::Store::Sqlite(path) => {
            let config::Writer { queue, max_batch } = config.writer;
            let options = sqlite::Options { queue, max_batch, ..sqlite::Options::at(path) };
            Ok(Arc::new(SqliteLog::open(&options, ports.clock.clone(), metrics)?))
        }
        config::Store::Postgres(given) => {
            let options = postgres_options(config, given);
            Ok(Arc::new(PostgresLog::open(&options, ports.clock.clone(), metrics).await?))
        }
        config::Store::EventStore(_) => Err(no_read_store()),
    }
}

/// The configuration was checked: nobody meets this.
fn no_read_store() -> LogFault {
    LogFault::Bug("EventStoreDB keeps no read models".to_owned())
}

fn event_store_options(config: &Config, given: &config::store::EventStore) -> eventstore::Options {
    let config::Writer { queue, max_batch } = config.writer;
    eventstore::Options {
        url: given.url.expose_secret().to_owned(),
        stream: given.stream.clone(),
        queue,
        max_batch,
        patience: duration(given.call_timeout),
        commit_timeout: duration(given.commit_timeout),
    }
}

fn postgres_options(config: &Config, given: &config::store::Postgres) -> postgres::Options {
    let config::Writer { queue, max_batch } = config.writer;
    postgres::Options {
        url: given.url.expose_secret().to_owned(),
        schema: given.schema.clone(),
        root_cert: given.root_cert.clone(),
        queue,
        max_batch,
        pool: given.pool,
        connect_timeout: duration(given.connect_timeout),
        wait_timeout: duration(given.wait_timeout),
        query_timeout: duration(given.query_timeout),
        commit_timeout: duration(given.commit_timeout),
        poll: duration(given.poll),
        models: &ASYNC,
    }
}

/// Configured times are not negative.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(0))
}
