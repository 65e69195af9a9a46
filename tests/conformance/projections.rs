//! Whatever happens, in whatever order, whoever follows and whatever breaks off: every read model there is is what the log
//! makes of it, and what differs is named.

use std::collections::BTreeSet;
use std::time::Duration;

use chrysalis::followers::models::{Follower, caught_up};
use chrysalis::log::cqrs::stored_states;
use chrysalis::log::refold::{Difference, Report};
use chrysalis::log::sealed;
use chrysalis::log::transfer::{SNAPSHOTS, SideChange};
use chrysalis_domain::Span;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Carrier;
use chrysalis_projections::table::{Kind, Table};
use chrysalis_projections::{ASYNC, INLINE, Value};

use super::history::History;
use super::refold::{assert_clean, beside_the_people, content, verified};
use super::search::{indexer, kept};
use super::store::{Postgres, ROOMY, Sqlite, Store};
use super::world::World;
use super::{every_store, run};
use crate::long;

every_store! {
    every_row_that_was_altered_added_or_removed_is_named,
    a_stored_state_that_is_not_what_its_stream_makes_is_named,
    what_is_wrong_beyond_what_is_listed_is_counted,
    keys_that_are_numbers_are_compared_as_numbers,
}

/// Everything there is to be said of a store: rows that follow from events, what is sealed, and what users are searched by.
async fn compared(world: &World) -> Report {
    let mut report = verified(world).await;
    sealed::compare(world.log.as_ref(), &mut report).await.unwrap();
    stored_states::compare(world.log.as_ref(), &mut report).await.unwrap();
    indexer(world, true).await.compare(&mut report).await.unwrap();
    report
}

/// Until every model has seen everything.
async fn followed(world: &World) {
    let mut follower = Follower::new(world.log.clone());
    while !caught_up(world.log.as_ref(), Duration::ZERO).await.unwrap() {
        follower.round(world.log.end().await.unwrap()).await.unwrap();
    }
    kept(&mut indexer(world, true).await, world.log.as_ref()).await;
}

/// A life of its own for each seed: models follow now and then, break off, and begin anew in another process.
async fn refold_is_live(store: &dyn Store, seed: u64, filled: &mut BTreeSet<&'static str>) {
    let mut history = History::of(World::seeded(store, seed).await);
    let rounds = 2 + history.world.chance.below(4);
    for _ in 0..rounds {
        let steps = 20 + history.world.chance.below(150);
        history.go_on(steps).await;
        match history.world.chance.below(5) {
            0 => followed(&history.world).await,
            1 => {
                let following = tokio::spawn({
                    let log = history.world.log.clone();
                    async move {
                        let mut follower = Follower::new(log.clone());
                        while follower.round(log.end().await.unwrap()).await.unwrap() {}
                    }
                });
                let moment = u64::try_from(history.world.chance.below(5_000)).unwrap();
                tokio::time::sleep(Duration::from_micros(moment)).await;
                following.abort();
                let _ = following.await;
            }
            2 => {
                let mut breaks_off = indexer(&history.world, true).await;
                for _ in 0..history.world.chance.below(4) {
                    breaks_off.round(history.world.log.end().await.unwrap()).await.unwrap();
                }
            }
            3 => {
                // As after a crash: another process finds what is there.
                let clock = history.world.clock.clone();
                history.world.log = store.open(&clock, ROOMY).await;
            }
            _ => beside_the_people(&history.world).await,
        }
        // However far each has come.
        let report = compared(&history.world).await;
        assert_eq!((report.wrong(), &report.differences[..]), (0, &[] as &[Difference]), "seed {seed}");
    }
    followed(&history.world).await;
    let report = compared(&history.world).await;
    assert_clean(&report);
    for table in tables() {
        if content(store, table).await.0 > 0 {
            filled.insert(table.name);
        }
    }
}

fn tables() -> Vec<&'static Table> {
    // The tree over the log's bytes has its own verification.
    let compared = ASYNC.iter().filter(|model| model.is_folded() || model.is_readable());
    INLINE.into_iter().chain(compared.flat_map(|model| model.tables.iter().copied())).collect()
}

/// Thousands of histories where the long tests are asked for.
fn any_history<S: Store>(store: impl Fn() -> S, histories: u64) {
    let mut filled = BTreeSet::new();
    for seed in 0..histories {
        run(refold_is_live(&store(), 1_000 + seed, &mut filled));
    }
    let all: BTreeSet<_> = tables().iter().map(|table| table.name).collect();
    let empty: Vec<_> = all.difference(&filled).collect();
    assert!(empty.is_empty(), "a table that is always empty shows nothing: {empty:?}");
}

#[test]
fn every_model_is_what_the_log_makes_of_it_after_any_history_on_sqlite() {
    any_history(Sqlite::fresh, if long() { 4_000 } else { 12 });
}

#[test]
fn every_model_is_what_the_log_makes_of_it_after_any_history_on_postgres() {
    any_history(Postgres::fresh, if long() { 1_000 } else { 8 });
}

async fn lived(store: &dyn Store, seed: u64, steps: usize) -> History {
    let history = History::lived(store, seed, steps).await;
    followed(&history.world).await;
    assert_clean(&compared(&history.world).await);
    history
}

/// One row of every table: removed, altered, added.
async fn every_row_that_was_altered_added_or_removed_is_named(store: &dyn Store) {
    let history = lived(store, 51, 1_500).await;
    beside_the_people(&history.world).await;
    followed(&history.world).await;
    let mut rows = Vec::new();
    for table in tables() {
        // A note of when, which follows from nothing that is kept. And bytes are spelled by each store in its own way.
        let by_bytes =
            table.columns.iter().any(|column| table.key.contains(&column.name) && column.kind == Kind::Bytes);
        if table.name != "search_traces" && !by_bytes && content(store, table).await.0 > 0 {
            rows.push(Row::first(store, table).await);
        }
    }
    assert!(rows.len() >= 15, "most tables were empty");
    let clean = async || assert_clean(&compared(&history.world).await);

    for Row { table, whose, .. } in &rows {
        let name = table.name;
        store.behind(&format!("CREATE TABLE kept_{name} AS SELECT * FROM {name} WHERE {whose}")).await;
        assert_eq!(store.behind(&format!("DELETE FROM {name} WHERE {whose}")).await, 1);
    }
    let found = compared(&history.world).await.differences;
    for Row { table, key, .. } in &rows {
        // What a user is searched by follows from their row, and may be missed beside it.
        let of_table: Vec<_> = found.iter().filter(|one| one.table == table.name).collect();
        let [missing] = of_table[..] else { panic!("{}: {found:?}", table.name) };
        assert_eq!((&missing.key, missing.live.as_str()), (key, "absent"), "{}", table.name);
        assert!(missing.refolded.contains('='), "{missing:?}");
    }
    assert!(found.iter().all(|one| one.table == "search" || rows.iter().any(|row| row.table.name == one.table)));
    for Row { table, .. } in &rows {
        store.behind(&format!("INSERT INTO {0} SELECT * FROM kept_{0}", table.name)).await;
        store.behind(&format!("DROP TABLE kept_{}", table.name)).await;
    }
    clean().await;

    let numbered: Vec<_> = rows.iter().filter_map(|row| Some((row, row.number()?))).collect();
    let change = async |by: &str| {
        for (Row { table, whose, .. }, column) in &numbered {
            let change = format!("UPDATE {} SET {column} = {column} {by} WHERE {whose}", table.name);
            assert_eq!(store.behind(&change).await, 1);
        }
    };
    change("+ 1").await;
    let found = compared(&history.world).await.differences;
    for (Row { table, key, .. }, column) in &numbered {
        let of_table: Vec<_> = found.iter().filter(|one| one.table == table.name).collect();
        let [altered] = of_table[..] else { panic!("{}: {found:?}", table.name) };
        assert_eq!((&altered.key, altered.column.as_str()), (key, *column), "{}", table.name);
        let number = |text: &str| text.parse::<i64>().unwrap();
        assert_eq!(number(&altered.live), number(&altered.refolded) + 1);
    }
    assert_eq!(found.len(), numbered.len(), "{found:?}");
    change("- 1").await;
    clean().await;

    // What is readable is named, and not repeated.
    let user = store.seen("SELECT user_id FROM search WHERE email IS NOT NULL ORDER BY user_id LIMIT 1").await;
    let email = store.seen(&format!("SELECT email FROM search WHERE user_id = '{user}'")).await;
    store.behind(&format!("UPDATE search SET email = 'somebody@example.com' WHERE user_id = '{user}'")).await;
    let found = compared(&history.world).await;
    let [altered] = &found.differences[..] else { panic!("{found:?}") };
    assert_eq!((altered.table, &altered.key, altered.column.as_str()), ("search", &user, "email"));
    assert!(!format!("{found:?}").contains(&email) && !format!("{found:?}").contains("somebody"), "{found:?}");
    store.behind("INSERT INTO search (user_id, name) VALUES ('usr_nobody', 'nobody')").await;
    assert_eq!(compared(&history.world).await.wrong(), 2);
}

/// A row of a table, as what differs is named.
struct Row {
    table: &'static Table,
    key: String,
    /// The condition by which it is found.
    whose: String,
}

impl Row {
    async fn first(store: &dyn Store, table: &'static Table) -> Self {
        let this = table.key.iter().map(|key| format!("coalesce(cast({key} AS text), 'null')"));
        let this = this.collect::<Vec<_>>().join(" || ' ' || ");
        let (name, all) = (table.name, table.key.join(", "));
        let key = store.seen(&format!("SELECT {this} AS this FROM {name} ORDER BY {all} LIMIT 1")).await;
        let whose = format!("{this} = '{key}'");
        Self { table, key, whose }
    }

    /// A column of it that is a number, and not of its key.
    fn number(&self) -> Option<&'static str> {
        let Table { key, columns, .. } = self.table;
        let other = columns.iter().find(|column| !key.contains(&column.name) && column.required)?;
        (other.kind == Kind::Integer).then_some(other.name)
    }
}

async fn a_stored_state_that_is_not_what_its_stream_makes_is_named(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    for _ in 0..150 {
        world.clock.advance(Span::from_secs(1));
        let activity =
            UserCommand::RecordActivity { session: guest.session, carrier: Carrier::Bearer, granularity: Span::ZERO };
        world.execute(world.ask(guest.user, activity)).await.unwrap();
    }
    followed(&world).await;
    assert_clean(&compared(&world).await);
    let mut stored = world.log.side_rows(&SNAPSHOTS, None, 10).await.unwrap();
    assert_eq!(stored.len(), 1, "a long stream has a state to load from");
    let Value::Bytes(state) = &mut stored[0][2] else { panic!("no bytes") };
    let text = String::from_utf8(state.clone()).unwrap().replace("\"standing\":\"guest\"", "\"standing\":\"member\"");
    *state = text.into_bytes();
    world.log.put_side_rows(SideChange { table: &SNAPSHOTS, put: stored, gone: Vec::new() }).await.unwrap();
    let found = compared(&world).await;
    let [altered] = &found.differences[..] else { panic!("{found:?}") };
    assert_eq!((altered.table, altered.column.as_str()), ("snapshots", "standing"));
    assert_eq!((altered.live.as_str(), altered.refolded.as_str()), ("\"member\"", "\"guest\""));
    assert_eq!(altered.key, format!("user-{}", guest.user));
}

async fn what_is_wrong_beyond_what_is_listed_is_counted(store: &dyn Store) {
    let world = World::on(store).await;
    for _ in 0..250 {
        world.arrival().await;
    }
    store.behind("UPDATE users SET standing = 'member', created_at = 1").await;
    let found = verified(&world).await;
    let listed: BTreeSet<_> = found.differences.iter().map(|one| one.key.clone()).collect();
    assert!((50..=101).contains(&listed.len()), "{}", listed.len());
    assert_eq!(listed.len() as u64 + found.further, 250);
    store.behind("DELETE FROM sessions").await;
    assert_eq!(verified(&world).await.further, found.further + 250);
}

/// As texts they would be sorted otherwise, and each would be missed where the other stands.
async fn keys_that_are_numbers_are_compared_as_numbers(store: &dyn Store) {
    let history = lived(store, 52, 400).await;
    let place = "SELECT cast(max(place) AS text) FROM audit WHERE place < 100";
    let place = store.seen(place).await;
    assert_eq!(store.behind(&format!("DELETE FROM audit WHERE place = {place}")).await, 1);
    let found = compared(&history.world).await;
    let [missing] = &found.differences[..] else { panic!("{found:?}") };
    assert_eq!((missing.table, missing.key.as_str(), missing.live.as_str()), ("audit", place.as_str(), "absent"));
}
