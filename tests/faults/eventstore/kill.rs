//! `kill -9` between the reservation of an address and the event in the log, and between the event and its rows: no address
//! is lost or held twice. And under load.

use eventstore_double::Double;

use super::{STREAM, UPGRADED, assert_released, assert_whole, killed_while_upgrading, streamed};
use crate::faults::kill::killed_under_load;
use crate::faults::races::one_address_for;
use crate::faults::rounds;
use crate::process::{Folder, Server, assert_sound, case, prints};

#[test]
fn an_address_is_held_once_whenever_the_server_is_killed() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        let (mut server, mut upgraded) = (Server::start(folder.path()), 0);
        for round in 0..rounds(6, 100) {
            let stored = round % 2 == 1;
            let cut_off = killed_while_upgrading(&double, server, stored).await;
            upgraded += usize::from(stored);
            assert_eq!(streamed(&double, UPGRADED), upgraded, "round {round}");

            server = Server::start(folder.path());
            if stored {
                cut_off.assert_became_a_member(&server).await;
            } else {
                let guest = cut_off.guest.at(&server);
                assert_eq!(guest.session().await.ok().is_anonymous(), Some(true), "round {round}");
                // It is free, for one of two.
                let other = server.app().bearing(&server.app().arrive().await.ok().token());
                let winner = one_address_for([guest, other], &cut_off.email).await.user();
                upgraded += 1;
                assert_eq!(server.app().sign_in(&cut_off.email).await.ok().user(), winner, "round {round}");
            }
            if round % 10 < 2 {
                assert_whole(&double, folder.path());
            }
        }
        assert_released(&double).await;
        server.stop();
        assert_whole(&double, folder.path());
    });
}

/// What stands in the stream happened, though no row tells of it yet.
#[test]
fn what_a_killed_server_appended_is_in_a_copy() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        killed_while_upgrading(&double, Server::start(folder.path()), true).await;
        let (from, to) = (double.url(), format!("sqlite:{}", folder.path().join("copy.db").display()));
        let said = prints(folder.path(), &["log", "copy", "--from", &from, "--to", &to]);
        let stands = double.events().iter().filter(|event| event.stream.as_ref() == STREAM).count();
        assert!(said.contains(&format!("{stands} events at both ends")), "{said}");
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    case(async {
        let double = Double::start();
        let folder = Folder::on_stream(&double.url(), STREAM);
        // Between two crashes the stream may be a batch further than what is read.
        killed_under_load(&folder, rounds(3, 50), || assert_sound(folder.path())).await;
        assert_whole(&double, folder.path());
    });
}
