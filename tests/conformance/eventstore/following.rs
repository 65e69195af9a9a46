//! What `$all` shows a node that does not write: others' batches that were broken off are done from it, at once.

use std::sync::Arc;
use std::time::Duration;

use chrysalis::log::replica::FOLLOWED;
use chrysalis::log::{Expected, Store as WholeStore};
use eventstore::{AppendToStreamOptions, Client, ClientSettings, EventData};
use eventstore_double::Double;

use super::{impatient, insist, on, streamed};
use crate::conformance::run;
use crate::conformance::store::{EventStore, ROOMY, Store};
use crate::conformance::world::{bare, clock, everything};

/// A node appends, and stops before it hears of it: whoever reads at the other one waits for it until it is done.
async fn broken_off_is_done(double: &Double, store: &EventStore, idle: &Arc<dyn WholeStore>, stream: &str) {
    let before = *idle.head().borrow();
    let other = store.open(&clock(), ROOMY).await;
    let held = double.hold_answers("Noted");
    let group = bare(stream, Expected::NoStream, 2);
    let asking = tokio::spawn({
        let other = other.clone();
        async move { other.append(group).await }
    });
    held.waiting(1).await;
    let appends = double.appends();
    // No answer comes any more, and nobody writes: the first node's batch is under way for as long as this takes.
    idle.head().wait_for(|head| *head == before + 2).await.unwrap();
    assert_eq!(double.appends(), appends);
    let all = everything(idle.as_ref()).await;
    assert_eq!(all.last().map(|event| event.stream.as_str().to_owned()), Some(stream.to_owned()));
    drop(held);
    asking.await.unwrap().unwrap();
    assert_eq!(streamed(double, store), all.len());
}

#[test]
fn what_is_shown_and_not_stored_is_stored_at_once() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        let idle = store.open(&clock(), ROOMY).await;
        double.followed(1).await;
        for round in 0..3 {
            broken_off_is_done(&double, &store, &idle, &format!("s{round}")).await;
        }
    });
}

#[test]
fn it_is_followed_again_however_it_broke_off() {
    run(async {
        let double = Double::cluster(3);
        let store = EventStore::at(&double.url());
        let idle = store.open(&clock(), ROOMY).await;
        let ways: [fn(&Double); 4] = [
            |double| double.drop_connections(),
            // A client that goes on asking would have nobody left to hear what comes.
            |double| double.end_subscriptions(),
            |double| double.end_subscriptions(),
            |double| {
                double.node(0).crash();
                double.elect(1);
            },
        ];
        for (round, way) in ways.into_iter().enumerate() {
            double.followed(1).await;
            way(&double);
            double.followed(0).await;
            double.followed(1).await;
            broken_off_is_done(&double, &store, &idle, &format!("s{round}")).await;
        }
    });
}

#[test]
fn who_may_not_read_all_looks_at_the_stream() {
    run(async {
        let double = Double::start();
        double.hide_all(true);
        let store = EventStore::at(&double.url());
        let idle = store.open(&clock(), ROOMY).await;
        broken_off_is_done(&double, &store, &idle, "hidden").await;
        assert!(double.followed_from().is_empty());
    });
}

/// Others write to `$all`, too: neither they nor what is stored is gone through again.
#[test]
fn it_goes_on_from_where_the_rows_stand() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        double.followed(1).await;
        for number in 0..5 {
            log.append(bare(&format!("s{number}"), Expected::NoStream, 2)).await.unwrap();
        }
        // What was shown by the time that something is stored is kept with it: that goes on behind the answer.
        let mut number = 5;
        while log.checkpoint(FOLLOWED).await.unwrap() == 0 {
            log.append(bare(&format!("s{number}"), Expected::NoStream, 2)).await.unwrap();
            number += 1;
        }
        drop(log);
        double.followed(0).await;
        let read = store.read_store(&clock()).await;
        let kept = read.checkpoint(FOLLOWED).await.unwrap();
        let upto = double.events().iter().filter(|event| event.at <= kept).count() as u64;
        assert!(upto > 0 && upto <= read.end().await.unwrap(), "{upto} events stand up to where it is kept");
        drop(read);
        let _log = store.try_open(&impatient(&store), &clock()).await.unwrap();
        double.followed(1).await;
        assert_eq!(double.followed_from(), [None, Some(kept)]);
    });
}

/// The stream was put into another server: its places are others.
#[test]
fn a_place_that_the_server_does_not_know_is_let_go() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("s", Expected::NoStream, 2)).await.unwrap();
        log.advance(FOLLOWED, log.checkpoint(FOLLOWED).await.unwrap(), 7).await.unwrap();
        drop(log);
        double.followed(0).await;
        let idle = store.open(&clock(), ROOMY).await;
        double.followed(1).await;
        broken_off_is_done(&double, &store, &idle, "later").await;
    });
}

/// What a node staged and never appended is done by another, or by its next start, once it had the time that a batch has:
/// as it was judged, and not to be told from what was appended at once.
#[test]
fn what_was_staged_and_not_appended_is_appended_by_another() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        let held = double.hold_type("Noted");
        let group = bare("left", Expected::NoStream, 2);
        let asking = tokio::spawn({
            let log = log.clone();
            async move { log.append(group).await }
        });
        held.waiting(1).await;
        asking.abort();
        double.node(0).crash();
        held.waiting(0).await;
        drop((held, log));
        assert_eq!(streamed(&double, &store), 1);
        double.node(0).restart();
        let quick =
            chrysalis::log::eventstore::Options { commit_timeout: Duration::from_millis(500), ..impatient(&store) };
        // Others write all the while, as they do in a server that is not for this log alone.
        let others = tokio::spawn(write_beside(Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap()));
        let idle = store.try_open(&quick, &clock()).await.unwrap();
        idle.head().wait_for(|head| *head == 3).await.unwrap();
        others.abort();
        assert_eq!((everything(idle.as_ref()).await.len(), streamed(&double, &store)), (3, 3));
        assert_eq!(store.seen("SELECT CAST(count(*) AS text) FROM staged").await, "0");
        insist(idle.as_ref(), &bare("after", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(streamed(&double, &store), 4);
    });
}

/// Some hundred events a second, of others.
async fn write_beside(client: Client) {
    loop {
        let events = (0..10).map(|_| EventData::json("Ordered", &serde_json::json!({})).unwrap());
        let options = AppendToStreamOptions::default();
        client.append_to_stream("orders", &options, events.collect::<Vec<_>>()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
