//! What a follower keeps beside the log: all of it or nothing, and only for as long as nobody took over from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrysalis::clock::MockClock;
use chrysalis::log::transfer::{CHECKPOINTS, SideChange, WEBHOOK_TALLIES, WEBHOOK_WAITING};
use chrysalis_projections::Value;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::START;

every_store! {
    what_is_kept_is_kept_whole,
    whoever_was_replaced_keeps_nothing,
    nothing_is_kept_from_the_moment_somebody_takes_over,
}

/// A place, a count and a line, all with the same number.
fn kept(number: i64) -> Vec<SideChange> {
    let number = Value::Integer(number);
    let zero = || Value::Integer(0);
    let change = |table, row| SideChange { table, put: vec![row], gone: Vec::new() };
    vec![
        change(&CHECKPOINTS, vec!["somebody/place".into(), number.clone()]),
        change(&WEBHOOK_TALLIES, vec!["wh_1".into(), number.clone(), zero(), Value::Null, zero(), zero()]),
        change(&WEBHOOK_WAITING, vec!["wh_1".into(), "user-1".into(), number, zero(), zero(), zero()]),
    ]
}

async fn seen(store: &dyn Store) -> [String; 3] {
    let sum = async |column: &str, rest: &str| {
        store.seen(&format!("SELECT cast(coalesce(sum({column}), -1) AS text) FROM {rest}")).await
    };
    [
        sum("position", "checkpoints WHERE follower = 'somebody/place'").await,
        sum("arrived", "webhook_tallies").await,
        sum("version", "webhook_waiting").await,
    ]
}

async fn what_is_kept_is_kept_whole(store: &dyn Store) {
    let log = store.open(&MockClock::at(START), ROOMY).await;
    assert!(log.advance("somebody", 0, 1).await.unwrap());
    for number in 1..=3 {
        assert!(log.keep("somebody", 1, kept(number)).await.unwrap());
        assert_eq!(seen(store).await, [number.to_string(), number.to_string(), number.to_string()]);
    }
    assert_eq!(log.checkpoint("somebody/place").await.unwrap(), 3);
    let gone = vec![vec!["wh_1".into(), "user-1".into()], vec!["wh_1".into(), "user-2".into()]];
    let change = SideChange { table: &WEBHOOK_WAITING, put: Vec::new(), gone };
    assert!(log.keep("somebody", 1, vec![change]).await.unwrap());
    assert_eq!(seen(store).await, ["3", "3", "-1"]);
}

async fn whoever_was_replaced_keeps_nothing(store: &dyn Store) {
    let log = store.open(&MockClock::at(START), ROOMY).await;
    assert!(!log.keep("somebody", 1, kept(1)).await.unwrap(), "nobody took over yet");
    assert!(log.advance("somebody", 0, 1).await.unwrap());
    assert!(log.keep("somebody", 1, kept(1)).await.unwrap());
    assert!(log.advance("somebody", 1, 2).await.unwrap());
    assert!(!log.keep("somebody", 1, kept(2)).await.unwrap());
    assert_eq!(seen(store).await, ["1", "1", "1"]);
    assert!(log.keep("somebody", 2, kept(3)).await.unwrap());
    assert_eq!(seen(store).await, ["3", "3", "3"]);
}

async fn nothing_is_kept_from_the_moment_somebody_takes_over(store: &dyn Store) {
    let log = store.open(&MockClock::at(START), ROOMY).await;
    assert!(log.advance("somebody", 0, 1).await.unwrap());
    for turn in 1..if crate::long() { 200 } else { 20 } {
        let (keeping, begun) = (log.clone(), Arc::new(AtomicBool::new(false)));
        let started = begun.clone();
        let other = tokio::spawn(async move {
            for number in 1.. {
                if !keeping.keep("somebody", turn, kept(number)).await.unwrap() {
                    return;
                }
                started.store(true, Ordering::Release);
            }
        });
        while !begun.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        assert!(log.advance("somebody", turn, turn + 1).await.unwrap());
        let stood = seen(store).await;
        assert!(stood.iter().all(|number| *number == stood[0]), "{stood:?}");
        other.await.unwrap();
        assert_eq!(seen(store).await, stood);
    }
}
