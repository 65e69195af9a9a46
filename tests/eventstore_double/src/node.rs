//! One node: a port, the line to it, what it has seen of the log, and whom it lets in.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{DuplexStream, duplex};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;

use crate::faults::Trouble;
use crate::line::{Counts, Line, State, carry};
use crate::log::{Expected, Log, Proposed, Rejected, Written};
use crate::{Shared, refusals, serve, tls};

/// Bytes on their way between a line and its node.
const BUFFER: usize = 256 * 1024;
/// Another process may hold a node's port for a moment while it is down.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) line: Line,
    index: usize,
    runtime: Handle,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// What a node has seen of the log.
pub(crate) struct View {
    records: watch::Sender<usize>,
    /// It sees nothing new.
    behind: AtomicBool,
}

impl View {
    pub fn of(records: usize) -> Self {
        Self { records: watch::channel(records).0, behind: AtomicBool::new(false) }
    }

    /// There are so many records by now.
    pub fn reaches(&self, records: usize) {
        if !self.behind.load(Ordering::Relaxed) {
            self.records.send_if_modified(|seen| std::mem::replace(seen, records.max(*seen)) < records);
        }
    }
}

/// What answers for a node.
#[derive(Clone)]
pub(crate) struct Service {
    pub node: Arc<Node>,
}

/// What became of an append.
pub(crate) enum Outcome {
    Written(Written),
    Rejected(Rejected),
    NotLeader(SocketAddr),
    Denied,
    NotReady,
    TooBusy,
    TimedOut,
}

impl Node {
    pub(crate) fn start(shared: Arc<Shared>, index: usize, listener: TcpListener, runtime: Handle) -> Arc<Self> {
        let (line, running) = (Line::default(), Mutex::default());
        let node = Arc::new(Self { shared, line, index, runtime, running });
        node.serve(listener);
        node
    }

    fn serve(self: &Arc<Self>, listener: TcpListener) {
        listener.set_nonblocking(true).expect("a listener that can wait");
        let (service, line, counts) = (Service { node: self.clone() }, self.line.state(), self.line.counts());
        let tls = self.shared.tls.clone();
        let running = async move {
            let (connections, incoming) = mpsc::channel(64);
            let serving = Server::builder()
                .add_service(serve::Streams(service.clone()))
                .add_service(serve::Gossip(service.clone()))
                .add_service(serve::ServerFeatures(service))
                .serve_with_incoming(ReceiverStream::new(incoming));
            tokio::select! {
                _ = serving => {}
                _ = accept(listener, line, counts, tls, connections) => {}
            }
        };
        *self.running.lock().unwrap() = Some(self.runtime.spawn(running));
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.addresses[self.index]
    }

    /// Nothing comes through to it from now on, and nobody is told.
    pub fn cut(&self) {
        self.line.cut(true);
    }

    /// What was cut is whole again; what was on its way arrives now.
    pub fn mend(&self) {
        self.line.cut(false);
    }

    /// Connections that stand carry nothing any more, and nobody is told, as where what lies between forgot them; new ones do.
    pub fn lose_connections(&self) {
        self.line.lose();
    }

    /// How many connections came to it so far.
    pub fn connections(&self) -> u64 {
        self.line.counts().begun.load(Ordering::Relaxed)
    }

    /// How many of them stand.
    pub fn standing(&self) -> u64 {
        self.line.counts().standing.load(Ordering::Relaxed)
    }

    /// Every connection to it ends now.
    pub fn drop_connections(&self) {
        self.line.break_off();
    }

    /// It stops in the middle of whatever it does, and its port with it. What it acknowledged stays.
    pub fn crash(&self) {
        if let Some(running) = self.running.lock().unwrap().take() {
            running.abort();
        }
        self.line.break_off();
        self.shared.standing.lock().unwrap().died(self.index);
    }

    /// It comes back on the same port. A leader has forgotten which ids it saw; in a cluster somebody has to be elected.
    pub fn restart(self: &Arc<Self>) {
        let deadline = std::time::Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(self.address()) {
                Ok(listener) => break listener,
                Err(error) => assert!(std::time::Instant::now() < deadline, "the port is gone: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let leads = self.shared.standing.lock().unwrap().came_back(self.index);
        let records = {
            let mut log = self.shared.log.lock().unwrap();
            if leads {
                log.begin_epoch();
            }
            log.len()
        };
        self.shared.announce(records);
        self.serve(listener);
    }

    /// It sees nothing new from now on, as a follower may that is slow.
    pub fn fall_behind(&self) {
        self.view().behind.store(true, Ordering::Relaxed);
    }

    /// It sees everything again.
    pub fn keep_up(&self) {
        self.view().behind.store(false, Ordering::Relaxed);
        self.view().reaches(self.shared.log.lock().unwrap().len());
    }

    fn view(&self) -> &View {
        &self.shared.views[self.index]
    }

    /// How many records it has seen, as they become more.
    pub(crate) fn seen(&self) -> watch::Receiver<usize> {
        self.view().records.subscribe()
    }

    /// Whether somebody may ask anything here.
    pub(crate) fn admits(&self, asking: &MetadataMap) -> Result<(), Status> {
        if let Some(login) = &self.shared.login {
            let said = asking.get("authorization").and_then(|said| said.to_str().ok());
            let said = said.ok_or_else(refusals::access_denied)?;
            let said = said.strip_prefix("Basic ").and_then(|said| STANDARD.decode(said).ok());
            let expected = format!("{}:{}", login.0, login.1);
            if said.as_deref() != Some(expected.as_bytes()) {
                return Err(refusals::unknown_user());
            }
        }
        Ok(())
    }

    /// Whether somebody may read here: with a leader about, and at the leader if they insist.
    pub(crate) fn shows(&self, asking: &MetadataMap) -> Result<(), Status> {
        match self.shared.standing.lock().unwrap().leader() {
            None => Err(refusals::not_ready()),
            Some(leader) if leader != self.index && insists(asking) => {
                Err(refusals::not_leader(self.shared.addresses[leader]))
            }
            Some(_) => Ok(()),
        }
    }

    /// Stores, or meets with the trouble that was ordered.
    pub(crate) async fn store(
        &self,
        insists: bool,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Outcome {
        let types: Vec<String> = events.iter().map(|event| event.event_type.clone()).collect();
        let append = |log: &mut Log| log.append(stream, expected, events);
        self.write(insists, stream, &types, append).await
    }

    pub(crate) async fn write<F>(&self, insists: bool, stream: &str, types: &[String], write: F) -> Outcome
    where
        F: FnOnce(&mut Log) -> Result<Written, Rejected>,
    {
        let shared = &self.shared;
        shared.faults.pass(stream, types).await;
        // A follower passes on what does not insist on the leader.
        match shared.standing.lock().unwrap().leader() {
            None => return Outcome::NotReady,
            Some(leader) if leader != self.index && insists => return Outcome::NotLeader(shared.addresses[leader]),
            Some(_) => {}
        }
        if shared.faults.forbids(stream) {
            return Outcome::Denied;
        }
        let trouble = shared.faults.next();
        match trouble {
            Trouble::Broken => self.lose().await,
            Trouble::TimedOut => return Outcome::TimedOut,
            Trouble::NotReady => return Outcome::NotReady,
            Trouble::TooBusy => return Outcome::TooBusy,
            Trouble::Nothing | Trouble::AnswerLost | Trouble::TimedOutStored => {}
        }
        let (written, records) = {
            let mut log = shared.log.lock().unwrap();
            let written = write(&mut log);
            (written, log.len())
        };
        shared.announce(records);
        shared.faults.pass_answer(types).await;
        shared.faults.delay().await;
        match trouble {
            Trouble::AnswerLost => self.lose().await,
            Trouble::TimedOutStored => return Outcome::TimedOut,
            _ => {}
        }
        written.map_or_else(Outcome::Rejected, Outcome::Written)
    }

    /// The connection breaks, and with it whatever waits for an answer.
    async fn lose(&self) {
        self.line.break_off();
        std::future::pending::<()>().await;
    }
}

/// Takes connections, and puts the line before each.
async fn accept(
    listener: TcpListener,
    line: watch::Receiver<State>,
    counts: Counts,
    acceptor: Option<TlsAcceptor>,
    connections: mpsc::Sender<std::io::Result<DuplexStream>>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        let (near, far) = duplex(BUFFER);
        tokio::spawn(carry(client, near, line.clone(), counts.clone()));
        if let Some(acceptor) = &acceptor {
            tokio::spawn(tls::open(acceptor.clone(), far, connections.clone()));
        } else if connections.send(Ok(far)).await.is_err() {
            return Ok(());
        }
    }
}

/// Whether somebody wants the leader and nobody else.
pub(crate) fn insists(asking: &MetadataMap) -> bool {
    asking
        .get("requires-leader")
        .and_then(|said| said.to_str().ok())
        .is_some_and(|said| said.eq_ignore_ascii_case("true"))
}
