//! A stream that does not fit the read store at all: `verify` says what differs, as it does of anything else, and a node that
//! is not ready for it says why, to its operator alone.

use eventstore::{Client, ClientSettings, DeleteStreamOptions, TombstoneStreamOptions};
use eventstore_double::Double;

use super::cut::refused;
use super::{STREAM, assert_whole};
use crate::faults::errors_said_once;
use crate::process::{Folder, Server, case, eventually, run, unready};

/// A read store with the events of some guests, which stand in a stream.
async fn arrived(double: &Double, stream: &str, guests: usize) -> Folder {
    let folder = Folder::on_stream(&double.url(), stream);
    let server = Server::start(folder.path());
    for _ in 0..guests {
        server.app().arrive().await.ok();
    }
    server.stop();
    folder
}

/// It differs, and that is said by name.
fn differs(folder: &Folder, told: &[&str]) {
    let verified = run(folder.path(), &["verify"]);
    let said = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(verified.status.code(), Some(3), "{said}{}", String::from_utf8_lossy(&verified.stderr));
    for told in told {
        assert!(said.contains(told), "{told:?} is not in\n{said}");
    }
    assert!(!said.contains(", 0 differences"), "{said}");
}

#[test]
fn verify_names_what_differs_from_another_logs_stream() {
    case(async {
        let double = Double::start();
        let ours = arrived(&double, "ours", 2).await;
        let (longer, shorter) = (arrived(&double, "longer", 4).await, arrived(&double, "shorter", 1).await);
        let before = double.events();
        let events = |stream: &str| before.iter().filter(|event| event.stream.as_ref() == stream).count();
        let (has, next) = (events("ours"), events("ours") + 1);

        ours.name_stream(&double.url(), "longer");
        let behind =
            format!("the event at position {next} of the stream longer was not offered by way of this read store");
        differs(&ours, &["events 1: leaf is ", &format!("events {has}: leaf is "), &behind]);
        ours.name_stream(&double.url(), "shorter");
        let ends = format!("the stream shorter ends at position {}, and the read store at {has}", events("shorter"));
        differs(&ours, &["events 1: leaf is ", &ends]);
        ours.name_stream(&double.url(), "empty");
        differs(&ours, &[&format!("the stream empty ends at position 0, and the read store at {has}")]);

        assert_eq!(double.events().len(), before.len(), "whoever looks writes nothing");
        ours.name_stream(&double.url(), "ours");
        for folder in [&ours, &longer, &shorter] {
            assert!(run(folder.path(), &["verify"]).status.success());
        }
    });
}

#[test]
fn verify_says_that_the_stream_was_deleted_or_is_not_to_be_seen() {
    case(async {
        let double = Double::start();
        let folder = arrived(&double, STREAM, 1).await;
        assert_whole(&double, folder.path());
        double.node(0).crash();
        let verified = run(folder.path(), &["verify"]);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert_eq!(verified.status.code(), Some(1), "nothing is said of what was not seen: {said}");
        assert!(said.contains("no connection to EventStoreDB"), "{said}");
        double.node(0).restart();
        assert_whole(&double, folder.path());

        let client = Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap();
        client.delete_stream(STREAM, &DeleteStreamOptions::default()).await.unwrap();
        differs(&folder, &["the stream chrysalis ends at position 0"]);
        client.tombstone_stream(STREAM, &TombstoneStreamOptions::default()).await.unwrap();
        differs(&folder, &["the stream of the log was deleted in EventStoreDB"]);
    });
}

#[test]
fn why_a_node_is_not_ready_is_in_its_log_once_each_and_in_no_answer() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        server.app().arrive().await.ok();
        let asked = async || {
            let answer = unready(&server).await;
            refused(&answer);
            let told = answer.body.to_string();
            for secret in ["EventStoreDB", "127.0.0.1", "stream", "deleted", "connection"] {
                assert!(!told.contains(secret), "{secret:?} is in {told}");
            }
        };
        let said = |why: &str| {
            let lines = server.lines();
            lines.iter().filter(|line| line.contains("the store does not take part") && line.contains(why)).count()
        };
        let client = Client::new(double.url().parse::<ClientSettings>().unwrap()).unwrap();
        client.tombstone_stream(STREAM, &TombstoneStreamOptions::default()).await.unwrap();
        eventually("it is said", async || {
            asked().await;
            said("was deleted in EventStoreDB") > 0
        })
        .await;
        // Another reason while it lasts.
        double.node(0).crash();
        eventually("it is said", async || {
            asked().await;
            said("no connection to EventStoreDB") > 0
        })
        .await;
        for _ in 0..20 {
            asked().await;
        }
        errors_said_once(&server, 8);
        server.stop();
    });
}
