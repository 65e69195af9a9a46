//! Sessions: started, used, extended, given a new token, ended.

use super::*;
use crate::user::UserRefusal;

fn with_sessions(numbers: impl IntoIterator<Item = u8>) -> Vec<UserEvent> {
    guest().into_iter().chain(numbers.into_iter().map(|number| started(number, minute(number.into())))).collect()
}

fn record(carrier: Carrier) -> UserCommand {
    UserCommand::RecordActivity { session: session(1), carrier, granularity: Span::from_hours(1) }
}

fn start(number: u8, at: Timestamp, limit: usize) -> UserCommand {
    UserCommand::StartSession { session: NewSession { limit, ..new_session(number, at) } }
}

#[test]
fn signing_in_adds_a_session() {
    when(member(), minute(20), start(2, minute(20), 100)).then_expect_events(vec![started(2, minute(20))]);
}

#[test]
fn the_oldest_session_ends_for_one_too_many() {
    let given = with_sessions([2, 3]);
    when(given, minute(20), start(4, minute(20), 3))
        .then_expect_events(vec![ended(1, EndReason::Limit, minute(20)), started(4, minute(20))]);
}

#[test]
fn the_oldest_is_the_one_that_started_first_however_it_is_used() {
    let given = [with_sessions([3, 2]), vec![used(1, Carrier::Bearer, minute(9))]].concat();
    let expected =
        vec![ended(1, EndReason::Limit, minute(20)), ended(2, EndReason::Limit, minute(20)), started(4, minute(20))];
    when(given, minute(20), start(4, minute(20), 2)).then_expect_events(expected);
}

#[test]
fn a_hundred_sessions_stay_a_hundred() {
    let user = user_after(&and_then(with_sessions(2..=100), minute(120), start(101, minute(120), 100)));
    assert_eq!(user.sessions.len(), 100);
    assert!(!user.sessions.contains_key(&session(1)) && user.sessions.contains_key(&session(101)));
}

#[test]
fn use_is_recorded_once_an_hour() {
    let given = [guest(), vec![used(1, Carrier::Bearer, minute(60))]].concat();
    when(given.clone(), minute(119), record(Carrier::Bearer)).then_expect_events(vec![]);
    when(given, minute(120), record(Carrier::Bearer)).then_expect_events(vec![used(1, Carrier::Bearer, minute(120))]);
}

/// Later decisions ask whether the token was ever in a cookie: that can't wait for the hour.
#[test]
fn the_first_cookie_is_recorded_at_once_and_the_second_is_not() {
    when(guest(), minute(1), record(Carrier::Cookie)).then_expect_events(vec![used(1, Carrier::Cookie, minute(1))]);
    let given = [guest(), vec![used(1, Carrier::Cookie, minute(1))]].concat();
    when(given, minute(2), record(Carrier::Cookie)).then_expect_events(vec![]);
}

#[test]
fn the_first_replay_is_recorded_at_once_and_the_second_is_not() {
    when(guest(), minute(1), record(Carrier::Replay)).then_expect_events(vec![used(1, Carrier::Replay, minute(1))]);
    let given = [guest(), vec![used(1, Carrier::Replay, minute(1))]].concat();
    when(given, minute(2), record(Carrier::Replay)).then_expect_events(vec![]);
}

/// It ends the time in which the answer that made the session is given again.
#[test]
fn the_first_use_by_bearer_is_recorded_at_once_where_the_answer_can_be_replayed() {
    when(guest(), minute(1), record(Carrier::Bearer)).then_expect_events(vec![]);
    let session = NewSession { replayable_until: Some(day(1)), ..new_session(1, minute(0)) };
    let replayable = and_then(
        vec![],
        minute(0),
        UserCommand::CreateAnonymous { user: user(), person: person(), entry: Entry::default(), session },
    );
    let first = vec![used(1, Carrier::Bearer, minute(1))];
    when(replayable.clone(), minute(1), record(Carrier::Bearer)).then_expect_events(first.clone());
    when([replayable, first].concat(), minute(2), record(Carrier::Bearer)).then_expect_events(vec![]);
}

#[test]
fn a_session_that_ended_is_not_used() {
    let given = [guest(), vec![ended(1, EndReason::SignedOut, minute(5))]].concat();
    when(given, minute(70), record(Carrier::Cookie)).then_expect_error(UserRefusal::SessionNotLive);
    when(guest(), day(7), record(Carrier::Cookie)).then_expect_error(UserRefusal::SessionNotLive);
}

/// It may have been decided before the session ended: the log takes it, and it revives nothing.
#[test]
fn a_record_that_lost_its_race_revives_nothing() {
    let given =
        [guest(), vec![ended(1, EndReason::SignedOut, minute(5)), used(1, Carrier::Cookie, minute(6))]].concat();
    assert!(user_after(&given).sessions.is_empty());
    let after_deletion = [deleted(), vec![used(1, Carrier::Cookie, minute(31))]].concat();
    assert_eq!(user_after(&after_deletion), user_after(&deleted()));
}

#[test]
fn a_remembered_session_lives_on_and_never_shorter() {
    let extend = |expires_at| UserCommand::ExtendSession { session: session(1), expires_at };
    let extended = SessionExtended { session: session(1), at: day(2), expires_at: day(9) }.into();
    when(guest(), day(2), extend(day(9))).then_expect_events(vec![extended]);
    when(guest(), day(2), extend(day(7))).then_expect_events(vec![]);
    when(guest(), day(2), extend(day(3))).then_expect_events(vec![]);
    when(guest(), day(7), extend(day(14))).then_expect_error(UserRefusal::SessionNotLive);
}

#[test]
fn a_session_that_ends_with_the_browser_is_never_extended() {
    let session = NewSession { remembered: false, expires_at: day(1), ..new_session(2, minute(0)) };
    let given = and_then(member(), minute(15), UserCommand::StartSession { session });
    when(given, minute(20), UserCommand::ExtendSession { session: super::session(2), expires_at: day(9) })
        .then_expect_events(vec![]);
}

#[test]
fn a_new_token_leaves_the_old_one_readable_for_a_while() {
    let due = [guest(), vec![roles("editor")]].concat();
    let rotate = |grace| UserCommand::RotateSession {
        session: session(1),
        rotation: Rotation { grace, ..rotation(RotationPolicy::Always, Carrier::Bearer) },
    };
    when(due.clone(), minute(3), rotate(Span::from_secs(60))).then_expect_events(vec![rotated_to_9(minute(3))]);
    let (before, after) = (user_after(&due), user_after(&and_then(due, minute(3), rotate(Span::from_secs(60)))));
    assert_eq!(after.sessions[&session(1)].token_hash, token(9).hash);
    assert_eq!(after.sessions[&session(1)].expires_at, before.sessions[&session(1)].expires_at);
}

#[test]
fn a_new_token_without_grace_voids_the_old_one_at_once() {
    let due = [guest(), vec![roles("editor")]].concat();
    let rotate = UserCommand::RotateSession {
        session: session(1),
        rotation: Rotation { grace: Span::ZERO, ..rotation(RotationPolicy::Always, Carrier::Bearer) },
    };
    let expected = SessionRotated {
        session: session(1),
        locator: token(9).locator,
        token_hash: token(9).hash,
        previous: None,
        at: minute(3),
    };
    when(due.clone(), minute(3), rotate.clone()).then_expect_events(vec![expected.into()]);
    when(due, day(7), rotate).then_expect_error(UserRefusal::SessionNotLive);
}

#[test]
fn signing_out_ends_one_session_and_only_once() {
    let sign_out = UserCommand::RevokeSession { session: session(1), reason: EndReason::SignedOut };
    let given = with_sessions([2]);
    let out = vec![ended(1, EndReason::SignedOut, minute(20))];
    when(given.clone(), minute(20), sign_out.clone()).then_expect_events(out.clone());
    when([given, out].concat(), minute(21), sign_out).then_expect_events(vec![]);
}

#[test]
fn sessions_that_began_before_a_time_end_and_later_ones_go_on() {
    let revoked = |number| ended(number, EndReason::Revoked, minute(20));
    let older = UserCommand::RevokeOlderSessions { before: minute(3) };
    when(with_sessions([2, 3]), minute(20), older).then_expect_events(vec![revoked(1), revoked(2)]);
    let none = UserCommand::RevokeOlderSessions { before: minute(0) };
    when(with_sessions([2, 3]), minute(20), none).then_expect_events(vec![]);
}

#[test]
fn all_sessions_end_or_all_but_one() {
    let revoked = |number| ended(number, EndReason::Revoked, minute(20));
    let all = UserCommand::RevokeSessions { except: None };
    when(with_sessions([2, 3]), minute(20), all).then_expect_events(vec![revoked(1), revoked(2), revoked(3)]);
    let others = UserCommand::RevokeSessions { except: Some(session(2)) };
    when(with_sessions([2, 3]), minute(20), others).then_expect_events(vec![revoked(1), revoked(3)]);
}
