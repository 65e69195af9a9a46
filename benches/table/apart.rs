//! What others do to us: a provider and a mail server that take connections and never say a word, against none of it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::fill::Store;
use crate::http::{ARRIVE, Connection, look};
use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median, pace};

/// Callers that have begun a flow or asked for a mail, at a time.
const CALLERS: usize = 16;
/// What each of them waits for between two calls.
const PAUSE: Duration = Duration::from_millis(100);
/// Of either call that is measured, in a second: a load that two cores bear beside the callers.
const RATE: f64 = 2_000.0;

/// Takes connections and never answers.
struct Silent {
    address: SocketAddr,
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Silent {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let held = Arc::new(Mutex::new(Vec::new()));
        let taken = held.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Ok(mut taken) = taken.lock() {
                    taken.push(stream);
                }
            }
        });
        Ok(Self { address, _held: held })
    }
}

pub fn measure(bench: &mut Bench) -> Result<()> {
    let store = bench.stores.small()?;
    let silent = Silent::start()?;
    let google = [
        ("outgoing.allow", "127.0.0.0/8".to_owned()),
        ("social.google.client_id", "id".to_owned()),
        ("social.google.client_secret", "secret".to_owned()),
        ("social.google.issuer", format!("http://{}", silent.address)),
        ("smtp.url", format!("smtp://{}", silent.address)),
    ];
    let mut calm = Vec::new();
    let mut beside = Vec::new();
    for _ in 0..bench.rounds {
        // The same calls, where nobody has to be waited for: an unknown provider, and mails that are kept in a folder.
        calm.push(side(bench, &store, &[])?);
        beside.push(side(bench, &store, &google)?);
    }
    for (call, of) in [
        ("`POST /sign-in/anonymous`", (|p: &(f64, f64)| p.0) as fn(&(f64, f64)) -> f64),
        ("`GET /get-session`", |p| p.1),
    ] {
        let (with, without) = (median(beside.iter().map(of)), median(calm.iter().map(of)));
        let what = format!("{call} at {}/s beside a provider and a mail server that never answer, p99", short(RATE));
        let ratio = with / without;
        let said = format!("{} ms to {} ms without them = {ratio:.2}", short(with), short(without));
        bench.report.at_most(&what, said, ratio, 1.2, "");
    }
    Ok(())
}

/// The p99s of both calls, in ms.
fn side(bench: &Bench, store: &Store, keys: &[(&str, String)]) -> Result<(f64, f64)> {
    let server = Server::chrysalis_with(&store.data, keys)?;
    let looks: Vec<_> = store.cookies()?.iter().map(|cookie| look(cookie)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let _ = call(server.address, caller);
                    thread::sleep(PAUSE);
                }
            });
        }
        let measured = pace::run(server.address, RATE, bench.time, |_| ARRIVE).and_then(|arrive| {
            let look = pace::run(server.address, RATE, bench.time, |number| &looks[number % looks.len()])?;
            Ok((arrive.percentile(99.0), look.percentile(99.0)))
        });
        done.store(true, Ordering::Relaxed);
        measured
    })
}

/// Half of the callers begin a flow, half ask for a mail.
fn call(address: SocketAddr, caller: usize) -> Result<()> {
    let (path, body) = match caller % 2 {
        0 => ("sign-in/social", r#"{"provider":"google","callbackURL":"/"}"#.to_owned()),
        _ => ("sign-in/magic-link", format!(r#"{{"email":"caller-{caller}@example.com"}}"#)),
    };
    let length = body.len();
    let request = format!(
        "POST /api/auth/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    Connection::open(address)?.ask(request.as_bytes())?;
    Ok(())
}
