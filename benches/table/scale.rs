//! Many guests against few: latency of both calls, and memory.

use crate::fill::Store;
use crate::http::{ARRIVE, look};
use crate::process::Server;
use crate::report::short;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median, pace};

/// A server on a store, with what was measured of it.
struct Side {
    guests: usize,
    server: Server,
    looks: Vec<Vec<u8>>,
    fresh: f64,
    arrive: Vec<f64>,
    look: Vec<f64>,
}

impl Side {
    fn new(store: &Store) -> Result<Self> {
        let server = Server::chrysalis(&store.data)?;
        let looks: Vec<_> = store.cookies()?.iter().map(|cookie| look(cookie)).collect();
        Ok(Self {
            guests: store.guests,
            fresh: server.resident()?,
            server,
            looks,
            arrive: Vec::new(),
            look: Vec::new(),
        })
    }
}

pub fn measure(bench: &mut Bench) -> Result<()> {
    let (small, large) = (bench.stores.small()?, bench.stores.large()?);
    let mut sides = [Side::new(&small)?, Side::new(&large)?];
    sides.iter().try_for_each(|side| side.server.followed())?;
    // Half of what the small store can do, for both.
    let arrive = wrk::run(&sides[0].server, Load::Arrive, bench.time)?.rate / 2.0;
    let look = wrk::run(&sides[0].server, Load::Look { cookies: &small.cookies }, bench.time)?.rate / 2.0;
    wrk::run(&sides[1].server, Load::Look { cookies: &large.cookies }, bench.time)?;
    for _ in 0..bench.rounds {
        sides.iter().try_for_each(|side| side.server.followed())?;
        for side in &mut sides {
            side.arrive.push(pace::run(side.server.address, arrive, bench.time, |_| ARRIVE)?.percentile(99.0));
        }
        sides.iter().try_for_each(|side| side.server.followed())?;
        for side in &mut sides {
            let looks = &side.looks;
            side.look.push(
                pace::run(side.server.address, look, bench.time, |number| &looks[number % looks.len()])?
                    .percentile(99.0),
            );
        }
    }
    let names = sides.each_ref().map(|side| short(side.guests as f64));
    for (call, rate, latencies) in [
        ("`POST /sign-in/anonymous`", arrive, sides.each_ref().map(|side| &side.arrive)),
        ("`GET /get-session`", look, sides.each_ref().map(|side| &side.look)),
    ] {
        let [few, many] = latencies.map(|latencies| median(latencies.iter().copied()));
        let ratio = many / few;
        let what = format!("{call}, p99 with {} guests to {}, at {}/s", names[1], names[0], short(rate));
        bench.report.at_most(&what, format!("{} ms to {} ms = {ratio:.2}", short(many), short(few)), ratio, 1.5, "");
    }
    for (side, name) in sides.iter().zip(&names) {
        let said = format!("{} MB, {} MB after the loads", short(side.fresh), short(side.server.resident()?));
        bench.report.note(&format!("resident memory with {name} guests stored"), said);
    }
    Ok(())
}
