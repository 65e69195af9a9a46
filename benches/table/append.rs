//! The log's port against SQLite itself: events alone, batches of the same size, the same table.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrysalis::clock::{Clock, SystemClock};
use chrysalis::log::sqlite::{Options, SqliteLog};
use chrysalis::log::{Actor, Append, Context, Expected, Group, Log, NewEvent, StreamId, WriterMetrics};
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{CommandId, EventId, ProjectId, RequestId, UserId};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, params_from_iter};
use tokio::task::JoinSet;
use ulid::Ulid;

use crate::report::short;
use crate::{Bench, Result, median};

/// Groups in flight: what the writer's batches can be made of.
const AT_ONCE: usize = 512;
/// Events of a group, as many as a guest's arrival has.
pub const EVENTS: usize = 2;
/// Groups in a round.
pub const GROUPS: usize = 100_000;
/// Events in one statement of the bare loop.
const ROWS: usize = 64;

pub fn measure(bench: &mut Bench) -> Result<()> {
    let (mut ports, mut bares, mut ratios, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (port, batch) = port(&bench.folder.join("append.db"))?;
        let bare = bare(&bench.folder.join("bare.db"), batch)?;
        ports.push(port);
        bares.push(bare);
        ratios.push(port / bare);
        sizes.push(batch as f64);
    }
    let (port, bare, ratio) = (median(ports), median(bares), median(ratios));
    let what = format!("append through the port, batches of {} events, of a bare insert loop", short(median(sizes)));
    bench.report.at_least(&what, format!("{}/s of {}/s = {ratio:.2}", short(port), short(bare)), ratio, 0.6, "");
    Ok(())
}

/// Ids that are nobody else's, neighbours in every index as real ones are.
pub fn id(number: usize) -> Ulid {
    let now = u64::try_from(SystemClock.now().as_millis()).unwrap_or(0);
    Ulid::from_parts(now, number as u128)
}

/// An event of the size of a real one that changes no row.
fn group(number: usize, at: Timestamp) -> Group {
    let user = UserId::from_ulid(id(number));
    let mut group = Group::new(Context {
        project: ProjectId::DEFAULT,
        actor: Actor::user(user),
        request: Some(RequestId::from_ulid(id(number))),
        command: CommandId::from_ulid(id(number)),
        cause: None,
        settings_version: 0,
    });
    let event = |index: usize| NewEvent {
        id: EventId::from_ulid(id(number * EVENTS + index)),
        event_type: "Noted",
        type_version: 1,
        occurred_at: at,
        sealed: Vec::new(),
        body: vec![b' '; 200],
        changes: Vec::new(),
    };
    group.appends.push(Append {
        stream: StreamId::user(user),
        expected: Expected::NoStream,
        events: (0..EVENTS).map(event).collect(),
        snapshot: None,
    });
    group
}

/// Counts what the writer commits.
#[derive(Default)]
pub struct Batches {
    batches: AtomicU64,
    events: AtomicU64,
}

impl WriterMetrics for Batches {
    fn committed(&self, _: usize, events: u64, _: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    fn failed(&self, _: usize) {}

    fn queued(&self, _: usize) {}
}

/// Events in a second through the port, and in a batch.
fn port(path: &Path) -> Result<(f64, usize)> {
    fresh(path);
    let counted = Arc::new(Batches::default());
    let log: Arc<dyn Log> = Arc::new(SqliteLog::open(&Options::at(path), Arc::new(SystemClock), counted.clone())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(drive(log, &counted))
}

/// Appends everything there is; answers events in a second, and in a batch.
pub async fn drive(log: Arc<dyn Log>, counted: &Batches) -> Result<(f64, usize)> {
    let mut shares: Vec<Vec<Group>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for number in 0..GROUPS {
        shares[number % AT_ONCE].push(group(number, SystemClock.now()));
    }
    let (begun, mut tasks) = (Instant::now(), JoinSet::new());
    for share in shares {
        let log = log.clone();
        tasks.spawn(async move {
            for group in share {
                log.append(group).await?;
            }
            Ok::<_, chrysalis::log::AppendError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let took = begun.elapsed();
    let batch = counted.events.load(Ordering::Relaxed) / counted.batches.load(Ordering::Relaxed).max(1);
    Ok(((GROUPS * EVENTS) as f64 / took.as_secs_f64(), usize::try_from(batch)?))
}

/// A cell of the bare loop.
enum Cell {
    Null,
    Number(i64),
    Text(String),
    Static(&'static str),
    Bytes(Vec<u8>),
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Cell::Null => Ok(ToSqlOutput::from(rusqlite::types::Null)),
            Cell::Number(number) => number.to_sql(),
            Cell::Text(text) => text.to_sql(),
            Cell::Static(text) => text.to_sql(),
            Cell::Bytes(bytes) => bytes.to_sql(),
        }
    }
}

const COLUMNS: usize = 19;

/// Events in a second by as few statements as may be, on the table and with the pragmas of the store, checkpoints aside.
fn bare(path: &Path, batch: usize) -> Result<f64> {
    fresh(path);
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192")?;
    connection.execute_batch(include_str!("../../migrations/sqlite/0001_log.sql"))?;
    let at = SystemClock.now().as_millis();
    let rows: Vec<[Cell; COLUMNS]> = (0..GROUPS * EVENTS).map(|number| row(number, at)).collect();
    let begun = Instant::now();
    for batch in rows.chunks(batch.max(1)) {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for rows in batch.chunks(ROWS) {
            let one = format!("(?{})", ",?".repeat(COLUMNS - 1));
            let sql = format!("INSERT INTO events VALUES {}", vec![one; rows.len()].join(","));
            connection.prepare_cached(&sql)?.execute(params_from_iter(rows.iter().flatten()))?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(rows.len() as f64 / begun.elapsed().as_secs_f64())
}

fn row(number: usize, at: i64) -> [Cell; COLUMNS] {
    let (group, user) = (number / EVENTS, UserId::from_ulid(id(number / EVENTS)));
    [
        Cell::Number(number as i64 + 1),
        Cell::Text(ProjectId::DEFAULT.to_string()),
        Cell::Text(StreamId::user(user).as_str().to_owned()),
        Cell::Number((number % EVENTS) as i64 + 1),
        Cell::Text(EventId::from_ulid(id(number)).to_string()),
        Cell::Static("Noted"),
        Cell::Number(1),
        Cell::Number(at),
        Cell::Number(at),
        Cell::Static("user"),
        Cell::Text(user.to_string()),
        Cell::Null,
        Cell::Null,
        Cell::Text(RequestId::from_ulid(id(group)).to_string()),
        Cell::Text(CommandId::from_ulid(id(group)).to_string()),
        Cell::Null,
        Cell::Number(0),
        Cell::Bytes(Vec::new()),
        Cell::Bytes(vec![b' '; 200]),
    ]
}

pub fn fresh(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}
