//! Whoever goes takes along their key and whatever is sealed under it; nothing is sealed for them after that.

use std::sync::Arc;

use chrysalis::app::admin::Erased;
use chrysalis::app::admin::export::Export;
use chrysalis::app::{AppError, Refusal};
use chrysalis::keys::{KeyringClaims, SealKind};
use chrysalis::log::cqrs::{Ask, Concurrency, ExecuteError, Step, load};
use chrysalis::log::{Claim, Recorded, Refused};
use chrysalis_domain::challenge::event::ChallengeIssued;
use chrysalis_domain::challenge::{ChallengeCommand, Purpose};
use chrysalis_domain::id::ChallengeId;
use chrysalis_domain::user::event::DeletionReason;
use chrysalis_domain::user::{User, UserCommand, UserRefusal};
use chrysalis_domain::value::{Change, Locale};
use chrysalis_domain::{EmailAddress, Span};
use chrysalis_projections::codes;
use tokio::task::JoinSet;

use super::every_store;
use super::history::History;
use super::store::Store;
use super::world::{Guest, World, everything, refused_by_store};

every_store! {
    the_key_and_the_records_go_with_the_user,
    a_deletion_that_is_refused_erases_nothing,
    nothing_is_sealed_for_whoever_was_erased,
    a_race_leaves_nothing_sealed_behind,
    an_export_that_an_erasure_overtakes_is_none,
    in_the_middle_of_any_history_the_log_stays_what_it_was,
}

async fn count(store: &dyn Store, table: &str, guest: &Guest) -> usize {
    let sql = format!("SELECT cast(count(*) AS text) FROM {table} WHERE person_id = '{}'", guest.person.id);
    store.seen(&sql).await.parse().unwrap()
}

fn delete(world: &World, guest: &Guest, only_if_guest: bool) -> Ask {
    world.ask(guest.user, UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest })
}

/// A code that the guest asked for: sealed under its key, told in a stream of its own.
fn code(world: &World, guest: &Guest) -> Ask {
    let (address, details) = ("jane@example.com", "{}");
    let email = world.seal(&guest.person, SealKind::Email, address);
    let details = world.seal(&guest.person, SealKind::Details, details);
    let challenge = world.fresh(ChallengeId::from_ulid);
    let issued = ChallengeIssued {
        challenge,
        purpose: Purpose::SignInCode,
        person: guest.person.id,
        address: email.id,
        details: Some(details.id),
        asker: None,
        holder: None,
        silent: false,
        locale: Locale::ENGLISH,
        at: world.now(),
        expires_at: world.now() + Span::from_secs(600),
    };
    let step = Step::Challenge(challenge, Concurrency::New, ChallengeCommand::Issue(Box::new(issued)));
    let mut ask = Ask::new(world.context(), world.now()).then(step);
    let key = world.keyring.email_claim(&EmailAddress::parse(address).unwrap());
    ask.keys = vec![Claim { claim: codes::of_address(challenge), key }];
    ask.sealed = vec![email, details];
    ask
}

fn rename(world: &World, guest: &Guest) -> Ask {
    let name = world.seal(&guest.person, SealKind::Name, "Jane");
    let command =
        UserCommand::UpdateProfile { name: Change::Set(name.id), image: Change::Kept, metadata: Change::Kept };
    Ask { sealed: vec![name], ..world.ask(guest.user, command) }
}

/// Whoever reads half of it must not take it for the whole.
async fn an_export_that_an_erasure_overtakes_is_none(store: &dyn Store) {
    let world = World::on(store).await;
    let (guest, other) = (world.arrival().await, world.arrival().await);
    let keyring = Arc::new(World::keyring(world.log.as_ref(), &world.chance).await);
    let export = async |guest: &Guest| {
        let mut export = Export::begin(world.log.clone(), keyring.clone(), guest.user, world.now()).await.unwrap();
        let begun = export.part().await.unwrap().unwrap();
        assert!(begun.starts_with('{'));
        export
    };
    let (mut overtaken, mut whole) = (export(&guest).await, export(&other).await);
    world.execute(delete(&world, &guest, false)).await.unwrap();
    let ended = loop {
        match overtaken.part().await {
            Ok(Some(part)) => assert_ne!(part, "}\n", "it looks whole"),
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(AppError::Refused(Refusal::UserUnknown))), "{ended:?}");
    let mut last = String::new();
    while let Some(part) = whole.part().await.unwrap() {
        last = part;
    }
    assert_eq!(last, "}\n");
}

pub async fn assert_sound(world: &World) {
    let report = world.log.verify(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap();
    assert_eq!((report.differences, report.gaps, report.misfits), (vec![], vec![], vec![]));
    world.log.rebuild(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap();
    let report = world.log.verify(&KeyringClaims(&world.keyring), &mut |_| {}).await.unwrap();
    assert_eq!(report.differences, []);
}

async fn the_key_and_the_records_go_with_the_user(store: &dyn Store) {
    let world = World::on(store).await;
    let (gone, stays) = (world.arrival().await, world.arrival().await);
    for guest in [&gone, &stays] {
        let address = format!("{}@example.com", guest.user).to_lowercase();
        world.execute(world.upgrade(guest.user, &guest.person, guest.session, &address, false)).await.unwrap();
        world.execute(rename(&world, guest)).await.unwrap();
        world.execute(code(&world, guest)).await.unwrap();
    }
    world.execute(delete(&world, &gone, false)).await.unwrap();
    for (table, left) in [("person_keys", 1), ("sealed", 5), ("codes", 1), ("users", 1)] {
        assert_eq!((count(store, table, &gone).await, count(store, table, &stays).await), (0, left), "{table}");
    }
    // The log still verifies: what is erased is no error.
    assert_sound(&world).await;
}

async fn a_deletion_that_is_refused_erases_nothing(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    world.execute(rename(&world, &guest)).await.unwrap();
    let late = delete(&world, &guest, true);
    world.execute(world.upgrade(guest.user, &guest.person, guest.session, "jane@example.com", false)).await.unwrap();
    assert!(world.execute(late).await.is_err());
    assert_eq!((count(store, "person_keys", &guest).await, count(store, "sealed", &guest).await), (1, 3));
}

async fn nothing_is_sealed_for_whoever_was_erased(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let (late, other) = (code(&world, &guest), world.arrival().await);
    world.execute(delete(&world, &guest, true)).await.unwrap();
    let refused = refused_by_store(world.execute(late).await);
    assert_eq!(refused, Refused::Erased { person: guest.person.id });
    assert_eq!(count(store, "sealed", &guest).await, 0);
    world.execute(code(&world, &other)).await.unwrap();
    assert_sound(&world).await;
}

async fn a_race_leaves_nothing_sealed_behind(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let mut races = JoinSet::new();
    for _ in 0..if crate::long() { 2_000 } else { 100 } {
        let world = world.clone();
        races.spawn(async move {
            let guest = world.arrival().await;
            let (late, gone) = (code(&world, &guest), delete(&world, &guest, true));
            let (stored, deleted) = tokio::join!(world.execute(late), world.execute(gone));
            deleted.unwrap();
            if let Err(error) = stored {
                assert_eq!(refused_by_store(Err(error)), Refused::Erased { person: guest.person.id });
            }
        });
    }
    races.join_all().await;
    for table in ["person_keys", "sealed", "codes"] {
        assert_eq!(store.seen(&format!("SELECT cast(count(*) AS text) FROM {table}")).await, "0", "{table}");
    }
    assert_sound(&world).await;
}

/// Leaves are over commitments: who goes changes none of them, and every stream still replays.
async fn in_the_middle_of_any_history_the_log_stays_what_it_was(store: &dyn Store) {
    for seed in 0..if crate::long() { 200 } else { 3 } {
        let mut history = History::of(World::seeded(store, 100 + seed).await);
        let mut before: Vec<Recorded> = everything(history.world.log.as_ref()).await;
        for _ in 0..4 {
            history.go_on(60).await;
            let world = &history.world;
            // Somebody, wherever their stream stands; and whoever was met already, again.
            for _ in 0..5 {
                let user = history.somebody();
                let gone = UserCommand::DeleteUser { reason: DeletionReason::Administrator, only_if_guest: false };
                let ask = world.ask(user, gone);
                let done = world.execute(ask).await;
                assert!(matches!(done, Ok(_) | Err(ExecuteError::Refused(UserRefusal::Deleted))), "{done:?}");
                let erased = Erased::find(world.log.as_ref(), user).await.unwrap().expect("it can be said afterwards");
                assert_eq!(erased.recorded.event_type, "UserDeleted");
            }
            let now = everything(world.log.as_ref()).await;
            let leaves = |all: &[Recorded]| all.iter().map(Recorded::leaf).collect::<Vec<_>>();
            assert_eq!(leaves(&now[..before.len()]), leaves(&before), "seed {seed}");
            for recorded in &now {
                if let Some(user) = recorded.stream.as_user() {
                    load::<User>(world.log.as_ref(), user).await.unwrap();
                }
            }
            assert_sound(world).await;
            // As many are there as came and did not go.
            let of = |kinds: &[&str]| now.iter().filter(|event| kinds.contains(&event.event_type.as_str())).count();
            let there = of(&["GuestCreated", "MemberSignedUp"]) - of(&["UserDeleted"]);
            let count = store.seen("SELECT cast(count(*) AS text) FROM users").await;
            assert_eq!(count, there.to_string());
            before = now;
        }
    }
}
