//! One order for everybody: who reads `position > last` while others write sees every event once.

use std::collections::HashMap;
use std::sync::Arc;

use chrysalis::log::{Appended, Expected, Recorded, Store as WholeStore, StreamId};
use chrysalis_domain::Span;
use tokio::task::JoinSet;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{Seeded, bare, clock, everything};
use crate::long;

every_store! {
    a_follower_never_skips_while_64_write,
    time_as_recorded_never_falls,
    pages_are_bounded_and_join_without_a_seam,
    many_streams_are_read_in_one_question,
}

const WRITERS: u64 = 64;

async fn a_follower_never_skips_while_64_write(store: &dyn Store) {
    let (clock, each) = (clock(), if long() { 1_000 } else { 40 });
    let log = store.open(&clock, ROOMY).await;
    let mut writers = JoinSet::new();
    for seed in 0..WRITERS {
        let (log, clock) = (Arc::clone(&log), clock.clone());
        writers.spawn(async move {
            let chance = Seeded::new(seed);
            let mut acknowledged = Vec::new();
            for _ in 0..each {
                // The clock runs on, and now and then it is set back.
                let millis = if chance.below(10) == 0 { -50 } else { 7 };
                clock.advance(Span::from_millis(millis));
                let group = bare(&format!("s{}", chance.below(200)), Expected::Any, 1 + chance.below(4));
                let ids: Vec<_> = group.appends[0].events.iter().map(|event| event.id.to_string()).collect();
                acknowledged.push((ids, log.append(group).await.unwrap()));
            }
            acknowledged
        });
    }
    let follower = tokio::spawn(follow(Arc::clone(&log), usize::try_from(WRITERS).unwrap() * each));
    let acknowledged: Vec<(Vec<String>, Appended)> = writers.join_all().await.into_iter().flatten().collect();
    let total: usize = acknowledged.iter().map(|(ids, _)| ids.len()).sum();
    // The last word, so that the follower knows when it has everything.
    log.append(bare("end", Expected::NoStream, 1)).await.unwrap();
    let seen = follower.await.unwrap();

    assert_eq!(seen.len(), total + 1);
    assert!(seen.is_sorted_by(|one, next| one.position < next.position), "positions must rise");
    assert!(seen.is_sorted_by_key(|event| event.recorded_at), "recorded time must not fall");
    if store.dense() {
        assert!(seen.iter().zip(1..).all(|(event, position)| event.position == position), "positions must be dense");
    }
    let by_id: HashMap<&str, &Recorded> = seen.iter().map(|event| (event.event_id.as_str(), event)).collect();
    assert_eq!(by_id.len(), seen.len(), "an event was seen twice");
    for (ids, appended) in &acknowledged {
        let group: Vec<_> =
            ids.iter().map(|id| by_id.get(id.as_str()).expect("an acknowledged event was skipped")).collect();
        assert_eq!((group[0].position, group[group.len() - 1].position), (appended.first, appended.last));
        assert_eq!(group[group.len() - 1].version, appended.versions[0]);
        assert!(group.iter().all(|event| event.recorded_at == appended.recorded_at));
    }
    let mut streams: HashMap<&StreamId, Vec<&Recorded>> = HashMap::new();
    seen.iter().for_each(|event| streams.entry(&event.stream).or_default().push(event));
    for (stream, events) in streams {
        assert!(
            events.iter().zip(1..).all(|(event, version)| event.version == version),
            "versions of {stream:?} must have no gap"
        );
        assert_eq!(log.read_stream(stream, 0, usize::MAX >> 1).await.unwrap().iter().collect::<Vec<_>>(), events);
    }
}

/// Follows the log as followers do, until the last word.
async fn follow(log: Arc<dyn WholeStore>, groups: usize) -> Vec<Recorded> {
    let (mut head, mut seen) = (log.head(), Vec::<Recorded>::new());
    let page = (groups / 20).max(7);
    loop {
        let last = seen.last().map_or(0, |event| event.position);
        head.wait_for(|position| *position > last).await.unwrap();
        let events = log.read_all(last, page).await.unwrap();
        assert!(!events.is_empty(), "the head was announced before its events could be read");
        seen.extend(events);
        if seen.last().is_some_and(|event| event.stream.as_str() == "end") {
            return seen;
        }
    }
}

async fn time_as_recorded_never_falls(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let first = log.append(bare("s", Expected::Any, 1)).await.unwrap();
    clock.advance(Span::from_secs(-3600));
    let second = log.append(bare("s", Expected::Any, 1)).await.unwrap();
    assert_eq!(second.recorded_at, first.recorded_at);
    // Nor over a restart.
    drop(log);
    let log = store.open(&clock, ROOMY).await;
    assert_eq!(log.append(bare("s", Expected::Any, 1)).await.unwrap().recorded_at, first.recorded_at);
    clock.advance(Span::from_secs(3601));
    let later = log.append(bare("s", Expected::Any, 1)).await.unwrap();
    assert_eq!(later.recorded_at, first.recorded_at + Span::from_secs(1));
}

async fn pages_are_bounded_and_join_without_a_seam(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    for _ in 0..10 {
        log.append(bare("a", Expected::Any, 3)).await.unwrap();
        log.append(bare("b", Expected::Any, 2)).await.unwrap();
    }
    let all = everything(log.as_ref()).await;
    let of_a: Vec<_> = all.iter().filter(|event| event.stream.as_str() == "a").cloned().collect();
    for limit in [1, 2, 7, 50, 51] {
        let (mut whole, mut a) = (Vec::<Recorded>::new(), Vec::<Recorded>::new());
        loop {
            let page = log.read_all(whole.last().map_or(0, |last| last.position), limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            whole.extend(page);
        }
        loop {
            let after = a.last().map_or(0, |last| last.version);
            let page = log.read_stream(&StreamId::from_stored("a".to_owned()), after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            a.extend(page);
        }
        assert_eq!((&whole, &a), (&all, &of_a), "in pages of {limit}");
    }
}

/// Each as far as it was asked for, in its own order, and nothing of anybody else's.
async fn many_streams_are_read_in_one_question(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let name = |number: usize| format!("of {number}, \"\u{fc}\"");
    for round in 0..3 {
        for number in 0..40 {
            log.append(bare(&name(number), Expected::Any, 1 + (number + round) % 2)).await.unwrap();
        }
    }
    let stream = |number| StreamId::from_stored(name(number));
    let wanted: Vec<_> = (0..30).step_by(2).chain([99]).map(stream).collect();
    for upto in [0, 1, 3, 100] {
        let read = log.read_streams(&wanted, upto).await.unwrap();
        let mut streams: HashMap<&StreamId, Vec<&Recorded>> = HashMap::new();
        read.iter().for_each(|event| streams.entry(&event.stream).or_default().push(event));
        for wanted in &wanted {
            let alone = log.read_stream(wanted, 0, usize::try_from(upto).unwrap()).await.unwrap();
            let together = streams.remove(wanted).unwrap_or_default();
            assert_eq!(together, alone.iter().collect::<Vec<_>>(), "{wanted:?} up to {upto}");
        }
        assert!(streams.is_empty(), "nobody asked for {streams:?}");
    }
    assert_eq!(log.read_streams(&[], 100).await.unwrap(), []);
}
