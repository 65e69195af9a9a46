//! The primary dies and its synchronous standby takes its place.

use std::time::Duration;

use crate::faults::lives::Crowd;
use crate::faults::{a_while, answers_again, rounds};
use crate::postgres::Cluster;
use crate::process::{Folder, Server, assert_sound, case};

#[test]
fn nothing_acknowledged_is_lost_when_the_standby_takes_over() {
    case(async {
        for _ in 0..rounds(1, 10) {
            let mut primary = Cluster::start();
            let standby = primary.standby();
            primary.wait_for_standby();
            // Both are named; the nodes find out who takes writes.
            let (one, other) = (primary.address(), standby.address());
            let folder = Folder::on(&format!("postgres://chrysalis@{one},{other}/chrysalis"));
            let nodes = [Server::start(folder.path()), Server::start(folder.path())];
            let crowd = Crowd::patient(&[&nodes[0], &nodes[1]], 16);
            a_while(Duration::from_millis(2000)).await;
            primary.kill();
            a_while(Duration::from_millis(500)).await;
            standby.promote();
            for node in &nodes {
                answers_again(node).await;
            }
            a_while(Duration::from_millis(500)).await;
            let lives = crowd.disperse().await;
            assert!(lives.len() > 20, "the load was none");
            for (life, node) in lives.iter().zip(nodes.iter().cycle()) {
                life.assert_remembered(node).await;
            }
            nodes.into_iter().for_each(Server::stop);
            assert_sound(folder.path());
        }
    });
}
