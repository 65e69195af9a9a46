//! What was so at a time: whatever happened since, and however long a life is, it is what the events up to then make of it.

use std::collections::{BTreeMap, BTreeSet};

use chrysalis::app::audit::Trail;
use chrysalis::app::audit::replay::{Asked, Replayed};
use chrysalis::app::audit::totals::{Census, Totals};
use chrysalis::log::cqrs::{Ask, Concurrency, Step};
use chrysalis::log::{Recorded, StreamId, read_event, times};
use chrysalis_domain::id::{SessionId, UserId};
use chrysalis_domain::organization::OrganizationEvent;
use chrysalis_domain::user::{Standing, User, UserCommand};
use chrysalis_domain::value::Carrier;
use chrysalis_domain::{Event, Span, Timestamp};
use serde_json::Value;

use super::every_store;
use super::history::History;
use super::store::Store;
use super::world::{START, World, everything};
use crate::long;

every_store! {
    a_time_is_found_in_the_log,
    at_any_time_of_any_history_everybody_is_what_their_events_made_of_them,
    what_is_so_now_is_what_the_rows_say,
    a_long_life_is_folded_page_by_page,
}

fn trail(world: &World) -> Trail<'_> {
    Trail { log: world.log.as_ref(), keyring: &world.keyring }
}

/// Times of interest: before everything, between, just at, and after.
fn moments(world: &World, events: &[Recorded], count: usize) -> Vec<Timestamp> {
    let mut all = vec![Timestamp::from_millis(0), START, world.now(), world.now() + Span::from_days(1)];
    for _ in 0..count {
        let at = world.chance.pick(events).recorded_at;
        all.extend([at, at - Span::from_millis(1)]);
    }
    all
}

async fn a_time_is_found_in_the_log(store: &dyn Store) {
    let history = History::lived(store, 41, 150).await;
    let world = &history.world;
    let events = everything(world.log.as_ref()).await;
    for at in moments(world, &events, 40) {
        let expected = events.iter().filter(|event| event.recorded_at <= at).map(|event| event.position).max();
        assert_eq!(times::upto(world.log.as_ref(), at).await.unwrap(), expected.unwrap_or(0), "{at}");
    }
    assert_eq!(times::now(world.log.as_ref(), START).await.unwrap(), events.last().unwrap().recorded_at);
}

/// A user by nothing but the domain's fold of what was recorded by then.
fn folded(events: &[Recorded], user: UserId, at: Timestamp) -> (User, u64) {
    let (mut state, mut version) = (User::default(), 0);
    for event in events.iter().filter(|event| event.stream == StreamId::user(user) && event.recorded_at <= at) {
        if let Some(Event::User(_, event)) = read_event(event).unwrap() {
            state.apply(&event);
        }
        version = event.version;
    }
    (state, version)
}

fn users(events: &[Recorded]) -> Vec<UserId> {
    let first = events.iter().filter(|event| event.version == 1);
    first.filter_map(|event| event.stream.as_user()).collect()
}

async fn replayed(world: &World, user: UserId, at: Timestamp, after: u64, limit: usize) -> Option<Value> {
    let replayed = trail(world).replay(user, Asked { at, after, limit }).await.unwrap();
    replayed.map(|replayed: Replayed| serde_json::to_value(replayed).unwrap())
}

async fn at_any_time_of_any_history_everybody_is_what_their_events_made_of_them(store: &dyn Store) {
    let history = History::lived(store, 42, if long() { 3_000 } else { 500 }).await;
    let world = &history.world;
    let events = everything(world.log.as_ref()).await;
    let users = users(&events);
    for at in moments(world, &events, if long() { 40 } else { 6 }) {
        let mut expected = Totals { position: times::upto(world.log.as_ref(), at).await.unwrap(), ..Totals::default() };
        for user in &users {
            let (state, version) = folded(&events, *user, at);
            let told = replayed(world, *user, at, 0, 500).await.unwrap();
            assert_eq!(told["version"], version);
            let Some(then) = told["state"].as_object() else {
                assert_eq!(state, User::default());
                continue;
            };
            assert_eq!(then["standing"], state.standing.name());
            assert_eq!(then["emailVerified"], state.email.as_ref().is_some_and(|email| email.verified));
            assert_eq!(then["role"], state.roles.as_str());
            let sessions = then["sessions"].as_array().unwrap();
            assert!(
                sessions
                    .iter()
                    .map(|session| session["id"].as_str().unwrap().parse::<SessionId>().unwrap())
                    .eq(state.sessions.keys().copied())
            );
            assert_eq!(then["organizations"].as_array().unwrap().len(), state.memberships.len());
            assert_eq!(told["timeline"].as_array().unwrap().len() as u64, version.min(500));
            expected.users += 1;
            *match state.standing {
                Standing::Guest => &mut expected.guests,
                Standing::Provisional => &mut expected.provisional,
                Standing::Member => &mut expected.members,
                Standing::Disabled => &mut expected.disabled,
                Standing::Deleted => &mut expected.deleted,
                Standing::Absent => panic!("who is there is something"),
            } += 1;
            expected.banned += u64::from(state.is_banned(at));
            expected.verified += u64::from(state.email.as_ref().is_some_and(|email| email.verified));
            expected.sessions += sessions.iter().filter(|session| session["live"] == true).count() as u64;
        }
        let mut members: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.recorded_at <= at) {
            if let Some(Event::Organization(id, event)) = read_event(event).unwrap() {
                let members = members.entry(id.to_string()).or_default();
                match event {
                    OrganizationEvent::MemberAdded(e) => {
                        members.insert(e.member);
                    }
                    OrganizationEvent::MemberRemoved(e) => {
                        members.remove(&e.member);
                    }
                    OrganizationEvent::OrganizationDeleted(_) => members.clear(),
                    _ => {}
                }
            }
        }
        expected.memberships = members.values().map(|members| members.len() as u64).sum();
        let count = |kind: &str| {
            events.iter().filter(|event| event.event_type == kind && event.recorded_at <= at).count() as u64
        };
        expected.organizations = count("OrganizationCreated") - count("OrganizationDeleted");
        expected.api_keys = count("ApiKeyCreated") - count("ApiKeyRevoked");
        let (totals, told) = census(world, at).await;
        assert_eq!(totals, expected);
        assert_eq!(told, totals.users - totals.deleted, "of who was gone nothing is told");
    }
}

/// The figures of a time, and how many there were to tell of.
async fn census(world: &World, at: Timestamp) -> (Totals, u64) {
    let mut census = Census::at(trail(world), at).await.unwrap();
    let mut told = 0;
    while let Some(some) = census.next().await.unwrap() {
        for one in some {
            told += u64::from(census.tell(one).await.unwrap().is_some());
        }
    }
    (census.totals, told)
}

async fn what_is_so_now_is_what_the_rows_say(store: &dyn Store) {
    let mut history = History::lived(store, 43, 100).await;
    for _ in 0..if long() { 20 } else { 3 } {
        history.go_on(200).await;
        let world = &history.world;
        let now = times::now(world.log.as_ref(), world.now()).await.unwrap();
        let (totals, _) = census(world, now).await;
        let count = async |what: &str| -> u64 {
            store.seen(&format!("SELECT cast(count(*) AS text) FROM {what}")).await.parse().unwrap()
        };
        for (standing, figure) in [
            ("guest", totals.guests),
            ("provisional", totals.provisional),
            ("member", totals.members),
            ("disabled", totals.disabled),
        ] {
            assert_eq!(count(&format!("users WHERE standing = '{standing}'")).await, figure, "{standing}");
        }
        assert_eq!(count("users").await, totals.users - totals.deleted);
        assert_eq!(count("users WHERE email_verified = 1").await, totals.verified);
        let live = format!("sessions WHERE ended_at IS NULL AND expires_at > {}", now.as_millis());
        assert_eq!(count(&live).await, totals.sessions);
        assert_eq!(count("organizations").await, totals.organizations);
        assert_eq!(count("members").await, totals.memberships);
        assert_eq!(count("api_keys WHERE revoked_at IS NULL").await, totals.api_keys);
    }
}

async fn a_long_life_is_folded_page_by_page(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let other = world.arrival().await;
    for _ in 0..if long() { 5_000 } else { 1_200 } {
        world.clock.advance(Span::from_secs(1));
        let command =
            UserCommand::RecordActivity { session: guest.session, carrier: Carrier::Bearer, granularity: Span::ZERO };
        let ask = Ask::new(world.context(), world.now()).then(Step::User(guest.user, Concurrency::Any, command));
        world.execute(ask).await.unwrap();
    }
    let events = everything(world.log.as_ref()).await;
    let middle = &events[events.len() / 2];
    let told = replayed(&world, guest.user, middle.recorded_at, middle.version - 2, 10).await.unwrap();
    assert_eq!(told["version"], middle.version);
    let versions: Vec<_> = told["timeline"].as_array().unwrap().iter().map(|step| step["version"].clone()).collect();
    assert_eq!(versions, [middle.version - 1, middle.version]);
    assert_eq!(told["next"], Value::Null);
    let (state, _) = folded(&events, guest.user, middle.recorded_at);
    let time = chrysalis::wire::json_time::JsonTime(state.last_activity).to_string();
    assert_eq!(told["state"]["lastActiveAt"], time);
    let (totals, _) = census(&world, middle.recorded_at).await;
    assert_eq!((totals.users, totals.sessions), (2, 2));
    assert!(replayed(&world, other.user, middle.recorded_at, 0, 1).await.unwrap()["next"] == 1);
    assert!(replayed(&world, world.fresh(UserId::from_ulid), world.now(), 0, 10).await.is_none());
}
