//! Two nodes that both believe that it is theirs to deliver: things are said twice, and nothing is left out.

use std::time::Duration;

use crate::faults::webhooks::{all_told, assert_told, endpoint, key, visit};
use crate::postgres::Cluster;
use crate::process::{Folder, Server, assert_sound, case};
use crate::webhooks::receiver::{Reaction, Receiver};

const FLAGS: [&str; 6] =
    ["--set", "rate_limits=off", "--set", "outgoing.allow=127.0.0.0/8", "--set", "followers.lease=1s"];

#[test]
fn a_node_that_wakes_up_when_another_delivers_does_no_harm() {
    case(async {
        let cluster = Cluster::start();
        let folder = Folder::on(&cluster.url());
        let key = key(folder.path());
        let receiver = Receiver::reacting(|_| Reaction::Late(Duration::from_millis(20), 204)).await;
        let first = Server::start_with(folder.path(), &FLAGS);
        endpoint(&first.app().bearing(&key), &receiver).await;
        let other = Server::start_with(folder.path(), &FLAGS);
        let mut visits = Vec::new();
        // Whichever of them delivers is paused in the middle of it, twice over.
        for (paused, awake) in [(&first, &other), (&other, &first), (&first, &other), (&other, &first)] {
            let before = async |server: &Server| {
                let app = server.app();
                futures_util::future::join_all((0..20).map(|_| visit(&app, 5))).await
            };
            visits.extend(before(paused).await.into_iter().flatten());
            paused.pause();
            visits.extend(before(awake).await.into_iter().flatten());
            receiver.until("the other delivers", |heard| all_told(heard, &visits)).await;
            paused.resume();
        }
        visits.extend(visit(&first.app(), 5).await);
        let heard = receiver.until("everybody is told of", |heard| all_told(heard, &visits)).await;
        assert_told(&heard, &visits);
        first.stop();
        other.stop();
        assert_sound(folder.path());
    });
}
