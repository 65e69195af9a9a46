//! `POST /sign-in/anonymous`, durable, against the floor.

use std::time::Instant;

use crate::http::{ARRIVE, Connection};
use crate::process::Server;
use crate::report::short;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median, pace};

/// Groups that a slow disk must be able to share one commit among.
const SHARED: f64 = 32.0;

pub fn measure(bench: &mut Bench) -> Result<()> {
    let data = bench.folder.join("guest");
    let _ = std::fs::remove_dir_all(&data);
    let server = Server::chrysalis(&data)?;
    let floor = Server::floor(answer_size(&server)?)?;
    let compared = wrk::compare(bench, &server, &floor, Load::Arrive)?;
    let by_disk = 0.7 * SHARED / bench.commit.as_secs_f64() / compared.floor.rate;
    bench.report.at_least(
        "`POST /sign-in/anonymous`, of the floor",
        compared.rates(),
        compared.ratio,
        by_disk.min(0.20),
        "",
    );
    bench.report.note("processor time of one", compared.each());

    let sustained = sustained(bench, &server)?;
    bench.report.note("the same until the read models that follow have seen all of them", sustained);
    let rate = compared.ours.rate;
    let p99s =
        (0..bench.rounds).map(|_| Ok(pace::run(server.address, rate / 2.0, bench.time, |_| ARRIVE)?.percentile(99.0)));
    let p99 = median(p99s.collect::<Result<Vec<_>>>()?);
    let what = format!("the same at {}/s, p99", short(rate / 2.0));
    bench.report.at_most(&what, format!("{} ms", short(p99)), p99, 25.0, " ms");
    bench.report.note("resident memory after that", format!("{} MB", short(server.resident()?)));
    Ok(())
}

/// Guests a second when the time counts too that those models need when the load is over.
fn sustained(bench: &Bench, server: &Server) -> Result<String> {
    server.followed()?;
    let begun = Instant::now();
    let made = wrk::run(server, Load::Arrive, bench.time)?.rate * bench.time.as_secs_f64();
    server.followed()?;
    Ok(format!("{}/s", short(made / begun.elapsed().as_secs_f64())))
}

/// Bytes of the body that a new guest gets.
pub fn answer_size(server: &Server) -> Result<usize> {
    Ok(Connection::open(server.address)?.ask(ARRIVE)?.body.len())
}
