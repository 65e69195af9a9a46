//! What a message says, and by what its reader knows that it is ours.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::receiver::{Heard, Reaction, Receiver, TAKEN, hand_written_accepts, sdk_accepts};
use super::{app, endpoint, text, waits};
use crate::support::{PASSWORD, seconds};

#[tokio::test]
async fn both_kinds_of_readers_accept_it_and_nobody_else_can_write_it() {
    let app = app().await;
    let receiver = Receiver::start().await;
    let made = endpoint(&app, &receiver, &["user.created"]).await;
    app.program().arrive().await;
    let heard = receiver.hears(1).await.pop().unwrap();
    let (secret, now) = (text(&made, "secret"), app.clock_seconds());
    assert!(sdk_accepts(&heard, secret, now) && hand_written_accepts(&heard, secret, now), "{heard:?}");
    assert_eq!(heard.header("webhook-signature"), heard.header("banata-webhook-signature"));
    assert_eq!(heard.header("webhook-id"), heard.header("banata-webhook-id"));
    assert_eq!(heard.header("webhook-timestamp"), now.to_string());
    assert!(heard.header("webhook-signature").starts_with(&format!("t={now},v1=")));
    assert_eq!(heard.header("content-type"), "application/json");
    assert!(heard.id().starts_with("msg_") && heard.id().len() == 30);
    let other = format!("whsec_{}", "0".repeat(64));
    assert!(!sdk_accepts(&heard, &other, now) && !hand_written_accepts(&heard, &other, now));
    let mut altered = heard.clone();
    altered.raw = altered.raw.replace("user.created", "user.deleted");
    assert!(!sdk_accepts(&altered, secret, now) && !hand_written_accepts(&altered, secret, now));
}

#[tokio::test]
async fn an_envelope_in_which_every_reader_finds_its_own() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["user.created"]).await;
    let at = app.date(seconds(0));
    let guest = app.program().arrive().await;
    let heard = receiver.hears(1).await.pop().unwrap();
    let mut keys: Vec<_> = heard.body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["createdAt", "created_at", "data", "event", "id", "timestamp", "type"]);
    assert_eq!((&heard.body["event"], &heard.body["type"]), (&json!("user.created"), &json!("user.created")));
    for time in ["timestamp", "createdAt", "created_at"] {
        assert_eq!(heard.body[time], at, "{time}");
    }
    assert_eq!(heard.user(), text(&guest["user"], "id"));
    assert!(!heard.raw.contains(text(&guest, "token")));
}

/// What a message tells is the deed that the audit trail lists, and the user as the API gives them now.
#[tokio::test]
async fn data_are_the_deed_and_the_user() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    let member = browser.upgrade("jane@example.com").await;
    let receiver = Receiver::start().await;
    let made = endpoint(&app, &receiver, &[]).await;
    let listed = app.operator().post("/banata/audit-logs/list", &json!({ "limit": 200 })).await.ok();
    app.operator().post("/banata/webhooks/replay", &json!({ "id": made["id"], "from": 1 })).await.ok();
    let deeds = listed["data"].as_array().unwrap();
    let told = |deed: &Value, heard: &[Heard]| heard.iter().any(|heard| heard.body["id"] == deed["id"]);
    let heard = receiver.until("every deed is told", |heard| deeds.iter().all(|deed| told(deed, heard))).await;
    for deed in deeds {
        let one = heard.iter().find(|heard| heard.body["id"] == deed["id"]).unwrap();
        let mut data = one.body["data"].clone();
        let user = data.as_object_mut().unwrap().remove("user").unwrap();
        assert_eq!((&data, &data["action"]), (deed, &one.body["event"]));
        assert_eq!(user, if data["target"]["type"] == "user" { member["user"].clone() } else { Value::Null });
    }
    let events: HashSet<_> = heard.iter().map(Heard::event).collect();
    for event in ["user.created", "session.created", "user.upgraded", "user.updated", "account.linked"] {
        assert!(events.contains(event), "no {event} in {events:?}");
    }
    for secret in [PASSWORD, text(&member, "token"), text(&made, "secret"), "argon2"] {
        assert!(heard.iter().all(|heard| !heard.raw.contains(secret)));
    }
}

/// One event may tell two things, and each is a message of its own.
#[tokio::test]
async fn an_upgrade_is_told_by_both_of_its_names() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["user.upgraded", "user.updated"]).await;
    let browser = app.browser();
    browser.arrive().await;
    browser.upgrade("jane@example.com").await;
    let heard = receiver.hears(2).await;
    assert_eq!([heard[0].event(), heard[1].event()], ["user.upgraded", "user.updated"]);
    assert!(heard[0].id() != heard[1].id() && heard[0].body["id"] != heard[1].body["id"]);
    assert_eq!(
        heard[1].body["data"]["changes"],
        json!({ "before": { "isAnonymous": true }, "after": { "isAnonymous": false } })
    );
}

/// However late a message comes, it says nothing of who is gone.
#[tokio::test]
async fn of_a_user_who_is_gone_nothing_is_said_but_that() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Status(500)).await;
    endpoint(&app, &receiver, &["user.updated", "user.deleted"]).await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.post("/update-user", &json!({ "name": "Jane Q. Public" })).await.ok();
    let first = receiver.hears(1).await.pop().unwrap();
    assert_eq!(first.body["data"]["user"]["name"], "Jane Q. Public");
    browser.post("/delete-anonymous-user", &json!({})).await.ok();
    receiver.react(|_| TAKEN);
    waits(&app, 1).await;
    app.pass(seconds(300));
    let heard = receiver.hears(3).await;
    assert_eq!((heard[1].id(), heard[2].event()), (first.id(), "user.deleted"));
    for late in &heard[1..] {
        assert_eq!((late.user(), &late.body["data"]["user"]), (text(&guest["user"], "id"), &json!(null)));
        assert!(!late.raw.contains("Public"), "{}", late.raw);
    }
}

#[tokio::test]
async fn what_an_app_notes_is_told_by_its_own_name() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["invoice.paid"]).await;
    let note = json!({ "action": "invoice.paid", "actorType": "user", "actorId": "somebody",
        "metadata": { "amount": "12" }, "idempotencyKey": "one" });
    app.operator().post("/banata/audit-logs/create", &note).await.ok();
    let heard = receiver.hears(1).await.pop().unwrap();
    assert_eq!((heard.event(), &heard.body["data"]["metadata"]), ("invoice.paid", &json!({ "amount": "12" })));
    assert_eq!(heard.body["data"]["source"], "api");
}

/// Endpoints are told of each other, and of nothing that is secret of each other.
#[tokio::test]
async fn an_endpoint_is_told_of_others() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["webhook.created", "webhook.updated", "webhook.deleted"]).await;
    let body = json!({ "url": "https://example.com/s3cret", "enabled": false });
    let other = app.operator().post("/banata/webhooks/create", &body).await.ok();
    let update = json!({ "id": other["id"], "url": "https://example.com/0ther", "events": ["user.created"] });
    app.operator().post("/banata/webhooks/update", &update).await.ok();
    app.operator().post("/banata/webhooks/delete", &json!({ "id": other["id"] })).await.ok();
    let heard = receiver.hears(3).await;
    let events: Vec<_> = heard.iter().map(Heard::event).collect();
    assert_eq!(events, ["webhook.created", "webhook.updated", "webhook.deleted"]);
    for one in &heard {
        assert_eq!(one.user(), text(&other, "id"));
        for secret in ["s3cret", "0ther", text(&other, "secret")] {
            assert!(!one.raw.contains(secret), "{}", one.raw);
        }
    }
}
