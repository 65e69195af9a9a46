//! Where a server keeps what it has: a folder that goes with the test, or a small disk of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::postgres;
use crate::support::{fresh_schema, on_postgres};

/// A new folder. The server's data are in `data` below it, and what says where its log is kept in `store`, if that is
/// not in `data` too: [`super::chrysalis`] tells it both.
pub struct Folder {
    folder: TempDir,
    /// On the server for everybody, what goes with the folder.
    schema: Option<String>,
}

impl Folder {
    /// With a store as this run of the tests is told.
    pub fn new() -> Self {
        if !on_postgres() {
            return Self::embedded();
        }
        let schema = fresh_schema();
        let mut folder = Self::embedded();
        folder.keep_in(postgres::shared(), &schema);
        folder.schema = Some(schema);
        folder
    }

    /// With the embedded store.
    pub fn embedded() -> Self {
        Self { folder: tempfile::Builder::new().prefix("chrysalis-test-").tempdir().unwrap(), schema: None }
    }

    /// With its log in a database.
    pub fn on(url: &str) -> Self {
        let folder = Self::embedded();
        folder.keep_in(url, "chrysalis");
        folder
    }

    /// From now on its log is kept elsewhere: in a file as `sqlite:PATH` or in a database.
    pub fn move_to(&self, store: &str) {
        self.keep_in(store, "chrysalis");
    }

    fn keep_in(&self, url: &str, schema: &str) {
        std::fs::write(self.path().join("store"), format!("{url} {schema}")).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes what is stored, past Chrysalis.
    pub fn alter(&self, sql: &str) {
        match store(self.path()) {
            Some((url, schema)) => postgres::execute(&url, &format!("SET search_path = {schema}; {sql}")),
            None => rusqlite::Connection::open(self.database()).unwrap().execute_batch(sql).unwrap(),
        }
    }

    /// Keys of the configuration that lead to what is kept here.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let mut keys = vec![("data_dir", self.path().join("data").display().to_string())];
        if let Some((url, schema)) = store(self.path()) {
            keys.extend([("store", url), ("postgres.schema", schema), ("postgres.pool", "2".to_owned())]);
        }
        keys
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("data/chrysalis.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(schema) = &self.schema {
            postgres::forget(schema);
        }
    }
}

/// The database and the schema that a folder's log is kept in; none for the embedded store.
pub fn store(folder: &Path) -> Option<(String, String)> {
    let told = std::fs::read_to_string(folder.join("store")).ok()?;
    told.split_once(' ').map(|(url, schema)| (url.to_owned(), schema.to_owned()))
}

/// A small disk in memory; unmounted when dropped.
pub struct Tmpfs(Folder);

impl Tmpfs {
    /// `None`, with a word why, where nothing may be mounted.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = Folder::embedded();
        let options = format!("size={size},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "chrysalis-test"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                super::skipped(&format!("needs a disk of its own: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                super::skipped(&format!("needs a disk of its own: mount does not run: {error}"));
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0x5a; 4096]).is_ok() {}
    }

    /// Gives them back.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// `ro` or `rw`, for everybody.
    pub fn remount(&self, access: &str) {
        let options = format!("remount,{access}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is still about to end must not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}
