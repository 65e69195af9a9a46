//! Figures for an operator, as OpenMetrics text. What a request touches is registered beforehand, so that counting
//! allocates nothing.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use chrysalis_domain::Span;
use chrysalis_domain::id::WebhookId;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::followers::FollowerMetrics;
use crate::followers::proof::ProofMetrics;
use crate::followers::webhooks::{Outcome, WebhookMetrics};
use crate::hasher::Hasher;
use crate::limits::Limits;
use crate::log::WriterMetrics;

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    routes: HashMap<String, Route>,
    other: Route,
    queue_depth: Gauge,
    batch_groups: Histogram,
    commit_seconds: Histogram,
    events: Counter,
    failed_groups: Counter,
    hash_queue: Gauge,
    hashes: Counter,
    limited: Family<RuleLabel, Counter>,
    follower_waiting: Family<FollowerLabel, Gauge>,
    follower_turn: Family<FollowerLabel, Gauge>,
    proof_signed: Gauge,
    proof_forked: Gauge,
    webhook_lag: Family<EndpointLabel, Gauge<f64, AtomicU64>>,
    webhook_attempts: [Counter; Outcome::ALL.len()],
    uptime: Gauge<f64, AtomicU64>,
    started: Instant,
}

/// Requests to one route, by class of status.
struct Route {
    by_class: [Counter; 5],
    seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabel {
    rule: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FollowerLabel {
    follower: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Metrics {
    /// `routes` are the templates of the router; everything else is counted as `other`.
    pub fn new(routes: impl IntoIterator<Item = String>) -> Self {
        let mut registry = Registry::with_prefix("chrysalis");
        let requests = Family::<RequestLabels, Counter>::default();
        let seconds = Family::<RouteLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_1, 2.5, 12))
        });
        registry.register("http_requests", "Requests answered, by route and class of status", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        let route = |name: &str| Route {
            by_class: CLASSES
                .map(|status| requests.get_or_create_owned(&RequestLabels { route: name.to_owned(), status })),
            seconds: seconds.get_or_create_owned(&RouteLabel { route: name.to_owned() }),
        };
        let routes = routes.into_iter().map(|name| (name.clone(), route(&name))).collect();
        let other = route("other");

        let queue_depth = Gauge::default();
        registry.register(
            "writer_queue_groups",
            "Groups that waited when the writer took its last batch",
            queue_depth.clone(),
        );
        let batch_groups = Histogram::new(exponential_buckets(1.0, 2.0, 12));
        registry.register("writer_batch_groups", "Groups in a committed batch", batch_groups.clone());
        let commit_seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 14));
        registry.register_with_unit(
            "writer_commit_duration",
            "Time a batch took, checks and fsync included",
            Unit::Seconds,
            commit_seconds.clone(),
        );
        let events = Counter::default();
        registry.register("log_events", "Events appended", events.clone());
        let failed_groups = Counter::default();
        registry.register("writer_failed_groups", "Groups that a fault kept from being stored", failed_groups.clone());
        let hash_queue = Gauge::default();
        registry.register("hash_queue_jobs", "Password hashes waiting", hash_queue.clone());
        let hashes = Counter::default();
        registry.register("hashes", "Password hashes computed", hashes.clone());
        let limited = Family::<RuleLabel, Counter>::default();
        registry.register("rate_limited", "Requests refused, by rule or budget", limited.clone());
        let follower_waiting = Family::<FollowerLabel, Gauge>::default();
        registry.register(
            "follower_waiting",
            "What waits to be done on the node whose turn it is: mails to be tried again, counted up to 64; events that a read model has not seen; what webhook endpoints have still to be told",
            follower_waiting.clone(),
        );
        let follower_turn = Family::<FollowerLabel, Gauge>::default();
        registry.register("follower_turn", "1 on the node that follows, 0 on the others", follower_turn.clone());
        let proof_signed = Gauge::default();
        registry.register(
            "proof_signed_events",
            "Events that the newest checkpoint is about, on the node whose turn it is",
            proof_signed.clone(),
        );
        let proof_forked = Gauge::default();
        registry.register(
            "proof_forked",
            "1 when the log was found not to be what was signed, on the node whose turn it is: nothing more is signed",
            proof_forked.clone(),
        );
        let webhook_lag = Family::<EndpointLabel, Gauge<f64, AtomicU64>>::default();
        registry.register_with_unit(
            "webhook_lag",
            "Age of the oldest event that an endpoint was not told of, but for what waits to be told again",
            Unit::Seconds,
            webhook_lag.clone(),
        );
        let attempts = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "webhook_attempts",
            "Attempts to tell webhook endpoints something, by what came of them",
            attempts.clone(),
        );
        let webhook_attempts =
            Outcome::ALL.map(|outcome| attempts.get_or_create_owned(&OutcomeLabel { outcome: outcome.name() }));
        let uptime = Gauge::<f64, AtomicU64>::default();
        registry.register_with_unit("uptime", "Time since the process started", Unit::Seconds, uptime.clone());

        Self {
            registry,
            routes,
            other,
            queue_depth,
            batch_groups,
            commit_seconds,
            events,
            failed_groups,
            hash_queue,
            hashes,
            limited,
            follower_waiting,
            follower_turn,
            proof_signed,
            proof_forked,
            webhook_lag,
            webhook_attempts,
            uptime,
            started: Instant::now(),
        }
    }

    /// Starts the clock for one request.
    pub fn start(&self, route: &str) -> Timer<'_> {
        let route = self.routes.get(route).unwrap_or(&self.other);
        Timer { route, begun: Instant::now() }
    }

    /// Everything, as text; takes up what others count.
    pub fn encode(&self, hasher: &Hasher, limits: &Limits) -> String {
        self.hash_queue.set(i64::try_from(hasher.queue_depth()).unwrap_or(i64::MAX));
        raise(&self.hashes, hasher.hashes_total());
        for (rule, refusals) in limits.refusals() {
            raise(&self.limited.get_or_create_owned(&RuleLabel { rule }), refusals);
        }
        self.uptime.set(self.started.elapsed().as_secs_f64());
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn raise(counter: &Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// One request on its way.
pub struct Timer<'a> {
    route: &'a Route,
    begun: Instant,
}

impl Timer<'_> {
    pub fn stop(self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len());
        self.route.by_class[class - 1].inc();
        self.route.seconds.observe(self.begun.elapsed().as_secs_f64());
    }
}

impl WriterMetrics for Metrics {
    fn committed(&self, groups: usize, events: u64, took: Duration) {
        self.batch_groups.observe(u32::try_from(groups).map_or(f64::INFINITY, f64::from));
        self.events.inc_by(events);
        self.commit_seconds.observe(took.as_secs_f64());
    }

    fn failed(&self, groups: usize) {
        self.failed_groups.inc_by(u64::try_from(groups).unwrap_or(u64::MAX));
    }

    fn queued(&self, depth: usize) {
        self.queue_depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}

impl FollowerMetrics for Metrics {
    fn waiting(&self, follower: &'static str, waiting: Option<u64>) {
        let label = FollowerLabel { follower };
        self.follower_turn.get_or_create_owned(&label).set(i64::from(waiting.is_some()));
        self.follower_waiting.get_or_create_owned(&label).set(i64::try_from(waiting.unwrap_or(0)).unwrap_or(i64::MAX));
    }
}

impl ProofMetrics for Metrics {
    fn signed(&self, size: u64) {
        self.proof_signed.set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    fn forked(&self, forked: bool) {
        self.proof_forked.set(forked.into());
    }
}

impl WebhookMetrics for Metrics {
    fn lag(&self, webhook: WebhookId, lag: Option<Span>) {
        let label = EndpointLabel { endpoint: webhook.to_string() };
        if let Some(lag) = lag {
            self.webhook_lag.get_or_create_owned(&label).set(seconds(lag));
        } else {
            self.webhook_lag.remove(&label);
        }
    }

    fn attempted(&self, outcome: Outcome) {
        self.webhook_attempts[outcome as usize].inc();
    }
}

fn seconds(span: Span) -> f64 {
    Duration::from_millis(span.as_millis().unsigned_abs()).as_secs_f64()
}
