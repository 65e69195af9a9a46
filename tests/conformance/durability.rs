//! What was acknowledged is there after a restart, and the small side tables keep their word.

use chrysalis::keys::Purpose;
use chrysalis::log::{Expected, StoredKey, ask_one};
use chrysalis_projections::{table, users};

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{START, Seeded, World, bare, clock, everything};

every_store! {
    everything_acknowledged_is_there_after_a_restart,
    the_keyring_is_the_same_after_a_restart,
    the_first_to_put_a_key_wins,
    a_follower_is_moved_by_compare_and_swap,
    a_store_that_works_says_it_is_ready,
}

async fn everything_acknowledged_is_there_after_a_restart(store: &dyn Store) {
    let world = World::on(store).await;
    let mut guests = Vec::new();
    for _ in 0..50 {
        guests.push(world.arrival().await);
    }
    let (before, head) = (everything(world.log.as_ref()).await, *world.log.head().borrow());
    assert_eq!(before.len(), 100);
    assert_eq!(head, before[99].position);
    let clock = world.clock.clone();
    drop(world);

    let log = store.open(&clock, ROOMY).await;
    assert_eq!(*log.head().borrow(), head, "the head resumes before anything is written");
    assert_eq!(everything(log.as_ref()).await, before);
    for guest in &guests {
        let row = ask_one(log.as_ref(), &users::BY_ID, &[table::id(guest.user)]).await.unwrap().expect("a guest's row");
        assert_eq!(row.person, guest.person.id);
    }
    let appended = log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
    assert!(appended.first > head);
    assert!(!store.dense() || appended.first == head + 1);
}

async fn the_keyring_is_the_same_after_a_restart(store: &dyn Store) {
    let world = World::on(store).await;
    let secrets = |keyring: &chrysalis::keys::Keyring| {
        let all = Purpose::ALL
            .into_iter()
            .flat_map(|purpose| keyring.all(purpose).iter().map(move |key| (purpose, key.id, *key.secret)));
        all.collect::<Vec<_>>()
    };
    let before = secrets(&world.keyring);
    // But for the epochs of persons' keys, which come and go: see `epochs`.
    assert_eq!(before.len(), 7, "one key for each purpose that is used from the start");
    let clock = world.clock.clone();
    drop(world);
    let log = store.open(&clock, ROOMY).await;
    assert_eq!(secrets(&World::keyring(log.as_ref(), &Seeded::new(99)).await), before);
}

async fn the_first_to_put_a_key_wins(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    let key = |id, wrapped: &[u8]| StoredKey {
        purpose: "p".to_owned(),
        id,
        root: "r".to_owned(),
        wrapped: wrapped.to_vec(),
        created_at: START,
        retired_at: None,
    };
    assert!(log.put_key(key(2, b"two"), false).await.unwrap());
    assert!(log.put_key(key(1, b"one"), false).await.unwrap());
    assert!(!log.put_key(key(1, b"late"), false).await.unwrap());
    assert_eq!(log.keys().await.unwrap(), [key(1, b"one"), key(2, b"two")]);
    assert!(log.put_key(key(1, b"wrapped anew"), true).await.unwrap());
    drop(log);
    let log = store.open(&clock, ROOMY).await;
    assert_eq!(log.keys().await.unwrap(), [key(1, b"wrapped anew"), key(2, b"two")]);
}

async fn a_follower_is_moved_by_compare_and_swap(store: &dyn Store) {
    let clock = clock();
    let log = store.open(&clock, ROOMY).await;
    assert_eq!(log.checkpoint("mail").await.unwrap(), 0);
    assert!(!log.advance("mail", 3, 9).await.unwrap(), "it is not at 3");
    assert!(log.advance("mail", 0, 5).await.unwrap());
    assert!(!log.advance("mail", 0, 6).await.unwrap(), "somebody moved it from 0 before");
    assert!(log.advance("mail", 5, 8).await.unwrap());
    assert_eq!(log.checkpoint("audit").await.unwrap(), 0, "followers don't share a place");
    drop(log);
    let log = store.open(&clock, ROOMY).await;
    assert_eq!(log.checkpoint("mail").await.unwrap(), 8);

    let mut race = tokio::task::JoinSet::new();
    for to in 9..41 {
        let log = log.clone();
        race.spawn(async move { log.advance("mail", 8, to).await.unwrap().then_some(to) });
    }
    let winners: Vec<_> = race.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(log.checkpoint("mail").await.unwrap(), winners[0]);
}

async fn a_store_that_works_says_it_is_ready(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    log.ready().await.unwrap();
    assert_eq!(everything(log.as_ref()).await, []);
}
