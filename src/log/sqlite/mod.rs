//! The embedded store: one SQLite file, one writer thread, many readers.
//!
//! - [`writer`]: the bounded queue and the group-commit loop;
//! - [`batch`]: what one group does inside the transaction;
//! - [`rows`]: row changes as SQL;
//! - [`reader`]: the pool of read connections;
//! - [`checkpointer`]: moves the write-ahead log into the file, beside the writer;
//! - [`follow`]: the read models that follow the log; [`parts`]: texts of theirs that are found by any part;
//!   [`scrub`]: how such texts go;
//! - [`erasure`]: what is left of whoever was erased goes; persons' keys are wrapped anew;
//! - [`schema`]: migrations and the read models' tables;
//! - [`refold`]: rebuild and comparison of the read models;
//! - [`replica`]: as the read store of a log that is kept elsewhere;
//! - [`transfer`]: as an end of a copy.

mod ahead;
mod analysts;
mod batch;
mod checkpointer;
mod erasure;
mod events;
mod follow;
mod parts;
mod reader;
mod refold;
mod replica;
mod rows;
mod schema;
mod scrub;
mod transfer;
mod writer;

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_projections::{ASYNC, Model, Row, Value};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::{mpsc, watch};

use super::origins::first_id;
use super::refold::{ClaimReader, Progress, Refold, Report};
use super::*;
use crate::clock::Clock;

/// How the store is set up.
#[derive(Clone)]
pub struct Options {
    pub path: PathBuf,
    /// Groups that may wait to be stored, in each lane.
    pub queue: usize,
    /// Groups in one transaction.
    pub max_batch: usize,
    /// Read connections: reads run where they are asked for, so more than the processors are of no use.
    pub readers: usize,
    /// Read models that follow the log.
    pub models: &'static [&'static Model],
}

/// What the page caches of all connections hold together that read for answers.
const READ_CACHE_KIB: i64 = 8 * 1024;
/// Connections that read pages, and what their caches hold together.
const PAGES: usize = 2;
const PAGES_CACHE_KIB: i64 = 2 * 1024;

/// Handfuls of rows of a listing that wait for whoever asked.
const LISTED_AHEAD: usize = 2;

impl Options {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let readers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 16);
        Self { path: path.into(), queue: 8192, max_batch: 1024, readers, models: &ASYNC }
    }
}

/// The embedded store. Dropping it stores what was accepted, then stops its threads.
pub struct SqliteLog {
    // Order of fields is order of dropping: the writer ends before the file is tidied up.
    writer: writer::Writer,
    _checkpointer: checkpointer::Checkpointer,
    /// For what an answer waits for: a few rows.
    readers: reader::Readers,
    /// For what takes as long as there is much of it: nobody else waits until it is read.
    pages: Arc<reader::Readers>,
    head: watch::Receiver<Position>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    models: &'static [&'static Model],
}

impl SqliteLog {
    /// Opens the file, makes or migrates its schema, and starts the writer.
    ///
    /// # Errors
    /// When the file can't be opened for writing, is damaged, or was written by a newer Chrysalis.
    pub fn open(options: &Options, clock: Arc<dyn Clock>, metrics: Arc<dyn WriterMetrics>) -> Result<Self, LogFault> {
        Self::open_file(options, clock, metrics).map_err(|fault| unopened(&options.path, fault))
    }

    /// Whether a store is there, in whatever version: looks, and makes none.
    ///
    /// # Errors
    /// When there is a file that can't be read, or is no database.
    pub fn is_at(path: &Path) -> Result<bool, LogFault> {
        if !path.exists() {
            return Ok(false);
        }
        let version = connect_to_read(path, 64).and_then(|connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).map_err(fault)
        });
        version.map(|version| version > 0).map_err(|fault| unopened(path, fault))
    }

    fn open_file(options: &Options, clock: Arc<dyn Clock>, metrics: Arc<dyn WriterMetrics>) -> Result<Self, LogFault> {
        let mut connection = connect(&options.path)?;
        schema::migrate(&mut connection, options.models)?;
        let position: Position = connection
            .query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0))
            .map_err(fault)?;
        let (announce, head) = watch::channel(position);
        let readers = reader::Readers::open(&options.path, options.readers, READ_CACHE_KIB)?;
        let pages = Arc::new(reader::Readers::open(&options.path, PAGES, PAGES_CACHE_KIB)?);
        let checkpointer = checkpointer::Checkpointer::start(&options.path)?;
        let writer = writer::Writer::start(connection, options, clock.clone(), announce, metrics)?;
        let (path, models) = (options.path.clone(), options.models);
        Ok(Self { writer, _checkpointer: checkpointer, readers, pages, head, path, clock, models })
    }
}

/// How often a connection that found the file locked looks again, and how many times.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(1);
const LOOKS: i32 = 5_000;

/// Waits for a lock in small steps. SQLite's own way sleeps for up to 100 ms: whoever waits so long misses every short
/// pause of somebody who takes the lock again and again, as a rebuild does.
fn look_again(looked: i32) -> bool {
    std::thread::sleep(LOOK_AGAIN);
    looked < LOOKS
}

/// Where several processes find a fresh file at once, one turns it to write-ahead logging, and SQLite tells the others
/// that it is busy without asking any busy handler: they ask again here.
fn write_ahead(connection: &Connection) -> Result<(), LogFault> {
    connection.busy_handler(None).map_err(fault)?;
    for looked in 0.. {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && look_again(looked) => {}
            done => return done.map_err(fault),
        }
    }
    Ok(())
}

/// SQLite says that it can't open a file; which file, and why not, the operating system says.
fn unopened(path: &Path, fault: LogFault) -> LogFault {
    let LogFault::Unavailable(said) = fault else { return fault };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let (path, folder) = (path.display(), folder.display());
        return LogFault::Unavailable(format!(
            "{path}: there is no folder {folder}; make it first (`mkdir -p -m 700 {folder}`), or name another file"
        ));
    }
    let why = std::fs::File::options().append(true).open(path).map_or_else(|error| error.to_string(), |_| said);
    LogFault::Unavailable(format!("{}: {why}", path.display()))
}

/// A connection that may write: durable at each commit, checkpoints left to the checkpointer.
fn connect(path: &Path) -> Result<Connection, LogFault> {
    make_private(path);
    let connection = Connection::open(path).map_err(fault)?;
    write_ahead(&connection)?;
    connection.busy_handler(Some(look_again)).map_err(fault)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(fault)?;
    connection.pragma_update(None, "cache_size", -8192).map_err(fault)?;
    // Deleted rows are overwritten with zeros: what is erased is not left in free pages.
    connection.pragma_update(None, "secure_delete", "FAST").map_err(fault)?;
    steady(&connection)?;
    Ok(connection)
}

/// A statement is planned once. Otherwise SQLite looks at what stands for `LIMIT ?`, and plans anew whenever that is bound.
fn steady(connection: &Connection) -> Result<(), LogFault> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(())
}

/// A file that is made here is its owner's alone, and so is what SQLite puts beside it, wherever it lies; one that is there
/// stays as it is. What keeps it from being made, SQLite meets too, and says.
fn make_private(path: &Path) {
    let _ = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
}

fn connect_to_read(path: &Path, cache_kib: i64) -> Result<Connection, LogFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(fault)?;
    connection.pragma_update(None, "query_only", true).map_err(fault)?;
    connection.pragma_update(None, "cache_size", -cache_kib).map_err(fault)?;
    steady(&connection)?;
    Ok(connection)
}

/// What kind of failure an error of SQLite is.
pub(super) fn fault(error: rusqlite::Error) -> LogFault {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        // Too big: a length that nobody wrote, for nothing of that size is accepted.
        Some(Code::DatabaseCorrupt | Code::NotADatabase | Code::TooBig) => {
            LogFault::Damaged(format!("{error}; restore the file from a backup, then start again"))
        }
        Some(
            Code::DiskFull
            | Code::ReadOnly
            | Code::CannotOpen
            | Code::SystemIoFailure
            | Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::PermissionDenied
            | Code::OutOfMemory
            | Code::FileLockingProtocolFailed,
        ) => LogFault::Unavailable(error.to_string()),
        // Tables are strict: a value that is not of its column's kind, or no UTF-8, was not written so.
        None if matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        ) =>
        {
            LogFault::Damaged(format!("{error}; restore the file from a backup, then start again"))
        }
        // A read model of another version: it is folded anew, and this program's question waits until then.
        _ if ["no such table", "no such column"].iter().any(|said| error.to_string().contains(said)) => {
            LogFault::Unavailable(format!("{error}; a read model is being built"))
        }
        _ => LogFault::Bug(error.to_string()),
    }
}

#[async_trait]
impl Log for SqliteLog {
    async fn append(&self, group: Group) -> Result<Appended, AppendError> {
        self.writer.append(group).await
    }

    async fn read_stream(&self, stream: &StreamId, after: Version, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.readers.with(|connection| reader::stream(connection, stream, after, limit))
    }

    async fn read_streams(&self, streams: &[StreamId], upto: Version) -> Result<Vec<Recorded>, LogFault> {
        let (pages, streams) = (self.pages.clone(), reader::json(streams.iter().map(StreamId::as_str)));
        // Away from the threads that answer requests: it takes as long as a page is.
        let read = move || pages.with(|connection| reader::streams(connection, &streams, upto));
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| LogFault::Bug(format!("a reading broke off: {error}")))?
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, LogFault> {
        self.pages.with(|connection| reader::all(connection, after, limit))
    }

    async fn read_types(
        &self,
        types: &[&str],
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogFault> {
        self.pages.with(|connection| reader::of_types(connection, types, after, upto, limit))
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    async fn snapshot(&self, stream: &StreamId) -> Result<Option<Snapshot>, LogFault> {
        self.readers.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT version, state FROM snapshots WHERE stream = ?1")?;
            statement
                .query_row([stream.as_str()], |row| Ok(Snapshot { version: row.get(0)?, state: row.get(1)? }))
                .optional()
        })
    }

    async fn rows(
        &self,
        sql: &'static str,
        parameters: &[Value],
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        self.readers.with(|connection| reader::rows(connection, sql, parameters, each))
    }

    async fn list(
        &self,
        asked: &Statement,
        each: &mut (dyn for<'r> FnMut(&'r dyn Row) + Send),
    ) -> Result<(), LogFault> {
        let (pages, asked) = (self.pages.clone(), asked.clone());
        let (hand, mut handed) = mpsc::channel(LISTED_AHEAD);
        // Away from the threads that answer requests; and no further ahead of whoever asks than memory bears.
        let listing = tokio::task::spawn_blocking(move || {
            pages.with(|connection| reader::list(connection, &asked, |rows| hand.blocking_send(rows).is_ok()))
        });
        while let Some(rows) = handed.recv().await {
            rows.iter().for_each(|row| each(row));
        }
        listing.await.map_err(|error| LogFault::Bug(format!("a listing broke off: {error}")))?
    }

    async fn by_part(&self, sought: &Sought, most: usize) -> Result<Option<Vec<UserId>>, LogFault> {
        let (pages, sought) = (self.pages.clone(), sought.clone());
        // Away from the threads that answer requests.
        let found =
            tokio::task::spawn_blocking(move || pages.with(|connection| parts::find(connection, &sought, most)));
        found.await.map_err(|error| LogFault::Bug(format!("a search broke off: {error}")))?
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, LogFault> {
        self.readers.with(|connection| {
            let mut statement = connection
                .prepare("SELECT purpose, id, root, wrapped, created_at, retired_at FROM keys ORDER BY purpose, id")?;
            let key = |row: &rusqlite::Row<'_>| {
                Ok(StoredKey {
                    purpose: row.get(0)?,
                    id: row.get(1)?,
                    root: row.get(2)?,
                    wrapped: row.get(3)?,
                    created_at: Timestamp::from_millis(row.get(4)?),
                    retired_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
                })
            };
            statement.query_map([], key)?.collect()
        })
    }

    async fn put_key(&self, key: StoredKey, replace: bool) -> Result<bool, LogFault> {
        self.writer
            .aside(move |connection| {
                let sql = if replace {
                    "INSERT OR REPLACE INTO keys (purpose, id, root, wrapped, created_at, retired_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                } else {
                    "INSERT OR IGNORE INTO keys (purpose, id, root, wrapped, created_at, retired_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                };
                let StoredKey { purpose, id, root, wrapped, created_at, retired_at } = &key;
                let retired_at = retired_at.map(Timestamp::as_millis);
                Ok(connection.execute(sql, params![purpose, id, root, wrapped, created_at.as_millis(), retired_at])?
                    == 1)
            })
            .await
    }

    async fn checkpoint(&self, follower: &str) -> Result<Position, LogFault> {
        self.readers.with(|connection| {
            let found = connection
                .query_row("SELECT position FROM checkpoints WHERE follower = ?1", [follower], |row| row.get(0))
                .optional()?;
            Ok(found.unwrap_or(0))
        })
    }

    async fn advance(&self, follower: &str, from: Position, to: Position) -> Result<bool, LogFault> {
        let follower = follower.to_owned();
        self.writer
            .aside(move |connection| {
                let sql = "INSERT INTO checkpoints (follower, position) SELECT ?1, ?3 WHERE ?2 = 0
                           ON CONFLICT (follower) DO NOTHING";
                let fresh = connection.execute(sql, params![follower, from, to])? == 1;
                let moved = "UPDATE checkpoints SET position = ?3 WHERE follower = ?1 AND position = ?2";
                Ok(fresh || connection.execute(moved, params![follower, from, to])? == 1)
            })
            .await
    }

    async fn lease(&self, name: &str, holder: &str, span: Duration) -> Result<bool, LogFault> {
        let (name, holder, clock) = (name.to_owned(), holder.to_owned(), self.clock.clone());
        self.writer
            .aside(move |connection| {
                let now = clock.now();
                let until = now + Span::from_millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
                let sql = "INSERT INTO leases (name, holder, expires_at) VALUES (?1, ?2, ?3)
                           ON CONFLICT (name) DO UPDATE SET holder = ?2, expires_at = ?3
                           WHERE leases.holder = ?2 OR leases.expires_at <= ?4";
                Ok(connection.execute(sql, params![name, holder, until.as_millis(), now.as_millis()])? == 1)
            })
            .await
    }

    async fn forget_origins(&self, before: Timestamp, limit: usize) -> Result<usize, LogFault> {
        let (before, limit) = (first_id(before).to_string(), i64::try_from(limit).unwrap_or(i64::MAX));
        let forgotten = Arc::new(AtomicUsize::new(0));
        let count = forgotten.clone();
        let write = move |connection: &Connection| {
            let sql = "DELETE FROM origins WHERE user_id IN
                           (SELECT user_id FROM origins WHERE user_id < ?1 ORDER BY user_id LIMIT ?2)";
            count.store(connection.prepare_cached(sql)?.execute(params![before, limit])?, Ordering::Relaxed);
            Ok(true)
        };
        self.writer.aside(write).await?;
        Ok(forgotten.load(Ordering::Relaxed))
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), LogFault> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        let gone = move |connection: &Connection| {
            Ok(connection.execute("DELETE FROM leases WHERE name = ?1 AND holder = ?2", [&name, &holder])? == 1)
        };
        self.writer.aside(gone).await.map(|_| ())
    }

    async fn ready(&self) -> Result<(), LogFault> {
        // A page is written, or a full disk would go unnoticed: the number stands as it stood.
        let write = |connection: &Connection| {
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            connection.pragma_update(None, "user_version", version).map(|()| true)
        };
        self.writer.aside(write).await.map(|_| ())
    }
}

/// A refold has the file to itself as far as it needs: it opens connections of its own, and works where it is called.
#[async_trait]
impl Refold for SqliteLog {
    async fn fit(&self) -> Result<(), LogFault> {
        refold::fit(&self.path)
    }

    async fn rebuild(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
        refold::rebuild(&self.path, claims, progress)
    }

    async fn verify(&self, claims: &dyn ClaimReader, progress: Progress<'_>) -> Result<Report, LogFault> {
        refold::verify(&self.path, self.models, claims, progress)
    }
}
