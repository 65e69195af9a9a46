//! Organizations: two streams that tell the same, one winner of every race, and nothing left without an owner.

mod asking;

use std::sync::Arc;

use chrysalis::log::cqrs::{Ask, ExecuteError};
use chrysalis::log::{Refused, ask_one};
use chrysalis_domain::id::{OrganizationId, PersonId};
use chrysalis_domain::organization::{By, Existence, OrganizationCommand, OrganizationRefusal, Role, Slug, Target};
use chrysalis_domain::user::UserRefusal;
use chrysalis_domain::value::Change;
use chrysalis_projections::claims;
use tokio::task::JoinSet;

use super::erasure::assert_sound;
use super::every_store;
use super::store::Store;
use super::world::{World, refused_by_store};

every_store! {
    of_64_who_want_one_slug_one_has_it,
    a_slug_is_free_again_once_it_is_given_up,
    of_two_last_owners_who_leave_at_once_one_stays,
    an_invitation_is_accepted_or_revoked_and_never_both,
    nobody_becomes_a_member_twice_however_many_add_them,
    who_is_deleted_while_being_added_is_no_member,
    users_who_go_together_leave_what_they_share_in_order,
    many_can_join_at_once,
    what_was_sealed_goes_with_the_invitation_and_the_organization,
}

async fn of_64_who_want_one_slug_one_has_it(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let mut race = JoinSet::new();
    for number in 0..64 {
        let guest = world.arrival().await;
        let world = world.clone();
        race.spawn(async move {
            let (id, _, ask) = world.founding(guest.user, if number % 2 == 0 { "acme" } else { "ACME" });
            (id, guest.user, world.execute(ask).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = race.join_next().await {
        match ended.unwrap() {
            (id, _, Ok(_)) => winners.push(id),
            (id, user, lost) => {
                assert!(matches!(refused_by_store(lost), Refused::ClaimHeld { .. }));
                assert_eq!(world.state(id).await.existence, Existence::Absent);
                assert!(world.user(user).await.memberships.is_empty(), "who lost is a member of nothing");
            }
        }
    }
    let [winner]: [OrganizationId; 1] = winners.try_into().expect("exactly one winner");
    let key = world.keyring.slug_claim(&Slug::parse("acme").unwrap());
    let holder = ask_one(world.log.as_ref(), &claims::OF_SLUG, &[key.hash.into()]).await.unwrap();
    assert_eq!(holder, Some(winner));
}

async fn a_slug_is_free_again_once_it_is_given_up(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let (id, person, ask) = world.founding(guest.user, "acme");
    world.execute(ask).await.unwrap();
    let (slug, sealed, claim) = world.slug(&person.sealer, "other");
    let by = By::Member(guest.user);
    let (logo, metadata) = (Change::Kept, Change::Kept);
    let update = OrganizationCommand::Update { by, name: None, logo, metadata, slug: Some(slug) };
    let update = Ask { sealed: vec![sealed], claims: vec![claim], ..world.organization(update, id) };
    world.execute(update).await.unwrap();

    let another = world.founded(guest.user, "acme").await;
    let (_, _, taken) = world.founding(guest.user, "other");
    assert!(matches!(refused_by_store(world.execute(taken).await), Refused::ClaimHeld { .. }));
    world.execute(world.organization(OrganizationCommand::Delete { by }, id)).await.unwrap();
    world.founded(guest.user, "other").await;
    world.execute(world.organization(OrganizationCommand::Delete { by }, another)).await.unwrap();
    world.founded(guest.user, "Acme").await;
}

async fn of_two_last_owners_who_leave_at_once_one_stays(store: &dyn Store) {
    let world = World::on(store).await;
    for round in 0..16 {
        let (one, other) = (world.arrival().await, world.arrival().await);
        let id = world.founded(one.user, &format!("slug-{round}")).await;
        let other = world.joined(id, other.user, Role::Owner).await;
        let member = world.user(one.user).await.memberships[&id].member;
        let one = Target { member, user: one.user };
        let left = tokio::join!(world.execute(world.leaving(id, one)), world.execute(world.leaving(id, other)),);
        let refused = match left {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, ExecuteError::Disallowed(OrganizationRefusal::OnlyOwner)), "{refused}");
        assert_eq!(world.members(id).await.len(), 1);
        assert!(!world.state(id).await.is_held());
    }
}

async fn an_invitation_is_accepted_or_revoked_and_never_both(store: &dyn Store) {
    let world = World::on(store).await;
    let owner = world.arrival().await;
    let id = world.founded(owner.user, "acme").await;
    let by = By::Member(owner.user);
    let mut accepted = 0;
    for round in 0..24 {
        let guest = world.arrival().await;
        let (invitation, ask) = world.inviting(id, by, "jane@example.com", round);
        world.execute(ask).await.unwrap();
        let accept = world.execute(world.accepting(id, invitation, guest.user));
        let revoke = world.execute(world.organization(OrganizationCommand::RevokeInvitation { by, invitation }, id));
        let ended = if round % 2 == 0 {
            tokio::join!(accept, revoke)
        } else {
            let (revoked, accepted) = tokio::join!(revoke, accept);
            (accepted, revoked)
        };
        let (won, refused) = match ended {
            (Ok(_), Err(refused)) => (true, refused),
            (Err(refused), Ok(_)) => (false, refused),
            both => panic!("{both:?}"),
        };
        accepted += usize::from(won);
        assert!(matches!(refused, ExecuteError::Disallowed(OrganizationRefusal::InvitationNotOpen)), "{refused}");
        assert_eq!(world.members(id).await.contains(&guest.user), won);
        assert_eq!(world.user(guest.user).await.memberships.contains_key(&id), won);
    }
    assert_eq!(world.members(id).await.len(), 1 + accepted);
}

async fn nobody_becomes_a_member_twice_however_many_add_them(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let (owner, guest) = (world.arrival().await, world.arrival().await);
    let id = world.founded(owner.user, "acme").await;
    let mut race = JoinSet::new();
    for _ in 0..12 {
        let (world, user) = (world.clone(), guest.user);
        race.spawn(async move { world.execute(world.joining(id, user, Role::Member).1).await });
    }
    let (mut added, mut refused) = (0, 0);
    while let Some(ended) = race.join_next().await {
        match ended.unwrap() {
            Ok(_) => added += 1,
            Err(ExecuteError::Refused(UserRefusal::AlreadyMember)) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((added, refused), (1, 11));
    assert_eq!(world.members(id).await.len(), 2);
}

async fn who_is_deleted_while_being_added_is_no_member(store: &dyn Store) {
    let world = World::on(store).await;
    let owner = world.arrival().await;
    let id = world.founded(owner.user, "acme").await;
    for round in 0..24 {
        let guest = world.arrival().await;
        let add = world.execute(world.joining(id, guest.user, Role::Admin).1);
        let delete = world.execute(Ask::new(world.context(), world.now()).then(world.deleting(guest.user)));
        let (added, deleted) = if round % 2 == 0 {
            tokio::join!(add, delete)
        } else {
            let (deleted, added) = tokio::join!(delete, add);
            (added, deleted)
        };
        deleted.unwrap();
        assert!(matches!(added, Ok(_) | Err(ExecuteError::Refused(UserRefusal::Deleted))), "{added:?}");
        assert_eq!(world.members(id).await, [owner.user]);
    }
}

/// One decision may end several users, as a clean-up does.
async fn users_who_go_together_leave_what_they_share_in_order(store: &dyn Store) {
    let world = World::on(store).await;
    let people = [world.arrival().await, world.arrival().await, world.arrival().await];
    let shared = world.founded(people[0].user, "shared").await;
    world.joined(shared, people[1].user, Role::Admin).await;
    world.joined(shared, people[2].user, Role::Admin).await;
    let alone = world.founded(people[1].user, "alone").await;
    let go = Ask::new(world.context(), world.now())
        .then(world.deleting(people[0].user))
        .then(world.deleting(people[1].user));
    world.execute(go).await.unwrap();
    assert_eq!(world.members(shared).await, [people[2].user]);
    assert_eq!(world.state(shared).await.owners().collect::<Vec<_>>(), [people[2].user], "who is left owns it");
    assert_eq!(world.state(alone).await.existence, Existence::Deleted);
    world.execute(Ask::new(world.context(), world.now()).then(world.deleting(people[2].user))).await.unwrap();
    assert_eq!(world.state(shared).await.existence, Existence::Deleted);
    let key = world.keyring.slug_claim(&Slug::parse("shared").unwrap());
    assert_eq!(ask_one(world.log.as_ref(), &claims::OF_SLUG, &[key.hash.into()]).await.unwrap(), None);
}

async fn many_can_join_at_once(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let owner = world.arrival().await;
    let id = world.founded(owner.user, "acme").await;
    let mut race = JoinSet::new();
    for _ in 0..64 {
        let guest = world.arrival().await;
        let world = world.clone();
        race.spawn(async move {
            // Who is told to come back comes back.
            loop {
                match world.execute(world.joining(id, guest.user, Role::Member).1).await {
                    Ok(_) => return,
                    Err(ExecuteError::Append(chrysalis::log::AppendError::Busy { .. })) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    race.join_all().await;
    assert_eq!(world.members(id).await.len(), 65);
}

async fn what_was_sealed_goes_with_the_invitation_and_the_organization(store: &dyn Store) {
    let world = World::on(store).await;
    let (owner, guest) = (world.arrival().await, world.arrival().await);
    let (id, acme, ask) = world.founding(owner.user, "acme");
    world.execute(ask).await.unwrap();
    let by = By::Member(owner.user);
    let mut invited = Vec::new();
    for seen in 0..5 {
        let (invitation, ask) = world.inviting(id, by, &format!("p{seen}@example.com"), seen);
        invited.push((invitation, ask.person_keys[0].person));
        world.execute(ask).await.unwrap();
    }
    let left = async |person: PersonId| {
        let mut left = Vec::new();
        for table in ["person_keys", "sealed"] {
            let sql = format!("SELECT cast(count(*) AS text) FROM {table} WHERE person_id = '{person}'");
            left.push(store.seen(&sql).await);
        }
        left
    };
    let copies = async || {
        let held = "address_sealed IS NOT NULL OR person_key IS NOT NULL OR hash IS NOT NULL";
        store.seen(&format!("SELECT cast(count(*) AS text) FROM invitations WHERE {held}")).await
    };
    assert_eq!(copies().await, "5");
    world.execute(world.accepting(id, invited[0].0, guest.user)).await.unwrap();
    let revoke = OrganizationCommand::RevokeInvitation { by, invitation: invited[1].0 };
    world.execute(world.organization(revoke, id)).await.unwrap();
    let reject = OrganizationCommand::RejectInvitation { invitation: invited[2].0, user: guest.user };
    world.execute(world.organization(reject, id)).await.unwrap();
    for (_, person) in &invited[..3] {
        assert_eq!(left(*person).await, ["0", "0"]);
    }
    assert_eq!((left(invited[3].1).await, copies().await), (vec!["1".to_owned(), "1".to_owned()], "2".to_owned()));
    // What became of them is still told; the log verifies, and folds to the same.
    let ended = "SELECT cast(count(*) AS text) FROM invitations WHERE status <> 'pending'";
    assert_eq!(store.seen(ended).await, "3");
    assert_sound(&world).await;
    assert_eq!(store.seen(ended).await, "3");

    world.execute(world.organization(OrganizationCommand::Delete { by }, id)).await.unwrap();
    for person in [invited[3].1, invited[4].1, acme.id] {
        assert_eq!(left(person).await, ["0", "0"]);
    }
    for table in ["organizations", "members", "invitations"] {
        assert_eq!(store.seen(&format!("SELECT cast(count(*) AS text) FROM {table}")).await, "0", "{table}");
    }
    assert_sound(&world).await;
}
