//! A one-time proof that is to come back: from a mailbox, as a link to follow or a code to type, or with a browser from an
//! identity provider.
//!
//! Asked for by anybody, for any address, whether or not a user has it: so it is an aggregate of its own. A challenge is
//! met once; of two who bring it at the same time one is late. What follows for a user is another decision, stored in the
//! same group.

pub mod event;

#[cfg(test)]
mod scenarios;

use serde::{Deserialize, Serialize};

pub use event::{Asker, Bound, ChallengeEvent, Intent, Purpose};

use crate::decider::decider;
use crate::id::{ChallengeId, PersonId};
use crate::time::Timestamp;
use event::{
    AuthorizationRequested, ChallengeChecked, ChallengeIssued, ChallengeMet, ChallengeMissed, ChallengeVoided,
    StrangerForgotten, VoidReason,
};

/// The state of a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub issued: Option<ChallengeIssued>,
    pub requested: Option<AuthorizationRequested>,
    pub missed: u8,
    pub ended: Option<Ended>,
    /// Nothing is left of who asked.
    pub forgotten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    Met,
    Voided(VoidReason),
}

#[derive(Clone, Debug)]
pub enum ChallengeCommand {
    Issue(Box<ChallengeIssued>),
    RequestAuthorization(Box<AuthorizationRequested>),
    /// The browser came back.
    MeetAuthorization,
    /// The link was followed, or this very code was typed.
    Meet {
        purpose: Purpose,
    },
    /// This very code was typed, to see whether it is right.
    Check {
        purpose: Purpose,
    },
    /// Another code was typed.
    Miss {
        own: bool,
    },
    Void {
        reason: VoidReason,
    },
    /// Nobody came of it, as far as whoever asks has seen: it was met by then, or it was not.
    ForgetStranger {
        met: bool,
    },
}

/// Why a challenge is not met: typed, so that the caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeRefusal {
    #[error("there is no such challenge, or it was used or replaced")]
    Unknown,
    #[error("the challenge has expired")]
    Expired,
    #[error("the code was guessed at too often")]
    Exhausted,
}

decider!(Challenge: Challenge(ChallengeId), ChallengeCommand, ChallengeEvent, ChallengeRefusal, format 2);

impl Challenge {
    /// What follows from the command; nothing at all when what it asks for is so already.
    ///
    /// # Errors
    /// A refusal. State is unchanged then.
    pub fn decide(&self, command: ChallengeCommand, at: Timestamp) -> Result<Vec<ChallengeEvent>, ChallengeRefusal> {
        match command {
            ChallengeCommand::Issue(issued) => self.begin((*issued).into()),
            ChallengeCommand::RequestAuthorization(requested) => self.begin((*requested).into()),
            ChallengeCommand::MeetAuthorization => {
                self.standing_authorization(at)?;
                Ok(vec![ChallengeMet { at }.into()])
            }
            ChallengeCommand::Meet { purpose } => {
                self.standing(purpose, at)?;
                Ok(vec![ChallengeMet { at }.into()])
            }
            ChallengeCommand::Check { purpose } => {
                self.standing(purpose, at)?;
                Ok(vec![ChallengeChecked { at }.into()])
            }
            ChallengeCommand::Miss { own } => self.miss(own, at),
            ChallengeCommand::Void { reason } => Ok(match (self.has_begun(), self.ended) {
                (true, None) => vec![ChallengeVoided { reason, at }.into()],
                // It was remembered for the sake of whoever goes on guessing; now there is another.
                (true, Some(Ended::Voided(VoidReason::Exhausted))) if reason != VoidReason::Exhausted => {
                    vec![ChallengeVoided { reason, at }.into()]
                }
                _ => Vec::new(),
            }),
            ChallengeCommand::ForgetStranger { met } => Ok(match self.stranger() {
                // Met since: somebody may have come of it.
                Some(_) if self.forgotten || (self.ended == Some(Ended::Met)) != met => Vec::new(),
                Some((person, expires_at)) if expires_at <= at => vec![StrangerForgotten { person, at }.into()],
                _ => Vec::new(),
            }),
        }
    }

    /// Whoever asked, if it was nobody's address and nobody's session; and until when the challenge could be met.
    pub fn stranger(&self) -> Option<(PersonId, Timestamp)> {
        let issued = self.issued.as_ref().and_then(|e| Some((e.stranger()?, e.expires_at)));
        issued.or_else(|| self.requested.as_ref().and_then(|e| Some((e.stranger()?, e.expires_at))))
    }

    /// What was asked for, if it can still be met.
    pub fn standing(&self, purpose: Purpose, at: Timestamp) -> Result<&ChallengeIssued, ChallengeRefusal> {
        let issued =
            self.issued.as_ref().filter(|issued| issued.purpose == purpose).ok_or(ChallengeRefusal::Unknown)?;
        self.is_open(issued.expires_at, at).map(|()| issued)
    }

    /// The browser that was sent away, if it can still come back.
    pub fn standing_authorization(&self, at: Timestamp) -> Result<&AuthorizationRequested, ChallengeRefusal> {
        let requested = self.requested.as_ref().ok_or(ChallengeRefusal::Unknown)?;
        self.is_open(requested.expires_at, at).map(|()| requested)
    }

    fn is_open(&self, expires_at: Timestamp, at: Timestamp) -> Result<(), ChallengeRefusal> {
        match self.ended {
            Some(Ended::Voided(VoidReason::Exhausted)) => Err(ChallengeRefusal::Exhausted),
            Some(Ended::Voided(VoidReason::Expired)) => Err(ChallengeRefusal::Expired),
            Some(Ended::Met | Ended::Voided(VoidReason::Replaced | VoidReason::Denied)) => {
                Err(ChallengeRefusal::Unknown)
            }
            None if expires_at <= at => Err(ChallengeRefusal::Expired),
            None => Ok(()),
        }
    }

    const fn has_begun(&self) -> bool {
        self.issued.is_some() || self.requested.is_some()
    }

    fn begin(&self, event: ChallengeEvent) -> Result<Vec<ChallengeEvent>, ChallengeRefusal> {
        if self.has_begun() { Err(ChallengeRefusal::Unknown) } else { Ok(vec![event]) }
    }

    fn miss(&self, own: bool, at: Timestamp) -> Result<Vec<ChallengeEvent>, ChallengeRefusal> {
        let purpose = self.issued.as_ref().map(|issued| issued.purpose).ok_or(ChallengeRefusal::Unknown)?;
        self.standing(purpose, at)?;
        let mut events = vec![ChallengeMissed { own, at }.into()];
        if own && self.missed + 1 >= purpose.tries() {
            events.push(ChallengeVoided { reason: VoidReason::Exhausted, at }.into());
        }
        Ok(events)
    }

    pub fn apply(&mut self, event: &ChallengeEvent) {
        match event {
            ChallengeEvent::ChallengeIssued(e) => self.issued = Some(e.clone()),
            ChallengeEvent::AuthorizationRequested(e) => self.requested = Some(e.clone()),
            ChallengeEvent::ChallengeMissed(e) => self.missed = self.missed.saturating_add(e.own.into()),
            ChallengeEvent::ChallengeChecked(_) => {}
            ChallengeEvent::ChallengeMet(_) => self.ended = Some(Ended::Met),
            ChallengeEvent::ChallengeVoided(e) => self.ended = Some(Ended::Voided(e.reason)),
            ChallengeEvent::StrangerForgotten(_) => self.forgotten = true,
        }
    }
}
