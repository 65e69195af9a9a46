//! Whoever writes to the store past Chrysalis is found out: whatever cell of whatever row they alter, each alteration is named,
//! and none keeps anybody from looking at the rest.

use chrysalis::followers::models;
use chrysalis::log::cqrs::stored_states;
use chrysalis::log::refold::Report;
use chrysalis::log::sealed;
use chrysalis::proof::stored::Finding;
use chrysalis_domain::Span;
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::value::Carrier;
use chrysalis_projections::search::SEARCH;
use chrysalis_projections::table::{Kind, Table};
use chrysalis_projections::tiles::TILES;
use chrysalis_projections::{ASYNC, INLINE};

use super::every_store;
use super::history::History;
use super::proof::{covered, findings};
use super::refold::{assert_clean, beside_the_people, verified};
use super::search::{indexer, kept};
use super::store::Store;
use super::world::World;
use crate::long;

every_store! {
    whatever_is_altered_of_rows_each_of_them_is_named,
    whatever_is_altered_of_events_each_of_them_is_named,
    what_stands_where_no_position_is_is_named,
    a_state_that_says_to_be_of_another_version_is_named,
}

/// A store in which everything is filled, followed and signed.
async fn lived(store: &dyn Store, seed: u64) -> World {
    let mut history = History::of(World::seeded(store, seed).await);
    history.go_on(if long() { 3_000 } else { 700 }).await;
    let world = history.world;
    beside_the_people(&world).await;
    models::fold_the_rest(world.log.clone()).await.unwrap();
    kept(&mut indexer(&world, true).await, world.log.as_ref()).await;
    covered(&world).await;
    assert_eq!(findings(&world).await, []);
    assert_clean(&looked(&world).await);
    world
}

/// All that `verify` looks at, but for what was signed. Nothing stops it.
async fn looked(world: &World) -> Report {
    let mut report = Report::default();
    sealed::compare(world.log.as_ref(), &mut report).await.unwrap();
    let mut report = report.and(verified(world).await);
    stored_states::compare(world.log.as_ref(), &mut report).await.unwrap();
    indexer(world, true).await.compare(&mut report).await.unwrap();
    report
}

/// What may stand in a cell instead.
fn others(column: &str, kind: Kind, on_sqlite: bool) -> Vec<String> {
    match kind {
        Kind::Text if on_sqlite => {
            vec![format!("coalesce({column}, '') || 'x'"), "CAST(x'ff00' AS TEXT)".to_owned(), "''".to_owned()]
        }
        Kind::Text => vec![format!("coalesce({column}, '') || 'x'"), "''".to_owned()],
        Kind::Integer => vec![
            format!("coalesce({column}, 0) + 1000"),
            "-1".to_owned(),
            i64::MAX.to_string(),
            format!("{} - 1", i64::MIN + 1),
        ],
        Kind::Bytes => vec![
            format!("(SELECT e.body FROM events e WHERE e.position = {})", 3),
            "(SELECT e.sealed FROM events e WHERE e.sealed = e.sealed ORDER BY length(e.sealed) LIMIT 1)".to_owned(),
        ],
    }
}

/// Keeps tables as they are, to put them back.
async fn put_by(store: &dyn Store, tables: &[&str]) {
    for table in tables {
        store.behind(&format!("CREATE TABLE {table}_kept AS SELECT * FROM {table}")).await;
    }
}

async fn put_back(store: &dyn Store, tables: &[&str]) {
    for table in tables {
        store.behind(&format!("DELETE FROM {table}")).await;
        store.behind(&format!("INSERT INTO {table} SELECT * FROM {table}_kept")).await;
    }
}

async fn is_sqlite(store: &dyn Store) -> bool {
    store.attempt("SELECT sqlite_version() WHERE false").await.is_ok()
}

/// In each round another column of one row of every table.
async fn whatever_is_altered_of_rows_each_of_them_is_named(store: &dyn Store) {
    let world = lived(store, 91).await;
    let on_sqlite = is_sqlite(store).await;
    let folded = ASYNC.iter().filter(|model| model.is_folded()).flat_map(|model| model.tables.iter().copied());
    let all = INLINE.into_iter().chain(folded).chain([&SEARCH, &TILES]);
    let mut tables: Vec<(&'static Table, usize)> = Vec::new();
    for table in all {
        match store.seen(&format!("SELECT cast(count(*) AS text) FROM {}", table.name)).await.parse().unwrap() {
            0 => {}
            rows => tables.push((table, rows)),
        }
    }
    assert!(tables.len() > 20, "too little happened: {}", tables.len());
    put_by(store, &tables.iter().map(|(table, _)| table.name).collect::<Vec<_>>()).await;
    let widest = tables.iter().map(|(table, _)| table.stored().count()).max().unwrap();
    let variants = if long() { 4 } else { 1 };
    for round in 0..widest * variants {
        let mut altered = Vec::new();
        for (table, rows) in &tables {
            let columns: Vec<_> = table.stored().collect();
            let (column, kind, _) = columns[round % widest % columns.len()];
            let (key, which) = (table.key.join(", "), world.chance.below(*rows));
            let one = format!("SELECT {key} FROM {}_kept ORDER BY {key} LIMIT 1 OFFSET {which}", table.name);
            let others = others(column, kind, on_sqlite);
            let other = if long() { &others[round / widest % others.len()] } else { world.chance.pick(&others) };
            let condition = format!("({key}) = ({one}) AND ({column} IS NULL OR {column} <> {other})");
            // What may not stand there, the store refuses.
            let done = store.attempt(&format!("UPDATE {} SET {column} = {other} WHERE {condition}", table.name)).await;
            if done == Ok(1) {
                altered.push((*table, column, other.clone()));
            }
        }
        assert!(altered.len() > tables.len() / 3, "round {round}: only {} were altered", altered.len());
        let (report, proven) = (looked(&world).await, findings(&world).await);
        for (table, column, other) in &altered {
            let of_table = || report.differences.iter().filter(|found| found.table == table.name);
            // A row of another key is superfluous, and the one that it was is missing.
            let named = of_table()
                .any(|found| (found.column == *column || found.column == "the whole row") && !found.key.is_empty());
            let tile = **table == TILES && proven.iter().any(|found| matches!(found, Finding::Tile(_)));
            assert!(named || tile, "{column} of {} is {other}: {:#?}", table.name, of_table().collect::<Vec<_>>());
        }
        put_back(store, &altered.iter().map(|(table, ..)| table.name).collect::<Vec<_>>()).await;
    }
    assert_clean(&looked(&world).await);
    assert_eq!(findings(&world).await, []);
}

const TEXTS: [&str; 11] = [
    "project",
    "stream",
    "event_id",
    "type",
    "actor_type",
    "command_id",
    "actor_id",
    "actor_by",
    "impersonator",
    "request_id",
    "cause",
];
const NUMBERS: [&str; 5] = ["version", "type_version", "recorded_at", "occurred_at", "settings_version"];
const BYTES: [&str; 2] = ["sealed", "body"];

/// In each round as many events as an event has columns, each in another column.
async fn whatever_is_altered_of_events_each_of_them_is_named(store: &dyn Store) {
    let world = lived(store, 92).await;
    let on_sqlite = is_sqlite(store).await;
    let columns = TEXTS.map(|name| (name, Kind::Text)).into_iter().chain(NUMBERS.map(|name| (name, Kind::Integer)));
    let columns: Vec<_> = columns.chain(BYTES.map(|name| (name, Kind::Bytes))).collect();
    let end = usize::try_from(world.log.end().await.unwrap()).unwrap();
    store.unguard().await;
    put_by(store, &["events"]).await;
    for round in 0..if long() { 200 } else { 8 } {
        let mut altered = Vec::new();
        for (column, kind) in &columns {
            let position = 1 + world.chance.below(end);
            let others = others(column, *kind, on_sqlite);
            let other = &others[round % others.len()];
            let condition = format!("position = {position} AND ({column} IS NULL OR {column} <> {other})");
            let done = store.attempt(&format!("UPDATE events SET {column} = {other} WHERE {condition}")).await;
            if done == Ok(1) {
                altered.push(position as u64);
            }
        }
        altered.sort_unstable();
        altered.dedup();
        assert!(altered.len() > 10, "round {round}: {altered:?}");
        let proven: Vec<_> = altered.iter().map(|position| Finding::Event(*position)).collect();
        assert_eq!(findings(&world).await, proven, "round {round}");
        let report = looked(&world).await;
        assert!(report.wrong() > 0);
        put_back(store, &["events"]).await;
    }
    // What is of no type that there is, or of a version to come, is said to be so.
    for (change, says) in
        [("type = 'Nothing'", "\"Nothing\" is unknown"), ("type_version = 7000", "version 7000 is newer")]
    {
        store.behind(&format!("UPDATE events SET {change} WHERE position IN (2, 5)")).await;
        let report = looked(&world).await;
        let said: Vec<_> = report.unread.iter().map(|event| event.position).collect();
        assert_eq!(said, [2, 5], "{change}");
        assert!(report.unread.iter().all(|event| event.why.contains(says)), "{:?}", report.unread);
        put_back(store, &["events"]).await;
    }
    // Behind what is gone the rest is compared.
    store.behind("DELETE FROM events WHERE position IN (3, 4, 9)").await;
    store.behind("UPDATE events SET cause = 'evt_0' WHERE position IN (7, 20)").await;
    let expected = [Finding::Gap(2), Finding::Gap(8), Finding::Event(7), Finding::Event(20)];
    assert_eq!(findings(&world).await, expected);
    assert_eq!(looked(&world).await.gaps, [2, 8]);
    put_back(store, &["events"]).await;
    assert_eq!(findings(&world).await, []);
    assert_clean(&looked(&world).await);
}

/// Whoever reads a stream meets it, and whoever reads the log by positions does not.
async fn what_stands_where_no_position_is_is_named(store: &dyn Store) {
    let world = lived(store, 93).await;
    store.unguard().await;
    put_by(store, &["events"]).await;
    for position in [0, -7] {
        store
            .behind(&format!(
                "UPDATE events_kept SET position = {position}, version = version + 1000, event_id = 'evt_{position}' \
                 WHERE position = (SELECT max(k.position) FROM events_kept k)"
            ))
            .await;
        let added =
            store.behind(&format!("INSERT INTO events SELECT * FROM events_kept WHERE position = {position}")).await;
        assert_eq!(added, 1);
        let report = looked(&world).await;
        let [found] = &report.unread[..] else { panic!("{:?}", report.unread) };
        assert_eq!((found.position, found.event.as_str()), (position, format!("evt_{position}").as_str()));
        store.behind(&format!("DELETE FROM events WHERE position = {position}")).await;
    }
    assert_clean(&looked(&world).await);
}

async fn a_state_that_says_to_be_of_another_version_is_named(store: &dyn Store) {
    let world = World::seeded(store, 94).await;
    let guest = world.arrival().await;
    for _ in 0..150 {
        world.clock.advance(Span::from_secs(1));
        let visit =
            UserCommand::RecordActivity { session: guest.session, carrier: Carrier::Bearer, granularity: Span::ZERO };
        world.execute(world.ask(guest.user, visit)).await.unwrap();
    }
    assert_eq!(store.seen("SELECT cast(count(*) AS text) FROM snapshots").await, "1", "the stream is not long enough");
    for version in ["version + 1000", "-3", "0"] {
        store.behind("CREATE TABLE snapshots_kept AS SELECT * FROM snapshots").await;
        store.behind(&format!("UPDATE snapshots SET version = {version}")).await;
        let mut report = Report::default();
        stored_states::compare(world.log.as_ref(), &mut report).await.unwrap();
        assert!(!report.differences.is_empty() && report.differences.iter().all(|found| found.column == "version"));
        put_back(store, &["snapshots"]).await;
        store.behind("DROP TABLE snapshots_kept").await;
    }
}
