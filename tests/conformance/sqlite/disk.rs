//! A disk with no room left: a clear fault for everybody, nothing acknowledged, and everything well again with room.
//!
//! Both ways of running out are tried: a limit to the size of files, which any Linux process can set for itself, and a
//! small file system filled to the brim, where the machine lets a process mount one of its own.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

use chrysalis::log::{AppendError, Expected, Group, LogFault, Store};
use tokio::task::JoinSet;

use super::apart;
use crate::conformance::run;
use crate::conformance::store::{ROOMY, Sqlite};
use crate::conformance::world::{bare, clock, everything};

/// The signal that comes with the limit is ignored, as a server would: writing then fails.
const IGNORING_THE_SIGNAL: [&str; 4] = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
const ON_A_SMALL_DISK: [&str; 6] = [
    "unshare",
    "--mount",
    "--map-root-user",
    "sh",
    "-c",
    "mount -t tmpfs -o size=4m small \"$CHRYSALIS_TEST_FOLDER\" && exec \"$0\" \"$@\"",
];

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_may_not_grow() {
    let folder = tempfile::tempdir().unwrap();
    apart::succeed(apart::process(&IGNORING_THE_SIGNAL, "disk::limited", folder.path(), 1));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_system_that_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let may_mount = Command::new("unshare")
        .args(&ON_A_SMALL_DISK[1..])
        .arg("true")
        .env("CHRYSALIS_TEST_FOLDER", folder.path())
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("left out: this machine lets nobody mount; a_file_that_may_not_grow shows the same by other means");
        return;
    }
    apart::succeed(apart::process(&ON_A_SMALL_DISK, "disk::filled", folder.path(), 1));
}

#[test]
#[ignore = "run by a_file_that_may_not_grow, with its signal ignored"]
fn limited() {
    let store = Sqlite::at(apart::folder());
    let wal = store.folder().join("log.sqlite-wal");
    let limit = |bytes: &str| {
        let set = Command::new("prlimit")
            .args(["--pid", &std::process::id().to_string(), &format!("--fsize={bytes}:")])
            .status();
        assert!(set.unwrap().success());
    };
    run(live_through(&store, || limit(&std::fs::metadata(&wal).unwrap().len().to_string()), || limit("unlimited")));
}

#[test]
#[ignore = "run by a_file_system_that_is_full, on one of its own"]
fn filled() {
    let store = Sqlite::at(apart::folder());
    let filler = store.folder().join("filler");
    let fill = || {
        let mut file = std::fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
    };
    run(live_through(&store, fill, || std::fs::remove_file(&filler).unwrap()));
}

async fn live_through(store: &Sqlite, fill: impl Fn(), make_room: impl Fn()) {
    let log = store.open(&clock(), ROOMY);
    let mut acknowledged = BTreeSet::new();
    for round in 0..3 {
        for _ in 0..5 {
            acknowledged.insert(send(&log).await.unwrap());
        }
        log.ready().await.unwrap();
        let before = everything(log.as_ref()).await;

        fill();
        unavailable(log.ready().await, round);
        let mut batch = JoinSet::new();
        for _ in 0..32 {
            let log = log.clone();
            batch.spawn(async move { send(&log).await });
        }
        while let Some(answer) = batch.join_next().await {
            match answer.unwrap() {
                Err(AppendError::Fault(fault)) => unavailable(Err::<(), _>(fault), round),
                other => panic!("round {round}: {other:?}"),
            }
        }
        assert_eq!(everything(log.as_ref()).await, before, "reads go on, and show nothing of what failed");
        assert_eq!(*log.head().borrow(), before.last().unwrap().position);

        make_room();
        log.ready().await.unwrap();
        acknowledged.insert(send(&log).await.unwrap());
    }
    drop(log);
    let log = store.open(&clock(), ROOMY);
    let stored = everything(log.as_ref()).await;
    assert!(stored.iter().zip(1..).all(|(event, position)| event.position == position));
    assert_eq!(stored.into_iter().map(|event| event.event_id).collect::<BTreeSet<_>>(), acknowledged);
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, LogFault>, round: i32) {
    assert!(matches!(&answer, Err(LogFault::Unavailable(why)) if !why.is_empty()), "round {round}: {answer:?}");
}

/// An event too large for whatever room a last page has.
async fn send(log: &Arc<dyn Store>) -> Result<String, AppendError> {
    let mut group: Group = bare("s", Expected::Any, 1);
    let event = &mut group.appends[0].events[0];
    event.body = vec![b'x'; 16 * 1024];
    let id = event.id.to_string();
    log.append(group).await.map(|_| id)
}
