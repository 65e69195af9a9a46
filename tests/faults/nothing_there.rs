//! Commands on a store that is not there, or not all there: they say so, and make nothing in its place.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::process::{Folder, Server, assert_sound, case, run};
use crate::support::{on_eventstore, on_postgres};

/// Commands that only look, or change what is there.
const LOOKING: [&[&str]; 10] = [
    &["verify"],
    &["projections", "rebuild"],
    &["log", "head"],
    &["log", "show"],
    &["audit", "export"],
    &["keys", "list"],
    &["keys", "rotate", "cookie"],
    &["api-key", "list"],
    &["webhooks", "list"],
    &["guests", "dry-run", "--max-age", "30d"],
];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_looks_at_no_store_says_so_and_makes_none() {
    let folder = Folder::new();
    for command in LOOKING {
        let refused = run(folder.path(), command);
        assert!(!refused.status.success() && said(&refused).contains("there is no store"), "{command:?}: {refused:?}");
        assert!(!folder.path().join("data").exists(), "{command:?} made something");
    }
    if !on_postgres() && !on_eventstore() {
        // A file is there, and nothing in it.
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.database(), "").unwrap();
        for command in LOOKING {
            let refused = run(folder.path(), command);
            assert!(said(&refused).contains("there is no store"), "{command:?}: {refused:?}");
            assert_eq!(std::fs::read_dir(folder.path().join("data")).unwrap().count(), 1, "{command:?} made something");
        }
        assert_eq!(std::fs::metadata(folder.database()).unwrap().len(), 0);
    }
    // The first key may come before the first start: that it makes a store is said.
    let create = ["api-key", "create", "--name", "first"];
    let (first, second) = (run(folder.path(), &create), run(folder.path(), &create));
    assert!(first.status.success() && said(&first).contains("a new one is made"), "{first:?}");
    assert!(second.status.success() && !said(&second).contains("a new one is made"), "{second:?}");
    assert_sound(folder.path());
}

#[test]
fn a_secret_that_is_lost_is_not_replaced_by_another() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let guest = server.browser();
        let arrived = guest.arrive().await.ok();
        server.stop();
        let (secret, kept) = (folder.path().join("data/secret"), folder.path().join("kept"));
        std::fs::rename(&secret, &kept).unwrap();
        let verified = run(folder.path(), &["verify"]);
        assert!(!verified.status.success() && said(&verified).contains("secret is missing"), "{verified:?}");
        let (status, lines) = Server::launch(folder.path(), &[]).wait();
        assert!(!status.success() && lines.last().is_some_and(|line| line.contains("secret is missing")), "{lines:?}");
        assert!(!secret.exists());

        std::fs::rename(&kept, &secret).unwrap();
        let server = Server::start(folder.path());
        assert_eq!(guest.at(&server).session().await.ok().user(), arrived.user());
        server.stop();
    });
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The folder of a store elsewhere may be open to all.
#[test]
fn a_file_that_is_made_is_private_wherever_it_lies_and_its_folder_is_not_made() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        server.browser().arrive().await.ok();
        server.stop();
        let elsewhere = folder.path().join("elsewhere");
        let (from, to) = (folder.database(), elsewhere.join("chrysalis.db"));
        let copy = || {
            let url = |path: &Path| format!("sqlite:{}", path.display());
            run(folder.path(), &["log", "copy", "--from", &url(&from), "--to", &url(&to)])
        };
        let refused = copy();
        let why = format!("there is no folder {}; make it first", elsewhere.display());
        assert!(!refused.status.success() && said(&refused).contains(&why), "{refused:?}");

        std::fs::create_dir(&elsewhere).unwrap();
        assert!(copy().status.success());
        assert_eq!(mode(&to), 0o600);
        folder.move_to(&format!("sqlite:{}", to.display()));
        let server = Server::start(folder.path());
        server.browser().arrive().await.ok();
        for file in std::fs::read_dir(&elsewhere).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        server.stop();

        // Whoever opened it to others meant it.
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o640)).unwrap();
        Server::start(folder.path()).stop();
        assert_eq!(mode(&to), 0o640);
    });
}
