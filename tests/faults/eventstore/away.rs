//! A node is started while EventStoreDB is away: what is read is answered, and it heals by itself where the stream is its own.

use std::collections::HashSet;
use std::time::Duration;

use eventstore_double::Double;
use reqwest::StatusCode;
use serde_json::Value;

use super::cut::refused;
use super::{STREAM, assert_whole, streamed};
use crate::faults::answers_again;
use crate::faults::logs::mailed_token;
use crate::process::{Client, Folder, Server, address, case, eventually, prints, run, unready};

/// Reads go on, writes are told to come back, and the balancer sends nobody.
async fn reads_alone(server: &Server, guest: &Client, user: &str) {
    assert_eq!(guest.session().await.ok().user(), user);
    refused(&server.app().arrive().await);
    refused(&guest.upgrade(&address()).await);
    refused(&unready(server).await);
    assert_eq!(server.app().get("/healthz").await.status, StatusCode::OK);
}

/// Starts a server that is not ready, and waits until it answers.
async fn launch(folder: &Folder) -> Server {
    launch_with(folder, &[]).await
}

async fn launch_with(folder: &Folder, flags: &[&str]) -> Server {
    let mut server = Server::launch(folder.path(), &[&["--set", "rate_limits=off"], flags].concat());
    let app = server.app();
    eventually("it answers", || {
        assert!(server.is_running(), "{:?}", server.lines());
        let app = app.clone();
        async move { app.try_call(reqwest::Method::GET, "/healthz", None, &[]).await.is_some() }
    })
    .await;
    server
}

#[test]
fn a_node_starts_without_eventstoredb_and_heals_when_that_comes() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        let arrived = server.app().arrive().await.ok();
        server.stop();
        double.node(0).crash();

        let server = launch(&folder).await;
        let guest = server.app().bearing(&arrived.token());
        reads_alone(&server, &guest, &arrived.user()).await;
        assert!(
            server.lines().iter().any(|line| line.contains("no connection to EventStoreDB")),
            "{:?}",
            server.lines()
        );

        double.node(0).restart();
        answers_again(&server).await;
        let visitor = server.app();
        eventually("the node is ready", async || visitor.get("/readyz").await.status == StatusCode::OK).await;
        guest.upgrade(&address()).await.ok();
        server.stop();
        assert_whole(&double, folder.path());
    });
}

#[test]
fn a_node_that_started_without_eventstoredb_stores_nothing_in_another_log() {
    case(async {
        let double = Double::start();
        let (folder, other) = (Folder::on_stream(&double.url(), "ours"), Folder::on_stream(&double.url(), "theirs"));
        let mut arrived = Vec::new();
        for folder in [&folder, &other] {
            let server = Server::start(folder.path());
            arrived.push(server.app().arrive().await.ok());
            server.stop();
        }
        // As long as ours, or longer: by its length it could be the right one.
        let server = Server::start(other.path());
        server.app().arrive().await.ok();
        server.stop();
        folder.name_stream(&double.url(), "theirs");
        let before = double.events();
        double.node(0).crash();

        let server = launch(&folder).await;
        let guest = server.app().bearing(&arrived[0].token());
        reads_alone(&server, &guest, &arrived[0].user()).await;
        double.node(0).restart();
        eventually("it is seen", || async {
            server
                .lines()
                .iter()
                .any(|line| line.contains("don't belong together") && line.contains("CHRYSALIS_READ_STORE"))
        })
        .await;
        reads_alone(&server, &guest, &arrived[0].user()).await;
        server.stop();
        assert_eq!(double.events().len(), before.len());

        // Whoever starts now is told at once.
        let (status, lines) = Server::launch(folder.path(), &[]).wait();
        let last = lines.last().unwrap();
        assert!(!status.success() && last.contains("don't belong together") && !last.contains("damaged"), "{lines:?}");
        assert_eq!(lines.len(), 1, "it is said once: {lines:?}");
        folder.name_stream(&double.url(), "ours");
        let server = Server::start(folder.path());
        assert_eq!(guest.at(&server).session().await.ok().user(), arrived[0].user());
        server.stop();
    });
}

/// The first API key and the role of an administrator: whatever the configuration has written when a node starts.
#[test]
fn what_a_node_begins_with_is_written_when_eventstoredb_comes() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        let (ada, email) = (server.browser(), address());
        let arrived = ada.arrive().await.ok();
        ada.upgrade(&email).await.ok();
        let link = format!("/api/auth/verify-email?token={}", mailed_token(&folder).await);
        ada.get(&link).await.ok();
        server.stop();
        double.node(0).crash();

        let key = "sk_live_0123456789abcdefghijklmnopqrstuv";
        let (given, named) = (format!("bootstrap_api_key={key}"), format!("admin.emails={email}"));
        let server = launch_with(&folder, &["--set", &given, "--set", &named]).await;
        let (ada, keys) = (ada.at(&server), server.app().bearing(key));
        let known = ada.session().await.ok();
        assert_eq!((known.user(), &known.body["user"]["role"]), (arrived.user(), &serde_json::json!("user")));
        refused(&unready(&server).await);
        assert_eq!(keys.get("/api/auth/api-key/list").await.status, StatusCode::UNAUTHORIZED);
        assert!(server.lines().iter().any(|line| line.contains("still to be written")), "{:?}", server.lines());

        double.node(0).restart();
        let visitor = server.app();
        eventually("the node is ready", async || visitor.get("/readyz").await.status == StatusCode::OK).await;
        // Whoever waited for that is served by all of it.
        assert_eq!(keys.get("/api/auth/api-key/list").await.ok().body.as_array().unwrap().len(), 1);
        assert_eq!(ada.session().await.ok().body["user"]["role"], "admin");
        server.stop();
        let server = Server::start_with(folder.path(), &["--set", &given, "--set", &named]);
        let listed = server.app().bearing(key).get("/api/auth/api-key/list").await.ok();
        assert_eq!(listed.body.as_array().unwrap().len(), 1);
        server.stop();
        assert_whole(&double, folder.path());
    });
}

/// Nobody knows yet whose the read store is.
#[test]
fn a_first_start_needs_eventstoredb() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        double.node(0).crash();
        let (status, lines) = Server::launch(folder.path(), &[]).wait();
        let last = lines.last().unwrap();
        assert!(!status.success() && last.contains("on a first start"), "{lines:?}");
        assert!(!last.contains("damaged"), "{last}");
        double.node(0).restart();
        Server::start(folder.path()).stop();
    });
}

/// Who only looks needs nothing but the read store; who writes is told, and nothing is half done.
#[test]
fn commands_look_without_eventstoredb_and_write_nothing() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        server.app().arrive().await.ok();
        server.stop();
        let head = prints(folder.path(), &["log", "head"]);
        double.node(0).crash();
        assert_eq!(prints(folder.path(), &["log", "head"]), head);
        prints(folder.path(), &["keys", "list"]);
        // What stands in the stream may be more than what is read: nobody copies less than all of it.
        let (here, there) = (double.url(), format!("sqlite:{}", folder.path().join("copy.db").display()));
        let copy = ["log", "copy", "--from", &here, "--to", &there];
        for writes in [&["api-key", "create", "--name", "late"][..], &["verify"], &copy] {
            let refused = run(folder.path(), writes);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("no connection to EventStoreDB"), "{writes:?}: {said}");
        }
        double.node(0).restart();
        assert_eq!(prints(folder.path(), &["log", "head"]), head);
        prints(folder.path(), &copy);
        assert_whole(&double, folder.path());
    });
}

/// Mails that can't be written down are tried every second: an operator reads once that they stand still, for each reason that
/// there is, and once that they go on.
#[test]
fn what_stands_still_is_said_once_and_that_it_goes_on() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        let guest = server.app().bearing(&server.app().arrive().await.ok().token());
        let held = double.hold_type("MailSent");
        guest.upgrade(&address()).await.ok();
        held.waiting(1).await;
        double.node(0).crash();
        drop(held);
        let said = |message: &str| -> Vec<Value> {
            let lines = server.lines();
            let read = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
            read.filter(|line| line["follower"] == "mail" && line["message"].as_str().unwrap().contains(message))
                .collect()
        };
        eventually("mails stand still", async || !said("mails stand still").is_empty()).await;
        // How often they are tried meanwhile is what is tested.
        tokio::time::sleep(Duration::from_secs(4)).await;
        double.node(0).restart();
        eventually("the mails go on", async || !said("goes on").is_empty()).await;
        let (stands, goes_on) = (said("mails stand still"), said("goes on"));
        let reasons: HashSet<_> = stands.iter().map(|line| line["fault"].to_string()).collect();
        assert!(!stands.is_empty() && stands.len() == reasons.len(), "{stands:#?}");
        assert!(goes_on.len() == 1 && goes_on[0]["times"].as_u64().unwrap() > stands.len() as u64, "{goes_on:?}");
        eventually("the mail is sent", async || streamed(&double, "MailSent") == 1).await;
        server.stop();
        assert_whole(&double, folder.path());
    });
}
