//! Sessions: how they begin and end, what is noted of their use, and when their tokens are replaced.

use super::*;

impl User {
    pub(super) fn start(&self, session: NewSession, at: Timestamp) -> Decision {
        if self.standing == Standing::Disabled {
            return Err(UserRefusal::Deleted);
        }
        self.not_banned(at)?;
        if let Some(verified) = session.verified {
            self.still_verified(verified)?;
        }
        Ok(self.opened(session, at))
    }

    /// One more session; the oldest make room for it.
    pub(super) fn opened(&self, session: NewSession, at: Timestamp) -> Vec<UserEvent> {
        let own = self.sessions.iter().filter(|(_, session)| session.impersonation.is_none());
        let mut by_age: Vec<_> = own.map(|(id, session)| (session.started_at, *id)).collect();
        let excess = (by_age.len() + 1).saturating_sub(session.limit.max(1));
        by_age.sort_unstable();
        let oldest = by_age.into_iter().take(excess);
        let mut events: Vec<UserEvent> =
            oldest.map(|(_, id)| SessionEnded { session: id, reason: EndReason::Limit, at }.into()).collect();
        events.push(started(session));
        events
    }

    pub(super) fn record_activity(
        &self,
        session: SessionId,
        carrier: Carrier,
        granularity: Span,
        at: Timestamp,
    ) -> Decision {
        let current = self.live(session, at)?;
        // Who acts as the user is not the user.
        if current.impersonation.is_some() {
            return Ok(Vec::new());
        }
        let due = at.since(current.last_seen) >= granularity;
        let news = match carrier {
            Carrier::Cookie => !current.by_cookie,
            Carrier::Bearer => current.replayable && !current.presented,
            Carrier::Replay => !current.replayed,
        };
        Ok(if due || news { vec![ActivityRecorded { session, carrier, at }.into()] } else { Vec::new() })
    }

    pub(super) fn extend(&self, session: SessionId, expires_at: Timestamp, at: Timestamp) -> Decision {
        let current = self.live(session, at)?;
        let longer = current.remembered && expires_at > current.expires_at;
        Ok(if longer { vec![SessionExtended { session, at, expires_at }.into()] } else { Vec::new() })
    }

    pub(super) fn end(&self, which: impl Fn(SessionId) -> bool, reason: EndReason, at: Timestamp) -> Vec<UserEvent> {
        let ending = self.sessions.keys().copied().filter(|id| which(*id));
        ending.map(|session| SessionEnded { session, reason, at }.into()).collect()
    }
}

pub(super) fn started(session: NewSession) -> UserEvent {
    SessionStarted {
        session: session.id,
        locator: session.token.locator,
        token_hash: session.token.hash,
        expires_at: session.expires_at,
        remembered: session.remembered,
        authentication: session.authentication,
        client: session.client,
        replayable_until: session.replayable_until,
        impersonation: session.impersonation,
    }
    .into()
}

/// The new token, where the policy asks for one.
pub(super) fn rotation(session: SessionId, current: &Session, rotation: Rotation, at: Timestamp) -> Option<UserEvent> {
    let seen_by_cookie = rotation.carrier == Carrier::Cookie || current.by_cookie || current.replayed;
    let due = match rotation.policy {
        RotationPolicy::Always => true,
        RotationPolicy::Never => false,
        RotationPolicy::Cookie => seen_by_cookie,
    };
    due.then(|| rotated(session, current, rotation.token, rotation.grace, at))
}

pub(super) fn rotated(session: SessionId, current: &Session, token: NewToken, grace: Span, at: Timestamp) -> UserEvent {
    let previous = (grace > Span::ZERO).then(|| PreviousToken {
        locator: current.locator,
        token_hash: current.token_hash,
        readable_until: at + grace,
    });
    SessionRotated { session, locator: token.locator, token_hash: token.hash, previous, at }.into()
}
