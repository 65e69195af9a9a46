//! Tokens that were made a moment ago, by session. Bounded: two generations, and the older goes when the younger is full.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::SessionId;
use chrysalis_projections::sessions::SessionRow;
use http::HeaderValue;

use super::Said;

/// Tokens of one generation: about 15 MB for both, at the most.
const GENERATION: usize = 8_192;

#[derive(Default)]
pub(super) struct Cache(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<SessionId, Kept>,
    old: HashMap<SessionId, Kept>,
}

struct Kept {
    said: Said,
    token: HeaderValue,
    until: Timestamp,
}

impl Cache {
    /// The token, if it says the same and is still to be given.
    pub(super) fn get(&self, row: &SessionRow, now: Timestamp) -> Option<HeaderValue> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = generations.young.get(&row.session).or_else(|| generations.old.get(&row.session))?;
        (now < kept.until && kept.said.fits(row)).then(|| kept.token.clone())
    }

    pub(super) fn put(&self, session: SessionId, said: Said, token: HeaderValue, until: Timestamp) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(session, Kept { said, token, until });
    }
}
