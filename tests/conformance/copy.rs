//! A log moves from one store to another, and back, with everything that belongs to it.

use std::sync::Arc;

use chrysalis::keys::KeyringClaims;
use chrysalis::log::copy::{Copied, CopyError, Step, UNFINISHED, are_one, copy, finish};
use chrysalis::log::replica::{ELSEWHERE, FOLLOWED};
use chrysalis::log::transfer::SIDE_TABLES;
use chrysalis::log::{Expected, Store as WholeStore};
use chrysalis_projections::Value;

use super::history::History;
use super::store::{EventStore, Postgres, ROOMY, Sqlite, Store};
use super::world::{World, bare, clock, everything};
use super::{run, world};

#[test]
fn from_the_embedded_store_to_postgres_and_back() {
    run(async {
        let (embedded, postgres, again) = (Sqlite::fresh(), Postgres::fresh(), Sqlite::fresh());
        moves(&embedded, &postgres, 5).await;
        let first = World::around(Store::open(&postgres, &clock(), ROOMY).await, clock(), 77).await;
        first.arrival().await;
        moved(first.log.as_ref(), Store::open(&again, &clock(), ROOMY).await.as_ref()).await;
    });
}

#[test]
fn from_postgres_to_the_embedded_store() {
    run(async { moves(&Postgres::fresh(), &Sqlite::fresh(), 6).await });
}

#[test]
fn from_the_embedded_store_to_eventstoredb_and_back() {
    run(async {
        let (embedded, eventstore, again) = (Sqlite::fresh(), EventStore::fresh(), Sqlite::fresh());
        moves(&embedded, &eventstore, 7).await;
        let first = World::around(Store::open(&eventstore, &clock(), ROOMY).await, clock(), 77).await;
        first.arrival().await;
        moved(first.log.as_ref(), Store::open(&again, &clock(), ROOMY).await.as_ref()).await;
    });
}

#[test]
fn from_postgres_to_eventstoredb_and_from_there_to_another() {
    run(async {
        let (postgres, one, other) = (Postgres::fresh(), EventStore::fresh(), EventStore::fresh());
        moves(&postgres, &one, 8).await;
        let first = World::around(Store::open(&one, &clock(), ROOMY).await, clock(), 78).await;
        moved(first.log.as_ref(), Store::open(&other, &clock(), ROOMY).await.as_ref()).await;
    });
}

/// Everything that happened at one end stands at the other, and goes on there.
async fn moves(from: &dyn Store, to: &dyn Store, seed: u64) {
    let mut history = History::lived(from, seed, 400).await;
    let destination = to.open(&history.world.clock, ROOMY).await;
    moved(history.world.log.as_ref(), destination.as_ref()).await;

    // Whoever lived there lives here.
    let source = std::mem::replace(&mut history.world.log, destination.clone());
    let opened = World::keyring(destination.as_ref(), &history.world.chance).await;
    let claims = KeyringClaims(&opened);
    history.go_on(200).await;
    let report = destination.verify(&claims, &mut |_| {}).await.unwrap();
    assert_eq!((report.differences, report.gaps, report.misfits), (vec![], vec![], vec![]));
    assert!(destination.end().await.unwrap() > source.end().await.unwrap());
    // Now the destination has a life of its own: what comes from the source would contradict it.
    source.append(bare("late", Expected::NoStream, 1)).await.unwrap();
    let refused = copy(source.as_ref(), destination.as_ref(), false, &mut |_| {}).await;
    assert!(matches!(refused, Err(CopyError::Other(_) | CopyError::Differs(_))), "{refused:?}");
}

async fn moved(from: &dyn WholeStore, to: &dyn WholeStore) {
    let events = everything(from).await;
    let copied = copy(from, to, false, &mut |_| {}).await.unwrap();
    assert_eq!(copied, Copied { events: events.len() as u64, moved: events.len() as u64, behind: 0 });
    assert_eq!(everything(to).await, events);
    assert_eq!(to.end().await.unwrap(), from.end().await.unwrap());
    for table in &SIDE_TABLES {
        let (ours, mut theirs) = (from.side_rows(table, None, 100_000).await, to.side_rows(table, None, 100_000).await);
        if let Ok(theirs) = &mut theirs {
            theirs.retain(|row| not_a_mark(row));
        }
        let mut ours = ours.unwrap();
        ours.retain(|row| not_a_mark(row));
        assert_eq!(theirs.unwrap(), ours, "{}", table.name);
    }
    assert_eq!(to.checkpoint(UNFINISHED).await.unwrap(), 1, "until the read models are folded, nothing may serve it");
    let keyring = World::keyring(to, &world::Seeded::new(1)).await;
    to.rebuild(&KeyringClaims(&keyring), &mut |_| {}).await.unwrap();
    finish(to).await.unwrap();
    assert_eq!(to.checkpoint(UNFINISHED).await.unwrap(), 0);
}

/// The marks of an unfinished copy, and of a log that is elsewhere, belong to one end.
fn not_a_mark(row: &[Value]) -> bool {
    [UNFINISHED, ELSEWHERE, FOLLOWED].iter().all(|mark| row[0].as_text() != Some(*mark))
}

/// Stopped again and again, while the source lives on: in the end both ends are the same.
#[test]
fn a_copy_that_is_stopped_goes_on() {
    run(async {
        let (from, to) = (Sqlite::fresh(), Postgres::fresh());
        let world = World::on(&from).await;
        for _ in 0..12 {
            let groups = (0..50).map(|_| world.guest().1);
            for ask in groups {
                world.execute(ask).await.unwrap();
            }
        }
        world.append(bare("many", Expected::NoStream, 10_000)).await.unwrap();
        let destination = Store::open(&to, &world.clock, ROOMY).await;
        let mut stopped = 0;
        for after in 1..6 {
            let (source, there) = (world.log.clone(), destination.clone());
            let mut left = after;
            let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
            let mut stop = Some(stop);
            let mut tell = move |_: Step| {
                left -= 1;
                if left == 0 {
                    drop(stop.take());
                }
            };
            tokio::select! {
                biased;
                _ = stopping => stopped += 1,
                done = copy_all(source, there, &mut tell) => drop(done.unwrap()),
            }
            world.arrival().await;
        }
        assert!(stopped > 0, "none was stopped");
        let before = destination.end().await.unwrap();
        let copied = copy(world.log.as_ref(), destination.as_ref(), false, &mut |_| {}).await.unwrap();
        assert_eq!(copied.moved, copied.events - before);
        assert_eq!(everything(destination.as_ref()).await, everything(world.log.as_ref()).await);
    });
}

async fn copy_all(
    from: Arc<dyn WholeStore>,
    to: Arc<dyn WholeStore>,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Copied, CopyError> {
    copy(from.as_ref(), to.as_ref(), false, tell).await
}

#[test]
fn a_store_is_known_again_whoever_opened_it() {
    run(async {
        let stores: [&dyn Store; 4] =
            [&Sqlite::fresh(), &Postgres::fresh(), &EventStore::fresh(), &EventStore::fresh()];
        for (at, one) in stores.iter().enumerate() {
            for (beside, other) in stores.iter().enumerate() {
                let (from, to) = (one.open(&clock(), ROOMY).await, other.open(&clock(), ROOMY).await);
                assert_eq!(
                    are_one(from.as_ref(), to.as_ref(), "mark").await.unwrap(),
                    at == beside,
                    "{at} and {beside}"
                );
            }
        }
        // What is read of a log elsewhere is that log's own.
        let store = EventStore::fresh();
        let (log, read) = (Store::open(&store, &clock(), ROOMY).await, store.read_store(&clock()).await);
        assert!(are_one(read.as_ref(), log.as_ref(), "mark").await.unwrap());
    });
}

#[test]
fn a_store_with_keys_of_its_own_takes_no_copy() {
    run(async {
        let (from, to) = (Sqlite::fresh(), Postgres::fresh());
        let world = World::seeded(&from, 1).await;
        world.arrival().await;
        let other = World::seeded(&to, 2).await;
        let refused = copy(world.log.as_ref(), other.log.as_ref(), false, &mut |_| {}).await;
        assert!(matches!(refused, Err(CopyError::OtherKeys)), "{refused:?}");
        let empty = Store::open(&Sqlite::fresh(), &clock(), ROOMY).await;
        let refused = copy(empty.as_ref(), other.log.as_ref(), false, &mut |_| {}).await;
        assert!(matches!(refused, Err(CopyError::NothingThere)), "{refused:?}");
    });
}
