//! Those who read the log while a server is stopped, and what `verify` says of a store that somebody altered.

use reqwest::header::{ACCEPT, AUTHORIZATION};

use super::lives::jane;
use crate::process::{Folder, Server, case, eventually, prints, run};
use crate::support::on_postgres;

fn said(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let output = run(folder.path(), arguments);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// The key of somebody who may read the trail.
fn auditor(folder: &Folder) -> String {
    let create = ["api-key", "create", "--name", "auditor", "--permission", "audit.read"];
    prints(folder.path(), &create).trim().to_owned()
}

/// An auditor who is told of events as they come.
async fn follows(server: &Server, key: &str, filter: &str) -> reqwest::Response {
    let http = crate::support::http().no_proxy().build().unwrap();
    let request = http.get(format!("{}/api/audit/events{filter}", server.url())).header(ACCEPT, "text/event-stream");
    let answer = request.header(AUTHORIZATION, format!("Bearer {key}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

#[test]
fn readers_of_the_log_do_not_hold_up_a_stop() {
    case(async {
        let folder = Folder::new();
        let server = Server::start_with(folder.path(), &["--set", "rate_limits=off", "--set", "shutdown_grace=50s"]);
        server.app().arrive().await.ok();
        let key = auditor(&folder);
        let mut readers = Vec::new();
        for _ in 0..4 {
            let mut answer = follows(&server, &key, "").await;
            let mut read = String::new();
            while !read.contains("GuestCreated") {
                read += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
            }
            readers.push(answer);
        }
        assert_stops_with(server, readers).await;
    });
}

/// Each reader is told to its end, and not cut off; nobody is waited for beyond that.
async fn assert_stops_with(server: Server, readers: Vec<reqwest::Response>) {
    server.terminate();
    for mut answer in readers {
        while answer.chunk().await.unwrap().is_some() {}
    }
    let (status, lines) = server.wait();
    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    assert!(!lines.iter().any(|line| line.contains("not finished in time")), "{}", lines.join("\n"));
}

/// Behind a filter for what never happens there is always more to look at.
#[test]
fn readers_of_what_is_rare_hold_up_neither_others_nor_a_stop() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        server.app().arrive().await.ok();
        let key = auditor(&folder);
        server.stop();
        // A log so long that nobody comes to its end.
        folder.alter(
            "DROP TRIGGER events_are_never_changed;
             UPDATE events SET position = 1000000000000000 WHERE position = (SELECT max(position) FROM events)",
        );
        let flags = ["--set", "rate_limits=off", "--set", "shutdown_grace=10s", "--set", "audit.heartbeat=1s"];
        let server = Server::start_with(folder.path(), &flags);
        let mut readers = Vec::new();
        for _ in 0..8 {
            let mut answer = follows(&server, &key, "?type=UserBanned").await;
            answer.chunk().await.unwrap().unwrap();
            readers.push(answer);
        }
        server.app().arrive().await.ok();
        // Each is told meanwhile how far was looked.
        for answer in &mut readers {
            while !std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap().contains("id: ") {}
        }
        assert_stops_with(server, readers).await;
    });
}

#[test]
fn verify_says_which_row_differs_from_what_and_ends_with_3() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let user = jane(&server).await;
        server.stop();
        // What follows the log may not have seen its end.
        assert_eq!(said(&folder, &["audit", "export"]).0, 0);
        let (code, clean) = said(&folder, &["verify"]);
        assert_eq!(code, 0, "{clean}");
        assert!(clean.contains(" 0 differences"), "{clean}");

        folder.alter(&format!("UPDATE users SET standing = 'guest' WHERE user_id = '{user}'"));
        folder.alter("DELETE FROM audit WHERE action = 'user.upgraded'");
        let (code, found) = said(&folder, &["verify"]);
        assert_eq!(code, 3, "{found}");
        assert!(found.contains(&format!("users {user}: standing is guest, and should be member")), "{found}");
        let missing = found.lines().find(|line| line.starts_with("audit ")).unwrap_or_else(|| panic!("{found}"));
        assert!(
            missing.contains("the whole row is absent, and should be ") && missing.contains("action=user.upgraded"),
            "{found}"
        );
        assert!(found.contains(" 2 differences"), "{found}");
        assert!(said(&folder, &["projections", "rebuild"]).0 == 0);
        assert_eq!(said(&folder, &["verify"]).0, 0);

        // What it could not look at is another matter.
        assert_eq!(said(&folder, &["--store", "sqlite:nowhere.db", "verify"]).0, 1);
        // What does not read is a mistake of whoever asked.
        for wrong in [
            &["replay", "--at", "yesterday"][..],
            &["replay", "--at", "2027-02-30"],
            &["replay", "--user", "jane"],
            &["log", "tail", "--from", "0"],
            &["log", "tail", "--from", "9223372036854775808"],
            &["log", "tail", "--type", "GuestDreamt"],
        ] {
            assert_eq!(said(&folder, wrong).0, 2, "{wrong:?}");
        }
        // So is a time or a stretch that ends before it begins.
        let day = |from, to| [["--from", from], ["--to", to]].concat();
        for (command, range, flags) in [
            (&["log", "export"][..], day("5", "3"), ["--from 5", "--to 3"]),
            (
                &["log", "export"],
                vec!["--since", "2027-01-16", "--until", "2027-01-15"],
                ["--since 2027-01-16", "--until 2027-01-15"],
            ),
            (&["audit", "export"], day("2027-01-16", "2027-01-15"), ["--from 2027-01-16", "--to 2027-01-15"]),
            (&["audit", "prove"], day("5", "3"), ["--from 5", "--to 3"]),
            (&["audit", "prove"], vec!["--position", "5", "--size", "3"], ["--position 5", "--size 3"]),
            (
                &["analytics", "export", "--out", "x"],
                day("2027-02-01", "2027-01-01"),
                ["--from 2027-02-01", "--to 2027-01-01"],
            ),
            (
                &["analytics", "export", "--out", "x"],
                day("2027-01-01", "2027-01-01"),
                ["--from 2027-01-01", "--to 2027-01-01"],
            ),
            (&["analytics", "report", "--out", "x"], day("2027-02-01", "2027-01-01"), ["--to", "from"]),
            (&["guests", "disable-wave"], day("2027-01-16", "2027-01-15"), ["--from 2027-01-16", "--to 2027-01-15"]),
        ] {
            let (code, told) = said(&folder, &[command, &range].concat());
            assert_eq!(code, 2, "{command:?} {range:?}: {told}");
            assert!(flags.iter().all(|flag| told.contains(flag)), "{command:?} {range:?}: {told}");
        }
        let (code, nobody) = said(&folder, &["replay", "--user", "usr_01JD8M4Z5T0000000000000001"]);
        assert_eq!(code, 1);
        assert!(nobody.contains("there is no such user, and never was"), "{nobody}");
    });
}

/// Somebody alters many things at once: each is named, and none keeps anybody from looking at the others.
#[test]
fn verify_names_all_that_was_altered_and_goes_on() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let (user, guest) = (jane(&server).await, server.browser().arrive().await.ok().user());
        server.stop();
        assert_eq!(said(&folder, &["audit", "export"]).0, 0);
        assert_eq!(said(&folder, &["audit", "checkpoint"]).0, 0);
        let (code, clean) = said(&folder, &["verify"]);
        assert_eq!(code, 0, "{clean}");

        let on_events = if on_postgres() { " ON events" } else { "" };
        folder.alter(&format!("DROP TRIGGER events_are_never_changed{on_events}"));
        folder.alter("UPDATE events SET type = 'GuestDreamt' WHERE type = 'EmailVerificationRequested'");
        folder.alter("UPDATE events SET type_version = 700 WHERE type = 'ProfileUpdated'");
        folder.alter(&format!("UPDATE users SET person_id = 'x', person_key_epoch = 77 WHERE user_id = '{user}'"));
        folder.alter(&format!("UPDATE users SET user_id = 'nobody' WHERE user_id = '{guest}'"));
        folder.alter("UPDATE audit SET place = -1 WHERE action = 'user.upgraded'");
        folder.alter("UPDATE sessions SET session_id = 'x' WHERE session_id = (SELECT min(session_id) FROM sessions)");
        folder.alter("UPDATE sealed SET salt = ciphertext WHERE kind = 'name'");
        let (code, found) = said(&folder, &["verify"]);
        assert_eq!(code, 3, "{found}");
        for named in [
            " is not the one that was signed",
            "does not read: event type \"GuestDreamt\" is unknown",
            "ProfileUpdated version 700 is newer than this program's",
            &format!("users {user}: person_id is x, and should be per_"),
            &format!("users {user}: person_key_epoch is 77, and should be 1"),
            "users nobody: the whole row is ",
            &format!("users {guest}: the whole row is absent"),
            "audit -1: the whole row is ",
            "sessions x: the whole row is ",
            "was altered: it is not what the event at position",
            " differences",
        ] {
            assert!(found.contains(named), "{named}:\n{found}");
        }
        let signed = found.lines().filter(|line| line.ends_with("is not the one that was signed")).count();
        assert_eq!(signed, 2, "{found}");
        assert!(!found.contains("could be looked at"), "{found}");
    });
}

/// One bad record costs what it held, and nothing of what is told beside it.
#[test]
fn a_record_that_was_altered_takes_nobodys_view_of_the_others() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        let user = jane(&server).await;
        server.stop();
        let export = || said(&folder, &["audit", "export"]);
        let person = || said(&folder, &["users", "export", &user]);
        let replay = || said(&folder, &["replay", "--user", &user]);
        assert!(person().1.contains("Jane Roe") && replay().1.contains("Jane Roe"));
        let (code, whole) = export();
        assert!(code == 0 && whole.contains("Jane Roe"), "{whole}");

        folder.alter("UPDATE sealed SET ciphertext = zeroblob(length(ciphertext)) WHERE kind = 'name'");
        let deeds = |text: &str| text.lines().filter(|line| line.contains("\"action\":")).count();
        let exported = export();
        assert_eq!(deeds(&exported.1), deeds(&whole));
        for (what, (code, text)) in [("audit export", exported), ("users export", person()), ("replay", replay())] {
            assert!(
                code == 0 && text.contains("sealed record sld_") && text.contains("does not open"),
                "{what}: {text}"
            );
        }
        assert!(deeds(&whole) > 2);
        assert!(person().1.contains("jane@example.com"));
    });
}

/// Whoever goes on from a log whose end was cut off gives positions out a second time, and what is there now is passed over by
/// whatever follows the log.
#[test]
fn a_log_that_lost_its_end_is_not_gone_on_with_until_somebody_says_so() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        for _ in 0..6 {
            server.browser().arrive().await.ok();
        }
        server.stop();
        assert_eq!(said(&folder, &["audit", "export"]).0, 0);
        assert_eq!(said(&folder, &["audit", "checkpoint"]).0, 0);
        folder.alter(
            "DROP TRIGGER events_are_never_removed; DROP TRIGGER signed_and_never_removed;
             DELETE FROM events WHERE position > (SELECT max(position) - 5 FROM events);
             DELETE FROM signed_checkpoints WHERE size > (SELECT max(position) FROM events)",
        );
        let mut refused = Server::launch(folder.path(), &[]);
        eventually("it refuses to start", || std::future::ready(!refused.is_running())).await;
        let (status, lines) = refused.wait();
        assert!(!status.success());
        let told = lines.join("\n");
        assert!(told.contains("the end of the log is gone") && told.contains("backup"), "{told}");
        // Nor is it signed.
        let (code, told) = said(&folder, &["audit", "checkpoint"]);
        assert!(code != 0 && told.contains("what stood behind it is gone"), "{told}");

        for step in [["projections", "rebuild"], ["audit", "rebuild"]] {
            let (code, told) = said(&folder, &step);
            assert_eq!(code, 0, "{step:?}: {told}");
        }
        let server = Server::start(folder.path());
        let guest = server.browser().arrive().await.ok().user();
        server.stop();
        let (code, trail) = said(&folder, &["audit", "export"]);
        assert!(code == 0 && trail.contains(&guest), "what comes now is in the trail: {trail}");
        assert_eq!(said(&folder, &["audit", "checkpoint"]).0, 0);
    });
}

#[test]
fn verify_names_a_sealed_record_that_was_altered_and_goes_on() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        jane(&server).await;
        server.stop();
        assert_eq!(said(&folder, &["verify"]).0, 0);
        folder.alter("UPDATE sealed SET ciphertext = zeroblob(length(ciphertext)) WHERE kind = 'email'");
        let (code, found) = said(&folder, &["verify"]);
        assert_eq!(code, 3, "{found}");
        let named =
            found.lines().find(|line| line.starts_with("sealed record sld_")).unwrap_or_else(|| panic!("{found}"));
        let (_, says) = named.split_once("was altered: it is not what the event at position ").unwrap();
        let position = says.split_once(' ').unwrap().0;
        let shown = said(&folder, &["log", "show", "--position", position]).1;
        assert!(shown.contains("\"type\":\"EmailClaimed\""), "{named}: {shown}");
        // Rows copy it, and are compared all the same.
        assert!(found.contains(" differences"), "{found}");
    });
}
