//! The audit trail: who did what to whom (CONTRACT 7.5). It is read from a model that follows the log, and may be a moment
//! old; [`Trail::wait`] makes it no older than the question.
//!
//! - [`pages`]: a page of deeds that fit a filter, newer or older than a place;
//! - [`open`]: their names and addresses, as far as there still are any;
//! - [`export`]: a stretch of time, oldest first;
//! - [`form`]: a deed as JSON, and as a line of CSV;
//! - [`note`]: what apps add to it.

pub mod export;
pub mod form;
pub mod note;
pub mod open;
pub mod pages;

use std::time::{Duration, Instant};

use chrysalis_projections::{audit, model};

use super::App;
use crate::keys::Keyring;
use crate::log::{Log, LogFault, Position, ask_one};

/// How long a question waits for what happened before it.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// Reads the trail.
#[derive(Clone, Copy)]
pub struct Trail<'a> {
    pub log: &'a dyn Log,
    pub keyring: &'a Keyring,
}

impl App {
    pub fn trail(&self) -> Trail<'_> {
        Trail { log: self.log.as_ref(), keyring: &self.keyring }
    }
}

impl Trail<'_> {
    /// Until what has happened so far is in the trail, or for as long as anybody should have to wait: whoever did something
    /// and then looks for it finds it.
    pub async fn wait(&self) -> Result<(), LogFault> {
        let (head, asked) = (*self.log.head().borrow(), Instant::now());
        while self.folded_to().await? < head && asked.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn folded_to(&self) -> Result<Position, LogFault> {
        Ok(ask_one(self.log, &model::FOLDED_TO, &[audit::MODEL.name.into()]).await?.unwrap_or(0))
    }
}
