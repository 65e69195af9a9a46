//! What lies between a client and a node: it can be cut or lost, so that nothing comes through and nobody is told, and it can
//! break.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, split};
use tokio::net::TcpStream;
use tokio::sync::watch;

#[derive(Clone, Copy, Default)]
pub struct State {
    cut: bool,
    /// How often all that stood was lost: what begins later is not.
    losses: u64,
    /// How often it broke: what was carried before the last time is carried no more.
    breaks: u64,
}

#[derive(Default)]
pub struct Line {
    state: watch::Sender<State>,
    counts: Counts,
}

/// How many connections there were, and how many there are.
#[derive(Clone, Default)]
pub struct Counts {
    pub begun: Arc<AtomicU64>,
    pub standing: Arc<AtomicU64>,
}

impl Line {
    pub fn cut(&self, cut: bool) {
        self.state.send_modify(|state| state.cut = cut);
    }

    /// Every connection that stands carries nothing any more.
    pub fn lose(&self) {
        self.state.send_modify(|state| state.losses += 1);
    }

    /// Every connection ends now.
    pub fn break_off(&self) {
        self.state.send_modify(|state| state.breaks += 1);
    }

    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }
}

/// Counts as a connection as long as this lives.
struct Stands(Arc<AtomicU64>);

impl Stands {
    fn one(counts: Counts) -> Self {
        counts.begun.fetch_add(1, Ordering::Relaxed);
        counts.standing.fetch_add(1, Ordering::Relaxed);
        Self(counts.standing)
    }
}

impl Drop for Stands {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Carries one connection until it ends or breaks.
pub async fn carry(client: TcpStream, node: DuplexStream, mut state: watch::Receiver<State>, counts: Counts) {
    let _stands = Stands::one(counts);
    let _ = client.set_nodelay(true);
    let ((from_client, to_client), (from_node, to_node)) = (client.into_split(), split(node));
    let (up, down) = (state.clone(), state.clone());
    let breaks = state.borrow().breaks;
    tokio::select! {
        _ = state.wait_for(|state| state.breaks != breaks) => {}
        () = one_way(from_client, to_node, up) => {}
        () = one_way(from_node, to_client, down) => {}
    }
}

async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut state: watch::Receiver<State>) {
    let losses = state.borrow().losses;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| !state.cut && state.losses == losses).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
