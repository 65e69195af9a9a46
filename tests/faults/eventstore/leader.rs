//! The cluster gets another leader under load, by election or because the old one is gone: nothing acknowledged is lost, and
//! nothing stands twice.

use std::time::Duration;

use eventstore_double::Double;

use super::{STREAM, assert_whole};
use crate::faults::lives::{Crowd, Life};
use crate::faults::{a_while, answers_again, rounds};
use crate::process::{Folder, Server, case};

#[test]
fn nothing_is_lost_or_repeated_when_another_node_leads() {
    case(async {
        let double = Double::cluster(3);
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        let mut lives: Vec<Life> = Vec::new();
        let mut leader = 0;
        for round in 0..rounds(4, 40) {
            let crowd = Crowd::patient(&[&server], 12);
            a_while(Duration::from_millis(800)).await;
            let (old, next) = (leader, (leader + 1) % 3);
            match round % 3 {
                0 => double.elect(next),
                1 => {
                    double.depose();
                    a_while(Duration::from_millis(600)).await;
                    double.elect(next);
                }
                _ => {
                    double.node(old).crash();
                    a_while(Duration::from_millis(600)).await;
                    double.elect(next);
                }
            }
            leader = next;
            answers_again(&server).await;
            a_while(Duration::from_millis(300)).await;
            if round % 3 == 2 {
                double.node(old).restart();
            }
            let lived = crowd.disperse().await;
            for life in &lived {
                life.assert_remembered(&server).await;
            }
            lives.extend(lived);
        }
        assert!(lives.iter().any(Life::is_member), "the load was none");
        for life in &lives {
            life.assert_remembered(&server).await;
        }
        server.stop();
        assert_whole(&double, folder.path());
    });
}

/// Who led says who does: nobody is refused for it, and no balancer sends anybody away.
#[test]
fn an_election_alone_is_no_outage() {
    case(async {
        let double = Double::cluster(3);
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        let visitor = server.app();
        for leader in [1, 2, 0] {
            double.elect(leader);
            // What a node says of itself holds for a second: it is asked for longer than that.
            for _ in 0..30 {
                visitor.get("/readyz").await.ok();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            visitor.arrive().await.ok();
        }
        let said = server.lines();
        assert!(!said.iter().any(|line| line.contains("does not take part")), "{said:#?}");
        server.stop();
        assert_whole(&double, folder.path());
    });
}
