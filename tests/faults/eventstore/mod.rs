//! A server whose log is in EventStoreDB, and what can happen to it and to that: on doubles, which fail on demand.

mod apart;
mod away;
mod cut;
mod kill;
mod leader;
mod nodes;

use std::collections::HashSet;
use std::path::Path;

use eventstore_double::Double;
use reqwest::StatusCode;
use serde_json::json;

use crate::process::{Answer, Client, PASSWORD, Server, address, assert_sound, eventually};

const UPGRADED: &str = "GuestUpgraded";

/// The stream of every case: each has a double of its own.
const STREAM: &str = "chrysalis";

/// How the streams begin in which names are reserved.
const RESERVED: &str = "reserved_chrysalis-";

/// The log stands in the stream, each event once, and every row is as a refold makes it. Besides, there are reservations.
fn assert_whole(double: &Double, folder: &Path) -> u64 {
    let sound = assert_sound(folder);
    let (events, besides): (Vec<_>, Vec<_>) =
        double.events().into_iter().partition(|event| event.stream.as_ref() == STREAM);
    assert!(besides.iter().all(|event| event.stream.starts_with(RESERVED)));
    let ids: HashSet<_> = events.iter().map(|event| event.id).collect();
    assert_eq!((events.len() as u64, ids.len() as u64), (sound, sound), "in the stream, without repetitions, and read");
    sound
}

/// Nothing stays reserved, whoever was killed: a node that lives sees to it.
async fn assert_released(double: &Double) {
    eventually("everything is released that was reserved", || async { double.streams(RESERVED).is_empty() }).await;
}

/// How many events of a type stand in the stream.
fn streamed(double: &Double, event_type: &str) -> usize {
    double.events().iter().filter(|event| event.event_type == event_type).count()
}

/// Somebody whose server is killed while they become a member.
struct CutOff {
    arrived: Answer,
    guest: Client,
    email: String,
}

/// Behind the reservation of their address and before the event, which never gets there; or where it is `stored`, after it, and nobody is told.
async fn killed_while_upgrading(double: &Double, server: Server, stored: bool) -> CutOff {
    let email = address();
    let arrived = server.app().arrive().await.ok();
    let guest = server.app().bearing(&arrived.token());
    let before = double.streams(RESERVED);
    let held = if stored { double.hold_answers(UPGRADED) } else { double.hold_type(UPGRADED) };
    let asking = tokio::spawn({
        let (guest, form) = (guest.clone(), json!({ "email": email, "password": PASSWORD }));
        async move { guest.try_post("/anonymous/upgrade", form).await }
    });
    held.waiting(1).await;
    // While another node may release what was left before.
    assert!(double.streams(RESERVED).iter().any(|stream| !before.contains(stream)), "the address is reserved");
    server.kill();
    assert!(asking.await.unwrap().is_none(), "it was answered");
    held.waiting(0).await;
    CutOff { arrived, guest, email }
}

impl CutOff {
    /// The session goes on, and so does the token of an app that held on to it; the password tells who it is.
    async fn assert_became_a_member(&self, server: &Server) {
        let other = server.app().bearing(&server.app().arrive().await.ok().token());
        let lost = other.upgrade(&self.email).await;
        assert_eq!((lost.status, lost.code()), (StatusCode::CONFLICT, "EMAIL_ALREADY_IN_USE"));
        assert_eq!(server.app().sign_in(&self.email).await.ok().user(), self.arrived.user());
        let session = self.guest.at(server).session().await.ok();
        assert_eq!((session.session(), session.user()), (self.arrived.session(), self.arrived.user()));
        assert_eq!(session.is_anonymous(), Some(false));
    }
}
