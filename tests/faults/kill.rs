//! `kill -9` under load: what was acknowledged is there, and the log is whole.

use std::time::Duration;

use super::lives::{Crowd, Life};
use super::{a_while, rounds};
use crate::process::{Folder, Server, assert_sound, case};

const ACTORS: usize = 24;

/// Under load, again and again, on whichever store: `sound` looks at the whole log and answers how many events there are.
pub async fn killed_under_load(folder: &Folder, times: usize, sound: impl Fn() -> u64) {
    let mut lives: Vec<Life> = Vec::new();
    for round in 0..times {
        let server = Server::start(folder.path());
        let crowd = Crowd::gather(&server, ACTORS);
        a_while(Duration::from_millis(1500)).await;
        server.kill();
        let lived = crowd.disperse().await;
        // Who opens the store first repairs it: once this command, once the server.
        if round % 2 == 0 {
            sound();
        }
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
    // Later crashes take nothing that earlier ones had left.
    let server = Server::start(folder.path());
    for life in &lives {
        life.assert_remembered(&server).await;
    }
    server.stop();
    assert!(sound() >= u64::try_from(lives.len()).unwrap());
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    case(async {
        let folder = Folder::new();
        killed_under_load(&folder, rounds(5, 100), || assert_sound(folder.path())).await;
    });
}

#[test]
fn a_server_killed_while_it_first_starts_starts_again() {
    case(async {
        for _ in 0..rounds(5, 100) {
            let folder = Folder::new();
            let server = Server::launch(folder.path(), &[]);
            a_while(Duration::from_millis(120)).await;
            server.kill();
            let server = Server::start(folder.path());
            let guest = server.browser();
            guest.arrive().await.ok();
            server.kill();
            let server = Server::start(folder.path());
            assert_eq!(guest.at(&server).session().await.ok().is_anonymous(), Some(true));
            server.stop();
            assert_sound(folder.path());
        }
    });
}
