//! Killed at any moment, the store loses nothing that it acknowledged.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;

use chrysalis::keys::KeyringClaims;
use chrysalis::log::ask_one;
use chrysalis_domain::user::event::EndReason;
use chrysalis_domain::user::{Standing, UserCommand};
use chrysalis_projections::{sessions, table, users};

use super::apart;
use crate::conformance::run;
use crate::conformance::store::Sqlite;
use crate::conformance::world::{Seeded, World, everything};
use crate::long;

#[test]
fn killed_at_any_moment_it_keeps_what_it_acknowledged() {
    let (store, chance) = (Sqlite::fresh(), Seeded::new(4));
    let mut acknowledged = Vec::new();
    for round in 1..=if long() { 100 } else { 6 } {
        let before = acknowledged.len();
        live_and_die(&store, round, before + 1 + chance.below(150), &mut acknowledged);
        run(look_into(&store, &acknowledged));
    }
    let kinds: HashSet<_> = acknowledged.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, HashSet::from(["guest", "upgrade", "revoke"]), "too short a life to tell");
}

/// Runs the victim until it has acknowledged enough, then kills it in the middle of whatever it does.
fn live_and_die(store: &Sqlite, seed: u64, enough: usize, acknowledged: &mut Vec<String>) {
    let mut victim =
        apart::process(&[], "crash::the_victim", store.folder(), seed).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(victim.stdout.take().unwrap());
    let mut line = String::new();
    let mut killed = false;
    // A last line that was cut off in the middle counts as not said.
    while said.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
        acknowledged.extend(line.trim_end().strip_prefix("ack ").map(str::to_owned));
        line.clear();
        if !killed && acknowledged.len() >= enough {
            victim.kill().unwrap();
            killed = true;
        }
    }
    victim.wait().unwrap();
    assert!(killed, "the victim ended by itself");
}

async fn look_into(store: &Sqlite, acknowledged: &[String]) {
    let world = World::seeded(store, u64::MAX).await;
    for line in acknowledged {
        let [what, user, session] = *line.split(' ').collect::<Vec<_>>() else { panic!("{line}") };
        let row = ask_one(world.log.as_ref(), &users::BY_ID, &[table::id(user)])
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("lost: {line}"));
        let session = ask_one(world.log.as_ref(), &sessions::BY_ID, &[table::id(session)])
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("lost: {line}"));
        match what {
            "upgrade" => assert_eq!(row.standing, Standing::Member, "lost: {line}"),
            "revoke" => assert!(session.ended_at.is_some(), "lost: {line}"),
            _ => {}
        }
    }
    let events = everything(world.log.as_ref()).await;
    assert!(events.iter().zip(1..).all(|(event, position)| event.position == position), "positions must be dense");
    let report = world.log.verify(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap();
    assert_eq!((report.differences, report.gaps, report.misfits), (Vec::new(), Vec::new(), Vec::new()));
}

#[test]
#[ignore = "run by killed_at_any_moment_it_keeps_what_it_acknowledged, which kills it"]
fn the_victim() {
    run(async {
        let store = Sqlite::at(apart::folder());
        let world = Arc::new(World::seeded(&store, apart::seed()).await);
        println!();
        let mut visitors = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let world = world.clone();
            visitors.spawn(async move {
                loop {
                    let guest = world.arrival().await;
                    println!("ack guest {} {}", guest.user, guest.session);
                    let address = format!("{}@example.com", guest.user);
                    world
                        .execute(world.upgrade(guest.user, &guest.person, guest.session, &address, false))
                        .await
                        .unwrap();
                    println!("ack upgrade {} {}", guest.user, guest.session);
                    let revoke = UserCommand::RevokeSession { session: guest.session, reason: EndReason::Revoked };
                    world.execute(world.ask(guest.user, revoke)).await.unwrap();
                    println!("ack revoke {} {}", guest.user, guest.session);
                }
            });
        }
        visitors.join_all().await;
    });
}
