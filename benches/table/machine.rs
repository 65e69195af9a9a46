//! The machine that a table was made on, and what reaching its disk costs.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::{Result, median};

pub struct Machine {
    pub cores: usize,
    processor: String,
    memory_gib: u64,
    kernel: String,
    /// Writing 4 KiB behind a file's end and making it durable.
    fsync: Duration,
    /// Committing one small row with SQLite, write-ahead log, synchronous=FULL.
    pub commit: Duration,
}

const SAMPLES: usize = 400;

/// Looks at the machine, and times commits to the disk that holds `folder`.
pub fn describe(folder: &Path) -> Result<Machine> {
    let field = |file: &str, name: &str| -> Result<String> {
        let text = fs::read_to_string(file)?;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        Ok(line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned())
    };
    let memory = field("/proc/meminfo", "MemTotal")?;
    let kib: u64 = memory.split(' ').next().unwrap_or_default().parse().unwrap_or(0);
    Ok(Machine {
        cores: std::thread::available_parallelism()?.get(),
        processor: field("/proc/cpuinfo", "model name")?,
        memory_gib: kib.div_ceil(1024 * 1024),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        fsync: fsync(&folder.join("fsync"))?,
        commit: commit(&folder.join("commit.db"))?,
    })
}

fn fsync(path: &Path) -> Result<Duration> {
    let mut file = File::create(path)?;
    let took = time(|| {
        file.write_all(&[7; 4096])?;
        Ok(file.sync_data()?)
    });
    fs::remove_file(path)?;
    took
}

fn commit(path: &Path) -> Result<Duration> {
    let _ = fs::remove_file(path);
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER)")?;
    let mut insert = connection.prepare("INSERT INTO t VALUES (1)")?;
    time(|| {
        insert.execute([])?;
        Ok(())
    })
}

fn time(mut once: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        once()?;
        samples.push(begun.elapsed().as_secs_f64());
    }
    Ok(Duration::from_secs_f64(median(samples)))
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cores, processor, memory_gib, kernel, fsync, commit } = self;
        write!(
            f,
            "{cores} cores ({processor}), {memory_gib} GiB, Linux {kernel}. Median of {SAMPLES}: \
             4 KiB appended and synced {:.2} ms, one row committed by SQLite {:.2} ms.",
            fsync.as_secs_f64() * 1e3,
            commit.as_secs_f64() * 1e3,
        )
    }
}
