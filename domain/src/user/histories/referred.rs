//! What a command refers to: mostly what is there, sometimes what was, sometimes what never was.

use ulid::Ulid;

use super::Life;
use super::dice::Dice;
use crate::event::Names;
use crate::id::{ChallengeId, ClaimId, JobId, OrganizationId, SealedId, SessionId, UserId};
use crate::user::UserEvent;
use crate::value::TokenHash;

impl Life {
    pub(super) fn session(&mut self, dice: &mut Dice) -> SessionId {
        let past = self.seen(|event| match event {
            UserEvent::SessionStarted(e) => Some(e.session),
            _ => None,
        });
        let current: Vec<_> = self.user.sessions.keys().copied().collect();
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(SessionId::from_ulid))
    }

    pub(super) fn claim(&mut self, dice: &mut Dice) -> ClaimId {
        let (current, past) =
            (self.user.email.iter().map(|email| email.claim).collect::<Vec<_>>(), self.seen(UserEvent::declares));
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(ClaimId::from_ulid))
    }

    pub(super) fn challenge(&mut self, dice: &mut Dice) -> ChallengeId {
        let past = self.seen(|event| match event {
            UserEvent::EmailVerificationRequested(e) => Some(e.challenge),
            _ => None,
        });
        let current: Vec<_> = self.user.verification.iter().map(|standing| standing.challenge).collect();
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(ChallengeId::from_ulid))
    }

    pub(super) fn password(&mut self, dice: &mut Dice) -> SealedId {
        let past = self.seen(|event| match event {
            UserEvent::PasswordAdded(e) => Some(e.hash),
            UserEvent::PasswordChanged(e) => Some(e.hash),
            _ => None,
        });
        let current: Vec<_> = self.user.password.iter().map(|password| password.hash).collect();
        dice.refer(&current, &past).unwrap_or_else(|| self.fresh(SealedId::from_ulid))
    }

    pub(super) fn seen<T>(&self, of: impl Fn(&UserEvent) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(|(_, event)| of(event)).collect()
    }

    /// The code and the ticket of the link that is offered, or others.
    pub(super) fn link(&mut self, dice: &mut Dice) -> (TokenHash, TokenHash) {
        let any = self.token().hash;
        let held = self.user.link.as_ref().filter(|_| !dice.one_in(5));
        held.map_or((any, any), |link| (link.hash, link.ticket.unwrap_or(any)))
    }

    /// One of few.
    pub(super) fn other(&mut self, dice: &mut Dice) -> UserId {
        UserId::from_ulid(Ulid::from_parts(1, u128::from(dice.throw() % 3)))
    }

    /// One of two.
    pub(super) fn job(&mut self, dice: &mut Dice) -> JobId {
        JobId::from_ulid(Ulid::from_parts(1, u128::from(dice.throw() % 2)))
    }

    /// One of few.
    pub(super) fn organization(&mut self, dice: &mut Dice) -> OrganizationId {
        OrganizationId::from_ulid(Ulid::from_parts(1, u128::from(dice.throw() % 8)))
    }

    /// Mostly the present one.
    pub(super) fn epoch(&mut self, dice: &mut Dice) -> Option<u32> {
        match dice.throw() {
            0..=127 => None,
            128..=223 => Some(self.user.epoch),
            _ => Some(self.user.epoch.wrapping_sub(1)),
        }
    }
}
