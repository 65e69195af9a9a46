//! Messages that are not taken: tried five times, at growing distances, and then lost; and endpoints that take none.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::receiver::{Reaction, Receiver, TAKEN, hand_written_accepts, sdk_accepts};
use super::{app, endpoint, row, row_when, text};
use crate::support::{Span, almost};

const AGAIN: [Span; 4] = [Span::from_secs(300), Span::from_secs(1_800), Span::from_hours(2), Span::from_hours(24)];
/// Longer than anybody takes to look whether something has come due.
const A_WHILE: Duration = Duration::from_millis(600);

#[tokio::test]
async fn five_attempts_under_one_id_each_signed_anew() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Status(503)).await;
    let made = endpoint(&app, &receiver, &["user.created"]).await;
    app.program().arrive().await;
    receiver.hears(1).await;
    for (tried, after) in (1..).zip(AGAIN) {
        row_when(&app, "the failure is noted", |row| row["lastDeliveryAt"] == app.date(Span::ZERO)).await;
        app.pass(almost(after));
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(receiver.heard().len(), tried, "not before its time");
        app.pass(Span::from_millis(1));
        let heard = receiver.hears(tried + 1).await;
        let secret = text(&made, "secret");
        assert!(sdk_accepts(&heard[tried], secret, app.clock_seconds()), "{:?}", heard[tried]);
        assert!(hand_written_accepts(&heard[tried], secret, app.clock_seconds()), "{:?}", heard[tried]);
    }
    let row = row_when(&app, "it is lost", |row| row["failureCount"] == 1).await;
    assert_eq!(
        (&row["consecutiveFailures"], &row["enabled"], &row["successCount"]),
        (&json!(1), &json!(true), &json!(0))
    );
    assert_eq!(row["lastDeliveryStatus"], "failure");
    app.pass(Span::from_days(30));
    tokio::time::sleep(A_WHILE).await;
    let heard = receiver.heard();
    assert_eq!(heard.len(), 5, "nothing is tried a sixth time");
    assert_eq!(heard.iter().map(|heard| heard.id()).collect::<HashSet<_>>().len(), 1);
    assert_eq!(heard.iter().map(|heard| heard.header("webhook-timestamp")).collect::<HashSet<_>>().len(), 5);
    assert_eq!(heard.iter().map(|heard| heard.header("webhook-signature")).collect::<HashSet<_>>().len(), 5);

    // The next of that user goes on where the lost one was.
    receiver.react(|_| TAKEN);
    app.program().arrive().await;
    receiver.hears(6).await;
    row_when(&app, "it is whole again", |row| {
        row["consecutiveFailures"] == 0 && row["lastDeliveryStatus"] == "success"
    })
    .await;
}

#[tokio::test]
async fn only_two_hundreds_are_taken() {
    let app = app().await;
    for (reaction, taken) in [
        (Reaction::Status(200), true),
        (Reaction::Status(299), true),
        (Reaction::Long(1_000_000), true),
        (Reaction::Late(Duration::from_millis(500), 202), true),
        (Reaction::Status(304), false),
        (Reaction::Status(400), false),
        (Reaction::Status(404), false),
        (Reaction::Status(410), false),
        (Reaction::Status(429), false),
        (Reaction::Status(500), false),
    ] {
        let answer = reaction.clone();
        let receiver = Receiver::reacting(move |_| answer.clone()).await;
        let made = endpoint(&app, &receiver, &["user.created"]).await;
        app.program().arrive().await;
        receiver.hears(1).await;
        let row = row_when(&app, "it is noted", |row| row["lastDeliveryAt"] != json!(null)).await;
        assert_eq!(row["lastDeliveryStatus"] == "success", taken, "{reaction:?}");
        app.operator().post("/banata/webhooks/delete", &json!({ "id": made["id"] })).await.ok();
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let app = app().await;
    let elsewhere = Receiver::start().await;
    let url = elsewhere.url().to_owned();
    let receiver = Receiver::reacting(move |_| Reaction::Redirect(url.clone())).await;
    endpoint(&app, &receiver, &["user.created"]).await;
    app.program().arrive().await;
    receiver.hears(1).await;
    row_when(&app, "it failed", |row| row["lastDeliveryStatus"] == "failure").await;
    assert_eq!(elsewhere.heard().len(), 0);
}

/// Ten seconds, which nobody can shorten here.
#[tokio::test]
async fn who_does_not_answer_in_ten_seconds_did_not_take_it() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Silence).await;
    endpoint(&app, &receiver, &["user.created"]).await;
    app.program().arrive().await;
    row_when(&app, "it failed", |row| row["lastDeliveryStatus"] == "failure").await;
    receiver.react(|_| TAKEN);
    app.pass(Span::from_secs(300));
    row_when(&app, "it arrived", |row| row["lastDeliveryStatus"] == "success" && row["failureCount"] == 0).await;
}

/// Lets every attempt of a message fail that waits.
async fn lose(app: &crate::support::App, receiver: &Receiver, already: usize) {
    for (tried, after) in (1..).zip(AGAIN) {
        receiver.hears(already + tried).await;
        row_when(app, "the failure is noted", |row| row["lastDeliveryAt"] == app.date(Span::ZERO)).await;
        app.pass(after);
    }
    receiver.hears(already + 5).await;
}

#[tokio::test]
async fn three_lost_in_a_row_disable_and_enabling_goes_on_where_it_stood() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Status(500)).await;
    let made = endpoint(&app, &receiver, &["user.created"]).await;
    for lost in 0..3 {
        app.program().arrive().await;
        lose(&app, &receiver, lost * 5).await;
        let row = row_when(&app, "it is lost", |row| row["failureCount"] == lost + 1).await;
        assert_eq!((&row["consecutiveFailures"], &row["enabled"]), (&json!(lost + 1), &json!(lost < 2)));
    }
    let types = app.types().await;
    assert_eq!(types.iter().filter(|name| *name == "DeliveryLost").count(), 3);
    assert_eq!(types.iter().filter(|name| *name == "WebhookDisabled").count(), 1);

    app.program().arrive().await;
    app.program().arrive().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.heard().len(), 15, "what is disabled is told nothing");
    receiver.react(|_| TAKEN);
    app.operator().post("/banata/webhooks/update", &json!({ "id": made["id"], "enabled": true })).await.ok();
    receiver.hears(17).await;
    let row = row_when(&app, "both arrived", |row| row["successCount"] == 2).await;
    assert_eq!((&row["consecutiveFailures"], &row["failureCount"]), (&json!(0), &json!(3)));
}

#[tokio::test]
async fn one_that_arrives_in_between_begins_the_count_anew() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Status(500)).await;
    endpoint(&app, &receiver, &["user.created"]).await;
    for lost in 0..2 {
        app.program().arrive().await;
        lose(&app, &receiver, lost * 5).await;
        row_when(&app, "it is lost", |row| row["failureCount"] == lost + 1).await;
    }
    receiver.react(|_| TAKEN);
    app.program().arrive().await;
    row_when(&app, "one arrived", |row| row["successCount"] == 1 && row["consecutiveFailures"] == 0).await;
    receiver.react(|_| Reaction::Status(500));
    app.program().arrive().await;
    lose(&app, &receiver, 11).await;
    let row = row_when(&app, "it is lost", |row| row["failureCount"] == 3).await;
    assert_eq!((&row["consecutiveFailures"], &row["enabled"]), (&json!(1), &json!(true)));
}

/// While an endpoint is off nothing is sent, not even what waits.
#[tokio::test]
async fn switched_off_and_on_again_nothing_is_skipped() {
    let app = app().await;
    let receiver = Receiver::start().await;
    let made = endpoint(&app, &receiver, &["user.created"]).await;
    let switch = |enabled: bool| {
        let body = json!({ "id": made["id"], "enabled": enabled });
        let operator = app.operator();
        async move { operator.post("/banata/webhooks/update", &body).await.ok() }
    };
    app.program().arrive().await;
    receiver.hears(1).await;
    switch(false).await;
    tokio::time::sleep(A_WHILE).await;
    for _ in 0..5 {
        app.program().arrive().await;
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.heard().len(), 1);
    switch(true).await;
    let heard = receiver.hears(6).await;
    assert_eq!(heard.iter().map(|heard| heard.id()).collect::<HashSet<_>>().len(), 6);
    assert_eq!(row(&app).await["enabled"], true);
}
