//! A stream and a read store that don't fit each other: it is said, nothing is served from them, and what is left is whole.

use std::time::Duration;

use chrysalis::keys::KeyringClaims;
use chrysalis::log::copy::{CopyError, UNFINISHED, copy, finish};
use chrysalis::log::eventstore::Options;
use chrysalis::log::replica::ELSEWHERE;
use chrysalis::log::{AppendError, Expected, LogFault, Store as WholeStore};
use eventstore::{AppendToStreamOptions, Client, ClientSettings, EventData, TombstoneStreamOptions};
use eventstore_double::Double;

use super::{impatient, on, streamed};
use crate::conformance::refold::verified;
use crate::conformance::run;
use crate::conformance::store::{EventStore, ROOMY, Sqlite};
use crate::conformance::world::{World, bare, clock, everything};

/// Told as what it is, and what to look at.
fn apart<T: std::fmt::Debug>(answer: Result<T, LogFault>, told: &str) {
    let Err(LogFault::Unavailable(said)) = &answer else { panic!("{answer:?}") };
    for part in ["don't belong together", told, "CHRYSALIS_READ_STORE"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

/// As in an outage, so that the balancer sends nobody, and whoever comes is told to come back.
async fn stores_nothing(log: &dyn WholeStore, told: &str) {
    for _ in 0..500 {
        match log.append(bare("t", Expected::NoStream, 1)).await {
            Err(AppendError::Fault(LogFault::Unavailable(said))) if said.contains(told) => {
                assert!(log.ready().await.is_err());
                return;
            }
            // At first nobody knows what it is.
            Err(AppendError::Fault(LogFault::Unavailable(_))) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
    }
    panic!("never told: {told}");
}

#[test]
fn a_node_whose_stream_is_gone_is_not_ready_and_stores_nothing() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("s", Expected::NoStream, 3)).await.unwrap();
        log.ready().await.unwrap();
        let client = Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap();
        client.tombstone_stream(store.stream(), &TombstoneStreamOptions::default()).await.unwrap();
        assert!(log.ready().await.is_err(), "seen before anybody writes");
        stores_nothing(log.as_ref(), "was deleted in EventStoreDB").await;
    });
}

#[test]
fn a_read_store_is_nobodys_until_the_stream_answered() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        let nowhere = Options { url: "esdb://127.0.0.1:1?tls=false".to_owned(), ..impatient(&store) };
        let refused = store.try_open(&nowhere, &clock()).await.map(|_| ());
        let Err(LogFault::Unavailable(said)) = refused else { panic!("{refused:?}") };
        assert!(said.contains("127.0.0.1:1") && said.contains("on a first start"), "{said}");
        assert_eq!(store.read_store(&clock()).await.checkpoint(ELSEWHERE).await.unwrap(), 0);
        store.try_open(&impatient(&store), &clock()).await.unwrap();
    });
}

#[test]
fn a_read_store_that_lacks_what_stands_in_the_stream_is_not_served_from() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("s", Expected::NoStream, 3)).await.unwrap();
        let beside = store.beside();
        let other = beside.try_open(&impatient(&beside), &clock()).await.unwrap();
        apart(other.fit().await, "was not offered by way of this read store");
        stores_nothing(other.as_ref(), "was not offered by way of this read store").await;
        // Whose it is notices nothing.
        log.fit().await.unwrap();
        log.append(bare("t", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(streamed(&double, &store), 4);
    });
}

#[test]
fn a_stream_that_was_cut_off_is_noticed() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("s", Expected::NoStream, 3)).await.unwrap();
        drop(log);
        let store = store.elsewhere();
        apart(store.try_open(&impatient(&store), &clock()).await.map(|_| ()), "ends before position 3");
        assert_eq!(streamed(&double, &store), 0);
    });
}

#[test]
fn a_stream_that_is_another_log_of_the_same_length_is_noticed() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("s", Expected::NoStream, 3)).await.unwrap();
        drop(log);
        let other = EventStore::at(&double.url());
        let theirs = other.try_open(&impatient(&other), &clock()).await.unwrap();
        theirs.append(bare("s", Expected::NoStream, 3)).await.unwrap();
        let confused = Options { stream: other.stream().to_owned(), ..impatient(&store) };
        let opened = || async { store.try_open(&confused, &clock()).await };
        apart(opened().await.map(|_| ()), "at position 3");

        // And where it is seen later: it opens while the server is away.
        double.node(0).crash();
        let log = opened().await.unwrap();
        assert_eq!(everything(log.as_ref()).await.len(), 3);
        log.fit().await.unwrap();
        assert!(log.ready().await.is_err());
        double.node(0).restart();
        stores_nothing(log.as_ref(), "at position 3").await;
        theirs.fit().await.unwrap();
        assert_eq!((streamed(&double, &other), streamed(&double, &store)), (3, 3), "nothing was added to either");
    });
}

#[test]
fn what_is_read_can_be_copied_from_without_the_stream() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let world = World::around(log, clock(), 7).await;
        for _ in 0..20 {
            world.arrival().await;
        }
        let events = everything(world.log.as_ref()).await;
        drop(world);
        drop(double);
        let (read, moved) = (store.read_store(&clock()).await, Sqlite::fresh());
        let to = moved.open(&clock(), ROOMY);
        copy(read.as_ref(), to.as_ref(), false, &mut |_| {}).await.unwrap();
        assert_eq!(everything(to.as_ref()).await, events);
        assert_eq!(to.checkpoint(ELSEWHERE).await.unwrap(), 0, "the copy is a log of its own");
    });
}

#[test]
fn an_event_that_was_altered_in_the_stream_is_named() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let world = World::around(log, clock(), 8).await;
        for _ in 0..5 {
            world.arrival().await;
        }
        assert_eq!(verified(&world).await.differences, []);
        let altered = double.events().into_iter().find(|event| event.stream.as_ref() == store.stream()).unwrap();
        assert!(double.alter(altered.at, |event| event.data = b"{}".to_vec().into()));
        let found = verified(&world).await.differences;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].table, found[0].column.as_str()), ("events", "leaf"));
    });
}

/// Restored to an earlier state, and then used by somebody else.
#[test]
fn a_stream_that_ends_before_the_read_store_or_is_written_to_by_others_is_told_from_it() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let world = World::around(log, clock(), 10).await;
        for _ in 0..5 {
            world.arrival().await;
        }
        let earlier = EventStore::at(&double.url());
        let restored = earlier.try_open(&impatient(&earlier), &clock()).await.unwrap();
        copy(world.log.as_ref(), restored.as_ref(), false, &mut |_| {}).await.unwrap();
        drop(restored);
        let stood = streamed(&double, &earlier);
        world.arrival().await;
        let (has, keyring) = (streamed(&double, &store), world.keyring.clone());
        drop(world);

        let options = Options { stream: earlier.stream().to_owned(), ..impatient(&store) };
        let found = async || {
            let log = store.to_verify(&options, &clock()).await.unwrap();
            let report = log.verify(&KeyringClaims(&keyring), &mut |_| {}).await.unwrap();
            assert!(log.append(bare("t", Expected::NoStream, 1)).await.is_err(), "nothing is stored");
            report
        };
        let report = found().await;
        let ends = format!("the stream {} ends at position {stood}, and the read store at {has}", earlier.stream());
        assert_eq!((report.wrong(), report.apart.len()), (1, 1), "what stands there is ours: {report:?}");
        assert!(report.apart[0].contains(&ends), "{report:?}");

        let client = Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap();
        let foreign = (0..has).map(|_| EventData::json("Foreign", &serde_json::json!({})).unwrap());
        client
            .append_to_stream(earlier.stream(), &AppendToStreamOptions::default(), foreign.collect::<Vec<_>>())
            .await
            .unwrap();
        let report = found().await;
        // Each where the read store has another, and the first behind its end.
        assert_eq!((report.wrong(), report.apart.len()), ((has - stood + 1) as u64, has - stood + 1), "{report:?}");
        assert!(report.apart.iter().all(|told| told.contains("somebody else wrote it")), "{report:?}");
        assert!(report.apart[0].contains(&format!("revision {stood} ")), "{report:?}");
    });
}

#[test]
fn a_stream_that_holds_another_log_takes_no_copy_and_says_so() {
    run(async {
        let double = Double::start();
        let world = World::on(&Sqlite::fresh()).await;
        for _ in 0..5 {
            world.arrival().await;
        }
        let (other, theirs) = on(&double).await;
        theirs.append(bare("s", Expected::NoStream, 3)).await.unwrap();
        let to = other.beside();
        let destination = to.try_open(&impatient(&to), &clock()).await.unwrap();
        let refused = copy(world.log.as_ref(), destination.as_ref(), false, &mut |_| {}).await;
        let Err(CopyError::Destination(LogFault::Unavailable(said))) = refused else { panic!("{refused:?}") };
        for part in [to.stream(), "holds another", "at position 1 ", "CHRYSALIS_EVENTSTORE_STREAM"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        drop(destination);
        // The same read store takes it beside a stream of its own.
        let to = to.elsewhere();
        let destination = to.try_open(&impatient(&to), &clock()).await.unwrap();
        copy(world.log.as_ref(), destination.as_ref(), false, &mut |_| {}).await.unwrap();
        assert_eq!(everything(destination.as_ref()).await, everything(world.log.as_ref()).await);
        assert_eq!(streamed(&double, &other), 3);
    });
}

#[test]
fn a_stream_that_somebody_else_writes_to_takes_no_copy_and_says_so() {
    run(async {
        let double = Double::start();
        let world = World::on(&Sqlite::fresh()).await;
        world.arrival().await;
        let store = EventStore::at(&double.url());
        let client = Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap();
        let foreign = EventData::json("Foreign", &serde_json::json!({})).unwrap();
        client.append_to_stream(store.stream(), &AppendToStreamOptions::default(), foreign).await.unwrap();
        let destination = store.try_open(&impatient(&store), &clock()).await.unwrap();
        let refused = copy(world.log.as_ref(), destination.as_ref(), false, &mut |_| {}).await;
        let Err(CopyError::Destination(LogFault::Unavailable(said))) = refused else { panic!("{refused:?}") };
        assert!(said.contains("somebody else wrote it") && said.contains("name an empty stream"), "{said}");
    });
}

/// The stream has what was copied, and the read store doesn't: as where a copy was stopped between the two.
#[test]
fn what_a_copy_left_in_the_stream_is_taken_by_the_next_and_keeps_nobody_from_it() {
    run(async {
        let double = Double::start();
        let world = World::on(&Sqlite::fresh()).await;
        for _ in 0..5 {
            world.arrival().await;
        }
        let whole = EventStore::at(&double.url());
        let first = whole.try_open(&impatient(&whole), &clock()).await.unwrap();
        copy(world.log.as_ref(), first.as_ref(), false, &mut |_| {}).await.unwrap();
        let (stored, halved) = (streamed(&double, &whole), whole.beside());
        let destination = halved.try_open(&impatient(&halved), &clock()).await.unwrap();
        destination.advance(UNFINISHED, 0, 1).await.unwrap();
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            destination.ready().await.unwrap();
        }
        copy(world.log.as_ref(), destination.as_ref(), false, &mut |_| {}).await.unwrap();
        assert_eq!(everything(destination.as_ref()).await, everything(world.log.as_ref()).await);
        assert_eq!(streamed(&double, &whole), stored, "nothing was appended twice");
    });
}

/// Whoever serves it by that read store could store nothing any more after the first write by way of the other.
#[test]
fn a_stream_that_another_read_store_answers_for_is_taken_over_by_whoever_says_so_alone() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let world = World::around(log, clock(), 9).await;
        for _ in 0..5 {
            world.arrival().await;
        }
        let file = Sqlite::fresh();
        let backup = file.open(&clock(), ROOMY);
        copy(world.log.as_ref(), backup.as_ref(), false, &mut |_| {}).await.unwrap();
        finish(backup.as_ref()).await.unwrap();
        let (stored, to) = (streamed(&double, &store), store.beside());
        let other = to.try_open(&impatient(&to), &clock()).await.unwrap();
        let refused = copy(backup.as_ref(), other.as_ref(), false, &mut |_| {}).await;
        assert!(matches!(refused, Err(CopyError::Served)), "{refused:?}");
        assert_eq!((other.end().await.unwrap(), other.checkpoint(UNFINISHED).await.unwrap()), (0, 0));
        copy(backup.as_ref(), other.as_ref(), true, &mut |_| {}).await.unwrap();
        assert_eq!((everything(other.as_ref()).await.len(), streamed(&double, &store)), (stored, stored));

        // The log goes on by way of the first: what was copied is an older state of it, and says so.
        world.arrival().await;
        let third = store.beside();
        let destination = third.try_open(&impatient(&third), &clock()).await.unwrap();
        let refused = copy(backup.as_ref(), destination.as_ref(), true, &mut |_| {}).await;
        assert!(matches!(refused, Err(CopyError::GoesOn(at)) if at == stored as u64), "{refused:?}");
        let report = other.verify(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap();
        let missing = format!("the event at position {} of the stream", stored + 1);
        assert!(report.apart.iter().any(|told| told.contains(&missing)), "{report:?}");
    });
}
