//! Load at a fixed rate, for latency.
//!
//! Each request has a time at which it is due, whatever became of the ones before it, and its latency counts from then:
//! a server that stalls is charged for everybody who would have come meanwhile (no "coordinated omission"). All samples
//! are kept, so a percentile is a sample and no estimate.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::{CONNECTIONS, Result};

/// Sent before the measured time, and not counted.
const LEAD: Duration = Duration::from_millis(500);

/// Latencies in ascending order.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        Self(all)
    }

    /// In milliseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let rank = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// Sends `request(0)`, `request(1)` … at `rate` a second for `time`; each must be answered with 200.
pub fn run<'r>(
    address: SocketAddr,
    rate: f64,
    time: Duration,
    request: impl Fn(usize) -> &'r [u8] + Sync,
) -> Result<Latencies> {
    let begun = Instant::now() + Duration::from_millis(50);
    let one = |connection: usize| -> Result<Vec<Duration>> {
        let mut server = Connection::open(address)?;
        let mut latencies = Vec::new();
        for number in (connection..).step_by(CONNECTIONS) {
            let after = Duration::from_secs_f64(number as f64 / rate);
            if after > LEAD + time {
                return Ok(latencies);
            }
            let due = begun + after;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let status = server.ask(request(number))?.status;
            if status != 200 {
                return Err(format!("answered {status}").into());
            }
            if after >= LEAD {
                latencies.push(due.elapsed());
            }
        }
        Ok(latencies)
    };
    let all: Result<Vec<_>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|connection| scope.spawn(move || one(connection))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread of the load panicked")?).collect()
    });
    Ok(Latencies::of(all?.concat()))
}
