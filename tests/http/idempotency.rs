//! `Idempotency-Key`: an arrival that is sent again makes no second guest, and no key to somebody else's session
//! (CONTRACT 2.1).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, Answer, App, Client, hours, seconds};

const KEY: &str = "kN0vQ2m9sX4rT7yB1cE6fH";

async fn arrive(caller: &Client, key: &str) -> Answer {
    caller.post("/sign-in/anonymous", &json!({})).header("idempotency-key", key).await
}

fn token(guest: &Value) -> &str {
    guest["token"].as_str().unwrap()
}

async fn is_refused(app: &App) {
    let head = app.head().await;
    arrive(&app.program(), KEY).await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn parallel_arrivals_with_one_key_are_one_guest() {
    let app = App::start().await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let caller = app.program();
                async move { arrive(&caller, KEY).await.ok() }
            })
        })
        .collect();
    let mut guests = Vec::new();
    for call in calls {
        guests.push(call.await.unwrap());
    }
    for guest in &guests {
        for field in ["/token", "/user/id", "/session/id", "/session/token", "/session/expiresAt"] {
            assert_eq!(guest.pointer(field), guests[0].pointer(field));
        }
    }
    assert_eq!(app.bearer(token(&guests[0])).session().await["user"], guests[0]["user"]);
}

#[tokio::test]
async fn ten_minutes_long_and_not_a_moment_longer() {
    let app = App::start().await;
    let guest = arrive(&app.program(), KEY).await.ok();
    for wait in [1, 59, 240, 300] {
        app.pass(seconds(wait));
        assert_eq!(token(&arrive(&app.program(), KEY).await.ok()), token(&guest), "nobody has used the session yet");
    }
    app.pass(A_MILLISECOND);
    is_refused(&app).await;
    app.pass(hours(20));
    is_refused(&app).await;
}

#[tokio::test]
async fn five_seconds_after_the_session_was_first_used() {
    let app = App::start().await;
    let guest = arrive(&app.program(), KEY).await.ok();
    app.pass(seconds(60));
    app.bearer(token(&guest)).session().await;
    app.pass(seconds(5));
    assert_eq!(token(&arrive(&app.program(), KEY).await.ok()), token(&guest));
    app.pass(A_MILLISECOND);
    is_refused(&app).await;
}

#[tokio::test]
async fn using_it_in_another_way_does_not_start_the_five_seconds_anew() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = arrive(&browser, KEY).await.ok();
    app.bearer(token(&guest)).session().await;
    app.pass(seconds(4));
    browser.session().await;
    app.pass(seconds(2));
    is_refused(&app).await;
}

#[tokio::test]
async fn repeating_the_call_is_not_using_the_session() {
    let app = App::start().await;
    let guest = arrive(&app.program(), KEY).await.ok();
    assert_eq!(token(&arrive(&app.program(), KEY).await.ok()), token(&guest));
    app.pass(seconds(30));
    assert_eq!(token(&arrive(&app.program(), KEY).await.ok()), token(&guest));
}

#[tokio::test]
async fn not_after_the_guest_moved_on() {
    for (path, body) in [
        ("/anonymous/upgrade", json!({ "email": "jane@example.com", "password": crate::support::PASSWORD })),
        ("/sign-out", json!({})),
        ("/delete-anonymous-user", json!({})),
        ("/revoke-sessions", json!({})),
    ] {
        let app = App::start().await;
        let guest = arrive(&app.program(), KEY).await.ok();
        app.bearer(token(&guest)).post(path, &body).await.ok();
        is_refused(&app).await;
    }
}

#[tokio::test]
async fn a_key_is_worth_something_only_where_it_came_from() {
    let app = App::with(&[("trusted_proxies", "127.0.0.1")]).await;
    let at = |address: &str, agent: &str| app.program().always("x-forwarded-for", address).always("user-agent", agent);
    let guest = arrive(&at("192.0.2.1", "one"), KEY).await.ok();
    for elsewhere in [at("192.0.2.2", "one"), at("192.0.2.1", "two")] {
        assert_ne!(arrive(&elsewhere, KEY).await.ok()["user"]["id"], guest["user"]["id"]);
    }
    assert_eq!(token(&arrive(&at("192.0.2.1", "one"), KEY).await.ok()), token(&guest));
    let neighbour = arrive(&at("2001:db8::1", "one"), KEY).await.ok();
    assert_eq!(
        arrive(&at("2001:db8::2", "one"), KEY).await.ok()["user"]["id"],
        neighbour["user"]["id"],
        "one /64 is one address"
    );
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    let app = App::start().await;
    let head = app.head().await;
    for key in
        ["", "short", "kN0vQ2m9sX4rT7yB1cE6f", "kN0vQ2m9sX4rT7yB1cE6f!", "kN0v Q2m9sX4rT7yB1cE6fH", &"k".repeat(129)]
    {
        arrive(&app.program(), key).await.refused(400, "INVALID_IDEMPOTENCY_KEY");
    }
    let twice = app.program().post("/sign-in/anonymous", &json!({})).header("idempotency-key", KEY);
    twice.header("idempotency-key", KEY).await.refused(400, "INVALID_IDEMPOTENCY_KEY");
    assert_eq!(app.head().await, head);
    arrive(&app.program(), &"k".repeat(128)).await.ok();
    arrive(&app.program(), &"_-".repeat(11)).await.ok();
}

#[tokio::test]
async fn repetitions_do_not_count_as_guests() {
    let app = App::start().await;
    for _ in 0..40 {
        arrive(&app.program(), KEY).await.ok();
    }
    for _ in 0..29 {
        app.program().arrive().await;
    }
    assert_eq!(app.program().post("/sign-in/anonymous", &json!({})).await.status, 429);
    arrive(&app.program(), KEY).await.ok();
}
