//! What a guest did moves to a member, once.

use super::*;
use crate::user::UserRefusal;

fn other(number: u8) -> UserId {
    made(UserId::from_ulid, number)
}

fn give(to: u8) -> UserCommand {
    UserCommand::TransferGuest { to: other(to), epoch: Some(0) }
}

fn take(epoch: u32) -> UserCommand {
    UserCommand::AbsorbGuest { guest: other(9), epoch: Some(epoch) }
}

#[test]
fn a_guest_is_transferred_once_and_its_sessions_end() {
    let at = minute(20);
    let expected = vec![GuestTransferred { to: other(5), at }.into(), ended(1, EndReason::Transferred, at)];
    when(guest(), at, give(5)).then_expect_events(expected);
    let given = and_then(guest(), at, give(5));
    when(given.clone(), minute(21), give(5)).then_expect_events(vec![]);
    when(given, minute(21), give(6)).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn who_became_a_member_keeps_what_they_did() {
    when(member(), minute(20), give(5)).then_expect_error(UserRefusal::NotAnonymous);
}

#[test]
fn a_member_takes_over_and_a_guest_does_not() {
    when(member(), minute(20), take(1))
        .then_expect_events(vec![GuestAbsorbed { guest: other(9), at: minute(20) }.into()]);
    let given = and_then(member(), minute(20), take(1));
    when(given, minute(21), take(1)).then_expect_events(vec![]);
    when(guest(), minute(20), take(0)).then_expect_error(UserRefusal::Anonymous);
}

#[test]
fn a_ticket_from_before_a_reset_takes_nothing() {
    when(member(), minute(20), take(0)).then_expect_error(UserRefusal::ChallengeUnknown);
}

/// An administrator has no ticket, and needs none.
#[test]
fn what_a_guest_did_can_be_given_to_a_member() {
    let give = UserCommand::TransferGuest { to: other(5), epoch: None };
    let take = UserCommand::AbsorbGuest { guest: other(9), epoch: None };
    assert!(user_after(&and_then(guest(), minute(20), give)).transferred_to.is_some());
    assert!(user_after(&and_then(member(), minute(20), take.clone())).absorbed.contains(&other(9)));
    when(guest(), minute(20), take).then_expect_error(UserRefusal::Anonymous);
}
