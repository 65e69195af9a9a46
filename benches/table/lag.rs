//! How long after an arrival the read models that follow the log know of it, while guests arrive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrysalis::followers::models;

use crate::fill::{self, Store};
use crate::http::ARRIVE;
use crate::pace::{self, Latencies};
use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median};

/// Guests in a second.
const RATE: f64 = 5_000.0;
/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// `on` says on which store. One that is new, and ends with as many guests as arrive.
pub fn measure(bench: &mut Bench, store: &Store, on: &str) -> Result<()> {
    let server = Server::chrysalis_with(&store.data, &store.keys)?;
    let (mut behind, mut arrived) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let done = AtomicBool::new(false);
        let (lags, arrivals) = std::thread::scope(|scope| {
            let lags = scope.spawn(|| watch(store, &done));
            let arrivals = pace::run(server.address, RATE, bench.time, |_| ARRIVE);
            done.store(true, Ordering::Relaxed);
            (lags.join().map_err(|_| "whoever watches panicked"), arrivals)
        });
        behind.push(lags??.percentile(99.0));
        arrived.push(arrivals?.percentile(99.0));
    }
    let (behind, arrived) = (median(behind), median(arrived));
    let what = format!("{on}read models behind the log at {} guests/s, p99", short(RATE));
    let said = format!("{} ms; the guests themselves {} ms", short(behind), short(arrived));
    bench.report.at_most(&what, said, behind, 200.0, " ms");
    Ok(())
}

/// Asks again and again, beside the server: how long until every model has what the log has now?
fn watch(store: &Store, done: &AtomicBool) -> Result<Latencies> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let log = fill::opened(store).await?;
        let mut lags = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let asked = Instant::now();
            if !models::caught_up(log.as_ref(), PATIENCE).await? {
                return Err("the read models stay behind".into());
            }
            lags.push(asked.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Latencies::of(lags))
    })
}
