//! The store on PostgreSQL: fsync and synchronous_commit on, the server on the same two cores as everything else.

mod append;
mod nodes;
mod pgbench;
mod scale;

use std::path::{Path, PathBuf};

use crate::fill::{self, Store};
use crate::guest::answer_size;
use crate::process::Server;
use crate::report::short;
use crate::servers::{Cluster, ask, sweep};
use crate::wrk::{self, Load};
use crate::{Bench, Part, Result, cleanup, lag, list, median, refold};

/// A server of PostgreSQL as an operator would set it up on this machine: memory, and room between checkpoints.
const SETTINGS: &[(&str, &str)] = &[
    ("max_connections", "200"),
    ("shared_buffers", "8GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_compression", "lz4"),
];
/// Guests in the small store.
const FEW: usize = 10_000;

/// All of it, or some parts.
pub fn measure(bench: &mut Bench, guests: usize, many: usize, parts: &[Part]) -> Result<()> {
    let chosen = |some: &[Part]| parts.is_empty() || some.iter().any(|part| parts.contains(part));
    // A run that was broken off leaves tens of gigabytes.
    sweep();
    let cluster = Cluster::start_with(SETTINGS);
    if chosen(&[Part::Append]) {
        append::measure(bench, &cluster)?;
    }
    if chosen(&[Part::Guest]) {
        guest(bench, &cluster)?;
        nodes::measure(bench, &cluster)?;
    }
    if chosen(&[Part::Lag]) {
        fresh(&folder(bench, "lag"));
        let (data, keys) = (folder(bench, "lag"), keys(&cluster, "lag"));
        lag::measure(bench, &Store { cookies: data.join("cookies"), data, guests: 0, keys }, "PostgreSQL: ")?;
    }
    let few = if chosen(&[Part::Session, Part::Scale]) { Some(store(bench, &cluster, "few", FEW)?) } else { None };
    if let Some(few) = few.as_ref().filter(|_| chosen(&[Part::Session])) {
        session(bench, few)?;
    }
    if chosen(&[Part::Cleanup]) {
        stale(bench, &cluster, guests)?;
    }
    if !chosen(&[Part::Scale, Part::List, Part::Refold]) {
        return Ok(());
    }
    let many = store(bench, &cluster, "many", many)?;
    if let Some(few) = few.as_ref().filter(|_| chosen(&[Part::Scale])) {
        scale::measure(bench, &cluster, few, &many)?;
    }
    if chosen(&[Part::List]) {
        list::measure(bench, &many, "PostgreSQL: ")?;
    }
    if chosen(&[Part::Refold]) {
        refold::on(bench, &many, "PostgreSQL: ", 80_000.0)?;
    }
    Ok(())
}

fn stale(bench: &mut Bench, cluster: &Cluster, guests: usize) -> Result<()> {
    let data = folder(bench, "cleanup");
    let (cookies, keys) = (data.join("cookies"), keys(cluster, "cleanup"));
    cleanup::on(bench, "PostgreSQL: ", &Store { cookies, data, guests, keys }, 8_000.0)
}

/// Where a store is kept.
fn keys(cluster: &Cluster, schema: &str) -> Vec<(&'static str, String)> {
    vec![("store", cluster.url()), ("postgres.schema", schema.to_owned())]
}

fn folder(bench: &Bench, schema: &str) -> PathBuf {
    bench.folder.join(format!("postgres-{schema}"))
}

/// A server on a schema of its own, empty or as it was left.
fn serve(bench: &Bench, cluster: &Cluster, schema: &str) -> Result<Server> {
    Server::chrysalis_with(&folder(bench, schema), &keys(cluster, schema))
}

/// A schema with so many guests.
fn store(bench: &Bench, cluster: &Cluster, schema: &str, guests: usize) -> Result<Store> {
    let data = folder(bench, schema);
    fresh(&data);
    let store = Store { cookies: data.join("cookies"), data, guests, keys: keys(cluster, schema) };
    fill::fill(&store)?;
    Ok(store)
}

fn fresh(data: &Path) {
    let _ = std::fs::remove_dir_all(data);
}

fn guest(bench: &mut Bench, cluster: &Cluster) -> Result<()> {
    fresh(&folder(bench, "guest"));
    let server = serve(bench, cluster, "guest")?;
    let floor = Server::floor(answer_size(&server)?)?;
    let before = cluster.processor_time();
    let compared = wrk::compare(bench, &server, &floor, Load::Arrive)?;
    let postgres = cluster.processor_time() - before;
    let what = "PostgreSQL: `POST /sign-in/anonymous`, of the floor";
    bench.report.at_least(what, compared.rates(), compared.ratio, 0.10, "");
    let made = compared.ours.rate * bench.time.as_secs_f64() * bench.rounds as f64;
    let each = postgres.as_secs_f64() * 1e6 / made;
    bench.report.note(
        "PostgreSQL: processor time of one",
        format!("{} µs in the node, {} µs in PostgreSQL", short(compared.ours.each), short(each)),
    );
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let one = pgbench::rate(cluster, bench.time)?;
        let other = wrk::run(&server, Load::Arrive, bench.time)?.rate;
        ratios.push(other / one);
        ours.push(other);
        theirs.push(one);
    }
    let (ours, theirs, ratio) = (median(ours), median(theirs), median(ratios));
    let what = "PostgreSQL: the same over HTTP, of pgbench with one transaction a guest, 64 clients";
    let said = format!("{}/s of {}/s = {ratio:.2}", short(ours), short(theirs));
    bench.report.at_least(what, said, ratio, 1.0, "");
    Ok(())
}

fn session(bench: &mut Bench, few: &Store) -> Result<()> {
    let server = Server::chrysalis_with(&few.data, &few.keys)?;
    let floor = Server::floor(answer_size(&server)?)?;
    let load = Load::Look { cookies: &few.cookies };
    wrk::run(&server, load, bench.time)?;
    let compared = wrk::compare(bench, &server, &floor, load)?;
    let what = "PostgreSQL: `GET /get-session`, every call reads PostgreSQL, of the floor";
    bench.report.at_least(what, compared.rates(), compared.ratio, 0.15, "");
    bench.report.note("PostgreSQL: processor time of one in the node", compared.each());
    Ok(())
}

/// One number.
fn number(cluster: &Cluster, sql: &str) -> Result<f64> {
    let rows = ask(&cluster.url(), sql);
    Ok(rows.first().and_then(|row| row.first().cloned().flatten()).ok_or("no answer")?.parse()?)
}
