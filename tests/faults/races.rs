//! Many ask for what only one can have.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{a_while, rounds};
use crate::process::{Answer, Client, Folder, Server, address, assert_sound, case};

const MANY: usize = 64;

/// Each address asked for with the answer it got.
async fn all_at_once(asks: impl IntoIterator<Item = (Client, String)>) -> Vec<(String, Answer)> {
    let mut calls = JoinSet::new();
    for (client, email) in asks {
        calls.spawn(async move {
            let answer = client.upgrade(&email).await;
            (email, answer)
        });
    }
    calls.join_all().await
}

/// The one address or client that won; everybody else was told why not.
fn only_winner<'a>(answers: &'a [(String, Answer)], status: StatusCode, code: &str) -> (&'a str, &'a Answer) {
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, answer)| answer.status == StatusCode::OK);
    for (_, answer) in lost {
        assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    }
    let [(email, answer)] = won[..] else { panic!("{} won", won.len()) };
    (email, answer)
}

/// Several guests ask for one address at once: one gets it, the others are told that it is taken. Answers the winner.
pub async fn one_address_for(guests: impl IntoIterator<Item = Client>, email: &str) -> Answer {
    let answers = all_at_once(guests.into_iter().map(|guest| (guest, email.to_owned()))).await;
    only_winner(&answers, StatusCode::CONFLICT, "EMAIL_ALREADY_IN_USE").1.clone()
}

#[test]
fn of_many_upgrades_of_one_guest_one_wins() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        for round in 0..rounds(2, 20) {
            // By bearer the token stays, by cookie it is rotated under the others' feet.
            let (visitor, arrived) = if round % 2 == 0 {
                let arrived = server.app().arrive().await.ok();
                (server.app().bearing(&arrived.token()), arrived)
            } else {
                let browser = server.browser();
                let arrived = browser.arrive().await.ok();
                (browser, arrived)
            };
            let answers = all_at_once((0..MANY).map(|_| (visitor.clone(), address()))).await;
            let (email, won) = only_winner(&answers, StatusCode::BAD_REQUEST, "USER_IS_NOT_ANONYMOUS");
            assert_eq!((won.user(), won.session()), (arrived.user(), arrived.session()));

            let now = visitor.session().await.ok();
            assert_eq!(
                (now.user(), now.session(), now.is_anonymous()),
                (arrived.user(), arrived.session(), Some(false))
            );
            assert_eq!(now.body["user"]["email"], email);
            // Who lost has taken no address away.
            let (free, _) = answers.iter().find(|(other, _)| other != email).unwrap();
            let other = server.browser();
            other.arrive().await.ok();
            other.upgrade(free).await.ok();
        }
        server.stop();
        assert_sound(folder.path());
    });
}

#[test]
fn of_many_guests_claiming_one_address_one_wins() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        for _ in 0..rounds(1, 20) {
            let email = address();
            let mut guests = Vec::new();
            for _ in 0..MANY {
                let token = server.app().arrive().await.ok().token();
                guests.push(server.app().bearing(&token));
            }
            let won = one_address_for(guests.iter().cloned(), &email).await;
            assert_eq!(server.app().sign_in(&email).await.ok().user(), won.user());
            // Who lost is a guest as before.
            for guest in &guests {
                let now = guest.session().await.ok();
                assert_eq!(now.is_anonymous(), Some(now.user() != won.user()));
            }
        }
        server.stop();
        assert_sound(folder.path());
    });
}

#[test]
fn an_upgrade_and_a_deletion_do_not_both_happen() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        for _ in 0..rounds(1, 20) {
            let mut races = JoinSet::new();
            for _ in 0..MANY {
                let arrived = server.app().arrive().await.ok();
                let guest = server.app().bearing(&arrived.token());
                races.spawn(upgrade_against_deletion(guest, arrived));
            }
            races.join_all().await;
        }
        server.stop();
        assert_sound(folder.path());
    });
}

async fn upgrade_against_deletion(guest: Client, arrived: Answer) {
    let email = address();
    let deletion = async {
        // An upgrade hashes first; without this the deletion would always win.
        a_while(Duration::from_millis(3000)).await;
        guest.post("/delete-anonymous-user", json!({})).await
    };
    let (upgraded, deleted) = tokio::join!(guest.upgrade(&email), deletion);
    let now = guest.session().await.ok();
    if upgraded.status == StatusCode::OK {
        assert_eq!((deleted.status, deleted.code()), (StatusCode::FORBIDDEN, "USER_IS_NOT_ANONYMOUS"), "{deleted:?}");
        assert_eq!((now.user(), now.is_anonymous()), (arrived.user(), Some(false)));
    } else {
        assert_eq!((upgraded.status, upgraded.code()), (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"), "{upgraded:?}");
        deleted.ok();
        assert_eq!(now.body, Value::Null);
    }
}
