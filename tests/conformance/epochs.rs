//! Persons' keys end up in a new epoch, whatever happens meanwhile; and what the old one wrapped opens no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrysalis::keys::{KNOWN_AFTER, KeyringClaims, NewEpoch, PersonSealer, SealKind};
use chrysalis::log::cqrs::{Ask, Concurrency, Step};
use chrysalis::log::{AppendError, LogFault, ask_one};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_projections::table::id;
use chrysalis_projections::users::{self, WrappedKey};
use tokio::sync::oneshot;

use super::every_store;
use super::history::History;
use super::refold::{assert_clean, verified};
use super::store::{ROOMY, Store};
use super::world::{Guest, World, clock};

every_store! {
    every_key_ends_up_in_the_new_epoch,
    a_rotation_that_is_broken_off_is_gone_on_with,
    a_rotation_among_writers_loses_nobody,
    a_rotation_within_a_rebuild_leaves_nobody_behind,
    no_key_is_stored_of_an_epoch_that_is_over,
    what_the_old_epoch_wrapped_opens_no_more,
    who_does_not_know_an_epoch_yet_says_so,
    who_was_erased_is_not_brought_back,
}

/// How many keys stand in an epoch, in all places.
async fn keys_in(store: &dyn Store, epoch: u32) -> u64 {
    let mut all = 0;
    for (table, column) in [
        ("person_keys", "epoch"),
        ("users", "person_key_epoch"),
        ("codes", "person_key_epoch"),
        ("organizations", "person_key_epoch"),
        ("api_keys", "person_key_epoch"),
        ("invitations", "person_key_epoch"),
    ] {
        let sql = format!("SELECT cast(count(*) AS text) FROM {table} WHERE {column} = {epoch}");
        all += store.seen(&sql).await.parse::<u64>().unwrap();
    }
    all
}

async fn rotate(world: &World) -> NewEpoch {
    let epoch = begin(world).await;
    finish(world, epoch).await;
    epoch
}

async fn begin(world: &World) -> NewEpoch {
    let rewrapping = world.rewrapping();
    let epoch = rewrapping.begin().await.unwrap();
    world.clock.advance(KNOWN_AFTER);
    rewrapping.end_others(epoch).await.unwrap();
    epoch
}

async fn finish(world: &World, epoch: NewEpoch) {
    let rewrapping = world.rewrapping();
    while rewrapping.walk(epoch, &mut |_| ()).await.unwrap() > 0 {}
    rewrapping.destroy_others(epoch).await.unwrap();
}

async fn every_key_ends_up_in_the_new_epoch(store: &dyn Store) {
    let mut history = History::lived(store, 21, 600).await;
    // More than one step of the walk.
    for _ in 0..300 {
        history.world.arrival().await;
    }
    let before = keys_in(store, 1).await;
    assert!(before > 300);
    let epoch = rotate(&history.world).await;
    assert_eq!((epoch.id, epoch.begun_before), (2, false));
    assert_eq!((keys_in(store, 1).await, keys_in(store, 2).await), (0, before));
    let keys = history.world.log.keys().await.unwrap();
    let epochs: Vec<_> = keys.iter().filter(|key| key.purpose == "person-kek").map(|key| key.id).collect();
    assert_eq!(epochs, [2]);
    // Everything opens as before, here and after a restart.
    assert_clean(&verified(&history.world).await);
    history.go_on(200).await;
    assert_clean(&verified(&history.world).await);
    drop(history);
    let reopened = World::around(store.open(&clock(), ROOMY).await, clock(), 5).await;
    assert_clean(&verified(&reopened).await);
    assert_eq!(rotate(&reopened).await.id, 3);
    assert_eq!(keys_in(store, 2).await, 0);
}

async fn a_rotation_that_is_broken_off_is_gone_on_with(store: &dyn Store) {
    let world = World::on(store).await;
    for _ in 0..5 {
        world.arrival().await;
    }
    // After each of its steps.
    let begun = world.rewrapping().begin().await.unwrap();
    assert_eq!((begun.id, begun.begun_before), (2, false));
    world.clock.advance(KNOWN_AFTER);
    let late = world.arrival().await;
    for _ in 0..2 {
        let again = world.rewrapping().begin().await.unwrap();
        assert_eq!((again.id, again.begun_before), (2, true));
        world.rewrapping().end_others(again).await.unwrap();
        world.rewrapping().end_others(again).await.unwrap();
    }
    world.rewrapping().walk(begun, &mut |_| ()).await.unwrap();
    assert_eq!(rotate(&world).await.id, 2);
    assert_eq!(keys_in(store, 1).await, 0);
    world.execute(rename(&world, &late)).await.unwrap();
    assert_clean(&verified(&world).await);
}

async fn a_rotation_among_writers_loses_nobody(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    for _ in 0..50 {
        world.arrival().await;
    }
    let (done, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (world, done, came) = (world.clone(), done.clone(), came.clone());
        writers.spawn(async move {
            let mut there = Vec::new();
            while !done.load(Ordering::SeqCst) {
                // Who comes while an epoch ends is refused, and comes again.
                let (guest, ask) = world.guest();
                if world.execute(ask).await.is_err() {
                    continue;
                }
                let address = format!("{}@example.com", guest.user).to_lowercase();
                world.execute(world.upgrade(guest.user, &guest.person, guest.session, &address, false)).await.unwrap();
                if world.chance.toss() {
                    world.execute(world.ask(guest.user, gone())).await.unwrap();
                } else {
                    there.push(guest);
                    came.fetch_add(1, Ordering::SeqCst);
                }
            }
            there
        });
    }
    let mut epoch = 2;
    // Until enough of them came meanwhile, however fast they are beside it.
    while epoch < if crate::long() { 12 } else { 4 } || came.load(Ordering::SeqCst) < 8 {
        assert_eq!(rotate(&world).await.id, epoch);
        epoch += 1;
    }
    done.store(true, Ordering::SeqCst);
    let there: Vec<Guest> = writers.join_all().await.into_iter().flatten().collect();
    for guest in &there {
        world.execute(rename(&world, guest)).await.unwrap();
    }
    // What came while the last epoch ended is taken along by the next.
    rotate(&world).await;
    assert_clean(&verified(&world).await);
}

/// Tables that are made beside the live ones have copies from before, and nobody who wraps keys anew knows of them.
async fn a_rotation_within_a_rebuild_leaves_nobody_behind(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let mut there = Vec::new();
    // So many that a rebuild takes more than its last step.
    for _ in 0..300 {
        there.push(world.arrival().await);
    }
    for begun_before in [false, true] {
        let begun = if begun_before { Some(begin(&world).await) } else { None };
        let (folded, goes_on) = (oneshot::channel(), std::sync::mpsc::channel());
        let rebuilding = tokio::spawn({
            let (world, mut folded, goes_on) = (world.clone(), Some(folded.0), goes_on.1);
            async move {
                let mut progress = move |_| {
                    if let Some(folded) = folded.take() {
                        folded.send(()).unwrap();
                        tokio::task::block_in_place(|| goes_on.recv()).unwrap();
                    }
                };
                world.log.rebuild(&KeyringClaims(&world.keyring), &mut progress).await.unwrap()
            }
        });
        folded.1.await.unwrap();
        match begun {
            Some(epoch) => finish(&world, epoch).await,
            None => {
                rotate(&world).await;
            }
        }
        goes_on.0.send(()).unwrap();
        assert_clean(&rebuilding.await.unwrap());
        for guest in &there {
            let row = ask_one(world.log.as_ref(), &users::BY_ID, &[id(guest.user)]).await.unwrap().unwrap();
            let opened = PersonSealer::open(&world.keyring, row.person, row.key.as_ref());
            assert!(matches!(opened, Ok(Some(_))), "begun before: {begun_before}");
        }
        assert_clean(&verified(&world).await);
    }
    assert_eq!((keys_in(store, 1).await, keys_in(store, 2).await), (0, 0));
}

async fn no_key_is_stored_of_an_epoch_that_is_over(store: &dyn Store) {
    let world = World::on(store).await;
    let (early, other) = (world.guest(), world.guest());
    let epoch = world.rewrapping().begin().await.unwrap();
    world.clock.advance(KNOWN_AFTER);
    world.rewrapping().end_others(epoch).await.unwrap();
    // Made before, by somebody who was paused since. Whoever is stored beside it notices nothing.
    let (late, fresh) = tokio::join!(world.execute(early.1), world.execute(world.guest().1));
    fresh.unwrap();
    let fault = late.unwrap_err();
    assert!(
        matches!(fault, chrysalis::log::cqrs::ExecuteError::Append(AppendError::Fault(LogFault::Bug(_)))),
        "{fault:?}"
    );
    assert!(world.execute(other.1).await.is_err());
    assert_eq!(keys_in(store, 1).await, 0);
    assert_clean(&verified(&world).await);
}

async fn what_the_old_epoch_wrapped_opens_no_more(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    // As it stands in a backup that is made now.
    let kept = WrappedKey { epoch: guest.person.key.epoch, wrapped: guest.person.key.wrapped.clone() };
    let open = || PersonSealer::open(&world.keyring, guest.person.id, &kept).unwrap();
    assert!(open().is_some());
    rotate(&world).await;
    assert!(open().is_none());
    // The person is there all the same.
    world.execute(rename(&world, &guest)).await.unwrap();
}

async fn who_does_not_know_an_epoch_yet_says_so(store: &dyn Store) {
    let world = World::on(store).await;
    world.arrival().await;
    // Another node, which learned nothing since it started.
    let other = World::keyring(world.log.as_ref(), &world.chance).await;
    rotate(&world).await;
    let guest = world.arrival().await;
    let key = WrappedKey { epoch: guest.person.key.epoch, wrapped: guest.person.key.wrapped.clone() };
    let unknown = PersonSealer::open(&other, guest.person.id, &key);
    assert!(matches!(unknown, Err(LogFault::Unavailable(_))), "an epoch that is not known yet is taken for an erasure");
    world.learn(&other).await;
    assert!(PersonSealer::open(&other, guest.person.id, &key).unwrap().is_some());
}

async fn who_was_erased_is_not_brought_back(store: &dyn Store) {
    let world = World::on(store).await;
    let (guest, stays) = (world.arrival().await, world.arrival().await);
    let rewrapping = world.rewrapping();
    let epoch = rewrapping.begin().await.unwrap();
    world.clock.advance(KNOWN_AFTER);
    rewrapping.end_others(epoch).await.unwrap();
    world.execute(world.ask(guest.user, gone())).await.unwrap();
    while rewrapping.walk(epoch, &mut |_| ()).await.unwrap() > 0 {}
    let there = store.seen("SELECT coalesce(string_agg(person_id, ' '), '') FROM person_keys").await;
    assert_eq!(there, stays.person.id.to_string());
    assert_clean(&verified(&world).await);
}

fn gone() -> UserCommand {
    UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest: false }
}

/// Seals something under the key that the person has had from the first day.
fn rename(world: &World, guest: &Guest) -> Ask {
    use chrysalis_domain::value::Change;
    let name = world.seal(&guest.person, SealKind::Name, "Jane");
    let command =
        UserCommand::UpdateProfile { name: Change::Set(name.id), image: Change::Kept, metadata: Change::Kept };
    let ask = Ask::new(world.context(), world.now()).then(Step::User(guest.user, Concurrency::Exact, command));
    Ask { sealed: vec![name], ..ask }
}
