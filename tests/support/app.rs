//! A running server.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis::clock::{Clock, MockClock};
use chrysalis::config::{Config, Overrides};
use chrysalis::entropy::{Entropy, OsEntropy};
use chrysalis::followers::models;
use chrysalis::log::follow::{Generation, Stage};
use chrysalis::log::transfer::SIDE_TABLES;
use chrysalis::log::{Recorded, Store as WholeStore, ask};
use chrysalis::serve::{Ports, Server, StartError};
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::{mails, search};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::client::Client;
use super::store::Store;
use crate::process::free_port;

/// 2027-01-15T08:00:00.007Z: three fraction digits, the first two of them zeros.
pub const START: Timestamp = Timestamp::from_millis(1_800_000_000_007);

/// Mails come a moment after the answer; one that takes longer than this does not come.
const MAIL_OVERDUE: Duration = Duration::from_secs(20);

/// Longer than any job takes here.
const JOB_OVERDUE: Duration = Duration::from_secs(60);

/// A key of the configuration and its value.
pub type Tweak<'a> = (&'a str, &'a str);

/// The first API key.
pub const KEY: Tweak<'_> = ("bootstrap_api_key", "sk_test_0123456789abcdefghijklmnopqrstuv");

/// A server that answers on loopback, with a store of its own.
pub struct App {
    pub clock: MockClock,
    address: SocketAddr,
    origin: String,
    http: reqwest::Client,
    log: Arc<dyn WholeStore>,
    serving: JoinHandle<()>,
    store: Store,
}

impl App {
    /// As it comes, without a configuration.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(tweaks: &[Tweak<'_>]) -> Self {
        Self::on(tweaks, Arc::new(OsEntropy)).await
    }

    /// With chance of the test's own making.
    pub async fn on(tweaks: &[Tweak<'_>], entropy: Arc<dyn Entropy>) -> Self {
        Self::at(tweaks, entropy, MockClock::at(START)).await
    }

    /// On a clock that somebody else sees, too.
    pub async fn at(tweaks: &[Tweak<'_>], entropy: Arc<dyn Entropy>, clock: MockClock) -> Self {
        let ports = Ports { clock: Arc::new(clock.clone()), entropy };
        let store = Store::fresh();
        let (server, config) = loop {
            let config = config(&store, free_port(), tweaks);
            match Server::start(config.clone(), ports.clone()).await {
                // Somebody else took the port in between.
                Err(StartError::Listen { .. }) => {}
                started => break (started.unwrap(), config),
            }
        };
        let (address, log) = (server.address().unwrap(), server.store());
        let serving = tokio::spawn(async move { server.run(std::future::pending()).await.unwrap() });
        let http = super::http().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { clock, address, origin: config.public.to_string(), http, log, serving, store }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The public URL.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn pass(&self, span: Span) {
        self.clock.advance(span);
    }

    /// Now, as tokens count.
    pub fn clock_seconds(&self) -> i64 {
        self.clock.now().as_millis() / 1000
    }

    /// How dates look in answers: of the instant `after` from now.
    pub fn date(&self, after: Span) -> Value {
        let at = jiff::Timestamp::from_millisecond((self.clock.now() + after).as_millis()).unwrap();
        Value::from(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
    }

    /// The position of the last event: what has happened so far, once all mails that were asked for are on their way.
    pub async fn head(&self) -> u64 {
        let asked = Instant::now();
        while !ask(self.log.as_ref(), &mails::NEXT, &[1.into()]).await.unwrap().is_empty() {
            assert!(asked.elapsed() < MAIL_OVERDUE, "a mail stays where it is");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What is stored, not what this node has told its followers: that may be a moment behind a mail's own event.
        self.events().await.last().map_or(0, |event| event.position)
    }

    /// Waits until the read models that follow the log have seen what has happened so far.
    #[allow(dead_code, reason = "for the cases of models that follow")]
    pub async fn followed(&self) {
        assert!(models::caught_up(self.log.as_ref(), MAIL_OVERDUE).await.unwrap(), "a read model stays behind");
    }

    /// Waits until a follower has come to that place.
    pub async fn until_at(&self, follower: &str, place: u64) {
        let asked = Instant::now();
        while self.log.checkpoint(follower).await.unwrap() != place {
            assert!(asked.elapsed() < MAIL_OVERDUE, "{follower} does not come to {place}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until users are found by what they are called after what has happened so far.
    pub async fn searchable(&self) {
        let (head, asked) = (self.log.end().await.unwrap(), Instant::now());
        let is_there = |one: &Generation| one.model.name == search::MODEL.name && one.stage == Stage::Live;
        while self.log.generations().await.unwrap().iter().find(|one| is_there(one)).unwrap().position < head {
            assert!(asked.elapsed() < MAIL_OVERDUE, "what users are searched by stays behind");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.followed().await;
    }

    /// Names the table that users are searched in: another one is named otherwise.
    pub async fn search_table(&self) -> Option<String> {
        self.store.search_table()
    }

    /// Whether a text stands in the store's own files in clear, or in a table where others keep the files.
    pub fn holds(&self, text: &str) -> bool {
        self.store.holds(text)
    }

    /// Whether it stands anywhere in the data folder or, on PostgreSQL, in any row, in whichever of the forms that bytes are
    /// written in.
    pub fn holds_in_any_form(&self, text: &str) -> bool {
        super::forms::of(text).iter().any(|form| self.store.holds_bytes(form))
    }

    /// All that happened, in order.
    pub async fn events(&self) -> Vec<Recorded> {
        self.log.read_all(0, 100_000).await.unwrap()
    }

    /// The last event of a type.
    pub async fn last(&self, event_type: &str) -> Recorded {
        self.events().await.into_iter().rfind(|event| event.event_type == event_type).unwrap()
    }

    /// The types of all events, in order.
    pub async fn types(&self) -> Vec<String> {
        self.events().await.into_iter().map(|event| event.event_type).collect()
    }

    /// How many sealed records there are.
    pub async fn sealed(&self) -> usize {
        let table = SIDE_TABLES.iter().find(|table| table.name == "sealed").unwrap();
        self.log.side_rows(table, None, 100_000).await.unwrap().len()
    }

    /// How often something was stored.
    pub async fn appends(&self) -> usize {
        let events = self.log.read_all(0, 100_000).await.unwrap();
        events.into_iter().map(|event| event.command_id).collect::<HashSet<_>>().len()
    }

    /// Who caused what, in order: the type of each event, and the kind, id and impersonator of its actor.
    pub async fn actors(&self) -> Vec<(String, String, Option<String>, Option<String>)> {
        let events = self.log.read_all(0, 100_000).await.unwrap();
        events
            .into_iter()
            .map(|event| (event.event_type, event.actor_type, event.actor_id, event.impersonator))
            .collect()
    }

    /// All that the log holds, as text.
    pub async fn everything(&self) -> String {
        let events = self.log.read_all(0, 100_000).await.unwrap();
        events.iter().map(|event| String::from_utf8_lossy(&event.body).into_owned()).collect()
    }

    /// Waits until something of that type has happened so many times.
    pub async fn until(&self, wanted: &str, times: usize) {
        let asked = Instant::now();
        while self.types().await.iter().filter(|event_type| *event_type == wanted).count() < times {
            assert!(asked.elapsed() < MAIL_OVERDUE, "nothing of the kind {wanted} happened");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A job, when it has ended.
    pub async fn ended(&self, job: &Value) -> Value {
        let asked = Instant::now();
        loop {
            let now = self.operator().post("/admin/get-job", &json!({ "jobId": job["id"] })).await.ok();
            if now["status"] != "running" {
                return now;
            }
            assert!(asked.elapsed() < JOB_OVERDUE, "the job does not end: {job}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs a command of the binary on the same store, beside the server, and answers what it says.
    pub fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chrysalis"));
        command.env_clear().args(arguments);
        for (key, value) in self.store.config() {
            command.args(["--set", &format!("{key}={value}")]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A program without cookies and without an origin.
    pub fn program(&self) -> Client {
        Client::new(self.http.clone(), format!("http://{}", self.address))
    }

    /// A program on another network, as far as limits count: each address of the loopback is one.
    pub fn program_at(&self, number: u8) -> Client {
        let address = Ipv4Addr::new(127, 0, 1, number);
        let http =
            super::http().redirect(reqwest::redirect::Policy::none()).no_proxy().local_address(Some(address.into()));
        Client::new(http.build().unwrap(), format!("http://{}", self.address))
    }

    /// A program that has a session token.
    pub fn bearer(&self, token: &str) -> Client {
        self.program().always("authorization", &format!("Bearer {token}"))
    }

    /// A program with the first API key, which may do everything. Needs [`KEY`] in the configuration.
    pub fn operator(&self) -> Client {
        self.bearer(KEY.1)
    }

    /// A program with an API key that may do no more than this.
    pub async fn key(&self, permissions: &[&str]) -> Client {
        let asked = json!({ "name": "a test", "permissions": permissions });
        let made = self.operator().post("/api-key/create", &asked).await.ok();
        self.bearer(made["key"].as_str().unwrap())
    }

    /// An administrator in a browser. Needs [`KEY`] in the configuration.
    pub async fn admin(&self, email: &str) -> Client {
        let asked = json!({ "email": email, "password": super::PASSWORD, "name": "Ada", "role": "admin" });
        self.operator().post("/admin/create-user", &asked).await.ok();
        let browser = self.browser();
        browser.sign_in(email).await;
        browser
    }

    /// A page of the app in a browser that has no cookies yet.
    pub fn browser(&self) -> Client {
        self.program().always("origin", &self.origin).with_jar()
    }

    /// The newest mail to an address. Needs `dev` on.
    pub async fn mail(&self, to: &str) -> Value {
        self.mails(to, 1).await.pop().unwrap()
    }

    /// The mails to an address, oldest first, once there are as many.
    pub async fn mails(&self, to: &str, count: usize) -> Vec<Value> {
        let asked = Instant::now();
        loop {
            let outbox = self.program().at(super::Method::GET, &format!("/dev/mail.json?to={to}")).await.ok();
            match outbox {
                Value::Array(mails) if mails.len() >= count => return mails,
                _ => assert!(asked.elapsed() < MAIL_OVERDUE, "no mail came to {to}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn config(store: &Store, port: u16, tweaks: &[Tweak<'_>]) -> Config {
    let mut values: BTreeMap<String, String> = store.config().into_iter().collect();
    values.insert("listen".to_owned(), format!("127.0.0.1:{port}"));
    values.insert("base_url".to_owned(), format!("http://127.0.0.1:{port}"));
    values.extend(tweaks.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Config::from(&Overrides { file: None, values }, &BTreeMap::new()).unwrap()
}
