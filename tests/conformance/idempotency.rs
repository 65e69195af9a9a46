//! A group with an idempotency key counts once, however often it is sent.

use std::sync::Arc;

use chrysalis::log::{Appended, Expected, Group, Idempotency, Quota, Refused};
use chrysalis_domain::Span;
use tokio::task::JoinSet;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{bare, clock, everything, refused};

every_store! {
    a_repeated_group_gets_the_first_outcome_and_note,
    of_64_that_send_one_key_one_is_stored,
    a_repetition_is_not_counted_by_quotas,
    a_refused_group_leaves_no_key,
    a_key_is_forgotten_on_time,
    a_key_outlives_a_restart,
}

const DAY: Span = Span::from_days(1);

fn keyed(key: &str, note: &str) -> Group {
    let mut group = bare("keyed", Expected::Any, 2);
    group.idempotency = Some(Idempotency { key: key.as_bytes().to_vec(), note: note.as_bytes().to_vec(), keep: DAY });
    group
}

fn as_first(first: &Appended, note: &str) -> Refused {
    Refused::Repeated {
        first: first.first,
        last: first.last,
        recorded_at: first.recorded_at,
        note: note.as_bytes().to_vec(),
    }
}

async fn a_repeated_group_gets_the_first_outcome_and_note(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    log.append(bare("before", Expected::Any, 3)).await.unwrap();
    let group = keyed("k", "note");
    let first = log.append(group.clone()).await.unwrap();
    clock.advance(Span::from_secs(5));
    log.append(keyed("another", "")).await.unwrap();
    assert_eq!(refused(log.append(group).await), as_first(&first, "note"));
    // What the repetition brings along doesn't matter: another stream state, another note.
    assert_eq!(refused(log.append(keyed("k", "another note")).await), as_first(&first, "note"));
    assert_eq!(everything(log.as_ref()).await.len(), 3 + 2 + 2);
}

async fn of_64_that_send_one_key_one_is_stored(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let mut sent = JoinSet::new();
    for number in 0..64 {
        let log = Arc::clone(&log);
        sent.spawn(async move { (number, log.append(keyed("k", &number.to_string())).await) });
    }
    let (mut stored, mut repeated) = (Vec::new(), Vec::new());
    while let Some(answer) = sent.join_next().await {
        match answer.unwrap() {
            (number, Ok(appended)) => stored.push((number, appended)),
            (_, other) => repeated.push(refused(other)),
        }
    }
    let [(number, first)]: [(i32, Appended); 1] = stored.try_into().expect("exactly one is stored");
    assert_eq!(repeated, vec![as_first(&first, &number.to_string()); 63]);
    assert_eq!(everything(log.as_ref()).await.len(), 2);
}

async fn a_repetition_is_not_counted_by_quotas(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let limited = |key| {
        let mut group = keyed(key, "");
        group.quotas = vec![Quota::takes(*b"q", 2, DAY)];
        group
    };
    log.append(limited("a")).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(refused(log.append(limited("a")).await), Refused::Repeated { .. }));
    }
    log.append(limited("b")).await.unwrap();
    assert!(matches!(refused(log.append(limited("c")).await), Refused::QuotaExceeded { .. }));
    // A spent quota hides no outcome.
    assert!(matches!(refused(log.append(limited("a")).await), Refused::Repeated { .. }));
}

async fn a_refused_group_leaves_no_key(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let mut refused_first = keyed("k", "");
    refused_first.appends[0].expected = Expected::Exact(5);
    assert!(matches!(refused(log.append(refused_first).await), Refused::Version { .. }));
    log.append(keyed("k", "")).await.unwrap();
}

async fn a_key_is_forgotten_on_time(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let first = log.append(keyed("k", "1")).await.unwrap();
    clock.advance(Span::from_millis(DAY.as_millis() - 1));
    assert_eq!(refused(log.append(keyed("k", "2")).await), as_first(&first, "1"));
    clock.advance(Span::from_millis(1));
    let again = log.append(keyed("k", "3")).await.unwrap();
    assert_eq!(refused(log.append(keyed("k", "4")).await), as_first(&again, "3"));
}

async fn a_key_outlives_a_restart(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let first = log.append(keyed("k", "note")).await.unwrap();
    drop(log);
    let log = store.open(&clock, ROOMY).await;
    assert_eq!(refused(log.append(keyed("k", "")).await), as_first(&first, "note"));
}
