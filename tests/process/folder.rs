//! Where a server keeps what it has: a folder that goes with the test, or a small disk of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{fresh_schema, on_eventstore, on_postgres, reads_postgres};
use crate::{eventstore, postgres};

/// A new folder. The server's data are in `data` below it, and what says where its log is kept in `store`, if that is
/// not in `data` too, as lines of keys and values: [`super::chrysalis`] tells it both.
pub struct Folder {
    folder: TempDir,
    /// On the server for everybody, what goes with the folder.
    schema: Option<String>,
}

impl Folder {
    /// With a store as this run of the tests is told.
    pub fn new() -> Self {
        let stream = on_eventstore().then(eventstore::fresh_stream);
        match &stream {
            None if !on_postgres() => return Self::embedded(),
            Some(stream) if !reads_postgres() => return Self::on_stream(eventstore::shared(), stream),
            _ => {}
        }
        let schema = fresh_schema();
        let mut folder = match &stream {
            Some(stream) => Self::on_stream_beside(eventstore::shared(), stream, postgres::shared(), &schema),
            None => Self::embedded(),
        };
        if stream.is_none() {
            folder.keep_in(postgres::shared(), &schema);
        }
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

    /// With its log in a stream of EventStoreDB, and the embedded store for what is read.
    pub fn on_stream(url: &str, stream: &str) -> Self {
        let folder = Self::embedded();
        folder.name_stream(url, stream);
        folder
    }

    /// From now on this stream is its log, and what is read stays where it is.
    pub fn name_stream(&self, url: &str, stream: &str) {
        let read = format!("sqlite:{}", self.database().display());
        self.keep(&[("store", url), ("eventstore.stream", stream), ("read_store", &read)]);
    }

    /// The same, for several nodes: what is read is in a database.
    pub fn on_stream_beside(url: &str, stream: &str, database: &str, schema: &str) -> Self {
        let folder = Self::embedded();
        let beside = [("read_store", database), ("postgres.schema", schema), ("postgres.pool", "2")];
        folder.keep(&[&[("store", url), ("eventstore.stream", stream)][..], &beside].concat());
        folder
    }

    /// From now on its log is kept elsewhere: in a file as `sqlite:PATH` or in a database.
    pub fn move_to(&self, store: &str) {
        self.keep_in(store, "chrysalis");
    }

    fn keep_in(&self, url: &str, schema: &str) {
        // Many servers at once on one PostgreSQL.
        self.keep(&[("store", url), ("postgres.schema", schema), ("postgres.pool", "2")]);
    }

    fn keep(&self, keys: &[(&str, &str)]) {
        let lines: Vec<String> = keys.iter().map(|(key, value)| format!("{key} {value}")).collect();
        std::fs::write(self.path().join("store"), lines.join("\n")).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes what is stored, past Chrysalis.
    pub fn alter(&self, sql: &str) {
        let keys = keys(self.path());
        let told = |key: &str| keys.iter().find(|(told, _)| told == key).map(|(_, value)| value.as_str());
        match (told("read_store").or(told("store")), told("postgres.schema")) {
            (Some(url), Some(schema)) => postgres::execute(url, &format!("SET search_path = {schema}; {sql}")),
            _ => rusqlite::Connection::open(self.database()).unwrap().execute_batch(sql).unwrap(),
        }
    }

    /// Keys of the configuration that lead to what is kept here.
    pub fn keys(&self) -> Vec<(String, String)> {
        let mut keys = keys(self.path());
        keys.push(("data_dir".to_owned(), self.path().join("data").display().to_string()));
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

/// Keys of the configuration that say where a folder's log is kept; none for the embedded store.
pub fn keys(folder: &Path) -> Vec<(String, String)> {
    let told = std::fs::read_to_string(folder.join("store")).unwrap_or_default();
    told.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
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
