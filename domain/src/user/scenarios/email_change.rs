//! A member gives another address, and the reader of the one before takes it back.

use super::*;
use crate::user::UserRefusal;
use crate::user::command::ProvenAddress;

fn to(number: u8) -> ProvenAddress {
    ProvenAddress { claim: claim(number), address: address(number), proof: ProofKind::EmailChange }
}

fn change(epoch: Option<u32>) -> UserCommand {
    UserCommand::ChangeEmail { session: Some(session(1)), proven: to(2), epoch, notice: Some(notice()) }
}

#[test]
fn the_new_address_takes_the_place_of_the_old() {
    let released = EmailReleased { claim: claim(1), reason: ReleaseReason::Changed };
    let proof = Some(ProofKind::EmailChange);
    let claimed = EmailClaimed {
        claim: claim(2),
        address: address(2),
        session: Some(session(1)),
        proof,
        replaces: Some(address(1)),
    };
    when(proven_member(), minute(20), change(None)).then_expect_events(vec![released.into(), claimed.into()]);
}

#[test]
fn who_never_proved_the_old_one_keeps_the_password() {
    let events = and_then(member(), minute(20), change(None));
    let user = user_after(&events);
    assert!(user.email.is_some_and(|email| email.verified && email.claim == claim(2)));
    assert!(user.password.is_some_and(|password| password.proven));
}

/// Nobody knows whose an unproven address is: it is told of the change, and of nothing else.
#[test]
fn an_address_that_was_never_proven_is_told_that_it_is_free() {
    let NewNotice { mail, locale } = notice();
    let told = NoticeRequested { mail, notice: Notice::EmailReplaced, address: address(1), locale, at: minute(20) };
    let events = and_then(member(), minute(20), change(None));
    assert_eq!(events.last(), Some(&told.into()));
}

/// The unexpired-e-mail-change attack: what was asked for before a reset does nothing after it.
#[test]
fn what_was_asked_for_before_a_reset_is_void() {
    let epoch = user_after(&proven_member()).epoch;
    when(proven_member(), minute(20), change(Some(epoch + 1))).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn a_guest_has_no_address_to_change() {
    when(guest(), minute(20), change(None)).then_expect_error(UserRefusal::Anonymous);
}

#[test]
fn the_reader_of_the_old_address_takes_it_back_and_everybody_is_out() {
    let changed = and_then(proven_member(), minute(20), change(None));
    let undo = UserCommand::UndoEmailChange { proven: to(3), notice: notice() };
    let before = user_after(&changed);
    let user = user_after(&and_then(changed, day(2), undo));
    assert_eq!(user.email.map(|email| email.claim), Some(claim(3)));
    assert!(user.sessions.is_empty() && user.epoch > before.epoch);
}
