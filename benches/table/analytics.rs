//! What analysts ask, over three years in which ten million guests came: counts as they then stand, put there as rows.

use std::sync::Arc;
use std::time::Instant;

use chrysalis::app::analytics::Analytics;
use chrysalis::app::analytics::cohorts::Unit;
use chrysalis::app::analytics::range::{Asked, Range};
use chrysalis::log::Store as WholeStore;
use chrysalis_domain::Timestamp;
use chrysalis_projections::conversion::Split;

use crate::fill;
use crate::report::short;
use crate::{Bench, Result};

/// Questions of each kind.
const TIMES: usize = 100;
const FROM: &str = "2027-01-01";
const TO: &str = "2030-01-01";
/// 2030-01-01.
const NOW: Timestamp = Timestamp::from_millis(1_893_456_000_000);

/// Both dialects read them. In a quarter of an hour 95 guests come, which makes ten million in three years.
pub const ROWS: [&str; 6] = [
    "INSERT INTO conversion_counts (width, split, at, value, guests, converted, converted_verified, upgrades, verified,
         signups, verified_signups, fell_back, expired, deleted_guests, deleted_members)
     WITH RECURSIVE quarters(at) AS
         (SELECT 1798761600 UNION ALL SELECT q.at + 900 FROM quarters q WHERE q.at + 900 < 1893456000)
     SELECT w.width, '', q.at, '', 95 * w.width / 900, 19 * w.width / 900, 12 * w.width / 900, 19 * w.width / 900,
         12 * w.width / 900, 2 * w.width / 900, w.width / 900, 0, 40 * w.width / 900, w.width / 900, w.width / 900
     FROM quarters q JOIN (SELECT 900 AS width UNION ALL SELECT 3600 UNION ALL SELECT 86400) w ON q.at % w.width = 0",
    "INSERT INTO conversion_counts (width, split, at, value, guests, converted, converted_verified, upgrades, verified,
         signups, verified_signups, fell_back, expired, deleted_guests, deleted_members)
     SELECT c.width, 'method', c.at, m.value, 0, 4 * c.width / 900, 3 * c.width / 900, 4 * c.width / 900,
         3 * c.width / 900, c.width / 900, c.width / 900, 0, 0, 0, 0 FROM conversion_counts c
     JOIN (SELECT 'password' AS value UNION ALL SELECT 'social:google' UNION ALL SELECT 'social:github'
           UNION ALL SELECT 'magic_link' UNION ALL SELECT 'email_otp') m ON true WHERE c.split = ''",
    "INSERT INTO conversion_counts (width, split, at, value, guests, converted, converted_verified, upgrades, verified,
         signups, verified_signups, fell_back, expired, deleted_guests, deleted_members)
     WITH RECURSIVE labels(nth) AS (SELECT 1 UNION ALL SELECT l.nth + 1 FROM labels l WHERE l.nth < 50)
     SELECT c.width, 'campaign', c.at, 'campaign ' || l.nth, 180, 36, 20, 36, 20, 0, 0, 0, 0, 0, 0
     FROM conversion_counts c JOIN labels l ON true WHERE c.split = '' AND c.width = 86400",
    "INSERT INTO conversion_cohorts (unit, at, after, upgrades, returned)
     WITH RECURSIVE after(nth) AS (SELECT 0 UNION ALL SELECT a.nth + 1 FROM after a WHERE a.nth < 63)
     SELECT u.unit, c.at, a.nth, 20, 300 FROM conversion_counts c JOIN after a ON true
     JOIN (SELECT 'day' AS unit UNION ALL SELECT 'week') u ON true WHERE c.split = '' AND c.width = 86400",
    "INSERT INTO conversion_spreads (measure, at, value, upgrades)
     WITH RECURSIVE bounds(nth) AS (SELECT 16 UNION ALL SELECT b.nth + 1 FROM bounds b WHERE b.nth < 150)
     SELECT 'seconds', c.at, ((8 + b.nth % 8) << (b.nth / 8)), 12 FROM conversion_counts c
     JOIN bounds b ON true WHERE c.split = '' AND c.width = 86400",
    "INSERT INTO conversion_spreads (measure, at, value, upgrades)
     WITH RECURSIVE sessions(nth) AS (SELECT 1 UNION ALL SELECT s.nth + 1 FROM sessions s WHERE s.nth < 10)
     SELECT 'sessions', c.at, s.nth, 180 FROM conversion_counts c JOIN sessions s ON true
     WHERE c.split = '' AND c.width = 86400",
];

/// On the embedded store.
pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.empty("analytics")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let log = fill::opened(&store).await?;
        let file = rusqlite::Connection::open(store.data.join("chrysalis.db"))?;
        for sql in ROWS {
            file.execute(sql, [])?;
        }
        drop(file);
        asked(bench, log, "").await
    })
}

/// `on` says on which store.
pub async fn asked(bench: &mut Bench, log: Arc<dyn WholeStore>, on: &str) -> Result<()> {
    let analytics = Analytics { log: log.as_ref(), now: NOW };
    let range = |grain: &str, zone: &str| -> Result<Range> {
        let text = |text: &str| Some(text.to_owned());
        let asked = Asked { from: text(FROM), to: text(TO), grain: text(grain), time_zone: text(zone) };
        asked.read(NOW).map_err(|unfit| format!("{}: {}", unfit.field, unfit.message).into())
    };
    let (berlin, kolkata, sydney) = ("Europe/Berlin", "Asia/Kolkata", "Australia/Sydney");
    for (what, range, split) in [
        ("day by day", range("day", "UTC")?, Split::All),
        ("day by day in Berlin", range("day", berlin)?, Split::All),
        ("day by day in Kolkata", range("day", kolkata)?, Split::All),
        ("day by day, by method", range("day", "UTC")?, Split::Method),
        ("day by day in Berlin, by method", range("day", berlin)?, Split::Method),
        ("day by day in Kolkata, by method", range("day", kolkata)?, Split::Method),
        ("day by day in Sydney, by method", range("day", sydney)?, Split::Method),
        ("week by week in Sydney, by method", range("week", sydney)?, Split::Method),
        ("month by month in Sydney, by method", range("month", sydney)?, Split::Method),
        ("month by month, by campaign", range("month", "UTC")?, Split::Campaign),
    ] {
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = Instant::now();
            let said = analytics.conversion(&range, split).await?;
            took.push(begun.elapsed().as_secs_f64() * 1_000.0);
            if said.total.guests < 9_900_000 {
                return Err(format!("{} guests are not ten million", said.total.guests).into());
            }
        }
        report(bench, on, what, took);
    }
    let all = range("all", "UTC")?;
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        analytics.time_to_convert(&all).await?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    report(bench, on, "time to convert", took);
    for (what, range, unit) in [
        ("weekly cohorts, day by day after", range("week", "UTC")?, Unit::Day),
        ("monthly cohorts, week by week after", range("month", "UTC")?, Unit::Week),
    ] {
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = Instant::now();
            analytics.cohorts(&range, unit).await?;
            took.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        report(bench, on, what, took);
    }
    let overview = range("day", berlin)?;
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        analytics.overview(&overview).await?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    report(bench, on, "all of it at once, by days in Berlin", took);
    Ok(())
}

fn report(bench: &mut Bench, on: &str, what: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    let what = format!("{on}analytics over three years and ten million guests: {what}");
    bench.report.at_most(&what, format!("median {} ms, p99 {} ms", short(median), short(p99)), p99, 100.0, " ms");
}
