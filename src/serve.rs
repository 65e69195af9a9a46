//! From a configuration to a running server, and back: what is accepted is finished.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::admission::Admission;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors, secret};
use crate::entropy::{self, Entropy};
use crate::followers::Turn;
use crate::followers::attempts::Writer;
use crate::followers::background::Background;
use crate::followers::expiry::Cleaner;
use crate::followers::invitations::Invitations;
use crate::followers::jobs::Jobs;
use crate::followers::mail::Mailer;
use crate::followers::origins::Forgetful;
use crate::followers::proof::Notary;
use crate::followers::search::Indexer;
use crate::followers::strangers::Strangers;
use crate::followers::traces::Traces;
use crate::followers::watch::Watch;
use crate::followers::webhooks::Endpoints;
use crate::followers::{beginning, models, unrecorded};
use crate::hasher::{Hasher, Pepper, Peppers};
use crate::http::{self, Http, Parts, Readiness, Streams};
use crate::keys::{Keyring, Purpose};
use crate::limits::{Limits, LimitsConfig, Seed, TrustedProxies};
use crate::log::{Log, Store, follow};
use crate::mail::{Outbox, Post, Smtp, Templates, Transport};
use crate::metrics::Metrics;
use crate::open::{Opened, duration, open};
use crate::outage;
use crate::outgoing::{self, Outgoing, OutgoingError};
use crate::proof::Prover;
use crate::settings::Latest;
use crate::social::Maker;
use crate::tokens::Tokens;
use crate::webhooks::PACE;
use crate::wire::signed::{Signer, SigningKey};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Secret(#[from] secret::SecretError),
    #[error(transparent)]
    Log(#[from] crate::log::LogFault),
    #[error(transparent)]
    Keyring(#[from] crate::keys::KeyringError),
    #[error("password hashing does not start: {0}")]
    Hasher(#[from] crate::hasher::HashError),
    #[error("{address} can't be listened on: {source}; free it, or listen elsewhere with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("there is no store {place}")]
    NoStore { place: String },
    #[error(
        "the log ends at position {end}, and its read models have seen {seen} events: the end of the log is gone, and \
         positions would be given out a second time; restore a backup, or, to go on without what is gone, run \
         `chrysalis projections rebuild` and `chrysalis audit rebuild`"
    )]
    Cut { end: u64, seen: u64 },
    #[error("a copy into this store is not finished; run `chrysalis log copy` again")]
    Unfinished,
    #[error(transparent)]
    Copy(#[from] crate::log::copy::CopyError),
    #[error(transparent)]
    Templates(#[from] crate::mail::TemplateError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Whoever asked has to ask for something else.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Other(String),
}

/// What a process is given and a test replaces.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    routes: http::Routes,
    http: Http,
    /// Shown when development mode is on.
    outbox: Option<Outbox>,
    store: Arc<dyn Store>,
    mailer: Mailer,
    settings: Arc<Latest>,
    forgetful: Forgetful,
    indexer: Indexer,
    notary: Notary,
    traces: Traces,
    watch: Watch,
    turn: Turn,
    grace: Duration,
}

impl Server {
    /// Opens everything and starts to listen. Requests are answered once [`Server::run`] runs.
    pub async fn start(config: Config, ports: Ports) -> Result<Self, StartError> {
        let watch = Watch::begin(ports.clock.clone());
        let routes = http::routes();
        let verbs = http::verbs(&routes.1);
        let metrics = Arc::new(Metrics::new(verbs.keys().cloned()));
        let Opened { store, keyring, secret } = open(&config, &ports, metrics.clone()).await?;
        store.fit().await?;
        if let Some(seen) = follow::beyond_the_end(store.as_ref()).await? {
            return Err(StartError::Cut { end: store.end().await?, seen });
        }
        let log: Arc<dyn Log> = store.clone();
        let outbox = Outbox::open(&config.data_dir)?;
        outbox.forget_unfinished()?;
        let post = post(&config, &outbox)?;
        let languages = post.templates.languages();
        let mailer = Mailer {
            log: log.clone(),
            keyring: keyring.clone(),
            clock: ports.clock.clone(),
            entropy: ports.entropy.clone(),
            post,
            public: config.public.clone(),
            invitation_url: config.invitation_url(),
        };
        let uncalled = |error: OutgoingError| StartError::Other(error.to_string());
        let calls = |pace| Outgoing::new(&config.outgoing, pace).map_err(uncalled);
        let (outgoing, webhook_calls) = (calls(outgoing::PROVIDERS)?, calls(PACE)?);
        let hashing = &config.hashing;
        let hasher = Hasher::start(hashing.params, peppers(&keyring)?, hashing.threads, hashing.queue)?;
        let limits = LimitsConfig { enabled: config.rate_limits, ..LimitsConfig::default() };
        let limits = Limits::new(&limits, Seed::new(entropy::bytes(ports.entropy.as_ref())));
        let base = format!("{}{}", config.public, http::BASE_PATH);
        let admission = Admission::new(&config.challenge, &config.outgoing).map_err(uncalled)?;
        let maker = Maker { base, outgoing, clock: ports.clock.clone() };
        let settings = Arc::new(Latest::open(log.clone(), keyring.clone(), &config, maker).await?);
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let grace = duration(config.shutdown_grace);
        let keep = config.guests.origins_kept;
        let forgetful = Forgetful { log: log.clone(), clock: ports.clock.clone(), keep };
        let (clock, chance) = (ports.clock.clone(), ports.entropy.clone());
        let indexer = Indexer::new(store.clone(), keyring.clone(), clock, chance, config.search);
        let prover = Prover::new(store.clone(), Arc::new(log_signer(&keyring)?), ports.clock.clone());
        let (chance, every) = (ports.entropy.clone(), duration(config.checkpoint_every));
        let notary = Notary::new(prover, store.clone(), chance, every, metrics.clone());
        let traces = Traces::new(store.clone(), outbox.clone());
        let parts = Parts {
            cookies: config.cookies.clone(),
            signer: signer(&keyring)?,
            trusted_proxies: TrustedProxies::new(config.trusted_proxies.iter().copied()),
            app_origin: config.app_origin.clone(),
            languages,
            tokens: Tokens::new(
                log.clone(),
                ports.clock.clone(),
                ports.entropy.clone(),
                secret,
                config.public.to_string(),
            ),
            metrics,
            readiness: Readiness::of(log.clone(), ports.clock.clone()),
            attempts: Arc::default(),
            streams: Streams::new(config.audit.streams),
            verbs,
            app: App {
                log: log.clone(),
                store: store.clone(),
                clock: ports.clock,
                entropy: ports.entropy,
                keyring,
                hasher: Arc::new(hasher),
                limits: Arc::new(limits),
                admission: Arc::new(admission),
                webhook_calls,
                settings: settings.clone(),
                config: Arc::new(config),
                unrecorded: Arc::default(),
                begun: Arc::default(),
            },
        };
        if !parts.app.begin().await.map_err(|unwritten| StartError::Other(unwritten.to_string()))? {
            tracing::warn!(
                "bootstrap_api_key or a role by admin.emails is still to be written; this node is not ready until the store takes it"
            );
        }
        let dev = parts.app.config.dev.then_some(outbox);
        let node = entropy::ulid(parts.app.entropy.as_ref(), parts.app.clock.now()).to_string();
        let lease = duration(parts.app.config.followers.lease);
        let turn = Turn { node, lease, metrics: parts.metrics.clone() };
        let http = Http::new(parts);
        Ok(Self {
            listener,
            routes,
            http,
            outbox: dev,
            store,
            mailer,
            settings,
            forgetful,
            indexer,
            notary,
            traces,
            watch,
            turn,
            grace,
        })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What the server keeps, for whoever runs it in its own process.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Answers until `stop` is done; then finishes what was accepted, within the configured grace.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let ((halt, halted), (over, served)) = (watch::channel(false), watch::channel(false));
        let (app, settings) = (self.http.app.clone(), self.settings);
        let learning = tokio::spawn(async move { settings.follow().await });
        let writer = Writer::new(app.clone(), self.http.attempts.clone(), self.turn.node.clone());
        let mut following = Background::start(self.store.clone(), self.turn)
            .map_err(|error| StartError::Other(format!("no threads: {error}")))?;
        following.follow(self.notary, &halted);
        following.follow(models::Follower::new(self.store.clone()), &halted);
        following.follow(self.mailer, &halted);
        following.follow(Endpoints::new(app.clone(), self.store, self.http.metrics.clone()), &halted);
        following.follow(writer, &served);
        following.follow(self.forgetful, &halted);
        following.follow(self.indexer, &halted);
        following.follow(self.traces, &halted);
        following.follow(Jobs { app: app.clone() }, &halted);
        following.follow(Strangers { app: app.clone() }, &halted);
        following.follow(Invitations { app: app.clone() }, &halted);
        following.follow(Cleaner::new(app.clone(), self.watch, halted.clone()), &halted);
        following.spawn(beginning::follow(app.clone(), halted.clone()));
        following.spawn(outage::follow(app.log.clone(), halted.clone()));
        following.spawn(unrecorded::note(app, halted.clone()));
        let streams = self.http.streams.clone();
        let service = http::service(self.routes, self.http, self.outbox);
        let serving = tokio::spawn(http::listener::serve(self.listener, service, halted, self.grace));
        stop.await;
        tracing::info!("stopping: what was accepted is finished first");
        streams.close();
        let _ = halt.send(true);
        if serving.await.is_err() {
            tracing::error!("the server task broke off");
        }
        // The last call may fail, too.
        let _ = over.send(true);
        let _ = tokio::time::timeout(self.grace, following.ended()).await;
        learning.abort();
        Ok(())
    }
}

/// Mails go to the configured server; without one they are kept.
fn post(config: &Config, outbox: &Outbox) -> Result<Post, StartError> {
    let mail = &config.mail;
    let transport = match &mail.smtp {
        Some(url) => Transport::Smtp(
            Smtp::new(url.expose_secret()).map_err(|error| StartError::Other(format!("smtp.url: {error}")))?,
        ),
        None => Transport::Outbox(outbox.clone()),
    };
    let templates = Templates::open(mail.templates.as_deref(), mail.app.clone())?;
    Ok(Post { transport, templates, from: mail.from.clone() })
}

fn signer(keyring: &Keyring) -> Result<Signer, StartError> {
    let mut keys: Vec<_> =
        keyring.all(Purpose::Cookie).iter().filter_map(|key| SigningKey::new(&*key.secret).ok()).collect();
    let current = keys.pop().ok_or_else(|| StartError::Other("there is no key to sign cookies with".to_owned()))?;
    keys.reverse();
    Ok(Signer::new(current, keys))
}

/// Signs in the log's name.
pub fn log_signer(keyring: &Keyring) -> Result<crate::proof::Signer, StartError> {
    let none = || StartError::Other("there is no key to sign the log with".to_owned());
    crate::proof::Signer::of(keyring).ok_or_else(none)
}

fn peppers(keyring: &Keyring) -> Result<Peppers, StartError> {
    let pepper = |key: &crate::keys::Key| Pepper::new(&key.id.to_string(), Zeroizing::new(key.secret.to_vec()));
    let mut all = keyring
        .all(Purpose::Pepper)
        .iter()
        .map(pepper)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StartError::Other(error.to_string()))?;
    let current = all.pop();
    Ok(Peppers::new(current, all))
}
