//! Measures the server against floors taken in the same run on the same machine, and prints one table.
//!
//! Run it by `benches/run`. What each row means, and how it is measured, stands in docs/performance.md; the table there
//! is what a run without choices writes.

mod analytics;
mod apart;
mod append;
mod cleanup;
mod erasure;
mod eventstore;
mod export;
mod fill;
mod guest;
mod http;
mod lag;
mod list;
mod machine;
mod pace;
mod postgres;
mod process;
mod proof;
mod refold;
mod report;
mod scale;
mod search;
mod session;
mod start;
mod streams;
mod token;
mod upgrade;
mod webhooks;
mod wrk;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// The servers that the tests start too.
#[path = "../../tests/postgres/mod.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests need more of it; where no server starts there is nothing to measure"
)]
mod servers;

use clap::{Parser, ValueEnum};

use fill::Stores;
use report::Report;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Connections of every load: kept alive, as many as the bars name.
pub const CONNECTIONS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Start,
    Guest,
    Session,
    Token,
    Apart,
    Upgrade,
    Append,
    Refold,
    Proof,
    Export,
    Scale,
    Cleanup,
    Erasure,
    Lag,
    List,
    Webhooks,
    Search,
    Analytics,
    Postgres,
    Eventstore,
    Streams,
}

/// Measures Chrysalis and prints one table.
#[derive(Debug, Parser)]
struct Cli {
    /// Parts to measure; all of them by default. Behind `postgres`, of what is measured there.
    parts: Vec<Part>,
    /// Guests in the large store.
    #[arg(long, default_value_t = 1_000_000)]
    guests: usize,
    /// Guests in the largest stores: the list's, and that on PostgreSQL.
    #[arg(long, default_value_t = 5_000_000)]
    many: usize,
    /// Rounds of each comparison; its figure is their median.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one side of a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// A tenth of the guests, a fiftieth in the largest stores, three rounds of three seconds.
    #[arg(long)]
    quick: bool,
    /// Uses the stores of the run before: for work on the server's speed, as long as the schema stands.
    #[arg(long)]
    keep: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
    /// Plays the floor: answers a body of so many bytes.
    #[arg(long, hide = true, num_args = 2, value_names = ["ADDRESS", "BYTES"])]
    floor: Option<Vec<String>>,
    /// Plays the double of EventStoreDB.
    #[arg(long, hide = true)]
    double: bool,
}

/// What every part works with.
pub struct Bench {
    pub rounds: usize,
    pub time: Duration,
    pub folder: PathBuf,
    pub commit: Duration,
    pub stores: Stores,
    pub report: Report,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(floor) = &cli.floor {
        return process::play_floor(&floor[0], floor[1].parse()?);
    }
    if cli.double {
        return eventstore::play_double();
    }
    let (guests, many, rounds, seconds) = if cli.quick {
        (cli.guests / 10, cli.many / 50, 3, 3)
    } else {
        (cli.guests, cli.many, cli.rounds, cli.seconds)
    };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("table");
    if !cli.keep && folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let machine = machine::describe(&folder)?;
    println!("{machine}");

    let on_postgres = cli.parts.first() == Some(&Part::Postgres);
    let chosen = |part| cli.parts.is_empty() || !on_postgres && cli.parts.contains(&part);
    let mut bench = Bench {
        rounds,
        time: Duration::from_secs(seconds),
        commit: machine.commit,
        stores: Stores::new(&folder, guests),
        report: Report::default(),
        folder,
    };
    if chosen(Part::Start) {
        start::measure(&mut bench)?;
    }
    if chosen(Part::Append) {
        append::measure(&mut bench)?;
    }
    if chosen(Part::Upgrade) {
        upgrade::measure(&mut bench)?;
    }
    if chosen(Part::Guest) {
        guest::measure(&mut bench)?;
    }
    if chosen(Part::Session) {
        session::measure(&mut bench)?;
    }
    if chosen(Part::Token) {
        token::measure(&mut bench)?;
    }
    if chosen(Part::Apart) {
        apart::measure(&mut bench)?;
    }
    if chosen(Part::Webhooks) {
        webhooks::measure(&mut bench)?;
    }
    if chosen(Part::Scale) {
        scale::measure(&mut bench)?;
    }
    if chosen(Part::Cleanup) {
        cleanup::measure(&mut bench)?;
    }
    if chosen(Part::Erasure) {
        erasure::measure(&mut bench)?;
    }
    if chosen(Part::Refold) {
        refold::measure(&mut bench)?;
    }
    if chosen(Part::Proof) {
        proof::measure(&mut bench, cli.quick)?;
    }
    if chosen(Part::Export) {
        export::measure(&mut bench)?;
    }
    if chosen(Part::Lag) {
        let store = bench.stores.empty("lag")?;
        lag::measure(&mut bench, &store, "")?;
    }
    if chosen(Part::List) {
        let store = bench.stores.filled(many)?;
        list::measure(&mut bench, &store, "")?;
    }
    // By itself: its store takes as long as all the others.
    if cli.parts == [Part::Search] {
        search::measure(&mut bench, guests)?;
    }
    // By itself: what it reads is put there, and not made by guests.
    if cli.parts == [Part::Analytics] {
        analytics::measure(&mut bench)?;
    }
    // By itself: it has a table of its own, and takes longer than everything else.
    if let [Part::Postgres, parts @ ..] = cli.parts.as_slice() {
        postgres::measure(&mut bench, guests, many, parts)?;
    }
    // By itself: it needs the double.
    if cli.parts == [Part::Eventstore] {
        eventstore::measure(&mut bench)?;
    }
    if cli.parts == [Part::Streams] {
        streams::measure(&mut bench)?;
    }
    println!("\n{}", bench.report);
    match cli.parts.as_slice() {
        _ if cli.quick || cli.keep => Ok(()),
        [] => report::write(&machine, &bench.report, &report::EMBEDDED),
        [Part::Postgres] => report::write(&machine, &bench.report, &report::POSTGRES),
        _ => Ok(()),
    }
}

/// The middle one, of floats.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
