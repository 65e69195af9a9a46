//! The first API key, made on the command line or given at the start.

use serde_json::{Value, json};

use crate::process::{Client, Folder, Server, assert_sound, case, prints, run};

fn said(folder: &Folder, arguments: &[&str]) -> String {
    prints(folder.path(), arguments).trim().to_owned()
}

async fn keys(of: &Client) -> (u16, Value) {
    let answer = of.get("/api/auth/api-key/list").await;
    (answer.status.as_u16(), answer.body)
}

#[test]
fn a_key_made_before_the_first_start_or_beside_a_server_works_at_once() {
    case(async {
        let folder = Folder::new();
        let first = said(&folder, &["api-key", "create", "--name", "first"]);
        let server = Server::start(folder.path());
        assert_eq!(keys(&server.app().bearing(&first)).await.0, 200);

        let second = said(&folder, &["api-key", "create", "--name", "second", "--permission", "api_keys.read"]);
        let (status, listed) = keys(&server.app().bearing(&second)).await;
        assert_eq!(
            (status, &listed[0]["name"], &listed[0]["permissions"]),
            (200, &json!("second"), &json!(["api_keys.read"]))
        );
        said(&folder, &["api-key", "revoke", listed[0]["id"].as_str().unwrap()]);
        assert_eq!(keys(&server.app().bearing(&second)).await.0, 401);
        let shown = said(&folder, &["api-key", "list"]);
        assert!(shown.contains("first") && !shown.contains("second") && !shown.contains(&first), "{shown}");
        server.stop();
        assert_sound(folder.path());
    });
}

#[test]
fn a_key_that_is_given_is_taken_once_and_only_while_there_is_none() {
    case(async {
        let [given, other] = ["sk_live_0123456789abcdefghijklmnopqrstuv", "sk_live_zyxwvutsrqponmlkjihgfedcba987654"];
        let flag = |key: &str| format!("bootstrap_api_key={key}");
        let folder = Folder::new();
        // Of two nodes that start together one takes it.
        let flags = [flag(given), flag(given)];
        let mut nodes = flags.map(|flag| Server::launch(folder.path(), &["--set", &flag]));
        for node in &mut nodes {
            node.wait_until_ready();
            assert_eq!(keys(&node.app().bearing(given)).await.1.as_array().unwrap().len(), 1);
        }
        nodes.into_iter().for_each(Server::stop);

        // Not even after it was revoked does another one take its place.
        said(&folder, &["api-key", "revoke", "key_00000000000000000000000000"]);
        let server = Server::start_with(folder.path(), &["--set", &flag(other)]);
        assert_eq!(keys(&server.app().bearing(other)).await.0, 401);
        assert_eq!(keys(&server.app().bearing(given)).await.0, 401);
        server.stop();
        assert_sound(folder.path());

        for weak in ["sk_live_short", "sk_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "0123456789abcdefghijklmnopqrstuv"] {
            let checked = run(folder.path(), &["config", "check", "--set", &flag(weak)]);
            assert!(
                !checked.status.success() && String::from_utf8_lossy(&checked.stderr).contains("bootstrap_api_key")
            );
        }
    });
}
