//! What was decided by other settings than those that stand is not stored, whoever believed in them.

use std::sync::Arc;

use chrysalis::log::{Expected, Group, Log, Refused, Store as WholeStore, StreamId};
use tokio::task::JoinSet;

use super::store::{Postgres, ROOMY, Store};
use super::world::{bare, clock, everything, refused};
use super::{every_store, run};

every_store! {
    a_group_names_the_settings_that_stand_or_is_refused,
    within_a_batch_settings_change_for_those_behind,
    settings_stand_when_the_log_is_opened_again,
    a_guest_without_a_question_is_checked_too,
}

/// A group that changes the settings from a version to the next.
fn change(from: u64) -> Group {
    let expected = if from == 0 { Expected::NoStream } else { Expected::Exact(from) };
    under(from, bare(StreamId::settings().as_str(), expected, 1))
}

fn under(version: u64, mut group: Group) -> Group {
    group.context.settings_version = version;
    group
}

fn whatever(group: Group) -> Group {
    Group { rests_on_settings: false, ..group }
}

async fn a_group_names_the_settings_that_stand_or_is_refused(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
    assert_eq!(
        refused(log.append(under(1, bare("early", Expected::NoStream, 1))).await),
        Refused::Settings { actual: 0 }
    );
    log.append(change(0)).await.unwrap();

    for expected in [Expected::NoStream, Expected::Any] {
        assert_eq!(refused(log.append(bare("late", expected, 1)).await), Refused::Settings { actual: 1 });
    }
    log.append(under(1, bare("late", Expected::NoStream, 1))).await.unwrap();
    log.append(whatever(bare("regardless", Expected::NoStream, 1))).await.unwrap();
    assert_eq!(refused(log.append(change(0)).await), Refused::Settings { actual: 1 });
    log.append(change(1)).await.unwrap();
    assert_eq!(everything(log.as_ref()).await.len(), 5);
}

async fn within_a_batch_settings_change_for_those_behind(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let stall = store.stall(&log).await;
    let mut sent = JoinSet::new();
    for number in 0..20 {
        let group = if number == 10 { change(0) } else { bare(&format!("s{number}"), Expected::NoStream, 1) };
        let log = Arc::clone(&log);
        sent.spawn(async move { (number, log.append(group).await) });
        // In this order.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    stall.release().await;
    while let Some(answer) = sent.join_next().await {
        match answer.unwrap() {
            (..=10, answer) => drop(answer.unwrap()),
            (_, answer) => assert_eq!(refused(answer), Refused::Settings { actual: 1 }),
        }
    }
    assert_eq!(everything(log.as_ref()).await.len(), 1 + 11);
}

async fn settings_stand_when_the_log_is_opened_again(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    log.append(change(0)).await.unwrap();
    drop(log);
    let log = store.open(&clock(), ROOMY).await;
    assert_eq!(refused(log.append(bare("s", Expected::NoStream, 1)).await), Refused::Settings { actual: 1 });
    log.append(under(1, bare("s", Expected::NoStream, 1))).await.unwrap();
}

/// New streams alone need no question on PostgreSQL: the head says it.
async fn a_guest_without_a_question_is_checked_too(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    log.append(change(0)).await.unwrap();
    let stall = store.stall(&log).await;
    let mut sent = JoinSet::new();
    for number in 0..20 {
        let log = Arc::clone(&log);
        let group = under(number % 2, bare(&format!("s{number}"), Expected::NoStream, 1));
        sent.spawn(async move { (number, log.append(group).await) });
    }
    stall.release().await;
    while let Some(answer) = sent.join_next().await {
        match answer.unwrap() {
            (number, answer) if number % 2 == 1 => drop(answer.unwrap()),
            (_, answer) => assert_eq!(refused(answer), Refused::Settings { actual: 1 }),
        }
    }
}

/// Nodes that learn of a change late, or only from a refusal.
#[test]
fn no_node_stores_what_was_decided_by_settings_of_before() {
    run(async {
        const CHANGES: u64 = 25;
        let store = Postgres::fresh();
        let clock = clock();
        let one = Store::open(&store, &clock, ROOMY).await;
        let mut writers = JoinSet::new();
        for node in 0..2 {
            let log = Store::open(&store, &clock, ROOMY).await;
            for writer in 0..8 {
                let log = Arc::clone(&log);
                writers.spawn(async move { go_on_until(log.as_ref(), &format!("n{node}w{writer}"), CHANGES).await });
            }
        }
        for version in 0..CHANGES {
            // Others are at it all the time.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            one.append(change(version)).await.unwrap();
        }
        let refusals: usize = writers.join_all().await.into_iter().sum();
        assert!(refusals > 0, "nobody was ever late: this is no race");
        assert_in_order(one.as_ref()).await;
    });
}

/// Writes as if no setting ever changed, until told; answers how often it was.
async fn go_on_until(log: &dyn WholeStore, name: &str, end: u64) -> usize {
    let (mut version, mut refusals) = (0, 0);
    for number in 0.. {
        // Each tenth has to be asked about, the others not.
        let expected = if number % 10 == 0 { Expected::Any } else { Expected::NoStream };
        match log.append(under(version, bare(&format!("{name}e{number}"), expected, 1))).await {
            Ok(_) if version == end => break,
            Ok(_) => {}
            other => match refused(other) {
                Refused::Settings { actual } => (version, refusals) = (actual, refusals + 1),
                other => panic!("{other:?}"),
            },
        }
    }
    refusals
}

async fn assert_in_order(log: &dyn Log) {
    let mut standing = 0;
    for event in everything(log).await {
        assert_eq!(event.settings_version, standing, "at position {}", event.position);
        if event.stream == *StreamId::settings() {
            standing += 1;
        }
    }
}
