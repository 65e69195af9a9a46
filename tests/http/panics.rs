//! Whatever goes wrong inside is answered like any other error: JSON, with the headers that every answer has.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrysalis::entropy::{Entropy, OsEntropy};
use serde_json::json;

use crate::support::{App, days};

/// Chance that runs out: after so many draws the next one panics, once. Below zero it never does.
struct RunsOut(AtomicI64);

impl Entropy for RunsOut {
    fn fill(&self, bytes: &mut [u8]) {
        if self.0.load(Ordering::SeqCst) >= 0 {
            assert!(self.0.fetch_sub(1, Ordering::SeqCst) != 0, "chance ran out");
        }
        OsEntropy.fill(bytes);
    }
}

async fn app() -> (App, Arc<RunsOut>) {
    let entropy = Arc::new(RunsOut(AtomicI64::new(-1)));
    (App::on(&[], entropy.clone()).await, entropy)
}

#[tokio::test]
async fn a_handler_that_panics() {
    let (app, entropy) = app().await;
    let head = app.head().await;
    // The first draw is the request's id; the later ones are the handler's.
    for draws in 1..6 {
        entropy.0.store(draws, Ordering::SeqCst);
        let answer = app.browser().post("/sign-in/anonymous", &json!({})).await;
        answer.says(500, "INTERNAL_SERVER_ERROR", "Internal server error");
        assert_eq!(answer.cookies(), []);
        assert!(answer.header("access-control-allow-origin").is_some());
    }
    assert_eq!(app.head().await, head);
    app.browser().arrive().await;
}

#[tokio::test]
async fn what_stands_before_the_handlers_panics() {
    let (app, entropy) = app().await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(days(2));
    // The session's use and its longer life are noted before the handler runs.
    entropy.0.store(1, Ordering::SeqCst);
    browser.get("/get-session").await.says(500, "INTERNAL_SERVER_ERROR", "Internal server error");
    browser.get("/get-session").await.ok();
}
