//! A connection that stood idle, and that something between the two ends has forgotten: nothing comes through it any more, and
//! neither end is told.

use std::time::Duration;

use chrysalis::log::eventstore::Options;
use chrysalis::log::{AppendError, Expected, LogFault};
use eventstore_double::Double;

use super::{impatient, on, streamed};
use crate::conformance::run;
use crate::conformance::store::EventStore;
use crate::conformance::world::{bare, clock};

/// Another connection is there, though nobody asked for anything.
async fn made_anew(double: &Double, stood: u64) {
    for _ in 0..6_000 {
        if double.node(0).connections() > stood {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was never noticed");
}

#[test]
fn what_went_silent_is_noticed_while_nobody_writes_and_the_next_write_is_stored() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
        let stood = double.node(0).connections();
        double.node(0).lose_connections();
        made_anew(&double, stood).await;
        for _ in 0..500 {
            if log.ready().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        log.append(bare("after", Expected::NoStream, 1)).await.unwrap();
        assert_eq!(streamed(&double, &store), 2);
    });
}

/// It is the first to notice, and waits for it once; it is not refused.
#[test]
fn a_write_that_meets_a_silent_connection_is_stored_by_another() {
    run(async {
        let double = Double::start();
        let (store, log) = on(&double).await;
        for round in 0..3 {
            log.append(bare(&format!("before-{round}"), Expected::NoStream, 1)).await.unwrap();
            double.node(0).lose_connections();
            log.append(bare(&format!("after-{round}"), Expected::NoStream, 1)).await.unwrap();
        }
        assert_eq!(streamed(&double, &store), 6);
    });
}

/// Where a call may take longer than that, keep-alive notices: its ten seconds, and ten for an answer, are the least that it takes.
#[test]
fn keep_alive_notices_what_no_call_waits_for() {
    if !crate::long() {
        return;
    }
    run(async {
        let (kept, not) = tokio::join!(met_by_a_write(""), met_by_a_write("&keepAliveInterval=-1"));
        kept.unwrap();
        assert!(matches!(not, Err(AppendError::Fault(LogFault::Unavailable(_)))), "by the deadline: {not:?}");
    });
}

/// What becomes of a write that meets with a silent connection where nobody minds how long a call takes.
async fn met_by_a_write(said: &str) -> Result<(), AppendError> {
    let double = Double::start();
    let (store, patient) = (EventStore::at(&double.url()), Duration::from_secs(50));
    let url = format!("{}{said}", double.url());
    let log = store
        .try_open(&Options { url, patience: patient, commit_timeout: patient, ..impatient(&store) }, &clock())
        .await
        .unwrap();
    log.append(bare("before", Expected::NoStream, 1)).await.unwrap();
    double.node(0).lose_connections();
    log.append(bare("after", Expected::NoStream, 1)).await.map(|_| ())
}
