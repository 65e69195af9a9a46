//! A server whose log is in EventStoreDB, and what can happen to it and to that: on doubles, which fail on demand.

mod away;
mod cut;
mod kill;
mod leader;
mod nodes;

use std::collections::HashSet;
use std::path::Path;

use eventstore_double::Double;

use crate::process::{Server, assert_sound, eventually};

/// The stream of every case: each has a double of its own.
const STREAM: &str = "chrysalis";

/// The log stands in the stream, each event once, and every row is as a refold makes it.
fn assert_whole(double: &Double, folder: &Path) -> u64 {
    let sound = assert_sound(folder);
    let events = double.events();
    assert!(events.iter().all(|event| event.stream.as_ref() == STREAM));
    let ids: HashSet<_> = events.iter().map(|event| event.id).collect();
    assert_eq!((events.len() as u64, ids.len() as u64), (sound, sound), "in the stream, without repetitions, and read");
    sound
}

/// Waits until a server that was refusing answers again, by itself.
async fn answers_again(server: &Server) {
    let app = server.app();
    eventually("the node answers again", || async {
        let arrived = app.try_post("/sign-in/anonymous", serde_json::json!({})).await;
        arrived.is_some_and(|answer| answer.status == reqwest::StatusCode::OK)
    })
    .await;
}

/// How many events of a type stand in the stream.
fn streamed(double: &Double, event_type: &str) -> usize {
    double.events().iter().filter(|event| event.event_type == event_type).count()
}
