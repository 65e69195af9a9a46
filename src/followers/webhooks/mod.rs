//! Tells webhook endpoints what happens: at least once, the messages of one stream in order, each endpoint by itself so
//! that none waits for another.
//!
//! - here: which endpoints are told;
//! - [`endpoint`]: one endpoint: it reads the log, has messages sent, and says how far it has come;
//! - [`tail`]: the log as endpoints read it, together where they stand at the same place;
//! - [`lines`]: the order of its messages, and what may be kept of it at any moment;
//! - [`kept`]: what is kept of it, and by whom;
//! - [`telling`]: one message on its way.

mod endpoint;
mod kept;
mod lines;
mod tail;
mod telling;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrysalis_domain::Span;
use chrysalis_domain::id::WebhookId;
use chrysalis_projections::Value;
use chrysalis_projections::webhooks::{self, WebhookRow};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Lease;
use super::in_turn::InTurn;
use crate::app::App;
use crate::log::{LogFault, Position, Store, ask};
use crate::webhooks::{MOST, PACE};
use tail::Tail;

/// How long changes may gather before endpoints are looked at again.
const GATHER: Duration = Duration::from_millis(50);
/// How often they are looked at in any case.
const LOOK: Duration = Duration::from_secs(2);
/// How long to leave a fault of the store alone.
const AFTER_FAULT: Duration = Duration::from_secs(1);
/// Messages to one endpoint that are under way at a time, however few endpoints there are.
const SHARE: usize = 64;

/// What an operator is told of deliveries.
pub trait WebhookMetrics: Send + Sync {
    /// How old the oldest event is that an endpoint was not told of, those left aside that wait to be told again; none where
    /// it is not for us to tell.
    fn lag(&self, webhook: WebhookId, lag: Option<Span>);

    fn attempted(&self, outcome: Outcome);
}

/// What came of an attempt to tell something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Arrived,
    Failed,
    /// It was the last one.
    Lost,
}

impl Outcome {
    pub const ALL: [Outcome; 3] = [Outcome::Arrived, Outcome::Failed, Outcome::Lost];

    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Arrived => "arrived",
            Outcome::Failed => "failed",
            Outcome::Lost => "lost",
        }
    }
}

/// What it takes to tell somebody something.
struct Deliverer {
    app: App,
    /// Of which the application sees the log alone.
    store: Arc<dyn Store>,
    metrics: Arc<dyn WebhookMetrics>,
    tail: Tail,
}

/// What an endpoint's task is to do: serve this row, with so many messages under way at a time; nothing any more.
type Orders = Option<(WebhookRow, usize)>;

struct Running {
    orders: watch::Sender<Orders>,
    /// What waits to be delivered.
    waiting: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// The endpoints that are told something.
pub struct Endpoints {
    deliverer: Arc<Deliverer>,
    running: HashMap<WebhookId, Running>,
    /// What endpoints left behind that are gone is gone too.
    tidied: bool,
}

impl InTurn for Endpoints {
    const NAME: &'static str = "webhooks";
    const AFTER_FAULT: Duration = AFTER_FAULT;
    const STANDS_STILL: &'static str = "webhooks stand still; they go on when the fault is gone";

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        self.assign().await?;
        lease.waiting(Some(self.waiting()));
        if !lease.stands() {
            self.dismiss();
        }
        Ok(LOOK.min(lease.third()))
    }

    fn woken_after(&self) -> Option<Duration> {
        Some(GATHER)
    }

    fn stands_aside(&mut self, lease: &Lease) {
        self.dismiss();
        lease.waiting(None);
    }

    fn stands_still(&mut self, lease: &Lease) {
        if !lease.stands() {
            self.dismiss();
        }
    }

    async fn end(&mut self) {
        self.dismiss();
        for (_, running) in self.running.drain() {
            let _ = running.task.await;
        }
    }
}

impl Endpoints {
    pub fn new(app: App, store: Arc<dyn Store>, metrics: Arc<dyn WebhookMetrics>) -> Self {
        let deliverer = Deliverer { app, store, metrics, tail: Tail::default() };
        Self { deliverer: Arc::new(deliverer), running: HashMap::new(), tidied: false }
    }

    /// Lets every enabled endpoint have its task, and no other.
    async fn assign(&mut self) -> Result<(), LogFault> {
        let limit = i64::try_from(2 * MOST).unwrap_or(i64::MAX);
        let mut rows = ask(self.deliverer.store.as_ref(), &webhooks::ALL, &[limit.into()]).await?;
        rows.retain(|row| row.enabled);
        let share = (PACE.at_a_time / rows.len().max(1)).clamp(1, SHARE);
        self.running.retain(|webhook, running| {
            if !rows.iter().any(|row| row.webhook == *webhook) {
                running.orders.send_replace(None);
                self.tidied = false;
            }
            !running.task.is_finished()
        });
        if !self.tidied {
            self.tidy().await?;
        }
        for row in rows {
            let Some(running) = self.running.get(&row.webhook) else {
                self.begin(row, share);
                continue;
            };
            // How it goes its task knows better, and one that is about to end ends first.
            running.orders.send_if_modified(|orders| match orders {
                Some((known, known_share)) if !same(known, &row) || *known_share != share => {
                    *orders = Some((row, share));
                    true
                }
                _ => false,
            });
        }
        Ok(())
    }

    fn begin(&mut self, row: WebhookRow, share: usize) {
        let webhook = row.webhook;
        let (orders, received) = watch::channel(Some((row, share)));
        let waiting = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(endpoint::serve(self.deliverer.clone(), webhook, received, waiting.clone()));
        self.running.insert(webhook, Running { orders, waiting, task });
    }

    /// Nobody begins anything from now on; what is under way is finished.
    fn dismiss(&mut self) {
        self.running.values().for_each(|running| drop(running.orders.send_replace(None)));
        self.running.retain(|_, running| !running.task.is_finished());
    }

    fn waiting(&self) -> u64 {
        self.running.values().map(|running| running.waiting.load(Ordering::Relaxed)).sum()
    }

    /// Forgets what is kept of endpoints that are deleted.
    async fn tidy(&mut self) -> Result<(), LogFault> {
        let store = &self.deliverer.store;
        let gone = ask(store.as_ref(), &webhooks::LEFT_OVER, &[Value::Integer(16)]).await?;
        self.tidied = gone.is_empty();
        for webhook in gone.into_iter().filter(|webhook| !self.running.contains_key(webhook)) {
            kept::forget(store, webhook).await?;
        }
        Ok(())
    }
}

/// Whether both rows ask for the same, however deliveries went.
fn same(one: &WebhookRow, other: &WebhookRow) -> bool {
    let asks = |row: &WebhookRow| (row.url, row.secret, row.replays, row.updated_at);
    asks(one) == asks(other) && one.event_types == other.event_types
}
