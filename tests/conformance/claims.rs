//! One claim has one holder, whoever is faster.

use std::sync::Arc;

use chrysalis::log::cqrs::{ExecuteError, load};
use chrysalis::log::{Expected, Group, Refused, ask};
use chrysalis_domain::id::{EventId, UserId};
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::user::{User, UserCommand, UserRefusal};
use chrysalis_domain::value::ProofKind;
use chrysalis_projections::accounts;
use chrysalis_projections::claims::Holder;
use chrysalis_projections::table;
use tokio::task::JoinSet;

use super::every_store;
use super::store::Store;
use super::world::{World, command, everything, refused_by_store};

every_store! {
    a_taken_claim_is_refused_with_its_holder,
    a_claim_that_is_proven_says_so,
    a_group_may_release_and_take_at_once,
    of_64_who_claim_one_address_one_wins,
    of_64_upgrades_of_one_guest_one_wins,
    a_released_claim_can_be_taken_again,
}

const ADDRESS: &str = "jane@example.com";

async fn a_taken_claim_is_refused_with_its_holder(store: &dyn Store) {
    let world = World::on(store).await;
    let (first, _, take) = world.sign_up(ADDRESS);
    let held = take.claims[0].claim;
    world.execute(take).await.unwrap();
    let before = everything(world.log.as_ref()).await.len();

    let (second, _, take) = world.sign_up(ADDRESS);
    let wanted = take.claims[0].claim;
    assert_eq!(refused_by_store(world.execute(take).await), Refused::ClaimHeld { claim: wanted, by: held });
    assert_eq!(world.holder(ADDRESS).await, Some(Holder { claim: held, user: first, verified: false }));
    assert_eq!(load::<User>(world.log.as_ref(), second).await.unwrap().version, 0);
    assert_eq!(everything(world.log.as_ref()).await.len(), before);

    let (_, _, elsewhere) = world.sign_up("john@example.com");
    world.execute(elsewhere).await.unwrap();
}

async fn a_claim_that_is_proven_says_so(store: &dyn Store) {
    let world = World::on(store).await;
    let (first, _, take) = world.sign_up(ADDRESS);
    let claim = take.claims[0].claim;
    world.execute(take).await.unwrap();
    let proof = UserCommand::VerifyEmail { claim, challenge: None, proof: ProofKind::VerificationLink, opens: None };
    world.execute(world.ask(first, proof)).await.unwrap();

    let (_, _, take) = world.sign_up(ADDRESS);
    let Refused::ClaimHeld { by, .. } = refused_by_store(world.execute(take).await) else { panic!("not the claim") };
    assert_eq!(by, claim);
    assert_eq!(world.holder(ADDRESS).await, Some(Holder { claim, user: first, verified: true }));
}

async fn a_group_may_release_and_take_at_once(store: &dyn Store) {
    let world = World::on(store).await;
    let (loser, _, take) = world.sign_up(ADDRESS);
    let lost = take.claims[0].claim;
    world.execute(take).await.unwrap();
    let (winner, _, take) = world.sign_up(ADDRESS);

    let loaded = load::<User>(world.log.as_ref(), loser).await.unwrap();
    let released = loaded.state.decide(UserCommand::SupersedeClaim { claim: lost }, world.now()).unwrap();
    let taken = User::default().decide(command(&take), take.at).unwrap();
    let mut group = Group::new(world.context());
    (group.sealed, group.claims, group.person_keys) = (take.sealed, take.claims, take.person_keys);
    let id = || world.fresh(EventId::from_ulid);
    group.append_user(loser, Expected::Exact(loaded.version), &released, world.now(), id).unwrap();
    group.append_user(winner, Expected::NoStream, &taken, world.now(), id).unwrap();
    let claim = group.claims[0].claim;
    world.append(group).await.unwrap();
    assert_eq!(world.holder(ADDRESS).await, Some(Holder { claim, user: winner, verified: false }));
    assert_eq!(world.user(loser).await.email, None);
}

async fn of_64_who_claim_one_address_one_wins(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let mut guests = Vec::new();
    for _ in 0..64 {
        guests.push(world.arrival().await);
    }
    let mut race = JoinSet::new();
    for guest in guests {
        let world = world.clone();
        race.spawn(async move {
            let upgrade = world.upgrade(guest.user, &guest.person, guest.session, ADDRESS, false);
            (guest.user, world.execute(upgrade).await)
        });
    }
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    while let Some(ended) = race.join_next().await {
        match ended.unwrap() {
            (user, Ok(_)) => winners.push(user),
            (user, refusal) => {
                let Refused::ClaimHeld { by, .. } = refused_by_store(refusal) else { panic!("not the claim") };
                assert!(world.user(user).await.standing.is_guest(), "a guest who lost is a guest still");
                losers.push(by);
            }
        }
    }
    let [winner]: [UserId; 1] = winners.try_into().expect("exactly one winner");
    let holder = world.holder(ADDRESS).await.unwrap();
    assert_eq!(holder.user, winner);
    assert_eq!(losers, [holder.claim; 63]);
}

async fn of_64_upgrades_of_one_guest_one_wins(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let guest = world.arrival().await;
    let mut race = JoinSet::new();
    for number in 0..64 {
        let (world, guest) = (world.clone(), guest.clone());
        race.spawn(async move {
            let address = format!("jane.{number}@example.com");
            let upgrade = world.upgrade(guest.user, &guest.person, guest.session, &address, false);
            (address, world.execute(upgrade).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = race.join_next().await {
        match ended.unwrap() {
            (address, Ok(_)) => winners.push(address),
            (address, Err(ExecuteError::Refused(UserRefusal::NotAnonymous))) => {
                assert_eq!(world.holder(&address).await, None)
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    let [winner]: [String; 1] = winners.try_into().expect("exactly one winner");
    assert_eq!(world.holder(&winner).await.unwrap().user, guest.user);
    let accounts = ask(world.log.as_ref(), &accounts::OF_USER, &[table::id(guest.user)]).await.unwrap();
    assert_eq!(accounts.len(), 1);
}

async fn a_released_claim_can_be_taken_again(store: &dyn Store) {
    let world = World::on(store).await;
    for _ in 0..3 {
        let (user, _, take) = world.sign_up(ADDRESS);
        world.execute(take).await.unwrap();
        assert_eq!(world.holder(ADDRESS).await.unwrap().user, user);
        let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
        world.execute(world.ask(user, delete)).await.unwrap();
        assert_eq!(world.holder(ADDRESS).await, None);
    }
}
