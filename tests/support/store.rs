//! The one place that says on which store the server under test runs: the embedded one, or as `CHRYSALIS_TEST_STORE` says
//! PostgreSQL (`postgres`) or EventStoreDB (`eventstore`). What is read beside that is in the embedded one, or as
//! `CHRYSALIS_TEST_READ_STORE` says in PostgreSQL.

use chrysalis::entropy::{self, OsEntropy};
use tempfile::TempDir;

/// A fresh store, and what the configuration says of it. What it kept is gone when this is dropped.
pub struct Store {
    folder: TempDir,
    /// In PostgreSQL, the schema.
    schema: Option<String>,
    /// On EventStoreDB, the stream.
    stream: Option<String>,
}

/// Whether the suites run on PostgreSQL this time.
pub fn on_postgres() -> bool {
    on("postgres")
}

/// Whether they run on EventStoreDB.
pub fn on_eventstore() -> bool {
    on("eventstore")
}

/// Whether what is read beside EventStoreDB is in PostgreSQL.
pub fn reads_postgres() -> bool {
    told("CHRYSALIS_TEST_READ_STORE", "postgres")
}

fn on(store: &str) -> bool {
    told("CHRYSALIS_TEST_STORE", store)
}

#[allow(clippy::disallowed_methods, reason = "tests have no configuration to be read into")]
fn told(variable: &str, value: &str) -> bool {
    std::env::var_os(variable).is_some_and(|told| told == value)
}

/// A name that is nobody else's.
pub fn fresh_schema() -> String {
    format!("test_{:016x}", u64::from_le_bytes(entropy::bytes(&OsEntropy)))
}

impl Store {
    pub fn fresh() -> Self {
        let stream = on_eventstore().then(crate::eventstore::fresh_stream);
        let schema = (on_postgres() || (stream.is_some() && reads_postgres())).then(fresh_schema);
        Self { folder: tempfile::tempdir().unwrap(), schema, stream }
    }

    /// Keys of the configuration with their values.
    pub fn config(&self) -> Vec<(String, String)> {
        // The default store is the embedded one, in the data folder.
        let mut config = vec![("data_dir", self.folder.path().display().to_string())];
        let tables = match &self.schema {
            Some(schema) => {
                // Many servers at once on one PostgreSQL.
                config.extend([("postgres.schema", schema.clone()), ("postgres.pool", "2".to_owned())]);
                crate::postgres::shared().to_owned()
            }
            None => format!("sqlite:{}", self.folder.path().join("chrysalis.db").display()),
        };
        match &self.stream {
            Some(stream) => {
                config.extend([("store", crate::eventstore::shared().to_owned()), ("read_store", tables)]);
                config.push(("eventstore.stream", stream.clone()));
            }
            None if self.schema.is_some() => config.push(("store", tables)),
            None => {}
        }
        config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl Store {
    /// Whether a text stands in clear in the embedded store's files; in PostgreSQL, in the table where it might.
    pub fn holds(&self, text: &str) -> bool {
        match &self.schema {
            Some(schema) => {
                let sql = format!("SELECT 1 FROM {schema}.search s WHERE s::text LIKE '%{text}%'");
                !crate::postgres::ask(crate::postgres::shared(), &sql).is_empty()
            }
            // In this order: what is brought home meanwhile is seen in one of them.
            None => ["-wal", ""].iter().any(|end| {
                let file = self.folder.path().join(format!("chrysalis.db{end}"));
                let bytes = std::fs::read(file).unwrap_or_default();
                bytes.windows(text.len()).any(|window| window == text.as_bytes())
            }),
        }
    }

    /// Whether bytes stand in a file of the data folder; on PostgreSQL, in a text of the table where they might, too.
    pub fn holds_bytes(&self, bytes: &[u8]) -> bool {
        let text = std::str::from_utf8(bytes).ok().filter(|text| self.schema.is_some() && !text.contains('\0'));
        let readable = text.is_some_and(|text| self.holds(text));
        readable || in_folder(self.folder.path(), bytes)
    }

    /// Names the table that users are searched in, by where it begins.
    pub fn search_table(&self) -> Option<String> {
        match &self.schema {
            Some(schema) => {
                let sql = format!("SELECT to_regclass('{schema}.search')::oid::text");
                crate::postgres::ask(crate::postgres::shared(), &sql).pop()?.pop()?
            }
            None => {
                let connection = rusqlite::Connection::open(self.folder.path().join("chrysalis.db")).unwrap();
                // Another generation's index has another name.
                let sql = "SELECT name FROM sqlite_schema WHERE tbl_name = 'search' AND name LIKE 'search_email%'";
                connection.query_row(sql, [], |row| row.get(0)).ok()
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(schema) = &self.schema {
            crate::postgres::forget(schema);
        }
    }
}

/// Whether bytes stand in a file, or in the name of one.
pub fn in_folder(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let holds = |all: &[u8]| memchr::memmem::find(all, bytes).is_some();
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        // What goes in between is not there.
        let named = holds(entry.file_name().as_encoded_bytes());
        named
            || if entry.path().is_dir() {
                in_folder(&entry.path(), bytes)
            } else {
                std::fs::read(entry.path()).is_ok_and(|all| holds(&all))
            }
    })
}
