//! Where guests came from is kept beside them, and forgotten with them.

use chrysalis::log::Log;
use chrysalis::log::origins::{Networks, Origin, OriginRow, between, first_id, kept_before};
use chrysalis_domain::Span;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::user::{Standing, UserCommand};

use super::every_store;
use super::store::Store;
use super::world::World;

every_store! {
    an_origin_is_stored_with_its_guest_and_goes_with_it,
    origins_are_forgotten_oldest_first,
    a_refused_group_leaves_no_origin,
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
