//! What holds now: the start-up configuration, and what administrators set over it
//! (`docs/decisions/0011-settings.md`).
//!
//! Each node keeps the latest that it knows in memory, so that a request asks nobody. Whatever it decides names the version
//! it went by, and a store takes nothing that was decided by another version than the one that stands ([`crate::log`]).

mod providers;
mod startup;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::ProjectId;
use chrysalis_domain::settings::{KnownProvider, Settings, SettingsEvent, Values};
use tokio::sync::{Mutex, watch};

use crate::config::Config;
use crate::keys::Keyring;
use crate::log::cqrs::load;
use crate::log::{Log, LogFault, StreamId, Version, read_event};
use crate::social::{Maker, Providers};
use crate::wire::origin::{Origin, OriginPattern, Origins};
use providers::Catalogue;

/// Every setting as it holds at one version.
pub struct Effective {
    /// Of the settings' stream; 0 is the start-up configuration alone.
    pub version: Version,
    /// Whose pages may call: the operator's own, and those that were set.
    pub origins: Origins,
    /// Identity providers that are on.
    pub providers: Providers,
    values: Values,
    set: Settings,
    /// The event that brought the version about.
    event: Option<String>,
}

impl Deref for Effective {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effective").field("version", &self.version).field("values", &self.values).finish()
    }
}

/// A provider as administrators see it.
#[derive(Clone, Debug)]
pub struct ProviderView {
    pub id: String,
    pub client_id: String,
    pub tenant_id: Option<String>,
    pub has_secret: bool,
    pub enabled: bool,
    /// When it was set; the start of this node where only the start-up configuration speaks of it.
    pub updated_at: Timestamp,
}

/// The latest settings that this node knows.
pub struct Latest {
    log: Arc<dyn Log>,
    startup: Values,
    /// The public URL's origin, and those trusted in any case.
    public: Origin,
    trusted: Vec<OriginPattern>,
    catalogue: Catalogue,
    /// Since when the start-up configuration holds, as far as this node knows.
    began: Timestamp,
    known: watch::Sender<Arc<Effective>>,
    /// Reads that were begun, so that those who come together share one.
    begun: AtomicU64,
    reading: Mutex<()>,
}

/// The least time between two looks that nobody waits for …
const LOOK: Duration = Duration::from_millis(20);
/// … and after one that failed.
const AGAIN: Duration = Duration::from_secs(1);
const PAGE: usize = 256;

/// What holds, for whoever looks once and answers nobody.
pub async fn look(log: &dyn Log, config: &Config) -> Result<Values, LogFault> {
    let set = load::<Settings>(log, ProjectId::DEFAULT).await?.state;
    Ok(startup::values(config).with(&set.changes))
}

impl Latest {
    pub async fn open(
        log: Arc<dyn Log>,
        keyring: Arc<Keyring>,
        config: &Config,
        maker: Maker,
    ) -> Result<Self, LogFault> {
        let startup: BTreeMap<_, _> =
            config.social.iter().map(|provider| (provider.id.clone(), provider.clone())).collect();
        let latest = Self {
            startup: startup::values(config),
            public: config.public.clone(),
            trusted: config.trusted_origins.clone(),
            began: maker.clock.now(),
            catalogue: Catalogue { log: log.clone(), keyring, startup, maker },
            known: watch::Sender::new(Arc::new(Effective {
                version: 0,
                origins: Origins::new(config.public.clone(), config.trusted_origins.clone()),
                providers: Providers::default(),
                values: startup::values(config),
                set: Settings::default(),
                event: None,
            })),
            log,
            begun: AtomicU64::new(0),
            reading: Mutex::default(),
        };
        let read = latest.read(Read::default()).await?;
        let providers = latest.catalogue.all(&read.set).await?;
        latest.learn(read, providers);
        Ok(latest)
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
        let since = Read { set: known.set.clone(), version: known.version, event: known.event.clone() };
        let read = self.read(since).await?;
        if read.event != known.event {
            let providers = self.catalogue.providers((&known.set, &known.providers), &read.set).await?;
            tracing::info!(version = read.version, "the settings changed");
            self.learn(read, providers);
        }
        Ok(self.now())
    }

    /// Learns of every change soon after the log grew, for ever.
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

    /// The values that stand without anything set.
    pub fn startup(&self) -> &Values {
        &self.startup
    }

    /// What the start-up configuration says of a provider.
    pub fn startup_provider(&self, id: &str) -> Option<KnownProvider> {
        self.catalogue.startup(id)
    }

    /// Every provider that is known, whether or not it is on.
    pub fn providers(&self, settings: &Effective) -> Vec<ProviderView> {
        self.catalogue.ids(&settings.set).into_iter().filter_map(|id| self.provider(settings, &id)).collect()
    }

    pub fn provider(&self, settings: &Effective, id: &str) -> Option<ProviderView> {
        let set = &settings.set;
        let KnownProvider { client_id, tenant_id, enabled } = set.known(id, self.catalogue.startup(id))?;
        let updated_at = set.providers.get(id).map_or(self.began, |provider| provider.updated_at);
        let has_secret = self.catalogue.has_secret(set, id);
        Some(ProviderView { id: id.to_owned(), client_id, tenant_id, has_secret, enabled, updated_at })
    }

    fn learn(&self, read: Read, providers: Providers) {
        let Read { set, version, event } = read;
        let values = self.startup.with(&set.changes);
        // What was stored was read as origins when it was set; a rule that became stricter since leaves some out.
        let added = values.sessions.cors_origins.iter().filter_map(|origin| origin.parse().ok());
        let trusted = self.trusted.iter().cloned().chain(added).collect();
        let origins = Origins::new(self.public.clone(), trusted);
        self.known.send_replace(Arc::new(Effective { version, origins, providers, values, set, event }));
    }

    /// Reads on from what was read. A log whose past is another than it was (a standby that lacked the last of it took over)
    /// is read from the beginning.
    async fn read(&self, mut read: Read) -> Result<Read, LogFault> {
        let mut known = read.event.take();
        loop {
            let after = read.version - Version::from(known.is_some());
            let mut events = self.log.read_stream(StreamId::settings(), after, PAGE).await?.into_iter();
            let full = events.len() == PAGE;
            if let Some(known) = known.take() {
                if events.next().is_none_or(|event| event.event_id != known) {
                    read = Read::default();
                    continue;
                }
                read.event = Some(known);
            }
            for recorded in events {
                if let Some(event) = read_event(&recorded)?.and_then(own) {
                    read.set.apply(&event);
                }
                (read.version, read.event) = (recorded.version, Some(recorded.event_id));
            }
            if !full {
                return Ok(read);
            }
        }
    }
}

/// What was read of the settings' stream.
#[derive(Default)]
struct Read {
    set: Settings,
    version: Version,
    event: Option<String>,
}

fn own(event: chrysalis_domain::Event) -> Option<SettingsEvent> {
    match event {
        chrysalis_domain::Event::Settings(_, event) => Some(event),
        _ => None,
    }
}
