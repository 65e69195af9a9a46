//! A server that signs its log is killed, again and again: what it signed holds, and nothing else was ever signed. And one whose
//! log is altered beside it signs no more, says so, and serves on.

use std::time::Duration;

use super::lives::Crowd;
use super::{a_while, rounds};
use crate::process::{Folder, Server, assert_sound, case, eventually, prints, run};

const AT_ONCE: [&str; 4] = ["--set", "rate_limits=off", "--set", "audit.checkpoint_every=0"];

#[test]
fn what_was_signed_holds_whenever_the_server_is_killed() {
    case(async {
        let folder = Folder::new();
        let (mut notes, mut seen) = (Vec::new(), 0);
        for _ in 0..rounds(4, 60) {
            let server = Server::start_with(folder.path(), &AT_ONCE);
            let crowd = Crowd::gather(&server, 16);
            a_while(Duration::from_millis(1200)).await;
            server.kill();
            crowd.disperse().await;
            // Whoever was told this much keeps it.
            notes.push(prints(folder.path(), &["audit", "checkpoint"]));
            seen += assert_sound(folder.path());
        }
        assert!(seen > 100, "the load was none");
        let keys = prints(folder.path(), &["audit", "keys"]);
        let size = |note: &str| note.lines().nth(1).unwrap().to_owned();
        let (older, proof) = (folder.path().join("older"), folder.path().join("proof"));
        for note in &notes {
            std::fs::write(&older, note).unwrap();
            std::fs::write(&proof, prints(folder.path(), &["audit", "prove", "--from", &size(note)])).unwrap();
            let [proof, older] = [&proof, &older].map(|path| path.display().to_string());
            let checked = ["audit", "check-proof", &proof, "--checkpoint", &older, "--key", keys.trim()];
            assert!(prints(folder.path(), &checked).starts_with("it adds to"));
        }
    });
}

#[test]
fn a_log_that_is_altered_beside_its_server_is_signed_no_more() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start_with(folder.path(), &AT_ONCE);
        let guest = server.browser();
        guest.arrive().await.ok();
        prints(folder.path(), &["audit", "checkpoint"]);
        folder.alter("DROP TRIGGER events_are_never_changed");
        folder.alter("UPDATE events SET occurred_at = occurred_at + 1 WHERE position = 1");
        // So few events are read again with each checkpoint.
        eventually("the server notices", || async {
            server.browser().arrive().await.ok();
            server
                .lines()
                .iter()
                .any(|line| line.contains("the event at position 1 is not the one that the tree took in"))
        })
        .await;
        let metrics = server.app().get("/metrics").await;
        assert!(format!("{metrics:?}").contains("chrysalis_proof_forked 1"), "{metrics:?}");
        assert_eq!(guest.session().await.ok().is_anonymous(), Some(true), "people go on");
        server.stop();
        // Nor does whoever comes later and saw nothing of it.
        let refused = run(folder.path(), &["audit", "checkpoint"]);
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && why.contains("position 1 is not the one"), "{why}");
        let verified = run(folder.path(), &["verify"]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert_eq!(verified.status.code(), Some(3), "{said}");
        assert!(said.contains("the event at position 1 is not the one that was signed"), "{said}");
    });
}
