//! The log as evidence: whoever grows the tree over it and signs it, in whatever steps, however many do and wherever they break
//! off, what is signed is the log; and whatever is altered afterwards is found.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrysalis::app::admin::Erased;
use chrysalis::clock::Clock;
use chrysalis::keys::Purpose;
use chrysalis::log::copy::copy;
use chrysalis::log::follow::Stage;
use chrysalis::log::transfer::{SIGNED_CHECKPOINTS, SideChange};
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
use chrysalis_projections::Value;
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
    whatever_is_altered_is_found_and_named,
    an_end_that_is_cut_off_is_found,
    what_was_signed_can_not_be_changed,
    nothing_is_signed_that_contradicts_what_was_signed,
    nothing_is_signed_once_a_checkpoint_is_gone,
    events_that_were_altered_are_seen_in_passing,
    what_was_found_altered_is_signed_by_nobody_until_it_is_set_right,
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
async fn covered(world: &World) -> Signed {
    prover(world).cover(world.log.end().await.unwrap()).await.unwrap().unwrap()
}

async fn verdict(world: &World) -> Verdict {
    verdict_with(world, &[]).await
}

async fn verdict_with(world: &World, kept: &[Kept]) -> Verdict {
    stored::verify(world.log.as_ref(), &keys(world), kept, &mut |_| {}).await.unwrap()
}

async fn findings(world: &World) -> Vec<Finding> {
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

/// Columns of an event, and how each is changed and changed back.
const TEXTS: [&str; 6] = ["project", "stream", "event_id", "type", "actor_type", "command_id"];
const PERHAPS: [&str; 5] = ["actor_id", "actor_by", "impersonator", "request_id", "cause"];
const NUMBERS: [&str; 5] = ["version", "type_version", "recorded_at", "occurred_at", "settings_version"];

fn changes() -> Vec<(String, String)> {
    let texts = TEXTS.map(|c| (format!("{c} = {c} || 'x'"), format!("{c} = substr({c}, 1, length({c}) - 1)")));
    let perhaps = PERHAPS.map(|c| {
        (format!("{c} = coalesce({c}, '') || 'x'"), format!("{c} = nullif(substr({c}, 1, length({c}) - 1), '')"))
    });
    let numbers = NUMBERS.map(|c| (format!("{c} = {c} + 1000"), format!("{c} = {c} - 1000")));
    texts.into_iter().chain(perhaps).chain(numbers).collect()
}

async fn whatever_is_altered_is_found_and_named(store: &dyn Store) {
    let world = lived(store, 34, 0).await;
    // The last events are in no checkpoint yet.
    let signed = covered(&world).await.size;
    world.append(bare("late", Expected::NoStream, 3)).await.unwrap();
    let mut late = prover(&world);
    while late.take_in(signed + 3).await.unwrap() {}
    let events = everything(world.log.as_ref()).await;
    assert_eq!(findings(&world).await, []);
    store.unguard().await;

    let chance = Seeded::new(7);
    let alter = async |position: u64, change: &str| {
        let sql = format!("UPDATE events SET {change} WHERE position = {position}");
        assert_eq!(store.behind(&sql).await, 1);
    };
    let expected = |position: u64| match position <= signed {
        true => vec![Finding::Event(position)],
        false => vec![Finding::Unsigned(position)],
    };
    for (there, back) in changes() {
        for position in [1, 1 + chance.below(signed as usize) as u64, signed, signed + 2] {
            alter(position, &there).await;
            assert_eq!(findings(&world).await, expected(position), "{there} at {position}");
            alter(position, &back).await;
        }
    }
    // Every byte of an event's body and of what it says of sealed records, one bit each; and any byte of any event.
    let sealed = events.iter().find(|event| !event.sealed.is_empty() && event.position < signed).unwrap();
    let mut bytes: Vec<_> = (0..sealed.body.len()).map(|at| (sealed.position, "body", at)).collect();
    bytes.extend((0..sealed.sealed.len()).map(|at| (sealed.position, "sealed", at)));
    for _ in 0..if long() { 2_000 } else { 60 } {
        let event = chance.pick(&events);
        bytes.push((event.position, "body", chance.below(event.body.len())));
    }
    for (position, column, at) in bytes {
        flip(store, position, column, at).await;
        assert_eq!(findings(&world).await, expected(position), "byte {at} of {column} at {position}");
        flip(store, position, column, at).await;
    }
    assert_eq!(findings(&world).await, []);
    // An event in another's place, and one that is gone.
    let removed = 1 + chance.below(signed as usize - 1) as u64;
    assert_eq!(store.behind(&format!("DELETE FROM events WHERE position = {removed}")).await, 1);
    assert_eq!(findings(&world).await, [Finding::Gap(removed - 1)]);
}

async fn an_end_that_is_cut_off_is_found(store: &dyn Store) {
    let world = lived(store, 35, 0).await;
    let Signed { size: signed, note, .. } = covered(&world).await;
    let kept = Kept { name: "last.note".to_owned(), note };
    assert_eq!(verdict_with(&world, std::slice::from_ref(&kept)).await.kept, 1);
    store.unguard().await;
    store.behind(&format!("DELETE FROM events WHERE position > {}", signed - 2)).await;
    assert_eq!(findings(&world).await, [Finding::CutOff { end: signed - 2, signed }]);
    // Whoever cuts off what was signed as well is found by what the tree took in; and by whoever kept a checkpoint.
    store.behind("DROP TABLE signed_checkpoints").await;
    store
        .behind("CREATE TABLE signed_checkpoints (size bigint PRIMARY KEY, root bytea, note text, signed_at bigint)")
        .await;
    let removed = Finding::Removed { signed: 1, there: 0 };
    assert_eq!(findings(&world).await, [removed, Finding::TreeAhead { end: signed - 2, tree: signed }]);
    // Whoever does away with that too has a whole log, but for whoever kept a checkpoint.
    store.behind("DELETE FROM checkpoints WHERE follower = 'proof'").await;
    store.behind("DELETE FROM tiles").await;
    store.behind("UPDATE generations SET position = 0 WHERE model = 'tiles'").await;
    assert_eq!(findings(&world).await, []);
    let shorter = Finding::Shorter { name: "last.note".to_owned(), size: signed, end: signed - 2 };
    assert_eq!(verdict_with(&world, &[kept]).await.findings, [shorter]);
}

async fn what_was_signed_can_not_be_changed(store: &dyn Store) {
    let world = lived(store, 36, 0).await;
    covered(&world).await;
    for sql in [
        "UPDATE signed_checkpoints SET note = 'x'",
        "DELETE FROM signed_checkpoints",
        "INSERT INTO signed_checkpoints SELECT * FROM signed_checkpoints",
    ] {
        assert!(store.attempt(sql).await.is_err(), "{sql}");
    }
    // And where somebody took the guard off, it is found.
    store.unguard().await;
    store.behind("UPDATE signed_checkpoints SET note = replace(note, 'chrysalis/', 'chrysalis/0')").await;
    let size = world.log.end().await.unwrap();
    let said = findings(&world).await;
    assert!(
        matches!(&said[..], [Finding::Checkpoint { size: at, fault: NoteFault::OtherLog { .. } }] if *at == size),
        "{said:?}"
    );
    store.behind("UPDATE signed_checkpoints SET note = replace(note, 'chrysalis/0', 'chrysalis/')").await;
    store.behind("UPDATE signed_checkpoints SET size = size - 1").await;
    assert_eq!(findings(&world).await, [Finding::CheckpointRow { size: size - 1 }]);
}

async fn nothing_is_signed_that_contradicts_what_was_signed(store: &dyn Store) {
    let world = lived(store, 37, 400).await;
    let signed = covered(&world).await;
    // Somebody alters an event, and has the tree made over it, past all that is asked.
    store.unguard().await;
    flip(store, 100, "body", 1).await;
    store.behind("DELETE FROM tiles").await;
    store.behind("UPDATE generations SET position = 0 WHERE model = 'tiles'").await;
    world.append(bare("later", Expected::NoStream, 5)).await.unwrap();
    let end = world.log.end().await.unwrap();
    let refused = prover(&world).cover(end).await;
    let altered = Fork::Altered { size: signed.size };
    assert!(matches!(&refused, Err(ProverFault::Fork(fork)) if *fork == altered), "{refused:?}");
    assert_eq!(all_signed(&world).await, std::slice::from_ref(&signed));
    assert_eq!(findings(&world).await, [Finding::EventWithin(0, signed.size)]);
    // What is proven from such a tree does not lead to what was signed.
    let proof = proof::inclusion_in(world.log.as_ref(), 7, &signed).await.unwrap().unwrap();
    assert_eq!(proof.check(&keys(&world)), Err(ProofFault::NotIncluded));
    // Set right, it goes on.
    flip(store, 100, "body", 1).await;
    prover(&world).rebuild(&mut |_| {}).await.unwrap();
    assert_eq!(covered(&world).await.size, end);
    assert_eq!(findings(&world).await, []);
}

async fn nothing_is_signed_once_a_checkpoint_is_gone(store: &dyn Store) {
    let world = lived(store, 42, 400).await;
    let (mut prover, end) = (prover(&world), world.log.end().await.unwrap());
    let signed = prover.cover(end).await.unwrap().unwrap();
    // Somebody alters an event, and does away with all that was signed and with the tree, while it is signed on.
    store.unguard().await;
    flip(store, 100, "body", 1).await;
    store.behind("DELETE FROM signed_checkpoints").await;
    store.behind("DELETE FROM tiles").await;
    store.behind("UPDATE generations SET position = 0 WHERE model = 'tiles'").await;
    world.append(bare("later", Expected::NoStream, 5)).await.unwrap();
    prover.forget();
    while prover.take_in(end + 5).await.unwrap() {}
    let refused = prover.sign().await;
    let gone = Fork::Unsigned { size: signed.size };
    assert!(matches!(&refused, Err(ProverFault::Fork(fork)) if *fork == gone), "{refused:?}");
    assert_eq!(all_signed(&world).await, []);
    // Nor over what somebody put in its place.
    let root = Tree { log: world.log.as_ref() }.root(end + 5).await.unwrap();
    let claimed = vec![Value::from((end + 5).cast_signed()), root.into(), "nothing".into(), world.now().into()];
    let put = SideChange { table: &SIGNED_CHECKPOINTS, put: vec![claimed], gone: Vec::new() };
    world.log.put_side_rows(put).await.unwrap();
    let refused = prover.sign().await;
    let altered = Fork::Altered { size: signed.size };
    assert!(matches!(&refused, Err(ProverFault::Fork(fork)) if *fork == altered), "{refused:?}");
    store.behind("DELETE FROM signed_checkpoints").await;
    // It is said, and who kept one knows that the log is another.
    let removed = Finding::Removed { signed: 1, there: 0 };
    assert_eq!(findings(&world).await, std::slice::from_ref(&removed));
    let kept = |note: &str| Kept { name: "last.note".to_owned(), note: note.to_owned() };
    let forked = Finding::Forked { name: "last.note".to_owned(), size: signed.size };
    assert_eq!(verdict_with(&world, &[kept(&signed.note)]).await.findings, [removed.clone(), forked]);
    let (size, other) = (format!("\n{}\n", signed.size), format!("\n{}\n", signed.size + 5));
    let altered = verdict_with(&world, &[kept(&signed.note.replacen(&size, &other, 1))]).await;
    assert!(matches!(&altered.findings[..], [_, Finding::Kept { fault: NoteFault::Forged { .. }, .. }]), "{altered:?}");
}

async fn events_that_were_altered_are_seen_in_passing(store: &dyn Store) {
    let world = lived(store, 38, 600).await;
    covered(&world).await;
    let mut prover = prover(&world);
    for at in [1, 256, 257, 600] {
        prover.look_again(at).await.unwrap();
    }
    store.unguard().await;
    flip(store, 300, "body", 0).await;
    prover.look_again(1).await.unwrap();
    let seen = prover.look_again(500).await;
    assert!(matches!(seen, Err(ProverFault::Fork(Fork::Event(300)))), "{seen:?}");
    store.behind("DELETE FROM events WHERE position = 599").await;
    let seen = prover.look_again(600).await;
    assert!(matches!(seen, Err(ProverFault::Fork(Fork::Event(599)))), "{seen:?}");
}

async fn what_was_found_altered_is_signed_by_nobody_until_it_is_set_right(store: &dyn Store) {
    let world = lived(store, 43, 600).await;
    covered(&world).await;
    store.unguard().await;
    flip(store, 300, "body", 0).await;
    assert!(prover(&world).look_again(290).await.is_err());
    world.append(bare("later", Expected::NoStream, 5)).await.unwrap();
    let end = world.log.end().await.unwrap();
    // Another node, and one that was started again, saw nothing of it.
    for _ in 0..2 {
        let refused = prover(&world).cover(end).await;
        assert!(matches!(refused, Err(ProverFault::Fork(Fork::Event(300)))), "{refused:?}");
    }
    flip(store, 300, "body", 0).await;
    assert_eq!(covered(&world).await.size, end);
    world.append(bare("more", Expected::NoStream, 5)).await.unwrap();
    assert_eq!(covered(&world).await.size, end + 5);
    assert_eq!(findings(&world).await, []);
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
    copy(world.log.as_ref(), moved.as_ref(), &mut |_| {}).await.unwrap();
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
    copy(world.log.as_ref(), destination.as_ref(), &mut |_| {}).await.unwrap();
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
