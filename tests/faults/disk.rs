//! The disk fails: it is full, it may not be written to, a page of the file is damaged. Whoever asks is told so, nothing
//! is acknowledged that did not happen, and when the cause is gone everything goes on.

use std::os::unix::fs::FileExt;
use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::{RETRY_AFTER, SET_COOKIE};
use serde_json::json;

use super::errors_said_once;
use crate::process::{Answer, Folder, PASSWORD, Server, Tmpfs, address, assert_sound, case, eventually, run, unready};

fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"), "{answer:?}");
    assert!(answer.headers.contains_key(RETRY_AFTER), "{answer:?}");
}

#[test]
fn a_full_disk_is_said_and_outlived() {
    let Some(disk) = Tmpfs::mount("8m") else { return };
    case(async {
        let mut server = Server::start(disk.path());
        let arrived = server.app().arrive().await.ok();
        let guest = server.app().bearing(&arrived.token());
        let email = address();
        disk.fill();

        // What is left of the last page may still do for a guest or two: those count.
        let mut acknowledged = Vec::new();
        let refused = loop {
            let answer = server.app().arrive().await;
            if answer.status != StatusCode::OK {
                break answer;
            }
            acknowledged.push(answer);
            assert!(acknowledged.len() < 1000, "the disk does not fill up");
        };
        assert_unavailable(&refused);
        assert_unavailable(&guest.upgrade(&email).await);
        assert_unavailable(&guest.post("/sign-out", json!({})).await);
        let ready = unready(&server).await;
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(server.app().get("/healthz").await.status, StatusCode::OK);
        // Who is there already is answered as ever, and is what it was.
        let found = guest.session().await.ok();
        assert_eq!((found.user(), found.is_anonymous()), (arrived.user(), Some(true)));
        assert!(server.is_running());
        // Said when it begins, and not with each of these.
        for _ in 0..20 {
            assert_unavailable(&server.app().arrive().await);
        }
        errors_said_once(&server, 1);

        disk.free();
        let visitor = server.app();
        eventually("the server is ready again", async || visitor.get("/readyz").await.status == StatusCode::OK).await;
        let upgraded = guest.upgrade(&email).await.ok();
        assert_eq!(upgraded.user(), arrived.user());
        acknowledged.push(server.app().arrive().await.ok());
        for answer in &acknowledged {
            assert_eq!(server.app().bearing(&answer.token()).session().await.ok().user(), answer.user());
        }
        // And once when it is over, with how many it met.
        let is_over = |line: &String| line.contains("the store takes part again") && line.contains("\"refused\":");
        eventually("it is said that it is over", async || server.lines().iter().any(is_over)).await;
        assert_eq!(server.lines().iter().filter(|line| is_over(line)).count(), 1);
        server.stop();
        assert_sound(disk.path());
    });
}

#[test]
fn a_server_that_dies_on_a_full_disk_starts_again_when_there_is_room() {
    let Some(disk) = Tmpfs::mount("8m") else { return };
    case(async {
        let server = Server::start(disk.path());
        let arrived = server.app().arrive().await.ok();
        disk.fill();
        while server.app().arrive().await.status == StatusCode::OK {}
        server.kill();

        disk.free();
        let server = Server::start(disk.path());
        assert_eq!(server.app().bearing(&arrived.token()).session().await.ok().user(), arrived.user());
        server.app().arrive().await.ok();
        server.stop();
        assert_sound(disk.path());
    });
}

#[test]
fn a_read_only_disk_stops_the_start_and_says_why() {
    let Some(disk) = Tmpfs::mount("8m") else { return };
    case(async {
        let server = Server::start(disk.path());
        let arrived = server.app().arrive().await.ok();
        server.stop();

        disk.remount("ro");
        let (status, lines) = Server::launch(disk.path(), &[]).wait();
        assert!(!status.success());
        let why = lines.last().cloned().unwrap_or_default();
        assert!(why.contains("chrysalis.db") && why.to_lowercase().contains("read-only"), "{lines:?}");

        disk.remount("rw");
        let server = Server::start(disk.path());
        assert_eq!(server.app().bearing(&arrived.token()).session().await.ok().user(), arrived.user());
        server.stop();
        assert_sound(disk.path());
    });
}

/// Overwrites the leaves of a table and of its indexes, as a failing disk might.
fn damage(database: &Path, table: &str) {
    let connection = rusqlite::Connection::open(database).unwrap();
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    let sql = "SELECT pageno FROM dbstat WHERE pagetype = 'leaf' AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)";
    let mut statement = connection.prepare(sql).unwrap();
    let pages: Vec<u64> = statement.query_map([table], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(!pages.is_empty(), "{table} has no page");
    drop(statement);
    drop(connection);
    let file = std::fs::File::options().write(true).open(database).unwrap();
    for page in pages {
        file.write_all_at(&vec![0xd5; usize::try_from(size).unwrap()], (page - 1) * size).unwrap();
    }
}

#[test]
fn a_damaged_read_model_is_a_fault_and_signs_nobody_out() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        let browser = server.browser();
        let arrived = browser.arrive().await.ok();
        for _ in 0..100 {
            server.app().arrive().await.ok();
        }
        server.stop();
        let backup = folder.path().join("backup.db");
        std::fs::copy(folder.database(), &backup).unwrap();
        damage(&folder.database(), "sessions");

        let mut server = Server::start(folder.path());
        let found = browser.at(&server).session().await;
        assert_eq!(
            (found.status, found.code()),
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR"),
            "{found:?}"
        );
        assert!(!found.headers.contains_key(SET_COOKIE), "the session may be there: {found:?}");
        let refused = server.app().arrive().await;
        assert!(refused.status.is_server_error() && !refused.code().is_empty(), "{refused:?}");
        let refused =
            browser.at(&server).post("/anonymous/upgrade", json!({"email": address(), "password": PASSWORD})).await;
        assert!(refused.status.is_server_error() && !refused.code().is_empty(), "{refused:?}");
        assert_eq!(server.app().get("/healthz").await.status, StatusCode::OK);
        assert!(server.is_running());
        // With the id from the answer an operator finds what happened.
        let id = found.headers["x-request-id"].to_str().unwrap();
        assert!(
            server.lines().iter().any(|line| line.contains(id) && line.contains("malformed")),
            "{:?}",
            server.lines()
        );
        server.stop();
        assert!(!run(folder.path(), &["verify"]).status.success());

        std::fs::copy(&backup, folder.database()).unwrap();
        let server = Server::start(folder.path());
        assert_eq!(browser.at(&server).session().await.ok().user(), arrived.user());
        server.app().arrive().await.ok();
        server.stop();
        assert_sound(folder.path());
    });
}

#[test]
fn a_damaged_log_stops_the_start_and_says_what_to_do() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        let arrived = server.app().arrive().await.ok();
        server.stop();
        let backup = folder.path().join("backup.db");
        std::fs::copy(folder.database(), &backup).unwrap();
        damage(&folder.database(), "events");

        let (status, lines) = Server::launch(folder.path(), &[]).wait();
        assert!(!status.success());
        assert!(lines.last().is_some_and(|line| line.contains("restore the file from a backup")), "{lines:?}");

        std::fs::copy(&backup, folder.database()).unwrap();
        let server = Server::start(folder.path());
        assert_eq!(server.app().bearing(&arrived.token()).session().await.ok().user(), arrived.user());
        server.stop();
        assert_sound(folder.path());
    });
}
