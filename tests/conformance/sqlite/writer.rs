//! The writer's thread: what becomes of those who wait when it dies, and of a file that others write to as well.

use std::sync::Arc;
use std::time::Duration;

use chrysalis::log::WriterMetrics;
use chrysalis::log::sqlite::{Options, SqliteLog};
use chrysalis::log::{AppendError, Expected, Log, LogFault};

use crate::conformance::run;
use crate::conformance::store::{ROOMY, Sqlite};
use crate::conformance::world::{bare, clock, everything};

/// Breaks the writer at its first commit.
struct Breaks;

impl WriterMetrics for Breaks {
    fn committed(&self, _: usize, _: u64, _: Duration) {
        panic!("broken by a test");
    }
    fn failed(&self, _: usize) {}
    fn queued(&self, _: usize) {}
}

#[test]
fn a_broken_writer_leaves_nobody_waiting() {
    run(async {
        let store = Sqlite::fresh();
        let log = SqliteLog::open(&Options::at(store.path()), Arc::new(clock()), Arc::new(Breaks)).unwrap();
        for _ in 0..3 {
            let answer = log.append(bare("s", Expected::Any, 1)).await;
            assert!(matches!(answer, Err(AppendError::Fault(LogFault::Unavailable(_)))), "{answer:?}");
        }
        assert!(log.ready().await.is_err());
        drop(log);
        // The process starts again, and finds what was committed.
        let log = store.open(&clock(), ROOMY);
        assert_eq!(everything(log.as_ref()).await.len(), 1);
    });
}

/// As while an old server hands over to a new one: positions stay dense, and nobody meets a fault.
#[test]
fn two_stores_on_one_file_take_turns() {
    run(async {
        let store = Sqlite::fresh();
        let (one, other) = (store.open(&clock(), ROOMY), store.open(&clock(), ROOMY));
        for _ in 0..5 {
            one.append(bare("s", Expected::Any, 2)).await.unwrap();
            other.append(bare("s", Expected::Any, 1)).await.unwrap();
            other.append(bare("s", Expected::Any, 1)).await.unwrap();
        }
        let all = everything(one.as_ref()).await;
        assert!(all.iter().zip(1..).all(|(event, place)| event.position == place && event.version == place));
        assert_eq!(all.len(), 20);
    });
}
