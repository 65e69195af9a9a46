//! How connections to PostgreSQL are made: where to, how protected, with which settings, within which time.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrysalis_projections::{ASYNC, Model};
use deadpool_postgres::{Connect, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault;
use crate::log::LogFault;

/// How the store is set up.
#[derive(Clone)]
pub struct Options {
    /// A connection string or URL as libpq has them; may name several hosts, of which the one that takes writes is used.
    pub url: String,
    /// The schema that holds every table. Made when it is missing.
    pub schema: String,
    /// PEM file of the authorities that certify the server; the machine's own list when there is none.
    pub root_cert: Option<PathBuf>,
    /// Groups that may wait to be stored, in each lane.
    pub queue: usize,
    /// Groups in one transaction.
    pub max_batch: usize,
    /// Connections that read; writing takes one more, listening another, following a third.
    pub pool: usize,
    pub connect_timeout: Duration,
    /// How long a reader waits for a free connection.
    pub wait_timeout: Duration,
    /// How long one statement that reads may take.
    pub query_timeout: Duration,
    /// How long a batch may take, from its first statement to its commit.
    pub commit_timeout: Duration,
    /// Between two looks at the log's head besides the notifications.
    pub poll: Duration,
    /// Read models that follow the log.
    pub models: &'static [&'static Model],
}

impl Options {
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: "chrysalis".to_owned(),
            root_cert: None,
            queue: 8192,
            max_batch: 1024,
            pool: 8,
            connect_timeout: Duration::from_secs(3),
            wait_timeout: Duration::from_secs(2),
            query_timeout: Duration::from_secs(5),
            commit_timeout: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            models: &ASYNC,
        }
    }
}

/// A connection that goes back among the others only when its transaction has ended. Whoever has it may break off at any
/// moment: the next one would go on in it, and commit with what is its own what was begun before.
pub(super) struct Lent(Option<Object>);

impl Lent {
    pub(super) fn new(client: Object) -> Self {
        Self(Some(client))
    }

    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Lent {
    type Target = Object;

    fn deref(&self) -> &Object {
        // It is there until it is given back, which takes all of it.
        self.0.as_ref().unwrap_or_else(|| unreachable!("a connection that was given back"))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

const RECYCLE: ManagerConfig = ManagerConfig { recycling_method: RecyclingMethod::Fast };

/// Makes connections, each with the settings that the store's statements count on.
#[derive(Clone)]
pub(super) struct Connector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    options: Options,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The store's own short statements. Every one of them finds its rows by an index: a plan that was made while a
    /// table was small must not be a scan when it has grown.
    Short,
    /// Migrations and refolds, which may take as long as they need.
    Long,
}

/// Makes connections that are driven where their pool was made, whoever happens to need one first: those who answer don't
/// depend on threads that step back.
struct Here {
    tls: MakeRustlsConnect,
    runtime: Handle,
}

impl Connect for Here {
    fn connect(
        &self,
        config: &tokio_postgres::Config,
    ) -> BoxFuture<'_, Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>> {
        let (config, tls) = (config.clone(), self.tls.clone());
        let connecting = self.runtime.spawn(async move {
            let (client, connection) = config.connect(tls).await?;
            // How it ends the client tells.
            let driving = tokio::spawn(async move { drop(connection.await) });
            Ok((client, driving))
        });
        async move {
            match connecting.await {
                Ok(connected) => connected,
                // That runtime is ending. Whoever waits here has the pool's patience, and no more.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }
}

impl Connector {
    pub(super) fn new(options: &Options) -> Result<Self, LogFault> {
        let unread = |error: tokio_postgres::Error| LogFault::Bug(format!("the store's URL does not read: {error}"));
        let mut config: tokio_postgres::Config = options.url.parse().map_err(unread)?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("chrysalis");
        }
        // The password and all that is stored would travel in clear.
        if !options.url.contains("sslmode") && !config.get_hosts().iter().all(is_near) {
            config.ssl_mode(SslMode::Require);
        }
        config.connect_timeout(options.connect_timeout);
        config.tcp_user_timeout(options.commit_timeout * 2);
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        Ok(Self { config, tls: MakeRustlsConnect::new(tls(options)?), options: options.clone() })
    }

    pub(super) fn schema(&self) -> &str {
        &self.options.schema
    }

    /// For one task: it drives what it needs.
    pub(super) fn pool_of_one(&self) -> Result<Pool, LogFault> {
        self.bounded(1, Manager::from_config(self.settings(Purpose::Short), self.tls.clone(), RECYCLE))
    }

    /// For many, driven by the runtime that this is called in.
    pub(super) fn pool(&self, size: usize) -> Result<Pool, LogFault> {
        let connect = Here { tls: self.tls.clone(), runtime: Handle::current() };
        self.bounded(size, Manager::from_connect(self.settings(Purpose::Short), connect, RECYCLE))
    }

    fn bounded(&self, size: usize, manager: Manager) -> Result<Pool, LogFault> {
        Pool::builder(manager)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.options.wait_timeout))
            .create_timeout(Some(self.options.connect_timeout))
            .recycle_timeout(Some(self.options.connect_timeout))
            .build()
            .map_err(|error| LogFault::Bug(error.to_string()))
    }

    /// A connection of one's own. Whoever takes it drives it.
    pub(super) async fn open(
        &self,
        purpose: Purpose,
    ) -> Result<
        (
            tokio_postgres::Client,
            tokio_postgres::Connection<
                tokio_postgres::Socket,
                impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
            >,
        ),
        LogFault,
    > {
        let connect = self.settings(purpose);
        let connected = tokio::time::timeout(self.options.connect_timeout, connect.connect(self.tls.clone())).await;
        match connected {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(self.unreached(fault(error))),
            Err(_) => Err(self.unreached(LogFault::Unavailable("no answer".to_owned()))),
        }
    }

    /// Which server it was that was not reached.
    fn unreached(&self, fault: LogFault) -> LogFault {
        let LogFault::Unavailable(said) = fault else { return fault };
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let hosts: Vec<_> = self.config.get_hosts().iter().map(name).collect();
        LogFault::Unavailable(format!("PostgreSQL at {}: {said}", hosts.join(", ")))
    }

    /// A connection of one's own that drives itself until the client is dropped.
    pub(super) async fn open_driven(&self, purpose: Purpose) -> Result<tokio_postgres::Client, LogFault> {
        let (client, connection) = self.open(purpose).await?;
        // How it ends the client tells.
        tokio::spawn(connection);
        Ok(client)
    }

    fn settings(&self, purpose: Purpose) -> tokio_postgres::Config {
        let mut settings = self.config.get_options().map_or_else(String::new, |given| format!("{given} "));
        settings += &format!("-c search_path={} -c jit=off -c client_min_messages=warning", self.options.schema);
        if purpose == Purpose::Short {
            // A node that stops in the middle of a transaction, or is cut off, does not hold the others up for long.
            settings += &format!(
                " -c statement_timeout={} -c idle_in_transaction_session_timeout={} -c plan_cache_mode=force_generic_plan \
                 -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off",
                self.options.query_timeout.max(self.options.commit_timeout).as_millis(),
                self.options.commit_timeout.as_millis(),
            );
        }
        let mut config = self.config.clone();
        config.options(settings);
        config
    }
}

/// Whether what is sent there leaves the machine.
fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn tls(options: &Options) -> Result<rustls::ClientConfig, LogFault> {
    let unusable = |said: String| LogFault::Unavailable(said);
    let mut roots = rustls::RootCertStore::empty();
    match &options.root_cert {
        Some(path) => {
            let told =
                |error: &dyn std::fmt::Display| unusable(format!("postgres.root_cert {}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| told(&error))? {
                roots.add(certificate.map_err(|error| told(&error))?).map_err(|error| told(&error))?;
            }
        }
        None => {
            // A certificate that does not read certifies nobody.
            let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
