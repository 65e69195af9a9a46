//! PostgreSQL is away: that is said when it begins and when it is over, and not with every call.

use reqwest::StatusCode;

use crate::faults::{answers_again, errors_said_once};
use crate::postgres::Cluster;
use crate::process::{Folder, Server, case, eventually};

#[test]
fn an_outage_is_said_when_it_begins_and_when_it_is_over() {
    case(async {
        let mut cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let server = Server::start(folder.path());
        let guest = server.browser();
        guest.arrive().await.ok();
        cluster.kill();
        let refused = StatusCode::SERVICE_UNAVAILABLE;
        eventually("calls are refused", async || guest.session().await.status == refused).await;
        for _ in 0..50 {
            assert_eq!(guest.session().await.status, refused);
            assert_eq!(server.app().arrive().await.status, refused);
        }
        errors_said_once(&server, 4);

        cluster.restart();
        answers_again(&server).await;
        let over = || server.lines().into_iter().find(|line| line.contains("the store takes part again"));
        eventually("it is said that it is over", async || over().is_some()).await;
        let line: serde_json::Value = serde_json::from_str(&over().unwrap()).unwrap();
        assert!(line["refused"].as_u64().unwrap() >= 100, "{line}");
        server.stop();
    });
}
