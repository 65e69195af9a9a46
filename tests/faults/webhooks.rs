//! `kill -9` in the middle of deliveries: whoever wants to be told is told, of everything, in order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{a_while, rounds};
use crate::process::{Client, Folder, Server, assert_sound, case, prints};
use crate::webhooks::receiver::{Heard, Reaction, Receiver, TAKEN};

const FLAGS: [&str; 4] = ["--set", "rate_limits=off", "--set", "outgoing.allow=127.0.0.0/8"];

/// An API key of the operator's.
pub fn key(folder: &Path) -> String {
    prints(folder, &["api-key", "create", "--name", "tests"]).trim().to_owned()
}

/// Has the receiver told of users.
pub async fn endpoint(operator: &Client, receiver: &Receiver) -> Value {
    let body = json!({ "url": receiver.url(), "eventTypes": ["user.created", "user.updated"] });
    operator.post("/banata/webhooks/create", body).await.ok().body
}

/// A guest who changes their name some times. Answers who it was, and how often that was acknowledged.
pub async fn visit(app: &Client, changes: usize) -> Option<(String, usize)> {
    let guest = app.try_post("/sign-in/anonymous", json!({})).await?.ok();
    let client = app.bearing(&guest.token());
    let mut acknowledged = 0;
    for n in 0..changes {
        match client.try_post("/update-user", json!({ "name": format!("Jane {n}") })).await {
            Some(answer) => drop(answer.ok()),
            None => break,
        }
        acknowledged += 1;
    }
    Some((guest.user(), acknowledged))
}

/// What the receiver took, as far as it knows.
fn is_taken(heard: &Heard) -> bool {
    !matches!(heard.answered, Some(300..))
}

/// Every user is told of, as often as they were acknowledged to have done something, and in order: nothing is tried before
/// all that comes before it was taken. What is said again is said under the same id.
pub fn assert_told(heard: &[Heard], visits: &[(String, usize)]) {
    // The ids of deeds sort as they were done.
    let deed = |one: &Heard| one.body["id"].as_str().unwrap().to_owned();
    let mut deeds: HashMap<&str, BTreeMap<String, &Heard>> = HashMap::new();
    for one in heard {
        let known = deeds.entry(one.user()).or_default().entry(deed(one)).or_insert(one);
        assert_eq!(known.id(), one.id());
    }
    let mut taken: HashSet<String> = HashSet::new();
    for one in heard {
        let before = deeds[one.user()].range(..deed(one)).map(|(deed, _)| deed);
        let early: Vec<_> = before.filter(|deed| !taken.contains(*deed)).collect();
        assert!(early.is_empty(), "{} of {} came before {early:?}", deed(one), one.user());
        if is_taken(one) {
            taken.insert(deed(one));
        }
    }
    for (user, changes) in visits {
        let told = deeds.get(user.as_str()).unwrap_or_else(|| panic!("{user} was skipped"));
        assert!(told.len() > *changes, "{user} did {changes} things, and {} were told", told.len() - 1);
        assert_eq!(told.values().next().unwrap().event(), "user.created");
    }
}

pub fn all_told(heard: &[Heard], visits: &[(String, usize)]) -> bool {
    let mut ids: HashMap<&str, HashSet<&str>> = HashMap::new();
    for one in heard.iter().filter(|heard| is_taken(heard)) {
        ids.entry(one.user()).or_default().insert(one.id());
    }
    visits.iter().all(|(user, changes)| ids.get(user.as_str()).is_some_and(|ids| ids.len() > *changes))
}

/// One in eight, whose messages are refused.
fn is_unlucky(user: &str) -> bool {
    user.bytes().last().is_some_and(|last| last % 8 == 0)
}

#[test]
fn a_server_killed_in_the_middle_of_deliveries_skips_nothing() {
    case(async {
        let folder = Folder::new();
        let key = key(folder.path());
        // Slow enough that there is always something under way.
        let receiver = Receiver::reacting(|heard| match is_unlucky(heard.user()) {
            true => Reaction::Status(500),
            false => Reaction::Late(Duration::from_millis(3), 204),
        })
        .await;
        let mut visits = Vec::new();
        for round in 0..rounds(6, 50) {
            let server = Server::start_with(folder.path(), &FLAGS);
            if round == 0 {
                endpoint(&server.app().bearing(&key), &receiver).await;
            }
            let app = server.app();
            let crowd = tokio::spawn(async move {
                let visits = (0..200).map(|n| {
                    let app = app.clone();
                    async move {
                        tokio::time::sleep(Duration::from_millis(n * 5)).await;
                        visit(&app, 4).await
                    }
                });
                futures_util::future::join_all(visits).await
            });
            tokio::time::sleep(Duration::from_millis(300)).await;
            a_while(Duration::from_millis(900)).await;
            server.kill();
            visits.extend(crowd.await.unwrap().into_iter().flatten());
        }
        assert!(visits.len() > 50, "the load was none");
        let (unlucky, lucky): (Vec<_>, Vec<_>) = visits.iter().cloned().partition(|(user, _)| is_unlucky(user));
        assert!(unlucky.len() > 5, "nobody is refused");

        // Nobody waits for those who are refused.
        let server = Server::start_with(folder.path(), &FLAGS);
        let heard = receiver.until("everybody else is told of", |heard| all_told(heard, &lucky)).await;
        assert_told(&heard, &lucky);
        server.kill();

        // Their time has come.
        folder.alter("UPDATE webhook_waiting SET due_at = 0");
        receiver.react(|_| TAKEN);
        let server = Server::start_with(folder.path(), &FLAGS);
        let heard = receiver.until("everybody is told of", |heard| all_told(heard, &visits)).await;
        assert_told(&heard, &visits);
        let ids: HashSet<_> = heard.iter().map(Heard::id).collect();
        eprintln!("{} messages, {} of them again", heard.len(), heard.len() - ids.len());
        server.stop();
        assert_sound(folder.path());
    });
}
