//! Webhooks: how fast a local receiver is told, and whether those notice it who have nothing to do with it.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use crate::http::{ARRIVE, Connection};
use crate::process::Server;
use crate::report::short;
use crate::wrk::{self, Load};
use crate::{Bench, Result, median, pace};

pub fn measure(bench: &mut Bench) -> Result<()> {
    let data = bench.folder.join("webhooks");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data)?;
    let key = key(&data)?;
    let allow = [("outgoing.allow", "127.0.0.0/8".to_owned())];
    let server = Server::chrysalis_with(&data, &allow)?;
    let operator = Operator { address: server.address, key };
    // Something to tell of, and the rate that guests come at while nobody is told.
    let rate = wrk::run(&server, Load::Arrive, bench.time)?.rate;

    let receiver = Receiver::start()?;
    let live = operator.endpoint(&receiver.url)?;
    let rounds = (0..bench.rounds).map(|_| {
        operator.call("replay", &json!({ "id": live, "from": 1 }))?;
        Ok(receiver.rate(bench.time))
    });
    let told = median(rounds.collect::<Result<Vec<_>>>()?);
    bench.report.at_least("webhooks: messages to a local receiver", format!("{}/s", short(told)), told, 2_000.0, "/s");
    operator.call("delete", &json!({ "id": live }))?;

    // One port where nobody listens, and one where nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let dead = [silent.local_addr()?, closed].map(|address| operator.endpoint(&format!("http://{address}/")));
    let switch = |enabled: bool| {
        dead.iter().try_for_each(|id| {
            let id = id.as_ref().map_err(ToString::to_string)?;
            // What waited is dropped: each round begins with as little as the others, at the end of the log.
            operator.call("replay", &json!({ "id": id, "from": u64::MAX >> 1 }))?;
            operator.call("update", &json!({ "id": id, "enabled": enabled })).map(|_| ())
        })
    };
    let p99 = || {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
            pace::run(server.address, rate / 2.0, bench.time, |_| ARRIVE)?.percentile(99.0),
        )
    };
    let rounds = (0..bench.rounds).map(|_| {
        switch(false)?;
        let without = p99()?;
        switch(true)?;
        Ok((without, p99()?))
    });
    let rounds = rounds.collect::<Result<Vec<(f64, f64)>>>()?;
    let (without, beside) =
        (median(rounds.iter().map(|(one, _)| *one)), median(rounds.iter().map(|(_, other)| *other)));
    let ratio = median(rounds.iter().map(|(one, other)| other / one));
    let what =
        format!("`POST /sign-in/anonymous` at {}/s beside two dead receivers, p99 to p99 without", short(rate / 2.0));
    let said = format!("{} ms to {} ms = {}", short(beside), short(without), short(ratio));
    bench.report.at_most(&what, said, ratio, 1.5, "");
    bench.report.note("resident memory after that", format!("{} MB", short(server.resident()?)));
    Ok(())
}

/// An API key of the operator's, made before the first start.
fn key(data: &std::path::Path) -> Result<String> {
    let made = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(["api-key", "create", "--name", "bench"])
        .env_clear()
        .env("CHRYSALIS_DATA_DIR", data)
        .output()?;
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

struct Operator {
    address: SocketAddr,
    key: String,
}

impl Operator {
    fn endpoint(&self, url: &str) -> Result<Value> {
        Ok(self.call("create", &json!({ "url": url }))?["id"].clone())
    }

    fn call(&self, what: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let request = format!(
            "POST /api/auth/banata/webhooks/{what} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len(),
        );
        let mut connection = Connection::open(self.address)?;
        let answer = connection.ask(request.as_bytes())?;
        let body = serde_json::from_slice(answer.body)?;
        if answer.status == 200 {
            Ok(body)
        } else {
            Err(format!("{what} is answered {}: {body}", answer.status).into())
        }
    }
}

/// Somebody who takes everything and counts it.
struct Receiver {
    url: String,
    taken: Arc<AtomicU64>,
}

impl Receiver {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let taken = Arc::new(AtomicU64::new(0));
        let take = async |State(taken): State<Arc<AtomicU64>>| {
            taken.fetch_add(1, Ordering::Relaxed);
            StatusCode::NO_CONTENT
        };
        let router = Router::new().fallback(take).with_state(taken.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Until the process ends.
        thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let _ = axum::serve(listener, router).await;
            });
        });
        Ok(Self { url, taken })
    }

    /// Messages a second, from the first that comes on.
    fn rate(&self, time: Duration) -> f64 {
        let (before, asked) = (self.taken.load(Ordering::Relaxed), Instant::now());
        while self.taken.load(Ordering::Relaxed) == before && asked.elapsed() < time {
            thread::sleep(Duration::from_millis(1));
        }
        let (first, begun) = (self.taken.load(Ordering::Relaxed), Instant::now());
        thread::sleep(time);
        (self.taken.load(Ordering::Relaxed) - first) as f64 / begun.elapsed().as_secs_f64()
    }
}
