//! Folded again from the first event on, the log gives exactly the live tables.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrysalis::keys::KeyringClaims;
use chrysalis::log::LogFault;
use chrysalis::log::sqlite::refold::{Difference, Report, rebuild, verify};
use chrysalis_domain::user::UserEvent;
use chrysalis_projections::INLINE;
use rusqlite::types::Value as Cell;

use super::history::History;
use crate::conformance::run;
use crate::conformance::store::{ROOMY, Sqlite, Store};
use crate::conformance::world::{World, clock, everything};
use crate::long;

/// A store, and what happened in it.
async fn lived(seed: u64, steps: usize) -> (Sqlite, History) {
    let store = Sqlite::fresh();
    let mut history = History::of(World::seeded(&store, seed).await);
    history.go_on(steps).await;
    (store, history)
}

fn verified(store: &Sqlite, world: &World) -> Report {
    verify(&store.path(), &KeyringClaims(&world.keyring), |_| {}).unwrap()
}

fn rebuilt(store: &Sqlite, world: &World) -> Report {
    rebuild(&store.path(), &KeyringClaims(&world.keyring), |_| {}).unwrap()
}

fn assert_clean(report: &Report) {
    assert_eq!(*report, Report { events: report.events, rows: report.rows, ..Report::default() });
}

/// Every row of every read model.
fn tables(store: &Sqlite) -> Vec<(&'static str, Vec<Vec<Cell>>)> {
    let connection = store.behind();
    let rows = |table: &chrysalis_projections::Table| {
        let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key.join(", "));
        let mut statement = connection.prepare(&sql).unwrap();
        let rows =
            statement.query_map([], |row| (0..table.stored().count()).map(|index| row.get(index)).collect()).unwrap();
        rows.collect::<Result<Vec<Vec<Cell>>, _>>().unwrap()
    };
    INLINE.iter().map(|table| (table.name, rows(table))).collect()
}

#[test]
fn any_history_folded_again_gives_the_live_tables() {
    run(async {
        let mut met = BTreeSet::new();
        for seed in 0..if long() { 50 } else { 4 } {
            let (store, history) = lived(seed, 400).await;
            let events = everything(history.world.log.as_ref()).await;
            let report = verified(&store, &history.world);
            assert_clean(&report);
            assert_eq!(report.events, events.len() as u64);
            let live = tables(&store);
            assert_eq!(report.rows, live.iter().map(|(_, rows)| rows.len() as u64).sum::<u64>());
            assert!(live.iter().all(|(_, rows)| !rows.is_empty()), "seed {seed} left a table empty: it shows nothing");

            assert_clean(&rebuilt(&store, &history.world));
            assert_eq!(tables(&store), live, "seed {seed}");
            met.extend(events.into_iter().map(|event| event.event_type));
        }
        let all: BTreeSet<_> = UserEvent::TYPES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(met, all, "a history that leaves events out proves nothing of them");
    });
}

#[test]
fn a_store_goes_on_after_a_rebuild_and_can_be_rebuilt_again() {
    run(async {
        let (store, mut history) = lived(7, 100).await;
        for _ in 0..3 {
            rebuilt(&store, &history.world);
            rebuilt(&store, &history.world);
            history.go_on(50).await;
            assert_clean(&verified(&store, &history.world));
        }
    });
}

#[test]
fn an_empty_store_can_be_rebuilt() {
    run(async {
        let store = Sqlite::fresh();
        let world = World::on(&store).await;
        assert_eq!(rebuilt(&store, &world).events, 0);
        assert_eq!(rebuilt(&store, &world).events, 0);
        world.arrival().await;
        assert_clean(&verified(&store, &world));
    });
}

#[test]
fn a_rebuild_among_writers_ends_equal() {
    run(async {
        let (store, history) = lived(3, 300).await;
        let (world, done) = (Arc::new(history.world), Arc::new(AtomicBool::new(false)));
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (world, done) = (world.clone(), done.clone());
            writers.spawn(async move {
                let mut guests = 0;
                while !done.load(Ordering::SeqCst) {
                    let guest = world.arrival().await;
                    let address = format!("{}@example.com", guest.user).to_lowercase();
                    world
                        .execute(world.upgrade(guest.user, &guest.person, guest.session, &address, false))
                        .await
                        .unwrap();
                    guests += 1;
                }
                guests
            });
        }
        let (path, keyring, rounds) = (store.path(), world.keyring.clone(), if long() { 30 } else { 3 });
        let rebuilds = tokio::task::spawn_blocking(move || {
            for _ in 0..rounds {
                rebuild(&path, &KeyringClaims(&keyring), |_| {}).unwrap();
                assert_clean(&verify(&path, &KeyringClaims(&keyring), |_| {}).unwrap());
            }
        });
        let ended = rebuilds.await;
        done.store(true, Ordering::SeqCst);
        let guests: Vec<i32> = writers.join_all().await;
        ended.unwrap();
        assert!(guests.iter().sum::<i32>() > 0, "nobody wrote while it was rebuilt");
        assert_clean(&verified(&store, &world));
    });
}

#[test]
fn a_row_that_was_altered_is_named() {
    run(async {
        let (store, history) = lived(5, 150).await;
        let raw = store.behind();
        let user: String =
            raw.query_row("SELECT user_id FROM users WHERE standing = 'guest' LIMIT 1", [], |row| row.get(0)).unwrap();
        let put = |sql: &str| assert_eq!(raw.execute(sql, [&user]).unwrap(), 1);
        let found = || verified(&store, &history.world).differences;
        let difference = |column: &str, live: &str, refolded: &str| Difference {
            table: "users",
            key: user.clone(),
            column: column.to_owned(),
            live: live.to_owned(),
            refolded: refolded.to_owned(),
        };

        put("UPDATE users SET standing = 'member' WHERE user_id = ?1");
        assert_eq!(found(), [difference("standing", "member", "guest")]);
        put("DELETE FROM users WHERE user_id = ?1");
        assert_eq!(found(), [difference("the whole row", "missing", "follows from the log")]);
        rebuilt(&store, &history.world);
        assert_eq!(found(), []);
        put("UPDATE users SET person_key_epoch = 9 WHERE user_id = ?1");
        assert_eq!(found(), [difference("person_key_epoch", "9", "1")]);
        rebuilt(&store, &history.world);
        let columns = "person_id, standing, email_verified, role, created_at, updated_at, last_active_at";
        let add = format!("INSERT INTO users (user_id, {columns}) SELECT 'usr_zzz', {columns} FROM users LIMIT 1");
        raw.execute(&add, []).unwrap();
        let added = Difference {
            key: "usr_zzz".to_owned(),
            ..difference("the whole row", "stands", "does not follow from the log")
        };
        assert_eq!(found(), [added]);
    });
}

/// Whichever event is taken out, the gap is named, and what stands behind it is still compared.
#[test]
fn an_event_that_was_removed_is_a_gap() {
    run(async {
        let (store, mut history) = lived(11, 60).await;
        history.go_on(20).await;
        let events = everything(history.world.log.as_ref()).await.len();
        let clock = history.world.clock.clone();
        let keyring = history.world.keyring.clone();
        drop(history);
        let whole = std::fs::read(store.path()).unwrap();
        assert!(events > 60);
        let mut misfits = 0;
        // The last one leaves no gap: to miss it takes the Merkle tree.
        for position in 1..events {
            std::fs::write(store.path(), &whole).unwrap();
            let raw = store.behind();
            raw.execute_batch("DROP TRIGGER events_are_never_removed").unwrap();
            raw.execute("DELETE FROM events WHERE position = ?1", [position]).unwrap();
            drop(raw);
            let report = verify(&store.path(), &KeyringClaims(&keyring), |_| {});
            let report = report.unwrap_or_else(|fault| panic!("without {position}: {fault}"));
            assert_eq!(report.gaps, [position as u64 - 1]);
            if !report.misfits.is_empty() {
                misfits += 1;
                let refused = rebuild(&store.path(), &KeyringClaims(&keyring), |_| {});
                assert!(
                    matches!(refused, Err(LogFault::Damaged(_))),
                    "a table that lacks rows took the live one's place"
                );
            }
        }
        assert!(misfits > 0, "no event was missed by those behind it: lengthen the history");
        std::fs::write(store.path(), &whole).unwrap();
        drop(store.open(&clock, ROOMY));
    });
}

/// After the look-up key was rotated, a rebuild hashes every claim under the new one.
#[test]
fn a_rebuild_moves_claims_to_the_current_look_up_key() {
    run(async {
        let (store, mut history) = lived(2, 200).await;
        let under = |key: u32| -> i64 {
            store.behind().query_row("SELECT count(*) FROM claims WHERE key_id = ?1", [key], |row| row.get(0)).unwrap()
        };
        let claims = under(1);
        assert!(claims > 0);
        history.world.rotate_lookup_key().await;
        // Hashes under yesterday's key are as good until then.
        assert_clean(&verified(&store, &history.world));
        rebuilt(&store, &history.world);
        assert_eq!((under(1), under(2)), (0, claims));
        assert_clean(&verified(&store, &history.world));
        history.go_on(100).await;
        assert_clean(&verified(&store, &history.world));
    });
}

/// A file from yesterday, whose tables were never touched by this program, needs nothing but itself.
#[test]
fn a_closed_store_can_be_verified() {
    run(async {
        let (store, history) = lived(13, 50).await;
        let keyring = history.world.keyring.clone();
        drop(history);
        assert_clean(&verify(&store.path(), &KeyringClaims(&keyring), |_| {}).unwrap());
        let reopened = World::around(store.open(&clock(), ROOMY), clock(), 99).await;
        assert_clean(&verified(&store, &reopened));
    });
}
