//! The keys that sign, and when each does. A function of the stored keys and the clock: every node comes to the same.
//!
//! A key signs for 90 days. An hour before, the next one is made and published, so that no reader of `/jwks` meets a
//! token that it has no key for; a key that has done its time stays published for 30 days.

use std::sync::Arc;

use chrysalis_domain::{Span, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::RwLock;

use super::jwt::{Jwk, Signer};
use crate::entropy::Entropy;
use crate::keys::{self, Purpose};
use crate::log::{Log, LogFault};

const SIGNS_FOR: Span = Span::from_days(90);
const PUBLISHED_BEFORE: Span = Span::from_hours(1);
const PUBLISHED_AFTER: Span = Span::from_days(30);
/// How old a node's view of the keys may be: well below the hour in which a new one is published.
const LOOK_AGAIN: Span = Span::from_secs(600);

/// One key, and when it was made.
struct Dated {
    id: u32,
    created_at: Timestamp,
    signer: Arc<Signer>,
}

#[derive(Default)]
struct View {
    /// Oldest first.
    keys: Vec<Dated>,
    seen_at: Timestamp,
}

pub(super) struct Keys {
    log: Arc<dyn Log>,
    entropy: Arc<dyn Entropy>,
    secret: SecretString,
    view: RwLock<View>,
}

impl View {
    /// When the key at this place begins to sign: the very first at once, each other an hour after it was made.
    fn begins(&self, at: usize) -> Timestamp {
        let created_at = self.keys[at].created_at;
        if at == 0 { created_at } else { created_at + PUBLISHED_BEFORE }
    }

    fn current(&self, now: Timestamp) -> Option<usize> {
        // With the clock set back, the oldest signs.
        (0..self.keys.len()).rev().find(|at| self.begins(*at) <= now).or((!self.keys.is_empty()).then_some(0))
    }

    /// Whether the last key has to have a successor by now.
    fn is_ending(&self, now: Timestamp) -> bool {
        let last = self.keys.len().checked_sub(1);
        last.is_none_or(|last| self.begins(last) + SIGNS_FOR - PUBLISHED_BEFORE <= now)
    }

    fn published(&self, now: Timestamp) -> Vec<Jwk> {
        let over = |at: usize| {
            let next = at + 1;
            next < self.keys.len() && self.begins(next) + PUBLISHED_AFTER <= now
        };
        (0..self.keys.len()).filter(|at| !over(*at)).map(|at| self.keys[at].signer.public()).collect()
    }
}

impl Keys {
    pub(super) fn new(log: Arc<dyn Log>, entropy: Arc<dyn Entropy>, secret: SecretString) -> Self {
        Self { log, entropy, secret, view: RwLock::default() }
    }

    /// The key that signs now.
    pub(super) async fn current(&self, now: Timestamp) -> Result<Arc<Signer>, LogFault> {
        self.look(now).await?;
        let view = self.view.read().await;
        let current = view.current(now).and_then(|at| view.keys.get(at));
        current.map(|key| key.signer.clone()).ok_or_else(|| LogFault::Bug("there is no key for tokens".to_owned()))
    }

    pub(super) async fn published(&self, now: Timestamp) -> Result<Vec<Jwk>, LogFault> {
        self.look(now).await?;
        Ok(self.view.read().await.published(now))
    }

    /// Sees to it that the view is as good as it has to be.
    async fn look(&self, now: Timestamp) -> Result<(), LogFault> {
        let fits = |view: &View| {
            !view.keys.is_empty() && now.since(view.seen_at) < LOOK_AGAIN && view.seen_at <= now && !view.is_ending(now)
        };
        if fits(&*self.view.read().await) {
            return Ok(());
        }
        let mut view = self.view.write().await;
        if fits(&view) {
            return Ok(());
        }
        let found = self.read(now).await;
        match found {
            Ok(found) if !found.keys.is_empty() => *view = found,
            // The store is away, or another node has wrapped the keys under a secret that this one was not started with: what
            // is known is good for a while.
            Err(error) if view.keys.is_empty() => return Err(error),
            _ => view.seen_at = now,
        }
        if view.is_ending(now) {
            // Of several nodes that come to this at once, the first to store one wins; the others read it.
            let next = view.keys.last().map_or(0, |key| key.id) + 1;
            let secret = self.secret.expose_secret().as_bytes();
            keys::add(self.log.as_ref(), secret, Purpose::Token, next, self.entropy.as_ref(), now).await?;
            *view = self.read(now).await?;
        }
        Ok(())
    }

    async fn read(&self, now: Timestamp) -> Result<View, LogFault> {
        let secret = self.secret.expose_secret().as_bytes();
        let dated = |(id, created_at, seed): (u32, Timestamp, zeroize::Zeroizing<[u8; 32]>)| {
            Some(Dated { id, created_at, signer: Arc::new(Signer::from_seed(&seed)?) })
        };
        let stored = keys::open_all(self.log.as_ref(), secret, Purpose::Token).await?;
        Ok(View { keys: stored.into_iter().filter_map(dated).collect(), seen_at: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span::from_days(1);
    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn view(made: &[Timestamp]) -> View {
        let key = |(id, created_at): (u32, &Timestamp)| {
            let seed = [u8::try_from(id).unwrap(); 32];
            Dated { id, created_at: *created_at, signer: Arc::new(Signer::from_seed(&seed).unwrap()) }
        };
        View { keys: (1..).zip(made).map(key).collect(), seen_at: START }
    }

    #[test]
    fn a_key_is_published_an_hour_before_it_signs_and_thirty_days_after() {
        let made = START + Span::from_days(90) - PUBLISHED_BEFORE;
        let keys = view(&[START, made]);
        let begins = made + PUBLISHED_BEFORE;
        let before = begins - Span::from_millis(1);
        assert_eq!((keys.current(before), keys.published(before).len()), (Some(0), 2));
        assert_eq!((keys.current(begins), keys.published(begins).len()), (Some(1), 2));
        let last = begins + PUBLISHED_AFTER - Span::from_millis(1);
        assert_eq!(keys.published(last).len(), 2);
        assert_eq!(keys.published(last + Span::from_millis(1)).len(), 1);
    }

    #[test]
    fn the_next_one_is_made_in_the_last_hour() {
        let keys = view(&[START]);
        let due = START + SIGNS_FOR - PUBLISHED_BEFORE;
        assert!(!keys.is_ending(due - Span::from_millis(1)));
        assert!(keys.is_ending(due));
        assert!(!view(&[START, due]).is_ending(due + DAY));
        assert!(view(&[]).is_ending(START));
    }

    #[test]
    fn with_the_clock_set_back_there_is_a_key_all_the_same() {
        assert_eq!(view(&[START]).current(START - DAY), Some(0));
        assert_eq!(view(&[]).current(START), None);
    }
}
