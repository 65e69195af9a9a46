//! Who reads on from a position while three nodes write, and are refused, sees every event once and in order.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrysalis::log::{AppendError, Expected, Recorded, Refused, Store as WholeStore};
use tokio::task::JoinSet;

use super::nodes;
use crate::conformance::run;
use crate::conformance::store::Postgres;
use crate::conformance::world::{Seeded, bare, clock};

const WRITERS: u64 = 64;

#[test]
fn a_follower_never_skips_while_64_write_at_three_nodes() {
    run(async {
        let store = Postgres::fresh();
        let clock = clock();
        let nodes = nodes(&store, &clock, 3).await;
        let until = Instant::now() + Duration::from_secs(if crate::long() { 60 } else { 3 });
        let mut writers = JoinSet::new();
        for seed in 0..WRITERS {
            let log = nodes[usize::try_from(seed % 3).unwrap()].clone();
            writers.spawn(write(log, Seeded::new(seed), until));
        }
        // The follower is at a node of its own writing, and hears of the others.
        let follower = tokio::spawn(follow(nodes[0].clone()));
        let mut acknowledged = HashSet::new();
        let mut refusals = 0;
        for (ids, refused) in writers.join_all().await {
            acknowledged.extend(ids);
            refusals += refused;
        }
        nodes[1].append(bare("end", Expected::NoStream, 1)).await.unwrap();
        let mut seen = follower.await.unwrap();
        assert!(seen.iter().zip(1..).all(|(event, position)| event.position == position), "dense, in order");
        seen.pop();
        let ids: HashSet<String> = seen.iter().map(|event| event.event_id.clone()).collect();
        assert_eq!(ids.len(), seen.len(), "an event was seen twice");
        assert_eq!(ids, acknowledged, "what was seen is what was acknowledged");
        assert!(refusals > 100, "{refusals} refusals are no load of them");
    });
}

/// Appends to streams that others append to as well; answers the events acknowledged, and how often it was refused.
async fn write(log: Arc<dyn WholeStore>, chance: Seeded, until: Instant) -> (Vec<String>, usize) {
    let (mut ids, mut refusals) = (Vec::new(), 0);
    while Instant::now() < until {
        let expected = *chance.pick(&[
            Expected::Any,
            Expected::NoStream,
            Expected::Exact(chance.below(3) as u64),
            Expected::Exact(chance.below(200) as u64),
        ]);
        let mut group = bare(&format!("s{}", chance.below(100)), expected, 1 + chance.below(3));
        if chance.below(4) == 0 {
            // Two streams, in any order: the nodes must not wait for each other for ever.
            group.appends.extend(bare(&format!("t{}", chance.below(20)), Expected::Any, 1).appends);
        }
        let events = group.appends.iter().flat_map(|append| &append.events);
        let written: Vec<_> = events.map(|event| event.id.to_string()).collect();
        match log.append(group).await {
            Ok(_) => ids.extend(written),
            Err(AppendError::Refused(Refused::Version { .. })) => refusals += 1,
            Err(other) => panic!("{other}"),
        }
    }
    (ids, refusals)
}

async fn follow(log: Arc<dyn WholeStore>) -> Vec<Recorded> {
    let (mut head, mut seen) = (log.head(), Vec::<Recorded>::new());
    loop {
        let last = seen.last().map_or(0, |event| event.position);
        head.wait_for(|position| *position > last).await.unwrap();
        let events = log.read_all(last, 200).await.unwrap();
        assert!(!events.is_empty(), "the head was announced before its events could be read");
        seen.extend(events);
        if seen.last().is_some_and(|event| event.stream.as_str() == "end") {
            return seen;
        }
    }
}
