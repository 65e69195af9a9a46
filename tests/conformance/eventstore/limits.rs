//! How much goes into one append: more than that is refused as what it is, and whoever comes beside it notices nothing.

use std::sync::Arc;

use chrysalis::log::{Actor, Context, Expected, Group, Refused, SealedRef};
use chrysalis_domain::id::{CommandId, EventId, RequestId, SealedId};
use eventstore_double::Double;
use tokio::task::JoinSet;

use super::{on, streamed};
use crate::conformance::run;
use crate::conformance::world::{bare, everything, refused};

/// A group of events with as much beside their bodies as there can be.
fn heavy(stream: &str, events: usize, body: usize) -> Group {
    let mut group = bare(stream, Expected::NoStream, events);
    let id = || Some("usr_01M84QNVS457CMSJXYA73AV541".to_owned());
    let actor = Actor { kind: "api_key", id: id(), by: id(), impersonator: id() };
    let ulid = group.context.command.ulid();
    let (request, cause) = (Some(RequestId::from_ulid(ulid)), Some(EventId::from_ulid(ulid)));
    let command = CommandId::from_ulid(ulid);
    group.context = Context { actor, request, command, cause, settings_version: 0, ..group.context };
    let sealed = SealedRef { id: SealedId::from_ulid(ulid), commitment: [7; 32] };
    for event in group.appends.iter_mut().flat_map(|append| &mut append.events) {
        event.body = format!("\"{}\"", "x".repeat(body)).into_bytes();
        event.sealed = vec![sealed; 3];
    }
    group
}

#[test]
fn what_is_larger_than_an_append_is_refused_and_holds_nobody_up() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        let (large, small) =
            tokio::join!(log.append(heavy("large", 1, 1_050_000)), log.append(bare("small", Expected::NoStream, 1)));
        assert_eq!(refused(large), Refused::TooLarge);
        small.unwrap();
        assert_eq!(refused(log.append(bare("many", Expected::NoStream, 3_000)).await), Refused::TooLarge);
        log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(streamed(&double, &store), 2);
    });
}

/// What is not refused for its size goes through: it was weighed as a server does, or heavier.
#[test]
fn as_much_as_is_taken_is_stored() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        for (stream, mut events, body) in [("light", 2_000, 1), ("middling", 1_000, 700), ("one", 1, 1_000_000)] {
            while let Err(told) = log.append(heavy(stream, events, body)).await {
                assert_eq!(refused::<()>(Err(told)), Refused::TooLarge);
                events -= 50.min(events - 1);
            }
        }
        // Many at once are several appends.
        let mut sent = JoinSet::new();
        for number in 0..64 {
            let log = Arc::clone(&log);
            sent.spawn(async move { log.append(heavy(&format!("s{number}"), 10, 9_000)).await });
        }
        sent.join_all().await.into_iter().for_each(|answer| drop(answer.unwrap()));
        assert_eq!(everything(log.as_ref()).await.len(), streamed(&double, &store));
    });
}
