//! Several nodes on one PostgreSQL, and what can happen to them and to it.

mod cut;
mod failover;
mod kill;
mod outage;
mod paused;
mod settings;
mod together;
mod waves;
mod webhooks;

use crate::process::{Server, eventually};

/// Waits until a server that was refusing answers again, by itself.
async fn answers_again(server: &Server) {
    let app = server.app();
    eventually("the node answers again", || async {
        let arrived = app.try_post("/sign-in/anonymous", serde_json::json!({})).await;
        arrived.is_some_and(|answer| answer.status == reqwest::StatusCode::OK)
    })
    .await;
}
