//! What users are searched by: whoever keeps it, wherever they break off and however often it is built anew, it says of every
//! user what they are called, and of nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrysalis::entropy::OsEntropy;
use chrysalis::followers::search::{Indexer, RENEWED_AFTER, rebuild};
use chrysalis::keys::SealKind;
use chrysalis::log::Store as WholeStore;
use chrysalis::log::cqrs::Ask;
use chrysalis::log::follow::Stage;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::value::Change;
use chrysalis_projections::search::{Fit, MODEL, SEARCH, Sought, TextField};
use tokio::task::JoinSet;

use super::every_store;
use super::history::History;
use super::refold::{assert_clean, content, verified};
use super::store::Store;
use super::world::{Guest, World};
use crate::long;

every_store! {
    it_follows_any_history_as_if_it_was_built_anew,
    of_several_who_keep_it_at_once_nobody_spoils_it,
    a_command_builds_it_whatever_a_server_is_at,
    whoever_builds_it_may_break_off_at_any_moment,
    an_old_store_is_gone_through_user_by_user,
    it_is_built_anew_while_people_come_and_go,
    switched_off_it_is_empty_and_switched_on_it_is_whole,
    parts_are_found_where_they_stand,
}

pub(super) async fn indexer(world: &World, enabled: bool) -> Indexer {
    let keyring = Arc::new(World::keyring(world.log.as_ref(), &world.chance).await);
    Indexer::new(world.log.clone(), keyring, Arc::new(world.clock.clone()), Arc::new(OsEntropy), enabled)
}

/// Until nothing is ahead.
pub(super) async fn kept(indexer: &mut Indexer, log: &dyn WholeStore) {
    while indexer.round(log.end().await.unwrap()).await.unwrap() != Some(0) {}
}

/// As if it was built from the users there are.
async fn assert_whole(store: &dyn Store, world: &World) -> u64 {
    let before = content(store, &SEARCH).await;
    rebuild(indexer(world, true).await).await.unwrap();
    let after = content(store, &SEARCH).await;
    assert!(before == after, "a row differs from what the user is called");
    let mut report = verified(world).await;
    indexer(world, true).await.compare(&mut report).await.unwrap();
    assert_clean(&report);
    after.0
}

async fn it_follows_any_history_as_if_it_was_built_anew(store: &dyn Store) {
    let mut history = History::lived(store, 21, 0).await;
    let mut keeping = indexer(&history.world, true).await;
    let mut rows = 0;
    for _ in 0..if long() { 40 } else { 5 } {
        history.go_on(100).await;
        kept(&mut keeping, history.world.log.as_ref()).await;
        rows += assert_whole(store, &history.world).await;
    }
    assert!(rows > 0, "nobody is called anything");
}

async fn of_several_who_keep_it_at_once_nobody_spoils_it(store: &dyn Store) {
    let mut history = History::lived(store, 22, 100).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut keeping = JoinSet::new();
    for _ in 0..3 {
        let (mut indexer, log) = (indexer(&history.world, true).await, history.world.log.clone());
        let done = done.clone();
        keeping.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let head = *log.head().borrow();
                if indexer.round(head).await.unwrap() == Some(0) {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        });
    }
    for _ in 0..if long() { 20 } else { 3 } {
        history.go_on(100).await;
        history.world.clock.advance(RENEWED_AFTER);
    }
    done.store(true, Ordering::SeqCst);
    keeping.join_all().await;
    kept(&mut indexer(&history.world, true).await, history.world.log.as_ref()).await;
    assert_whole(store, &history.world).await;
}

async fn a_command_builds_it_whatever_a_server_is_at(store: &dyn Store) {
    let mut history = History::lived(store, 24, 150).await;
    let done = Arc::new(AtomicBool::new(false));
    let (mut server, log) = (indexer(&history.world, true).await, history.world.log.clone());
    let enough = done.clone();
    let keeping = tokio::spawn(async move {
        while !enough.load(Ordering::SeqCst) {
            server.round(log.end().await.unwrap()).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..if long() { 200 } else { 20 } {
        // Somebody is called something else, and from now on the server wants to build it, too.
        history.go_on(20).await;
        history.world.clock.advance(RENEWED_AFTER);
        rebuild(indexer(&history.world, true).await).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    keeping.await.unwrap();
    assert_whole(store, &history.world).await;
}

async fn whoever_builds_it_may_break_off_at_any_moment(store: &dyn Store) {
    let mut history = History::lived(store, 23, 150).await;
    for rounds in 0..if long() { 40 } else { 8 } {
        history.go_on(20).await;
        history.world.clock.advance(RENEWED_AFTER);
        let mut breaks_off = indexer(&history.world, true).await;
        for _ in 0..rounds {
            breaks_off.round(history.world.log.end().await.unwrap()).await.unwrap();
        }
    }
    kept(&mut indexer(&history.world, true).await, history.world.log.as_ref()).await;
    assert_whole(store, &history.world).await;
    let standing = history.world.log.generations().await.unwrap();
    let mut of_search = standing.iter().filter(|one| one.model.name == MODEL.name);
    assert!(of_search.all(|one| one.stage == Stage::Live), "something is left that was being built");
}

async fn an_old_store_is_gone_through_user_by_user(store: &dyn Store) {
    let world = World::on(store).await;
    // More than a page of them.
    for nth in 0..if long() { 5_000 } else { 700 } {
        let guest = world.arrival().await;
        if nth % 2 == 0 {
            world.execute(rename(&world, &guest, &format!("Guest {nth}"))).await.unwrap();
        }
    }
    kept(&mut indexer(&world, true).await, world.log.as_ref()).await;
    assert_eq!(assert_whole(store, &world).await, if long() { 2_500 } else { 350 });
}

fn rename(world: &World, guest: &Guest, name: &str) -> Ask {
    let name = world.seal(&guest.person, SealKind::Name, name);
    let command =
        UserCommand::UpdateProfile { name: Change::Set(name.id), image: Change::Kept, metadata: Change::Kept };
    Ask { sealed: vec![name], ..world.ask(guest.user, command) }
}

async fn it_is_built_anew_while_people_come_and_go(store: &dyn Store) {
    let (world, done) = (Arc::new(World::on(store).await), Arc::new(AtomicBool::new(false)));
    let mut living = JoinSet::new();
    for nth in 0..4 {
        let (world, done) = (world.clone(), done.clone());
        living.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let guest = world.arrival().await;
                world.execute(rename(&world, &guest, &format!("Guest of {nth}"))).await.unwrap();
                let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
                if world.chance.toss() {
                    world.execute(world.ask(guest.user, delete)).await.unwrap();
                }
            }
        });
    }
    for _ in 0..if long() { 20 } else { 3 } {
        rebuild(indexer(&world, true).await).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    living.join_all().await;
    kept(&mut indexer(&world, true).await, world.log.as_ref()).await;
    assert!(assert_whole(store, &world).await > 0);
}

async fn switched_off_it_is_empty_and_switched_on_it_is_whole(store: &dyn Store) {
    let mut history = History::lived(store, 24, 150).await;
    kept(&mut indexer(&history.world, true).await, history.world.log.as_ref()).await;
    let rows = content(store, &SEARCH).await.0;
    assert!(rows > 0);
    let mut off = indexer(&history.world, false).await;
    assert_eq!(off.round(history.world.log.end().await.unwrap()).await.unwrap(), None);
    assert_eq!(content(store, &SEARCH).await.0, 0);
    history.go_on(50).await;
    rebuild(indexer(&history.world, false).await).await.unwrap();
    assert_eq!(content(store, &SEARCH).await.0, 0);
    kept(&mut indexer(&history.world, true).await, history.world.log.as_ref()).await;
    assert!(assert_whole(store, &history.world).await > 0);
}

async fn parts_are_found_where_they_stand(store: &dyn Store) {
    let world = World::on(store).await;
    let mut keeping = indexer(&world, true).await;
    let by_part = async |part: &str| {
        let sought = Sought::new(TextField::Name, Fit::Anywhere, part).unwrap();
        let found = world.log.by_part(&sought, 10).await.unwrap();
        found.map(|mut users: Vec<UserId>| {
            users.sort();
            users
        })
    };
    let (one, other) = (world.arrival().await, world.arrival().await);
    world.execute(rename(&world, &one, "Jane Doe")).await.unwrap();
    world.execute(rename(&world, &other, "Janet Frame")).await.unwrap();
    kept(&mut keeping, world.log.as_ref()).await;
    let mut both = vec![one.user, other.user];
    both.sort();
    assert_eq!(by_part("JAN").await, Some(both));
    assert_eq!(by_part("e do").await, Some(vec![one.user]));
    assert_eq!(by_part("j_n").await, Some(vec![]));
    assert_eq!(by_part("%%%").await, Some(vec![]));
    assert_eq!(by_part("ja").await, None, "too short for an index of three characters");
    // What they were called is found no more, also after a renewal.
    world.execute(rename(&world, &one, "Mary")).await.unwrap();
    kept(&mut keeping, world.log.as_ref()).await;
    for _ in 0..2 {
        assert_eq!(by_part("jane doe").await, Some(vec![]));
        assert_eq!(by_part("mary").await, Some(vec![one.user]));
        rebuild(indexer(&world, true).await).await.unwrap();
    }
    let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
    world.execute(world.ask(one.user, delete)).await.unwrap();
    kept(&mut keeping, world.log.as_ref()).await;
    assert_eq!(by_part("mary").await, Some(vec![]));
    assert_eq!(
        world.log.by_part(&Sought::new(TextField::Name, Fit::End, "frame").unwrap(), 10).await.unwrap(),
        Some(vec![other.user])
    );
}
