//! The read models are built anew while the server answers.

use serde_json::{Value, json};

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

/// Rows copy what is sealed: a rebuild would put what somebody made of a record in the place of copies that are good.
#[test]
fn a_rebuild_takes_over_no_record_that_was_altered() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let browser = server.browser();
        browser.arrive().await.ok();
        browser.upgrade("jane@example.com").await.ok();
        browser.post("/update-user", json!({ "name": "Jane Roe" })).await.ok();
        server.stop();
        let rebuild = |flags: &[&str]| {
            let rebuilt = run(folder.path(), &[&["projections", "rebuild"], flags].concat());
            (rebuilt.status.code().unwrap(), String::from_utf8_lossy(&rebuilt.stderr).into_owned())
        };
        folder.alter("CREATE TABLE kept AS SELECT * FROM sealed");
        let back = "DELETE FROM sealed; INSERT INTO sealed SELECT * FROM kept";
        for harm in
            ["UPDATE sealed SET ciphertext = salt WHERE kind = 'name'", "DELETE FROM sealed WHERE kind = 'name'"]
        {
            folder.alter(harm);
            let (code, said) = rebuild(&[]);
            assert_eq!(code, 1, "{said}");
            assert!(said.contains("sealed record sld_") && said.contains("backup"), "{said}");
            let server = Server::start(folder.path());
            let seen = browser.at(&server).session().await.ok();
            assert_eq!(seen.body["user"]["name"], "Jane Roe", "the copy is as good as it was");
            server.stop();
            folder.alter(back);
            assert_eq!(rebuild(&[]).0, 0);
        }
        // Of whoever holds an address nothing is given up, whatever is said.
        folder.alter("UPDATE sealed SET ciphertext = salt WHERE kind = 'email'");
        let (code, said) = rebuild(&["--accept-loss"]);
        assert!(code == 1 && said.contains("somebody holds"), "{code}: {said}");
        folder.alter(back);
        // Where no backup has it, what it held is gone, and that is said.
        folder.alter("UPDATE sealed SET ciphertext = salt WHERE kind = 'name'");
        let (code, said) = rebuild(&["--accept-loss"]);
        assert!(code == 0 && said.contains("sealed record sld_"), "{code}: {said}");
        let server = Server::start(folder.path());
        let seen = browser.at(&server).session().await.ok();
        assert_eq!(
            (&seen.body["user"]["name"], &seen.body["user"]["email"]),
            (&Value::Null, &json!("jane@example.com"))
        );
        server.stop();
        assert_eq!(
            run(folder.path(), &["verify"]).status.code(),
            Some(3),
            "the record is named for as long as it is so"
        );
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
