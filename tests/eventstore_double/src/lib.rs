//! A double of EventStoreDB: it speaks the protocol, answers as the public documentation says a server does, and fails on
//! demand. For tests alone: it keeps everything in memory, and whatever only a real server can show it does not show.
//!
//! One double is a cluster of nodes over one log, each on a port of its own. It runs on threads of its own, so that a test
//! that waits does not stop it; its life ends with the value. What is asked of it and what it answers stands in `streams`
//! (appends, reads, subscriptions, deletions) and `cluster` (gossip, features); the rules that a writer meets in `log`.
//!
//! What a server may do it does: positions rise and are not dense, system events stand between others, a follower sends
//! writers that want the leader away, ids of events are forgotten at a restart. See README.md.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a double that can't go on fails the test it is for")]
#![allow(clippy::result_large_err, reason = "a status is what a call answers, and as large as tonic makes it")]

mod cluster;
mod faults;
mod filter;
mod line;
mod log;
mod node;
mod reading;
mod refusals;
mod serve;
mod streams;
mod tls;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

pub use faults::{Held, Trouble};
pub use log::{Place, Recorded};
pub use node::Node;
pub use tls::Tls;

use cluster::Standing;
use faults::{Faults, Holds};
use log::Log;
use node::View;

/// How a double is set up.
#[derive(Clone, Debug)]
pub struct Options {
    pub nodes: u16,
    /// The first node's port, the next ones being the others'; 0 takes what is free.
    pub port: u16,
    /// Who is let in, by name and password; anybody without it.
    pub login: Option<(String, String)>,
    /// It speaks TLS and nothing else.
    pub tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 1, port: 0, login: None, tls: None }
    }
}

/// What all nodes share.
struct Shared {
    log: std::sync::Mutex<Log>,
    standing: std::sync::Mutex<Standing>,
    faults: Arc<Faults>,
    followed_from: std::sync::Mutex<Vec<Option<u64>>>,
    addresses: Vec<SocketAddr>,
    views: Vec<View>,
    login: Option<(String, String)>,
    tls: Option<TlsAcceptor>,
}

impl Shared {
    /// There are so many records by now: whoever keeps up sees them.
    fn announce(&self, records: usize) {
        self.views.iter().for_each(|view| view.reaches(records));
    }
}

/// A running double.
pub struct Double {
    shared: Arc<Shared>,
    nodes: Vec<Arc<Node>>,
    runtime: Option<Runtime>,
}

impl Double {
    /// A single node.
    pub fn start() -> Self {
        Self::with(&Options::default()).expect("no port is free")
    }

    /// So many nodes, of which the first leads.
    pub fn cluster(nodes: u16) -> Self {
        Self::with(&Options { nodes, ..Options::default() }).expect("no port is free")
    }

    pub fn with(options: &Options) -> std::io::Result<Self> {
        let port = |node: u16| if options.port == 0 { 0 } else { options.port + node };
        let listeners = (0..options.nodes).map(|node| TcpListener::bind((Ipv4Addr::LOCALHOST, port(node))));
        let listeners = listeners.collect::<std::io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<Vec<_>>>()?;
        let log = Log::new();
        let shared = Arc::new(Shared {
            views: listeners.iter().map(|_| View::of(log.len())).collect(),
            log: log.into(),
            standing: Standing::first_of(listeners.len()).into(),
            faults: Arc::default(),
            followed_from: std::sync::Mutex::default(),
            addresses,
            login: options.login.clone(),
            tls: options.tls.as_ref().map(tls::acceptor).transpose()?,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let begin = |(index, listener)| Node::start(shared.clone(), index, listener, runtime.handle().clone());
        let nodes = listeners.into_iter().enumerate().map(begin).collect();
        Ok(Self { shared, nodes, runtime: Some(runtime) })
    }

    /// How it is reached: every node is named, and the leader is preferred. Whom a client trusts that speaks TLS it has to be
    /// told besides.
    pub fn url(&self) -> String {
        let login =
            self.shared.login.as_ref().map(|(name, password)| format!("{name}:{password}@")).unwrap_or_default();
        let hosts: Vec<String> = self.shared.addresses.iter().map(SocketAddr::to_string).collect();
        let tls = self.shared.tls.is_some();
        format!("esdb://{login}{}?tls={tls}&nodePreference=leader&discoveryInterval=50", hosts.join(","))
    }

    pub fn node(&self, index: usize) -> &Arc<Node> {
        &self.nodes[index]
    }

    /// How many nodes it has.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Who leads; nobody while there is an election.
    pub fn leader(&self) -> Option<usize> {
        self.shared.standing.lock().unwrap().leader()
    }

    /// From now on nobody leads: nodes are not ready.
    pub fn depose(&self) {
        self.shared.standing.lock().unwrap().depose();
    }

    /// Another node leads. It has all that was acknowledged, and knows no ids by heart.
    pub fn elect(&self, index: usize) {
        self.nodes[index].keep_up();
        self.shared.standing.lock().unwrap().elect(index);
        let records = {
            let mut log = self.shared.log.lock().unwrap();
            log.begin_epoch();
            log.len()
        };
        self.shared.announce(records);
    }

    /// Every connection to every node ends now.
    pub fn drop_connections(&self) {
        self.nodes.iter().for_each(|node| node.drop_connections());
    }

    /// What the next appends meet with, one each.
    pub fn trouble(&self, coming: &[Trouble]) {
        self.shared.faults.order(coming);
    }

    /// Every answer takes that long from now on.
    pub fn slow(&self, each: Duration) {
        self.shared.faults.slow(each);
    }

    /// Appends to streams that begin so wait from now on, until what is given back is dropped. One whose client goes away
    /// meanwhile is not stored.
    pub fn hold(&self, streams: &str) -> Held {
        self.shared.faults.hold(Holds::Streams(streams.to_owned()))
    }

    /// The same with appends that hold an event of that type.
    pub fn hold_type(&self, event_type: &str) -> Held {
        self.shared.faults.hold(Holds::Type(event_type.to_owned()))
    }

    /// The answers to these wait: they are stored.
    pub fn hold_answers(&self, event_type: &str) -> Held {
        self.shared.faults.hold(Holds::Answers(event_type.to_owned()))
    }

    /// From now on nobody may read `$all`, or everybody again: as a server comes, it is for administrators.
    pub fn hide_all(&self, hides: bool) {
        self.shared.faults.hide(hides);
    }

    /// From now on nobody may write to streams that begin so, or everybody again to all.
    pub fn forbid(&self, beginning: Option<&str>) {
        self.shared.faults.forbid(beginning);
    }

    /// Waits until so many follow `$all`.
    pub async fn followed(&self, by: usize) {
        self.shared.faults.followed(by).await;
    }

    /// Whoever follows `$all` is told that this was all, without an error.
    pub fn end_subscriptions(&self) {
        self.shared.faults.end_subscriptions();
    }

    /// From which places on `$all` was followed, in the order in which it was asked; none where it was from what stood.
    pub fn followed_from(&self) -> Vec<Option<u64>> {
        self.shared.followed_from.lock().unwrap().clone()
    }

    /// How many appends were stored so far; those that were recognised as repetitions don't count.
    pub fn appends(&self) -> u64 {
        self.shared.log.lock().unwrap().appends()
    }

    /// All events that applications wrote, in order.
    pub fn events(&self) -> Vec<Recorded> {
        self.shared.log.lock().unwrap().all().iter().filter(|event| !event.stream.starts_with('$')).cloned().collect()
    }

    /// Streams whose names begin so and that are not deleted, in order.
    pub fn streams(&self, beginning: &str) -> Vec<String> {
        self.shared.log.lock().unwrap().living(beginning)
    }

    /// Deletes a stream for good, as somebody else may.
    pub fn tombstone(&self, stream: &str) {
        let deleted = self.shared.log.lock().unwrap().delete(stream, log::Expected::Any, true);
        assert!(deleted.is_ok(), "{stream} can't be deleted");
    }

    /// Changes what is stored behind everybody's back; answers whether there is such an event.
    pub fn alter(&self, position: u64, change: impl FnOnce(&mut Recorded)) -> bool {
        self.shared.log.lock().unwrap().alter(position, change)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
