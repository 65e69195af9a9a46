//! What is done with users.

use super::*;

pub(super) fn deeds(user: UserId, event: &UserEvent) -> Vec<Deed> {
    let to = |action| Deed::new(action).on("user", user);
    let session = |action, session| to(action).on("session", session);
    match event {
        UserEvent::GuestCreated(e) => {
            let created = to(Action::UserCreated).with("method", "anonymous");
            let created = created.with_some("channel", e.entry.channel.as_ref().map(ToString::to_string));
            vec![created.with_some("campaign", e.entry.campaign.as_ref().map(ToString::to_string))]
        }
        UserEvent::MemberSignedUp(e) => vec![to(Action::UserCreated).by(&e.authentication)],
        UserEvent::GuestUpgraded(e) => upgraded(user, e),
        UserEvent::UpgradeSuperseded(e) => {
            vec![to(Action::UserUpgradeSuperseded).with("guestAgain", e.guest_again.to_string())]
        }
        UserEvent::UserReclaimed(e) => vec![to(Action::UserReclaimed).with("proof", word(e.proof))],
        UserEvent::GuestTransferred(e) => vec![to(Action::UserTransferred).on("user", e.to)],
        UserEvent::GuestExpiryAnnounced(e) => {
            let expiring = to(Action::GuestExpiring).with("expiresAt", time(e.expires_at));
            vec![expiring.with("lastActivity", time(e.evidence.last_activity)).with_evidence(&e.evidence)]
        }
        UserEvent::GuestHeld(e) => {
            let held = to(Action::GuestHeld).with("until", time(e.until));
            let said = e.reason.map(|reason| json!({ "holdReason": sealed(reason) }));
            vec![held.from(Value::Null, said.unwrap_or_default())]
        }
        UserEvent::DataExported(_) => vec![to(Action::UserExported)],
        UserEvent::GuestReleased(_) => vec![to(Action::GuestReleased)],
        UserEvent::GuestDisabled(e) if e.can_be_undone() => vec![disabled(user, e)],
        UserEvent::GuestRestored(e) => vec![to(Action::GuestRestored).with_some("heldUntil", e.held_until.map(time))],
        UserEvent::UserDeleted(e) => vec![deleted(user, e)],
        UserEvent::ProfileUpdated(e) => vec![profile(user, e)],
        UserEvent::EmailClaimed(e) => claimed(user, e).into_iter().collect(),
        UserEvent::EmailVerified(e) => vec![to(Action::EmailVerified).with("proof", word(e.proof))],
        UserEvent::PasswordChanged(_) => vec![to(Action::PasswordChanged)],
        UserEvent::PasswordReset(e) => vec![to(Action::PasswordReset).with("proof", word(e.proof))],
        UserEvent::PasswordAdded(e) => vec![to(Action::AccountLinked).on("account", e.account).of_password()],
        UserEvent::PasswordRestored(e) => vec![to(Action::AccountLinked).on("account", e.account).of_password()],
        UserEvent::PasswordRemoved(e) => {
            unlinked(to(Action::AccountUnlinked).on("account", e.account).of_password(), e.reason)
        }
        UserEvent::PasswordSuspended(e) => {
            let unlinked = to(Action::AccountUnlinked).on("account", e.account).of_password();
            vec![unlinked.with("reason", "suspended").with("restorableUntil", time(e.until))]
        }
        UserEvent::IdentityLinked(e) => {
            vec![to(Action::AccountLinked).on("account", e.account).with("provider", e.provider.clone())]
        }
        UserEvent::IdentityUnlinked(e) => unlinked(to(Action::AccountUnlinked).on("account", e.account), e.reason),
        UserEvent::SessionStarted(e) if e.impersonation.is_some() => {
            vec![session(Action::UserImpersonated, e.session).with("expiresAt", time(e.expires_at))]
        }
        UserEvent::SessionStarted(e) => vec![session(Action::SessionCreated, e.session).by(&e.authentication)],
        UserEvent::SessionExtended(e) => {
            vec![session(Action::SessionRefreshed, e.session).with("expiresAt", time(e.expires_at))]
        }
        UserEvent::SessionRotated(e) => vec![session(Action::SessionRotated, e.session)],
        // That a user who is gone has no sessions goes without saying.
        UserEvent::SessionEnded(e) if e.reason == EndReason::Deleted => Vec::new(),
        UserEvent::SessionEnded(e) => vec![session(Action::SessionRevoked, e.session).with("reason", e.reason.name())],
        UserEvent::RoleSet(e) => {
            let role = |roles: &Roles| json!({ "role": roles.as_str() });
            vec![to(Action::UserUpdated).from(role(&e.before), role(&e.roles))]
        }
        UserEvent::AppMetadataSet(e) => {
            let said = |record: Option<SealedId>| json!({ "appMetadata": record.map(sealed) });
            vec![to(Action::UserUpdated).from(said(e.before), said(Some(e.metadata)))]
        }
        UserEvent::EmailUnverified(_) => {
            vec![to(Action::UserUpdated).from(json!({ "emailVerified": true }), json!({ "emailVerified": false }))]
        }
        UserEvent::UserBanned(e) => {
            let after = json!({ "banned": true, "banReason": sealed(e.reason), "banExpires": e.until.map(time) });
            vec![to(Action::UserBanned).from(json!({ "banned": false }), after)]
        }
        UserEvent::UserUnbanned(_) => {
            vec![to(Action::UserUnbanned).from(json!({ "banned": true }), json!({ "banned": false }))]
        }
        UserEvent::UpgradeBegun(_)
        | UserEvent::PendingVoided(_)
        | UserEvent::EmailVerificationRequested(_)
        | UserEvent::VerificationMissed(_)
        | UserEvent::EmailReleased(_)
        | UserEvent::PasswordRehashed(_)
        | UserEvent::ActivityRecorded(_)
        | UserEvent::NoticeRequested(_)
        | UserEvent::EmailChangeUndone(_)
        | UserEvent::RecoveryCodeIssued(_)
        | UserEvent::RecoveryCodeEnded(_)
        | UserEvent::DeviceLinkOffered(_)
        | UserEvent::DeviceLinkClaimed(_)
        | UserEvent::DeviceLinkConfirmed(_)
        | UserEvent::DeviceLinkEnded(_)
        | UserEvent::GuestAbsorbed(_)
        // The organization's own events tell of it.
        | UserEvent::MembershipBegan(_)
        | UserEvent::MembershipEnded(_)
        | UserEvent::OrganizationActivated(_)
        // Deleted at once: that says it all.
        | UserEvent::GuestDisabled(_) => Vec::new(),
    }
}

/// By a clean-up, or by a job.
fn disabled(user: UserId, e: &GuestDisabled) -> Deed {
    let deed = Deed::new(Action::GuestDisabled).on("user", user).with_some("finalAt", e.final_at.map(time));
    let deed = match &e.evidence {
        Some(evidence) => deed.with("lastActivity", time(evidence.last_activity)).with_evidence(evidence),
        None => deed,
    };
    match e.by {
        Some(by) => deed.with("lastActivity", time(by.last_activity)).with("job", by.job.to_string()),
        None => deed,
    }
}

fn upgraded(user: UserId, e: &GuestUpgraded) -> Vec<Deed> {
    let to = |action| Deed::new(action).on("user", user).by(&e.authentication);
    let proof = e.proof.map(word);
    let updated = to(Action::UserUpdated).from(json!({ "isAnonymous": true }), json!({ "isAnonymous": false }));
    vec![to(Action::UserUpgraded).with_some("proof", proof), updated]
}

fn claimed(user: UserId, e: &EmailClaimed) -> Option<Deed> {
    let to = |action| Deed::new(action).on("user", user);
    match e.proof? {
        ProofKind::EmailChange => {
            let before = json!({ "email": e.replaces.map(sealed) });
            Some(to(Action::EmailChanged).from(before, json!({ "email": sealed(e.address) })))
        }
        proof => Some(to(Action::EmailVerified).with("proof", word(proof))),
    }
}

fn profile(user: UserId, e: &ProfileUpdated) -> Deed {
    let (mut before, mut after) = (Map::new(), Map::new());
    let fields = [
        ("name", e.name, e.before.name),
        ("image", e.image, e.before.image),
        ("metadata", e.metadata, e.before.metadata),
    ];
    for (name, now, was) in fields.into_iter().filter(|(_, now, _)| *now != Field::Kept) {
        before.insert(name.to_owned(), was.map_or(Value::Null, sealed));
        after.insert(name.to_owned(), now.sealed().map_or(Value::Null, sealed));
    }
    Deed::new(Action::UserUpdated).on("user", user).from(before.into(), after.into())
}

/// That a user who is gone has no way in goes without saying.
fn unlinked(deed: Deed, reason: ReleaseReason) -> Vec<Deed> {
    if reason == ReleaseReason::Deleted { Vec::new() } else { vec![deed.with("reason", word(reason))] }
}

fn deleted(user: UserId, e: &UserDeleted) -> Deed {
    let deed = Deed::new(Action::UserDeleted).on("user", user);
    let deed = deed.with("reason", e.reason.name()).with("wasAnonymous", e.was_guest.to_string());
    let deed = deed.with("lastActivity", time(e.last_activity));
    match &e.evidence {
        Some(evidence) if e.reason == DeletionReason::AnonymousMaxAge => deed.with_evidence(evidence),
        _ => deed,
    }
}
