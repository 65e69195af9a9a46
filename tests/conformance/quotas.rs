//! A quota is exact: at every alignment of its span, however many ask at once.

use std::sync::Arc;

use chrysalis::clock::Clock;
use chrysalis::log::quota::spent;
use chrysalis::log::{Ceiling, Counting, Expected, Group, Quota, Refused};
use chrysalis_domain::{Span, Timestamp};
use tokio::task::JoinSet;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{Seeded, bare, clock, everything, refused};
use crate::long;

every_store! {
    of_many_at_once_exactly_the_limit_pass,
    no_minute_at_any_alignment_holds_more_than_the_limit,
    retry_after_is_exact_to_the_millisecond,
    a_group_refused_by_one_quota_counts_in_none,
    a_group_refused_for_another_reason_counts_in_none,
    a_limit_of_zero_admits_nobody_and_breaks_nothing,
    whoever_only_asks_for_room_takes_none,
    whoever_is_only_noted_is_never_refused,
    a_large_limit_is_exact_for_many_at_once,
    no_hour_and_no_day_holds_more_than_the_limit,
    one_key_has_several_ceilings,
    many_keys_of_one_batch_are_counted_apart,
}

const MINUTE: Span = Span::from_secs(60);

fn limited(key: &str, limit: u32) -> Group {
    let mut group = bare("limited", Expected::Any, 1);
    group.quotas = vec![Quota::takes(key, limit, MINUTE)];
    group
}

async fn of_many_at_once_exactly_the_limit_pass(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let mut sent = JoinSet::new();
    for _ in 0..64 {
        let log = Arc::clone(&log);
        sent.spawn(async move { log.append(limited("k", 10)).await });
    }
    let mut passed = 0;
    while let Some(answer) = sent.join_next().await {
        match answer.unwrap() {
            Ok(_) => passed += 1,
            other => assert_eq!(refused(other), Refused::QuotaExceeded { quota: 0, retry_after: MINUTE }),
        }
    }
    assert_eq!(passed, 10);
    assert_eq!(everything(log.as_ref()).await.len(), 10);
    log.append(limited("another", 10)).await.unwrap();
}

/// Random steps of time, forwards and back, against the plainest model: a list of every time somebody was admitted.
async fn no_minute_at_any_alignment_holds_more_than_the_limit(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let steps = if long() { 5_000 } else { 400 };
    let mut now = Timestamp::default();
    for (seed, limit) in [(1, 1), (2, 3), (3, 7)] {
        let chance = Seeded::new(seed);
        let key = format!("seed {seed}");
        let mut admitted: Vec<i64> = Vec::new();
        for step in 0..steps {
            let millis = match chance.below(10) {
                0 => -i64::try_from(chance.below(30_000)).unwrap(),
                1..=5 => i64::try_from(chance.below(5_000)).unwrap(),
                6..=8 => i64::try_from(chance.below(40_000)).unwrap(),
                _ => 0,
            };
            clock.advance(Span::from_millis(millis));
            now = now.max(clock.now());
            let counting: Vec<i64> =
                admitted.iter().copied().filter(|at| now.as_millis() - at < MINUTE.as_millis()).collect();
            let answer = log.append(limited(&key, limit)).await;
            if counting.len() < usize::try_from(limit).unwrap() {
                let recorded_at = answer.unwrap_or_else(|error| panic!("seed {seed} step {step}: {error}")).recorded_at;
                assert_eq!(recorded_at, now);
                admitted.push(recorded_at.as_millis());
            } else {
                let retry_after = Span::from_millis(counting[0] + MINUTE.as_millis() - now.as_millis());
                assert_eq!(
                    refused(answer),
                    Refused::QuotaExceeded { quota: 0, retry_after },
                    "seed {seed} step {step}"
                );
            }
        }
        assert!(admitted.len() > steps / 20 && admitted.len() < steps, "the steps must meet both answers");
        for from in &admitted {
            let within = admitted.iter().filter(|at| **at >= *from && **at < from + MINUTE.as_millis()).count();
            assert!(within <= usize::try_from(limit).unwrap(), "{within} within a minute from {from}");
        }
    }
}

async fn retry_after_is_exact_to_the_millisecond(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    for pause in [7_001, 20_000, 1] {
        log.append(limited("k", 3)).await.unwrap();
        clock.advance(Span::from_millis(pause));
    }
    for _ in 0..6 {
        let Refused::QuotaExceeded { retry_after, .. } = refused(log.append(limited("k", 3)).await) else {
            panic!("not the quota")
        };
        clock.advance(Span::from_millis(retry_after.as_millis() - 1));
        let almost = Refused::QuotaExceeded { quota: 0, retry_after: Span::from_millis(1) };
        assert_eq!(refused(log.append(limited("k", 3)).await), almost);
        clock.advance(Span::from_millis(1));
        log.append(limited("k", 3)).await.unwrap();
    }
}

async fn a_group_refused_by_one_quota_counts_in_none(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let both = |narrow: &str| {
        let mut group = limited("wide", 2);
        group.quotas.extend(limited(narrow, 1).quotas);
        group
    };
    log.append(both("a")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(refused(log.append(both("a")).await), Refused::QuotaExceeded { quota: 1, retry_after: MINUTE });
    }
    log.append(both("b")).await.unwrap();
    assert_eq!(refused(log.append(both("c")).await), Refused::QuotaExceeded { quota: 0, retry_after: MINUTE });
}

async fn a_group_refused_for_another_reason_counts_in_none(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    for _ in 0..5 {
        let mut group = bare("limited", Expected::Exact(9), 1);
        group.quotas = limited("k", 1).quotas;
        assert!(matches!(refused(log.append(group).await), Refused::Version { .. }));
    }
    log.append(limited("k", 1)).await.unwrap();
}

async fn a_limit_of_zero_admits_nobody_and_breaks_nothing(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    assert_eq!(refused(log.append(limited("k", 0)).await), Refused::QuotaExceeded { quota: 0, retry_after: MINUTE });
    log.append(limited("k", 1)).await.unwrap();
    assert_eq!(refused(log.append(limited("k", 0)).await), Refused::QuotaExceeded { quota: 0, retry_after: MINUTE });
}

async fn whoever_only_asks_for_room_takes_none(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let asking = || {
        let mut group = limited("k", 2);
        group.quotas[0].counting = Counting::Asks;
        group
    };
    for _ in 0..5 {
        log.append(asking()).await.unwrap();
    }
    for _ in 0..2 {
        log.append(limited("k", 2)).await.unwrap();
    }
    assert!(matches!(refused(log.append(asking()).await), Refused::QuotaExceeded { quota: 0, .. }));
    assert!(matches!(refused(log.append(limited("k", 2)).await), Refused::QuotaExceeded { quota: 0, .. }));
}

async fn whoever_is_only_noted_is_never_refused(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let noted = || {
        let mut group = limited("k", 2);
        group.quotas[0].counting = Counting::Notes;
        group
    };
    for _ in 0..5 {
        log.append(noted()).await.unwrap();
    }
    assert!(matches!(refused(log.append(limited("k", 5)).await), Refused::QuotaExceeded { quota: 0, .. }));
    log.append(limited("k", 6)).await.unwrap();
    assert_eq!(spent(log.as_ref(), &limited("k", 6).quotas[0], clock().now()).await.unwrap(), [6]);
    assert_eq!(spent(log.as_ref(), &limited("new", 6).quotas[0], clock().now()).await.unwrap(), [0]);
}

async fn a_large_limit_is_exact_for_many_at_once(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let mut sent = JoinSet::new();
    for _ in 0..400 {
        let log = Arc::clone(&log);
        sent.spawn(async move { log.append(limited("k", 300)).await.is_ok() });
    }
    let answers = sent.join_all().await;
    assert_eq!(answers.into_iter().filter(|stored| *stored).count(), 300);
    assert_eq!(everything(log.as_ref()).await.len(), 300);
}

const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_days(1);

fn budgeted(key: &str, ceilings: &[(u32, Span)]) -> Group {
    let mut group = limited(key, 0);
    group.quotas[0].ceilings = ceilings.iter().map(|&(limit, span)| Ceiling { limit, span }).collect();
    group
}

/// Steps of time as a busy network makes them, against a list of every time somebody was admitted.
async fn no_hour_and_no_day_holds_more_than_the_limit(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let chance = Seeded::new(5);
    let ceilings = [(7, MINUTE), (80, HOUR), (200, DAY)];
    let mut admitted: Vec<i64> = Vec::new();
    let (mut refusals, steps) = (0, if long() { 6_000 } else { 900 });
    for _ in 0..steps {
        let millis = match chance.below(40) {
            0 => chance.below(9_000_000),
            1..=9 => chance.below(60_000),
            _ => chance.below(6_000),
        };
        clock.advance(Span::from_millis(i64::try_from(millis).unwrap()));
        match log.append(budgeted("k", &ceilings)).await {
            Ok(stored) => admitted.push(stored.recorded_at.as_millis()),
            other => {
                let Refused::QuotaExceeded { retry_after, .. } = refused(other) else { panic!("not the quota") };
                assert!(retry_after >= Span::from_millis(1) && retry_after <= DAY);
                refusals += 1;
            }
        }
    }
    assert!(refusals > 20 && admitted.len() > 100, "{refusals} refusals, {} admitted", admitted.len());
    for (limit, span) in ceilings {
        for from in &admitted {
            let within = admitted.iter().filter(|at| **at >= *from && **at < from + span.as_millis()).count();
            assert!(within <= limit as usize, "{within} within {span:?} from {from}");
        }
    }
}

async fn one_key_has_several_ceilings(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let ask = || budgeted("k", &[(2, MINUTE), (3, HOUR)]);
    for _ in 0..2 {
        log.append(ask()).await.unwrap();
    }
    assert_eq!(refused(log.append(ask()).await), Refused::QuotaExceeded { quota: 0, retry_after: MINUTE });
    clock.advance(MINUTE);
    log.append(ask()).await.unwrap();
    let rest = Span::from_millis(HOUR.as_millis() - MINUTE.as_millis());
    assert_eq!(refused(log.append(ask()).await), Refused::QuotaExceeded { quota: 0, retry_after: rest });
    clock.advance(rest);
    log.append(ask()).await.unwrap();
}

async fn many_keys_of_one_batch_are_counted_apart(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let stall = store.stall(&log).await;
    let mut sent = JoinSet::new();
    for n in 0..60 {
        let log = Arc::clone(&log);
        sent.spawn(async move {
            let mut group = limited(&format!("k{}", n % 6), 4);
            group.quotas.extend(limited("all", 20).quotas);
            log.append(group).await.is_ok()
        });
    }
    while sent.try_join_next().is_some() {}
    stall.release().await;
    let stored = sent.join_all().await.into_iter().filter(|stored| *stored).count();
    assert_eq!(stored, 20);
    let mut each = 0;
    for n in 0..6 {
        let quota = &limited(&format!("k{n}"), 4).quotas[0];
        let [counted] = spent(log.as_ref(), quota, clock().now()).await.unwrap()[..] else { panic!("one ceiling") };
        assert!(counted <= 4);
        each += counted;
    }
    assert_eq!(each, 20);
}
