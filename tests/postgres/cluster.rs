//! One server with its data folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use rustix::process::{Pid, Signal, kill_process};

use super::ask;

/// Nobody in particular: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PREFIX: &str = "chrysalis-postgres-";
/// A disk in memory that every Linux has.
const MEMORY: &str = "/dev/shm";
/// Several times what the whole suite needs at once.
const PLENTY: u64 = 4 << 30;

pub struct Cluster {
    folder: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    /// The postmaster, while it runs.
    running: Option<Pid>,
}

#[allow(dead_code, reason = "tests and benches need different parts of it")]
impl Cluster {
    /// As PostgreSQL comes: what is committed is on disk.
    pub fn start() -> Self {
        // In files of its own: what a killed one had in shared memory would stay there for ever.
        Self::start_with(&[("max_connections", "200"), ("dynamic_shared_memory_type", "mmap")])
    }

    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_in(&std::env::temp_dir(), settings)
    }

    /// In memory where there is plenty of it: a table costs a file of each of its indexes, and the tests make and drop
    /// tables all the time.
    pub fn start_in_memory(settings: &[(&str, &str)]) -> Self {
        let room = statvfs(MEMORY).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        if room < PLENTY {
            return Self::start_with(settings);
        }
        Self::start_in(Path::new(MEMORY), settings)
    }

    /// Keeps it until this process ends, however that is; then nothing is left of it.
    pub fn stay(self) -> String {
        let (url, postmaster) = (self.url(), self.running.unwrap().as_raw_pid());
        // Whoever reads from this process sees its end.
        let sweep = "cat; for _ in $(seq 100); do kill -0 $1 || break; sleep 0.1; done; rm -rf $0";
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", sweep]).arg(&self.folder).arg(postmaster.to_string());
        let sweeper = sweeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::mem::forget((self, sweeper));
        url
    }

    fn start_in(parent: &Path, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self::at(fresh_folder(parent), settings);
        let mut initdb = cluster.command("initdb");
        initdb.args(["-U", "chrysalis", "--auth=trust", "--locale=C", "-E", "UTF8", "--no-sync"]);
        finish(initdb.arg("-D").arg(cluster.data()));
        cluster.restart();
        ask(&cluster.url_of("postgres"), "CREATE DATABASE chrysalis");
        cluster
    }

    /// One that speaks TLS, and the certificate of the authority that certifies it as `localhost`.
    pub fn start_with_tls() -> (Self, PathBuf) {
        let mut cluster = Self::start();
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"];
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(subject)
            .args(leaf);
        finish(make.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(&cluster.folder));
        let (key, certificate) = (cluster.folder.join("key.pem"), cluster.folder.join("cert.pem"));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&key, Some(NOBODY), Some(NOBODY)).unwrap();
            chown(&certificate, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let path = |path: &Path| path.display().to_string();
        cluster.settings.extend([
            ("ssl".to_owned(), "on".to_owned()),
            ("ssl_key_file".to_owned(), path(&key)),
            ("ssl_cert_file".to_owned(), path(&certificate)),
        ]);
        cluster.kill();
        cluster.restart();
        (cluster, certificate)
    }

    fn at(folder: PathBuf, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { folder, port: free_port(), settings, running: None }
    }

    pub fn url(&self) -> String {
        self.url_of("chrysalis")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://chrysalis@127.0.0.1:{}/{database}", self.port)
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Ends it and every process of it in the middle of whatever they do.
    pub fn kill(&mut self) {
        let Some(postmaster) = self.running.take() else { return };
        let children = children(postmaster);
        // The parent first: it would start others for those that die.
        for pid in std::iter::once(postmaster).chain(children) {
            let _ = kill_process(pid, Signal::KILL);
        }
        wait_for("the killed processes end", || !is_there(postmaster));
    }

    /// Starts it on what it left, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        // A killed one leaves the name of a process that may be another's by now.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        for (key, value) in &self.settings {
            command.args(["-c", &format!("{key}={value}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.running = Some(spawn_for_life(command));
        wait_for("PostgreSQL answers", || self.answers());
    }

    /// A copy of this primary that follows it from now on.
    pub fn standby(&self) -> Self {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut standby = Self::at(fresh_folder(&std::env::temp_dir()), &settings);
        let from = format!("host=127.0.0.1 port={} user=chrysalis application_name=standby", self.port);
        let mut copy = standby.command("pg_basebackup");
        finish(copy.args(["-R", "-c", "fast", "--no-sync", "-d", &from]).arg("-D").arg(standby.data()));
        standby.restart();
        standby
    }

    /// From now on a commit is acknowledged when the standby has it too.
    pub fn wait_for_standby(&self) {
        ask(&self.url(), "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        ask(&self.url(), "SELECT pg_reload_conf()");
        let synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        wait_for("the standby follows", || !ask(&self.url(), synchronous).is_empty());
    }

    /// Makes a standby the primary. It waits for no standby of its own.
    pub fn promote(&self) {
        ask(&self.url(), "SELECT pg_promote()");
        let writes = "SELECT 1 WHERE NOT pg_is_in_recovery()";
        wait_for("the standby is promoted", || !ask(&self.url(), writes).is_empty());
        ask(&self.url(), "ALTER SYSTEM RESET synchronous_standby_names");
        ask(&self.url(), "SELECT pg_reload_conf()");
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its processes have used so far, those that ended included.
    pub fn processor_time(&self) -> Duration {
        let Some(postmaster) = self.running else { return Duration::ZERO };
        let ticks = |pid: Pid, which: std::ops::Range<usize>| -> u64 {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
            fields.skip(which.start).take(which.len()).filter_map(|field| field.parse::<u64>().ok()).sum()
        };
        // Of the postmaster, and of its children that it waited for; of those that live.
        let living: u64 = children(postmaster).into_iter().map(|child| ticks(child, 11..13)).sum();
        // USER_HZ is 100 on every Linux that a program can meet.
        Duration::from_millis((ticks(postmaster, 11..15) + living) * 10)
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn answers(&self) -> bool {
        let mut ready = self.command("pg_isready");
        ready.args(["-q", "-t", "5", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }

    /// A program of PostgreSQL's, run as somebody who is not root and killed with the thread that started it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            let nobody = NOBODY.to_string();
            // Two steps: who becomes another loses the signal that was asked for before.
            command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "setpriv"]);
        }
        command.args(["--pdeathsig", "INT"]).arg(binary(program)).current_dir(&self.folder);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what test runs that were killed have left.
pub fn sweep() {
    let folders = [std::env::temp_dir(), PathBuf::from(MEMORY)];
    for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn fresh_folder(parent: &Path) -> PathBuf {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).unwrap().keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    folder
}

/// Starts a process on a thread that never ends: the process is told to end when its thread does, so that is when this
/// whole process ends, and not when some test's thread does.
fn spawn_for_life(mut command: Command) -> Pid {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("setpriv does not run: {error}"));
        tell.send(Pid::from_child(&child)).unwrap();
        // Its end is noticed, so that nothing is left of it.
        let _ = child.wait();
        loop {
            std::thread::park();
        }
    });
    told.recv().unwrap()
}

fn children(of: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", of.as_raw_nonzero());
    let all = fs::read_to_string(path).unwrap_or_default();
    all.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

fn is_there(pid: Pid) -> bool {
    Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()
}

fn finish(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("setpriv does not run: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A program of the newest server that is installed.
fn binary(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(program))))
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    match found.pop() {
        Some((_, path)) => path,
        None => {
            let path = std::env::split_paths(option_env!("PATH").unwrap_or_default());
            path.map(|folder| folder.join(program))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("PostgreSQL's {program} is missing; ./test installs it"))
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}
