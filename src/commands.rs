//! What each command does: a file each, which says in `Words` what it is told, and in `run` what comes of it. Here is what they
//! share: how they begin, and the store that they work on.

pub mod analytics;
pub mod api_key;
pub mod audit;
pub mod config;
pub mod guests;
pub mod keys;
pub mod log;
pub mod projections;
mod ranges;
pub mod replay;
pub mod serve;
pub mod sessions;
pub mod users;
mod values;
pub mod verify;
pub mod webhooks;

use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::AppError;
use chrysalis::app::acting::Acting;
use chrysalis::clock::SystemClock;
use chrysalis::config::Config;
use chrysalis::entropy::OsEntropy;
use chrysalis::keys::Keyring;
use chrysalis::log::Store;
use chrysalis::open::{Opened, exists, open, open_to_verify};
use chrysalis::serve::{Ports, StartError};
use chrysalis::telemetry;
use chrysalis::wire::error::ApiError;
use chrysalis_domain::Timestamp;
use secrecy::SecretString;

use crate::flags::Flags;

/// A mistake of usage or configuration.
pub const USAGE: u8 = 2;
/// It found differences, or something that does not hold. (1 is that it could not look.)
const DIFFERENT: u8 = 3;

pub type Outcome = Result<ExitCode, StartError>;

/// The store that a command works on, while a server runs on it or not.
struct Here {
    config: Config,
    ports: Ports,
    store: Arc<dyn Store>,
    keyring: Arc<Keyring>,
    secret: SecretString,
}

impl Here {
    /// Makes one where there is none.
    async fn open(config: Config) -> Result<Self, StartError> {
        let ports = ports();
        let opened = open(&config, &ports, Arc::new(())).await?;
        Ok(Self::of(config, ports, opened))
    }

    /// Where what stands in it does not fit together, too.
    async fn open_to_verify(config: Config) -> Result<Self, StartError> {
        let ports = ports();
        let opened = open_to_verify(&config, &ports).await?;
        Ok(Self::of(config, ports, opened))
    }

    fn of(config: Config, ports: Ports, Opened { store, keyring, secret }: Opened) -> Self {
        Self { config, ports, store, keyring, secret }
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// In the operator's own name.
    fn acting(&self, at: Timestamp) -> Acting<'_> {
        Acting::operator(self.store.as_ref(), &self.keyring, self.ports.entropy.as_ref(), at)
    }
}

/// Does something on the store that is there. What only looks makes none.
fn on_store(flags: &Flags, what: impl AsyncFnOnce(Here) -> Outcome) -> Outcome {
    block_on(flags.config()?, async |config| {
        exists(&config).await?;
        what(Here::open(config).await?).await
    })
}

fn block_on(config: Config, what: impl AsyncFnOnce(Config) -> Outcome) -> Outcome {
    telemetry::start(&config.log);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(what(config))
}

fn ports() -> Ports {
    Ports { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) }
}

/// What a command says of what it has no words of its own for: as clients are told.
fn in_words(error: AppError) -> StartError {
    StartError::Other(match error {
        AppError::Refused(refusal) => ApiError::from(refusal).message().to_owned(),
        error => error.to_string(),
    })
}
