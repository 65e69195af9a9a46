//! What is true at one node is true at the other, at the next request.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::admission::solver::solve;
use crate::faults::races::one_address_for;
use crate::faults::rounds;
use crate::postgres::Cluster;
use crate::process::{Answer, Folder, Server, address, assert_sound, case};

/// A session that both nodes know ends at one of them, and is over at the other.
pub async fn ends_at_both(here: &Server, there: &Server, answered: &Answer) {
    let (at_one, at_other) = (here.app().bearing(&answered.token()), there.app().bearing(&answered.token()));
    assert_eq!(at_other.session().await.ok().user(), answered.user());
    at_one.post("/sign-out", json!({})).await.ok();
    assert_eq!(at_other.session().await.ok().body, Value::Null);
}

/// Two guests, each at a node of its own, want one address: one gets it, and both nodes know whose it is. Answers the winner.
pub async fn one_address_for_both(one: &Server, two: &Server) -> Answer {
    let email = address();
    let mut guests = Vec::new();
    for server in [one, two] {
        let token = server.app().arrive().await.ok().token();
        guests.push(server.app().bearing(&token));
    }
    let won = one_address_for(guests, &email).await;
    for server in [one, two] {
        assert_eq!(server.app().sign_in(&email).await.ok().user(), won.user());
    }
    won
}

#[test]
fn a_session_that_ends_at_one_node_is_over_at_the_other() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let (one, two) = (Server::start(folder.path()), Server::start(folder.path()));
        for round in 0..rounds(50, 1000) {
            let (here, there) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
            ends_at_both(here, there, &here.app().arrive().await.ok()).await;
        }
        one.stop();
        two.stop();
    });
}

#[test]
fn a_limit_on_guests_holds_across_nodes() {
    case(async {
        const LIMIT: usize = 30;
        let cluster = Cluster::start();
        for _ in 0..rounds(2, 20) {
            let folder = Folder::on(&cluster.url());
            let (one, two) = (Server::start_with(folder.path(), &[]), Server::start_with(folder.path(), &[]));
            let mut calls = JoinSet::new();
            for number in 0..100 {
                let app = if number % 2 == 0 { one.app() } else { two.app() };
                calls.spawn(async move { app.arrive().await.status });
            }
            let answers = calls.join_all().await;
            let admitted = answers.iter().filter(|status| **status == StatusCode::OK).count();
            let refused = answers.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
            assert_eq!((admitted, refused), (LIMIT, 100 - LIMIT));
            one.stop();
            two.stop();
            crate::postgres::execute(&cluster.url(), "DROP SCHEMA chrysalis CASCADE");
        }
    });
}

#[test]
fn budgets_of_the_hour_hold_across_nodes() {
    case(async {
        const LIMIT: usize = 120;
        let cluster = Cluster::start();
        let budgets =
            [["guests_per_minute=0", "guests_per_hour=120"], ["guests_per_minute=0", "service_guests_per_day=120"]];
        for budget in budgets {
            let folder = Folder::on(&cluster.url());
            let flags = ["--set", budget[0], "--set", budget[1]];
            let (one, two) = (Server::start_with(folder.path(), &flags), Server::start_with(folder.path(), &flags));
            let mut calls = JoinSet::new();
            for number in 0..200 {
                let app = if number % 2 == 0 { one.app() } else { two.app() };
                calls.spawn(async move { app.arrive().await.status });
            }
            let answers = calls.join_all().await;
            let admitted = answers.iter().filter(|status| **status == StatusCode::OK).count();
            let refused = answers.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
            assert_eq!((admitted, refused), (LIMIT, 200 - LIMIT), "{budget:?}");
            one.stop();
            two.stop();
            crate::postgres::execute(&cluster.url(), "DROP SCHEMA chrysalis CASCADE");
        }
    });
}

#[test]
fn a_puzzle_that_was_solved_opens_one_of_two_nodes() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let flags = ["--set", "challenge.kind=work", "--set", "challenge.effort=1", "--set", "guests_per_minute=0"];
        let (one, two) = (Server::start_with(folder.path(), &flags), Server::start_with(folder.path(), &flags));
        for round in 0..rounds(10, 300) {
            let asked = one.app().get("/api/auth/anonymous/challenge").await.ok();
            let shown = json!({ "captchaResponse": solve(&asked.body) });
            let (app, other) = (one.app(), two.app());
            let calls =
                tokio::join!(app.post("/sign-in/anonymous", shown.clone()), other.post("/sign-in/anonymous", shown));
            let (won, lost) = if calls.0.status == StatusCode::OK { calls } else { (calls.1, calls.0) };
            assert_eq!(won.ok().is_anonymous(), Some(true), "round {round}");
            assert_eq!((lost.status, lost.code()), (StatusCode::FORBIDDEN, "CHALLENGE_FAILED"), "round {round}");
        }
        one.stop();
        two.stop();
        assert_sound(folder.path());
    });
}

#[test]
fn of_two_nodes_that_give_away_one_address_one_does() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let (one, two) = (Server::start(folder.path()), Server::start(folder.path()));
        for _ in 0..rounds(20, 500) {
            one_address_for_both(&one, &two).await;
        }
        one.stop();
        two.stop();
        assert_sound(folder.path());
    });
}
