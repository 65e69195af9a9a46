//! A server moves from the embedded store to PostgreSQL and back; nobody who uses it notices more than a restart.

use eventstore_double::Double;

use super::lives::{Crowd, Life};
use super::rounds;
use crate::postgres::Cluster;
use crate::process::{Folder, Server, address, assert_sound, case, chrysalis, prints, run};

#[test]
fn users_sessions_and_claims_move_to_postgres_and_back() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::embedded();
        let (embedded, postgres) = (format!("sqlite:{}", folder.database().display()), cluster.url());
        let server = Server::start(folder.path());
        let member = server.browser();
        let email = address();
        let arrived = member.arrive().await.ok();
        member.upgrade(&email).await.ok();
        let mut lives: Vec<Life> = Vec::new();

        // While it serves: the copy takes what it meets.
        let crowd = Crowd::gather(&server, 8);
        for _ in 0..rounds(2, 10) {
            copies(&folder, &embedded, &postgres);
        }
        lives.extend(crowd.disperse().await);
        server.stop();
        let said = copies(&folder, &embedded, &postgres);
        assert!(!said.contains("more came"), "{said}");

        folder.move_to(&postgres);
        assert_sound(folder.path());
        let server = Server::start(folder.path());
        for life in &lives {
            life.assert_remembered(&server).await;
        }
        assert_eq!(member.at(&server).session().await.ok().user(), arrived.user());
        assert_eq!(server.browser().sign_in(&email).await.ok().user(), arrived.user());
        // The address is still taken.
        let other = server.browser();
        other.arrive().await.ok();
        assert_eq!(other.upgrade(&email).await.code(), "EMAIL_ALREADY_IN_USE");
        let late = server.browser();
        late.arrive().await.ok();
        server.stop();

        // And back, into a new file.
        let back = format!("sqlite:{}", folder.path().join("back.db").display());
        copies(&folder, &postgres, &back);
        folder.move_to(&back);
        assert_sound(folder.path());
        let server = Server::start(folder.path());
        assert_eq!(late.at(&server).session().await.ok().is_anonymous(), Some(true));
        assert_eq!(server.browser().sign_in(&email).await.ok().user(), arrived.user());
        server.stop();
    });
}

/// A copy that was killed can't be served from, and the next one finishes it.
#[test]
fn a_copy_that_was_killed_is_not_served_from_until_it_is_finished() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::embedded();
        let (embedded, postgres) = (format!("sqlite:{}", folder.database().display()), cluster.url());
        let server = Server::start(folder.path());
        let guest = server.browser();
        let arrived = guest.arrive().await.ok();
        let crowd = Crowd::gather(&server, 8);
        super::a_while(std::time::Duration::from_millis(1500)).await;
        crowd.disperse().await;
        server.stop();
        let mut copy =
            chrysalis(folder.path()).args(["log", "copy", "--from", &embedded, "--to", &postgres]).spawn().unwrap();
        // As soon as it has begun.
        let begun = "SELECT 1 FROM pg_tables WHERE schemaname = 'chrysalis' AND tablename = 'users'";
        while crate::postgres::ask(&postgres, begun).is_empty() {}
        let marked = "SELECT 1 FROM chrysalis.checkpoints WHERE position = 1";
        while crate::postgres::ask(&postgres, marked).is_empty() && copy.try_wait().unwrap().is_none() {}
        copy.kill().unwrap();
        copy.wait().unwrap();
        folder.move_to(&postgres);
        let refused = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("not finished") && said.contains("log copy"), "{said}");

        copies(&folder, &embedded, &postgres);
        assert_sound(folder.path());
        let server = Server::start(folder.path());
        assert_eq!(guest.at(&server).session().await.ok().user(), arrived.user());
        server.stop();
    });
}

/// Whoever has the wrong secret learns it before anything is copied, and can copy with the right one.
#[test]
fn a_copy_under_another_secret_is_refused_before_it_begins() {
    case(async {
        let folder = Folder::embedded();
        let server = Server::start(folder.path());
        server.browser().arrive().await.ok();
        server.stop();
        let end = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let (embedded, other) = (format!("sqlite:{}", folder.database().display()), end("other.db"));
        let refused = chrysalis(folder.path())
            .env("CHRYSALIS_SECRET", "another secret, which is long enough to be one")
            .args(["log", "copy", "--from", &embedded, "--to", &other])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("another secret"), "{said}");

        let said = copies(&folder, &embedded, &other);
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert!(numbers[0] > 0 && numbers[0] == numbers[1], "something was copied before it was refused: {said}");
    });
}

/// However it is named, a store is no place to move itself to, and stays as it is.
#[test]
fn a_store_is_not_copied_into_itself() {
    case(async {
        let (cluster, double) = (Cluster::start(), Double::start());
        let refuses = |folder: &Folder, from: &str, to: &str| {
            let refused = run(folder.path(), &["log", "copy", "--from", from, "--to", to]);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("both ends are the same store"), "{from} {to}: {said}");
        };

        let folder = Folder::embedded();
        let guest = Server::start(folder.path());
        let arrived = guest.app().arrive().await.ok();
        guest.stop();
        let (link, hard) = (folder.path().join("link.db"), folder.path().join("hard.db"));
        std::os::unix::fs::symlink(folder.database(), &link).unwrap();
        std::fs::hard_link(folder.database(), &hard).unwrap();
        let file = |path: &std::path::Path| format!("sqlite:{}", path.display());
        let here = file(&folder.database());
        for other in [&here, "sqlite:data/chrysalis.db", "sqlite:data/../data/chrysalis.db", &file(&link), &file(&hard)]
        {
            refuses(&folder, &here, other);
            refuses(&folder, other, &here);
        }
        let server = Server::start(folder.path());
        assert_eq!(server.app().bearing(&arrived.token()).session().await.ok().user(), arrived.user());
        server.stop();

        let url = cluster.url();
        let folder = Folder::on(&url);
        Server::start(folder.path()).stop();
        let address = cluster.address();
        let others = [
            format!("{url}?application_name=another"),
            url.replace(&address.to_string(), &format!("localhost:{}", address.port())),
            url.replacen("postgres://", "postgresql://", 1),
        ];
        for other in &others {
            assert_ne!(*other, url);
            refuses(&folder, &url, other);
        }
        Server::start(folder.path()).stop();

        // What is read of a log in EventStoreDB is that log.
        let url = double.url();
        let folder = Folder::on_stream(&url, "chrysalis");
        Server::start(folder.path()).stop();
        std::os::unix::fs::symlink(folder.database(), folder.path().join("link.db")).unwrap();
        refuses(&folder, &url, &url.replace("127.0.0.1", "localhost"));
        refuses(&folder, "sqlite:link.db", &url);
        refuses(&folder, &url, "sqlite:link.db");
        Server::start(folder.path()).stop();
    });
}

fn copies(folder: &Folder, from: &str, to: &str) -> String {
    prints(folder.path(), &["log", "copy", "--from", from, "--to", to])
}
