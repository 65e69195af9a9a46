//! Told to stop, a server finishes what it accepted, and does not take for ever.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::rounds;
use crate::process::{Answer, Client, Folder, PASSWORD, Server, address, case, eventually, run};

/// One hash takes so long that on a busy machine, too, everybody has come before the first is answered.
const CRAWLING: [&str; 8] = [
    "--set",
    "rate_limits=off",
    "--set",
    "hashing.threads=1",
    "--set",
    "hashing.iterations=16",
    "--set",
    "hashing.memory_kib=65536",
];

/// Upgrades that wait for their hash: all accepted, none answered yet.
async fn waiting(server: &Server, count: usize) -> (Vec<Client>, JoinSet<Answer>) {
    let (mut guests, mut calls) = (Vec::new(), JoinSet::new());
    for _ in 0..count {
        let guest = server.app().bearing(&server.app().arrive().await.ok().token());
        guests.push(guest.clone());
        calls.spawn(async move { guest.upgrade(&address()).await });
    }
    // One is being hashed, the others queue behind it.
    let queued = format!("chrysalis_hash_queue_jobs {}", count - 1);
    let metrics = server.app();
    eventually("every upgrade was accepted", async || {
        metrics.get("/metrics").await.body.as_str().unwrap().lines().any(|line| line == queued)
    })
    .await;
    (guests, calls)
}

#[test]
fn everything_accepted_is_answered() {
    case(async {
        let folder = Folder::new();
        let server = Server::start_with(
            folder.path(),
            &[CRAWLING.as_slice(), ["--set", "shutdown_grace=60s"].as_slice()].concat(),
        );
        let (guests, calls) = waiting(&server, 4).await;
        server.terminate();
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|answer| answer.clone().ok().is_anonymous() == Some(false)));
        let (status, lines) = server.wait();
        assert!(status.success(), "{status}:\n{}", lines.join("\n"));

        let server = Server::start(folder.path());
        for guest in guests {
            assert_eq!(guest.at(&server).session().await.ok().is_anonymous(), Some(false));
        }
        server.stop();
    });
}

#[test]
fn a_stop_is_bounded() {
    case(async {
        let folder = Folder::new();
        let server = Server::start_with(
            folder.path(),
            &[CRAWLING.as_slice(), ["--set", "shutdown_grace=1s"].as_slice()].concat(),
        );
        // More work than the grace allows.
        let (_, calls) = waiting(&server, 20).await;
        server.terminate();
        let told = Instant::now();
        let (status, lines) = server.wait();
        assert!(status.success(), "{status}:\n{}", lines.join("\n"));
        assert!(told.elapsed() < Duration::from_secs(8), "it took {:?}", told.elapsed());
        drop(calls);
    });
}

/// What failed is counted in memory, and a stop is no crash.
#[test]
fn what_failed_is_written_down_first() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let wrong = serde_json::json!({ "email": address(), "password": PASSWORD });
        for _ in 0..3 {
            let refused = server.app().post("/sign-in/email", wrong.clone()).await;
            assert_eq!(refused.code(), "INVALID_EMAIL_OR_PASSWORD");
        }
        server.stop();
        let told = run(folder.path(), &["audit", "export", "--action", "sign_in.failed"]);
        let told = String::from_utf8(told.stdout).unwrap();
        let rows: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // The three may lie on both sides of a minute's end.
        let counted = rows.iter().map(|row| row["metadata"]["count"].as_str().unwrap().parse::<u32>().unwrap());
        assert_eq!(counted.sum::<u32>(), 3, "{told}");
        assert!(rows.iter().all(|row| row["metadata"]["path"] == "/sign-in/email" && row["ipAddress"] == "127.0.0.1"));
    });
}

#[test]
fn from_the_moment_it_says_that_it_answers_a_server_stops_politely() {
    case(async {
        for _ in 0..rounds(10, 100) {
            let folder = Folder::new();
            let mut server = Server::launch(folder.path(), &[]);
            while !server.lines().iter().any(|line| line.contains("Chrysalis answers")) {
                // Asked without a pause: the moment after is what is tested.
                assert!(server.is_running(), "{:?}", server.lines());
                tokio::task::yield_now().await;
            }
            server.stop();
        }
    });
}
