//! A node that stops in the middle of everything, and wakes up when others have taken its place.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::postgres::Cluster;
use crate::process::{Folder, Server, address, assert_sound, case, eventually, run};

const FLAGS: [&str; 4] = ["--set", "rate_limits=off", "--set", "followers.lease=1s"];

/// Mails that were asked for, by the challenge that they carry.
fn asked_for(folder: &Path) -> BTreeSet<String> {
    let shown = run(folder, &["log", "show", "--limit", "100000"]);
    let lines = String::from_utf8(shown.stdout).unwrap();
    let events = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let asked = events.filter(|event| event["type"] == "EmailVerificationRequested");
    asked.map(|event| event["data"]["challenge"].as_str().unwrap().replace("chl_", "mail_")).collect()
}

/// Mails that were sent.
fn mails(folder: &Path) -> BTreeSet<String> {
    let outbox = std::fs::read_dir(folder.join("data/outbox")).unwrap();
    let names = outbox.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // The mail, and whose it is.
    names.filter_map(|name| Some(name.strip_suffix(".eml")?.split('.').next()?.to_owned())).collect()
}

#[test]
fn another_follows_in_its_place_and_waking_up_late_does_no_harm() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let path = folder.path();
        let first = Server::start_with(path, &FLAGS);
        let other = Server::start_with(path, &FLAGS);
        let sign_up = async |server: &Server| {
            let browser = server.browser();
            browser.arrive().await.ok();
            browser.upgrade(&address()).await.ok();
        };
        let all_sent = async || eventually("every mail came", || async { mails(path) == asked_for(path) }).await;
        sign_up(&first).await;
        all_sent().await;

        // Whichever of them follows: each is paused once, and mails come all the same.
        for (paused, awake) in [(&first, &other), (&other, &first)] {
            paused.pause();
            for _ in 0..3 {
                sign_up(awake).await;
            }
            all_sent().await;
            paused.resume();
            sign_up(paused).await;
            sign_up(awake).await;
            all_sent().await;
        }
        assert_eq!(mails(path).len(), 11);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(mails(path), asked_for(path), "nothing came twice, under whatever name");
        first.stop();
        other.stop();
        assert_sound(path);
    });
}
