//! Millions of guests against thousands: latency of both calls, and what one takes on disk.

use super::{Cluster, number};
use crate::fill::Store;
use crate::http::{ARRIVE, look};
use crate::process::Server;
use crate::report::short;
use crate::servers::execute;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median, pace};

pub fn measure(bench: &mut Bench, cluster: &Cluster, few: &Store, many: &Store) -> Result<()> {
    let stores = [few.clone(), many.clone()];
    disk(bench, cluster, many.guests)?;
    // As it is in the long run, not in the minute after five million arrivals.
    execute(&cluster.url(), "VACUUM ANALYZE");
    execute(&cluster.url(), "CHECKPOINT");
    warm(cluster);
    let servers = [
        Server::chrysalis_with(&stores[0].data, &stores[0].keys)?,
        Server::chrysalis_with(&stores[1].data, &stores[1].keys)?,
    ];
    let looks: Vec<Vec<Vec<u8>>> = stores
        .iter()
        .map(|store| Ok(store.cookies()?.iter().map(|cookie| look(cookie)).collect()))
        .collect::<Result<_>>()?;
    servers.iter().try_for_each(Server::followed)?;
    // Half of what the small store can do, for both.
    let arrive = wrk::run(&servers[0], Load::Arrive, bench.time)?.rate / 2.0;
    let look = wrk::run(&servers[0], Load::Look { cookies: &stores[0].cookies }, bench.time)?.rate / 2.0;
    wrk::run(&servers[1], Load::Look { cookies: &stores[1].cookies }, bench.time)?;
    let (mut arrives, mut lookings): ([Vec<f64>; 2], [Vec<f64>; 2]) = Default::default();
    for _ in 0..bench.rounds {
        servers.iter().try_for_each(Server::followed)?;
        for (server, p99) in servers.iter().zip(&mut arrives) {
            p99.push(pace::run(server.address, arrive, bench.time, |_| ARRIVE)?.percentile(99.0));
        }
        servers.iter().try_for_each(Server::followed)?;
        for ((server, looks), p99) in servers.iter().zip(&looks).zip(&mut lookings) {
            let done = pace::run(server.address, look, bench.time, |number| &looks[number % looks.len()])?;
            p99.push(done.percentile(99.0));
        }
    }
    let names = stores.each_ref().map(|store| short(store.guests as f64));
    for (call, rate, p99s) in [("`POST /sign-in/anonymous`", arrive, arrives), ("`GET /get-session`", look, lookings)] {
        let [few, many] = p99s.map(median);
        let ratio = many / few;
        let what = format!("PostgreSQL: {call}, p99 with {} guests to {}, at {}/s", names[1], names[0], short(rate));
        bench.report.at_most(&what, format!("{} ms to {} ms = {ratio:.2}", short(many), short(few)), ratio, 1.5, "");
    }
    Ok(())
}

/// Users, sessions and what finds them in the server's memory, as they are after a day of service: an operator gives it
/// room for them (docs/operations.md).
fn warm(cluster: &Cluster) {
    execute(&cluster.url(), "CREATE EXTENSION IF NOT EXISTS pg_prewarm");
    for schema in ["few", "many"] {
        let of = format!(
            "SELECT sum(pg_prewarm(c.oid)) FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
             WHERE coalesce(i.indrelid, c.oid) IN ('{schema}.users'::regclass, '{schema}.sessions'::regclass)"
        );
        execute(&cluster.url(), &of);
    }
}

fn disk(bench: &mut Bench, cluster: &Cluster, guests: usize) -> Result<()> {
    let of = |what: &str| {
        format!(
            "SELECT sum({what}(oid))::bigint FROM pg_class WHERE relnamespace = 'many'::regnamespace AND relkind = 'r'"
        )
    };
    let tables = number(cluster, &of("pg_table_size"))? / guests as f64;
    let indexes = number(cluster, &of("pg_indexes_size"))? / guests as f64;
    let said = format!("{} bytes in tables, {} in indexes", short(tables), short(indexes));
    bench.report.note("PostgreSQL: one guest on disk, session and events included", said);
    Ok(())
}
