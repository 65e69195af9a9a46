//! One mail on its way: what became of it. That it is to be sent is said by the event it follows from.

use serde::{Deserialize, Serialize};

use crate::event::{Names, events};
use crate::time::Timestamp;

events! {
    MailEvent:
    MailSent 1,
    MailDeferred 1,
    MailGivenUp 1,
}

/// A mail server took it, or it was put into the outbox. It may have been sent before, if the answer was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSent {
    pub at: Timestamp,
}

/// It could not be sent for the time being.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailDeferred {
    /// Counts from 1.
    pub attempt: u32,
    /// When it is tried again.
    pub due_at: Timestamp,
    pub at: Timestamp,
}

/// It will not be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailGivenUp {
    pub reason: Reason,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The mail server refused it for good.
    Refused,
    /// It was tried as often as it may be.
    Exhausted,
    /// What it carries is of no use any more.
    Expired,
    /// Whom it was for was erased.
    Erased,
}

impl Names for MailEvent {}
