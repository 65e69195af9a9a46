//! The log on the command line: exported and verified, shown and followed; killed in between.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::lives::Crowd;
use super::{a_while, rounds};
use crate::process::{Folder, Server, address, case, chrysalis, prints, run};

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn head(folder: &Folder) -> u64 {
    prints(folder.path(), &["log", "head"]).trim().parse().unwrap()
}

/// A folder whose server made some events and is gone.
async fn lived(folder: &Folder) {
    let server = Server::start(folder.path());
    let crowd = Crowd::gather(&server, 4);
    while head(folder) < 300 {}
    crowd.disperse().await;
    server.stop();
}

/// Whoever verifies has the file and a key: no store, no secret, no configuration.
#[test]
fn an_export_is_verified_by_whoever_has_nothing_but_the_file() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let member = server.browser();
        let email = address();
        member.arrive().await.ok();
        member.upgrade(&email).await.ok();
        let crowd = Crowd::gather(&server, 4);
        while head(&folder) < 300 {}
        // Beside a server that writes.
        prints(folder.path(), &["log", "export", "--output", "beside.jsonl"]);
        crowd.disperse().await;
        server.stop();
        std::fs::write(folder.path().join("log.pub"), prints(folder.path(), &["audit", "keys"])).unwrap();
        prints(folder.path(), &["log", "export", "--output", "export.jsonl"]);
        prints(folder.path(), &["log", "export", "--output", "export.jsonl.zst", "--compress"]);
        let text = std::fs::read_to_string(folder.path().join("export.jsonl")).unwrap();
        assert!(!text.contains(&email), "nobody can be read in an export");
        assert_eq!(prints(folder.path(), &["log", "export"]), text);

        let elsewhere = Folder::embedded();
        for name in ["beside.jsonl", "export.jsonl", "export.jsonl.zst", "log.pub"] {
            std::fs::copy(folder.path().join(name), elsewhere.path().join(name)).unwrap();
        }
        for name in ["beside.jsonl", "export.jsonl", "export.jsonl.zst"] {
            let (code, said) = said(&run(elsewhere.path(), &["audit", "verify", name, "--key", "log.pub"]));
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("proven: positions 1 to ") && said.contains("nothing is wrong"), "{said}");
        }
        assert!(!elsewhere.path().join("data").exists(), "nothing is made where somebody only verifies");

        let altered = text.replacen("\"type\":\"GuestUpgraded\"", "\"type\":\"GuestArrived\"", 1);
        let line = altered.lines().zip(text.lines()).position(|(one, other)| one != other).unwrap() + 1;
        std::fs::write(elsewhere.path().join("altered.jsonl"), &altered).unwrap();
        let verify = ["audit", "verify", "altered.jsonl", "--key", "log.pub", "--against", "export.jsonl"];
        let (code, told) = said(&run(elsewhere.path(), &verify));
        assert_eq!(code, Some(3), "{told}");
        let expected = format!("altered.jsonl:{line}: position {} was altered", line - 1);
        assert!(told.contains(&expected), "{told}");

        for (arguments, expected) in [
            (&["audit", "verify"][..], 2),
            (&["audit", "verify", "export.jsonl", "--key", "nobody's"], 2),
            (&["audit", "verify", "export.jsonl", "--checkpoint", "log.pub"], 2),
            (&["audit", "verify", "nowhere.jsonl", "--key", "log.pub"], 1),
            (&["audit", "verify", "export.jsonl", "--key", "log.pub", "--checkpoint", "log.pub"], 3),
        ] {
            let (code, said) = said(&run(elsewhere.path(), arguments));
            assert_eq!(code, Some(expected), "{arguments:?}: {said}");
        }
    });
}

#[test]
fn an_export_that_was_killed_goes_on_and_comes_out_the_same() {
    case(async {
        let folder = Folder::new();
        lived(&folder).await;
        prints(folder.path(), &["log", "export", "--output", "whole"]);
        prints(folder.path(), &["log", "export", "--output", "whole.zst", "--compress"]);
        for (whole, flags) in [("whole", &[][..]), ("whole.zst", &["--compress"])] {
            for _ in 0..rounds(3, 20) {
                let arguments = [&["log", "export", "--output", "killed"], flags].concat();
                for _ in 0..3 {
                    let mut export = chrysalis(folder.path()).args(&arguments).stderr(Stdio::null()).spawn().unwrap();
                    a_while(std::time::Duration::from_millis(120)).await;
                    export.kill().unwrap();
                    export.wait().unwrap();
                }
                prints(folder.path(), &arguments);
                let (killed, whole) = (folder.path().join("killed"), folder.path().join(whole));
                assert!(std::fs::read(&killed).unwrap() == std::fs::read(whole).unwrap(), "{arguments:?}");
                std::fs::remove_file(killed).unwrap();
            }
        }
    });
}

#[test]
fn the_log_is_followed_until_it_is_told_to_stop() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        server.browser().arrive().await.ok();
        let follow = |from: &str| {
            let arguments = ["log", "tail", "--from", from];
            let mut tail = chrysalis(folder.path()).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
            (tail, lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()))
        };
        let (mut tail, mut lines) = follow("1");
        let first = lines.next().unwrap();
        assert_eq!(first["position"], 1);
        let arrived = server.browser().arrive().await.ok();
        let stream = format!("user-{}", arrived.user());
        let created = lines.find(|event| event["stream"] == stream.as_str()).unwrap();
        kill_process(Pid::from_child(&tail), Signal::INT).unwrap();
        let rest: Vec<Value> = lines.collect();
        assert!(tail.wait().unwrap().success());
        let last = rest.last().unwrap_or(&created)["position"].as_u64().unwrap();

        // Whoever goes on misses nothing.
        server.browser().arrive().await.ok();
        let (mut tail, mut lines) = follow(&(last + 1).to_string());
        assert_eq!(lines.next().unwrap()["position"], last + 1);
        kill_process(Pid::from_child(&tail), Signal::TERM).unwrap();
        assert!(tail.wait().unwrap().success());
        server.stop();
    });
}

#[test]
fn events_are_shown_by_place_stream_type_and_user() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let guest = server.browser();
        let arrived = guest.arrive().await.ok();
        guest.upgrade(&address()).await.ok();
        server.browser().arrive().await.ok();
        server.stop();
        let shown = |arguments: &[&str]| json(&prints(folder.path(), &[&["log", "show"], arguments].concat()));
        let all = shown(&["--limit", "1000"]);
        assert_eq!(shown(&["--position", "2"]), [all[1].clone()]);
        assert_eq!(shown(&["--after", "2", "--limit", "1"]), [all[2].clone()]);
        let only =
            |name: &str, value: &str| all.iter().filter(|event| event[name] == value).cloned().collect::<Vec<_>>();
        let stream = format!("user-{}", arrived.user());
        assert!(only("stream", &stream).len() > 2);
        assert_eq!(shown(&["--stream", &stream]), only("stream", &stream));
        assert_eq!(shown(&["--user", &arrived.user()]), only("stream", &stream));
        assert_eq!(shown(&["--type", "SessionStarted"]), only("type", "SessionStarted"));
        let upgraded = &only("type", "GuestUpgraded")[0];
        let both = shown(&["--user", &arrived.user(), "--type", "GuestUpgraded"]);
        assert_eq!(both, std::slice::from_ref(upgraded));
        let readable = prints(folder.path(), &["log", "show", "--readable", "--type", "GuestUpgraded"]);
        for word in ["GuestUpgraded", &stream, upgraded["recordedAt"].as_str().unwrap(), "by user"] {
            assert!(readable.contains(word), "{readable}");
        }
        assert!(!run(folder.path(), &["log", "show", "--position", "0"]).status.success());
    });
}

#[test]
fn a_tail_follows_what_was_asked_for_alone() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let (jane, joe) = (server.browser(), server.browser());
        let user = jane.arrive().await.ok().user();
        joe.arrive().await.ok();
        let follow = |choice: &[&str]| {
            let arguments = [&["log", "tail", "--from", "1"], choice].concat();
            let mut tail = chrysalis(folder.path()).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
            (tail, lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()))
        };
        let stream = format!("user-{user}");
        let (mut of_jane, mut hers) = follow(&["--user", &user]);
        let (mut upgrades, mut upgraded) = follow(&["--type", "GuestUpgraded"]);
        let (mut both, mut both_fit) = follow(&["--stream", &stream, "--type", "GuestUpgraded"]);
        joe.upgrade(&address()).await.ok();
        jane.upgrade(&address()).await.ok();
        // What comes to the log later than what is waited for is of somebody else.
        assert_ne!(upgraded.next().unwrap()["stream"], stream.as_str());
        assert_eq!(upgraded.next().unwrap()["stream"], stream.as_str());
        assert_eq!(both_fit.next().unwrap()["stream"], stream.as_str());
        let mut seen = Vec::new();
        while seen.last().is_none_or(|event: &Value| event["type"] != "GuestUpgraded") {
            seen.push(hers.next().unwrap());
        }
        for tail in [&mut of_jane, &mut upgrades, &mut both] {
            kill_process(Pid::from_child(tail), Signal::INT).unwrap();
            assert!(tail.wait().unwrap().success());
        }
        assert!(seen.iter().chain(&hers.collect::<Vec<_>>()).all(|event| event["stream"] == stream.as_str()));
        assert_eq!(seen[0]["type"], "GuestCreated");
        assert!(upgraded.all(|event| event["type"] == "GuestUpgraded"));
        assert_eq!(both_fit.count(), 0);
        server.stop();
        // What never comes is not waited for.
        let typo = run(folder.path(), &["log", "tail", "--type", "GuestUpgrade"]);
        assert!(!typo.status.success());
        assert!(String::from_utf8_lossy(&typo.stderr).contains("no event is called GuestUpgrade"));
    });
}
