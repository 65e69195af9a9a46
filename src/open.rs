//! From a configuration to the store it names, with its keys. The one place that knows which stores there are.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::config::{self, Config, secret};
use crate::keys::Keyring;
use crate::log::sqlite::{Options, SqliteLog};
use crate::log::{LogFault, Store, WriterMetrics};
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
    let secret = config.secret.resolve(&config.data_dir, ports.entropy.as_ref())?;
    let store = open_store(&config.store, config, ports, metrics).await?;
    let previous = config.secret_previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
    let keyring = Keyring::open(
        store.as_ref(),
        secret.expose_secret().as_bytes(),
        previous,
        ports.entropy.as_ref(),
        ports.clock.now(),
    )
    .await?;
    Ok(Opened { store, keyring: Arc::new(keyring), secret })
}

async fn open_store(
    store: &config::Store,
    config: &Config,
    ports: &Ports,
    metrics: Arc<dyn WriterMetrics>,
) -> Result<Arc<dyn Store>, LogFault> {
    let config::Writer { queue, max_batch } = config.writer;
    match store {
        config::Store::Sqlite(path) => {
            let options = Options { queue, max_batch, ..Options::at(path) };
            Ok(Arc::new(SqliteLog::open(&options, ports.clock.clone(), metrics)?))
        }
    }
}
