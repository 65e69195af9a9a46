//! Where guests came from is kept beside them, and forgotten with them.

use chrysalis::log::Log;
use chrysalis::log::origins::{
    Grouping, Key, Networks, Origin, OriginRow, Tallies, Tally, Width, between, count, first_id, kept_before, tally,
};
use chrysalis_domain::id::{JobId, UserId};
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::user::{Standing, UserCommand};
use chrysalis_domain::{Span, Timestamp};

use super::every_store;
use super::store::Store;
use super::world::World;

every_store! {
    an_origin_is_stored_with_its_guest_and_goes_with_it,
    origins_are_forgotten_oldest_first,
    a_refused_group_leaves_no_origin,
    guests_are_counted_by_where_and_when_they_came,
    pieces_add_up_to_the_whole,
}

const NETWORKS: Networks = Networks { key_id: 1, network: [7; 16], network56: None, network48: None };

async fn guest_of(world: &World, networks: Networks) -> UserId {
    let (guest, mut ask) = world.guest();
    ask.origin = Some(Origin { user: guest.user, at: world.now(), networks });
    world.execute(ask).await.unwrap();
    guest.user
}

async fn all(log: &dyn Log, world: &World) -> Vec<OriginRow> {
    let until = world.now() + Span::from_days(1);
    between(log, first_id(world.now() - Span::from_days(9)), first_id(until), 1_000).await.unwrap()
}

async fn an_origin_is_stored_with_its_guest_and_goes_with_it(store: &dyn Store) {
    let world = World::on(store).await;
    let log = world.log.as_ref();
    let at = world.now();
    let v6 = Networks { network56: Some([8; 16]), network48: Some([9; 16]), ..NETWORKS };
    let (first, second) = (guest_of(&world, NETWORKS).await, guest_of(&world, v6).await);
    let row = |user, networks| OriginRow { user, at, networks, standing: Standing::Guest };
    let mut expected = vec![row(first, NETWORKS), row(second, v6)];
    expected.sort_by_key(|row| row.user);
    assert_eq!(all(log, &world).await, expected);
    let command = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest: true };
    world.execute(world.ask(first, command)).await.unwrap();
    assert_eq!(all(log, &world).await, [row(second, v6)]);
}

async fn origins_are_forgotten_oldest_first(store: &dyn Store) {
    let world = World::on(store).await;
    let log = world.log.as_ref();
    let mut users = Vec::new();
    for _ in 0..5 {
        users.push(guest_of(&world, NETWORKS).await);
        world.clock.advance(Span::from_hours(1));
    }
    let before = world.now() - Span::from_hours(2);
    assert!(kept_before(log, before).await.unwrap());
    assert_eq!(log.forget_origins(before, 2).await.unwrap(), 2);
    let left = |rows: Vec<OriginRow>| rows.into_iter().map(|row| row.user).collect::<Vec<_>>();
    assert_eq!(left(all(log, &world).await), users[2..]);
    assert_eq!(log.forget_origins(before, 2).await.unwrap(), 1);
    assert_eq!(log.forget_origins(before, 2).await.unwrap(), 0);
    assert!(!kept_before(log, before).await.unwrap());
    assert_eq!(left(all(log, &world).await), users[3..]);
}

async fn a_refused_group_leaves_no_origin(store: &dyn Store) {
    let world = World::on(store).await;
    let (_, mut ask) = world.guest();
    ask.quotas = vec![chrysalis::log::Quota::takes(*b"none", 0, Span::from_secs(60))];
    world.execute(ask).await.unwrap_err();
    assert_eq!(all(world.log.as_ref(), &world).await, []);
}

/// Of two subscribers in one /56, and one elsewhere.
fn v6(subscriber: u8) -> Networks {
    let home = if subscriber < 2 { [20; 16] } else { [21; 16] };
    Networks { network: [10 + subscriber; 16], network56: Some(home), network48: Some([30; 16]), ..NETWORKS }
}

async fn counted(world: &World, by: Grouping, pieces: (usize, u32)) -> Tallies {
    let (from, to) = (world.now() - Span::from_days(9), world.now() + Span::from_days(1));
    tally(world.log.as_ref(), by, first_id(from), first_id(to), pieces).await.unwrap()
}

const BY_NETWORK: Grouping = Grouping { network: Some(Width::Subscriber), hour: false };
const ALL: (usize, u32) = (9, 1_000);

async fn guests_are_counted_by_where_and_when_they_came(store: &dyn Store) {
    let world = World::on(store).await;
    let log = world.log.as_ref();
    let began = world.now();
    let mut users = Vec::new();
    for networks in [NETWORKS, v6(0), v6(1), NETWORKS, v6(2), NETWORKS] {
        users.push(guest_of(&world, networks).await);
        world.clock.advance(Span::from_secs(1_200));
    }
    world.execute(world.ask(users[0], UserCommand::DisableGuest { by: world.fresh(JobId::from_ulid) })).await.unwrap();
    let gone = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest: true };
    world.execute(world.ask(users[4], gone)).await.unwrap();

    let Tallies { groups, down_to } = counted(&world, BY_NETWORK, ALL).await;
    assert_eq!(down_to, None);
    let largest = groups[0];
    assert_eq!(largest.key, Key { network: Some(NETWORKS.network), hour: None });
    assert_eq!((largest.arrived, largest.guests, largest.upgraded, largest.disabled), (3, 2, 0, 1));
    assert_eq!((largest.first, largest.last), ((users[0], began), (users[5], began + Span::from_secs(6_000))));
    // As large as each other: the latest first. Who is gone is not counted.
    let networks: Vec<_> = groups.iter().map(|group| group.key.network).collect();
    assert_eq!(networks, [NETWORKS, v6(1), v6(0)].map(|networks| Some(networks.network)));

    let homes = counted(&world, Grouping { network: Some(Width::Home), hour: false }, ALL).await.groups;
    let sizes =
        |groups: &[Tally]| -> Vec<_> { groups.iter().map(|group| (group.key.network, group.arrived)).collect() };
    assert_eq!(sizes(&homes), [(Some(NETWORKS.network), 3), (v6(0).network56, 2)]);
    let sites = counted(&world, Grouping { network: Some(Width::Site), hour: false }, ALL).await.groups;
    assert_eq!(sizes(&sites), [(Some(NETWORKS.network), 3), (v6(0).network48, 2)]);

    let hours = counted(&world, Grouping { network: None, hour: true }, ALL).await.groups;
    let hour = |after: i64| Some(Timestamp::from_millis((began.as_millis() / 3_600_000 + after) * 3_600_000));
    let mut found: Vec<_> = hours.iter().map(|group| (group.key.hour, group.arrived)).collect();
    found.sort_unstable();
    assert_eq!(found, [(hour(0), 3), (hour(1), 2)]);
    let both = counted(&world, Grouping { network: Some(Width::Subscriber), hour: true }, ALL).await.groups;
    assert_eq!(both.iter().map(|group| group.arrived).sum::<u64>(), 5);
    assert_eq!(both.len(), 4);

    let (from, to) = (first_id(began), first_id(world.now()));
    assert_eq!(count(log, from, to, None, 1_000).await.unwrap(), (4, true));
    assert_eq!(count(log, from, to, Some(NETWORKS.network), 1_000).await.unwrap(), (2, true));
    assert_eq!(count(log, from, to, v6(0).network56, 1_000).await.unwrap(), (2, true));
    assert_eq!(count(log, from, to, Some([99; 16]), 1_000).await.unwrap(), (0, true));
    assert_eq!(count(log, from, to, None, 2).await.unwrap(), (1, false), "one of the two is out of use");
}

async fn pieces_add_up_to_the_whole(store: &dyn Store) {
    let world = World::on(store).await;
    for number in 0..7 {
        guest_of(&world, v6(number % 2)).await;
        world.clock.advance(Span::from_secs(1));
    }
    let whole = counted(&world, BY_NETWORK, ALL).await;
    for rows in [1, 2, 3, 7, 8] {
        let pieces = counted(&world, BY_NETWORK, (9, rows)).await;
        assert_eq!((pieces.groups, pieces.down_to), (whole.groups.clone(), None), "{rows} rows");
    }
    // Not all of them: the latest, and where to go on.
    let Tallies { groups, down_to } = counted(&world, BY_NETWORK, (2, 2)).await;
    assert_eq!(groups.iter().map(|group| group.arrived).sum::<u64>(), 4);
    let oldest = groups.iter().map(|group| group.first.0).min();
    assert_eq!(down_to, oldest);
    let rest = tally(world.log.as_ref(), BY_NETWORK, first_id(world.now() - Span::from_days(1)), oldest.unwrap(), ALL);
    assert_eq!(rest.await.unwrap().groups.iter().map(|group| group.arrived).sum::<u64>(), 3);
}
