//! What only a store of several nodes can show: the nodes get in each other's way, and agree.

mod analysts;
mod follow;
mod races;
mod start;
mod tls;

use std::sync::Arc;

use chrysalis::clock::MockClock;
use chrysalis::log::Store as WholeStore;

use super::store::{Postgres, ROOMY, Store};
use super::world::{World, clock};

/// Logs of several nodes on one schema.
async fn nodes(store: &Postgres, clock: &MockClock, count: usize) -> Vec<Arc<dyn WholeStore>> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(store.open(clock, ROOMY).await);
    }
    nodes
}

/// Two nodes with one keyring; each has chance of its own.
async fn two_worlds(store: &Postgres) -> [Arc<World>; 2] {
    let clock = clock();
    let mut logs = nodes(store, &clock, 2).await.into_iter();
    let one = World::around(logs.next().unwrap(), clock.clone(), 1).await;
    let other = World::around(logs.next().unwrap(), clock, 2).await;
    [Arc::new(one), Arc::new(other)]
}
