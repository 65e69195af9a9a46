//! Everything from a place in the log on, again: under the ids it had.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::receiver::{Reaction, Receiver, TAKEN};
use super::{app, endpoint, row_when, waits};
use crate::support::{App, seconds};

async fn replay(app: &App, made: &Value, from: Value) -> u64 {
    let body = json!({ "id": made["id"], "from": from });
    let answer = app.operator().post("/banata/webhooks/replay", &body).await.ok();
    assert_eq!(answer["success"], true);
    answer["from"].as_u64().unwrap()
}

#[tokio::test]
async fn a_replay_says_the_same_under_the_same_ids() {
    let app = app().await;
    for _ in 0..3 {
        app.program().arrive().await;
    }
    app.pass(seconds(10));
    let receiver = Receiver::start().await;
    let made = endpoint(&app, &receiver, &["user.created"]).await;
    for _ in 0..4 {
        app.program().arrive().await;
    }
    let first = receiver.hears(4).await;
    // From the beginning: what happened before there was an endpoint, too.
    assert_eq!(replay(&app, &made, json!(0)).await, 1);
    let heard = receiver.hears(4 + 7).await;
    let ids = |heard: &[super::receiver::Heard]| heard.iter().map(|one| one.id().to_owned()).collect::<Vec<_>>();
    // Of one user in their order, of several in any.
    let told: HashSet<_> = ids(&heard[4..]).into_iter().collect();
    assert_eq!((told.len(), ids(&first).iter().all(|id| told.contains(id))), (7, true), "{told:?}");
    // From a time.
    let from = replay(&app, &made, app.date(seconds(0))).await;
    let heard = receiver.hears(4 + 7 + 4).await;
    assert_eq!(ids(&heard[11..]).into_iter().collect::<HashSet<_>>(), ids(&first).into_iter().collect());
    // And from that position.
    assert_eq!(replay(&app, &made, json!(from)).await, from);
    let heard = receiver.hears(4 + 7 + 4 + 4).await;
    assert_eq!(ids(&heard[15..]).into_iter().collect::<HashSet<_>>(), ids(&first).into_iter().collect());
    for one in &heard {
        let same: Vec<_> = heard.iter().filter(|other| other.id() == one.id()).collect();
        assert!(same.iter().all(|other| other.body["id"] == one.body["id"] && other.event() == one.event()));
    }
    // From now on there is nothing.
    app.pass(seconds(1));
    replay(&app, &made, app.date(seconds(0))).await;
    app.program().arrive().await;
    assert_eq!(receiver.hears(20).await.len(), 20);
}

/// Where it is behind, an endpoint can be told to leave out what it missed; what waits is dropped then.
#[tokio::test]
async fn a_replay_from_later_on_skips() {
    let app = app().await;
    let receiver = Receiver::reacting(|_| Reaction::Status(500)).await;
    let made = endpoint(&app, &receiver, &["user.created"]).await;
    app.program().arrive().await;
    receiver.hears(1).await;
    waits(&app, 1).await;
    let from = replay(&app, &made, json!(1_000_000)).await;
    assert_eq!(from, app.head().await, "the position of whatever comes next; the replay itself is the last");
    waits(&app, 0).await;
    receiver.react(|_| TAKEN);
    app.pass(seconds(3_600));
    app.program().arrive().await;
    let heard = receiver.hears(2).await;
    assert_ne!(heard[0].id(), heard[1].id());
    row_when(&app, "one arrived", |row| row["successCount"] == 1).await;
}

#[tokio::test]
async fn a_replay_waits_for_an_endpoint_that_is_off() {
    let app = app().await;
    let receiver = Receiver::start().await;
    app.program().arrive().await;
    let body = json!({ "url": receiver.url(), "enabled": false, "events": ["user.created"] });
    let made = app.operator().post("/banata/webhooks/create", &body).await.ok();
    replay(&app, &made, json!(1)).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(receiver.heard().len(), 0);
    app.operator().post("/banata/webhooks/update", &json!({ "id": made["id"], "enabled": true })).await.ok();
    receiver.hears(1).await;
}
