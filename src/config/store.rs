//! Where the log is kept.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrysalis_domain::Span;
use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;

#[derive(Clone, Debug)]
pub enum Store {
    Sqlite(PathBuf),
    Postgres(Postgres),
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
    // Whatever it is, it may hold a password.
    let scheme = text.split_once(':').map_or("what is given", |(scheme, _)| scheme);
    r.mistake(
        key,
        format!("{scheme:?} is no store of this build"),
        "write sqlite: and a path, or postgres://user@host/database",
    );
    Store::Sqlite(PathBuf::new())
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
    /// Whether both are spelled alike.
    pub fn is(&self, other: &Store) -> bool {
        match (self, other) {
            (Store::Sqlite(one), Store::Sqlite(other)) => one == other,
            (Store::Postgres(one), Store::Postgres(other)) => {
                one.url.expose_secret() == other.url.expose_secret() && one.schema == other.schema
            }
            _ => false,
        }
    }
}
