//! The log's port against PostgreSQL itself: events alone, batches of the same size, the same table.

use std::sync::Arc;
use std::time::Instant;

use chrysalis::clock::{Clock, SystemClock};
use chrysalis::log::StreamId;
use chrysalis::log::postgres::{Options, PostgresLog};
use chrysalis_domain::id::{CommandId, EventId, ProjectId, RequestId, UserId};
use tokio_postgres::NoTls;

use crate::append::{Batches, EVENTS, GROUPS, drive, id};
use crate::report::short;
use crate::servers::{Cluster, execute};
use crate::{Bench, Result, median};

pub fn measure(bench: &mut Bench, cluster: &Cluster) -> Result<()> {
    let (mut ports, mut bares, mut ratios, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (port, batch) = port(cluster)?;
        let bare = bare(cluster, batch)?;
        execute(&cluster.url(), "DROP SCHEMA append CASCADE");
        ports.push(port);
        bares.push(bare);
        ratios.push(port / bare);
        sizes.push(batch as f64);
    }
    let (port, bare, ratio) = (median(ports), median(bares), median(ratios));
    let size = short(median(sizes));
    let what = format!("PostgreSQL: append through the port, batches of {size} events, of a bare UNNEST loop");
    // 40 000 events a second do as well, where the loop reaches more than that.
    let bar = (40_000.0 / bare).min(0.6);
    bench.report.at_least(&what, format!("{}/s of {}/s = {ratio:.2}", short(port), short(bare)), ratio, bar, "");
    Ok(())
}

fn port(cluster: &Cluster) -> Result<(f64, usize)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let counted = Arc::new(Batches::default());
    runtime.block_on(async {
        let options = Options { schema: "append".to_owned(), ..Options::at(cluster.url()) };
        let log = PostgresLog::open(&options, Arc::new(SystemClock), counted.clone()).await?;
        drive(Arc::new(log), &counted).await
    })
}

/// Events in a second, a batch a transaction, on a table of the same shape.
fn bare(cluster: &Cluster, batch: usize) -> Result<f64> {
    const SQL: &str = "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[],
        $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[],
        $13::text[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bytea[], $19::bytea[])";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("SET search_path = append; CREATE TABLE bare (LIKE events INCLUDING ALL)").await?;
        let statement = client.prepare(SQL).await?;
        let at = SystemClock.now().as_millis();
        let numbers: Vec<usize> = (0..GROUPS * EVENTS).collect();
        let mut took = 0.0;
        for batch in numbers.chunks(batch.max(1)) {
            let user = |number: usize| UserId::from_ulid(id(number / EVENTS));
            let texts = |text: &dyn Fn(usize) -> String| batch.iter().map(|number| text(*number)).collect::<Vec<_>>();
            let nothing: Vec<Option<&str>> = vec![None; batch.len()];
            let same = |number: i64| vec![number; batch.len()];
            let positions: Vec<i64> = batch.iter().map(|number| *number as i64 + 1).collect();
            let versions: Vec<i64> = batch.iter().map(|number| (number % EVENTS) as i64 + 1).collect();
            let projects = texts(&|_| ProjectId::DEFAULT.to_string());
            let streams = texts(&|number| StreamId::user(user(number)).as_str().to_owned());
            let events = texts(&|number| EventId::from_ulid(id(number)).to_string());
            let types = vec!["Noted"; batch.len()];
            let (one, times, settings) = (same(1), same(at), same(0));
            let actors = vec!["user"; batch.len()];
            let users = texts(&|number| user(number).to_string());
            let requests = texts(&|number| RequestId::from_ulid(id(number / EVENTS)).to_string());
            let commands = texts(&|number| CommandId::from_ulid(id(number / EVENTS)).to_string());
            let sealed = vec![Vec::<u8>::new(); batch.len()];
            let bodies = vec![vec![b' '; 200]; batch.len()];
            // What making the values costs is not the loop's.
            let begun = Instant::now();
            client
                .execute(
                    &statement,
                    &[
                        &positions, &projects, &streams, &versions, &events, &types, &one, &times, &times, &actors,
                        &users, &nothing, &nothing, &requests, &commands, &nothing, &settings, &sealed, &bodies,
                    ],
                )
                .await?;
            took += begun.elapsed().as_secs_f64();
        }
        Ok(numbers.len() as f64 / took)
    })
}
