//! A guest becomes a member by password: same user, same session, and nobody else may act for it.

use super::*;
use crate::user::{Standing, UserRefusal};
use crate::value::Change;

fn upgrade_by(carrier: Carrier, policy: RotationPolicy) -> UserCommand {
    let at = minute(10);
    let renewal = renewal(at, rotation(policy, carrier));
    UserCommand::UpgradeWithPassword { session: session(1), credentials: credentials(1, at), renewal, strict: false }
}

/// What an upgrade at minute 10 leads to, beyond what it always does.
fn upgrades_and(more: Vec<UserEvent>) -> Vec<UserEvent> {
    [credentials_taken(1, minute(10)), vec![upgraded(minute(10))], more].concat()
}

#[test]
fn a_guest_becomes_a_member_in_place() {
    when(guest(), minute(10), upgrade(1, minute(10))).then_expect_events(upgrades_and(vec![]));
    let (before, after) = (user_after(&guest()), user_after(&member()));
    assert_eq!((after.id, after.person), (before.id, before.person));
    assert_eq!(after.standing, Standing::Member);
    assert!(!after.standing.is_guest());
    let (old, new) = (&before.sessions[&session(1)], &after.sessions[&session(1)]);
    assert_eq!((new.started_at, new.token_hash), (old.started_at, old.token_hash));
    assert_eq!((new.expires_at, new.authenticated_at), (minute(10) + Span::from_days(7), minute(10)));
}

#[test]
fn every_other_session_ends() {
    let given = [guest(), vec![started(2, minute(1)), started(3, minute(2))]].concat();
    let others = vec![ended(2, EndReason::Upgraded, minute(10)), ended(3, EndReason::Upgraded, minute(10))];
    when(given, minute(10), upgrade(1, minute(10))).then_expect_events(upgrades_and(others));
}

/// SECURITY S6: whoever planted the guest's cookie must not become the member.
#[test]
fn a_session_shown_by_cookie_gets_a_new_token() {
    when(guest(), minute(10), upgrade_by(Carrier::Cookie, RotationPolicy::Cookie))
        .then_expect_events(upgrades_and(vec![rotated_to_9(minute(10))]));
}

#[test]
fn a_session_ever_shown_by_cookie_gets_a_new_token_also_by_bearer() {
    let given = [guest(), vec![used(1, Carrier::Cookie, minute(5))]].concat();
    when(given, minute(10), upgrade_by(Carrier::Bearer, RotationPolicy::Cookie))
        .then_expect_events(upgrades_and(vec![rotated_to_9(minute(10))]));
}

/// Somebody else may hold the answer that was given twice.
#[test]
fn a_session_whose_creation_was_replayed_gets_a_new_token() {
    let given = [guest(), vec![used(1, Carrier::Replay, minute(1))]].concat();
    when(given, minute(10), upgrade_by(Carrier::Bearer, RotationPolicy::Cookie))
        .then_expect_events(upgrades_and(vec![rotated_to_9(minute(10))]));
}

#[test]
fn a_session_only_ever_shown_by_bearer_keeps_its_token() {
    let given = [guest(), vec![used(1, Carrier::Bearer, minute(5))]].concat();
    when(given, minute(10), upgrade_by(Carrier::Bearer, RotationPolicy::Cookie))
        .then_expect_events(upgrades_and(vec![]));
}

#[test]
fn the_operator_may_rotate_always_or_never() {
    when(guest(), minute(10), upgrade_by(Carrier::Bearer, RotationPolicy::Always))
        .then_expect_events(upgrades_and(vec![rotated_to_9(minute(10))]));
    when(guest(), minute(10), upgrade_by(Carrier::Cookie, RotationPolicy::Never))
        .then_expect_events(upgrades_and(vec![]));
}

#[test]
fn what_the_guest_called_itself_stays_unless_the_form_says_otherwise() {
    let named = ProfileUpdated {
        name: Change::Set(sealed(1)),
        image: Change::Set(sealed(2)),
        metadata: Change::Set(sealed(3)),
        before: ProfileBefore::default(),
        at: minute(1),
    };
    let given = [guest(), vec![named.into()]].concat();
    let user = user_after(&and_then(given.clone(), minute(10), upgrade(1, minute(10))));
    assert_eq!((user.name, user.image, user.metadata), (Some(sealed(1)), Some(sealed(2)), Some(sealed(3))));
    let form = PasswordCredentials { name: Some(sealed(4)), ..credentials(1, minute(10)) };
    let command = UserCommand::UpgradeWithPassword {
        session: session(1),
        credentials: form,
        renewal: quietly(minute(10)),
        strict: false,
    };
    let user = user_after(&and_then(given, minute(10), command));
    assert_eq!((user.name, user.image, user.metadata), (Some(sealed(4)), Some(sealed(2)), Some(sealed(3))));
}

/// SECURITY S13: of two upgrades the second decides on the state that the first left.
#[test]
fn a_member_is_not_upgraded_again() {
    when(member(), minute(11), upgrade(2, minute(11))).then_expect_error(UserRefusal::NotAnonymous);
    when(member(), minute(11), strict_upgrade(2, minute(11))).then_expect_error(UserRefusal::NotAnonymous);
}

#[test]
fn an_upgrade_needs_a_live_session_of_the_guest() {
    let ended = [guest(), vec![ended(1, EndReason::SignedOut, minute(5))]].concat();
    when(ended, minute(10), upgrade(1, minute(10))).then_expect_error(UserRefusal::SessionNotLive);
    when(guest(), day(7), upgrade(1, day(7))).then_expect_error(UserRefusal::SessionNotLive);
}
