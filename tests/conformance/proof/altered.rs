//! Whatever is altered, removed or cut off is found, and nothing more is signed over it.

use chrysalis::log::Expected;
use chrysalis::log::transfer::{SIGNED_CHECKPOINTS, SideChange};
use chrysalis::proof::stored::{Finding, Kept};
use chrysalis::proof::tiles::Tree;
use chrysalis::proof::{self, Fork, NoteFault, ProofFault, ProverFault, Signed};
use chrysalis_projections::Value;

use super::{all_signed, covered, findings, flip, keys, lived, prover, verdict_with};
use crate::conformance::every_store;
use crate::conformance::store::Store;
use crate::conformance::world::{Seeded, bare, everything};
use crate::long;

every_store! {
    whatever_is_altered_is_found_and_named,
    an_end_that_is_cut_off_is_found,
    what_was_signed_can_not_be_changed,
    nothing_is_signed_that_contradicts_what_was_signed,
    nothing_is_signed_once_a_checkpoint_is_gone,
    events_that_were_altered_are_seen_in_passing,
    what_was_found_altered_is_signed_by_nobody_until_it_is_set_right,
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
