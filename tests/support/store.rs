//! The one place that says on which store the server under test runs.

use tempfile::TempDir;

/// A fresh store, and what the configuration says of it. What it kept is gone when this is dropped.
pub struct Store {
    folder: TempDir,
}

impl Store {
    pub fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Keys of the configuration with their values.
    pub fn config(&self) -> Vec<(String, String)> {
        // The default store is the embedded one, in the data folder.
        vec![("data_dir".to_owned(), self.folder.path().display().to_string())]
    }
}
