//! The end of a user: a guest's by clean-up, anybody's by request. Nothing is held and nothing accepted after it.

use super::expiry::{evidence, terms};
use super::*;
use crate::Passed;
use crate::job::UserFilter;
use crate::user::{Standing, UserRefusal};
use crate::value::Change;

/// Guests may be away for two days.
fn clean_up() -> UserCommand {
    UserCommand::ExpireGuest { terms: terms(), passed: Passed::default() }
}

fn delete(only_if_guest: bool) -> UserCommand {
    UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest }
}

#[test]
fn an_idle_guest_goes_and_the_log_says_why() {
    let gone = UserDeleted {
        person: Some(person()),
        reason: DeletionReason::AnonymousMaxAge,
        was_guest: true,
        last_activity: minute(0),
        evidence: Some(evidence(day(3))),
        at: day(3),
    };
    let expected = vec![
        GuestDisabled { evidence: Some(evidence(day(3))), by: None, at: day(3), final_at: Some(day(3)) }.into(),
        ended(1, EndReason::Deleted, day(3)),
        gone.into(),
    ];
    when(guest(), day(3), clean_up()).then_expect_events(expected);
}

/// SECURITY S13: a clean-up that saw an old list decides again.
#[test]
fn a_visit_wins_over_a_clean_up() {
    let given = [guest(), vec![used(1, Carrier::Cookie, day(2))]].concat();
    when(given, day(3), clean_up()).then_expect_error(UserRefusal::GuestActive { last_activity: day(2) });
}

/// CONTRACT 1.7: a guest may have been active for an hour more than is known of it.
#[test]
fn nobody_goes_before_an_hour_more() {
    let last_activity = day(1) - Span::from_hours(1);
    let given = [guest(), vec![used(1, Carrier::Cookie, last_activity)]].concat();
    when(given.clone(), day(3), clean_up()).then_expect_error(UserRefusal::GuestActive { last_activity });
    let gone = and_then(given, day(3) + Span::from_millis(1), clean_up());
    assert_eq!(user_after(&gone).standing, Standing::Deleted);
}

#[test]
fn an_upgrade_wins_over_a_clean_up() {
    when(member(), day(300), clean_up()).then_expect_error(UserRefusal::NotAnonymous);
}

#[test]
fn an_upgrade_that_awaits_proof_does_not_keep_a_guest_for_ever() {
    let events = and_then(provisional(), day(3), clean_up());
    assert!(events.contains(&EmailReleased { claim: claim(1), reason: ReleaseReason::Deleted }.into()));
    assert_eq!(user_after(&events).standing, Standing::Deleted);
}

/// CONTRACT 2.6: it keeps the data of the member it was, so clean-up treats it as one.
#[test]
fn a_superseded_guest_is_never_cleaned_up() {
    let given = and_then(member(), minute(20), UserCommand::SupersedeClaim { claim: claim(1) });
    assert!(user_after(&given).standing.is_guest());
    when(given, day(300), clean_up()).then_expect_error(UserRefusal::NotAnonymous);
}

/// A filter was matched against a list: who came back, became a member, or was let in again since, stays.
#[test]
fn who_does_not_match_any_more_is_not_one_of_many_who_go() {
    let matching = |filter: UserFilter| UserCommand::DeleteMatching { filter: Box::new(filter) };
    let guests = UserFilter { guests: Some(true), last_active_before: Some(day(1)), ..UserFilter::default() };
    let back = [guest(), vec![used(1, Carrier::Cookie, day(2))]].concat();
    for given in [back.clone(), member()] {
        when(given, day(3), matching(guests.clone())).then_expect_error(UserRefusal::NotMatching);
    }
    let late = UserFilter { last_active_after: Some(day(1)), ..UserFilter::default() };
    when(guest(), day(3), matching(late.clone())).then_expect_error(UserRefusal::NotMatching);
    let verified = UserFilter { verified: Some(false), ..UserFilter::default() };
    when(proven_member(), day(3), matching(verified.clone())).then_expect_error(UserRefusal::NotMatching);
    let banned = UserFilter { banned: Some(true), ..UserFilter::default() };
    when(member(), day(3), matching(banned)).then_expect_error(UserRefusal::NotMatching);
    for (given, filter) in [(guest(), guests), (back, late), (member(), verified)] {
        let gone = and_then(given, day(3), matching(filter));
        assert_eq!(user_after(&gone).standing, Standing::Deleted);
    }
}

#[test]
fn no_administrator_is_one_of_many_who_go() {
    let all = UserCommand::DeleteMatching { filter: Box::new(UserFilter::default()) };
    when([member(), vec![roles("user,admin")]].concat(), day(3), all).then_expect_error(UserRefusal::Administers);
}

#[test]
fn a_guest_can_ask_to_be_forgotten() {
    let gone = UserDeleted {
        person: Some(person()),
        reason: DeletionReason::Requested,
        was_guest: true,
        last_activity: minute(0),
        evidence: None,
        at: minute(5),
    };
    when(guest(), minute(5), delete(true))
        .then_expect_events(vec![ended(1, EndReason::Deleted, minute(5)), gone.into()]);
}

#[test]
fn what_is_for_guests_alone_leaves_a_member() {
    when(member(), minute(30), delete(true)).then_expect_error(UserRefusal::NotAnonymous);
}

#[test]
fn whoever_goes_leaves_sessions_address_and_identities() {
    let linked = IdentityLinked {
        account: account(2),
        claim: claim(2),
        provider: "github".to_owned(),
        subject: sealed(2),
        proven: false,
        authentication: Authentication::social("github", minute(12)),
        scopes: Vec::new(),
    };
    let given = [member(), vec![linked.into(), started(2, minute(15))]].concat();
    let reason = ReleaseReason::Deleted;
    let expected = vec![
        ended(1, EndReason::Deleted, minute(30)),
        ended(2, EndReason::Deleted, minute(30)),
        EmailReleased { claim: claim(1), reason }.into(),
        IdentityUnlinked { account: account(2), claim: claim(2), reason }.into(),
        UserDeleted {
            person: Some(person()),
            reason: DeletionReason::Requested,
            was_guest: false,
            last_activity: minute(15),
            evidence: None,
            at: minute(30),
        }
        .into(),
    ];
    when(given, minute(30), delete(false)).then_expect_events(expected);
}

#[test]
fn nothing_is_accepted_after_the_end() {
    let at = minute(40);
    let rotation = rotation(RotationPolicy::Always, Carrier::Cookie);
    let identity = SocialIdentity {
        account: account(3),
        claim: claim(3),
        provider: "github".to_owned(),
        subject: sealed(3),
        email: None,
        name: None,
        image: None,
        scopes: Vec::new(),
        vouches_for_held: false,
    };
    let proven_address = ProvenAddress { claim: claim(9), address: address(9), proof: ProofKind::EmailChange };
    let commands = [
        UserCommand::CreateAnonymous {
            user: user(),
            person: person(),
            entry: Entry::default(),
            session: new_session(2, at),
        },
        UserCommand::SignUpWithPassword {
            user: user(),
            person: person(),
            credentials: credentials(2, at),
            session: None,
        },
        upgrade(2, at),
        strict_upgrade(2, at),
        UserCommand::LinkSocial {
            session: session(1),
            identity: identity.clone(),
            renewal: quietly(at),
            strict: false,
            opens: None,
            epoch: None,
            notice: Some(notice()),
        },
        UserCommand::SignUpSocial {
            user: user(),
            person: person(),
            identity: identity.clone(),
            session: new_session(2, at),
        },
        UserCommand::SignInSocial { identity: claim(2), session: new_session(2, at) },
        UserCommand::SignInVouched {
            claim: claim(1),
            own: true,
            identity,
            session: new_session(2, at),
            notice: notice(),
        },
        UserCommand::UnlinkAccount { session: session(1), account: account(1), notice: Some(notice()) },
        UserCommand::IssueRecoveryCode { session: session(1), hash: token(9).hash },
        UserCommand::RevokeRecoveryCode { session: session(1) },
        UserCommand::UseRecoveryCode { hash: token(9).hash, session: new_session(2, at) },
        UserCommand::OfferDeviceLink { session: session(1), hash: token(9).hash, expires_at: day(9) },
        UserCommand::ClaimDeviceLink { hash: token(9).hash, ticket: token(8).hash, client: sealed(9) },
        UserCommand::ConfirmDeviceLink { session: session(1) },
        UserCommand::WithdrawDeviceLink { session: session(1) },
        UserCommand::UseDeviceLink { hash: token(9).hash, ticket: token(8).hash, session: new_session(2, at) },
        UserCommand::ChangeEmail {
            session: Some(session(1)),
            proven: proven_address.clone(),
            epoch: None,
            notice: None,
        },
        UserCommand::UndoEmailChange { proven: proven_address, notice: notice() },
        UserCommand::StartSession { session: new_session(2, at) },
        UserCommand::RecordActivity { session: session(1), carrier: Carrier::Cookie, granularity: Span::ZERO },
        UserCommand::ExtendSession { session: session(1), expires_at: day(9) },
        UserCommand::RotateSession { session: session(1), rotation: rotation.clone() },
        UserCommand::Administer { administration: Box::new(administration()) },
        UserCommand::Ban { reason: sealed(30), until: None },
        UserCommand::Unban,
        UserCommand::Impersonate { session: new_session(2, at) },
        UserCommand::RevokeSession { session: session(1), reason: EndReason::SignedOut },
        UserCommand::RevokeSessions { except: None },
        UserCommand::UpdateProfile { name: Change::Cleared, image: Change::Kept, metadata: Change::Kept },
        UserCommand::ChangePassword {
            session: session(1),
            verified: password(1),
            hash: sealed(30),
            revoke_others: true,
            rotation,
            notice: Some(notice()),
        },
        UserCommand::RehashPassword { replaces: password(1), hash: sealed(30) },
        UserCommand::RequestVerification { verification: new_verification(2, at) },
        prove(1, 1),
        UserCommand::SupersedeClaim { claim: claim(1) },
        clean_up(),
        UserCommand::AnnounceExpiry { terms: terms(), passed: Passed::default() },
        UserCommand::FinishExpiry { passed: Passed::default() },
        UserCommand::RestoreGuest,
        UserCommand::DisableGuest { by: made(JobId::from_ulid, 1) },
        UserCommand::ReinstateGuest { by: made(JobId::from_ulid, 1) },
        UserCommand::HoldGuest { until: day(9), reason: None },
        UserCommand::ReleaseGuest,
        delete(false),
    ];
    for command in commands {
        when(deleted(), at, command).then_expect_error(UserRefusal::Deleted);
    }
}
