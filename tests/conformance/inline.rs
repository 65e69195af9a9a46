//! Inline rows are true the moment the answer is given.

use std::sync::Arc;

use chrysalis::keys::SealKind;
use chrysalis::log::{ask, ask_one};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::event::EndReason;
use chrysalis_projections::sessions::{self, SessionRow};
use chrysalis_projections::{table, users};
use tokio::task::JoinSet;

use super::every_store;
use super::store::Store;
use super::world::{Guest, World};

every_store! {
    a_session_is_there_with_its_answer_and_ended_with_its_revocation,
    rows_open_to_what_was_sealed,
}

async fn row(world: &World, guest: &Guest) -> SessionRow {
    let candidates =
        ask(world.log.as_ref(), &sessions::BY_LOCATOR, &[guest.token.locator_str().to_owned().into()]).await.unwrap();
    let hash = guest.token.hash().0;
    candidates.into_iter().find(|row| row.token_hash == hash).expect("the session must be readable with its answer")
}

async fn a_session_is_there_with_its_answer_and_ended_with_its_revocation(store: &dyn Store) {
    let world = Arc::new(World::on(store).await);
    let mut visitors = JoinSet::new();
    for _ in 0..32 {
        let world = world.clone();
        visitors.spawn(async move {
            for _ in 0..10 {
                let guest = world.arrival().await;
                let live = row(&world, &guest).await;
                assert_eq!((live.session, live.user.user, live.ended_at), (guest.session, guest.user, None));
                let revoke = UserCommand::RevokeSession { session: guest.session, reason: EndReason::Revoked };
                world.execute(world.ask(guest.user, revoke)).await.unwrap();
                assert_eq!(row(&world, &guest).await.ended_at, Some(world.now()));
            }
        });
    }
    while let Some(ended) = visitors.join_next().await {
        ended.unwrap();
    }
}

async fn rows_open_to_what_was_sealed(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    world.execute(world.upgrade(guest.user, &guest.person, guest.session, "jane@example.com", false)).await.unwrap();
    let user =
        ask_one(world.log.as_ref(), &users::BY_ID, &[table::id(guest.user)]).await.unwrap().expect("the user's row");
    let key = user.key.expect("the person's key is stored with the first event");
    let sealer =
        chrysalis::keys::PersonSealer::open(&world.keyring, user.person, &key).unwrap().expect("the key opens");
    let email = sealer.read(SealKind::Email, &user.email.expect("the address")).unwrap();
    assert_eq!(email.value().as_deref(), Some("jane@example.com"));
}
