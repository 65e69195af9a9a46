//! The real binary, as an operator runs it: started on a folder, spoken to over TCP, stopped or killed.
//!
//! Every server has a port of its own and dies with the value that stands for it. Whatever is waited for is asked for
//! again and again until a deadline: nothing here sleeps and hopes.

mod client;
mod folder;

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};

pub use client::{Answer, Client, PASSWORD, address};
pub use folder::{Folder, Tmpfs};

/// Longer than anything takes on a slow machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a case may take, the long ones included.
const HANGS: Duration = Duration::from_secs(3600);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server that answers.
pub struct Server {
    child: Child,
    address: SocketAddr,
    said: Said,
    reading: Option<JoinHandle<()>>,
}

/// What a process wrote to standard error, line by line.
type Said = Arc<Mutex<Vec<String>>>;

/// A command of the binary on a folder, without anything from this process's environment.
pub fn chrysalis(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chrysalis"));
    // An empty working folder: no chrysalis.toml of the developer's is read.
    command.env_clear().current_dir(folder).arg("--data-dir").arg(folder.join("data")).stdin(Stdio::null());
    command.envs(folder::keys(folder).into_iter().map(|(key, value)| (chrysalis::config::keys::variable(&key), value)));
    command
}

/// Runs a command of the binary to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    chrysalis(folder).args(arguments).output().unwrap()
}

/// Runs a command that has to come out well; answers what it printed.
pub fn prints(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The log has no gap and every row is as a refold makes it. Answers how many events there are.
pub fn assert_sound(folder: &Path) -> u64 {
    let verified = run(folder, &["verify"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        verified.status.success(),
        "verify ended with {}:\n{said}{}",
        verified.status,
        String::from_utf8_lossy(&verified.stderr)
    );
    let shown = run(folder, &["log", "show", "--limit", "100000000"]);
    assert!(shown.status.success(), "log show ended with {}", shown.status);
    let mut last = 0;
    for line in shown.stdout.lines() {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(event["position"], last + 1, "positions are dense");
        last += 1;
    }
    last
}

impl Server {
    /// Starts a server without limits and waits until it answers.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["--set", "rate_limits=off"])
    }

    /// Starts a server with these flags and waits until it answers.
    pub fn start_with(folder: &Path, flags: &[&str]) -> Self {
        let mut server = Self::launch(folder, flags);
        server.wait_until_ready();
        server
    }

    /// Starts a server and waits for nothing.
    pub fn launch(folder: &Path, flags: &[&str]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = chrysalis(folder);
        command.args(["serve", "--listen", &address.to_string()]).args(flags);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Said::default();
        let reading = child.stderr.take().map(|stderr| listen_to(stderr, said.clone()));
        Self { child, address, said, reading }
    }

    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !(self.says_that_it_answers() && is_ready(self.address)) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.lines().join("\n"));
            }
            assert!(Instant::now() < deadline, "the server does not get ready:\n{}", self.lines().join("\n"));
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Until then whoever answers at its address is somebody else.
    fn says_that_it_answers(&self) -> bool {
        self.said.lock().unwrap().iter().any(|line| line.contains("Chrysalis answers"))
    }

    /// The server as pages name it.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// A visitor with cookies, and no session yet.
    pub fn browser(&self) -> Client {
        Client::browser(self.address)
    }

    /// A visitor without cookies, and no session yet.
    pub fn app(&self) -> Client {
        Client::app(self.address)
    }

    /// What it said on standard error so far; all of it, once it ended.
    pub fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM and returns at once.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Stops it in the middle of whatever it does; it knows nothing of the time that passes.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Stops it politely.
    pub fn stop(self) {
        self.terminate();
        let (status, lines) = self.wait();
        assert!(status.success(), "the server ended with {status}:\n{}", lines.join("\n"));
    }

    /// Waits for its end; answers how it ended and everything it said.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not end:\n{}", self.lines().join("\n"));
            std::thread::sleep(LOOK_AGAIN);
        };
        self.end();
        (status, self.lines())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that was free a moment ago, and that no other test was given: a server takes a while until it listens, and whoever
/// listened there instead would be taken for it.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

fn listen_to(stderr: ChildStderr, said: Said) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            said.lock().unwrap().push(line);
        }
    })
}

/// Asked by hand: it is called where there is no runtime, and of a server that may not listen yet.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// Runs a case on several threads, in bounded time.
pub fn case(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(HANGS, case).await });
    ended.expect("the case hangs");
}

/// Asks until the answer is yes; says what was waited for when it never is.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !ask().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Asks until the node says that it is not ready, and answers how: what it said before holds for a second.
pub async fn unready(server: &Server) -> Answer {
    let (visitor, asked) = (server.app(), Instant::now());
    loop {
        let answer = visitor.get("/readyz").await;
        if answer.status != StatusCode::OK {
            return answer;
        }
        assert!(asked.elapsed() < PATIENCE, "the node says that it is ready");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Says that a test could not be run here, past the harness, which shows nothing of a test that passes.
pub fn skipped(why: &str) {
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
}
