//! Servers as processes of their own: the program under test, and the floor.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;

use crate::Result;
use crate::http::Connection;

/// A server that runs until it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the process to its first answer.
    pub started_in: Duration,
}

/// Longest wait for a first answer, and for a process to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// A store that was just filled has millions of events to be seen.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(900);

impl Server {
    /// The program under test on a data folder, limits off, everything else as it comes.
    pub fn chrysalis(data: &Path) -> Result<Self> {
        Self::chrysalis_with(data, &[])
    }

    /// The same, with more keys of the configuration.
    pub fn chrysalis_with(data: &Path, keys: &[(&str, String)]) -> Result<Self> {
        let address = free()?;
        std::fs::create_dir_all(data)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_chrysalis"));
        command
            .arg("serve")
            .env_clear()
            .env("CHRYSALIS_LISTEN", address.to_string())
            .env("CHRYSALIS_DATA_DIR", data)
            .env("CHRYSALIS_RATE_LIMITS", "off")
            .envs(keys.iter().map(|(key, value)| (chrysalis::config::keys::variable(key), value)))
            .stderr(File::create(data.join("log"))?);
        Self::start(command, address)
    }

    /// A bare axum server that answers a JSON body of `bytes` bytes on the same paths.
    pub fn floor(bytes: usize) -> Result<Self> {
        let address = free()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--floor", &address.to_string(), &bytes.to_string()]);
        Self::start(command, address)
    }

    fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut server = Self { child, address, started_in: Duration::ZERO };
        while !server.answers() {
            if begun.elapsed() > PATIENCE {
                return Err("a server did not come up".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.started_in = begun.elapsed();
        Ok(server)
    }

    fn answers(&self) -> bool {
        let asked = Connection::open(self.address)
            .and_then(|mut connection| Ok(connection.ask(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")?.status));
        asked.is_ok_and(|status| status == 200)
    }

    /// Waits until the read models that follow the log have seen all that was stored: what one load leaves them to do is
    /// not to be charged to the next.
    pub fn followed(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut connection = Connection::open(self.address)?;
            let answer = connection.ask(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
            let told = std::str::from_utf8(answer.body)?;
            // The log is signed by the clock, and no read model.
            let waiting = told.lines().filter(|line| line.starts_with("chrysalis_follower_waiting{"));
            let mut waiting = waiting.filter(|line| !line.contains("\"proof\""));
            if waiting.all(|line| line.ends_with(" 0")) {
                return Ok(());
            }
            if begun.elapsed() > FOLLOWED_WITHIN {
                return Err("the read models do not come up with the log".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Resident memory in MB.
    pub fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// Processor time used so far, of all threads.
    pub fn processor_time(&self) -> Result<Duration> {
        processor_time(self.child.id())
    }
}

/// Processor time that a process used so far, of all its threads.
pub fn processor_time(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every Linux that a program can meet.
    Ok(Duration::from_millis(ticks * 10))
}

impl Drop for Server {
    /// Asks it to stop, as a supervisor does: what it stored is left tidy for the next.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on loopback that nobody listens on.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Plays the floor in this process, until it is killed.
pub fn play_floor(address: &str, bytes: usize) -> Result<()> {
    let body: &'static str =
        Box::leak(format!("{{\"x\":\"{}\"}}", "x".repeat(bytes.saturating_sub(8))).into_boxed_str());
    let answer = async move || ([(CONTENT_TYPE, "application/json")], body);
    let router = Router::new()
        .route("/api/auth/get-session", get(answer))
        .route("/api/auth/sign-in/anonymous", post(answer))
        .route("/healthz", get(async || "ok"));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        Ok(axum::serve(listener, router).await?)
    })
}
