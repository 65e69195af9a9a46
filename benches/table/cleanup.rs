//! Guests who have been away for too long: how fast they go, and what that costs those who are here.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrysalis::clock::{Clock, SystemClock};
use chrysalis_domain::Span;
use serde_json::{Value, json};

use crate::fill::{Store, fill, fill_past};
use crate::http::{ARRIVE, Connection, look};
use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median, pace};

/// Of either call beside the clean-up, in a second.
const RATE: f64 = 500.0;
/// Guests who are here.
const HERE: usize = 1_000;
/// How long ago the others came, and how long they may be away.
const AGO: Span = Span::from_days(40);
const MAX_AGE_SECS: i64 = 30 * 86_400;
pub const KEY: &str = "sk_test_0123456789abcdefghijklmnopqrstuv";
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// Longest wait for the read models of a fresh store, and for a clean-up.
const PATIENCE: Duration = Duration::from_secs(1_800);

pub fn measure(bench: &mut Bench) -> Result<()> {
    let data = bench.folder.join("cleanup");
    let _ = std::fs::remove_dir_all(&data);
    let guests = bench.stores.many();
    let store = Store { cookies: data.join("cookies"), data, guests, keys: Vec::new() };
    on(bench, "", &store, 15_000.0)
}

/// What came of the calls beside, in ms.
#[derive(Default)]
struct Beside {
    arrive: Vec<f64>,
    look: Vec<f64>,
}

impl Beside {
    fn measure(&mut self, server: &Server, looks: &[Vec<u8>], time: Duration) -> Result<()> {
        self.arrive.push(pace::run(server.address, RATE, time, |_| ARRIVE)?.percentile(99.0));
        let one = |number: usize| looks[number % looks.len()].as_slice();
        self.look.push(pace::run(server.address, RATE, time, one)?.percentile(99.0));
        Ok(())
    }
}

/// On a store that is still to be filled.
pub fn on(bench: &mut Bench, of: &str, store: &Store, bar: f64) -> Result<()> {
    let _ = std::fs::remove_dir_all(&store.data);
    fill_past(store, AGO)?;
    fill(&Store { guests: HERE, ..store.clone() })?;
    let mut keys = store.keys.clone();
    keys.extend([("bootstrap_api_key", KEY.to_owned()), ("anonymous.settle", "0".to_owned())]);
    let server = Server::chrysalis_with(&store.data, &keys)?;
    wait(|| {
        let page = ask(server.address, "admin/list-users", &json!({ "limit": 1 }))?;
        Ok(page["total"].as_u64() >= Some((store.guests + HERE) as u64))
    })?;

    let looks: Vec<_> = store.cookies()?.iter().map(|cookie| look(cookie)).collect();
    let mut idle = Beside::default();
    for _ in 0..bench.rounds {
        idle.measure(&server, &looks, bench.time)?;
    }
    let before = server.resident()?;
    let begun = Instant::now();
    let setting = json!({ "authMethods": { "anonymous": { "enabled": true, "maxAge": MAX_AGE_SECS } } });
    ask(server.address, "banata/config/dashboard/save", &setting)?;
    let (done, mut beside, mut peak) = (AtomicBool::new(false), Beside::default(), before);
    let took = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let ended = wait(|| left(server.address));
            done.store(true, Ordering::Relaxed);
            ended.map(|()| begun.elapsed())
        });
        while !done.load(Ordering::Relaxed) {
            beside.measure(&server, &looks, bench.time)?;
            peak = peak.max(server.resident()?);
        }
        watching.join().map_err(|_| "whoever watched panicked")?
    })?;
    // The last of them ended after the clean-up, if it began before.
    if beside.arrive.len() > 1 {
        beside.arrive.pop();
        beside.look.pop();
    }
    let rate = store.guests as f64 / took.as_secs_f64();
    let said = format!("{} in {} s = {}/s", short(store.guests as f64), short(took.as_secs_f64()), short(rate));
    bench.report.at_least(&format!("{of}stale guests deleted, read models included"), said, rate, bar, "/s");
    for (call, during, without) in
        [("`POST /sign-in/anonymous`", beside.arrive, &idle.arrive), ("`GET /get-session`", beside.look, &idle.look)]
    {
        let (during, without) = (median(during), median(without.clone()));
        let ratio = during / without;
        let what = format!("{of}{call} at {}/s beside it, p99 to p99 without it", short(RATE));
        bench.report.at_most(
            &what,
            format!("{} ms to {} ms = {ratio:.2}", short(during), short(without)),
            ratio,
            2.0,
            "",
        );
    }
    // Whoever was erased costs those who stay nothing.
    let mut after = Beside::default();
    for _ in 0..bench.rounds {
        after.measure(&server, &looks, bench.time)?;
    }
    let (after, without) = (median(after.look), median(idle.look));
    let ratio = after / without;
    let what = format!("{of}`GET /get-session` at {}/s when they are erased, p99 to p99 before", short(RATE));
    bench.report.at_most(&what, format!("{} ms to {} ms = {ratio:.2}", short(after), short(without)), ratio, 1.25, "");
    let said = format!("{} MB, of {} MB before", short(peak), short(before));
    bench.report.at_most(
        &format!("{of}resident memory meanwhile, above that before"),
        said,
        peak - before,
        64.0,
        " MB",
    );
    Ok(())
}

/// Whether nobody is left who came so long ago.
fn left(server: SocketAddr) -> Result<bool> {
    let now = SystemClock.now().as_millis();
    let asked = json!({ "limit": 1, "lastActiveBefore": now - MAX_AGE_SECS * 1000 });
    let page = ask(server, "admin/guests/list", &asked)?;
    Ok(page["guests"] == json!([]) && page["listMetadata"]["after"].is_null())
}

pub fn wait(done: impl Fn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !done()? {
        if begun.elapsed() > PATIENCE {
            return Err("it does not come to an end".into());
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// What an administrator asks by key.
pub fn ask(server: SocketAddr, path: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let request = format!(
        "POST /api/auth/{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(server)?;
    let answer = connection.ask(request.as_bytes())?;
    if answer.status != 200 {
        return Err(format!("{path} was answered {}: {}", answer.status, String::from_utf8_lossy(answer.body)).into());
    }
    Ok(serde_json::from_slice(answer.body)?)
}
