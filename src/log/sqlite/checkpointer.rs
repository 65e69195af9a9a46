//! Moves the write-ahead log into the file, on a connection and a thread of its own, so that no commit waits for it.
//!
//! A passive checkpoint disturbs nobody but, while writers never pause, never reaches the log's end, and the log would
//! grow for ever. When it has grown too far, a restarting checkpoint holds the writer up for the little that is left.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::{LogFault, connect, fault};

/// How often the log's length is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// Pages of 4 KiB in the log from which it is worth moving them (8 MiB): what is moved at once a commit may have to wait for
/// at the disk …
const MOVE: i64 = 2_048;
/// … and from which the log must start over (128 MiB).
const RESTART: i64 = 32_768;

pub(super) struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, LogFault> {
        let connection = connect(path)?;
        let wal = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".to_owned())
            .spawn(move || run(&connection, &wal, &stopped))
            .map_err(|error| LogFault::Unavailable(format!("the checkpointer's thread did not start: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, wal: &Path, stopped: &Receiver<()>) {
    let mut moved = 0;
    loop {
        match stopped.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // The writer has ended: leave one tidy file behind.
                let _ = checkpoint(connection, "TRUNCATE");
                return;
            }
        }
        let pages = std::fs::metadata(wal).map_or(0, |file| i64::try_from(file.len() / 4096).unwrap_or(i64::MAX));
        if pages < MOVE {
            continue;
        }
        match checkpoint(connection, "PASSIVE") {
            Ok(progress) if progress.log > RESTART && progress.moved + MOVE > progress.log => {
                if let Err(error) = checkpoint(connection, "RESTART") {
                    tracing::debug!(%error, "the write-ahead log could not start over; trying again");
                }
            }
            Ok(progress) => moved = progress.moved,
            Err(error) => {
                tracing::warn!(error = %fault(error), moved, "the write-ahead log was not moved into the file")
            }
        }
    }
}

/// How long to wait for readers that are in the way of [`empty`], and how often.
const READERS_LEAVE: Duration = Duration::from_millis(50);
const TRIES: usize = 100;

/// Brings everything home and leaves no page in the write-ahead log.
pub(super) fn empty(path: &Path) -> Result<(), LogFault> {
    let connection = connect(path)?;
    for _ in 0..TRIES {
        let in_the_way: bool =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(fault)?;
        if !in_the_way {
            return Ok(());
        }
        std::thread::sleep(READERS_LEAVE);
    }
    Err(LogFault::Unavailable("readers are in the way of the write-ahead log's end".to_owned()))
}

struct Progress {
    /// Pages in the log …
    log: i64,
    /// … and how many of them are in the file by now.
    moved: i64,
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Progress> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(Progress { log: row.get(1)?, moved: row.get(2)? })
    })
}
