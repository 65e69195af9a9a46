//! A guest comes back: by a code that it kept, or on another device that the first one lets in (CONTRACT 9). Nothing of it
//! outlives an upgrade: a member has other ways in.

use super::*;
use crate::user::DeviceLink;
use crate::value::TokenHash;

impl User {
    pub(super) fn issue_recovery_code(&self, session: SessionId, hash: TokenHash, at: Timestamp) -> Decision {
        self.is_guest()?;
        self.own(session, at)?;
        let replaced = self.recovery_ends(CodeEnd::Replaced, at);
        Ok(replaced.into_iter().chain([RecoveryCodeIssued { hash, at }.into()]).collect())
    }

    pub(super) fn revoke_recovery_code(&self, session: SessionId, at: Timestamp) -> Decision {
        self.own(session, at)?;
        Ok(self.recovery_ends(CodeEnd::Revoked, at).into_iter().collect())
    }

    pub(super) fn use_recovery_code(&self, hash: TokenHash, session: NewSession, at: Timestamp) -> Decision {
        self.is_guest()?;
        if self.recovery != Some(hash) {
            return Err(UserRefusal::ChallengeUnknown);
        }
        self.not_out_by_a_job()?;
        self.not_banned(at)?;
        // A clean-up that can still be undone is undone by whoever comes back.
        let restored = self.disabled.as_ref().map(|disabled| self.restored(disabled, None, at));
        let mut events: Vec<UserEvent> = restored.into_iter().collect();
        events.extend(self.recovery_ends(CodeEnd::Used, at));
        events.extend(self.opened(session, at));
        Ok(events)
    }

    pub(super) fn offer_device_link(
        &self,
        session: SessionId,
        hash: TokenHash,
        expires_at: Timestamp,
        at: Timestamp,
    ) -> Decision {
        self.is_guest()?;
        self.own(session, at)?;
        let replaced = self.link_ends(CodeEnd::Replaced, at);
        Ok(replaced.into_iter().chain([DeviceLinkOffered { hash, expires_at, at }.into()]).collect())
    }

    /// The first device to type the code has it; a second one is not told that there was a first.
    pub(super) fn claim_device_link(
        &self,
        hash: TokenHash,
        ticket: TokenHash,
        client: SealedId,
        at: Timestamp,
    ) -> Decision {
        let link = self.standing_link(at)?;
        if link.hash != hash || link.ticket.is_some() {
            return Err(UserRefusal::ChallengeUnknown);
        }
        Ok(vec![DeviceLinkClaimed { ticket, client: Some(client), at }.into()])
    }

    pub(super) fn confirm_device_link(&self, session: SessionId, at: Timestamp) -> Decision {
        self.own(session, at)?;
        let link = self.standing_link(at)?;
        if link.ticket.is_none() {
            return Err(UserRefusal::ChallengeUnknown);
        }
        Ok(if link.confirmed { Vec::new() } else { vec![DeviceLinkConfirmed { at }.into()] })
    }

    pub(super) fn withdraw_device_link(&self, session: SessionId, at: Timestamp) -> Decision {
        self.own(session, at)?;
        Ok(self.link_ends(CodeEnd::Revoked, at).into_iter().collect())
    }

    pub(super) fn use_device_link(
        &self,
        hash: TokenHash,
        ticket: TokenHash,
        session: NewSession,
        at: Timestamp,
    ) -> Decision {
        self.is_guest()?;
        let link = self.standing_link(at)?;
        if link.hash != hash || link.ticket != Some(ticket) || !link.confirmed {
            return Err(UserRefusal::ChallengeUnknown);
        }
        let mut events: Vec<UserEvent> = self.link_ends(CodeEnd::Used, at).into_iter().collect();
        events.extend(self.start(session, at)?);
        Ok(events)
    }

    fn standing_link(&self, at: Timestamp) -> Result<&DeviceLink, UserRefusal> {
        let link = self.link.as_ref().ok_or(UserRefusal::ChallengeUnknown)?;
        if link.expires_at <= at { Err(UserRefusal::ChallengeExpired) } else { Ok(link) }
    }

    fn recovery_ends(&self, reason: CodeEnd, at: Timestamp) -> Option<UserEvent> {
        self.recovery.map(|hash| RecoveryCodeEnded { hash, reason, at }.into())
    }

    fn link_ends(&self, reason: CodeEnd, at: Timestamp) -> Option<UserEvent> {
        self.link.as_ref().map(|link| DeviceLinkEnded { hash: link.hash, reason, at }.into())
    }
}
