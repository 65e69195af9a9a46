//! Two nodes on one stream, with what is read in one PostgreSQL: what is true at one is true at the other, whoever dies.

use eventstore_double::Double;
use serde_json::json;

use super::{STREAM, UPGRADED, assert_released, assert_whole, killed_while_upgrading, streamed};
use crate::faults::nodes::together::{ends_at_both, one_address_for_both};
use crate::faults::rounds;
use crate::postgres::Cluster;
use crate::process::{Folder, PASSWORD, Server, address, case, eventually};

#[test]
fn what_one_node_did_the_other_knows_at_the_next_request() {
    case(async {
        let (double, cluster) = (Double::start(), Cluster::start());
        let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), "chrysalis");
        let (one, two) = (Server::start(folder.path()), Server::start(folder.path()));
        for _ in 0..rounds(10, 300) {
            let won = one_address_for_both(&one, &two).await;
            ends_at_both(&one, &two, &won).await;
        }
        one.stop();
        two.stop();
        assert_whole(&double, folder.path());
    });
}

#[test]
fn what_a_node_left_undone_stops_no_other() {
    case(async {
        let (double, cluster) = (Double::start(), Cluster::start());
        let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), "chrysalis");
        let two = Server::start(folder.path());
        for round in 0..rounds(4, 100) {
            let stored = round % 2 == 1;
            let cut_off = killed_while_upgrading(&double, Server::start(folder.path()), stored).await;
            if stored {
                cut_off.assert_became_a_member(&two).await;
            } else {
                let other = two.app().bearing(&two.app().arrive().await.ok().token());
                other.upgrade(&cut_off.email).await.ok();
            }
        }
        assert_released(&double).await;
        two.stop();
        assert_whole(&double, folder.path());
    });
}

/// Those who read wait for it, too: nobody has to write first.
#[test]
fn what_a_node_left_undone_is_done_by_another_while_nobody_writes() {
    case(async {
        let (double, cluster) = (Double::start(), Cluster::start());
        let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), "chrysalis");
        let two = Server::start(folder.path());
        for round in 0..rounds(2, 50) {
            let one = Server::start(folder.path());
            let arrived = one.app().arrive().await.ok();
            let (at_one, at_two) = (one.app().bearing(&arrived.token()), two.app().bearing(&arrived.token()));
            // Presented before: nothing is left to be noted about it.
            assert_eq!(at_two.session().await.ok().is_anonymous(), Some(true), "round {round}");
            let held = double.hold_answers("GuestUpgraded");
            let form = json!({ "email": address(), "password": PASSWORD });
            let asking = tokio::spawn(async move { at_one.try_post("/anonymous/upgrade", form).await });
            held.waiting(1).await;
            one.kill();
            assert!(asking.await.unwrap().is_none(), "it was answered");
            let (events, held) = (double.events().len(), held);
            eventually("the upgrade is seen at the other node", || async {
                at_two.session().await.ok().is_anonymous() == Some(false)
            })
            .await;
            let written: Vec<_> = double.events().into_iter().skip(events).map(|event| event.event_type).collect();
            // But what follows from it.
            assert!(written.iter().all(|event| event == "MailSent"), "somebody wrote {written:?}, round {round}");
            assert_eq!(streamed(&double, UPGRADED), round + 1, "and it stands once");
            eventually("its mail is sent", || async { streamed(&double, "MailSent") == round + 1 }).await;
            drop(held);
        }
        two.stop();
        assert_whole(&double, folder.path());
    });
}

/// The same with what it never appended: it lies in the read store, sealed records included, for no longer than a minute.
#[test]
fn what_a_node_never_appended_is_appended_by_another_while_nobody_writes() {
    case(async {
        let cluster = Cluster::start();
        for round in 0..rounds(1, 10) {
            // What follows from an earlier round would take its place.
            let double = Double::start();
            let schema = format!("chrysalis_{round}");
            let folder = Folder::on_stream_beside(&double.url(), STREAM, &cluster.url(), &schema);
            let two = Server::start(folder.path());
            let cut_off = killed_while_upgrading(&double, Server::start(folder.path()), false).await;
            eventually("the upgrade comes to stand", || async { streamed(&double, UPGRADED) == 1 }).await;
            cut_off.assert_became_a_member(&two).await;
            assert_released(&double).await;
            two.stop();
            assert_whole(&double, folder.path());
        }
    });
}
