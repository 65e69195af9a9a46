//! What one user does is told in order, and nobody waits for anybody else.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::receiver::{Heard, Reaction, Receiver, TAKEN};
use super::{app, endpoint, figures_when, figures_without, row_when, text};
use crate::support::{App, Span, hours};

/// A guest who says what they are called, again and again. Answers whose messages those are.
async fn chatty(app: &App, times: usize) -> String {
    let guest = app.program().arrive().await;
    let client = app.bearer(text(&guest, "token"));
    for n in 0..times {
        client.post("/update-user", &json!({ "name": format!("Jane {n}") })).await.ok();
    }
    text(&guest["user"], "id").to_owned()
}

/// What was taken of each user came in the log's own order: the ids of deeds rise with it.
fn assert_in_order(heard: &[Heard]) {
    let mut last: HashMap<&str, &str> = HashMap::new();
    for one in heard.iter().filter(|heard| !matches!(heard.answered, Some(300..))) {
        let id = text(&one.body, "id");
        if let Some(before) = last.insert(one.user(), id) {
            assert!(before < id, "{id} after {before} of {}", one.user());
        }
    }
}

#[tokio::test]
async fn the_messages_of_one_user_come_one_after_the_other() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Late(Duration::from_millis(10), 204)).await;
    endpoint(&app, &receiver, &["user.created", "user.updated"]).await;
    let users = futures_util::future::join_all((0..8).map(|_| chatty(&app, 12))).await;
    let heard = receiver.hears(8 * 13).await;
    assert_in_order(&heard);
    for user in &users {
        let of_user: Vec<_> = heard.iter().filter(|heard| heard.user() == user).collect();
        assert_eq!(of_user.len(), 13);
        assert_eq!(of_user[0].event(), "user.created");
        let ids: std::collections::HashSet<_> = of_user.iter().map(|heard| heard.id()).collect();
        assert_eq!(ids.len(), 13, "each message has an id of its own");
    }
}

#[tokio::test]
async fn one_user_whose_messages_fail_waits_alone_and_in_order() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["user.created", "user.updated"]).await;
    let guest = app.program().arrive().await;
    let unlucky = text(&guest["user"], "id").to_owned();
    receiver.hears(1).await;
    let name = unlucky.clone();
    receiver.react(move |heard| if heard.user() == name { Reaction::Status(500) } else { TAKEN });

    let client = app.bearer(text(&guest, "token"));
    for n in 0..50 {
        client.post("/update-user", &json!({ "name": format!("Jane {n}") })).await.ok();
        app.pass(Span::from_millis(1));
    }
    let others = futures_util::future::join_all((0..5).map(|_| chatty(&app, 3))).await;
    let heard = receiver
        .until("everybody else is told of", |heard| {
            others.iter().all(|user| heard.iter().filter(|heard| heard.user() == user).count() == 4)
        })
        .await;
    let failed = heard.iter().filter(|heard| heard.user() == unlucky).count();
    assert_eq!(failed, 2, "one arrived, one failed, and no other of theirs was tried");

    receiver.react(|_| TAKEN);
    app.pass(Span::from_secs(301));
    let heard = receiver.hears(1 + 1 + 50 + 5 * 4).await;
    assert_in_order(&heard);
    let theirs: Vec<_> = heard.iter().filter(|heard| heard.user() == unlucky).collect();
    assert_eq!(theirs[1].id(), theirs[2].id(), "the one that failed comes first, under its own id");
    let ids: std::collections::HashSet<_> = heard.iter().map(|heard| heard.id()).collect();
    assert_eq!(ids.len(), heard.len() - 1, "nothing else came twice");
    row_when(&app, "all are counted", |row| row["successCount"] == 1 + 50 + 20).await;
}

/// A receiver that hangs for one user does not hang for the others.
#[tokio::test]
async fn one_user_whose_messages_hang_holds_up_nobody() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["user.created"]).await;
    let first = app.program().arrive().await;
    let unlucky = text(&first["user"], "id").to_owned();
    receiver.hears(1).await;
    receiver.react(move |heard| if heard.user() == unlucky { Reaction::Silence } else { TAKEN });
    app.bearer(text(&first, "token")).post("/update-user", &json!({ "name": "Jane" })).await.ok();
    let begun = Instant::now();
    for _ in 0..200 {
        app.program().arrive().await;
    }
    receiver.hears(201).await;
    assert!(begun.elapsed() < Duration::from_secs(9), "they waited for the silence to end");
}

/// An operator sees who is behind, and by how much.
#[tokio::test]
async fn how_far_an_endpoint_is_behind_is_told() {
    let app = app().await;
    let (silent, live) = (Receiver::reacting(|_| Reaction::Silence).await, Receiver::start().await);
    let (behind, abreast) =
        (endpoint(&app, &silent, &["user.created"]).await, endpoint(&app, &live, &["user.created"]).await);
    let lag = |endpoint: &Value, seconds: &str| {
        format!("chrysalis_webhook_lag_seconds{{endpoint=\"{}\"}} {seconds}\n", text(endpoint, "id"))
    };
    app.program().arrive().await;
    silent.hears(1).await;
    live.hears(1).await;
    app.pass(Span::from_secs(90));
    figures_when(&app, &[&lag(&behind, "90.0"), &lag(&abreast, "0.0")]).await;
    figures_when(&app, &["chrysalis_webhook_attempts_total{outcome=\"arrived\"} 1\n"]).await;
    app.operator().post("/banata/webhooks/delete", &json!({ "id": abreast["id"] })).await.ok();
    figures_without(&app, text(&abreast, "id")).await;
}

/// Neither an endpoint that is dead nor one that hangs holds up a third.
#[tokio::test]
async fn no_endpoint_waits_for_another() {
    let app = app().await;
    let (silent, live) = (Receiver::reacting(|_| Reaction::Silence).await, Receiver::start().await);
    let dead = Receiver::start().await;
    endpoint(&app, &dead, &[]).await;
    drop(dead);
    endpoint(&app, &silent, &[]).await;
    endpoint(&app, &live, &["user.created"]).await;
    let begun = Instant::now();
    for _ in 0..100 {
        app.program().arrive().await;
    }
    live.hears(100).await;
    assert!(begun.elapsed() < Duration::from_secs(9), "they waited for the silence to end");
    app.pass(hours(1));
    app.program().arrive().await;
    live.hears(101).await;
}
