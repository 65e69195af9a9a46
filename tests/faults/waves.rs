//! `kill -9` in the middle of a wave's job, and of its undoing: everybody is out of use once, and back once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{a_while, rounds};
use crate::process::{Client, Folder, Server, assert_sound, case, eventually, prints, run};

const KEY: &str = "sk_test_0123456789abcdefghijklmnopqrstuv";
/// Whoever comes after the one that was killed waits for its lease.
const FLAGS: [&str; 6] = [
    "--set",
    "rate_limits=off",
    "--set",
    "followers.lease=1s",
    "--set",
    "bootstrap_api_key=sk_test_0123456789abcdefghijklmnopqrstuv",
];

const GUESTS: usize = 600;

fn start(folder: &Folder) -> Server {
    Server::start_with(folder.path(), &FLAGS)
}

fn operator(server: &Server) -> Client {
    server.app().bearing(KEY)
}

async fn job(server: &Server, id: &Value) -> Value {
    operator(server).post("/admin/get-job", json!({ "jobId": id })).await.ok().body
}

/// A job that goes on until it ends, and the server that is killed in the middle of it.
struct BrokenOff {
    server: Server,
    ended: Value,
    /// How often it was not at its end when the server was killed.
    times: usize,
}

async fn break_off(folder: &Folder, mut server: Server, id: &Value, done: &str) -> BrokenOff {
    let mut times = 0;
    for stretches in 1..=3 {
        let far_enough = |job: &Value| job[done].as_u64() >= Some(stretches * 64) || job["status"] != "running";
        eventually("the job goes on", || async { far_enough(&job(&server, id).await) }).await;
        a_while(Duration::from_millis(10)).await;
        server.kill();
        server = start(folder);
        times += usize::from(job(&server, id).await["status"] == "running");
    }
    eventually("the job ends", || async { job(&server, id).await["status"] != "running" }).await;
    let ended = job(&server, id).await;
    BrokenOff { server, ended, times }
}

/// How often each user met with an event of that type.
fn met(folder: &Folder, event_type: &str) -> BTreeMap<String, usize> {
    let shown = run(folder.path(), &["log", "show", "--limit", "100000000"]);
    let lines = String::from_utf8(shown.stdout).unwrap();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut met = BTreeMap::new();
    for event in events.filter(|event| event["type"] == event_type) {
        *met.entry(event["stream"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    met
}

#[test]
fn a_wave_that_is_broken_off_is_gone_on_with() {
    case(async {
        let folder = Folder::new();
        let mut server = start(&folder);
        let mut guests = Vec::new();
        for _ in 0..GUESTS {
            let arrived = server.app().arrive().await.ok();
            guests.push((arrived.user(), arrived.token()));
        }
        let member = server.browser();
        member.arrive().await.ok();
        member.upgrade("jane@example.com").await.ok();
        let seen = operator(&server).post("/admin/guests/origins", json!({})).await.ok().body;
        let network = seen["groups"][0]["network"].clone();
        let mut times = 0;
        for round in 1..=rounds(2, 50) {
            let wave = json!({ "from": 0, "to": 4_000_000_000_000_i64, "network": network });
            let asked = operator(&server).post("/admin/guests/disable-wave", wave).await.ok().body;
            let broken_off = break_off(&folder, server, &asked["job"]["id"], "disabled").await;
            let disabled = broken_off.ended;
            (server, times) = (broken_off.server, times + broken_off.times);
            assert_eq!((&disabled["disabled"], &disabled["spared"]), (&json!(GUESTS), &json!(1)), "{disabled}");
            for (_, token) in guests.iter().step_by(37) {
                assert_eq!(server.app().bearing(token).session().await.ok().body, Value::Null);
            }
            assert!(member.at(&server).session().await.ok().is_anonymous() == Some(false));
            let undoing = json!({ "jobId": disabled["id"] });
            let asked = operator(&server).post("/admin/guests/restore-wave", undoing).await.ok().body;
            let broken_off = break_off(&folder, server, &asked["job"]["id"], "restored").await;
            let restored = broken_off.ended;
            (server, times) = (broken_off.server, times + broken_off.times);
            assert_eq!((&restored["restored"], &restored["spared"]), (&json!(GUESTS), &json!(0)), "{restored}");
            for (user, token) in guests.iter().step_by(37) {
                assert_eq!(server.app().bearing(token).session().await.ok().user(), *user);
            }
            for event_type in ["GuestDisabled", "GuestRestored"] {
                let met = met(&folder, event_type);
                assert_eq!(met.len(), GUESTS, "{event_type}");
                assert!(met.values().all(|times| *times == round), "{event_type} in round {round}");
            }
        }
        assert!(times > 0, "nothing was broken off");
        server.stop();
        assert_sound(folder.path());
    });
}

/// The same on the command line: asked for beside a server, which does it.
#[test]
fn an_operator_asks_and_a_server_does() {
    case(async {
        let folder = Folder::new();
        let server = start(&folder);
        let guest = server.app().arrive().await.ok();
        let say = |arguments: &[&str]| prints(folder.path(), arguments).trim_end().to_owned();
        let seen = say(&["guests", "origins", "--since", "1h", "--by", "network,hour"]);
        assert_eq!(seen.lines().count(), 1, "{seen}");
        assert!(seen.contains("1 arrived") && seen.contains(&guest.user()), "{seen}");
        let network = seen.split_whitespace().next().unwrap();
        let wave = say(&["guests", "disable-wave", "--from", "2020-01-01", "--to", "2999-01-01", "--network", network]);
        let session = || async { server.app().bearing(&guest.token()).session().await.ok() };
        eventually("the guest is out of use", || async { session().await.body.is_null() }).await;
        assert!(say(&["guests", "origins"]).contains("1 disabled"));
        say(&["guests", "restore-wave", &wave]);
        eventually("the guest is back", || async { session().await.body.is_object() }).await;
        let refused = |arguments: &[&str]| assert!(!run(folder.path(), arguments).status.success(), "{arguments:?}");
        refused(&["guests", "restore-wave", "job_01JM0000000000000000000009"]);
        refused(&["guests", "disable-wave", "--from", "2999-01-01", "--to", "2999-01-02"]);
        refused(&["guests", "disable-wave", "--from", "2020-01-01", "--to", "2999-01-01", "--network", "192.0.2.1"]);
        refused(&["guests", "origins", "--since", "soon"]);
        server.stop();
        assert_sound(folder.path());
    });
}
