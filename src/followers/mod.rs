//! What reads the log after the fact.
//!
//! A follower sees every event it cares for once it is committed, in order, and remembers how far it came. What it does
//! must bear being done twice: it may die between the deed and the note of it.

pub mod mail;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::log::{Log, LogFault, Position, Recorded};

/// Events handed to a follower at a time.
const PAGE: usize = 512;
/// Positions without anything of interest after which it is noted how far a follower looked.
const NOTE_EVERY: Position = 4_096;
/// Between two looks: when the log grows fast, one look serves many events, and nobody waits for a follower by the
/// millisecond.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// How long to leave a fault alone before trying again.
const AFTER_FAULT: Duration = Duration::from_secs(1);

#[async_trait]
pub trait Follower: Send + Sync {
    /// Names its checkpoint, so it is for ever.
    fn name(&self) -> &'static str;

    /// The types of events it cares for.
    fn types(&self) -> &'static [&'static str];

    async fn handle(&self, event: &Recorded) -> Result<(), FollowerError>;
}

/// The follower could not do its work; it will be asked again.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error("{0}")]
    Other(String),
}

/// Follows until `stop` turns true.
pub async fn follow(log: Arc<dyn Log>, follower: Arc<dyn Follower>, mut stop: watch::Receiver<bool>) {
    let mut head = log.head();
    let mut place = None;
    while !*stop.borrow() {
        let seen = *head.borrow_and_update();
        if let Err(error) = catch_up(log.as_ref(), follower.as_ref(), &mut place, seen, &stop).await {
            tracing::warn!(follower = follower.name(), %error, "a follower stands still; it will try again");
            place = None;
            tokio::select! {
                () = tokio::time::sleep(AFTER_FAULT) => {}
                _ = stop.changed() => {}
            }
            continue;
        }
        let grown = async {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            head.changed().await
        };
        tokio::select! {
            _ = grown => {}
            _ = stop.changed() => {}
        }
    }
}

/// How far a follower has come.
struct Place {
    /// As noted in the store: where it starts again after a crash.
    noted: Position,
    /// As looked at: nothing of interest lies between the two.
    looked: Position,
}

async fn catch_up(
    log: &dyn Log,
    follower: &dyn Follower,
    place: &mut Option<Place>,
    head: Position,
    stop: &watch::Receiver<bool>,
) -> Result<(), FollowerError> {
    let name = follower.name();
    let place = match place {
        Some(place) => place,
        None => {
            let noted = log.checkpoint(name).await?;
            place.insert(Place { noted, looked: noted })
        }
    };
    while place.looked < head && !*stop.borrow() {
        let events = log.read_types(follower.types(), place.looked, head, PAGE).await?;
        for event in &events {
            follower.handle(event).await?;
        }
        // A short page means that nothing of interest is left up to the head.
        place.looked = if events.len() < PAGE { head } else { events.last().map_or(head, |event| event.position) };
        // To note that nothing happened can wait: looking again is cheap, a write for every event of others is not.
        let worth_noting = !events.is_empty() || place.looked - place.noted >= NOTE_EVERY;
        if worth_noting {
            // If somebody else moved the checkpoint, they follow too: what both did was done twice without harm.
            let moved = log.advance(name, place.noted, place.looked).await?;
            place.noted = if moved { place.looked } else { log.checkpoint(name).await? };
            place.looked = place.looked.max(place.noted);
        }
    }
    Ok(())
}
