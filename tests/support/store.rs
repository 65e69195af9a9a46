//! The one place that says on which store the server under test runs: the embedded one, or PostgreSQL where
//! `CHRYSALIS_TEST_STORE=postgres` says so.

use chrysalis::entropy::{self, OsEntropy};
use tempfile::TempDir;

/// A fresh store, and what the configuration says of it. What it kept is gone when this is dropped.
pub struct Store {
    folder: TempDir,
    /// On PostgreSQL, the schema.
    schema: Option<String>,
}

/// Whether the suites run on PostgreSQL this time.
#[allow(clippy::disallowed_methods, reason = "tests have no configuration to be read into")]
pub fn on_postgres() -> bool {
    std::env::var_os("CHRYSALIS_TEST_STORE").is_some_and(|store| store == "postgres")
}

/// A name that is nobody else's.
pub fn fresh_schema() -> String {
    format!("test_{:016x}", u64::from_le_bytes(entropy::bytes(&OsEntropy)))
}

impl Store {
    pub fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), schema: on_postgres().then(fresh_schema) }
    }

    /// Keys of the configuration with their values.
    pub fn config(&self) -> Vec<(String, String)> {
        // The default store is the embedded one, in the data folder.
        let mut config = vec![("data_dir", self.folder.path().display().to_string())];
        if let Some(schema) = &self.schema {
            config.extend([("store", crate::postgres::shared().to_owned()), ("postgres.schema", schema.clone())]);
            // Many servers at once on one PostgreSQL.
            config.push(("postgres.pool", "2".to_owned()));
        }
        config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(schema) = &self.schema {
            crate::postgres::forget(schema);
        }
    }
}
