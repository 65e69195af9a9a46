//! Where followers run: threads of their own that step back behind those that answer requests. On a machine that is busy
//! they fall behind rather than hold anybody up, and come up when it is over.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Turn;
use super::in_turn::{self, InTurn};
use crate::log::Log;
use crate::priority::{Behind, step_back};

/// Threads that follow; folding has further ones, as it needs them.
const THREADS: usize = 2;

pub struct Background {
    /// None once it is told to end.
    runtime: Option<Runtime>,
    following: JoinSet<()>,
    log: Arc<dyn Log>,
    turn: Turn,
}

impl Background {
    /// # Errors
    /// When the system gives no threads.
    pub fn start(log: Arc<dyn Log>, turn: Turn) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("follower")
            .on_thread_start(|| step_back(Behind::Others))
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime), following: JoinSet::new(), log, turn })
    }

    /// Has something done in turns with the other nodes, until `stop` turns true.
    pub fn follow(&mut self, follower: impl InTurn + 'static, stop: &watch::Receiver<bool>) {
        self.spawn(in_turn::follow(follower, self.log.clone(), self.turn.clone(), stop.clone()));
    }

    pub fn spawn(&mut self, follower: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            self.following.spawn_on(follower, runtime.handle());
        }
    }

    /// Done when every follower has ended.
    pub async fn ended(&mut self) {
        while self.following.join_next().await.is_some() {}
    }
}

impl Drop for Background {
    /// Whoever drops it may be answering requests, and must not wait for what is under way.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
