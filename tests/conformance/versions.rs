//! What the writer of an append believes of a stream is checked, and a group is stored whole or not at all.

use std::sync::Arc;

use chrysalis::log::{Actor, AppendError, Expected, LogFault, Refused, StreamId, ask_one};
use chrysalis_domain::user::event::ActivityRecorded;
use chrysalis_domain::value::Carrier;
use chrysalis_projections::{table, users};
use tokio::task::JoinSet;

use super::every_store;
use super::store::{ROOMY, Store};
use super::world::{World, bare, clock, command, everything, refused};

every_store! {
    each_expectation_is_met_or_refused_with_the_version_that_stands,
    one_refused_append_takes_the_whole_group_with_it,
    a_group_spans_streams_at_one_time_and_place,
    every_field_reads_back_as_written,
    writers_who_lost_a_race_try_again_and_lose_nothing,
    a_group_that_contradicts_itself_hurts_nobody_beside_it,
}

async fn each_expectation_is_met_or_refused_with_the_version_that_stands(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let stands_at = |actual| Refused::Version { stream: StreamId::from_stored("s".to_owned()), actual };
    use Expected::{Any, Exact, NoStream};

    assert_eq!(refused(log.append(bare("s", Exact(1), 1)).await), stands_at(0));
    assert_eq!(log.append(bare("s", NoStream, 2)).await.unwrap().versions, [2]);
    assert_eq!(refused(log.append(bare("s", NoStream, 1)).await), stands_at(2));
    assert_eq!(refused(log.append(bare("s", Exact(0), 1)).await), stands_at(2));
    assert_eq!(refused(log.append(bare("s", Exact(1), 1)).await), stands_at(2));
    assert_eq!(refused(log.append(bare("s", Exact(3), 1)).await), stands_at(2));
    assert_eq!(log.append(bare("s", Exact(2), 3)).await.unwrap().versions, [5]);
    assert_eq!(log.append(bare("s", Any, 1)).await.unwrap().versions, [6]);
    assert_eq!(log.append(bare("fresh", Any, 1)).await.unwrap().versions, [1]);
    assert_eq!(log.append(bare("fresh too", Exact(0), 1)).await.unwrap().versions, [1]);
    assert_eq!(everything(log.as_ref()).await.len(), 8);
}

async fn one_refused_append_takes_the_whole_group_with_it(store: &dyn Store) {
    let world = World::on(store).await;
    let (guest, ask) = world.guest();
    let created = chrysalis_domain::user::User::default().decide(command(&ask), ask.at).unwrap();
    let mut group = chrysalis::log::Group::new(world.context());
    group.person_keys = ask.person_keys.clone();
    group
        .append_user(guest.user, Expected::NoStream, &created, ask.at, || {
            world.fresh(chrysalis_domain::id::EventId::from_ulid)
        })
        .unwrap();
    let good = group.clone();
    group.appends.extend(bare("elsewhere", Expected::Exact(7), 1).appends);

    refused(world.append(group).await);
    assert_eq!(*world.log.head().borrow(), 0);
    assert_eq!(everything(world.log.as_ref()).await, []);
    let row = ask_one(world.log.as_ref(), &users::BY_ID, &[table::id(guest.user)]).await.unwrap();
    assert!(row.is_none(), "a row of a group that was refused");
    // The person's key was not kept either: it would be in the way now.
    world.append(good).await.unwrap();
}

async fn a_group_spans_streams_at_one_time_and_place(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let mut group = bare("a", Expected::NoStream, 2);
    group.appends.extend(bare("b", Expected::Any, 3).appends);
    let appended = log.append(group).await.unwrap();
    assert_eq!(appended.versions, [2, 3]);
    let all = everything(log.as_ref()).await;
    assert_eq!((appended.first, appended.last), (all[0].position, all[4].position));
    let places: Vec<_> = all.iter().map(|event| (event.stream.as_str(), event.version)).collect();
    assert_eq!(places, [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)]);
    assert!(all.iter().all(|event| event.recorded_at == appended.recorded_at));
}

async fn every_field_reads_back_as_written(store: &dyn Store) {
    let world = World::on(store).await;
    let guest = world.arrival().await;
    let mut group = chrysalis::log::Group::new(chrysalis::log::Context {
        actor: Actor { impersonator: Some("usr_admin".to_owned()), ..Actor::user(guest.user).by(guest.session) },
        request: Some(world.fresh(chrysalis_domain::id::RequestId::from_ulid)),
        cause: Some(world.fresh(chrysalis_domain::id::EventId::from_ulid)),
        settings_version: 3,
        ..world.context()
    });
    group.rests_on_settings = false;
    let event = ActivityRecorded { session: guest.session, carrier: Carrier::Cookie, at: world.now() }.into();
    let id = world.fresh(chrysalis_domain::id::EventId::from_ulid);
    group.append_user(guest.user, Expected::Exact(2), &[event], world.now(), || id).unwrap();
    let (context, written) = (group.context.clone(), group.appends[0].events[0].clone());
    let appended = world.append(group).await.unwrap();

    let read = world.log.read_stream(&StreamId::user(guest.user), 2, 10).await.unwrap();
    let [read] = read.as_slice() else { panic!("one event after version 2: {read:?}") };
    let expected = chrysalis::log::Recorded {
        position: appended.first,
        project: context.project.to_string(),
        stream: StreamId::user(guest.user),
        version: 3,
        event_id: id.to_string(),
        event_type: "ActivityRecorded".to_owned(),
        type_version: 1,
        recorded_at: appended.recorded_at,
        occurred_at: written.occurred_at,
        actor_type: "user".to_owned(),
        actor_id: context.actor.id,
        actor_by: context.actor.by,
        impersonator: context.actor.impersonator,
        request_id: context.request.map(|id| id.to_string()),
        command_id: context.command.to_string(),
        cause: context.cause.map(|id| id.to_string()),
        settings_version: 3,
        sealed: Vec::new(),
        body: written.body,
    };
    assert_eq!(*read, expected);
    assert_eq!(world.log.read_all(appended.first - 1, 1).await.unwrap(), [expected]);
}

async fn writers_who_lost_a_race_try_again_and_lose_nothing(store: &dyn Store) {
    const WRITERS: u64 = 16;
    const EACH: u64 = 8;
    let log = store.open(&clock(), ROOMY).await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let log = Arc::clone(&log);
        writers.spawn(async move {
            let (mut stored, mut version) = (0, 0);
            while stored < EACH {
                match log.append(bare("contended", Expected::Exact(version), 1)).await {
                    Ok(appended) => (stored, version) = (stored + 1, appended.versions[0]),
                    other => match refused(other) {
                        Refused::Version { actual, .. } => {
                            assert_ne!(actual, version, "refused though the version was right");
                            version = actual;
                        }
                        other => panic!("{other:?}"),
                    },
                }
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let stream = log.read_stream(&StreamId::from_stored("contended".to_owned()), 0, 10_000).await.unwrap();
    let versions: Vec<_> = stream.iter().map(|event| event.version).collect();
    assert_eq!(versions, (1..=WRITERS * EACH).collect::<Vec<_>>());
}

/// A program error in one group (here: a stream named twice) is that group's fault alone, though all share a batch.
async fn a_group_that_contradicts_itself_hurts_nobody_beside_it(store: &dyn Store) {
    let log = store.open(&clock(), ROOMY).await;
    let stall = store.stall(&log).await;
    let mut sent = JoinSet::new();
    for number in 0..21 {
        let mut group = bare(&format!("s{number}"), Expected::NoStream, 1);
        if number == 10 {
            group.appends.extend(group.appends.clone());
        }
        let log = log.clone();
        sent.spawn(async move { (number, log.append(group).await) });
    }
    stall.release().await;
    while let Some(answer) = sent.join_next().await {
        match answer.unwrap() {
            (10, answer) => assert!(matches!(answer, Err(AppendError::Fault(LogFault::Bug(_)))), "{answer:?}"),
            (_, answer) => drop(answer.unwrap()),
        }
    }
    assert_eq!(everything(log.as_ref()).await.len(), 1 + 20);
}
