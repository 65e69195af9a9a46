//! Names that a batch claims: each is reserved in a stream of its own before the batch is appended, and released behind it,
//! whoever stops in between.

use std::sync::Arc;
use std::time::Duration;

use chrysalis::log::cqrs::{Done, ExecuteError};
use chrysalis::log::eventstore::Options;
use chrysalis::log::{Expected, Refused};
use chrysalis_domain::id::{ClaimId, UserId};
use eventstore_double::{Double, Held, Trouble};
use tokio::task::JoinHandle;

use super::{impatient, insist, on};
use crate::conformance::run;
use crate::conformance::store::{EventStore, Store};
use crate::conformance::world::{World, bare, clock, refused_by_store};

const ADDRESS: &str = "ada@example.com";

/// A node that leaves what others left undone for a second.
fn quick(store: &EventStore) -> Options {
    Options { commit_timeout: Duration::from_millis(500), ..impatient(store) }
}

async fn node(store: &EventStore, seed: u64) -> Arc<World> {
    let clock = clock();
    let log = store.try_open(&impatient(store), &clock).await.unwrap();
    Arc::new(World::around(log, clock, seed).await)
}

fn reserved(double: &Double, store: &EventStore) -> Vec<String> {
    double.streams(&format!("reserved_{}-", store.stream()))
}

async fn noted(store: &EventStore) -> String {
    store.seen("SELECT CAST(count(*) AS text) FROM reserved").await
}

/// Waits until nothing is reserved any more, neither there nor in the notes.
async fn all_released(double: &Double, store: &EventStore) {
    while !reserved(double, store).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

struct Claiming {
    user: UserId,
    claim: ClaimId,
    done: JoinHandle<Result<Done, ExecuteError>>,
}

/// Somebody signs up with the address, at a node.
fn signs_up(node: &Arc<World>, address: &str) -> Claiming {
    let (user, _, ask) = node.sign_up(address);
    let claim = ask.claims[0].claim;
    let node = node.clone();
    Claiming { user, claim, done: tokio::spawn(async move { node.execute(ask).await }) }
}

/// A node that reserved the address and stopped before its append.
async fn stops_behind_its_reservation(double: &Double, store: &EventStore, address: &str) -> (UserId, ClaimId) {
    let node = node(store, 99).await;
    let held = holds_log(double, store);
    let Claiming { user, claim, done } = signs_up(&node, address);
    held.waiting(1).await;
    assert_eq!(reserved(double, store).len(), 1);
    double.node(0).crash();
    held.waiting(0).await;
    done.abort();
    assert!(done.await.is_err(), "it was answered");
    // It is the last that has the node, which ends before anybody answers it.
    drop((held, Arc::into_inner(node).unwrap()));
    double.node(0).restart();
    assert_eq!(reserved(double, store).len(), 1, "it is still reserved");
    (user, claim)
}

fn holds_log(double: &Double, store: &EventStore) -> Held {
    double.hold(store.stream())
}

#[test]
fn what_is_claimed_is_reserved_before_it_is_appended_and_released_behind_it() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let world = Arc::new(World::around(log, clock(), 1).await);
        world.arrival().await;
        assert!(reserved(&double, &store).is_empty(), "a guest claims nothing");
        let held = holds_log(&double, &store);
        let claiming = signs_up(&world, ADDRESS);
        held.waiting(1).await;
        let [stream] = &reserved(&double, &store)[..] else { panic!("it is reserved once") };
        let named = double.events().into_iter().rfind(|event| event.stream.as_ref() == stream).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&named.data).unwrap();
        assert_eq!(body, serde_json::json!({ "claim": claiming.claim }));
        assert_eq!(store.seen("SELECT stream FROM reserved").await, *stream);
        drop(held);
        claiming.done.await.unwrap().unwrap();
        all_released(&double, &store).await;
        assert_eq!(world.holder(ADDRESS).await.unwrap().user, claiming.user);
        // What is released is noted no longer than until the next one is.
        signs_up(&world, "bob@example.com").done.await.unwrap().unwrap();
        assert_eq!(noted(&store).await, "1");
    });
}

/// A lookup key that another node may still use names it, too.
#[test]
fn what_is_claimed_is_reserved_by_every_look_up_key() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let mut world = World::around(log, clock(), 1).await;
        let held = holds_log(&double, &store);
        let before = signs_up(&node(&store, 2).await, ADDRESS);
        held.waiting(1).await;
        let by_one = reserved(&double, &store);
        drop(held);
        before.done.await.unwrap().unwrap();
        all_released(&double, &store).await;
        world.rotate_lookup_key().await;
        let held = holds_log(&double, &store);
        let world = Arc::new(world);
        let after = signs_up(&world, "bob@example.com");
        held.waiting(1).await;
        let by_both = reserved(&double, &store);
        assert_eq!((by_one.len(), by_both.len()), (1, 2));
        drop(held);
        after.done.await.unwrap().unwrap();
        all_released(&double, &store).await;
    });
}

#[test]
fn of_two_nodes_whoever_reserved_it_has_it_and_the_other_is_refused() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let one = Arc::new(World::around(log, clock(), 1).await);
        let two = node(&store, 2).await;
        for round in 0..10 {
            let address = format!("ada{round}@example.com");
            let held = holds_log(&double, &store);
            let first = signs_up(&one, &address);
            held.waiting(1).await;
            // It meets the reservation, and brings the first to stand before it is judged.
            let second = signs_up(&two, &address);
            held.waiting(2).await;
            drop(held);
            first.done.await.unwrap().unwrap();
            let refused = refused_by_store(second.done.await.unwrap());
            assert_eq!(refused, Refused::ClaimHeld { claim: second.claim, by: first.claim }, "round {round}");
            assert_eq!(two.holder(&address).await.unwrap().user, first.user);
        }
        all_released(&double, &store).await;
    });
}

#[test]
fn many_who_race_for_few_names_have_each_once() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let nodes = [Arc::new(World::around(log, clock(), 1).await), node(&store, 2).await, node(&store, 3).await];
        for round in 0..5 {
            let address = |name: usize| format!("ada{round}.{name}@example.com");
            let all: Vec<_> =
                (0..30).map(|number| (number % 4, signs_up(&nodes[number % 3], &address(number % 4)))).collect();
            let mut won = [0; 4];
            for (name, claiming) in all {
                match claiming.done.await.unwrap() {
                    Ok(_) => won[name] += 1,
                    lost => assert!(matches!(refused_by_store(lost), Refused::ClaimHeld { .. })),
                }
            }
            assert_eq!(won, [1; 4], "round {round}");
        }
        all_released(&double, &store).await;
    });
}

/// The retry of whoever waited finds that it happened: it was in hand, and nothing came between.
#[test]
fn who_wants_a_name_that_a_stopped_node_reserved_brings_that_to_stand() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        let (user, claim) = stops_behind_its_reservation(&double, &store, ADDRESS).await;
        let world = node(&store, 1).await;
        let late = signs_up(&world, ADDRESS);
        let refused = refused_by_store(late.done.await.unwrap());
        assert_eq!(refused, Refused::ClaimHeld { claim: late.claim, by: claim });
        assert_eq!(world.holder(ADDRESS).await.unwrap().user, user);
    });
}

/// Something else took the place of what was in hand: nobody has the name, and nobody has to wait for it.
#[test]
fn a_name_whose_batch_can_not_come_to_stand_any_more_is_taken_over_at_once() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        stops_behind_its_reservation(&double, &store, ADDRESS).await;
        let world = node(&store, 1).await;
        insist(world.log.as_ref(), &bare("between", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(reserved(&double, &store).len(), 1, "nobody released it yet");
        let late = signs_up(&world, ADDRESS);
        late.done.await.unwrap().unwrap();
        assert_eq!(world.holder(ADDRESS).await.unwrap().user, late.user);
        all_released(&double, &store).await;
    });
}

/// And where what was in hand is not even noted any more.
#[test]
fn a_name_that_is_reserved_for_nothing_is_taken_over_at_once() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        stops_behind_its_reservation(&double, &store, ADDRESS).await;
        assert_eq!(store.behind("DELETE FROM staged").await, 1);
        let world = node(&store, 1).await;
        let late = signs_up(&world, ADDRESS);
        late.done.await.unwrap().unwrap();
        all_released(&double, &store).await;
    });
}

/// Nobody asks for it, and nobody writes: within a minute it is brought to stand, or taken back, and released either way.
#[test]
fn what_a_stopped_node_reserved_is_released_while_nobody_writes() {
    run(async {
        for undone in ["it can come to stand", "it can not"] {
            let double = Double::start();
            let store = EventStore::at(&double.url());
            let (user, _) = stops_behind_its_reservation(&double, &store, ADDRESS).await;
            let finishes = undone == "it can come to stand";
            if !finishes {
                assert_eq!(store.behind("DELETE FROM staged").await, 1);
            }
            let idle = store.try_open(&quick(&store), &clock()).await.unwrap();
            all_released(&double, &store).await;
            while noted(&store).await != "0" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let world = World::around(idle, clock(), 1).await;
            let holder = world.holder(ADDRESS).await.map(|holder| holder.user);
            assert_eq!(holder, finishes.then_some(user), "{undone}");
        }
    });
}

/// Whoever sleeps in between wakes up and reserves what was noted, and is not any more.
#[test]
fn what_is_reserved_behind_its_note_is_released() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        let clock = clock();
        let log = store.try_open(&quick(&store), &clock).await.unwrap();
        let world = Arc::new(World::around(log, clock, 1).await);
        let held = double.hold_answers("NameReserved");
        let claiming = signs_up(&world, ADDRESS);
        held.waiting(1).await;
        assert_eq!(store.behind("DELETE FROM reserved").await + store.behind("DELETE FROM staged").await, 2);
        claiming.done.await.unwrap().unwrap_err();
        drop(held);
        all_released(&double, &store).await;
    });
}

/// By somebody else: nothing can be reserved there, and the log alone says who has the name. Nobody else is held up.
#[test]
fn a_stream_that_was_deleted_for_good_is_in_nobodys_way() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        stops_behind_its_reservation(&double, &store, ADDRESS).await;
        double.tombstone(&reserved(&double, &store)[0]);
        let clock = clock();
        let log = store.try_open(&quick(&store), &clock).await.unwrap();
        insist(log.as_ref(), &bare("between", Expected::NoStream, 1)).await.unwrap();
        let world = Arc::new(World::around(log, clock, 1).await);
        let late = signs_up(&world, ADDRESS);
        late.done.await.unwrap().unwrap();
        refused_by_store(signs_up(&world, ADDRESS).done.await.unwrap());
        while noted(&store).await != "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Whoever may not reserve goes on without, and the log alone says who has the name.
#[test]
fn what_may_not_be_reserved_is_claimed_nevertheless() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        let log = store.try_open(&quick(&store), &clock()).await.unwrap();
        let world = Arc::new(World::around(log, clock(), 1).await);
        double.forbid(Some("reserved_"));
        let claiming: Vec<_> = (0..40).map(|n| signs_up(&world, &format!("ada{}@example.com", n % 20))).collect();
        let mut refused = 0;
        for claiming in claiming {
            match claiming.done.await.unwrap() {
                Ok(_) => {}
                lost => {
                    assert!(matches!(refused_by_store(lost), Refused::ClaimHeld { .. }));
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 20);
        assert!(reserved(&double, &store).is_empty());
        while noted(&store).await != "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        double.forbid(None);
        signs_up(&world, "bob@example.com").done.await.unwrap().unwrap();
        assert!(double.events().iter().any(|event| event.event_type == "NameReserved"));
    });
}

/// The right to delete is gone: what was reserved stays, and is noted no longer.
#[test]
fn what_may_not_be_released_stays_and_is_in_nobodys_way() {
    run(async {
        let double = Double::start();
        let store = EventStore::at(&double.url());
        let log = store.try_open(&quick(&store), &clock()).await.unwrap();
        let world = Arc::new(World::around(log, clock(), 1).await);
        let held = holds_log(&double, &store);
        let claiming = signs_up(&world, ADDRESS);
        held.waiting(1).await;
        double.forbid(Some("reserved_"));
        drop(held);
        claiming.done.await.unwrap().unwrap();
        while noted(&store).await != "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(reserved(&double, &store).len(), 1);
        refused_by_store(signs_up(&world, ADDRESS).done.await.unwrap());
    });
}

/// Each append may fail, and its answer may be lost: a name is reserved once for one claim, and none stays behind.
#[test]
fn a_reservation_whose_answer_is_lost_is_the_one_that_stands() {
    run(async {
        for trouble in [Trouble::AnswerLost, Trouble::TimedOutStored, Trouble::Broken, Trouble::TimedOut] {
            let double = Double::start();
            let (store, log) = on(&double).await;
            let world = Arc::new(World::around(log, clock(), 1).await);
            world.arrival().await;
            double.trouble(&[trouble]);
            let claiming = signs_up(&world, ADDRESS);
            claiming.done.await.unwrap().unwrap();
            all_released(&double, &store).await;
            let reservations = double.events().iter().filter(|event| event.event_type == "NameReserved").count();
            assert_eq!(reservations, 1, "{trouble:?}");
        }
    });
}

/// What names them goes, and another key comes: what was reserved can't be named by anybody any more.
#[test]
fn what_names_reservations_does_not_last() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let world = Arc::new(World::around(log, clock(), 1).await);
        signs_up(&world, ADDRESS).done.await.unwrap().unwrap();
        all_released(&double, &store).await;
        let named: Vec<_> = stream_names(&double);
        let key = store.seen("SELECT CAST(max(id) AS text) FROM reservation_keys").await;
        drop(world);
        // A node begins with another one, where nothing is reserved.
        let other = store.try_open(&quick(&store), &clock()).await.unwrap();
        while store.seen("SELECT CAST(max(id) AS text) FROM reservation_keys").await == key {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(store.seen("SELECT CAST(count(*) AS text) FROM reservation_keys").await, "1");
        let world = Arc::new(World::around(other, clock(), 2).await);
        refused_by_store(signs_up(&world, ADDRESS).done.await.unwrap());
        signs_up(&world, "bob@example.com").done.await.unwrap().unwrap();
        assert_eq!(stream_names(&double).len(), named.len() + 1);
    });
}

fn stream_names(double: &Double) -> Vec<String> {
    let all = double.events().into_iter().filter(|event| event.event_type == "NameReserved");
    all.map(|event| event.stream.to_string()).collect()
}
