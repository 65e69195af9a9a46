//! The audit trail: who did what to whom (CONTRACT 7.5). It is read from a model that follows the log, and may be a moment
//! old; [`Trail::wait`] makes it no older than the question.
//!
//! - [`pages`]: a page of deeds that fit a filter, newer or older than a place;
//! - [`open`]: their names and addresses, as far as there still are any;
//! - [`export`]: a stretch of time, oldest first;
//! - [`form`]: a deed as JSON, and as a line of CSV;
//! - [`note`]: what apps add to it.
//!
//! And what auditors read besides, from the log itself:
//! - [`events`]: its events, page by page;
//! - [`replay`]: a user as they were at a time ([`state`]), and each step that made them so, in words ([`explain`]);
//! - [`totals`]: the whole system as it was at a time.

pub mod events;
pub mod explain;
pub mod export;
pub mod form;
pub mod note;
pub mod open;
pub mod pages;
pub mod replay;
pub mod state;
pub mod totals;

use std::time::Duration;

use chrysalis_projections::audit;

use super::App;
use crate::keys::Keyring;
use crate::log::{Log, LogFault, follow};

/// How long a question waits for what happened before it.
const PATIENCE: Duration = Duration::from_secs(2);

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
        follow::behind(self.log, &audit::MODEL, PATIENCE).await.map(|_| ())
    }
}
