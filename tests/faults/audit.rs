//! The audit trail on the command line: with and without a server, and after one was killed.

use serde_json::Value;

use super::lives::Crowd;
use crate::process::{Folder, Server, assert_sound, case, prints, run};

fn lines(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    prints(folder.path(), arguments).lines().map(str::to_owned).collect()
}

fn json(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_trail_tells_of_every_event_whatever_became_of_the_server() {
    case(async {
        let folder = Folder::new();
        let server = Server::start(folder.path());
        let crowd = Crowd::gather(&server, 4);
        // Beside a server that writes.
        while lines(&folder, &["audit", "export"]).len() < 50 {}
        server.kill();
        crowd.disperse().await;

        let trail = json(&lines(&folder, &["audit", "export"]));
        let log = json(&lines(&folder, &["log", "show", "--limit", "1000000"]));
        for (action, event_type) in [
            ("user.created", "GuestCreated"),
            ("session.created", "SessionStarted"),
            ("user.upgraded", "GuestUpgraded"),
            ("session.rotated", "SessionRotated"),
        ] {
            let happened = log.iter().filter(|event| event["type"] == event_type).map(|event| &event["recordedAt"]);
            let told = trail.iter().filter(|row| row["action"] == action).map(|row| &row["createdAt"]);
            assert!(happened.eq(told), "{action}");
        }
        assert!(trail.is_sorted_by_key(|row| row["id"].as_str().unwrap()));

        // Some of it, and in another form.
        let of_action = lines(&folder, &["audit", "export", "--action", "user.created"]);
        let created: Vec<_> = trail.iter().filter(|row| row["action"] == "user.created").collect();
        assert_eq!(json(&of_action).iter().collect::<Vec<_>>(), created);
        let from = created[created.len() / 2]["createdAt"].as_str().unwrap();
        let since = json(&lines(&folder, &["audit", "export", "--from", from]));
        assert!(since.iter().eq(trail.iter().filter(|row| row["createdAt"].as_str() >= Some(from))));
        let until = lines(&folder, &["audit", "export", "--to", from]);
        assert_eq!(until.len(), trail.iter().filter(|row| row["createdAt"].as_str() <= Some(from)).count());
        assert_eq!(lines(&folder, &["audit", "export", "--from", "2999-01-01"]), [] as [String; 0]);
        let csv = lines(&folder, &["audit", "export", "--format", "csv"]);
        assert!(csv[0].starts_with("id,action,"));
        assert!(csv.iter().skip(1).map(|line| &line[..30]).eq(trail.iter().map(|row| row["id"].as_str().unwrap())));
        assert!(!run(folder.path(), &["audit", "export", "--from", "yesterday"]).status.success());
        assert_sound(folder.path());
    });
}
