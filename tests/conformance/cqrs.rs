//! The contract of cqrs-es, over the port.

use std::collections::HashMap;
use std::sync::Arc;

use chrysalis::log::StreamId;
use chrysalis::log::cqrs::UserStore;
use chrysalis_domain::Span;
use chrysalis_domain::user::event::EndReason;
use chrysalis_domain::user::{Standing, Timed, UserCommand, UserRefusal};
use chrysalis_domain::value::Carrier;
use cqrs_es::{AggregateContext, AggregateError, CqrsFramework, EventStore};

use super::every_store;
use super::store::Store;
use super::world::{Seeded, World, command};

every_store! {
    a_framework_of_cqrs_es_runs_on_the_log,
    a_conflict_is_an_aggregate_conflict,
}

fn adapter(world: &World, seed: u64) -> UserStore {
    UserStore {
        log: world.log.clone(),
        entropy: Arc::new(Seeded::new(seed)),
        context: world.context(),
        at: world.now(),
    }
}

fn visit(world: &World, session: chrysalis_domain::id::SessionId) -> Timed<UserCommand> {
    Timed {
        at: world.now(),
        command: UserCommand::RecordActivity { session, carrier: Carrier::Cookie, granularity: Span::ZERO },
    }
}

async fn a_framework_of_cqrs_es_runs_on_the_log(store: &dyn Store) {
    let world = World::on(store).await;
    let framework = CqrsFramework::new(adapter(&world, 2), Vec::new(), ());
    let (guest, ask) = world.guest();
    let id = guest.user.to_string();
    framework.execute(&id, Timed { at: ask.at, command: command(&ask) }).await.unwrap();
    framework.execute(&id, visit(&world, guest.session)).await.unwrap();
    let revoke = UserCommand::RevokeSession { session: guest.session, reason: EndReason::SignedOut };
    framework.execute(&id, Timed { at: world.now(), command: revoke }).await.unwrap();

    let again = framework.execute(&id, Timed { at: ask.at, command: command(&ask) }).await;
    assert!(matches!(again, Err(AggregateError::UserError(UserRefusal::Exists))), "{again:?}");
    let late = framework.execute(&id, visit(&world, guest.session)).await;
    assert!(matches!(late, Err(AggregateError::UserError(UserRefusal::SessionNotLive))), "{late:?}");
    let nonsense = framework.execute("no id", visit(&world, guest.session)).await;
    assert!(matches!(nonsense, Err(AggregateError::UnexpectedError(_))), "{nonsense:?}");

    let stream = world.log.read_stream(&StreamId::user(guest.user), 0, 10).await.unwrap();
    let types: Vec<_> = stream.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["GuestCreated", "SessionStarted", "ActivityRecorded", "SessionEnded"]);
    let envelopes = adapter(&world, 3).load_events(&id).await.unwrap();
    assert_eq!(envelopes.iter().map(|envelope| envelope.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(world.user(guest.user).await.standing, Standing::Guest);
}

async fn a_conflict_is_an_aggregate_conflict(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let (id, one, other) = (guest.user.to_string(), adapter(&world, 2), adapter(&world, 3));
    let (mut first, mut second) = (one.load_aggregate(&id).await.unwrap(), other.load_aggregate(&id).await.unwrap());
    let mut decide = |command: UserCommand| {
        (
            first.aggregate().decide(command.clone(), world.now()).unwrap(),
            second.aggregate().decide(command, world.now()).unwrap(),
        )
    };
    let (faster, slower) = decide(visit(&world, guest.session).command);
    let stored = one.commit(faster, first, HashMap::new()).await.unwrap();
    assert_eq!(stored[0].sequence, 3);
    let conflict = other.commit(slower, second, HashMap::new()).await;
    assert!(matches!(conflict, Err(AggregateError::AggregateConflict)), "{:?}", conflict.map(|_| ()));
    assert_eq!(world.log.read_stream(&StreamId::user(guest.user), 0, 10).await.unwrap().len(), 3);
}
