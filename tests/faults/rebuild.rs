//! The read models are built anew while the server answers.

use super::lives::Crowd;
use super::rounds;
use crate::process::{Folder, Server, assert_sound, case, run};

#[test]
fn a_rebuild_under_load_disturbs_nobody() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        // The crowd insists on 200 for whatever it asks.
        let crowd = Crowd::gather(&server, 8);
        for _ in 0..rounds(3, 20) {
            let path = folder.path().to_owned();
            let rebuilt = tokio::task::spawn_blocking(move || run(&path, &["projections", "rebuild"])).await.unwrap();
            assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        }
        let lives = crowd.disperse().await;
        assert!(!lives.is_empty());
        for life in &lives {
            life.assert_remembered(&server).await;
        }
        server.stop();
        assert_sound(folder.path());
    });
}
