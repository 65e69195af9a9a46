//! The log as evidence: whoever grows the tree over it and signs it, in whatever steps, however many do and wherever they break
//! off, what is signed is the log; and whatever is altered afterwards is found.

mod altered;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrysalis::app::admin::Erased;
use chrysalis::clock::Clock;
use chrysalis::keys::Purpose;
use chrysalis::log::copy::copy;
use chrysalis::log::follow::Stage;
use chrysalis::log::{Expected, LogFault, Store as WholeStore};
use chrysalis::proof::stored::{Finding, Kept, Verdict};
use chrysalis::proof::tiles::Tree;
use chrysalis::proof::tree::Range;
use chrysalis::proof::{
    self, Fork, NoteFault, Proof, ProofFault, Prover, ProverFault, Signed, Signer, VerifyingKey, note, stored,
};
use chrysalis_domain::Span;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_projections::tiles::{MODEL, TILES};
use tokio::task::JoinSet;

use super::every_store;
use super::history::History;
use super::refold::content;
use super::store::{ROOMY, Store};
use super::world::{SECRET, Seeded, World, bare, everything};
use crate::long;

every_store! {
    every_event_and_every_step_is_proven,
    of_several_who_sign_at_once_one_is_late,
    whoever_signs_may_break_off_at_any_moment,
    who_waits_for_a_certificate_waits_for_so_many_events,
    a_tree_made_anew_is_the_same_and_none_of_another_log,
    after_a_rotation_everything_that_was_signed_holds,
    it_moves_along_with_the_log,
}

fn signer(world: &World) -> Arc<Signer> {
    Arc::new(Signer::of(&world.keyring).unwrap())
}

fn prover(world: &World) -> Prover {
    Prover::new(world.log.clone(), signer(world), Arc::new(world.clock.clone()))
}

fn keys(world: &World) -> Vec<VerifyingKey> {
    signer(world).keys().cloned().collect()
}

async fn flip(store: &dyn Store, position: u64, column: &str, byte: usize) {
    store.flip(("events", &format!("position = {position}")), column, byte).await;
}

/// Signs all there is.
pub(super) async fn covered(world: &World) -> Signed {
    prover(world).cover(world.log.end().await.unwrap()).await.unwrap().unwrap()
}

async fn verdict(world: &World) -> Verdict {
    verdict_with(world, &[]).await
}

async fn verdict_with(world: &World, kept: &[Kept]) -> Verdict {
    stored::verify(world.log.as_ref(), &keys(world), kept, &mut |_| {}).await.unwrap()
}

pub(super) async fn findings(world: &World) -> Vec<Finding> {
    verdict(world).await.findings
}

async fn all_signed(world: &World) -> Vec<Signed> {
    proof::page(world.log.as_ref(), 0, 100_000).await.unwrap()
}

/// Events of a kind that real people make, and as many others as are asked for.
async fn lived(store: &dyn Store, seed: u64, events: usize) -> World {
    let history = History::lived(store, seed, 40).await;
    let world = history.world;
    let there = usize::try_from(world.log.end().await.unwrap()).unwrap();
    if there < events {
        world.append(bare("many", Expected::NoStream, events - there)).await.unwrap();
    }
    world
}

async fn every_event_and_every_step_is_proven(store: &dyn Store) {
    let world = lived(store, 31, 700).await;
    let (log, chance) = (world.log.as_ref(), Seeded::new(5));
    let mut prover = prover(&world);
    let mut goal = 0;
    while goal < 700 {
        goal = (goal + 1 + chance.below(150) as u64).min(700);
        while prover.take_in(goal).await.unwrap() {}
        let signed = prover.sign().await.unwrap().unwrap();
        assert_eq!(signed.size, goal);
        // Nothing new: nothing is signed.
        assert_eq!(prover.sign().await.unwrap(), None);
    }
    let leaves: Vec<_> = everything(log).await.iter().map(|event| event.leaf()).collect();
    let signed = all_signed(&world).await;
    let keys = keys(&world);
    for one in &signed {
        let size = usize::try_from(one.size).unwrap();
        let root = Range::of(&leaves[..size]).root();
        assert_eq!((one.root, Tree { log }.root(one.size).await.unwrap()), (root, root));
        for position in (1..=one.size).step_by(if long() { 1 } else { 13 }) {
            let proof = proof::inclusion_in(log, position, one).await.unwrap().unwrap();
            assert_eq!(proof.leaf, leaves[usize::try_from(position).unwrap() - 1]);
            assert_eq!(proof.check(&keys).unwrap().size, one.size);
        }
        assert_eq!(proof::inclusion_in(log, one.size + 1, one).await.unwrap(), None);
        assert_eq!(proof::inclusion_in(log, 0, one).await.unwrap(), None);
        for older in signed.iter().filter(|older| older.size <= one.size) {
            let proof = proof::consistency(log, older.size, one).await.unwrap().unwrap();
            assert_eq!(proof.check(&older.note, &keys).unwrap().size, one.size);
            assert_eq!(proof.to_string().parse(), Ok(Proof::Consistency(proof)));
        }
    }
    let verdict = verdict(&world).await;
    assert_eq!((verdict.findings, verdict.events, verdict.signed), (vec![], 700, 700));
    assert_eq!(verdict.checkpoints, signed.len() as u64);
}

async fn of_several_who_sign_at_once_one_is_late(store: &dyn Store) {
    let world = Arc::new(World::seeded(store, 32).await);
    let (done, mut signing) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for _ in 0..3 {
        let (mut prover, world, done) = (prover(&world), world.clone(), done.clone());
        signing.spawn(async move {
            let mut signed = 0;
            while !done.load(Ordering::SeqCst) {
                let head = *world.log.head().borrow();
                while prover.take_in(head).await.unwrap() {}
                signed += u64::from(prover.sign().await.unwrap().is_some());
                prover.forget();
                tokio::task::yield_now().await;
            }
            signed
        });
    }
    for _ in 0..if long() { 300 } else { 40 } {
        world.arrival().await;
    }
    done.store(true, Ordering::SeqCst);
    let mut signed = 0;
    while let Some(by) = signing.join_next().await {
        signed += by.unwrap();
    }
    covered(&world).await;
    let verdict = verdict(&world).await;
    assert_eq!(verdict.findings, []);
    // What somebody was told is signed is what was kept, and nothing else.
    assert!((signed..=signed + 1).contains(&verdict.checkpoints), "{signed} signed, {} kept", verdict.checkpoints);
}

async fn whoever_signs_may_break_off_at_any_moment(store: &dyn Store) {
    let world = lived(store, 33, 300).await;
    let chance = Seeded::new(6);
    for _ in 0..if long() { 300 } else { 40 } {
        world.append(bare("many", Expected::Any, 1 + chance.below(400))).await.unwrap();
        let end = world.log.end().await.unwrap();
        let mut prover = prover(&world);
        let moment = Duration::from_micros(chance.below(4_000) as u64);
        let _ = tokio::time::timeout(moment, prover.cover(end)).await;
    }
    let signed = covered(&world).await;
    let verdict = verdict(&world).await;
    assert_eq!((verdict.findings, verdict.signed), (vec![], signed.size));
}

async fn who_waits_for_a_certificate_waits_for_so_many_events(store: &dyn Store) {
    let world = lived(store, 44, 300).await;
    let guest = world.arrival().await;
    let command = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: true };
    world.execute(world.ask(guest.user, command)).await.unwrap();
    let erased = Erased::find(world.log.as_ref(), guest.user).await.unwrap().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let asked = async |store: &Arc<dyn WholeStore>, most| erased.certificate(store, &world.keyring, &clock, most).await;
    assert!(matches!(asked(&world.log, 299).await, Err(LogFault::Unavailable(_))));
    assert_eq!(all_signed(&world).await, [], "nothing is signed for it");
    let certificate = asked(&world.log, u64::MAX).await.unwrap();
    assert_eq!(asked(&world.log, 0).await.unwrap(), certificate);
    // So it is where the log moves, and the tree comes after.
    let elsewhere = super::store::Sqlite::fresh();
    let moved: Arc<dyn WholeStore> = elsewhere.open(&world.clock, ROOMY);
    copy(world.log.as_ref(), moved.as_ref(), false, &mut |_| {}).await.unwrap();
    assert!(matches!(asked(&moved, 299).await, Err(LogFault::Unavailable(_))));
    assert_eq!(asked(&moved, u64::MAX).await.unwrap(), certificate);
}

async fn a_tree_made_anew_is_the_same_and_none_of_another_log(store: &dyn Store) {
    let world = lived(store, 39, 1_000).await;
    covered(&world).await;
    let before = content(store, &TILES).await;
    world.append(bare("later", Expected::NoStream, 300)).await.unwrap();
    prover(&world).rebuild(&mut |_| {}).await.unwrap();
    let generations = world.log.generations().await.unwrap();
    let standing: Vec<_> = generations.iter().filter(|one| one.model.name == MODEL.name).collect();
    assert!(matches!(&standing[..], [live] if live.stage == Stage::Live && live.position == 1_300));
    assert_ne!(content(store, &TILES).await, before);
    covered(&world).await;
    assert_eq!(findings(&world).await, []);
    // A tile that was spoilt is said to be one, and made anew.
    store.behind("UPDATE tiles SET hashes = (SELECT t.hashes FROM tiles t WHERE t.tile = 1) WHERE tile = 0").await;
    let said = findings(&world).await;
    assert!(matches!(&said[..], [Finding::Tile(place)] if (place.level, place.number) == (0, 0)), "{said:?}");
    prover(&world).rebuild(&mut |_| {}).await.unwrap();
    assert_eq!(findings(&world).await, []);
    // A log that is not what was signed gets no new tree.
    store.unguard().await;
    flip(store, 1, "body", 0).await;
    let refused = prover(&world).rebuild(&mut |_| {}).await;
    assert!(matches!(refused, Err(ProverFault::Fork(Fork::Altered { .. }))), "{refused:?}");
    assert_eq!(findings(&world).await, [Finding::Event(1)]);
}

async fn after_a_rotation_everything_that_was_signed_holds(store: &dyn Store) {
    let mut world = lived(store, 40, 0).await;
    let old = covered(&world).await;
    let before = keys(&world);
    world.keyring.rotate(world.log.as_ref(), SECRET, Purpose::LogSigning, &world.chance, world.now()).await.unwrap();
    world.keyring = World::keyring(world.log.as_ref(), &world.chance).await;
    world.clock.advance(Span::from_days(1));
    world.append(bare("later", Expected::NoStream, 5)).await.unwrap();
    let new = covered(&world).await;
    let after = keys(&world);
    assert_eq!((before.len(), after.len(), &before[0]), (1, 2, &after[0]));
    assert_eq!(findings(&world).await, []);
    let proof = proof::consistency(world.log.as_ref(), old.size, &new).await.unwrap().unwrap();
    for known in [&before[..], &after[..]] {
        assert_eq!(proof.check(&old.note, known).unwrap().size, new.size);
    }
    // Whoever knows the new key alone does not take the old one's word, and is told whose it is.
    let refused = proof.check(&old.note, &after[1..]);
    assert_eq!(refused, Err(ProofFault::OldNote(NoteFault::OtherKey { keys: before[0].number() })));
    assert_eq!(note::open_key_list(&signer(&world).key_list(), &before).unwrap(), after);
}

async fn it_moves_along_with_the_log(store: &dyn Store) {
    let mut world = lived(store, 41, 0).await;
    let old = covered(&world).await;
    let elsewhere = super::store::Sqlite::fresh();
    let destination: Arc<dyn WholeStore> = elsewhere.open(&world.clock, ROOMY);
    copy(world.log.as_ref(), destination.as_ref(), false, &mut |_| {}).await.unwrap();
    world.log = destination;
    // The log is there, and what was signed; the tree comes after, and is held against it.
    assert_eq!(all_signed(&world).await, std::slice::from_ref(&old));
    assert_eq!(findings(&world).await, []);
    // Until then nothing is proven, and nothing is said to be damaged.
    let log = world.log.as_ref();
    assert!(matches!(proof::inclusion_in(log, 1, &old).await, Err(LogFault::Unavailable(_))));
    assert!(matches!(proof::consistency(log, 1, &old).await, Err(LogFault::Unavailable(_))));
    world.append(bare("later", Expected::NoStream, 5)).await.unwrap();
    let new = covered(&world).await;
    assert_eq!(new.size, old.size + 5);
    let proof = proof::consistency(world.log.as_ref(), old.size, &new).await.unwrap().unwrap();
    assert_eq!(proof.check(&old.note, &keys(&world)).unwrap().size, new.size);
    assert_eq!(findings(&world).await, []);
}
