//! A guest comes back.

use super::*;
use crate::user::UserRefusal;

fn issue(number: u8) -> UserCommand {
    UserCommand::IssueRecoveryCode { session: session(1), hash: token(number).hash }
}

fn redeem(number: u8) -> UserCommand {
    UserCommand::UseRecoveryCode { hash: token(number).hash, session: new_session(2, minute(20)) }
}

#[test]
fn a_code_leads_in_once() {
    let given = and_then(guest(), minute(10), issue(9));
    when(given.clone(), minute(20), redeem(8)).then_expect_error(UserRefusal::ChallengeUnknown);
    let used = and_then(given, minute(20), redeem(9));
    assert!(user_after(&used).sessions.contains_key(&session(2)));
    when(used, minute(20), redeem(9)).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn a_new_code_voids_the_one_before_and_a_revoked_one_is_void() {
    let given = and_then(and_then(guest(), minute(10), issue(9)), minute(11), issue(8));
    when(given.clone(), minute(20), redeem(9)).then_expect_error(UserRefusal::ChallengeUnknown);
    let revoked = and_then(given, minute(12), UserCommand::RevokeRecoveryCode { session: session(1) });
    when(revoked, minute(20), redeem(8)).then_expect_error(UserRefusal::ChallengeUnknown);
}

/// SECURITY S2: whoever kept a guest's code has nothing of the member.
#[test]
fn no_code_outlives_an_upgrade() {
    let given = and_then(and_then(guest(), minute(10), issue(9)), minute(11), upgrade(1, minute(11)));
    when(given, minute(20), redeem(9)).then_expect_error(UserRefusal::NotAnonymous);
    when(member(), minute(20), issue(9)).then_expect_error(UserRefusal::NotAnonymous);
}

fn offered() -> Vec<UserEvent> {
    let offer = UserCommand::OfferDeviceLink { session: session(1), hash: token(9).hash, expires_at: minute(15) };
    and_then(guest(), minute(10), offer)
}

fn claim_link(number: u8) -> UserCommand {
    UserCommand::ClaimDeviceLink { hash: token(9).hash, ticket: token(number).hash, client: sealed(40) }
}

fn use_link(ticket: u8) -> UserCommand {
    let session = new_session(2, minute(12));
    UserCommand::UseDeviceLink { hash: token(9).hash, ticket: token(ticket).hash, session }
}

fn confirm() -> UserCommand {
    UserCommand::ConfirmDeviceLink { session: session(1) }
}

#[test]
fn another_device_is_let_in_once_the_first_agrees() {
    when(offered(), minute(11), confirm()).then_expect_error(UserRefusal::ChallengeUnknown);
    let claimed = and_then(offered(), minute(11), claim_link(7));
    when(claimed.clone(), minute(12), use_link(7)).then_expect_error(UserRefusal::ChallengeUnknown);
    let confirmed = and_then(claimed, minute(12), confirm());
    when(confirmed.clone(), minute(12), use_link(6)).then_expect_error(UserRefusal::ChallengeUnknown);
    let user = user_after(&and_then(confirmed, minute(12), use_link(7)));
    assert!(user.sessions.len() == 2 && user.link.is_none());
}

#[test]
fn the_first_to_type_it_has_it_and_it_ends_in_time() {
    let claimed = and_then(offered(), minute(11), claim_link(7));
    when(claimed.clone(), minute(11), claim_link(6)).then_expect_error(UserRefusal::ChallengeUnknown);
    when(claimed, minute(15), confirm()).then_expect_error(UserRefusal::ChallengeExpired);
    when(offered(), minute(15), claim_link(7)).then_expect_error(UserRefusal::ChallengeExpired);
}
