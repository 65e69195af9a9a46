//! Sealed records are what events committed to: whatever becomes of one beside the log is found and named, and what the log
//! itself did (erasures, whatever comes meanwhile) is no finding.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrysalis::log::refold::Report;
use chrysalis::log::sealed::{Flaw, What, compare, compare_by};
use chrysalis::log::{Recorded, SealedRef};
use chrysalis_domain::id::SealedId;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use tokio::task::JoinSet;

use super::every_store;
use super::history::History;
use super::refold::beside_the_people;
use super::store::Store;
use super::world::{World, everything};
use crate::long;

every_store! {
    whatever_happens_the_records_are_those_that_events_name,
    one_altered_byte_is_named,
    one_that_is_missing_is_named_unless_it_was_erased,
    one_that_no_event_names_is_superfluous,
    what_outlives_its_person_is_named,
    among_writers_nothing_is_found,
}

async fn lived(store: &dyn Store, seed: u64, steps: usize) -> World {
    let mut history = History::of(World::seeded(store, seed).await);
    history.go_on(steps).await;
    history.world
}

async fn flaws(world: &World) -> Vec<Flaw> {
    let mut report = Report::default();
    compare(world.log.as_ref(), &mut report).await.unwrap();
    assert_eq!(report.further, 0);
    // However few are held at a time.
    let mut piecemeal = Report::default();
    compare_by(world.log.as_ref(), 7, &mut piecemeal).await.unwrap();
    let sorted = |mut flaws: Vec<Flaw>| {
        flaws.sort_by(|one, other| one.record.cmp(&other.record));
        flaws
    };
    let (report, piecemeal) = (sorted(report.flaws), sorted(piecemeal.flaws));
    assert_eq!(report, piecemeal);
    report
}

fn flaw(record: SealedId, what: What, event: &Recorded) -> Flaw {
    Flaw { record: record.to_string(), what, event: Some((event.position, event.event_id.clone())) }
}

/// Every record that is there, with the event that names it.
async fn named(store: &dyn Store, world: &World) -> Vec<(SealedId, Recorded)> {
    let there = store.seen("SELECT coalesce(string_agg(sealed_id, ' '), '') FROM sealed").await;
    let there: Vec<_> = there.split(' ').collect();
    let events = everything(world.log.as_ref()).await;
    let of = |event: Recorded| {
        SealedRef::decode(&event.sealed).into_iter().map(move |sealed| (sealed.id, event.clone())).collect::<Vec<_>>()
    };
    events.into_iter().flat_map(of).filter(|(id, _)| there.contains(&id.to_string().as_str())).collect()
}

fn at(record: SealedId) -> String {
    format!("sealed_id = '{record}'")
}

async fn whatever_happens_the_records_are_those_that_events_name(store: &dyn Store) {
    let mut history = History::of(World::seeded(store, 81).await);
    for _ in 0..if long() { 40 } else { 4 } {
        history.go_on(400).await;
        beside_the_people(&history.world).await;
        assert_eq!(flaws(&history.world).await, []);
    }
    let events = everything(history.world.log.as_ref()).await;
    let named: usize = events.iter().map(|event| SealedRef::decode(&event.sealed).len()).sum();
    let there: usize = store.seen("SELECT cast(count(*) AS text) FROM sealed").await.parse().unwrap();
    assert!(there > 50 && named > there + 20, "nobody was erased: {there} of {named}");
}

async fn one_altered_byte_is_named(store: &dyn Store) {
    let world = lived(store, 82, 400).await;
    let all = named(store, &world).await;
    for _ in 0..if long() { 400 } else { 25 } {
        let (record, event) = world.chance.pick(&all);
        let sql = format!("SELECT cast(length(ciphertext) AS text) FROM sealed WHERE {}", at(*record));
        let length: usize = store.seen(&sql).await.parse().unwrap();
        let (column, byte) = if world.chance.below(4) == 0 {
            ("salt", world.chance.below(16))
        } else {
            ("ciphertext", world.chance.below(length))
        };
        store.flip(("sealed", &at(*record)), column, byte).await;
        assert_eq!(flaws(&world).await, [flaw(*record, What::Altered, event)], "byte {byte} of {column}");
        store.flip(("sealed", &at(*record)), column, byte).await;
    }
    // One that says to be of another kind, and one in another's place.
    let (record, event) = &all[0];
    store.behind(&format!("UPDATE sealed SET kind = kind || 's' WHERE {}", at(*record))).await;
    assert_eq!(flaws(&world).await, [flaw(*record, What::Altered, event)]);
    store.behind(&format!("UPDATE sealed SET kind = substr(kind, 1, length(kind) - 1) WHERE {}", at(*record))).await;
    let other = all.iter().find(|(other, _)| other != record).unwrap().0;
    for column in ["kind", "salt", "ciphertext"] {
        let theirs = format!("(SELECT o.{column} FROM sealed o WHERE o.sealed_id = '{other}')");
        store.behind(&format!("UPDATE sealed SET {column} = {theirs} WHERE {}", at(*record))).await;
    }
    assert_eq!(flaws(&world).await, [flaw(*record, What::Altered, event)]);
}

async fn one_that_is_missing_is_named_unless_it_was_erased(store: &dyn Store) {
    let world = lived(store, 83, 500).await;
    beside_the_people(&world).await;
    let all = named(store, &world).await;
    let (record, event) = world.chance.pick(&all);
    store.behind(&format!("DELETE FROM sealed WHERE {}", at(*record))).await;
    assert_eq!(flaws(&world).await, [flaw(*record, What::Missing, event)]);
    // All of them, whatever they are about.
    store.behind("DELETE FROM sealed").await;
    let mut missing: Vec<_> = all.iter().map(|(record, event)| flaw(*record, What::Missing, event)).collect();
    missing.sort_by(|one, other| one.record.cmp(&other.record));
    missing.dedup_by(|one, other| one.record == other.record);
    let mut report = Report::default();
    compare(world.log.as_ref(), &mut report).await.unwrap();
    assert_eq!(report.wrong(), missing.len() as u64);
    assert!(report.flaws.iter().all(|found| missing.iter().any(|one| one.record == found.record)));
}

async fn one_that_no_event_names_is_superfluous(store: &dyn Store) {
    let world = lived(store, 84, 200).await;
    for record in [world.fresh(SealedId::from_ulid).to_string(), "sld_".to_owned(), "zzz".to_owned()] {
        let sql = format!(
            "INSERT INTO sealed (sealed_id, person_id, kind, salt, ciphertext)
             SELECT '{record}', person_id, kind, salt, ciphertext FROM sealed LIMIT 1"
        );
        assert_eq!(store.behind(&sql).await, 1);
        assert_eq!(flaws(&world).await, [Flaw { record: record.clone(), what: What::Unnamed, event: None }]);
        store.behind(&format!("DELETE FROM sealed WHERE sealed_id = '{record}'")).await;
    }
}

async fn what_outlives_its_person_is_named(store: &dyn Store) {
    let world = World::on(store).await;
    let (guest, other) = (world.arrival().await, world.arrival().await);
    for (guest, address) in [(&guest, "jane@example.com"), (&other, "joe@example.com")] {
        world.execute(world.upgrade(guest.user, &guest.person, guest.session, address, false)).await.unwrap();
    }
    for table in ["sealed", "person_keys"] {
        store.behind(&format!("CREATE TABLE {table}_kept AS SELECT * FROM {table}")).await;
    }
    let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
    world.execute(world.ask(guest.user, delete)).await.unwrap();
    assert_eq!(flaws(&world).await, []);
    let person = guest.person.id;
    for table in ["sealed", "person_keys"] {
        let sql = format!("INSERT INTO {table} SELECT * FROM {table}_kept WHERE person_id = '{person}'");
        assert!(store.behind(&sql).await > 0);
    }
    let erased = everything(world.log.as_ref()).await.into_iter().find(|event| event.event_type == "UserDeleted");
    let erased = erased.map(|event| (event.position, event.event_id));
    let found = flaws(&world).await;
    assert!(found.iter().all(|flaw| flaw.event == erased), "{found:?}");
    let keys: Vec<_> = found.iter().filter(|flaw| flaw.what == What::KeyOutlived).map(|flaw| &flaw.record).collect();
    assert_eq!(keys, [&person.to_string()]);
    assert_eq!(found.iter().filter(|flaw| flaw.what == What::Outlived).count(), 2, "{found:?}");
    assert_eq!(found.len(), 3);
}

async fn among_writers_nothing_is_found(store: &dyn Store) {
    let world = Arc::new(lived(store, 85, 200).await);
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (world, done) = (world.clone(), done.clone());
        writers.spawn(async move {
            for nth in 1..=if long() { 2_000 } else { 150 } {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let (guest, address) = (world.arrival().await, format!("w{writer}-{nth}@example.com"));
                world.execute(world.upgrade(guest.user, &guest.person, guest.session, &address, false)).await.unwrap();
                if nth % 2 == 0 {
                    let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
                    world.execute(world.ask(guest.user, delete)).await.unwrap();
                }
            }
        });
    }
    for _ in 0..if long() { 60 } else { 8 } {
        let mut report = Report::default();
        compare(world.log.as_ref(), &mut report).await.unwrap();
        assert_eq!(report.flaws, []);
    }
    done.store(true, Ordering::Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(flaws(&world).await, []);
}
