//! Two nodes on one stream, with what is read in one PostgreSQL: what is true at one is true at the other, whoever dies.

use eventstore_double::Double;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{STREAM, assert_whole};
use crate::faults::rounds;
use crate::postgres::Cluster;
use crate::process::{Folder, PASSWORD, Server, address, case, eventually};

#[test]
fn what_one_node_did_the_other_knows_at_the_next_request() {
    case(async {
        let (double, cluster) = (Double::start(), Cluster::start());
        let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), "chrysalis");
        let (one, two) = (Server::start(folder.path()), Server::start(folder.path()));
        for round in 0..rounds(10, 300) {
            let email = address();
            let mut guests = Vec::new();
            for server in [&one, &two] {
                let token = server.app().arrive().await.ok().token();
                guests.push(server.app().bearing(&token));
            }
            let (first, second) = tokio::join!(guests[0].upgrade(&email), guests[1].upgrade(&email));
            let (won, lost) = if first.status == StatusCode::OK { (first, second) } else { (second, first) };
            assert_eq!((lost.status, lost.code()), (StatusCode::CONFLICT, "EMAIL_ALREADY_IN_USE"), "round {round}");
            let (winner, token) = (won.clone().ok().user(), won.token());
            for server in [&one, &two] {
                assert_eq!(server.app().sign_in(&email).await.ok().user(), winner, "round {round}");
            }
            one.app().bearing(&token).post("/sign-out", json!({})).await.ok();
            assert_eq!(two.app().bearing(&token).session().await.ok().body, Value::Null, "round {round}");
        }
        one.stop();
        two.stop();
        assert_whole(&double, folder.path());
    });
}

#[test]
fn what_a_node_left_undone_stops_no_other() {
    case(async {
        let (double, cluster) = (Double::start(), Cluster::start());
        let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), "chrysalis");
        let two = Server::start(folder.path());
        for round in 0..rounds(4, 100) {
            let one = Server::start(folder.path());
            let email = address();
            let arrived = one.app().arrive().await.ok();
            let guest = one.app().bearing(&arrived.token());
            let stored = round % 2 == 1;
            let held = if stored { double.hold_answers("GuestUpgraded") } else { double.hold_type("GuestUpgraded") };
            let form = json!({ "email": email, "password": PASSWORD });
            let asking = tokio::spawn(async move { guest.try_post("/anonymous/upgrade", form).await });
            held.waiting(1).await;
            one.kill();
            assert!(asking.await.unwrap().is_none(), "it was answered");
            held.waiting(0).await;
            drop(held);
            let other = two.app().bearing(&two.app().arrive().await.ok().token());
            let tried = other.upgrade(&email).await;
            if stored {
                assert_eq!(
                    (tried.status, tried.code()),
                    (StatusCode::CONFLICT, "EMAIL_ALREADY_IN_USE"),
                    "round {round}"
                );
                assert_eq!(two.app().sign_in(&email).await.ok().user(), arrived.user(), "round {round}");
            } else {
                tried.ok();
            }
        }
        two.stop();
        assert_whole(&double, folder.path());
    });
}

/// Those who read wait for it, too: nobody has to write first.
#[test]
fn what_a_node_left_undone_is_done_by_another_while_nobody_writes() {
    case(async {
        let (double, cluster) = (Double::start(), Cluster::start());
        let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), "chrysalis");
        let two = Server::start(folder.path());
        for round in 0..rounds(2, 50) {
            let one = Server::start(folder.path());
            let arrived = one.app().arrive().await.ok();
            let (at_one, at_two) = (one.app().bearing(&arrived.token()), two.app().bearing(&arrived.token()));
            // Presented before: nothing is left to be noted about it.
            assert_eq!(at_two.session().await.ok().is_anonymous(), Some(true), "round {round}");
            let held = double.hold_answers("GuestUpgraded");
            let form = json!({ "email": address(), "password": PASSWORD });
            let asking = tokio::spawn(async move { at_one.try_post("/anonymous/upgrade", form).await });
            held.waiting(1).await;
            one.kill();
            assert!(asking.await.unwrap().is_none(), "it was answered");
            let (stands, held) = (double.appends(), held);
            eventually("the upgrade is seen at the other node", || async {
                at_two.session().await.ok().is_anonymous() == Some(false)
            })
            .await;
            assert_eq!(double.appends(), stands, "somebody wrote, round {round}");
            drop(held);
        }
        two.stop();
        assert_whole(&double, folder.path());
    });
}
