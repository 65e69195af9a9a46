//! Somebody who wants to be told what happens: a real HTTP server, which notes all it hears and answers as it is told to.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinHandle;

/// What has not come by then does not come.
const OVERDUE: Duration = Duration::from_secs(30);

/// One message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub headers: HeaderMap,
    pub raw: String,
    pub body: Value,
    /// What was answered; none for as long as it hung.
    pub answered: Option<u16>,
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn event(&self) -> &str {
        self.body["event"].as_str().unwrap()
    }

    /// The user it tells of.
    pub fn user(&self) -> &str {
        self.body["data"]["target"]["id"].as_str().unwrap_or_else(|| panic!("no target: {}", self.body))
    }
}

/// What a receiver answers.
#[derive(Clone, Debug)]
pub enum Reaction {
    Status(u16),
    /// Nothing, for as long as anybody waits.
    Silence,
    /// After a while.
    Late(Duration, u16),
    Redirect(String),
    /// So many bytes.
    Long(usize),
}

pub const TAKEN: Reaction = Reaction::Status(204);

type React = Arc<dyn Fn(&Heard) -> Reaction + Send + Sync>;

struct Inner {
    heard: Mutex<Vec<Heard>>,
    react: Mutex<React>,
}

pub struct Receiver {
    inner: Arc<Inner>,
    url: String,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub async fn start() -> Self {
        Self::reacting(|_| TAKEN).await
    }

    pub async fn reacting(react: impl Fn(&Heard) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inner = Arc::new(Inner { heard: Mutex::default(), react: Mutex::new(Arc::new(react)) });
        let router = Router::new().fallback(hear).with_state(inner.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, url, serving }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn react(&self, react: impl Fn(&Heard) -> Reaction + Send + Sync + 'static) {
        *self.inner.react.lock().unwrap() = Arc::new(react);
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.inner.heard.lock().unwrap().clone()
    }

    /// What it heard, once that is as it should be; for as long as more comes.
    pub async fn until(&self, what: &str, fits: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let (mut known, mut since) = (0, Instant::now());
        loop {
            {
                let heard = self.inner.heard.lock().unwrap();
                if fits(&heard) {
                    return heard.clone();
                }
                if heard.len() > known {
                    (known, since) = (heard.len(), Instant::now());
                }
                let events = || heard.iter().map(|heard| (heard.event(), heard.answered)).collect::<Vec<_>>();
                assert!(since.elapsed() < OVERDUE, "never came true: {what}; heard {known}: {:?}", events());
            }
            // What is heard meanwhile is looked through each time.
            tokio::time::sleep(Duration::from_millis(5 + known as u64 / 20)).await;
        }
    }

    /// What it heard, once there is so much of it.
    pub async fn hears(&self, count: usize) -> Vec<Heard> {
        self.until(&format!("{count} messages"), |heard| heard.len() >= count).await
    }
}

async fn hear(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let raw = String::from_utf8(body.to_vec()).unwrap();
    let body = serde_json::from_str(&raw).unwrap_or(Value::Null);
    let mut heard = Heard { headers, raw, body, answered: None };
    let react = inner.react.lock().unwrap().clone();
    let reaction = react(&heard);
    heard.answered = match &reaction {
        Reaction::Status(status) => Some(*status),
        Reaction::Late(..) | Reaction::Silence => None,
        Reaction::Redirect(_) => Some(307),
        Reaction::Long(_) => Some(200),
    };
    inner.heard.lock().unwrap().push(heard);
    match reaction {
        Reaction::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reaction::Silence => std::future::pending().await,
        Reaction::Late(after, status) => {
            tokio::time::sleep(after).await;
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Reaction::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
        Reaction::Long(bytes) => "x".repeat(bytes).into_response(),
    }
}

/// As the SDK checks a message: the first `v1` of the header, under the whole secret.
pub fn sdk_accepts(heard: &Heard, secret: &str, now: i64) -> bool {
    let header = heard.header("banata-webhook-signature");
    let first = |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
    accepts(heard, first("t="), first("v1="), secret, now)
}

/// As the documented receiver does by hand: the last `v1`, under what stands behind `whsec_`.
pub fn hand_written_accepts(heard: &Heard, secret: &str, now: i64) -> bool {
    let header = heard.header("webhook-signature");
    let last = |name: &str| header.split(',').filter_map(|part| part.strip_prefix(name)).next_back().unwrap();
    accepts(heard, last("t="), last("v1="), secret.strip_prefix("whsec_").unwrap(), now)
}

fn accepts(heard: &Heard, time: &str, signature: &str, key: &str, now: i64) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{time}.{}", heard.raw).as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    hex == signature && (now - time.parse::<i64>().unwrap()).abs() <= 300
}
