//! What follows by itself: guests who stay away are told, taken out of use and deleted, each when its time has come.
//!
//! The process knows which time did pass ([`Expiry`], by its own events), where on the due list to look ([`Expiry::looks`])
//! and what to ask of whoever is found there ([`Look::command`]). It asks; the user decides, on what happened to it since.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;

use serde::{Deserialize, Serialize};

use crate::Passed;
use crate::decider::decider;
use crate::event::{Names, events};
use crate::id::ProcessId;
use crate::time::{Span, Timestamp};
use crate::user::UserCommand;
use crate::user::command::ExpiryTerms;

events! {
    ProcessEvent:
    ClockJumped 1,
}

/// A clock showed another time than the one that must have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockJumped {
    /// What it should have shown.
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Names for ProcessEvent {}

/// The state of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    pub passed: Passed,
}

#[derive(Clone, Copy, Debug)]
pub enum ProcessCommand {
    /// What the clock shows, and what it would show if it had been steady since the last look.
    NoteClock { expected: Timestamp, seen: Timestamp },
}

/// Nothing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessRefusal {}

decider!(Expiry: Process(ProcessId), ProcessCommand, ProcessEvent, ProcessRefusal, format 1);

/// A place on the due list, and who is to be looked at there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Guests of whom nothing was said yet, whose last activity is before a time.
    Quiet { before: Timestamp },
    /// Guests who were told that they will be deleted, by a time.
    Told { by: Timestamp },
    /// Guests who were held until a time, and whose last activity is before another.
    Lapsed { by: Timestamp, before: Timestamp },
    /// Guests whom a clean-up took out of use, until a time.
    Disabled { by: Timestamp },
    /// Guests whom a job took out of use, whose last activity is before a time.
    Barred { before: Timestamp },
}

impl Expiry {
    /// How far a clock may be from where it should be: setting it a little is no jump.
    pub const STEADY: Span = Span::from_secs(60);

    pub fn decide(&self, command: ProcessCommand, _: Timestamp) -> Result<Vec<ProcessEvent>, ProcessRefusal> {
        let ProcessCommand::NoteClock { expected, seen } = command;
        let steady = seen.since(expected).max(expected.since(seen)) <= Self::STEADY;
        Ok(if steady { Vec::new() } else { vec![ClockJumped { from: expected, to: seen }.into()] })
    }

    pub fn apply(&mut self, event: &ProcessEvent) {
        let ProcessEvent::ClockJumped(ClockJumped { from, to }) = event;
        self.passed.jump(*from, *to);
    }

    /// Where to look now. Without terms nobody is taken anew, and what was begun is finished.
    pub fn looks(&self, now: Timestamp, terms: Option<&ExpiryTerms>) -> Vec<Look> {
        let finish = Look::Disabled { by: now };
        let Some(terms) = terms else { return vec![finish] };
        let away = if terms.notice > Span::ZERO { terms.away_for_notice() } else { terms.away() };
        let before = self.passed.before(now, away);
        // Who can't come back is not told.
        let barred = Look::Barred { before: self.passed.before(now, terms.away()) };
        vec![finish, Look::Told { by: now }, Look::Lapsed { by: now, before }, Look::Quiet { before }, barred]
    }

    /// What is asked of whoever is found there.
    pub fn command(&self, look: Look, terms: Option<&ExpiryTerms>) -> Option<UserCommand> {
        let passed = self.passed.clone();
        let terms = terms.copied();
        match look {
            Look::Disabled { .. } => Some(UserCommand::FinishExpiry { passed }),
            Look::Told { .. } | Look::Barred { .. } => Some(UserCommand::ExpireGuest { terms: terms?, passed }),
            Look::Quiet { .. } | Look::Lapsed { .. } => {
                let terms = terms?;
                Some(if terms.notice > Span::ZERO {
                    UserCommand::AnnounceExpiry { terms, passed }
                } else {
                    UserCommand::ExpireGuest { terms, passed }
                })
            }
        }
    }
}
