//! The log as evidence: what signing costs whoever appends, and how long a proof takes in a tree of a hundred million events.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis::clock::SystemClock;
use chrysalis::entropy::OsEntropy;
use chrysalis::followers::in_turn::follow;
use chrysalis::followers::proof::{Notary, ProofMetrics};
use chrysalis::followers::{FollowerMetrics, Turn};
use chrysalis::keys::Keyring;
use chrysalis::log::sqlite::{Options, SqliteLog};
use chrysalis::log::{Log, Store};
use chrysalis::proof::tiles::Edge;
use chrysalis::proof::{self, Prover, Signer, tree::Hash};
use chrysalis_projections::ASYNC;
use chrysalis_projections::tiles::MODEL;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use crate::append::{Batches, drive, fresh};
use crate::fill::ports;
use crate::pace::Latencies;
use crate::report::short;
use crate::{Bench, Result, median};

/// Leaves of the large tree.
const LEAVES: u64 = 100_000_000;
/// Proofs that are made of it.
const PROOFS: u64 = 2_000;
/// Ten times as often as where nothing is configured.
const EVERY: Duration = Duration::from_secs(1);
const SECRET: &[u8] = b"a secret of the bench, 32 characters";

pub fn measure(bench: &mut Bench, quick: bool) -> Result<()> {
    cost(bench)?;
    large(bench, if quick { LEAVES / 10 } else { LEAVES })
}

/// Appends with the log signed beside it, and without, in turns.
fn cost(bench: &mut Bench) -> Result<()> {
    let path = bench.folder.join("signed.db");
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (one, other) = (appended(&path, true)?, appended(&path, false)?);
        with.push(one);
        without.push(other);
        ratios.push(one / other);
    }
    let (with, without, ratio) = (median(with), median(without), median(ratios));
    let said = format!("{}/s of {}/s = {}", short(with), short(without), short(ratio));
    bench.report.at_least(
        "append through the port while the log is signed each second, of without",
        said,
        ratio,
        0.95,
        "",
    );
    Ok(())
}

fn appended(path: &Path, signed: bool) -> Result<f64> {
    fresh(path);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let counted = Arc::new(Batches::default());
        let options = Options { models: &ASYNC, ..Options::at(path) };
        let log = Arc::new(SqliteLog::open(&options, Arc::new(SystemClock), counted.clone())?);
        let (halt, halted) = watch::channel(false);
        let following = if signed {
            let prover = Prover::new(log.clone(), Arc::new(signer(log.as_ref()).await?), ports().clock);
            let notary = Notary::new(prover, log.clone(), Arc::new(OsEntropy), EVERY, Arc::new(Silent));
            let turn = Turn { node: "bench".to_owned(), lease: Duration::from_secs(10), metrics: Arc::new(Silent) };
            Some(tokio::spawn(follow(notary, log.clone(), turn, halted)))
        } else {
            None
        };
        let (rate, _) = drive(log.clone(), &counted).await?;
        let _ = halt.send(true);
        if let Some(following) = following {
            following.await?;
        }
        Ok(rate)
    })
}

async fn signer(log: &dyn Log) -> Result<Signer> {
    let ports = ports();
    let keyring = Keyring::open(log, SECRET, None, ports.entropy.as_ref(), ports.clock.now()).await?;
    Signer::of(&keyring).ok_or_else(|| "there is no key to sign with".into())
}

struct Silent;

impl FollowerMetrics for Silent {
    fn waiting(&self, _: &'static str, _: Option<u64>) {}
}

impl ProofMetrics for Silent {
    fn signed(&self, _: u64) {}
    fn forked(&self, _: bool) {}
}

/// Proofs out of a tree over so many leaves: its tiles are filled, for nobody waits for as many events.
fn large(bench: &mut Bench, leaves: u64) -> Result<()> {
    let path = bench.folder.join("tree.db");
    fresh(&path);
    let store =
        || SqliteLog::open(&Options { models: &ASYNC, ..Options::at(&path) }, Arc::new(SystemClock), Arc::new(()));
    drop(store()?);
    let root = fill(&path, leaves)?;
    let log: Arc<dyn Store> = Arc::new(store()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (took, longest) = runtime.block_on(async {
        let signer = signer(log.as_ref()).await?;
        let keys: Vec<_> = signer.keys().cloned().collect();
        let signed = proof::Signed {
            size: leaves,
            root,
            note: signer.checkpoint(leaves, &root),
            signed_at: ports().clock.now(),
        };
        let (mut took, mut longest) = (Vec::new(), 0);
        for nth in 0..PROOFS {
            // Far from one another, and in no order.
            let position = nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) % leaves + 1;
            let begun = Instant::now();
            let made = proof::inclusion_in(log.as_ref(), position, &signed).await?.ok_or("no proof")?;
            took.push(begun.elapsed());
            longest = longest.max(made.to_string().len());
            made.check(&keys)?;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((Latencies::of(took).percentile(99.0), longest))
    })?;
    let what = format!("proof of one event in a tree of {}, p99", short(leaves as f64));
    bench.report.at_most(&what, format!("{} ms", short(took)), took, 50.0, " ms");
    bench.report.at_most(
        "the longest of them, with its checkpoint",
        format!("{longest} bytes"),
        longest as f64,
        2_048.0,
        " bytes",
    );
    drop(log);
    fresh(&path);
    Ok(())
}

/// Tiles in one transaction.
const AT_ONCE: u64 = 4_096;

fn fill(path: &Path, leaves: u64) -> Result<Hash> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")?;
    let (mut edge, mut tiles) = (Edge::default(), Vec::new());
    let leaf = |n: u64| {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&n.to_be_bytes());
        leaf
    };
    for n in 0..leaves {
        edge.push(leaf(n), |place, tile| tiles.push((place.key(), tile.concat())));
        if tiles.len() as u64 >= AT_ONCE {
            write(&mut connection, &mut tiles)?;
        }
    }
    tiles.extend(edge.open().map(|(place, tile)| (place.key(), tile.concat())));
    write(&mut connection, &mut tiles)?;
    let sql = "UPDATE generations SET position = ?1 WHERE model = ?2";
    connection.execute(sql, params![leaves.cast_signed(), MODEL.name])?;
    Ok(edge.root())
}

fn write(connection: &mut Connection, tiles: &mut Vec<(i64, Vec<u8>)>) -> Result<()> {
    let transaction = connection.transaction()?;
    for (key, hashes) in tiles.drain(..) {
        transaction.prepare_cached("INSERT INTO tiles VALUES (?1, ?2)")?.execute(params![key, hashes])?;
    }
    Ok(transaction.commit()?)
}
