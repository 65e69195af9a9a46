//! The clean-up of guests, killed in the middle, by two who both believe it is their turn, raced by those who come back: nobody
//! is deleted twice, nobody is skipped, and whoever is here stays.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrysalis::clock::{Clock, SystemClock};
use chrysalis::config::{Config, Overrides};
use chrysalis::entropy::{self, OsEntropy};
use chrysalis::keys::{Keyring, PersonSealer, SessionToken};
use chrysalis::log::cqrs::{Ask, Concurrency, Step, execute};
use chrysalis::log::{Actor, Context, Log};
use chrysalis::open::{Opened, open};
use chrysalis::serve::Ports;
use chrysalis_domain::id::{CommandId, PersonId, ProjectId, SessionId, UserId};
use chrysalis_domain::user::UserCommand;
use chrysalis_domain::user::command::NewSession;
use chrysalis_domain::value::{Authentication, Entry};
use chrysalis_domain::{Span, Timestamp};
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{a_while, below, rounds};
use crate::process::{Client, Folder, Server, address, assert_sound, case, eventually, run};

const KEY: &str = "sk_test_0123456789abcdefghijklmnopqrstuv";
const HURRIED: [&str; 2] = ["rate_limits=off", "followers.lease=1s"];

/// Guests go after an hour, and the hour within which activity is recorded.
fn aged(settle: &str) -> Vec<String> {
    flags(&["anonymous.max_age=1h", &format!("anonymous.settle={settle}")])
}

/// Guests go when somebody says so.
fn on_demand() -> Vec<String> {
    flags(&[&format!("bootstrap_api_key={KEY}")])
}

fn flags(keys: &[&str]) -> Vec<String> {
    HURRIED.iter().chain(keys).flat_map(|key| ["--set".to_owned(), (*key).to_owned()]).collect()
}

fn start(folder: &Folder, flags: &[String]) -> Server {
    Server::start_with(folder.path(), &flags.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A guest who was here three hours ago, with a session that lives.
struct Stale {
    user: String,
    token: String,
}

/// Fills a folder's store while no server runs.
async fn stale(folder: &Folder, count: usize) -> Vec<Stale> {
    let values = folder.keys().into_iter().collect();
    let config = Config::from(&Overrides { file: None, values }, &BTreeMap::new()).unwrap();
    let ports = Ports { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) };
    let Opened { store, keyring, .. } = open(&config, &ports, Arc::new(())).await.unwrap();
    let at = SystemClock.now() - Span::from_hours(3);
    let arrivals = (0..count).map(|_| arrival(store.as_ref(), &keyring, at));
    futures_util::stream::iter(arrivals).buffer_unordered(64).collect().await
}

async fn arrival(log: &dyn Log, keyring: &Keyring, at: Timestamp) -> Stale {
    let fresh = || entropy::ulid(&OsEntropy, at);
    let (user, person) = (UserId::from_ulid(fresh()), PersonId::from_ulid(fresh()));
    let (_, person_key) = PersonSealer::create(keyring, person, &OsEntropy).unwrap();
    let token = SessionToken::create(&OsEntropy, at);
    let session = NewSession {
        id: SessionId::from_ulid(fresh()),
        token: token.public().unwrap(),
        expires_at: at + Span::from_days(7),
        remembered: true,
        authentication: Authentication::anonymous(at),
        client: None,
        replayable_until: None,
        verified: None,
        limit: 100,
        impersonation: None,
    };
    let context = Context {
        project: ProjectId::DEFAULT,
        actor: Actor::user(user),
        request: None,
        command: CommandId::from_ulid(fresh()),
        cause: None,
        settings_version: 0,
    };
    let command = UserCommand::CreateAnonymous { user, person, entry: Entry::default(), session };
    let ask = Ask::new(context, at).then(Step::User(user, Concurrency::New, command));
    execute(log, &OsEntropy, Ask { person_keys: vec![person_key], ..ask }).await.unwrap();
    Stale { user: user.to_string(), token: token.as_str().to_owned() }
}

/// Events of the whole log.
fn events(folder: &Folder) -> Vec<Value> {
    let shown = run(folder.path(), &["log", "show", "--limit", "100000000"]);
    let lines = String::from_utf8(shown.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whom the log says to be deleted, in its order.
fn deleted(folder: &Folder) -> Vec<String> {
    let gone = events(folder).into_iter().filter(|event| event["type"] == "UserDeleted");
    gone.map(|event| event["stream"].as_str().unwrap().trim_start_matches("user-").to_owned()).collect()
}

/// Each of these went once, nobody else went, and the audit trail says the same.
fn assert_gone(folder: &Folder, guests: impl IntoIterator<Item = String>) {
    let gone = deleted(folder);
    let (once, expected): (HashSet<_>, HashSet<_>) = (gone.iter().cloned().collect(), guests.into_iter().collect());
    assert_eq!(once.len(), gone.len(), "somebody was deleted twice");
    assert_eq!(once, expected);
    let trail = run(folder.path(), &["audit", "export", "--action", "user.deleted"]);
    assert_eq!(String::from_utf8(trail.stdout).unwrap().lines().count(), gone.len());
    assert_sound(folder.path());
}

async fn all_gone(folder: &Folder, count: usize) {
    eventually("the clean-up comes to its end", async || deleted(folder).len() >= count).await;
}

#[test]
fn a_clean_up_that_is_killed_skips_nobody_and_takes_nobody_twice() {
    case(async {
        let folder = Folder::new();
        let guests = stale(&folder, rounds(1_500, 20_000)).await;
        let mut stay = Vec::new();
        for _ in 0..rounds(4, 50) {
            let server = start(&folder, &aged("0"));
            stay.push(server.app().arrive().await.ok().user());
            // The one that was killed has the turn for a second.
            a_while(Duration::from_millis(1_800)).await;
            server.kill();
        }
        let server = start(&folder, &aged("0"));
        all_gone(&folder, guests.len()).await;
        server.stop();
        assert_gone(&folder, guests.into_iter().map(|guest| guest.user));
        assert_eq!(stay.len(), rounds(4, 50));
    });
}

#[test]
fn a_clean_up_that_was_asked_for_goes_on_after_a_kill() {
    case(async {
        let folder = Folder::new();
        let guests = stale(&folder, rounds(1_500, 20_000)).await;
        let server = start(&folder, &on_demand());
        let operator = server.app().bearing(KEY);
        // The read model that it goes by has to know them.
        let known = async || operator.post("/admin/list-users", json!({})).await.ok().body["total"] == guests.len();
        eventually("the directory is filled", known).await;
        let asked = operator.post("/admin/guests/cleanup", json!({ "maxAge": 3600 })).await.ok();
        let job = json!({ "jobId": asked.body["job"]["id"] });
        a_while(Duration::from_millis(300)).await;
        server.kill();
        for _ in 1..rounds(4, 50) {
            let server = start(&folder, &on_demand());
            a_while(Duration::from_millis(1_800)).await;
            server.kill();
        }
        let server = start(&folder, &on_demand());
        let operator = server.app().bearing(KEY);
        let ended = async || operator.post("/admin/get-job", job.clone()).await.ok().body["status"] == "finished";
        eventually("the job ends", ended).await;
        server.stop();
        assert_gone(&folder, guests.into_iter().map(|guest| guest.user));
    });
}

/// The lease is a courtesy: taken away again and again, it leaves both nodes at work.
#[test]
fn two_nodes_that_both_believe_they_lead_do_no_harm() {
    case(async {
        let folder = Folder::new();
        let guests = stale(&folder, rounds(1_500, 5_000)).await;
        let (one, two) = (start(&folder, &aged("0")), start(&folder, &aged("0")));
        eventually("the clean-up comes to its end", async || {
            for _ in 0..10 {
                folder.alter("DELETE FROM leases WHERE name = 'expiry'");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            deleted(&folder).len() >= guests.len()
        })
        .await;
        one.stop();
        two.stop();
        assert_gone(&folder, guests.into_iter().map(|guest| guest.user));
    });
}

/// What a guest does while it is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    Visits,
    Upgrades,
}

/// CONTRACT 2.3, 2.7: whoever is told that they are here, or are a member now, is so afterwards.
#[test]
fn a_visit_and_an_upgrade_win_over_a_clean_up() {
    case(async {
        let folder = Folder::new();
        let guests = stale(&folder, rounds(400, 10_000)).await;
        let server = start(&folder, &aged("0"));
        let mut races = JoinSet::new();
        for guest in guests {
            let app = server.app().bearing(&guest.token);
            // An upgrade hashes first: few of them, and the rest is there to be cleaned up.
            let doing = match below(20) {
                0 => Doing::Upgrades,
                1..=9 => Doing::Visits,
                _ => Doing::Nothing,
            };
            races.spawn(async move {
                a_while(Duration::from_millis(1_000)).await;
                let stays = takes_part(&app, doing).await;
                (guest, app, doing, stays)
            });
        }
        let outcomes = races.join_all().await;
        let goes = outcomes.iter().filter(|(.., stays)| !stays).count();
        all_gone(&folder, goes).await;
        for (guest, app, doing, stays) in &outcomes {
            let now = app.session().await.ok();
            assert_eq!(now.body != Value::Null, *stays, "{}", guest.user);
            assert!(!stays || now.is_anonymous() == Some(*doing != Doing::Upgrades), "{}", guest.user);
        }
        server.stop();
        assert_gone(&folder, outcomes.into_iter().filter(|(.., stays)| !stays).map(|(guest, ..)| guest.user));
    });
}

/// Whether it was told that it is here.
async fn takes_part(app: &Client, doing: Doing) -> bool {
    match doing {
        Doing::Nothing => false,
        Doing::Visits => app.session().await.ok().body != Value::Null,
        Doing::Upgrades => {
            let answer = app.upgrade(&address()).await;
            let late = (answer.status, answer.code()) == (StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
            assert!(answer.status == StatusCode::OK || late, "{answer:?}");
            !late
        }
    }
}

/// A clock that is wrong at the start is set right a moment later: until then nobody goes.
#[test]
fn nobody_goes_in_the_first_minute() {
    case(async {
        let folder = Folder::new();
        let guests = stale(&folder, 20).await;
        let server = start(&folder, &aged("1m"));
        // Long enough for three looks.
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        server.stop();
        assert_eq!(deleted(&folder), [] as [String; 0]);
        let server = start(&folder, &aged("0"));
        all_gone(&folder, guests.len()).await;
        server.stop();
        assert_gone(&folder, guests.into_iter().map(|guest| guest.user));
    });
}

/// A visit is answered while the store takes nothing, and counts all the same.
#[test]
fn a_visit_that_the_store_did_not_take_is_recorded_when_it_is_back() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        let guest = server.browser();
        guest.arrive().await.ok();
        // Whoever has the write lock keeps everybody else from writing, and nobody from reading.
        let lock = rusqlite::Connection::open(folder.database()).unwrap();
        let recorded = || {
            let sql = "SELECT count(*) FROM events WHERE type = 'ActivityRecorded'";
            lock.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(guest.session().await.ok().is_anonymous(), Some(true));
        assert_eq!(recorded(), 0);
        lock.execute_batch("ROLLBACK").unwrap();
        eventually("the visit is recorded", async || recorded() == 1).await;
        server.stop();
        assert_sound(folder.path());
    });
}
