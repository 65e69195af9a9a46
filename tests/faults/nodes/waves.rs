//! A wave is out of use at every node, and back at every node, whichever does the job.

use serde_json::{Value, json};

use crate::faults::rounds;
use crate::postgres::Cluster;
use crate::process::{Client, Folder, Server, assert_sound, case, eventually};

const KEY: &str = "sk_test_0123456789abcdefghijklmnopqrstuv";
const FLAGS: [&str; 4] =
    ["--set", "rate_limits=off", "--set", "bootstrap_api_key=sk_test_0123456789abcdefghijklmnopqrstuv"];

async fn ended(operator: &Client, asked: &Value) -> Value {
    let id = json!({ "jobId": asked["job"]["id"] });
    let job = || async { operator.post("/admin/get-job", id.clone()).await.ok().body };
    eventually("the job ends", || async { job().await["status"] != "running" }).await;
    job().await
}

#[test]
fn a_wave_is_out_of_use_at_every_node() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let nodes = [Server::start_with(folder.path(), &FLAGS), Server::start_with(folder.path(), &FLAGS)];
        let mut tokens = Vec::new();
        for number in 0..100 {
            tokens.push(nodes[number % 2].app().arrive().await.ok().token());
        }
        for round in 0..rounds(2, 20) {
            let operator = nodes[round % 2].app().bearing(KEY);
            let wave = json!({ "from": 0, "to": 4_000_000_000_000_i64 });
            let asked = operator.post("/admin/guests/disable-wave", wave).await.ok().body;
            let job = ended(&operator, &asked).await;
            assert_eq!(job["disabled"], 100);
            for (token, node) in tokens.iter().flat_map(|token| nodes.iter().map(move |node| (token, node))) {
                assert_eq!(node.app().bearing(token).session().await.ok().body, Value::Null);
            }
            let other = nodes[(round + 1) % 2].app().bearing(KEY);
            let asked = other.post("/admin/guests/restore-wave", json!({ "jobId": job["id"] })).await.ok().body;
            assert_eq!(ended(&other, &asked).await["restored"], 100);
            for (token, node) in tokens.iter().flat_map(|token| nodes.iter().map(move |node| (token, node))) {
                assert!(node.app().bearing(token).session().await.ok().body.is_object());
            }
        }
        for node in nodes {
            node.stop();
        }
        assert_sound(folder.path());
    });
}
