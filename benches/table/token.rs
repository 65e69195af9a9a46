//! `GET /token`: a signature for each session in five minutes.

use crate::process::Server;
use crate::report::short;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median};

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.large()?;
    let load = Load::Token { cookies: &store.cookies };
    // A server that signed nothing yet: whoever asks again within five minutes costs less.
    let rounds = (0..bench.rounds).map(|_| wrk::run(&Server::chrysalis(&store.data)?, load, bench.time));
    let each = median(rounds.collect::<Result<Vec<_>>>()?.iter().map(|done| done.each));
    let rate = 1e6 / each;
    let said = format!("{}/s, at {} µs of processor time each", short(rate), short(each));
    bench.report.at_least("`GET /token`, first of its session, on one core", said, rate, 5_000.0, "/s");
    Ok(())
}
