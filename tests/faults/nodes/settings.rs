//! What is set at one node holds at the other, at the next request.

use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::faults::rounds;
use crate::postgres::Cluster;
use crate::process::{Client, Folder, PASSWORD, Server, address, assert_sound, case, run};
use crate::support::KEY;

const FLAGS: [&str; 4] =
    ["--set", "rate_limits=off", "--set", "bootstrap_api_key=sk_test_0123456789abcdefghijklmnopqrstuv"];

async fn save(server: &Server, part: Value) {
    server.app().bearing(KEY.1).post("/banata/config/dashboard/save", part).await.ok();
}

async fn arrive(app: &Client) -> (StatusCode, String) {
    let answer = app.post("/sign-in/anonymous", json!({})).await;
    (answer.status, answer.code().to_owned())
}

fn guests(on: bool) -> Value {
    json!({ "authMethods": { "anonymous": on } })
}

#[test]
fn a_save_at_one_node_holds_at_the_next_request_to_the_other() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let (one, two) = (Server::start_with(folder.path(), &FLAGS), Server::start_with(folder.path(), &FLAGS));
        let off = (StatusCode::BAD_REQUEST, "ANONYMOUS_AUTH_DISABLED".to_owned());
        for round in 0..rounds(60, 1000) {
            let (here, there) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
            // What would have been stored, and what would have been refused.
            save(here, guests(false)).await;
            assert_eq!(arrive(&there.app()).await, off, "round {round}");
            save(here, guests(true)).await;
            assert_eq!(arrive(&there.app()).await.0, StatusCode::OK, "round {round}");

            let upgrade = async |length: usize| {
                save(here, json!({ "emailPassword": { "minPasswordLength": length } })).await;
                let guest = there.browser();
                guest.arrive().await.ok();
                let form = json!({ "email": address(), "password": PASSWORD });
                guest.post("/anonymous/upgrade", form).await
            };
            assert_eq!(upgrade(PASSWORD.len() + 1).await.code(), "PASSWORD_TOO_SHORT", "round {round}");
            assert_eq!(upgrade(8).await.status, StatusCode::OK, "round {round}");

            // An identity provider comes and goes.
            let provider = async |provider: Value| {
                let path = if provider["clientId"].is_null() { "delete" } else { "save" };
                let path = format!("/banata/config/social-providers/{path}");
                here.app().bearing(KEY.1).post(&path, provider).await.ok();
                there.app().post("/sign-in/social", json!({ "provider": "github" })).await
            };
            let client = format!("client-{round}");
            let away = provider(json!({ "providerId": "github", "clientId": client })).await.ok();
            assert!(away.body["url"].as_str().unwrap().contains(&format!("client_id={client}&")), "round {round}");
            let gone = provider(json!({ "providerId": "github" })).await;
            assert_eq!(gone.code(), "PROVIDER_NOT_FOUND", "round {round}");
        }
        one.stop();
        two.stop();
        assert_sound(folder.path());
    });
}

#[test]
fn an_origin_is_trusted_and_no_more_at_both_nodes() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let (one, two) = (Server::start_with(folder.path(), &FLAGS), Server::start_with(folder.path(), &FLAGS));
        for round in 0..rounds(40, 500) {
            let (here, there) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
            let page = format!("https://app-{round}.example.com");
            let visitor = there.app().on_page(&page);
            save(here, json!({ "sessions": { "corsOrigins": [page] } })).await;
            let arrived = visitor.arrive().await.ok();
            assert_eq!(arrived.headers["access-control-allow-origin"], page.as_str(), "round {round}");
            save(here, json!({ "sessions": { "corsOrigins": [] } })).await;
            assert_eq!(visitor.arrive().await.code(), "INVALID_ORIGIN", "round {round}");
        }
        one.stop();
        two.stop();
    });
}

/// Saves at one node, arrivals at both: whatever either believes, no guest stands in the log behind the word that none may
/// come.
#[test]
fn no_guest_comes_after_guests_were_switched_off_at_the_other_node() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let (one, two) = (Server::start_with(folder.path(), &FLAGS), Server::start_with(folder.path(), &FLAGS));
        let mut arriving = JoinSet::new();
        for visitor in 0..8 {
            let app = if visitor % 2 == 0 { one.app() } else { two.app() };
            arriving.spawn(async move {
                let mut answers = HashMap::new();
                for _ in 0..rounds(60, 2000) {
                    *answers.entry(arrive(&app).await).or_insert(0) += 1;
                }
                answers
            });
        }
        for round in 0..rounds(60, 2000) {
            save(&one, guests(round % 2 == 1)).await;
        }
        for answers in arriving.join_all().await {
            for ((status, code), _) in answers {
                assert!(status == StatusCode::OK || code == "ANONYMOUS_AUTH_DISABLED", "{status} {code}");
            }
        }
        one.stop();
        two.stop();
        assert_sound(folder.path());
        assert_no_guest_while_off(&folder);
    });
}

fn assert_no_guest_while_off(folder: &Folder) {
    let shown = run(folder.path(), &["log", "show", "--limit", "1000000"]);
    let (mut on, mut guests, mut switches) = (true, 0, 0);
    for line in String::from_utf8(shown.stdout).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        match event["type"].as_str().unwrap() {
            "SettingsChanged" => {
                on = event["data"]["after"]["anonymous"]["enabled"].as_bool().unwrap();
                switches += 1;
            }
            "GuestCreated" => {
                assert!(on, "a guest came while none may: {event}");
                assert_eq!(event["settingsVersion"], switches);
                guests += 1;
            }
            _ => {}
        }
    }
    assert!(guests > 0 && switches > 1, "{guests} guests and {switches} switches are no race");
}
