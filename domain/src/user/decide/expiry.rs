//! Guests who have been away for too long (CONTRACT 2.7). Whatever came first wins: a visit, an upgrade, a hold. In between it
//! can be told, held and undone; in the end the user goes.

use super::*;
use crate::Passed;
use crate::user::Disabled;

impl User {
    /// Nothing when it was announced before, and nobody came since.
    pub(super) fn announce_expiry(&self, terms: ExpiryTerms, passed: &Passed, at: Timestamp) -> Decision {
        let cutoff = passed.before(at, terms.away_for_notice());
        self.may_expire(cutoff, passed, at)?;
        if self.announced.is_some() || self.standing == Standing::Disabled {
            return Ok(Vec::new());
        }
        let expires_at = (self.last_activity + terms.away()).max(at + terms.notice);
        Ok(vec![GuestExpiryAnnounced { evidence: self.evidence(terms, cutoff), expires_at, at }.into()])
    }

    pub(super) fn expire(&self, terms: ExpiryTerms, passed: &Passed, at: Timestamp) -> Decision {
        let cutoff = passed.before(at, terms.away());
        self.may_expire(cutoff, passed, at)?;
        if let Some(disabled) = &self.disabled {
            return self.expire_disabled(disabled, terms, cutoff, passed, at);
        }
        let told = self.announced.as_ref().is_some_and(|told| passed.is_over(told.at, told.expires_at, at));
        if terms.notice > Span::ZERO && !told {
            return Err(UserRefusal::GuestNotTold);
        }
        let (evidence, final_at) = (self.evidence(terms, cutoff), at + terms.undo);
        let disabled = GuestDisabled { evidence: Some(evidence.clone()), by: None, at, final_at: Some(final_at) };
        let mut events = vec![disabled.into()];
        events.extend(if final_at > at {
            self.out_of_use(at)
        } else {
            self.gone(DeletionReason::AnonymousMaxAge, Some(evidence), at)
        });
        Ok(events)
    }

    /// Decides again: a visit that was on its way when the guest was taken out of use brings it back.
    pub(super) fn finish_expiry(&self, passed: &Passed, at: Timestamp) -> Decision {
        let disabled = self.disabled.as_ref().ok_or(UserRefusal::GuestNotDisabled)?;
        // Whom a job took out of use, no clean-up did.
        let (Some(evidence), Some(final_at)) = (&disabled.evidence, disabled.final_at) else {
            return Err(UserRefusal::GuestNotDisabled);
        };
        if self.last_activity >= evidence.cutoff {
            return Ok(vec![self.restored(disabled, None, at)]);
        }
        self.not_held(passed, at)?;
        if !passed.is_over(disabled.at, final_at, at) {
            return Err(UserRefusal::StillUndoable { until: final_at });
        }
        Ok(self.gone(DeletionReason::AnonymousMaxAge, Some(evidence.clone()), at))
    }

    /// Whom a job took out of use goes when a guest who stays away would: it can't come back, so there is nobody to be told.
    /// What the job did can be undone for as long as what a clean-up does.
    fn expire_disabled(
        &self,
        disabled: &Disabled,
        terms: ExpiryTerms,
        cutoff: Timestamp,
        passed: &Passed,
        at: Timestamp,
    ) -> Decision {
        if disabled.by.is_none() {
            return Ok(Vec::new());
        }
        let until = disabled.at + terms.undo;
        if !passed.is_over(disabled.at, until, at) {
            return Err(UserRefusal::StillUndoable { until });
        }
        Ok(self.gone(DeletionReason::AnonymousMaxAge, Some(self.evidence(terms, cutoff)), at))
    }

    /// For as long again as it may be away, or as long as a job had it out of use: otherwise the next clean-up would take it
    /// at once.
    pub(super) fn restore(&self, at: Timestamp) -> Decision {
        let disabled = self.disabled.as_ref().ok_or(UserRefusal::GuestNotDisabled)?;
        let again = match &disabled.evidence {
            Some(evidence) => Span::from_secs(evidence.max_age_secs),
            None => at.since(disabled.at),
        };
        // A clean-up allows for an hour anyway.
        if again < ExpiryTerms::RECORDED_WITHIN {
            return Ok(vec![self.restored(disabled, None, at)]);
        }
        let held_until = self.held.iter().map(|held| held.until).fold(at + again, Timestamp::max);
        Ok(vec![self.restored(disabled, Some(held_until), at)])
    }

    /// The guest's own sessions that were ended live again, as far as they would have lived until now. Whoever acted as the
    /// guest has no part in it: what let them in may be gone.
    pub(super) fn restored(&self, disabled: &Disabled, held_until: Option<Timestamp>, at: Timestamp) -> UserEvent {
        let own = disabled.sessions.iter().filter(|(_, session)| session.impersonation.is_none());
        let live = own.filter(|(_, session)| session.expires_at > at);
        let sessions = live.map(|(id, _)| *id).collect();
        GuestRestored { sessions, held_until, last_activity: self.last_activity, at }.into()
    }

    /// Nothing when it is held until then, and nothing more is said of why.
    pub(super) fn hold(&self, until: Timestamp, reason: Option<SealedId>, at: Timestamp) -> Decision {
        self.is_guest()?;
        let held =
            self.held.as_ref().is_some_and(|held| held.until == until && reason.is_none_or(|_| held.reason == reason));
        let last_activity = self.last_activity;
        Ok(if held { Vec::new() } else { vec![GuestHeld { until, reason, last_activity, at }.into()] })
    }

    pub(super) fn release(&self, at: Timestamp) -> Vec<UserEvent> {
        let last_activity = self.last_activity;
        self.held.iter().map(|_| GuestReleased { last_activity, at }.into()).collect()
    }

    /// Sessions end. An upgrade that awaits its proof will get none: the address is free at once.
    pub(super) fn out_of_use(&self, at: Timestamp) -> Vec<UserEvent> {
        let mut events = self.end(|_| true, EndReason::Disabled, at);
        events.extend(self.drop_pending(ReleaseReason::Disabled));
        events
    }

    fn may_expire(&self, cutoff: Timestamp, passed: &Passed, at: Timestamp) -> Result<(), UserRefusal> {
        self.is_guest()?;
        // Superseded: a guest again by law, but one that may hold a member's data (CONTRACT 2.6).
        if self.superseded {
            return Err(UserRefusal::NotAnonymous);
        }
        if self.last_activity >= cutoff {
            return Err(UserRefusal::GuestActive { last_activity: self.last_activity });
        }
        self.not_held(passed, at)
    }

    fn not_held(&self, passed: &Passed, at: Timestamp) -> Result<(), UserRefusal> {
        match &self.held {
            Some(held) if !passed.is_over(held.since, held.until, at) => {
                Err(UserRefusal::GuestHeld { until: held.until })
            }
            _ => Ok(()),
        }
    }

    fn evidence(&self, terms: ExpiryTerms, cutoff: Timestamp) -> ExpiryEvidence {
        let max_age_secs = terms.max_age.as_millis() / 1000;
        let ExpiryTerms { settings_version, job, .. } = terms;
        ExpiryEvidence { settings_version, job, max_age_secs, cutoff, last_activity: self.last_activity }
    }
}
