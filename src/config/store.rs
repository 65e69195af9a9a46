//! Where the log is kept.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrysalis_domain::Span;
use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;

#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(PathBuf),
    Postgres(Postgres),
    EventStore(EventStore),
}

#[derive(Clone, Debug)]
pub struct Postgres {
    /// May hold a password.
    pub url: SecretString,
    pub schema: String,
    pub root_cert: Option<PathBuf>,
    pub pool: usize,
    pub connect_timeout: Span,
    pub wait_timeout: Span,
    pub query_timeout: Span,
    pub commit_timeout: Span,
    pub poll: Span,
}

/// The log in EventStoreDB.
#[derive(Clone, Debug)]
pub struct EventStore {
    /// May hold a password.
    pub url: SecretString,
    pub stream: String,
    pub call_timeout: Span,
    pub commit_timeout: Span,
    /// Where the read models are, and all that stands beside the log.
    pub read_store: Box<Store>,
}

const SECOND: Span = Span::from_secs(1);
const MINUTE: Span = Span::from_secs(60);

pub(super) fn read(r: &mut Reader, data_dir: &Path) -> Store {
    match r.text("store").map(str::to_owned) {
        None => Store::Sqlite(data_dir.join("chrysalis.db")),
        Some(text) => parse(r, "store", &text),
    }
}

/// A store by its name, with everything else as configured. Mistakes are told of `key`.
pub(super) fn parse(r: &mut Reader, key: &str, text: &str) -> Store {
    if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
        return Store::Sqlite(path.into());
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Store::Postgres(postgres(r, key, text));
    }
    if text.starts_with("esdb://") || text.starts_with("esdb+discover://") {
        return Store::EventStore(event_store(r, key, text));
    }
    // The same servers by the names of their newer clients.
    if let Some(scheme) = of_kurrentdb(text) {
        let esdb = if scheme.ends_with("+discover") { "esdb+discover" } else { "esdb" };
        let remedy = format!("write {esdb}://, and the rest as it is: the same servers answer to it");
        r.mistake(key, format!("{scheme}:// is spelled {esdb}:// here"), remedy);
        return Store::Sqlite(PathBuf::new());
    }
    // Whatever it is, it may hold a password.
    let named = text.split_once(':').map_or("what is given".to_owned(), |(scheme, _)| format!("{scheme:?}"));
    r.mistake(
        key,
        format!("{named} is no store of this build"),
        "write sqlite: and a path, postgres://user@host/database, or esdb://user@host",
    );
    Store::Sqlite(PathBuf::new())
}

fn of_kurrentdb(text: &str) -> Option<&str> {
    const SCHEMES: [&str; 6] =
        ["kurrentdb", "kurrentdb+discover", "kurrent", "kurrent+discover", "kdb", "kdb+discover"];
    text.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| SCHEMES.contains(scheme))
}

fn event_store(r: &mut Reader, key: &str, url: &str) -> EventStore {
    for mistake in crate::log::eventstore::mistakes(url) {
        r.mistake(key, mistake.problem, mistake.remedy);
    }
    let stream = r.or_default("eventstore.stream");
    // What begins with a dollar sign is EventStoreDB's own; what stands before a dash it takes for a category.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
    if stream.is_empty() || stream.len() > 128 || !stream.chars().all(plain) {
        let remedy = "write at most 128 letters, digits, dots, dashes and underscores";
        r.mistake("eventstore.stream", format!("{stream:?} is no plain name"), remedy);
    }
    let read_store = match r.text("read_store").map(str::to_owned) {
        Some(text) if text.starts_with("esdb") || of_kurrentdb(&text).is_some() => {
            r.mistake("read_store", "EventStoreDB keeps no read models", "write sqlite: and a path, or postgres://…");
            Store::Sqlite(PathBuf::new())
        }
        Some(text) => parse(r, "read_store", &text),
        None => {
            r.mistake(
                "read_store",
                "a log in EventStoreDB needs a store for its read models",
                "write sqlite: and a path, or postgres://user@host/database",
            );
            Store::Sqlite(PathBuf::new())
        }
    };
    let read = r.mistakes.len();
    let call_timeout = r.span("eventstore.call_timeout", SECOND..=MINUTE);
    let commit_timeout = r.span("eventstore.commit_timeout", SECOND..=MINUTE);
    if read == r.mistakes.len() && call_timeout > commit_timeout {
        let problem =
            "one call may take longer than eventstore.commit_timeout, which is the time for all calls of a batch";
        r.mistake("eventstore.call_timeout", problem, "make it as long at most, or the other longer");
    }
    EventStore { url: url.to_owned().into(), stream, call_timeout, commit_timeout, read_store: Box::new(read_store) }
}

fn postgres(r: &mut Reader, key: &str, url: &str) -> Postgres {
    if let Err(error) = tokio_postgres::Config::from_str(url) {
        let told = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        r.mistake(key, format!("the URL does not read: {told}"), "write postgres://user:password@host:5432/database");
    }
    let schema = r.text("postgres.schema").unwrap_or("chrysalis").to_owned();
    // It stands in statements as it is: nothing that would have to be quoted.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if schema.len() > 48 || !schema.starts_with(|c: char| c.is_ascii_lowercase()) || !schema.chars().all(plain) {
        let remedy = "write at most 48 lower-case letters, digits and underscores, a letter first";
        r.mistake("postgres.schema", format!("{schema:?} is no plain name"), remedy);
    }
    Postgres {
        url: url.to_owned().into(),
        schema,
        root_cert: r.text("postgres.root_cert").map(PathBuf::from),
        pool: r.number("postgres.pool", 1..=1_000),
        connect_timeout: r.span("postgres.connect_timeout", SECOND..=MINUTE),
        wait_timeout: r.span("postgres.wait_timeout", SECOND..=MINUTE),
        query_timeout: r.span("postgres.query_timeout", SECOND..=MINUTE),
        commit_timeout: r.span("postgres.commit_timeout", SECOND..=MINUTE),
        poll: r.span("postgres.poll", SECOND..=MINUTE),
    }
}

impl Store {
    /// Whether both are spelled alike or are one file, or what one writes to is the other's. Whether two ways lead to one
    /// database only that can say: [`crate::log::copy::are_one`].
    pub fn is(&self, other: &Store) -> bool {
        match (self, other) {
            (Store::Sqlite(one), Store::Sqlite(other)) => one == other || is_one_file(one, other),
            (Store::Postgres(one), Store::Postgres(other)) => {
                one.url.expose_secret() == other.url.expose_secret() && one.schema == other.schema
            }
            // Two logs with one read store are one, too, and a read store is no store of its own.
            (Store::EventStore(one), Store::EventStore(other)) => {
                let same_log = one.url.expose_secret() == other.url.expose_secret() && one.stream == other.stream;
                same_log || one.read_store.is(&other.read_store)
            }
            (Store::EventStore(log), other) | (other, Store::EventStore(log)) => log.read_store.is(other),
            _ => false,
        }
    }
}

/// Whether two paths lead to one file, by links or otherwise: under two names SQLite would not know that it is one.
fn is_one_file(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    file(one).is_some_and(|found| file(other) == Some(found))
}
