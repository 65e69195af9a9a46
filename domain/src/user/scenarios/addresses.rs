//! Who owns an address: reserved until proven, and yielding to whoever proves it first.

use super::*;
use crate::user::{Standing, UserRefusal};

fn request(number: u8, at: Timestamp) -> UserCommand {
    UserCommand::RequestVerification { verification: new_verification(number, at) }
}

fn supersede(number: u8) -> UserCommand {
    UserCommand::SupersedeClaim { claim: claim(number) }
}

fn superseded(guest_again: bool) -> Vec<UserEvent> {
    superseded_of(guest_again, false)
}

fn superseded_of(guest_again: bool, provisional: bool) -> Vec<UserEvent> {
    let reason = ReleaseReason::Superseded;
    vec![
        EmailReleased { claim: claim(1), reason }.into(),
        PasswordRemoved { account: account(1), reason }.into(),
        UpgradeSuperseded { claim: claim(1), guest_again, provisional }.into(),
    ]
}

#[test]
fn the_mailed_link_proves_the_address_and_the_password_given_with_it() {
    when(member(), minute(20), prove(1, 1)).then_expect_events(vec![verified(1, minute(20))]);
    let user = user_after(&proven_member());
    assert!(user.email.unwrap().verified && user.password.unwrap().proven);
    assert_eq!(user.standing, Standing::Member);
}

#[test]
fn a_link_clicked_again_succeeds_and_changes_nothing() {
    when(proven_member(), minute(21), prove(1, 1)).then_expect_events(vec![]);
}

#[test]
fn a_second_link_voids_the_first() {
    let given = and_then(member(), minute(15), request(2, minute(15)));
    when(given.clone(), minute(20), prove(1, 1)).then_expect_error(UserRefusal::ChallengeUnknown);
    let proven = EmailVerified {
        claim: claim(1),
        proof: ProofKind::VerificationLink,
        challenge: Some(challenge(2)),
        at: minute(20),
    };
    when(given, minute(20), prove(1, 2)).then_expect_events(vec![proven.into()]);
}

#[test]
fn a_link_is_good_until_it_expires_and_not_a_moment_longer() {
    let expiry = minute(10) + Span::from_hours(24);
    when(member(), expiry, prove(1, 1)).then_expect_error(UserRefusal::ChallengeExpired);
    let last = expiry - Span::from_millis(1);
    when(member(), last, prove(1, 1)).then_expect_events(vec![verified(1, last)]);
}

#[test]
fn a_link_for_another_claim_proves_nothing() {
    when(member(), minute(20), prove(2, 1)).then_expect_error(UserRefusal::ClaimNotHeld);
    when(member(), minute(20), prove(1, 7)).then_expect_error(UserRefusal::ChallengeUnknown);
    when(guest(), minute(20), prove(1, 1)).then_expect_error(UserRefusal::ClaimNotHeld);
}

#[test]
fn a_proof_without_a_link_counts_too() {
    let command =
        UserCommand::VerifyEmail { claim: claim(1), challenge: None, proof: ProofKind::EmailOtp, opens: None };
    let proven = EmailVerified { claim: claim(1), proof: ProofKind::EmailOtp, challenge: None, at: minute(20) };
    when(member(), minute(20), command).then_expect_events(vec![proven.into()]);
}

/// Only the proof opens a session: whatever repeats it finds the address proven, and opens nothing.
#[test]
fn the_first_proof_alone_opens_a_session() {
    let prove = || UserCommand::VerifyEmail {
        claim: claim(1),
        challenge: Some(challenge(1)),
        proof: ProofKind::VerificationLink,
        opens: Some(new_session(2, minute(20))),
    };
    let events = and_then(member(), minute(20), prove());
    assert!(user_after(&events).live_session(session(2), minute(21)).is_some());
    when(events, minute(21), prove()).then_expect_events(Vec::new());
}

#[test]
fn a_link_is_mailed_for_an_address_that_awaits_proof_and_no_other() {
    when(member(), minute(15), request(2, minute(15))).then_expect_events(vec![verification_requested(
        2,
        1,
        minute(15),
    )]);
    when(guest(), minute(15), request(2, minute(15))).then_expect_error(UserRefusal::ClaimNotHeld);
    when(proven_member(), minute(25), request(2, minute(25))).then_expect_error(UserRefusal::ClaimVerified);
}

/// CONTRACT 2.6: id and data stay, the address and the password go, and only the claiming session goes on.
#[test]
fn who_only_reserved_an_address_loses_it_to_whoever_proves_it() {
    let given = [member(), vec![started(2, minute(12)), started(3, minute(13))]].concat();
    let others = vec![ended(2, EndReason::Superseded, minute(20)), ended(3, EndReason::Superseded, minute(20))];
    let expected = [superseded(true), others].concat();
    when(given.clone(), minute(20), supersede(1)).then_expect_events(expected.clone());
    let (before, after) = (user_after(&given), user_after(&[given, expected].concat()));
    assert_eq!((after.id, after.person), (before.id, before.person));
    assert_eq!(after.standing, Standing::Guest);
    assert_eq!((after.email, after.password, after.verification), (None, None, None));
    assert_eq!(after.sessions.keys().collect::<Vec<_>>(), [&session(1)]);
}

#[test]
fn where_no_session_made_the_claim_none_goes_on() {
    let command = UserCommand::SignUpWithPassword {
        user: user(),
        person: person(),
        credentials: credentials(1, minute(0)),
        session: None,
    };
    let given = and_then(
        and_then(vec![], minute(0), command),
        minute(5),
        UserCommand::StartSession { session: new_session(2, minute(5)) },
    );
    let expected = [superseded(true), vec![ended(2, EndReason::Superseded, minute(20))]].concat();
    when(given, minute(20), supersede(1)).then_expect_events(expected);
}

#[test]
fn who_has_another_way_in_stays_a_member_without_an_address() {
    let linked = IdentityLinked {
        account: account(2),
        claim: claim(2),
        provider: "github".to_owned(),
        subject: sealed(2),
        proven: false,
        authentication: Authentication::social("github", minute(12)),
        scopes: Vec::new(),
    };
    let given = [member(), vec![linked.into()]].concat();
    when(given.clone(), minute(20), supersede(1)).then_expect_events(superseded(false));
    let user = user_after(&[given, superseded(false)].concat());
    assert_eq!(user.standing, Standing::Member);
    assert_eq!((user.email, user.identities.len()), (None, 1));
}

#[test]
fn a_proven_address_never_yields() {
    when(proven_member(), minute(25), supersede(1)).then_expect_error(UserRefusal::ClaimVerified);
}

#[test]
fn a_claim_yields_once() {
    let given = [member(), superseded(true)].concat();
    when(given.clone(), minute(25), supersede(1)).then_expect_error(UserRefusal::ClaimNotHeld);
    when(given, minute(25), prove(1, 1)).then_expect_error(UserRefusal::ClaimNotHeld);
}

#[test]
fn a_superseded_guest_may_upgrade_again_with_another_address() {
    let given = [member(), superseded(true)].concat();
    let expected = [credentials_taken(2, minute(30)), vec![upgraded(minute(30))]].concat();
    when(given, minute(30), upgrade(2, minute(30))).then_expect_events(expected);
}
