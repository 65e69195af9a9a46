//! Several servers begin on one folder.

use std::os::unix::fs::PermissionsExt;

use super::rounds;
use crate::process::{Folder, Server, address, assert_sound, case, run};

#[test]
fn two_that_start_at_once_on_an_empty_folder_agree() {
    case(async {
        for _ in 0..rounds(3, 30) {
            let folder = Folder::new();
            let flags = ["--set", "rate_limits=off"];
            let (mut one, mut two) = (Server::launch(folder.path(), &flags), Server::launch(folder.path(), &flags));
            one.wait_until_ready();
            two.wait_until_ready();

            // The cookie of one is good at the other, and so is what it opened with its keys.
            let (guest, email) = (one.browser(), address());
            let arrived = guest.arrive().await.ok();
            assert_eq!(guest.at(&two).session().await.ok().user(), arrived.user());
            guest.at(&two).upgrade(&email).await.ok();
            let found = guest.session().await.ok();
            assert_eq!((found.user(), found.body["user"]["email"].as_str()), (arrived.user(), Some(email.as_str())));
            assert_eq!(one.browser().sign_in(&email).await.ok().user(), arrived.user());

            one.stop();
            two.stop();
            let listed = run(folder.path(), &["keys", "list"]);
            let listed = String::from_utf8(listed.stdout).unwrap();
            let mut purposes: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
            purposes.sort_unstable();
            let all = purposes.len();
            purposes.dedup();
            assert_eq!((all, all > 0), (purposes.len(), true), "one key a purpose:\n{listed}");
            let mode = std::fs::metadata(folder.path().join("data/secret")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_sound(folder.path());
        }
    });
}
