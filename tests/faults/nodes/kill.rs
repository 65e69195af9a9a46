//! `kill -9` of a node, of all nodes, of PostgreSQL, under load: what was acknowledged is there, and the log is whole.

use std::time::Duration;

use crate::faults::lives::{Crowd, Life};
use crate::faults::{a_while, answers_again, rounds};
use crate::postgres::Cluster;
use crate::process::{Folder, Server, assert_sound, case};

const ACTORS: usize = 24;

#[test]
fn nothing_acknowledged_is_lost_whoever_is_killed() {
    case(async {
        let mut cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let mut lives: Vec<Life> = Vec::new();
        let (mut one, mut two) = (Server::start(folder.path()), Server::start(folder.path()));
        for round in 0..rounds(6, 100) {
            let crowd = Crowd::patient(&[&one, &two], ACTORS);
            a_while(Duration::from_millis(1200)).await;
            match round % 3 {
                0 => two.kill(),
                1 => {
                    one.kill();
                    two.kill();
                    one = Server::start(folder.path());
                }
                _ => {
                    cluster.kill();
                    a_while(Duration::from_millis(600)).await;
                    cluster.restart();
                    // They live on, and find it again by themselves.
                    answers_again(&one).await;
                    answers_again(&two).await;
                    two.kill();
                }
            }
            let lived = crowd.disperse().await;
            for life in &lived {
                life.assert_remembered(&one).await;
            }
            two = Server::start(folder.path());
            for life in lived.iter().filter(|life| life.is_member()).take(3) {
                life.assert_signs_in(&two).await;
            }
            assert_sound(folder.path());
            lives.extend(lived);
        }
        assert!(lives.iter().any(Life::is_member) && lives.iter().any(Life::has_ended), "the load was none");
        // Later crashes take nothing that earlier ones had left.
        for life in &lives {
            life.assert_remembered(&one).await;
        }
        one.stop();
        two.stop();
        assert!(assert_sound(folder.path()) >= u64::try_from(lives.len()).unwrap());
    });
}
