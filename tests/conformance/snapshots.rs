//! A snapshot saves the replay and changes nothing else.

use chrysalis::log::cqrs::{Ask, Concurrency, load};
use chrysalis::log::{Expected, Group, Log, StreamId, read_event};
use chrysalis_domain::id::EventId;
use chrysalis_domain::user::event::ActivityRecorded;
use chrysalis_domain::user::{User, UserCommand, UserEvent};
use chrysalis_domain::value::Carrier;
use chrysalis_domain::{Event, Span};

use super::every_store;
use super::store::Store;
use super::world::{Guest, World};

every_store! {
    a_snapshot_is_taken_only_where_nothing_can_stand_in_between,
    three_thousand_events_load_from_a_snapshot,
    a_snapshot_that_does_not_read_is_ignored_and_replaced,
}

/// Replayed at the most before a snapshot is due: `SNAPSHOT_AFTER` of `log::cqrs`, and the events of one more append.
const FEW: u64 = 64 + 8;

async fn from_scratch(log: &dyn Log, stream: &StreamId) -> (User, u64) {
    let (mut user, mut version) = (User::default(), 0);
    for recorded in log.read_stream(stream, 0, 100_000).await.unwrap() {
        if let Some(Event::User(_, event)) = read_event(&recorded).unwrap() {
            user.apply(&event);
        }
        version = recorded.version;
    }
    (user, version)
}

fn activity(world: &World, guest: &Guest) -> UserEvent {
    world.clock.advance(Span::from_secs(1));
    ActivityRecorded { session: guest.session, carrier: Carrier::Bearer, at: world.now() }.into()
}

async fn append(world: &World, guest: &Guest, expected: Expected, events: usize, snapshot: Option<&[u8]>) {
    let events: Vec<_> = (0..events).map(|_| activity(world, guest)).collect();
    let mut group = Group::new(world.context());
    group.append_user(guest.user, expected, &events, world.now(), || world.fresh(EventId::from_ulid)).unwrap();
    group.appends[0].snapshot = snapshot.map(<[u8]>::to_vec);
    world.append(group).await.unwrap();
}

fn visit(world: &World, guest: &Guest, concurrency: Concurrency) -> Ask {
    world.clock.advance(Span::from_secs(1));
    let command =
        UserCommand::RecordActivity { session: guest.session, carrier: Carrier::Bearer, granularity: Span::ZERO };
    world.ask_with(guest.user, concurrency, command)
}

async fn a_snapshot_is_taken_only_where_nothing_can_stand_in_between(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let stream = StreamId::user(guest.user);
    append(&world, &guest, Expected::Any, 1, Some(b"of any")).await;
    assert_eq!(world.log.snapshot(&stream).await.unwrap(), None);
    append(&world, &guest, Expected::Exact(3), 2, Some(b"of exact")).await;
    append(&world, &guest, Expected::Any, 1, Some(b"of any")).await;
    append(&world, &guest, Expected::Exact(6), 1, None).await;
    let snapshot = world.log.snapshot(&stream).await.unwrap().expect("taken");
    assert_eq!((snapshot.version, snapshot.state.as_slice()), (5, b"of exact".as_slice()));
    append(&world, &guest, Expected::Exact(7), 1, Some(b"later")).await;
    assert_eq!(world.log.snapshot(&stream).await.unwrap().unwrap().version, 8);
}

async fn three_thousand_events_load_from_a_snapshot(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let stream = StreamId::user(guest.user);
    for _ in 0..30 {
        append(&world, &guest, Expected::Any, 100, None).await;
    }
    assert_eq!(load::<User>(world.log.as_ref(), guest.user).await.unwrap().replayed, 3_002, "nothing to load from yet");
    // An append at version Any can bring no snapshot, the first exact one does.
    world.execute(visit(&world, &guest, Concurrency::Any)).await.unwrap();
    assert_eq!(world.log.snapshot(&stream).await.unwrap(), None);
    for _ in 0..200 {
        world.execute(visit(&world, &guest, Concurrency::Exact)).await.unwrap();
        let loaded = load::<User>(world.log.as_ref(), guest.user).await.unwrap();
        assert!(loaded.replayed <= FEW, "{} events were replayed", loaded.replayed);
    }
    let loaded = load::<User>(world.log.as_ref(), guest.user).await.unwrap();
    assert_eq!((loaded.state, loaded.version), from_scratch(world.log.as_ref(), &stream).await);
}

async fn a_snapshot_that_does_not_read_is_ignored_and_replaced(store: &dyn Store) {
    let world = World::on(store).await;
    for state in [&b""[..], b"\x01", b"\x01{", b"\x01{\"id\":7}", b"\x02{}", b"\xff\xfe garbage"] {
        let guest = world.arrival().await;
        let stream = StreamId::user(guest.user);
        append(&world, &guest, Expected::Exact(2), 1, Some(state)).await;
        assert_eq!(world.log.snapshot(&stream).await.unwrap().unwrap().state, state);
        let loaded = load::<User>(world.log.as_ref(), guest.user).await.unwrap();
        assert_eq!((loaded.state, loaded.version), from_scratch(world.log.as_ref(), &stream).await);
        world.execute(visit(&world, &guest, Concurrency::Exact)).await.unwrap();
        let loaded = load::<User>(world.log.as_ref(), guest.user).await.unwrap();
        assert_eq!(loaded.replayed, 0, "{state:?} was not replaced");
        assert_eq!((loaded.state, loaded.version), from_scratch(world.log.as_ref(), &stream).await);
    }
}
