//! Nothing comes through to EventStoreDB: who wants to change something is told to come back, and it heals by itself.

use std::time::{Duration, Instant};

use eventstore_double::Double;
use reqwest::StatusCode;

use super::{STREAM, assert_whole};
use crate::faults::lives::Crowd;
use crate::faults::{answers_again, rounds};
use crate::process::{Answer, Folder, Server, case, eventually, unready};

#[test]
fn a_cut_is_answered_503_and_heals_by_itself() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let server = Server::start(folder.path());
        let arrived = server.app().arrive().await.ok();
        let guest = server.app().bearing(&arrived.token());
        guest.session().await.ok();
        // One who asks in the middle of it may get what was asked for afterwards, and a new token with it.
        let hopeful = server.app().bearing(&server.app().arrive().await.ok().token());
        let crowd = Crowd::patient(&[&server], 8);

        double.node(0).cut();
        let (cut, long) = (Instant::now(), Duration::from_secs(rounds(6, 30) as u64));
        loop {
            let newcomer = server.app();
            let (arriving, upgrading) = tokio::join!(newcomer.arrive(), hopeful.upgrade("someone@example.com"));
            refused(&arriving);
            refused(&upgrading);
            refused(&unready(&server).await);
            // It lives, though it can't change anything; what it knows it tells.
            assert_eq!(server.app().get("/healthz").await.status, StatusCode::OK);
            assert_eq!(guest.session().await.ok().user(), arrived.user());
            if cut.elapsed() > long {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        double.node(0).mend();

        answers_again(&server).await;
        eventually("the guest is known again", || async { guest.session().await.status == StatusCode::OK }).await;
        assert_eq!(guest.session().await.ok().user(), arrived.user());
        let before = crowd.begun();
        eventually("others come again", || async { crowd.begun() > before }).await;
        let lives = crowd.disperse().await;
        for life in &lives {
            life.assert_remembered(&server).await;
        }
        server.stop();
        assert_whole(&double, folder.path());
    });
}

pub(super) fn refused(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
}
