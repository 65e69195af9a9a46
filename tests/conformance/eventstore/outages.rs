//! The server is gone, silent or led by another: what can't be stored is refused as unavailable, and it heals by itself.

use std::time::Duration;

use chrysalis::log::eventstore::Options;
use chrysalis::log::{AppendError, Expected, LogFault};
use eventstore_double::{Double, Node, Trouble};

use super::{impatient, insist, on, streamed};
use crate::conformance::run;
use crate::conformance::store::EventStore;
use crate::conformance::world::{bare, clock, everything};

fn unavailable<T: std::fmt::Debug>(answer: Result<T, AppendError>) {
    assert!(
        matches!(answer, Err(AppendError::Fault(LogFault::Unavailable(_)) | AppendError::Busy { .. })),
        "{answer:?}"
    );
}

#[test]
fn a_server_that_crashed_is_found_again() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        for round in 0..3 {
            log.append(bare(&format!("before-{round}"), Expected::NoStream, 1)).await.unwrap();
            double.node(0).crash();
            unavailable(log.append(bare(&format!("during-{round}"), Expected::NoStream, 1)).await);
            assert!(log.ready().await.is_err());
            double.node(0).restart();
            insist(log.as_ref(), &bare(&format!("after-{round}"), Expected::NoStream, 1)).await.unwrap();
            log.ready().await.unwrap();
        }
        // Each once, in order; what was refused may stand only if nobody was told that it does not.
        let all = everything(log.as_ref()).await;
        assert_eq!((all.len(), streamed(&double, &store)), (6, 6));
    });
}

#[test]
fn a_cut_is_answered_and_heals() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        double.node(0).cut();
        unavailable(log.append(bare("during", Expected::NoStream, 1)).await);
        // What is stored is read all the same.
        assert_eq!(everything(log.as_ref()).await.len(), 1);
        double.node(0).mend();
        insist(log.as_ref(), &bare("after", Expected::NoStream, 1)).await.unwrap();
        let all = everything(log.as_ref()).await;
        assert_eq!(all.len(), streamed(&double, &store));
        let times = |stream: &str| all.iter().filter(|event| event.stream.as_str() == stream).count();
        assert!(times("before") == 1 && times("after") == 1 && times("during") <= 1, "{all:?}");
    });
}

#[test]
fn a_new_leader_is_followed() {
    run(async {
        let double = Double::cluster(3);
        let (store, log) = on(&double).await;
        for round in 0..6 {
            log.append(bare(&format!("before-{round}"), Expected::NoStream, 1)).await.unwrap();
            if round % 2 == 0 {
                double.depose();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            double.elect((round + 1) % 3);
            insist(log.as_ref(), &bare(&format!("after-{round}"), Expected::NoStream, 1)).await.unwrap();
        }
        let all = everything(log.as_ref()).await;
        assert_eq!((all.len(), streamed(&double, &store)), (12, 12));
        assert_eq!(double.leader(), Some(0));
    });
}

#[test]
fn a_leader_that_dies_is_replaced() {
    run(async {
        let double = Double::cluster(3);
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        double.node(0).crash();
        unavailable(log.append(bare("during", Expected::NoStream, 1)).await);
        double.elect(1);
        insist(log.as_ref(), &bare("after", Expected::NoStream, 1)).await.unwrap();
        double.node(0).restart();
        log.append(bare("later", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(everything(log.as_ref()).await.len(), streamed(&double, &store));
    });
}

/// Whatever is tried while nobody answers as it should, it is let go of.
#[test]
fn connections_do_not_pile_up() {
    run(async {
        let double = Double::cluster(3);
        let store = EventStore::at(&double.url());
        // Who is refused after a second tries more often.
        let hasty = Options { commit_timeout: Duration::from_secs(1), ..impatient(&store) };
        let log = store.try_open(&hasty, &clock()).await.unwrap();
        let of_all = |each: fn(&Node) -> u64| (0..3).map(|node| each(double.node(node))).sum::<u64>();
        let (begun, standing) = (|| of_all(Node::connections), || of_all(Node::standing));
        let wait_for = async |what: &dyn Fn() -> bool| {
            while !what() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        double.followed(1).await;
        let few = standing().max(6);
        let ways: [fn(&Double); 3] = [
            |double| double.depose(),
            |double| double.end_subscriptions(),
            |double| double.trouble(&[Trouble::NotReady, Trouble::AnswerLost, Trouble::TimedOutStored]),
        ];
        for (round, way) in ways.iter().cycle().take(24).enumerate() {
            let before = begun();
            way(&double);
            let unsure = log.append(bare(&format!("s{round}"), Expected::NoStream, 1)).await;
            if unsure.is_err() {
                // It is looked for meanwhile, again and again.
                wait_for(&|| begun() > before + 4).await;
            }
            if double.leader().is_none() {
                double.elect(round % 3);
            }
            insist(log.as_ref(), &bare(&format!("after-{round}"), Expected::NoStream, 1)).await.unwrap();
            double.followed(1).await;
        }
        assert!(begun() > 40, "it was hardly tried: {}", begun());
        wait_for(&|| standing() <= few).await;
        assert_eq!(everything(log.as_ref()).await.len(), streamed(&double, &store));
    });
}

/// That the stream can be read does not say that it may be written to.
#[test]
fn who_may_not_append_is_not_ready_until_they_may() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        double.forbid(Some(store.stream()));
        unavailable(log.append(bare("during", Expected::NoStream, 1)).await);
        // It is looked for four times a second.
        for _ in 0..40 {
            assert!(log.ready().await.is_err(), "nothing can be stored, and it says that it can");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(streamed(&double, &store), 1);
        double.forbid(None);
        insist(log.as_ref(), &bare("after", Expected::NoStream, 1)).await.unwrap();
        log.ready().await.unwrap();
        assert_eq!(everything(log.as_ref()).await.len(), streamed(&double, &store));
    });
}
