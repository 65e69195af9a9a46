//! Counts of guests who become members: whatever happens, whoever folds it and however often, they are what a count of the
//! log's events gives, user by user.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrysalis::app::analytics::Analytics;
use chrysalis::app::analytics::range::Asked;
use chrysalis::followers::models::{Follower, caught_up, rebuild};
use chrysalis::log::{Store as WholeStore, read_event};
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::value::Method;
use chrysalis_domain::{Event, Span};
use chrysalis_projections::conversion::{DAY, MODEL, Split, VIEWS};
use chrysalis_projections::model::{Fold, Keeping};
use chrysalis_projections::{ASYNC, Change, Entry, Model, Value};

use super::every_store;
use super::history::History;
use super::refold::{assert_clean, content, verified};
use super::store::Store;
use super::world::{World, clock, everything};
use crate::long;

every_store! {
    counts_are_those_of_the_log,
    every_table_that_analysts_read_is_there_and_stays,
    another_definition_is_counted_over_all_history_beside_the_one_that_is_read,
    of_many_values_the_largest_are_told_apart_and_nothing_is_lost,
}

static COUNTED: [&Model; 1] = [&MODEL];

async fn followed(log: &Arc<dyn WholeStore>) {
    let mut follower = Follower::new(log.clone());
    while !caught_up(log.as_ref(), Duration::ZERO).await.unwrap() {
        follower.round(log.end().await.unwrap()).await.unwrap();
    }
}

/// By day: guests, upgrades, those of its guests who became members, and who of them came back on another day.
type Days = BTreeMap<i64, [u64; 4]>;

/// One user after another, by all events there are.
async fn by_hand(world: &World) -> (Days, BTreeMap<String, u64>) {
    let mut users: BTreeMap<String, Vec<(i64, UserEvent)>> = BTreeMap::new();
    for recorded in everything(world.log.as_ref()).await {
        if let Some(Event::User(user, event)) = read_event(&recorded).unwrap() {
            let at = recorded.occurred_at.as_millis().div_euclid(1_000);
            users.entry(user.to_string()).or_default().push((at, event));
        }
    }
    let (mut days, mut methods) = (Days::new(), BTreeMap::new());
    for events in users.values() {
        let (came, first) = &events[0];
        let UserEvent::GuestCreated(_) = first else { continue };
        let came = came.div_euclid(DAY);
        days.entry(came).or_default()[0] += 1;
        let upgrade = events.iter().find_map(|(at, event)| match event {
            UserEvent::GuestUpgraded(e) => Some((at.div_euclid(DAY), e.authentication.clone())),
            _ => None,
        });
        if let Some((day, authentication)) = upgrade {
            days.entry(day).or_default()[1] += 1;
            days.entry(came).or_default()[2] += 1;
            let method = match &authentication.provider {
                Some(provider) => format!("social:{provider}"),
                None => authentication.method.name().to_owned(),
            };
            *methods.entry(method).or_default() += 1;
        }
        let active = events.iter().filter_map(|(at, event)| match event {
            // The one that a guest comes with is no coming back; in these histories others look like it.
            UserEvent::SessionStarted(e) => {
                (e.impersonation.is_none() && e.authentication.method != Method::Anonymous).then_some(at)
            }
            UserEvent::GuestUpgraded(e) => e.session.is_some().then_some(at),
            UserEvent::ActivityRecorded(_) | UserEvent::SessionExtended(_) | UserEvent::UpgradeBegun(_) => Some(at),
            _ => None,
        });
        let active: BTreeSet<i64> = active.map(|at| at.div_euclid(DAY) - came).collect();
        days.entry(came).or_default()[3] += active.range(1..63).count() as u64;
    }
    days.retain(|_, counts| *counts != [0; 4]);
    (days, methods)
}

/// The same as analysts are answered.
async fn answered(world: &World) -> (Days, BTreeMap<String, u64>) {
    let analytics = Analytics { log: world.log.as_ref(), now: world.now() };
    let asked = Asked { from: Some("2027-01-01".to_owned()), ..Asked::default() };
    let range = asked.read(world.now() + Span::from_days(1)).unwrap();
    let mut days = Days::new();
    for (row, step) in analytics.conversion(&range, Split::All).await.unwrap().rows.iter().zip(range.steps()) {
        days.insert(step.from / DAY, [row.guests, row.upgrades, row.converted, 0]);
    }
    let found = chrysalis_projections::conversion::questions::cohorts("day", range.from, range.to);
    let read = chrysalis_projections::conversion::questions::read_cohort;
    for cohort in chrysalis::log::list(world.log.as_ref(), found, read).await.unwrap() {
        days.entry(cohort.at / DAY).or_default()[3] += cohort.returned;
    }
    days.retain(|_, counts| *counts != [0; 4]);
    let all = Asked { grain: Some("all".to_owned()), ..asked }.read(world.now() + Span::from_days(1)).unwrap();
    let methods = analytics.conversion(&all, Split::Method).await.unwrap().rows;
    let methods = methods.into_iter().filter(|row| row.upgrades > 0).map(|row| (row.value.unwrap(), row.upgrades));
    (days, methods.collect())
}

async fn counts_are_those_of_the_log(store: &dyn Store) {
    let clock = clock();
    let log = store.open_with(&clock, &COUNTED).await;
    let mut history = History::of(World::around(log, clock, 21).await);
    for _ in 0..if long() { 60 } else { 8 } {
        // Days pass, so that some come back on another.
        history.go_on(200).await;
        history.world.clock.advance(Span::from_hours(17));
        history.go_on(30).await;
        let world = &history.world;
        followed(&world.log).await;
        assert_eq!(answered(world).await, by_hand(world).await);
        assert_clean(&verified(world).await);
        let mut before = Vec::new();
        for table in MODEL.tables {
            before.push(content(store, table).await);
        }
        rebuild(world.log.clone(), &mut |_| {}).await.unwrap();
        for (table, before) in MODEL.tables.iter().zip(before) {
            assert_eq!(content(store, table).await, before, "{}", table.name);
        }
    }
    let (days, methods) = by_hand(&history.world).await;
    assert!(days.values().any(|counts| counts[3] > 0) && methods.len() > 1, "a history too plain to show anything");
}

/// Through rebuilds, beside every other model: a view that stood on a table of before would fail or be empty.
async fn every_table_that_analysts_read_is_there_and_stays(store: &dyn Store) {
    let clock = clock();
    let mut history = History::of(World::around(store.open_with(&clock, &ASYNC).await, clock, 22).await);
    history.go_on(300).await;
    followed(&history.world.log).await;
    let read = async || {
        let mut all = Vec::new();
        for view in VIEWS {
            let cells = view.columns.iter().map(|column| format!("coalesce(cast(v.{} AS text), '-')", column.name));
            let cells = cells.collect::<Vec<_>>().join(" || ' ' || ");
            let lines = format!("SELECT {cells} AS line FROM {} v ORDER BY 1", view.name);
            all.push(store.seen(&format!("SELECT coalesce(string_agg(line, '/'), '') FROM ({lines}) AS lines")).await);
        }
        all
    };
    let before = read().await;
    assert!(before.iter().filter(|text| !text.is_empty()).count() >= VIEWS.len() - 2, "{before:?}");
    for _ in 0..2 {
        rebuild(history.world.log.clone(), &mut |_| {}).await.unwrap();
        assert_eq!(read().await, before);
    }
}

/// A definition that somebody changed: whoever came counts twice.
static REDEFINED: Model = Model {
    name: "conversion",
    version: MODEL.version + 1,
    tables: MODEL.tables,
    views: MODEL.views,
    fold: Fold::Keeping(Keeping { fold: twice, ..keeping() }),
};
static LATER: [&Model; 1] = [&REDEFINED];

const fn keeping() -> Keeping {
    match MODEL.fold {
        Fold::Keeping(keeping) => keeping,
        Fold::Plain(_) => panic!("it keeps something of each user"),
    }
}

fn twice(entry: &Entry, row: &mut Option<Vec<Value>>, out: &mut Vec<Change>) {
    let from = out.len();
    (keeping().fold)(entry, row, out);
    let again = |change: &Change| matches!(change, Change::Add { column: "guests", .. }).then(|| change.clone());
    let again: Vec<_> = out[from..].iter().filter_map(again).collect();
    out.extend(again);
}

async fn another_definition_is_counted_over_all_history_beside_the_one_that_is_read(store: &dyn Store) {
    let clock = clock();
    let mut history = History::of(World::around(store.open_with(&clock, &COUNTED).await, clock, 23).await);
    // More than a page of any store.
    while history.world.log.end().await.unwrap() < 6_000 {
        history.go_on(500).await;
        history.world.clock.advance(Span::from_hours(9));
    }
    followed(&history.world.log).await;
    let before = by_hand(&history.world).await;
    assert_eq!(answered(&history.world).await, before);
    let in_sql =
        async || store.seen("SELECT cast(sum(guests) AS text) FROM analytics_days").await.parse::<u64>().unwrap();
    let guests = before.0.values().map(|counts| counts[0]).sum::<u64>();
    assert_eq!(in_sql().await, guests);

    // A program comes that has the other definition.
    let clock = history.world.clock.clone();
    drop(history);
    let world = World::around(store.open_with(&clock, &LATER).await, clock, 24).await;
    let definitions = async || {
        let analytics = Analytics { log: world.log.as_ref(), now: world.now() };
        analytics.state().await.unwrap().definitions
    };
    let mut follower = Follower::new(world.log.clone());
    let mut built = 0;
    loop {
        follower.round(world.log.end().await.unwrap()).await.unwrap();
        if definitions().await != i64::from(MODEL.version) {
            break;
        }
        // It is built, and what is read, in SQL and over HTTP, is what was read before.
        built += 1;
        assert_eq!(answered(&world).await, before);
        assert_eq!(in_sql().await, guests);
    }
    assert!(built > 1, "it was there at once: that shows nothing");
    assert_eq!(definitions().await, i64::from(REDEFINED.version));
    // Back to the first event, for guests who came, left and were erased long before anybody thought of it.
    let (days, methods) = before;
    let twice = days.into_iter().map(|(day, [guests, rest @ ..])| (day, [2 * guests, rest[0], rest[1], rest[2]]));
    assert_eq!(answered(&world).await, (twice.collect(), methods));
    assert_eq!(in_sql().await, 2 * guests);
    assert_clean(&verified(&world).await);
}

/// However many there are: strangers say what they like.
async fn of_many_values_the_largest_are_told_apart_and_nothing_is_lost(store: &dyn Store) {
    let clock = clock();
    let world = World::around(store.open_with(&clock, &COUNTED).await, clock, 25).await;
    let first = world.now().as_millis() / 1_000 / DAY * DAY;
    for at in [first, first + DAY] {
        let rows = (1..=30).map(|n| format!("(86400, 'campaign', {at}, 'c{n}', {n}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"));
        let all = format!("(86400, '', {at}, '', 500, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)");
        let rows: Vec<_> = rows.chain([all]).collect();
        assert_eq!(store.behind(&format!("INSERT INTO conversion_counts VALUES {}", rows.join(", "))).await, 31);
    }
    let analytics = Analytics { log: world.log.as_ref(), now: world.now() };
    for grain in ["day", "month", "all"] {
        let asked = Asked { from: Some("2027-01-01".to_owned()), grain: Some(grain.to_owned()), ..Asked::default() };
        let range = asked.read(world.now() + Span::from_days(3)).unwrap();
        let few = analytics.conversion_of(&range, Split::Campaign, 10).await.unwrap();
        assert_eq!(few, analytics.conversion(&range, Split::Campaign).await.unwrap(), "{grain}");
        assert_eq!(few.rows.iter().map(|row| row.guests).sum::<u64>(), 1_000);
        let others: u64 =
            few.rows.iter().filter(|row| row.value.as_deref() == Some("(others)")).map(|row| row.guests).sum();
        assert_eq!(others, 2 * (1..=10).sum::<u64>());
    }
}
