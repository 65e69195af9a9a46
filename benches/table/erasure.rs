//! People who are erased: how fast members go when many are removed at once, and what they cost those who stay.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cleanup::{KEY, ask, wait};
use crate::fill::{Store, fill};
use crate::http::look;
use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median, pace};

/// Members who go; of guests the clean-up tells.
const MEMBERS: usize = 20_000;
/// Guests who are here, and look at their sessions.
const HERE: usize = 1_000;
/// Who makes them, at the same time.
const MAKERS: usize = 16;
/// Looks in a second.
const RATE: f64 = 500.0;
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(100);

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.empty("erasure")?;
    on(bench, "", &store)
}

/// On a store that is still empty.
pub fn on(bench: &mut Bench, of: &str, store: &Store) -> Result<()> {
    fill(&Store { guests: HERE, ..store.clone() })?;
    let mut keys = store.keys.clone();
    keys.push(("bootstrap_api_key", KEY.to_owned()));
    let server = Server::chrysalis_with(&store.data, &keys)?;
    let looks: Vec<_> = store.cookies()?.iter().map(|cookie| look(cookie)).collect();
    let one = |number: usize| looks[number % looks.len()].as_slice();
    let looked = |time| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(pace::run(server.address, RATE, time, one)?.percentile(99.0))
    };
    make(server.address)?;
    let mut before = Vec::new();
    for _ in 0..bench.rounds {
        before.push(looked(bench.time)?);
    }
    let begun = Instant::now();
    let asked = ask(server.address, "admin/remove-users", &json!({ "filter": { "isAnonymous": false } }))?;
    wait(|| {
        thread::sleep(LOOK);
        let job = ask(server.address, "admin/get-job", &json!({ "jobId": asked["job"]["id"] }))?;
        Ok(job["status"] != "running")
    })?;
    let rate = MEMBERS as f64 / begun.elapsed().as_secs_f64();
    let said = format!("{} in {} s = {}/s", short(MEMBERS as f64), short(begun.elapsed().as_secs_f64()), short(rate));
    bench.report.at_least(&format!("{of}members erased, by a filter"), said, rate, 500.0, "/s");
    let mut after = Vec::new();
    for _ in 0..bench.rounds {
        after.push(looked(bench.time)?);
    }
    let (after, before) = (median(after), median(before));
    let ratio = after / before;
    let what = format!("{of}`GET /get-session` at {}/s afterwards, p99 to p99 before", short(RATE));
    bench.report.at_most(&what, format!("{} ms to {} ms = {ratio:.2}", short(after), short(before)), ratio, 1.25, "");
    Ok(())
}

/// Members with a name and an address, as an administrator makes them.
fn make(server: SocketAddr) -> Result<()> {
    thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                scope.spawn(move || {
                    (maker..MEMBERS).step_by(MAKERS).try_for_each(|number| {
                        let form = json!({ "email": format!("member{number}@example.com"), "name": format!("Member {number}") });
                        ask(server, "admin/create-user", &form).map(|_| ())
                    })
                })
            })
            .collect();
        makers.into_iter().try_for_each(|maker| maker.join().map_err(|_| "whoever makes members panicked")?)
    })
}
