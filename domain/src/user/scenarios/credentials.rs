//! A member's password, and what a user says of itself.

use super::*;
use crate::user::UserRefusal;
use crate::value::Change;

fn change_password(revoke_others: bool, carrier: Carrier) -> UserCommand {
    let rotation = Rotation { grace: Span::ZERO, ..rotation(RotationPolicy::Cookie, carrier) };
    UserCommand::ChangePassword {
        session: session(1),
        verified: password(1),
        hash: sealed(30),
        revoke_others,
        rotation,
        notice: Some(notice()),
    }
}

fn changed() -> UserEvent {
    PasswordChanged { account: account(1), hash: sealed(30), at: minute(20) }.into()
}

fn profile(name: Change, image: Change, metadata: Change) -> UserCommand {
    UserCommand::UpdateProfile { name, image, metadata }
}

#[test]
fn a_new_password_leaves_the_other_sessions_unless_asked_otherwise() {
    let given = [member(), vec![started(2, minute(12))]].concat();
    when(given.clone(), minute(20), change_password(false, Carrier::Bearer))
        .then_expect_events(vec![changed(), told(minute(20))]);
    let expected = vec![changed(), ended(2, EndReason::PasswordChanged, minute(20)), told(minute(20))];
    when(given, minute(20), change_password(true, Carrier::Bearer)).then_expect_events(expected);
}

/// The old token may be the reason for the change: it gets no grace.
#[test]
fn a_new_password_brings_a_new_token_to_a_session_held_by_cookie() {
    let rotated = SessionRotated {
        session: session(1),
        locator: token(9).locator,
        token_hash: token(9).hash,
        previous: None,
        at: minute(20),
    };
    when(member(), minute(20), change_password(false, Carrier::Cookie)).then_expect_events(vec![
        changed(),
        rotated.into(),
        told(minute(20)),
    ]);
}

/// Checked before a change that was stored first: what was right a moment ago opens nothing, and changes nothing.
#[test]
fn a_password_that_was_changed_meanwhile_is_no_longer_the_right_one() {
    let given = [member(), vec![changed()]].concat();
    when(given.clone(), minute(21), change_password(false, Carrier::Bearer))
        .then_expect_error(UserRefusal::PasswordChangedMeanwhile);
    let stale = NewSession { verified: Some(password(1)), ..new_session(2, minute(21)) };
    when(given.clone(), minute(21), UserCommand::StartSession { session: stale })
        .then_expect_error(UserRefusal::PasswordChangedMeanwhile);
    let right = NewSession { verified: Some(sealed(30)), ..new_session(2, minute(21)) };
    when(given, minute(21), UserCommand::StartSession { session: right })
        .then_expect_events(vec![started(2, minute(21))]);
}

#[test]
fn who_has_no_password_changes_none() {
    when(guest(), minute(20), change_password(false, Carrier::Bearer)).then_expect_error(UserRefusal::NoPassword);
    when(guest(), minute(20), UserCommand::RehashPassword { replaces: password(1), hash: sealed(30) })
        .then_expect_error(UserRefusal::NoPassword);
}

#[test]
fn a_password_is_changed_in_a_live_session() {
    let given = [member(), vec![ended(1, EndReason::Revoked, minute(15))]].concat();
    when(given, minute(20), change_password(true, Carrier::Bearer)).then_expect_error(UserRefusal::SessionNotLive);
}

#[test]
fn a_rehash_replaces_the_hash_it_was_made_for_and_no_other() {
    let rehash = UserCommand::RehashPassword { replaces: password(1), hash: sealed(31) };
    when(member(), minute(20), rehash.clone())
        .then_expect_events(vec![PasswordRehashed { account: account(1), hash: sealed(31) }.into()]);
    let given = [member(), vec![changed()]].concat();
    when(given, minute(21), rehash).then_expect_error(UserRefusal::PasswordChangedMeanwhile);
}

#[test]
fn a_rehash_touches_no_session() {
    let rehash = UserCommand::RehashPassword { replaces: password(1), hash: sealed(31) };
    assert_eq!(user_after(&and_then(member(), minute(20), rehash)).sessions, user_after(&member()).sessions);
}

#[test]
fn a_profile_changes_field_by_field() {
    let first =
        and_then(guest(), minute(1), profile(Change::Set(sealed(1)), Change::Set(sealed(2)), Change::Set(sealed(3))));
    let user = user_after(&and_then(first, minute(2), profile(Change::Kept, Change::Cleared, Change::Set(sealed(4)))));
    assert_eq!((user.name, user.image, user.metadata), (Some(sealed(1)), None, Some(sealed(4))));
}

/// For the audit trail: an event tells what it replaced.
#[test]
fn an_update_says_what_stood_there_before() {
    let first = and_then(guest(), minute(1), profile(Change::Set(sealed(1)), Change::Set(sealed(2)), Change::Kept));
    let (name, image, metadata) = (Change::Set(sealed(3)), Change::Kept, Change::Set(sealed(4)));
    let before = ProfileBefore { name: Some(sealed(1)), ..ProfileBefore::default() };
    let updated = ProfileUpdated { name, image, metadata, before, at: minute(2) };
    when(first, minute(2), profile(name, image, metadata)).then_expect_events(vec![updated.into()]);
}

#[test]
fn a_profile_that_stays_as_it_is_leaves_no_event() {
    when(guest(), minute(1), profile(Change::Kept, Change::Kept, Change::Kept)).then_expect_events(vec![]);
    when(guest(), minute(1), profile(Change::Kept, Change::Cleared, Change::Kept)).then_expect_events(vec![]);
    let update = profile(Change::Set(sealed(1)), Change::Cleared, Change::Kept);
    let named = ProfileUpdated {
        name: Change::Set(sealed(1)),
        image: Change::Cleared,
        metadata: Change::Kept,
        before: ProfileBefore::default(),
        at: minute(1),
    };
    when(guest(), minute(1), update).then_expect_events(vec![named.into()]);
}
