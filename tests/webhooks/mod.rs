//! Webhooks: who is told what, how they know that it was us, and what becomes of messages that are not taken.

mod endpoints;
mod messages;
mod order;
pub mod receiver;
mod replay;
mod retries;

use serde_json::{Value, json};

use crate::support::{App, KEY, Method};
use receiver::Receiver;

/// Receivers of the tests stand on this machine.
pub const LOOPBACK: (&str, &str) = ("outgoing.allow", "127.0.0.0/8");

async fn app() -> App {
    App::with(&[KEY, LOOPBACK, ("rate_limits", "off")]).await
}

/// An endpoint at that receiver, as it was answered.
async fn endpoint(app: &App, receiver: &Receiver, event_types: &[&str]) -> Value {
    let body = json!({ "url": receiver.url(), "eventTypes": event_types });
    app.operator().post("/banata/webhooks/create", &body).await.ok()
}

/// The one endpoint there is, as it stands.
async fn row(app: &App) -> Value {
    app.operator().post("/banata/webhooks/list", &json!({})).await.ok()["data"][0].clone()
}

/// The one endpoint there is, once it is as it should be.
async fn row_when(app: &App, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let asked = std::time::Instant::now();
    loop {
        let row = row(app).await;
        if fits(&row) {
            return row;
        }
        assert!(asked.elapsed() < std::time::Duration::from_secs(20), "never came true: {what}; it is {row}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Waits until an operator is told that so many messages wait.
async fn waits(app: &App, messages: u64) {
    figures_when(app, &[&format!("chrysalis_follower_waiting{{follower=\"webhooks\"}} {messages}\n")]).await;
}

/// Waits until an operator is told all of it.
async fn figures_when(app: &App, wanted: &[&str]) {
    figures_that(app, &format!("{wanted:?}"), |figures| wanted.iter().all(|line| figures.contains(line))).await;
}

/// Waits until an operator is told nothing of it any more.
async fn figures_without(app: &App, name: &str) {
    figures_that(app, &format!("without {name}"), |figures| !figures.contains(name)).await;
}

async fn figures_that(app: &App, what: &str, fit: impl Fn(&str) -> bool) {
    let asked = std::time::Instant::now();
    loop {
        let figures = app.program().at(Method::GET, "/metrics").await.text;
        if fit(&figures) {
            return;
        }
        assert!(asked.elapsed() < std::time::Duration::from_secs(20), "never came true: {what}; {figures}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}
