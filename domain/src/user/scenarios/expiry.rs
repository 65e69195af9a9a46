//! A guest stays away: it is told, taken out of use, and deleted; or held, and brought back.

use super::*;
use crate::Passed;
use crate::user::{Impersonation, Impersonator, Standing, UserRefusal};
use crate::value::Authentication;

const AN_HOUR: Span = Span::from_hours(1);

/// Guests may be away for two days.
pub(super) fn terms() -> ExpiryTerms {
    ExpiryTerms { settings_version: 3, max_age: Span::from_days(2), notice: Span::ZERO, undo: Span::ZERO, job: None }
}

/// Why they went who came once, when it was decided at that time.
pub(super) fn evidence(at: Timestamp) -> ExpiryEvidence {
    let cutoff = at - Span::from_days(2) - AN_HOUR;
    ExpiryEvidence { settings_version: 3, job: None, max_age_secs: 2 * 86_400, cutoff, last_activity: minute(0) }
}

fn told() -> ExpiryTerms {
    ExpiryTerms { notice: Span::from_days(1), ..terms() }
}

fn undoable() -> ExpiryTerms {
    ExpiryTerms { undo: Span::from_days(7), ..terms() }
}

fn expire(terms: ExpiryTerms) -> UserCommand {
    UserCommand::ExpireGuest { terms, passed: Passed::default() }
}

fn announce() -> UserCommand {
    UserCommand::AnnounceExpiry { terms: told(), passed: Passed::default() }
}

fn hold(until: i64) -> UserCommand {
    UserCommand::HoldGuest { until: day(until), reason: None }
}

fn finish() -> UserCommand {
    UserCommand::FinishExpiry { passed: Passed::default() }
}

/// The clock went a day ahead at noon of the second day.
fn a_day_ahead() -> Passed {
    let mut passed = Passed::default();
    passed.jump(day(1) + Span::from_hours(12), day(2) + Span::from_hours(12));
    passed
}

/// Taken out of use on the third day, until the tenth.
fn disabled() -> Vec<UserEvent> {
    and_then(guest(), day(3), expire(undoable()))
}

// --- told beforehand ---

#[test]
fn a_guest_is_told_a_day_ahead() {
    let at = day(1) + AN_HOUR + Span::from_millis(1);
    let cutoff = at - Span::from_days(1) - AN_HOUR;
    let announced = GuestExpiryAnnounced {
        evidence: ExpiryEvidence { cutoff, ..evidence(day(3)) },
        expires_at: at + Span::from_days(1),
        at,
    };
    when(guest(), at - Span::from_millis(1), announce())
        .then_expect_error(UserRefusal::GuestActive { last_activity: minute(0) });
    when(guest(), at, announce()).then_expect_events(vec![announced.into()]);
    when(and_then(guest(), at, announce()), day(2), announce()).then_expect_events(vec![]);
}

#[test]
fn whoever_must_be_told_goes_no_sooner_than_that() {
    when(guest(), day(9), expire(told())).then_expect_error(UserRefusal::GuestNotTold);
    let given = and_then(guest(), day(9), announce());
    when(given.clone(), day(10) - Span::from_millis(1), expire(told())).then_expect_error(UserRefusal::GuestNotTold);
    assert_eq!(user_after(&and_then(given, day(10), expire(told()))).standing, Standing::Deleted);
}

/// Who was told, came back and stayed away again is told again.
#[test]
fn a_visit_takes_the_announcement_back() {
    let given = [and_then(guest(), day(9), announce()), vec![used(1, Carrier::Cookie, day(9))]].concat();
    when(given.clone(), day(13), expire(told())).then_expect_error(UserRefusal::GuestNotTold);
    assert!(user_after(&and_then(given, day(13), announce())).announced.is_some());
}

// --- held ---

#[test]
fn a_held_guest_stays_until_the_hold_is_over() {
    let held = GuestHeld { until: day(30), reason: None, last_activity: minute(0), at: day(2) };
    when(guest(), day(2), hold(30)).then_expect_events(vec![held.into()]);
    let given = and_then(guest(), day(2), hold(30));
    when(given.clone(), day(3), hold(30)).then_expect_events(vec![]);
    when(given.clone(), day(29), expire(terms())).then_expect_error(UserRefusal::GuestHeld { until: day(30) });
    when(given.clone(), day(29), announce()).then_expect_error(UserRefusal::GuestHeld { until: day(30) });
    assert_eq!(user_after(&and_then(given, day(30), expire(terms()))).standing, Standing::Deleted);
}

#[test]
fn a_hold_can_be_given_up() {
    let given = and_then(guest(), day(2), hold(30));
    let released = GuestReleased { last_activity: minute(0), at: day(4) };
    when(given.clone(), day(4), UserCommand::ReleaseGuest).then_expect_events(vec![released.into()]);
    let given = and_then(given, day(4), UserCommand::ReleaseGuest);
    when(given.clone(), day(4), UserCommand::ReleaseGuest).then_expect_events(vec![]);
    assert_eq!(user_after(&and_then(given, day(4), expire(terms()))).standing, Standing::Deleted);
}

#[test]
fn what_is_said_of_a_hold_can_be_said_later() {
    let said = UserCommand::HoldGuest { until: day(30), reason: Some(sealed(30)) };
    let held = GuestHeld { until: day(30), reason: Some(sealed(30)), last_activity: minute(0), at: day(3) };
    let given = and_then(guest(), day(2), hold(30));
    when(given.clone(), day(3), said.clone()).then_expect_events(vec![held.into()]);
    let given = and_then(given, day(3), said);
    when(given.clone(), day(4), hold(30)).then_expect_events(vec![]);
    assert_eq!(user_after(&given).held.unwrap().reason, Some(sealed(30)));
}

#[test]
fn a_member_is_not_held() {
    when(member(), day(2), hold(30)).then_expect_error(UserRefusal::NotAnonymous);
}

// --- undone ---

#[test]
fn a_guest_is_taken_out_of_use_before_it_goes() {
    let expected = vec![
        GuestDisabled { evidence: Some(evidence(day(3))), by: None, at: day(3), final_at: Some(day(10)) }.into(),
        ended(1, EndReason::Disabled, day(3)),
    ];
    when(guest(), day(3), expire(undoable())).then_expect_events(expected);
    when(disabled(), day(4), UserCommand::StartSession { session: new_session(2, day(4)) })
        .then_expect_error(UserRefusal::Deleted);
    when(disabled(), day(4), expire(terms())).then_expect_events(vec![]);
    when(disabled(), day(9), finish()).then_expect_error(UserRefusal::StillUndoable { until: day(10) });
    let gone = UserDeleted {
        person: Some(person()),
        reason: DeletionReason::AnonymousMaxAge,
        was_guest: true,
        last_activity: minute(0),
        evidence: Some(evidence(day(3))),
        at: day(10),
    };
    when(disabled(), day(10), finish()).then_expect_events(vec![gone.into()]);
}

/// Nobody is kept waiting for an address by a guest who is not there.
#[test]
fn an_address_that_awaited_its_proof_is_free_at_once() {
    let events = and_then(provisional(), day(3), expire(undoable()));
    let reason = ReleaseReason::Disabled;
    assert!(events.contains(&EmailReleased { claim: claim(1), reason }.into()));
    assert!(events.contains(&PasswordRemoved { account: account(1), reason }.into()));
    let restored = user_after(&and_then(events, day(4), UserCommand::RestoreGuest));
    assert_eq!((restored.standing, restored.pending_upgrade), (Standing::Guest, None));
}

#[test]
fn what_a_clean_up_did_can_be_undone() {
    let restored =
        GuestRestored { sessions: vec![session(1)], held_until: Some(day(6)), last_activity: minute(0), at: day(4) };
    when(disabled(), day(4), UserCommand::RestoreGuest).then_expect_events(vec![restored.into()]);
    let given = and_then(disabled(), day(4), UserCommand::RestoreGuest);
    let user = user_after(&given);
    assert_eq!(user.standing, Standing::Guest);
    assert_eq!(user.live_session(session(1), day(4)), user_after(&guest()).live_session(session(1), day(4)));
    when(given.clone(), day(5), expire(terms())).then_expect_error(UserRefusal::GuestHeld { until: day(6) });
    when(given.clone(), day(4), UserCommand::RestoreGuest).then_expect_error(UserRefusal::GuestNotDisabled);
    when(given, day(10), finish()).then_expect_error(UserRefusal::GuestNotDisabled);
}

#[test]
fn a_session_that_is_past_its_time_does_not_come_back() {
    let restored = GuestRestored { sessions: vec![], held_until: Some(day(11)), last_activity: minute(0), at: day(9) };
    when(disabled(), day(9), UserCommand::RestoreGuest).then_expect_events(vec![restored.into()]);
}

/// The code was kept for this very day.
#[test]
fn whoever_has_the_recovery_code_comes_back() {
    let issue = UserCommand::IssueRecoveryCode { session: session(1), hash: token(9).hash };
    let given = and_then(and_then(guest(), minute(0), issue), day(3), expire(undoable()));
    let session = NewSession { authentication: Authentication::recovery(day(4)), ..new_session(2, day(4)) };
    let given = and_then(given, day(4), UserCommand::UseRecoveryCode { hash: token(9).hash, session });
    let user = user_after(&given);
    assert_eq!((user.standing, user.last_activity), (Standing::Guest, day(4)));
    when(given, day(10), finish()).then_expect_error(UserRefusal::GuestNotDisabled);
}

/// It was noted without looking at what happened meanwhile, and the guest was told that its session is live.
#[test]
fn a_visit_that_was_on_its_way_brings_the_guest_back() {
    let given = [disabled(), vec![used(1, Carrier::Cookie, day(3))]].concat();
    let restored = GuestRestored { sessions: vec![session(1)], held_until: None, last_activity: day(3), at: day(5) };
    when(given, day(5), finish()).then_expect_events(vec![restored.into()]);
}

#[test]
fn a_hold_keeps_a_guest_that_was_taken_out_of_use() {
    let given = and_then(disabled(), day(4), hold(20));
    when(given.clone(), day(19), finish()).then_expect_error(UserRefusal::GuestHeld { until: day(20) });
    assert_eq!(user_after(&and_then(given, day(20), finish())).standing, Standing::Deleted);
}

// --- by somebody who is banned ---

fn banned(given: Vec<UserEvent>) -> Vec<UserEvent> {
    and_then(given, day(4), UserCommand::Ban { reason: sealed(30), until: Some(day(5)) })
}

/// Not even when the ban is over: it ended every session, also those that were to come back.
#[test]
fn whoever_was_banned_meanwhile_comes_back_without_a_session() {
    for at in [day(4), day(6)] {
        let given = banned(disabled());
        let held_until = Some(at + Span::from_days(2));
        let restored = GuestRestored { sessions: vec![], held_until, last_activity: minute(0), at };
        when(given.clone(), at, UserCommand::RestoreGuest).then_expect_events(vec![restored.into()]);
        assert_eq!(user_after(&and_then(given, at, UserCommand::RestoreGuest)).live_session(session(1), at), None);
    }
}

#[test]
fn a_visit_that_was_on_its_way_opens_nothing_to_whoever_was_banned_meanwhile() {
    let given = [banned(disabled()), vec![used(1, Carrier::Cookie, day(3))]].concat();
    let restored = GuestRestored { sessions: vec![], held_until: None, last_activity: day(3), at: day(5) };
    when(given, day(5), finish()).then_expect_events(vec![restored.into()]);
}

/// Its holder may not act for anybody any more when the guest comes back.
#[test]
fn nobody_acts_as_a_guest_again_because_a_clean_up_is_undone() {
    let by = Impersonator::Admin(made(UserId::from_ulid, 9));
    let session_of_theirs =
        NewSession { impersonation: Some(Impersonation { by, session: None }), ..new_session(2, day(3)) };
    let given = and_then(guest(), day(3), UserCommand::Impersonate { session: session_of_theirs });
    let given = and_then(given, day(3), expire(undoable()));
    let restored =
        GuestRestored { sessions: vec![session(1)], held_until: Some(day(6)), last_activity: minute(0), at: day(4) };
    when(given, day(4), UserCommand::RestoreGuest).then_expect_events(vec![restored.into()]);
}

// --- by a clock that jumped ---

#[test]
fn a_day_that_was_skipped_does_not_count() {
    let expire = UserCommand::ExpireGuest { terms: terms(), passed: a_day_ahead() };
    let at = day(3) + AN_HOUR;
    when(guest(), at, expire.clone()).then_expect_error(UserRefusal::GuestActive { last_activity: minute(0) });
    assert_eq!(user_after(&and_then(guest(), at + Span::from_millis(1), expire)).standing, Standing::Deleted);
}

#[test]
fn a_hold_does_not_end_a_day_early() {
    let given = and_then(guest(), minute(5), hold(9));
    let expire = UserCommand::ExpireGuest { terms: terms(), passed: a_day_ahead() };
    when(given.clone(), day(9), expire.clone()).then_expect_error(UserRefusal::GuestHeld { until: day(9) });
    assert_eq!(user_after(&and_then(given, day(10), expire)).standing, Standing::Deleted);
}

#[test]
fn it_can_be_undone_for_as_long_as_was_said() {
    let mut passed = Passed::default();
    passed.jump(day(5), day(6));
    let finish = UserCommand::FinishExpiry { passed };
    when(disabled(), day(10), finish.clone()).then_expect_error(UserRefusal::StillUndoable { until: day(10) });
    assert_eq!(user_after(&and_then(disabled(), day(11), finish)).standing, Standing::Deleted);
}
