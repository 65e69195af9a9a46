//! `POST /anonymous/upgrade`: how much of what the cores can hash, and what the hashing costs everybody else.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrysalis::entropy::{self, OsEntropy};
use chrysalis::hasher::{HashParams, Hasher, Peppers};
use chrysalis_domain::{Password, PasswordPolicy};

use crate::http::{ARRIVE, Connection, header, look};
use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median, pace};

/// Sessions looked at in a second, beside the upgrades.
const LOOKS: f64 = 500.0;
/// Guests who become members at the same time.
const AT_ONCE: usize = 16;

/// Of one server, in the medians of the rounds.
pub struct Upgraded {
    /// Upgrades in a second.
    pub rate: f64,
    /// Milliseconds of one hash.
    one: f64,
    /// Of what the cores can hash.
    pub share: f64,
    /// The p99 of looks at sessions, in milliseconds: without upgrades, and beside them.
    idle: f64,
    busy: f64,
}

impl Upgraded {
    /// By what the share is.
    pub fn said(&self) -> Result<String> {
        let cores = thread::available_parallelism()?;
        Ok(format!("{}/s of {cores} cores / {} ms = {:.2}", short(self.rate), short(self.one), self.share))
    }
}

pub fn measure(bench: &mut Bench) -> Result<()> {
    let data = bench.folder.join("upgrade");
    let _ = std::fs::remove_dir_all(&data);
    let upgraded = upgrades(bench, &Server::chrysalis(&data)?)?;
    let Upgraded { share, idle, busy, .. } = upgraded;
    bench.report.at_least("`POST /anonymous/upgrade`, of what the cores can hash", upgraded.said()?, share, 0.80, "");
    let what = "500 `GET /get-session`/s beside them, p99 to p99 without them";
    bench.report.at_most(
        what,
        format!("{} ms to {} ms = {:.2}", short(busy), short(idle), busy / idle),
        busy / idle,
        3.0,
        "",
    );
    Ok(())
}

/// Guests of a server who become members, as many as it can take.
pub fn upgrades(bench: &Bench, server: &Server) -> Result<Upgraded> {
    let cores = thread::available_parallelism()?.get();
    let (mut hashes, mut shares, mut idle, mut busy, mut rates) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        let looks: Vec<_> = arrive(server.address, 100)?.iter().map(|cookie| look(cookie)).collect();
        let request = |number: usize| looks[number % looks.len()].as_slice();
        // The first look at a session is recorded; the measured ones are not.
        pace::run(server.address, LOOKS, Duration::from_millis(500), request)?;
        let one = one_hash(bench.time)?;
        idle.push(pace::run(server.address, LOOKS, bench.time, request)?.percentile(99.0));
        let guests = arrive(
            server.address,
            (cores as f64 / one.as_secs_f64() * bench.time.as_secs_f64() * 2.0) as usize + AT_ONCE,
        )?;
        let (rate, looked) =
            upgrade(server.address, guests, round, || pace::run(server.address, LOOKS, bench.time, request))?;
        busy.push(looked.percentile(99.0));
        hashes.push(one.as_secs_f64() * 1e3);
        shares.push(rate * one.as_secs_f64() / cores as f64);
        rates.push(rate);
    }
    let (rate, one, share) = (median(rates), median(hashes), median(shares));
    Ok(Upgraded { rate, one, share, idle: median(idle), busy: median(busy) })
}

/// The median time of one hash, on one thread, as the server makes it.
fn one_hash(time: Duration) -> Result<Duration> {
    let one = NonZeroUsize::MIN;
    let hasher = Hasher::start(HashParams::default(), Peppers::default(), one, one)?;
    let password = Password::parse("correct horse battery staple", &PasswordPolicy::default(), None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < time / 2 {
        let before = Instant::now();
        runtime.block_on(hasher.hash(password.clone(), entropy::bytes(&OsEntropy)))?;
        took.push(before.elapsed().as_secs_f64());
    }
    Ok(Duration::from_secs_f64(median(took)))
}

/// The cookies of new guests.
fn arrive(address: SocketAddr, guests: usize) -> Result<Vec<String>> {
    let mut server = Connection::open(address)?;
    let one = |_| {
        let answer = server.ask(ARRIVE)?;
        let cookie = header(answer.head, "set-cookie").and_then(|set| set.split(';').next());
        Ok(cookie.ok_or("a guest without a cookie")?.to_owned())
    };
    (0..guests).map(one).collect()
}

/// Lets guests become members, some at a time, while something else goes on. How many did in a second, and what came of
/// the other.
fn upgrade<T>(
    address: SocketAddr,
    guests: Vec<String>,
    round: usize,
    meanwhile: impl FnOnce() -> Result<T>,
) -> Result<(f64, T)> {
    let (next, upgraded, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let one = || -> Result<()> {
        let mut server = Connection::open(address)?;
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let cookie = guests.get(number).ok_or("too few guests")?;
            let body =
                format!(r#"{{"email":"u{round}-{number}@example.com","password":"correct horse battery {number}"}}"#);
            let head = format!(
                "POST /api/auth/anonymous/upgrade HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:{}\r\ncookie: {cookie}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                address.port(),
                body.len()
            );
            let answer = server.ask((head + &body).as_bytes())?;
            if answer.status != 200 {
                return Err(format!(
                    "an upgrade was answered {}: {}",
                    answer.status,
                    String::from_utf8_lossy(answer.body)
                )
                .into());
            }
            upgraded.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        thread::sleep(Duration::from_millis(500));
        let (begun, before) = (Instant::now(), upgraded.load(Ordering::Relaxed));
        let other = meanwhile();
        let rate = (upgraded.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a thread of the load panicked")??;
        }
        Ok((rate, other?))
    })
}
