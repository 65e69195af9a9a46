//! What each command does.

mod analytics;
pub(crate) mod audit;
mod epochs;
mod guests;
mod keys;
pub(crate) mod log;
mod proof;
mod rehearsal;
mod replay;
mod sessions;
mod users;
mod verify;
mod waves;
pub(crate) mod webhooks;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use chrysalis::app::acting::Acting;
use chrysalis::app::api_keys::{ApiKeyView, ApiKeys, NewApiKey};
use chrysalis::app::audit::Trail;
use chrysalis::app::audit::form::DeedRow;
use chrysalis::app::audit::pages::{Filter, Page, Toward};
use chrysalis::app::{AppError, Refusal};
use chrysalis::clock::{Clock, SystemClock};
use chrysalis::config::{self, Config};
use chrysalis::entropy::OsEntropy;
use chrysalis::followers::models;
use chrysalis::followers::search::{self, Indexer};
use chrysalis::keys::{Keyring, KeyringClaims};
use chrysalis::log::copy::{self, Copied};
use chrysalis::open::{Opened, exists, open, open_store};
use chrysalis::serve::{Ports, Server, StartError};
use chrysalis::telemetry;
use chrysalis::wire::error::ApiError;
use chrysalis::wire::json_time::JsonTime;
use chrysalis_domain::{Span, Timestamp};
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use proof::check as check_proof;

use crate::progress::CopyBar;
use crate::{ApiKey, Audit, Command, Format, Guests, Projections};

/// It found differences, or something that does not hold. (1 is that it could not look.)
const DIFFERENT: u8 = 3;

pub fn run(command: Command, config: Config) -> Result<ExitCode, StartError> {
    if let Command::Configuration(_) = command {
        return Ok(config_check(&config));
    }
    telemetry::start(&config.log);
    runtime()?.block_on(async {
        // The first key may be made before the first start.
        if !matches!(command, Command::Serve { .. } | Command::ApiKey(ApiKey::Create { .. })) {
            exists(&config).await?;
        }
        match command {
            Command::Serve { .. } => serve(config).await,
            Command::Verify { checkpoints } => verify::run(&config, &checkpoints).await,
            Command::Replay(asked) => replay::run(&config, asked).await,
            Command::Projections(Projections::Rebuild) => rebuild(&config).await,
            Command::Log(what) => log::run(&config, what).await,
            Command::Audit(Audit::Proof(what)) => proof::run(&config, what).await,
            Command::Audit(audit) => export(&config, audit).await,
            Command::Guests(Guests::DryRun { max_age }) => rehearsal::run(&config, max_age).await,
            Command::Guests(Guests::Waves(what)) => waves::run(&config, what).await,
            Command::Guests(Guests::Cleanup(what)) => guests::run(&config, what).await,
            Command::Analytics(what) => analytics::run(&config, what).await,
            Command::Sessions(what) => sessions::run(&config, what).await,
            Command::Users(what) => users::run(&config, what).await,
            Command::Keys(what) => keys::run(&config, what).await,
            Command::ApiKey(what) => api_key(&config, what).await,
            Command::Webhooks(what) => webhooks::run(&config, what).await,
            Command::Configuration(_) => Ok(ExitCode::SUCCESS),
        }
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Copies one store into another, and folds the other's read models.
pub fn copy(from: &Config, to: &Config) -> Result<ExitCode, StartError> {
    telemetry::start(&to.log);
    if from.store.is(&to.store) {
        return Err(copy::CopyError::Itself.into());
    }
    runtime()?.block_on(async {
        exists(from).await?;
        let source = open_store(from, &ports(), Arc::new(())).await?;
        let destination = open_store(to, &ports(), Arc::new(())).await?;
        // Before anything is copied: the keys come along, and open under the same secret.
        config::secret::make_folder(&to.data_dir)?;
        let stored = source.keys().await?;
        let secret = to.secret.resolve(&to.data_dir, stored.is_empty(), &OsEntropy)?;
        let previous = to.secret_previous.as_ref().map(|secret| secret.expose_secret().as_bytes());
        let secret = secret.expose_secret().as_bytes();
        Keyring::opens(&stored, secret, previous)?;
        let bar = CopyBar::new();
        let copied = copy::copy(source.as_ref(), destination.as_ref(), &mut |step| bar.tell(step)).await?;
        let Copied { events, moved, behind } = copied;
        let keyring = Keyring::open(destination.as_ref(), secret, previous, &OsEntropy, SystemClock.now()).await?;
        destination.rebuild(&KeyringClaims(&keyring), &mut |folded| bar.folded(folded, events)).await?;
        copy::finish(destination.as_ref()).await?;
        models::rebuild(destination, &mut |folded| bar.folded(folded, events)).await?;
        bar.clear();
        println!(
            "{events} events at both ends, {moved} of them copied now; keys, sealed records and positions compared"
        );
        if behind > 0 {
            println!("{behind} more came to the source meanwhile: stop its server, then copy again");
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn ports() -> Ports {
    Ports { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) }
}

async fn serve(config: Config) -> Result<ExitCode, StartError> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let (public, dev) = (config.public.clone(), config.dev);
    let stop = told_to_stop()?;
    let server = Server::start(config, ports()).await?;
    tracing::info!(address = %server.address()?, %public, "Chrysalis answers; the API is described at {public}/reference");
    if dev {
        tracing::info!("mails are shown at {public}/dev/mail");
    }
    server.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Done at SIGTERM, as supervisors send it, or SIGINT, as a terminal does. Both are heard from the call on, not from the
/// first poll: who is told to stop while it starts stops politely too.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn progress(events: u64) {
    if events > 0 {
        tracing::info!(events, "folded");
    }
}

async fn rebuild(config: &Config) -> Result<ExitCode, StartError> {
    let Opened { store, keyring, .. } = open(config, &ports(), Arc::new(())).await?;
    let report = store.rebuild(&KeyringClaims(&keyring), &mut progress).await?;
    models::rebuild(store.clone(), &mut progress).await?;
    let Ports { clock, entropy } = ports();
    search::rebuild(Indexer::new(store, keyring, clock, entropy, config.search)).await?;
    println!("{} events folded; the new tables are in place", report.events);
    Ok(ExitCode::SUCCESS)
}

/// Deeds that are held in memory at a time.
const DEEDS: usize = 1_000;

async fn export(config: &Config, what: Audit) -> Result<ExitCode, StartError> {
    let Opened { store, keyring, .. } = open(config, &ports(), Arc::new(())).await?;
    // `verify` needs no configuration: see `audit`.
    let Audit::Export { format, from, to, action } = what else { return Ok(ExitCode::SUCCESS) };
    models::fold_the_rest(store.clone()).await?;
    let trail = Trail { log: store.as_ref(), keyring: &keyring };
    let filter = Filter { actions: action.into_iter().collect(), ..Filter::default() };
    if format == Format::Csv {
        write!(std::io::stdout(), "{}", DeedRow::csv_head())?;
    }
    let Some(mut toward) = trail.since(from).await? else { return Ok(ExitCode::SUCCESS) };
    loop {
        let Page { mut rows, on } = trail.page(&filter, toward, DEEDS).await?;
        let found = rows.len();
        rows.retain(|row| to.is_none_or(|to| row.recorded_at <= to));
        let ended = rows.len() < found;
        let deeds: Vec<DeedRow> = trail.open(rows).await?.into_iter().map(Into::into).collect();
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for deed in &deeds {
            match format {
                Format::Csv => write!(out, "{}", deed.csv())?,
                Format::Jsonl => writeln!(out, "{}", serde_json::to_string(deed).map_err(std::io::Error::other)?)?,
            }
        }
        out.flush()?;
        match on.filter(|_| !ended) {
            Some(on) => toward = Toward::newer_than(on),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// What a command says of what it has no words of its own for: as clients are told.
fn in_words(error: AppError) -> StartError {
    StartError::Other(match error {
        AppError::Refused(refusal) => ApiError::from(refusal).message().to_owned(),
        error => error.to_string(),
    })
}

async fn api_key(config: &Config, what: ApiKey) -> Result<ExitCode, StartError> {
    let ports = ports();
    let missing = match exists(config).await {
        Err(StartError::NoStore { place }) => Some(place),
        there => there.map(|()| None)?,
    };
    let Opened { store, keyring, .. } = open(config, &ports, Arc::new(())).await?;
    store.fit().await?;
    let at = ports.clock.now();
    let keys = ApiKeys::of_operator(Acting::operator(store.as_ref(), &keyring, ports.entropy.as_ref(), at));
    let failed = |error: AppError| match error {
        AppError::Refused(Refusal::ApiKeyUnknown) => StartError::Other("there is no such key".to_owned()),
        error => in_words(error),
    };
    match what {
        ApiKey::Create { name, permissions, expires_in, test } => {
            let permissions = (!permissions.is_empty()).then(|| permissions.into_iter().collect());
            let expires_at = expires_in.map(|days| at + Span::from_days(days.into()));
            let new = NewApiKey { name, metadata: None, permissions, organization: None, expires_at };
            let issued = keys.create(new, test).await.map_err(failed)?;
            if let Some(place) = missing {
                eprintln!("there was no store {place} if there should be one; a new one is made");
            }
            eprintln!("{} is made; its secret is shown this once:", issued.view.row.key);
            println!("{}", issued.secret.as_str());
        }
        ApiKey::List => {
            for ApiKeyView { row, name, .. } in keys.list().await.map_err(failed)? {
                let time = |time: Option<Timestamp>| time.map_or("never".to_owned(), |time| JsonTime(time).to_string());
                let permissions: Vec<_> = row.permissions.names().collect();
                let state = if row.enabled { "" } else { "  switched off" };
                println!(
                    "{}  {}…  {:?}  made {}  used {}  ends {}  {}{state}",
                    row.key,
                    row.start,
                    name.unwrap_or_default(),
                    JsonTime(row.created_at),
                    time(row.last_used_at),
                    time(row.expires_at),
                    permissions.join(" "),
                );
            }
        }
        ApiKey::Revoke { id } => {
            keys.revoke(id).await.map_err(failed)?;
            println!("{id} is revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn config_check(config: &Config) -> ExitCode {
    for (key, value, source) in &config.effective {
        println!("{key} = {value:?}  ({source})");
    }
    for warning in config.warnings() {
        println!("warning: {warning}");
    }
    println!("the configuration is fit to serve");
    ExitCode::SUCCESS
}

/// The table of keys, as `docs/configuration.md` holds it.
pub fn config_keys() -> Result<ExitCode, StartError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| key | environment | default | meaning |\n|---|---|---|---|")?;
    for key in config::keys::KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        writeln!(out, "| `{}` | `{}` | {default} | {} |", key.name, config::keys::variable(key.name), key.about)?;
    }
    Ok(ExitCode::SUCCESS)
}
