//! Files that can't be opened say why; files that can are opened by however many processes start at once.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use chrysalis::keys::Purpose;
use chrysalis::log::{Expected, LogFault};
use chrysalis_domain::id::UserId;

use super::apart;
use crate::conformance::run;
use crate::conformance::store::{ROOMY, Sqlite};
use crate::conformance::world::{World, bare, clock, everything};
use crate::long;

fn refusal(store: &Sqlite) -> LogFault {
    store.try_open(&clock()).map(|_| ()).expect_err("it must not open")
}

#[test]
fn a_file_of_a_newer_version_is_refused_with_the_remedy() {
    let store = Sqlite::fresh();
    drop(store.open(&clock(), ROOMY));
    store.connection().pragma_update(None, "user_version", 99).unwrap();
    let LogFault::Unavailable(why) = refusal(&store) else { panic!("not for now") };
    assert!(why.contains("99") && why.contains("run the Chrysalis that last wrote it, or a later one"), "{why}");
}

#[test]
fn what_is_no_store_is_refused() {
    let nowhere = Sqlite::at("/nowhere/at/all".into());
    assert!(matches!(refusal(&nowhere), LogFault::Unavailable(_)));
    let other = Sqlite::fresh();
    std::fs::write(other.path(), "Dear diary, today I was taken for a database. ".repeat(100)).unwrap();
    assert!(matches!(refusal(&other), LogFault::Damaged(_)));
}

#[test]
fn a_read_only_file_is_refused_until_it_can_be_written() {
    let store = Sqlite::fresh();
    run(async { drop(store.open(&clock(), ROOMY).append(bare("s", Expected::Any, 3)).await.unwrap()) });
    // Root may write whatever the mode says, unless it gives that up.
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let through: &[&str] = if root { &["setpriv", "--bounding-set=-dac_override"] } else { &[] };
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for (file, folder) in [(0o444, 0o755), (0o444, 0o555), (0o644, 0o555)] {
        mode(&store.path(), file);
        mode(store.folder(), folder);
        apart::succeed(apart::process(through, "opening::finds_it_read_only", store.folder(), 1));
        mode(store.folder(), 0o755);
        mode(&store.path(), 0o644);
        run(async {
            let log = store.open(&clock(), ROOMY);
            assert_eq!(everything(log.as_ref()).await.len(), 3);
            log.ready().await.unwrap();
        });
    }
}

#[test]
#[ignore = "run by a_read_only_file_is_refused_until_it_can_be_written, without the rights of root"]
fn finds_it_read_only() {
    let store = Sqlite::at(apart::folder());
    let file = std::fs::File::options().append(true).open(store.path());
    let folder = tempfile::tempfile_in(store.folder());
    assert!(file.is_err() || folder.is_err(), "nothing is read-only: this shows nothing");
    assert!(matches!(refusal(&store), LogFault::Unavailable(_)), "{:?}", refusal(&store));
}

#[test]
fn processes_that_open_a_fresh_file_at_once_all_succeed() {
    for round in 0..if long() { 50 } else { 4 } {
        let store = Sqlite::fresh();
        let start = |seed| {
            apart::process(&[], "opening::opens_and_writes", store.folder(), seed)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let children: Vec<_> = (1..=4).map(start).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success(), "round {round}");
        }
        run(async {
            let log = store.open(&clock(), ROOMY);
            let all = everything(log.as_ref()).await;
            let users: std::collections::HashSet<UserId> =
                all.iter().filter_map(|event| event.stream.as_user()).collect();
            assert_eq!((all.len(), users.len()), (4 * 10, 4 * 5));
            assert!(all.iter().zip(1..).all(|(event, position)| event.position == position));
            let keys = log.keys().await.unwrap();
            // Those for tokens are made by whoever signs the first one.
            assert_eq!(keys.len(), Purpose::ALL.len() - 1, "one keyring, whoever made it");
        });
    }
}

#[test]
#[ignore = "run by processes_that_open_a_fresh_file_at_once_all_succeed, several at once"]
fn opens_and_writes() {
    run(async {
        let world = World::seeded(&Sqlite::at(apart::folder()), apart::seed()).await;
        for _ in 0..5 {
            world.arrival().await;
        }
    });
}
