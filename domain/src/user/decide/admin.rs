//! What administrators do with users: roles, bans, what the app says of them, acting as one of them (CONTRACT 7.2).

use super::*;
use crate::job::UserFilter;
use crate::role::{ADMIN, Roles};

impl User {
    /// A member who did not come by themselves.
    pub(super) fn create_member(&self, new: NewMember, at: Timestamp) -> Decision {
        self.is_new()?;
        let NewMember { user, person, claim, address, verified, password, name, image, metadata, app_metadata, roles } =
            new;
        let proof = verified.then_some(ProofKind::Administrator);
        let authentication = Authentication::administrator(at);
        let mut events = vec![
            MemberSignedUp { user, person, authentication }.into(),
            EmailClaimed { claim, address, session: None, proof, replaces: None }.into(),
        ];
        events.extend(
            password
                .map(|ChosenPassword { account, hash }| PasswordAdded { account, hash, proven: verified, at }.into()),
        );
        let [name, image, metadata] = [name, image, metadata].map(Change::from_option);
        events.extend(self.said(name, image, metadata, at));
        events.extend(app_metadata.map(|metadata| AppMetadataSet { metadata, before: None, at }.into()));
        events.extend(self.roles_set(roles.unwrap_or_default(), at));
        Ok(events)
    }

    pub(super) fn administer(&self, administration: Administration, at: Timestamp) -> Decision {
        let Administration { name, image, metadata, app_metadata, roles, verified, password, notice } = administration;
        // A guest has no role, and no way in but its session.
        if self.standing.is_guest() && (roles.is_some() || password.is_some()) {
            return Err(UserRefusal::Anonymous);
        }
        let mut events = self.update_profile(name, image, metadata, at);
        let said = app_metadata.filter(|metadata| self.app_metadata != Some(*metadata));
        let before = self.app_metadata;
        events.extend(said.map(|metadata| AppMetadataSet { metadata, before, at }.into()));
        events.extend(roles.and_then(|roles| self.roles_set(roles, at)));
        if let Some(verified) = verified {
            events.extend(self.declare(verified, at)?);
        }
        if let Some(password) = password {
            events.extend(self.give_password(password, notice, at));
        }
        Ok(events)
    }

    pub(super) fn roles_set(&self, roles: Roles, at: Timestamp) -> Option<UserEvent> {
        (roles != self.roles).then(|| RoleSet { roles, before: self.roles.clone(), at }.into())
    }

    /// That the address is read by this user, or not known to be.
    fn declare(&self, verified: bool, at: Timestamp) -> Decision {
        let email = self.email.as_ref().ok_or(UserRefusal::NoAddress)?;
        Ok(match (email.verified, verified) {
            (false, true) => self.prove(email.claim, ProofKind::Administrator, None, at),
            (true, false) => vec![EmailUnverified { claim: email.claim, at }.into()],
            _ => Vec::new(),
        })
    }

    /// As with a reset, everybody who is in is out, and what they began is void.
    fn give_password(&self, password: ChosenPassword, notice: NewNotice, at: Timestamp) -> Vec<UserEvent> {
        let ChosenPassword { account, hash } = password;
        let proven = self.email.as_ref().is_some_and(|email| email.verified);
        let mut events = vec![match &self.password {
            Some(held) => PasswordChanged { account: held.account, hash, at }.into(),
            None => PasswordAdded { account, hash, proven, at }.into(),
        }];
        events.extend(self.end(|_| true, EndReason::PasswordReset, at));
        events.push(PendingVoided { at }.into());
        events.extend(self.tell(Some(notice), Notice::PasswordChanged, at));
        events
    }

    // --- removal by a filter ---

    /// The list they were on may be old, and a filter is easily wider than was meant: who administers goes by name alone.
    pub(super) fn delete_matching(&self, filter: &UserFilter, at: Timestamp) -> Decision {
        if self.roles.has(ADMIN) {
            return Err(UserRefusal::Administers);
        }
        if !self.matches(filter, at) {
            return Err(UserRefusal::NotMatching);
        }
        Ok(self.gone(DeletionReason::Administrator, None, at))
    }

    /// As far as it can have changed: nobody comes into being a second time.
    fn matches(&self, filter: &UserFilter, at: Timestamp) -> bool {
        let UserFilter { guests, verified, banned, last_active_before, last_active_after, .. } = *filter;
        let is_verified = self.email.as_ref().is_some_and(|email| email.verified);
        guests.is_none_or(|guests| guests == self.standing.is_guest())
            && verified.is_none_or(|verified| verified == is_verified)
            && banned.is_none_or(|banned| banned == self.is_banned(at))
            && last_active_before.is_none_or(|before| self.last_activity < before)
            && last_active_after.is_none_or(|after| self.last_activity > after)
    }

    // --- bans ---

    pub(super) fn ban(&self, reason: SealedId, until: Option<Timestamp>, at: Timestamp) -> Decision {
        let mut events = self.end(|_| true, EndReason::Banned, at);
        events.push(UserBanned { reason, until, at }.into());
        Ok(events)
    }

    pub(super) fn unban(&self, at: Timestamp) -> Decision {
        Ok(if self.ban.is_some() { vec![UserUnbanned { at }.into()] } else { Vec::new() })
    }

    pub(super) fn not_banned(&self, at: Timestamp) -> Result<(), UserRefusal> {
        if self.is_banned(at) { Err(UserRefusal::Banned) } else { Ok(()) }
    }

    // --- acting as the user ---

    /// One at a time for each who does it. The user's own sessions stay as they are.
    pub(super) fn impersonate(&self, session: NewSession, at: Timestamp) -> Decision {
        if self.standing == Standing::Disabled {
            return Err(UserRefusal::Deleted);
        }
        self.not_banned(at)?;
        if self.roles.has(ADMIN) {
            return Err(UserRefusal::Administers);
        }
        let by = session.impersonation.map(|impersonation| impersonation.by);
        let same = |id| self.sessions.get(&id).and_then(|held| held.impersonation).map(|held| held.by) == by;
        let mut events = self.end(|id| by.is_some() && same(id), EndReason::ImpersonationEnded, at);
        events.push(started(session));
        Ok(events)
    }

    /// The session, if it is live, and nobody else's who acts as the user.
    pub(super) fn own(&self, session: SessionId, at: Timestamp) -> Result<&Session, UserRefusal> {
        let session = self.live(session, at)?;
        if session.impersonation.is_some() { Err(UserRefusal::Impersonated) } else { Ok(session) }
    }

    /// Another token after the user's roles changed (SECURITY S6); nothing where that was done.
    pub(super) fn rotate(&self, session: SessionId, renewal: Rotation, at: Timestamp) -> Decision {
        let current = self.live(session, at)?;
        let due = current.rotation_due.then(|| rotation(session, current, renewal, at)).flatten();
        Ok(due.into_iter().collect())
    }
}
