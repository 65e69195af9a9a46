//! A wave of bots is taken out of use by a job, and what the job did is undone.

use super::expiry::{evidence, terms};
use super::*;
use crate::Passed;
use crate::user::{Standing, UserRefusal};

fn job(number: u8) -> JobId {
    made(JobId::from_ulid, number)
}

fn disable(number: u8) -> UserCommand {
    UserCommand::DisableGuest { by: job(number) }
}

fn reinstate(number: u8) -> UserCommand {
    UserCommand::ReinstateGuest { by: job(number) }
}

fn expire(terms: ExpiryTerms) -> UserCommand {
    UserCommand::ExpireGuest { terms, passed: Passed::default() }
}

/// Out of use by job 1, since the first day.
fn barred() -> Vec<UserEvent> {
    and_then(guest(), day(1), disable(1))
}

fn by(number: u8) -> Option<DisabledBy> {
    Some(DisabledBy { job: job(number), last_activity: minute(0) })
}

// --- out of use ---

#[test]
fn a_job_takes_a_guest_out_of_use_once() {
    let expected = vec![
        GuestDisabled { evidence: None, by: by(1), at: day(1), final_at: None }.into(),
        ended(1, EndReason::Disabled, day(1)),
    ];
    when(guest(), day(1), disable(1)).then_expect_events(expected);
    when(barred(), day(2), disable(1)).then_expect_events(vec![]);
    when(barred(), day(2), disable(2)).then_expect_error(UserRefusal::Deleted);
}

#[test]
fn an_upgrade_that_came_first_stands() {
    when(member(), day(1), disable(1)).then_expect_error(UserRefusal::NotAnonymous);
}

/// It is a guest, and may hold what a member did.
#[test]
fn who_was_a_member_until_superseded_is_left_alone() {
    let given = and_then(member(), day(1), UserCommand::SupersedeClaim { claim: claim(1) });
    assert_eq!(user_after(&given).standing, Standing::Guest);
    when(given, day(2), disable(1)).then_expect_error(UserRefusal::NotAnonymous);
}

#[test]
fn an_upgrade_that_awaits_its_proof_is_void() {
    let events = and_then(provisional(), day(1), disable(1));
    let user = user_after(&events);
    assert_eq!((user.standing, user.email, user.password), (Standing::Disabled, None, None));
}

#[test]
fn nothing_leads_in() {
    let issue = UserCommand::IssueRecoveryCode { session: session(1), hash: token(9).hash };
    let given = and_then(and_then(guest(), minute(0), issue), day(1), disable(1));
    let opened = NewSession { authentication: Authentication::recovery(day(2)), ..new_session(2, day(2)) };
    let code = UserCommand::UseRecoveryCode { hash: token(9).hash, session: opened };
    when(given.clone(), day(2), code.clone()).then_expect_error(UserRefusal::Deleted);
    when(given.clone(), day(2), UserCommand::StartSession { session: new_session(2, day(2)) })
        .then_expect_error(UserRefusal::Deleted);
    let transfer = UserCommand::TransferGuest { to: made(UserId::from_ulid, 2), epoch: None };
    when(given.clone(), day(2), transfer).then_expect_error(UserRefusal::Deleted);
    // The code was not used up.
    let given = and_then(given, day(2), reinstate(1));
    assert_eq!(user_after(&and_then(given, day(2), code)).standing, Standing::Guest);
}

/// It was noted without looking at what happened meanwhile.
#[test]
fn a_visit_that_was_on_its_way_brings_nobody_back() {
    let given = [barred(), vec![used(1, Carrier::Cookie, day(1))]].concat();
    let finish = UserCommand::FinishExpiry { passed: Passed::default() };
    when(given, day(40), finish).then_expect_error(UserRefusal::GuestNotDisabled);
}

// --- undone ---

#[test]
fn what_a_job_did_is_undone_with_the_sessions() {
    let at = day(1) + Span::from_secs(600);
    let restored = GuestRestored { sessions: vec![session(1)], held_until: None, last_activity: minute(0), at };
    when(barred(), at, reinstate(1)).then_expect_events(vec![restored.into()]);
    let user = user_after(&and_then(barred(), at, reinstate(1)));
    assert_eq!(user.live_session(session(1), at), user_after(&guest()).live_session(session(1), at));
    when(barred(), at, reinstate(2)).then_expect_error(UserRefusal::GuestNotDisabled);
    when(guest(), at, reinstate(1)).then_expect_error(UserRefusal::GuestNotDisabled);
    when(and_then(barred(), at, reinstate(1)), at, reinstate(1)).then_expect_error(UserRefusal::GuestNotDisabled);
}

/// As long as it could not come, at least, it stays.
#[test]
fn the_time_out_of_use_is_given_back() {
    let restored =
        GuestRestored { sessions: vec![session(1)], held_until: Some(day(9)), last_activity: minute(0), at: day(5) };
    when(barred(), day(5), reinstate(1)).then_expect_events(vec![restored.into()]);
    let given = and_then(barred(), day(5), reinstate(1));
    when(given.clone(), day(8), expire(terms())).then_expect_error(UserRefusal::GuestHeld { until: day(9) });
    assert_eq!(user_after(&and_then(given, day(9), expire(terms()))).standing, Standing::Deleted);
}

#[test]
fn one_of_many_can_be_put_back() {
    let given = and_then(barred(), day(2), UserCommand::RestoreGuest);
    assert_eq!(user_after(&given).standing, Standing::Guest);
    when(given, day(2), reinstate(1)).then_expect_error(UserRefusal::GuestNotDisabled);
}

#[test]
fn whoever_was_banned_meanwhile_comes_back_without_a_session() {
    let ban = UserCommand::Ban { reason: sealed(30), until: None };
    let given = and_then(barred(), day(2), ban);
    let restored = GuestRestored { sessions: vec![], held_until: Some(day(5)), last_activity: minute(0), at: day(3) };
    when(given, day(3), reinstate(1)).then_expect_events(vec![restored.into()]);
}

/// A session that was ended for good, by whichever way, stays so.
#[test]
fn sessions_that_were_revoked_meanwhile_do_not_come_back() {
    let all = UserCommand::RevokeSessions { except: None };
    let one = UserCommand::RevokeSession { session: session(1), reason: EndReason::Revoked };
    let older = UserCommand::RevokeOlderSessions { before: day(2) };
    for revoke in [all, one, older] {
        when(barred(), day(2), revoke.clone()).then_expect_events(vec![ended(1, EndReason::Revoked, day(2))]);
        let given = and_then(barred(), day(2), revoke.clone());
        when(given.clone(), day(3), revoke).then_expect_events(vec![]);
        let restored =
            GuestRestored { sessions: vec![], held_until: Some(day(5)), last_activity: minute(0), at: day(3) };
        when(given, day(3), reinstate(1)).then_expect_events(vec![restored.into()]);
    }
    when(barred(), day(2), UserCommand::RevokeOlderSessions { before: minute(0) }).then_expect_events(vec![]);
}

// --- not undone ---

#[test]
fn whoever_stays_out_of_use_goes_like_a_guest_who_stays_away() {
    let gone = UserDeleted {
        person: Some(person()),
        reason: DeletionReason::AnonymousMaxAge,
        was_guest: true,
        last_activity: minute(0),
        evidence: Some(evidence(day(3))),
        at: day(3),
    };
    when(barred(), day(2), expire(terms())).then_expect_error(UserRefusal::GuestActive { last_activity: minute(0) });
    when(barred(), day(3), expire(terms())).then_expect_events(vec![gone.into()]);
    // Who can't come back need not be told.
    let told = ExpiryTerms { notice: Span::from_days(1), ..terms() };
    assert_eq!(user_after(&and_then(barred(), day(3), expire(told))).standing, Standing::Deleted);
    when(barred(), day(3), UserCommand::AnnounceExpiry { terms: told, passed: Passed::default() })
        .then_expect_events(vec![]);
}

#[test]
fn it_can_be_undone_for_as_long_as_a_clean_up() {
    let undoable = ExpiryTerms { undo: Span::from_days(7), ..terms() };
    when(barred(), day(7), expire(undoable)).then_expect_error(UserRefusal::StillUndoable { until: day(8) });
    assert_eq!(user_after(&and_then(barred(), day(8), expire(undoable))).standing, Standing::Deleted);
}

#[test]
fn a_hold_keeps_it() {
    let given = and_then(barred(), day(2), UserCommand::HoldGuest { until: day(20), reason: None });
    when(given.clone(), day(19), expire(terms())).then_expect_error(UserRefusal::GuestHeld { until: day(20) });
    assert_eq!(user_after(&and_then(given, day(20), expire(terms()))).standing, Standing::Deleted);
}
