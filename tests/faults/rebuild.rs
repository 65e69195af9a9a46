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

#[test]
fn read_models_of_another_version_are_refused_until_they_are_made_anew() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let guest = server.browser();
        let arrived = guest.arrive().await.ok();
        server.stop();
        folder.alter("ALTER TABLE users ADD COLUMN favourite_colour TEXT");

        for command in [&["serve"] as &[&str], &["verify"]] {
            let refused = run(folder.path(), command);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("chrysalis projections rebuild"), "{command:?}: {said}");
        }
        assert!(run(folder.path(), &["projections", "rebuild"]).status.success());
        let server = Server::start(folder.path());
        assert_eq!(guest.at(&server).session().await.ok().user(), arrived.user());
        server.stop();
        assert_sound(folder.path());
    });
}
