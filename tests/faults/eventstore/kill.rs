//! `kill -9` between what is noted beside the log and the event in the log, and between the event and its rows: no address
//! is lost or held twice.

use std::time::Duration;

use eventstore_double::Double;
use reqwest::StatusCode;
use serde_json::json;

use super::{STREAM, assert_whole, streamed};
use crate::faults::lives::{Crowd, Life};
use crate::faults::{a_while, rounds};
use crate::process::{Folder, PASSWORD, Server, address, case};

const UPGRADED: &str = "GuestUpgraded";

#[test]
fn an_address_is_held_once_whenever_the_server_is_killed() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let (mut server, mut upgraded) = (Server::start(folder.path()), 0);
        for round in 0..rounds(6, 100) {
            let email = address();
            let arrived = server.app().arrive().await.ok();
            let guest = server.app().bearing(&arrived.token());
            // Before the event, which never gets there; or after it, and nobody is told.
            let stored = round % 2 == 1;
            let held = if stored { double.hold_answers(UPGRADED) } else { double.hold_type(UPGRADED) };
            let asking = tokio::spawn({
                let (guest, form) = (guest.clone(), json!({ "email": email, "password": PASSWORD }));
                async move { guest.try_post("/anonymous/upgrade", form).await }
            });
            held.waiting(1).await;
            server.kill();
            assert!(asking.await.unwrap().is_none(), "it was answered");
            held.waiting(0).await;
            drop(held);
            upgraded += usize::from(stored);
            assert_eq!(streamed(&double, UPGRADED), upgraded, "round {round}");

            server = Server::start(folder.path());
            let guest = guest.at(&server);
            let other = server.app().bearing(&server.app().arrive().await.ok().token());
            if stored {
                // Its session goes on under another token, which nobody was told: the password tells who it is.
                let lost = other.upgrade(&email).await;
                assert_eq!((lost.status, lost.code()), (StatusCode::CONFLICT, "EMAIL_ALREADY_IN_USE"), "round {round}");
                assert_eq!(server.app().sign_in(&email).await.ok().user(), arrived.user(), "round {round}");
            } else {
                assert_eq!(guest.session().await.ok().is_anonymous(), Some(true), "round {round}");
                // It is free, for one of two.
                let (one, two) = tokio::join!(guest.upgrade(&email), other.upgrade(&email));
                let (won, lost) = if one.status == StatusCode::OK { (one, two) } else { (two, one) };
                assert_eq!((lost.status, lost.code()), (StatusCode::CONFLICT, "EMAIL_ALREADY_IN_USE"), "round {round}");
                let winner = won.ok().user();
                upgraded += 1;
                assert_eq!(server.app().sign_in(&email).await.ok().user(), winner, "round {round}");
            }
            if round % 10 < 2 {
                assert_whole(&double, folder.path());
            }
        }
        server.stop();
        assert_whole(&double, folder.path());
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let mut lives: Vec<Life> = Vec::new();
        for _ in 0..rounds(3, 50) {
            let server = Server::start(folder.path());
            let crowd = Crowd::gather(&server, 16);
            a_while(Duration::from_millis(1500)).await;
            server.kill();
            let lived = crowd.disperse().await;
            let server = Server::start(folder.path());
            for life in &lived {
                life.assert_remembered(&server).await;
            }
            for life in lived.iter().filter(|life| life.is_member()).take(3) {
                life.assert_signs_in(&server).await;
            }
            server.kill();
            lives.extend(lived);
        }
        assert!(lives.iter().any(Life::is_member) && lives.iter().any(Life::has_ended), "the load was none");
        let server = Server::start(folder.path());
        for life in &lives {
            life.assert_remembered(&server).await;
        }
        server.stop();
        assert!(assert_whole(&double, folder.path()) >= lives.len() as u64);
    });
}
