//! What holds now: the start-up configuration, and what administrators set over it.
//!
//! Each node keeps the latest that it knows in memory, so that a request asks nobody.

mod startup;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrysalis_domain::id::ProjectId;
use chrysalis_domain::settings::{Settings, Values};
use tokio::sync::{Mutex, watch};

use crate::config::Config;
use crate::log::cqrs::{Loaded, catch_up, load};
use crate::log::{Log, LogFault, Version};

/// Every setting as it holds at one version.
#[derive(Debug)]
pub struct Effective {
    /// Of the settings' stream; 0 is the start-up configuration alone.
    pub version: Version,
    values: Values,
    set: Settings,
}

impl Deref for Effective {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

/// The latest settings that this node knows.
pub struct Latest {
    log: Arc<dyn Log>,
    startup: Values,
    known: watch::Sender<Arc<Effective>>,
    /// Reads that were begun, so that those who come together share one.
    begun: AtomicU64,
    reading: Mutex<()>,
}

/// The least time between two looks that nobody waits for …
const LOOK: Duration = Duration::from_millis(20);
/// … and after one that failed.
const AGAIN: Duration = Duration::from_secs(1);

impl Latest {
    pub async fn open(log: Arc<dyn Log>, config: &Config) -> Result<Self, LogFault> {
        let startup = startup::values(config);
        let loaded = load::<Settings>(log.as_ref(), ProjectId::DEFAULT).await?;
        let known = watch::Sender::new(Arc::new(effective(&startup, loaded)));
        Ok(Self { log, startup, known, begun: AtomicU64::new(0), reading: Mutex::default() })
    }

    /// What this node knows, without asking.
    pub fn now(&self) -> Arc<Effective> {
        self.known.borrow().clone()
    }

    /// What stands at some time after the call began.
    pub async fn fresh(&self) -> Result<Arc<Effective>, LogFault> {
        let before = self.begun.load(Ordering::Acquire);
        let _reading = self.reading.lock().await;
        if self.begun.load(Ordering::Acquire) > before {
            // Somebody began to read after we came, and has read.
            return Ok(self.now());
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        let known = self.now();
        let loaded = Loaded { state: known.set.clone(), version: known.version, replayed: 0 };
        let loaded = catch_up(self.log.as_ref(), ProjectId::DEFAULT, loaded).await?;
        if loaded.version > known.version {
            tracing::info!(version = loaded.version, "settings changed");
            self.known.send_replace(Arc::new(effective(&self.startup, loaded)));
        }
        Ok(self.now())
    }

    /// Learns of every change as soon as the log grows, for ever.
    pub async fn follow(&self) {
        let mut head = self.log.head();
        while head.changed().await.is_ok() {
            while let Err(error) = self.fresh().await {
                tracing::warn!(%error, "the settings were not read; those of before hold on");
                tokio::time::sleep(AGAIN).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn effective(startup: &Values, loaded: Loaded<Settings>) -> Effective {
    let Loaded { state, version, .. } = loaded;
    Effective { version, values: startup.with(&state.changes), set: state }
}
