//! Several nodes on one stream and one read store.

use std::sync::Arc;

use chrysalis::log::{Expected, Refused};
use eventstore_double::Double;
use tokio::task::JoinSet;

use super::{on, streamed};
use crate::conformance::run;
use crate::conformance::store::{ROOMY, Store};
use crate::conformance::world::{bare, clock, everything, refused};

#[test]
fn nodes_that_race_store_everything_once_and_in_one_order() {
    run(async {
        let double = Double::start();
        let (store, one) = on(&double).await;
        let other = store.open(&clock(), ROOMY).await;
        let mut appends = JoinSet::new();
        for number in 0..200 {
            let log = Arc::clone(if number % 2 == 0 { &one } else { &other });
            appends.spawn(async move { log.append(bare(&format!("s{}", number % 20), Expected::Any, 1)).await });
        }
        let mut positions: Vec<u64> = appends.join_all().await.into_iter().map(|answer| answer.unwrap().last).collect();
        positions.sort_unstable();
        assert_eq!(positions, (1..=200).collect::<Vec<_>>());
        for log in [&one, &other] {
            assert_eq!(everything(log.as_ref()).await.len(), 200);
        }
        assert_eq!(streamed(&double, &store), 200);
    });
}

#[test]
fn of_nodes_that_race_for_a_stream_one_wins() {
    run(async {
        let double = Double::start();
        let (store, one) = on(&double).await;
        let other = store.open(&clock(), ROOMY).await;
        for round in 0..30 {
            let stream = format!("s{round}");
            let group = || bare(&stream, Expected::NoStream, 2);
            let (first, second) = tokio::join!(one.append(group()), other.append(group()));
            let lost = if first.is_ok() { second } else { first };
            assert!(matches!(refused(lost), Refused::Version { actual: 2, .. }));
        }
        assert_eq!(streamed(&double, &store), 60);
    });
}
