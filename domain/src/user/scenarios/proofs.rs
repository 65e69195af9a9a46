//! What a proof of the mailbox does: to its own user's browser, to a stranger's, to a guest (CONTRACT 2.6).

use super::*;
use crate::user::command::{NewPassword, Profile, ProvenAddress};
use crate::user::{Standing, UserRefusal};

fn sign_in(own: bool, epoch: Option<u32>) -> UserCommand {
    UserCommand::SignInByMail {
        claim: claim(1),
        proof: ProofKind::MagicLink,
        own,
        session: new_session(2, minute(20)),
        epoch,
        notice: notice(),
    }
}

fn upgrade_by_mail(epoch: Option<u32>) -> UserCommand {
    UserCommand::UpgradeByMail {
        session: session(1),
        proven: ProvenAddress { claim: claim(2), address: address(2), proof: ProofKind::MagicLink },
        profile: Profile::default(),
        renewal: quietly(minute(20)),
        opens: None,
        epoch,
    }
}

fn reset(own: bool, kept: bool) -> UserCommand {
    let session = kept.then(|| (session(1), rotation(RotationPolicy::Cookie, Carrier::Bearer)));
    let reset = NewPassword {
        claim: claim(1),
        proof: ProofKind::PasswordReset,
        own,
        account: account(7),
        hash: sealed(30),
        session,
        notice: notice(),
    };
    UserCommand::ResetPassword { reset, epoch: None }
}

fn after(given: Vec<UserEvent>, command: UserCommand) -> User {
    user_after(&and_then(given, minute(20), command))
}

/// Whoever asked may have hoped that somebody else would click.
#[test]
fn a_proof_brought_back_elsewhere_leaves_a_session_there_alone() {
    let UserCommand::UpgradeByMail { session: asking, proven, profile, renewal, epoch, .. } = upgrade_by_mail(None)
    else {
        unreachable!()
    };
    let opens = Some(new_session(2, minute(20)));
    let user = after(guest(), UserCommand::UpgradeByMail { session: asking, proven, profile, renewal, opens, epoch });
    assert!(!user.standing.is_guest());
    assert_eq!(user.sessions.keys().collect::<Vec<_>>(), [&session(2)]);
}

#[test]
fn the_holders_own_browser_keeps_password_and_sessions() {
    let user = after(member(), sign_in(true, None));
    assert!(user.email.unwrap().verified && user.password.is_some());
    assert_eq!(user.sessions.len(), 2);
    assert_eq!(user.suspended, None);
}

#[test]
fn a_stranger_who_reads_the_address_takes_the_account_over() {
    let user = after(member(), sign_in(false, None));
    assert!(user.email.unwrap().verified);
    assert_eq!(user.password, None);
    assert_eq!(user.sessions.keys().collect::<Vec<_>>(), [&session(2)]);
    let suspended = user.suspended.unwrap();
    assert_eq!((suspended.hash, suspended.session), (password(1), session(2)));
}

#[test]
fn a_verified_address_never_yields() {
    let user = after(proven_member(), sign_in(false, None));
    assert!(user.password.is_some());
    assert_eq!(user.sessions.len(), 2);
}

#[test]
fn who_took_over_may_restore_the_password_in_that_session_for_seven_days() {
    let given = and_then(member(), minute(20), sign_in(false, None));
    let restore = |number, hash| UserCommand::RestorePassword { session: session(number), verified: password(hash) };
    let long_after = minute(20) + Span::from_days(7);
    when(given.clone(), long_after, restore(2, 1)).then_expect_error(UserRefusal::NoPassword);
    when(given.clone(), minute(21), restore(1, 1)).then_expect_error(UserRefusal::NoPassword);
    when(given.clone(), minute(21), restore(2, 2)).then_expect_error(UserRefusal::PasswordChangedMeanwhile);
    let restored = and_then(given, minute(21), restore(2, 1));
    assert_eq!(user_after(&restored).password.unwrap().hash, password(1));
    when(restored, minute(22), restore(2, 1)).then_expect_error(UserRefusal::NoPassword);
}

#[test]
fn a_strict_upgrade_is_complete_with_any_proof() {
    for own in [true, false] {
        assert_eq!(after(provisional(), sign_in(own, None)).standing, Standing::Member);
    }
}

#[test]
fn what_was_begun_before_an_upgrade_is_void() {
    when(member(), minute(20), sign_in(true, Some(0))).then_expect_error(UserRefusal::ChallengeUnknown);
    when(member(), minute(20), upgrade_by_mail(Some(0))).then_expect_error(UserRefusal::ChallengeUnknown);
    assert_eq!(after(guest(), upgrade_by_mail(Some(0))).standing, Standing::Member);
}

#[test]
fn a_guest_becomes_a_member_with_a_verified_address() {
    let given = [guest(), vec![started(2, minute(5))]].concat();
    let user = after(given, upgrade_by_mail(None));
    assert_eq!(user.standing, Standing::Member);
    assert!(user.email.unwrap().verified);
    assert_eq!(user.sessions.keys().collect::<Vec<_>>(), [&session(1)], "every other session ends");
    when(member(), minute(20), upgrade_by_mail(None)).then_expect_error(UserRefusal::NotAnonymous);
}

#[test]
fn a_reset_proves_the_address_and_ends_the_other_sessions() {
    let given = [member(), vec![started(2, minute(12))]].concat();
    let user = after(given.clone(), reset(true, true));
    assert!(user.email.unwrap().verified);
    assert_eq!(user.password.unwrap().hash, sealed(30));
    assert_eq!(user.sessions.keys().collect::<Vec<_>>(), [&session(1)]);
    assert_eq!(user.sessions[&session(1)].token_hash, token(9).hash, "what goes on has a new token");
    assert_eq!(after(given, reset(true, false)).sessions.len(), 0);
}

/// A session cookie alone is no sign of the holder: it may have been planted.
#[test]
fn a_reset_from_elsewhere_ends_every_session() {
    assert_eq!(after(member(), reset(false, true)).sessions.len(), 0);
}

#[test]
fn a_reset_gives_a_password_to_who_has_none() {
    let given = and_then(guest(), minute(20), upgrade_by_mail(None));
    let UserCommand::ResetPassword { reset, epoch } = reset(false, false) else { unreachable!() };
    let reset = UserCommand::ResetPassword { reset: NewPassword { claim: claim(2), ..reset }, epoch };
    let user = user_after(&and_then(given, minute(21), reset));
    assert_eq!(user.password.map(|password| password.account), Some(account(7)));
}

#[test]
fn five_wrong_passwords_void_a_verification_link() {
    let miss = || UserCommand::MissVerification { challenge: challenge(1) };
    let mut given = member();
    for _ in 0..4 {
        given = and_then(given, minute(20), miss());
    }
    assert!(user_after(&given).verification.is_some());
    given = and_then(given, minute(20), miss());
    when(given.clone(), minute(20), miss()).then_expect_error(UserRefusal::ChallengeUnknown);
    when(given, minute(20), prove(1, 1)).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn a_link_of_a_stranger_to_the_account_frees_the_address() {
    let disown = UserCommand::DisownClaim { claim: claim(1), challenge: challenge(1) };
    let user = after(member(), disown.clone());
    assert_eq!((user.email, user.password, user.standing), (None, None, Standing::Guest));
    when(proven_member(), minute(20), disown).then_expect_error(UserRefusal::ClaimVerified);
    let other = UserCommand::DisownClaim { claim: claim(1), challenge: challenge(2) };
    when(member(), minute(20), other).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn a_password_is_set_by_a_member_who_has_none_and_a_proven_address() {
    let set = |number| UserCommand::AddPassword {
        session: session(number),
        account: account(7),
        hash: sealed(30),
        notice: notice(),
    };
    when(guest(), minute(20), set(1)).then_expect_error(UserRefusal::Anonymous);
    when(proven_member(), minute(20), set(1)).then_expect_error(UserRefusal::HasPassword);
    let given = and_then(guest(), minute(20), upgrade_by_mail(None));
    assert_eq!(user_after(&and_then(given.clone(), minute(21), set(1))).password.unwrap().hash, sealed(30));
    when(given, minute(21), set(2)).then_expect_error(UserRefusal::SessionNotLive);
}
