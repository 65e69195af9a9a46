//! An append whose answer is lost, or says nothing: it stands once, or not at all, and whoever asked is told which.

use std::time::Duration;

use chrysalis::log::{AppendError, Expected, LogFault, Refused};
use eventstore_double::{Double, Trouble};

use super::{impatient, insist, on, streamed};
use crate::conformance::run;
use crate::conformance::world::{bare, clock, everything};

#[test]
fn an_append_whose_answer_is_lost_stands_once() {
    run(async {
        for trouble in [Trouble::AnswerLost, Trouble::TimedOutStored] {
            let double = Double::start();
            let (store, log) = on(&double).await;
            log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
            double.trouble(&[trouble]);
            let appended = log.append(bare("doubtful", Expected::NoStream, 2)).await.unwrap();
            assert_eq!((appended.first, appended.last), (2, 3), "{trouble:?}");
            let after = log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
            assert_eq!((after.first, streamed(&double, &store)), (4, 4), "{trouble:?}");
            assert_eq!(everything(log.as_ref()).await.len(), 4);
        }
    });
}

#[test]
fn an_append_that_failed_before_it_was_stored_is_asked_again() {
    run(async {
        for trouble in [Trouble::Broken, Trouble::TimedOut, Trouble::NotReady, Trouble::TooBusy] {
            let double = Double::start();
            let (store, log) = on(&double).await;
            log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
            double.trouble(&[trouble; 2]);
            let group = bare("troubled", Expected::NoStream, 1);
            insist(log.as_ref(), &group).await.unwrap();
            assert_eq!((everything(log.as_ref()).await.len(), streamed(&double, &store)), (2, 2), "{trouble:?}");
        }
    });
}

/// Nobody lives to hear the answer: whoever comes next finds it in the stream.
#[test]
fn what_was_stored_when_the_node_ended_is_found_by_the_next() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        let held = double.hold_answers("Noted");
        let group = bare("late", Expected::NoStream, 2);
        let asking = tokio::spawn({
            let log = log.clone();
            async move { log.append(group).await }
        });
        held.waiting(1).await;
        assert_eq!(streamed(&double, &store), 3);
        asking.abort();
        drop(log);
        double.drop_connections();
        drop(held);
        let log = store.try_open(&impatient(&store), &clock()).await.unwrap();
        // As a server does before it answers anybody.
        log.fit().await.unwrap();
        let all = everything(log.as_ref()).await;
        let streams: Vec<_> = all.iter().map(|event| event.stream.as_str()).collect();
        assert_eq!(streams, ["before", "late", "late"]);
        log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(streamed(&double, &store), 4);
    });
}

#[test]
fn an_answer_that_comes_too_late_is_none_and_its_event_stands_once() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        double.slow(Duration::from_secs(30));
        let group = bare("late", Expected::NoStream, 1);
        let told = log.append(group.clone()).await;
        assert!(matches!(told, Err(AppendError::Fault(LogFault::Unavailable(_)))), "{told:?}");
        double.slow(Duration::ZERO);
        // Whoever asks again is told that it is there; or it was never stored, and is now.
        match insist(log.as_ref(), &group).await {
            Ok(appended) => assert_eq!(appended.versions, [1]),
            Err(AppendError::Refused(Refused::Version { actual, .. })) => assert_eq!(actual, 1),
            other => panic!("{other:?}"),
        }
        insist(log.as_ref(), &bare("after", Expected::NoStream, 1)).await.unwrap();
        assert_eq!((everything(log.as_ref()).await.len(), streamed(&double, &store)), (3, 3));
    });
}

#[test]
fn what_never_left_the_node_never_happened() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        let held = double.hold_type("Noted");
        let asking = tokio::spawn({
            let log = log.clone();
            async move { log.append(bare("never", Expected::NoStream, 1)).await }
        });
        held.waiting(1).await;
        double.node(0).crash();
        held.waiting(0).await;
        drop(held);
        asking.abort();
        drop(log);
        double.node(0).restart();
        let log = store.try_open(&impatient(&store), &clock()).await.unwrap();
        let after = log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
        // Unless the node that is ended sent it once more before it ended.
        let all = everything(log.as_ref()).await;
        assert_eq!(after.last as usize, all.len());
        assert_eq!(all.len(), streamed(&double, &store));
    });
}
