//! Read models that follow the log: every event is folded once and in its order, whoever follows and whatever breaks off.

mod models;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrysalis::followers::models::{Follower, caught_up, rebuild};
use chrysalis::log::follow::{Generation, Stage};
use chrysalis::log::{LogFault, Store as WholeStore, ask};
use chrysalis_domain::Event;
use chrysalis_domain::user::UserEvent;
use chrysalis_projections::model::{Fold, View};
use chrysalis_projections::table::{Index, id, integer, text};
use chrysalis_projections::{ASYNC, Change, Entry, Model, Question, Table, Value};
use tokio::task::JoinSet;

use self::models::{ALONE, BOTH, JOURNAL, LATE};
use super::every_store;
use super::history::History;
use super::refold::{assert_clean, content, verified};
use super::store::Store;
use super::world::{World, clock, everything};
use crate::long;

every_store! {
    what_follows_is_as_the_log_says_it_is,
    the_models_of_this_program_follow_any_history,
    of_several_who_follow_at_once_nobody_folds_twice,
    whoever_follows_may_break_off_at_any_moment,
    a_model_that_is_new_to_an_old_store_catches_up,
    a_changed_model_is_folded_anew_while_the_old_one_is_read,
    a_later_version_of_a_model_is_left_alone,
    a_rebuild_heals_what_was_altered_while_others_write_and_follow,
    a_model_that_can_not_be_written_does_not_hold_up_the_others,
    a_time_that_moves_on_keeps_its_longest_pause,
}

async fn lived(store: &dyn Store, models: &'static [&'static Model], seed: u64, steps: usize) -> History {
    let clock = clock();
    let log = store.open_with(&clock, models).await;
    let mut history = History::of(World::around(log, clock, seed).await);
    history.go_on(steps).await;
    history
}

/// Until there is more than one page to fold.
async fn lived_for_long(store: &dyn Store, models: &'static [&'static Model], seed: u64) -> History {
    let mut history = lived(store, models, seed, 800).await;
    let page = history.world.log.page() as u64;
    while history.world.log.end().await.unwrap() <= page + 100 {
        history.go_on(200).await;
    }
    history
}

/// Follows until everything is folded.
async fn followed(log: &Arc<dyn WholeStore>) {
    let mut follower = Follower::new(log.clone());
    while !caught_up(log.as_ref(), Duration::ZERO).await.unwrap() {
        follower.round(log.end().await.unwrap()).await.unwrap();
    }
}

/// Follows until told to stop.
async fn following(log: Arc<dyn WholeStore>, done: Arc<AtomicBool>) {
    let mut follower = Follower::new(log.clone());
    while !done.load(Ordering::SeqCst) {
        let head = *log.head().borrow();
        if !follower.round(head).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Lets guests arrive until told to stop.
fn writers(world: &Arc<World>, done: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let (world, done) = (world.clone(), done.clone());
        writers.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                world.arrival().await;
            }
        });
    }
    writers
}

static EVERY: Question<(i64, String)> = Question {
    sql: "SELECT s.position, s.event_id FROM seen s ORDER BY s.position",
    read: |row| Some((row.integer(0)?, row.text(1)?.to_owned())),
};

/// Everything that this program knows was seen once, and `verify` says the same.
async fn assert_seen(world: &World) {
    let seen = ask(world.log.as_ref(), &EVERY, &[]).await.unwrap();
    let events = everything(world.log.as_ref()).await;
    let events: Vec<_> = events.into_iter().map(|event| (event.position.cast_signed(), event.event_id)).collect();
    assert_eq!(seen, events);
    let report = verified(world).await;
    assert_clean(&report);
    assert!(report.rows >= seen.len() as u64, "the rows that follow were not compared");
}

async fn standing(log: &dyn WholeStore, model: &Model) -> Vec<Generation> {
    let mut all = log.generations().await.unwrap();
    all.retain(|one| one.model.name == model.name);
    all
}

async fn what_follows_is_as_the_log_says_it_is(store: &dyn Store) {
    let mut history = lived(store, &BOTH, 1, 0).await;
    for _ in 0..if long() { 40 } else { 5 } {
        history.go_on(200).await;
        // In between it may lag.
        assert_clean(&verified(&history.world).await);
        followed(&history.world.log).await;
        assert_seen(&history.world).await;
    }
    let left = store.seen("SELECT cast(count(*) AS text) FROM latest").await;
    assert_eq!(left, store.seen("SELECT cast(count(*) AS text) FROM users").await);
}

async fn the_models_of_this_program_follow_any_history(store: &dyn Store) {
    let mut history = lived(store, &ASYNC, 13, 0).await;
    for _ in 0..if long() { 30 } else { 3 } {
        history.go_on(300).await;
        followed(&history.world.log).await;
        assert_clean(&verified(&history.world).await);
        let mut before = Vec::new();
        for table in ASYNC.iter().flat_map(|model| model.tables) {
            before.push(content(store, table).await);
        }
        rebuild(history.world.log.clone(), &mut |_| {}).await.unwrap();
        for (table, before) in ASYNC.iter().flat_map(|model| model.tables).zip(before) {
            assert_eq!(content(store, table).await, before, "{}", table.name);
        }
    }
    assert_ne!(store.seen("SELECT cast(count(*) AS text) FROM audit").await, "0");
}

async fn of_several_who_follow_at_once_nobody_folds_twice(store: &dyn Store) {
    let history = lived(store, &BOTH, 2, 100).await;
    let (world, done) = (Arc::new(history.world), Arc::new(AtomicBool::new(false)));
    let mut writing = writers(&world, &done);
    let mut followers = JoinSet::new();
    for _ in 0..3 {
        followers.spawn(following(world.log.clone(), done.clone()));
    }
    let enough = if long() { 20_000 } else { 2_000 };
    while world.log.end().await.unwrap() < enough {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done.store(true, Ordering::SeqCst);
    while let Some(ended) = writing.join_next().await {
        ended.unwrap();
    }
    while let Some(ended) = followers.join_next().await {
        ended.unwrap();
    }
    followed(&world.log).await;
    assert_seen(&world).await;
}

async fn whoever_follows_may_break_off_at_any_moment(store: &dyn Store) {
    let mut history = lived(store, &BOTH, 3, 300).await;
    for round in 0..if long() { 200 } else { 20 } {
        history.go_on(20).await;
        let follower = tokio::spawn(following(history.world.log.clone(), Arc::default()));
        let pause = u64::try_from(history.world.chance.below(8_000)).unwrap();
        tokio::time::sleep(Duration::from_micros(pause)).await;
        follower.abort();
        let _ = follower.await;
        if round % 5 == 4 {
            // As after a crash: a new program finds what is there.
            let log = store.open_with(&history.world.clock, &BOTH).await;
            assert!(standing(log.as_ref(), &JOURNAL).await[0].position <= log.end().await.unwrap());
            assert_clean(&verified(&history.world).await);
        }
    }
    followed(&history.world.log).await;
    assert_seen(&history.world).await;
}

async fn a_model_that_is_new_to_an_old_store_catches_up(store: &dyn Store) {
    let history = lived_for_long(store, &[], 4).await;
    let clock = history.world.clock.clone();
    drop(history);
    let world = World::around(store.open_with(&clock, &ALONE).await, clock.clone(), 5).await;
    followed(&world.log).await;
    assert_seen(&world).await;
    drop(world);
    // A second one beside the first, which goes on meanwhile.
    let world = World::around(store.open_with(&clock, &BOTH).await, clock, 6).await;
    let before = world.log.end().await.unwrap();
    world.arrival().await;
    let mut follower = Follower::new(world.log.clone());
    follower.round(world.log.end().await.unwrap()).await.unwrap();
    let position = async |model| standing(world.log.as_ref(), model).await[0].position;
    assert!(position(&LATE).await < before, "the history is too short to show anything");
    assert_eq!(position(&JOURNAL).await, world.log.end().await.unwrap(), "it waited for one that is not up to date");
    world.arrival().await;
    followed(&world.log).await;
    assert_seen(&world).await;
}

/// The journal as a later program has it: another column, another fold.
static SEEN_LATER: Table = Table {
    name: "seen",
    key: &["position"],
    columns: &[integer("position"), text("event_id"), text("stream")],
    indexes: &[],
    shared: true,
    clustered: false,
};
const TYPES_LATER: View = View {
    name: "journal_seen",
    columns: &[text("type"), text("stream")],
    select: "SELECT s.event_id AS type, s.stream FROM seen s ORDER BY s.position",
};
static JOURNAL_LATER: Model =
    Model { name: "journal", version: 2, tables: &[&SEEN_LATER], views: &[TYPES_LATER], fold: Fold::Plain(seen_later) };
static LATER: [&Model; 2] = [&JOURNAL_LATER, &LATE];

fn seen_later(entry: &Entry, out: &mut Vec<Change>) {
    let values =
        vec![entry.position.cast_signed().into(), entry.id.clone().into(), entry.event.subject().stream().into()];
    out.push(Change::Insert { table: &SEEN_LATER, values });
}

static STREAMS: Question<String> =
    Question { sql: "SELECT s.stream FROM seen s WHERE s.position = ?1", read: |row| Some(row.text(0)?.to_owned()) };

async fn a_changed_model_is_folded_anew_while_the_old_one_is_read(store: &dyn Store) {
    let history = lived_for_long(store, &BOTH, 7).await;
    followed(&history.world.log).await;
    let (clock, all) = (history.world.clock.clone(), history.world.log.end().await.unwrap());
    drop(history);
    let world = World::around(store.open_with(&clock, &LATER).await, clock, 8).await;
    assert_eq!(verified(&world).await.unlike, ["journal"]);
    let mut follower = Follower::new(world.log.clone());
    follower.round(all).await.unwrap();
    let both = standing(world.log.as_ref(), &JOURNAL_LATER).await;
    assert_eq!(both.iter().map(|one| one.version).sum::<u32>(), 3, "a generation is built beside the old one");
    let first = "SELECT v.type FROM journal_seen v LIMIT 1";
    assert!(!store.seen(first).await.starts_with("evt_"));
    // The old rows answer; what only the new ones know is not there yet, and that is no fault of the program.
    assert_eq!(ask(world.log.as_ref(), &EVERY, &[]).await.unwrap().len() as u64, all);
    let asked = ask(world.log.as_ref(), &STREAMS, &[1.into()]).await;
    assert!(matches!(asked, Err(LogFault::Unavailable(_))), "{asked:?}");
    while standing(world.log.as_ref(), &JOURNAL_LATER).await.len() > 1 {
        follower.round(world.log.end().await.unwrap()).await.unwrap();
    }
    assert_seen(&world).await;
    assert_eq!(ask(world.log.as_ref(), &STREAMS, &[1.into()]).await.unwrap().len(), 1);
    assert!(store.seen(first).await.starts_with("evt_"), "the view stands on the rows of before");
    assert!(!store.seen("SELECT v.stream FROM journal_seen v LIMIT 1").await.is_empty());
    world.arrival().await;
    followed(&world.log).await;
    assert_seen(&world).await;
}

async fn a_later_version_of_a_model_is_left_alone(store: &dyn Store) {
    let history = lived(store, &LATER, 9, 50).await;
    followed(&history.world.log).await;
    let clock = history.world.clock.clone();
    drop(history);
    let world = World::around(store.open_with(&clock, &BOTH).await, clock, 10).await;
    let before = standing(world.log.as_ref(), &JOURNAL).await[0].position;
    world.arrival().await;
    let mut follower = Follower::new(world.log.clone());
    for _ in 0..3 {
        follower.round(world.log.end().await.unwrap()).await.unwrap();
    }
    let [stands] = standing(world.log.as_ref(), &JOURNAL).await[..] else { panic!("another generation was begun") };
    assert_eq!((stands.version, stands.position), (2, before));
    assert!(standing(world.log.as_ref(), &LATE).await[0].position > before);
    assert!(rebuild(world.log.clone(), &mut |_| {}).await.is_err(), "an older program took a later one's place");
    assert_eq!(verified(&world).await.unlike, ["journal"]);
}

async fn a_rebuild_heals_what_was_altered_while_others_write_and_follow(store: &dyn Store) {
    let history = lived(store, &BOTH, 11, 300).await;
    let world = Arc::new(history.world);
    followed(&world.log).await;
    assert_eq!(store.behind("UPDATE seen SET type = 'Nothing' WHERE position = 3").await, 1);
    store.behind("DELETE FROM latest").await;
    let found = verified(&world).await.differences;
    assert!(found.iter().any(|one| (one.table, one.key.as_str(), one.column.as_str()) == ("seen", "3", "type")));
    assert!(found.iter().any(|one| one.table == "latest" && one.live == "absent"));
    let done = Arc::new(AtomicBool::new(false));
    let mut writing = writers(&world, &done);
    let follower = tokio::spawn(following(world.log.clone(), done.clone()));
    for _ in 0..if long() { 20 } else { 2 } {
        rebuild(world.log.clone(), &mut |_| {}).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    while let Some(ended) = writing.join_next().await {
        ended.unwrap();
    }
    follower.await.unwrap();
    followed(&world.log).await;
    assert_seen(&world).await;
    assert!(world.log.generations().await.unwrap().iter().all(|one| one.stage == Stage::Live));
}

/// Its second row can't be written.
static STUCK: Table =
    Table { name: "stuck", key: &["one"], columns: &[integer("one")], indexes: &[], shared: true, clustered: false };
static FAULTY: Model = Model {
    name: "faulty",
    version: 1,
    tables: &[&STUCK],
    views: &[],
    fold: Fold::Plain(|_, out| out.push(Change::Insert { table: &STUCK, values: vec![1.into()] })),
};
static ONE_FAULTY: [&Model; 2] = [&FAULTY, &JOURNAL];

async fn a_model_that_can_not_be_written_does_not_hold_up_the_others(store: &dyn Store) {
    let history = lived(store, &ONE_FAULTY, 12, 50).await;
    let (world, mut follower) = (&history.world, Follower::new(history.world.log.clone()));
    for _ in 0..3 {
        world.arrival().await;
        follower.round(world.log.end().await.unwrap()).await.unwrap();
    }
    let (end, stuck) = (world.log.end().await.unwrap(), standing(world.log.as_ref(), &FAULTY).await[0]);
    assert_eq!((standing(world.log.as_ref(), &JOURNAL).await[0].position, stuck.position), (end, 0));
    let reopened = store.open_with(&world.clock, &ALONE).await;
    assert!(caught_up(reopened.as_ref(), Duration::ZERO).await.unwrap(), "a model that nobody asked for is waited for");
}

/// When each user did something last, and the longest that they did nothing before, from four seconds on.
static PAUSES: Table = Table {
    name: "pauses",
    key: &["user_id"],
    columns: &[text("user_id"), integer("at").optional(), integer("longest").optional()],
    indexes: &[Index { columns: &["longest", "at"], unique: false, only_present: true }],
    shared: false,
    clustered: false,
};
static PAUSED: Model = Model { name: "paused", version: 1, tables: &[&PAUSES], views: &[], fold: Fold::Plain(paused) };
static PATIENT: [&Model; 1] = [&PAUSED];
const FROM: i64 = 4_000;

fn paused(entry: &Entry, out: &mut Vec<Change>) {
    let Event::User(user, event) = &entry.event else { return };
    let at = entry.occurred_at.into();
    out.push(match event {
        UserEvent::GuestCreated(_) | UserEvent::MemberSignedUp(_) => {
            Change::Insert { table: &PAUSES, values: vec![id(user), at, Value::Null] }
        }
        UserEvent::UserDeleted(_) => {
            Change::Update { table: &PAUSES, set: &["at"], by: "user_id", values: vec![Value::Null, id(user)] }
        }
        _ => Change::Advance { table: &PAUSES, time: "at", pause: "longest", values: vec![at, FROM.into(), id(user)] },
    });
}

static ALL_PAUSES: Question<(String, Option<i64>, Option<i64>)> = Question {
    sql: "SELECT p.user_id, p.at, p.longest FROM pauses p ORDER BY p.user_id",
    read: |row| Some((row.text(0)?.to_owned(), row.integer(1), row.integer(2))),
};

/// However the events fall into pages, and whether the row is as old as they are or stood before.
async fn a_time_that_moves_on_keeps_its_longest_pause(store: &dyn Store) {
    let mut history = lived(store, &PATIENT, 14, 0).await;
    for _ in 0..if long() { 30 } else { 4 } {
        history.go_on(150).await;
        let world = &history.world;
        followed(&world.log).await;
        let mut lives: BTreeMap<String, (Option<i64>, Option<i64>)> = BTreeMap::new();
        for event in everything(world.log.as_ref()).await {
            let Some(user) = event.stream.as_str().strip_prefix("user-") else { continue };
            let now = event.occurred_at.as_millis();
            let (at, longest) = lives.entry(user.to_owned()).or_insert((Some(now), None));
            match *at {
                _ if event.event_type == "UserDeleted" => *at = None,
                Some(then) => {
                    *longest = Some(now - then).filter(|pause| *pause >= FROM).max(*longest);
                    *at = Some(now);
                }
                // An activity record may land behind a deletion.
                None => {}
            }
        }
        let lives: Vec<_> = lives.into_iter().map(|(user, (at, longest))| (user, at, longest)).collect();
        assert!(lives.iter().any(|life| life.2.is_some()) && lives.iter().any(|life| life.2.is_none()));
        assert_eq!(ask(world.log.as_ref(), &ALL_PAUSES, &[]).await.unwrap(), lives);
        assert_clean(&verified(world).await);
        rebuild(world.log.clone(), &mut |_| {}).await.unwrap();
        assert_eq!(ask(world.log.as_ref(), &ALL_PAUSES, &[]).await.unwrap(), lives);
    }
}
