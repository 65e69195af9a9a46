//! Everybody is signed out by one command, beside a server or before it starts, whatever becomes of the server meanwhile.

use serde_json::{Value, json};

use crate::process::{Client, Folder, Server, address, assert_sound, case, eventually, run};

fn end_all(folder: &Folder) -> String {
    let asked = run(folder.path(), &["sessions", "end-all"]);
    assert!(asked.status.success(), "{asked:?}");
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

async fn is_signed_in(visitor: &Client, server: &Server) -> bool {
    visitor.at(server).session().await.ok().body != Value::Null
}

#[test]
fn everybody_is_signed_out_once_and_can_sign_in_again() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let mut visitors = Vec::new();
        for _ in 0..600 {
            let app = server.app();
            let token = app.arrive().await.ok().token();
            visitors.push(app.bearing(&token));
        }
        let (member, email) = (server.browser(), address());
        member.arrive().await.ok();
        member.upgrade(&email).await.ok();
        visitors.push(member);

        let job = end_all(&folder);
        // In the middle, or before it began.
        server.kill();
        let server = Server::start(folder.path());
        let late = server.browser();
        late.arrive().await.ok();
        eventually("everybody is signed out", async || {
            let mut left = 0;
            for visitor in &visitors {
                left += u32::from(is_signed_in(visitor, &server).await);
            }
            left == 0
        })
        .await;
        assert!(is_signed_in(&late, &server).await, "who came later stays");
        server.browser().sign_in(&email).await.ok();
        server.stop();

        let trail = run(folder.path(), &["audit", "export"]);
        let trail = String::from_utf8(trail.stdout).unwrap();
        let rows: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let asked: Vec<_> = rows.iter().filter(|row| row["action"] == "job.requested").collect();
        assert_eq!((asked.len(), &asked[0]["target"]["id"]), (1, &json!(job)));
        assert_eq!(asked[0]["metadata"]["kind"], "end-sessions");
        let ended = rows.iter().filter(|row| row["action"] == "session.revoked").count();
        assert_eq!(ended, visitors.len(), "each ends once");
        assert_sound(folder.path());
    });
}
