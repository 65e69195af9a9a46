//! What goes wrong around a server: it is killed, raced, its disk is full or damaged, it is told to stop in the middle.
//!
//! Every case runs the real binary on a real disk and asserts what whoever uses it would notice. Short versions by
//! default; `CHRYSALIS_TEST_LONG=1` runs the long ones.

mod audit;
mod clean_up;
mod disk;
mod erasure;
mod eventstore;
mod evidence;
mod export;
mod first_key;
mod kill;
mod lives;
mod logs;
mod moving;
mod nodes;
mod nothing_there;
mod pipes;
mod proof;
mod races;
mod rebuild;
mod sessions;
mod start;
mod stop;
mod waves;
mod webhooks;

use std::collections::HashSet;
use std::time::Duration;

use chrysalis::entropy::{self, OsEntropy};

use crate::process::{Server, eventually};

/// `short` by default, `long` when the long versions were asked for.
fn rounds(short: usize, long: usize) -> usize {
    if crate::long() { long } else { short }
}

/// A number below `bound`, another one each time.
fn below(bound: u64) -> u64 {
    u64::from_le_bytes(entropy::bytes(&OsEntropy)) % bound
}

/// A moment that nobody chose: the wait itself is what is tested.
async fn a_while(at_most: Duration) {
    let micros = u64::try_from(at_most.as_micros()).unwrap();
    tokio::time::sleep(Duration::from_micros(below(micros + 1))).await;
}

/// Said when it begins, and for each reason that it has, whoever asks and however often.
fn errors_said_once(server: &Server, most: usize) {
    let lines = server.lines();
    let read = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let errors = lines.iter().map(read).filter(|line| line["level"] == "ERROR");
    let said: Vec<_> = errors.map(|line| format!("{}: {}", line["message"], line["fault"])).collect();
    let once: HashSet<_> = said.iter().collect();
    assert!((1..=most).contains(&said.len()) && once.len() == said.len(), "{said:#?}");
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
