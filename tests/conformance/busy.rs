//! More than can be stored is refused at once, and what was accepted is stored, interactive groups first.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use chrysalis::log::{AppendError, Expected, Lane};
use chrysalis_domain::Span;
use tokio::task::JoinSet;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{bare, clock, everything};

every_store! {
    a_full_queue_says_busy_and_loses_nothing_of_what_it_took,
    each_lane_has_a_queue_of_its_own,
    interactive_groups_come_before_bulk,
    what_was_accepted_is_stored_though_nobody_waits,
}

const QUEUE: usize = 4;

async fn a_full_queue_says_busy_and_loses_nothing_of_what_it_took(store: &dyn Store) {
    let log = store.open(&clock(), QUEUE).await;
    let stall = store.stall(&log).await;
    let mut sent = JoinSet::new();
    for number in 0..64 {
        let log = Arc::clone(&log);
        sent.spawn(async move { log.append(bare(&format!("s{number}"), Expected::NoStream, 1)).await });
    }
    for _ in 0..64 - QUEUE {
        match sent.join_next().await.unwrap().unwrap() {
            Err(AppendError::Busy { retry_after }) => assert!(retry_after > Span::ZERO),
            other => panic!("answered while the writer was held up: {other:?}"),
        }
    }
    stall.release().await;
    let mut accepted = 0;
    while let Some(answer) = sent.join_next().await {
        answer.unwrap().unwrap();
        accepted += 1;
    }
    assert_eq!(accepted, QUEUE);
    assert_eq!(everything(log.as_ref()).await.len(), 1 + QUEUE);
    // There is room again.
    log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
}

async fn each_lane_has_a_queue_of_its_own(store: &dyn Store) {
    let log = store.open(&clock(), QUEUE).await;
    let stall = store.stall(&log).await;
    let mut bulk = JoinSet::new();
    for _ in 0..2 * QUEUE {
        let log = Arc::clone(&log);
        bulk.spawn(async move { log.append(in_lane("bulk", Lane::Bulk)).await });
    }
    for _ in 0..QUEUE {
        assert!(matches!(bulk.join_next().await.unwrap().unwrap(), Err(AppendError::Busy { .. })));
    }
    let visitor = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append(in_lane("visitor", Lane::Interactive)).await }
    });
    stall.release().await;
    visitor.await.unwrap().unwrap();
    bulk.join_all().await.into_iter().for_each(|answer| drop(answer.unwrap()));
}

async fn interactive_groups_come_before_bulk(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let stall = store.stall(&log).await;
    let mut waiting = Vec::new();
    for (lane, name) in [(Lane::Bulk, "bulk"), (Lane::Interactive, "visitor")] {
        for _ in 0..20 {
            let log = Arc::clone(&log);
            let mut append = Box::pin(async move { log.append(in_lane(name, lane)).await });
            // The first poll puts the group into the queue.
            assert!(once(&mut append).await.is_pending());
            waiting.push(append);
        }
    }
    stall.release().await;
    for append in waiting {
        append.await.unwrap();
    }
    let all = everything(log.as_ref()).await;
    let order: Vec<_> = all[1..].iter().map(|event| event.stream.as_str()).collect();
    assert_eq!(order, [["visitor"; 20], ["bulk"; 20]].concat());
}

/// A client that hung up does not undo what was taken.
async fn what_was_accepted_is_stored_though_nobody_waits(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, QUEUE).await;
    let stall = store.stall(&log).await;
    for _ in 0..QUEUE {
        let mut append = pin!(log.append(in_lane("left", Lane::Interactive)));
        assert!(once(&mut append).await.is_pending());
    }
    stall.release().await;
    drop(log);
    let log = store.open(&clock, QUEUE).await;
    assert_eq!(everything(log.as_ref()).await.len(), 1 + QUEUE);
}

fn in_lane(stream: &str, lane: Lane) -> chrysalis::log::Group {
    let mut group = bare(stream, Expected::Any, 1);
    group.lane = lane;
    group
}

async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}
