//! Arriving: as a guest, or as a member from the start.

use super::*;
use crate::user::{Standing, UserRefusal};
use crate::value::{Change, Label};

fn arrive() -> UserCommand {
    UserCommand::CreateAnonymous {
        user: user(),
        person: person(),
        entry: Entry::default(),
        session: new_session(1, minute(0)),
    }
}

fn sign_up(session: Option<NewSession>) -> UserCommand {
    UserCommand::SignUpWithPassword { user: user(), person: person(), credentials: credentials(1, minute(0)), session }
}

#[test]
fn a_guest_and_the_first_session_come_together() {
    when(vec![], minute(0), arrive()).then_expect_events(guest());
    assert!(user_after(&guest()).standing.is_guest());
}

#[test]
fn a_guest_brings_along_where_it_came_from() {
    let entry = Entry { channel: Label::parse("email"), referrer: Some(sealed(3)), ..Entry::default() };
    let command = UserCommand::CreateAnonymous {
        user: user(),
        person: person(),
        entry: entry.clone(),
        session: new_session(1, minute(0)),
    };
    let created = GuestCreated { user: user(), person: person(), at: minute(0), entry }.into();
    when(vec![], minute(0), command).then_expect_events(vec![created, started(1, minute(0))]);
}

#[test]
fn nobody_arrives_twice() {
    when(guest(), minute(1), arrive()).then_expect_error(UserRefusal::Exists);
    when(guest(), minute(1), sign_up(None)).then_expect_error(UserRefusal::Exists);
    when(deleted(), minute(40), arrive()).then_expect_error(UserRefusal::Deleted);
    when(deleted(), minute(40), sign_up(None)).then_expect_error(UserRefusal::Deleted);
}

#[test]
fn who_signs_up_is_a_member_with_a_session_and_a_reserved_address() {
    let signed_up =
        MemberSignedUp { user: user(), person: person(), authentication: Authentication::password(minute(0)) }.into();
    let expected = [vec![signed_up], credentials_taken(1, minute(0)), vec![started(1, minute(0))]].concat();
    when(vec![], minute(0), sign_up(Some(new_session(1, minute(0))))).then_expect_events(expected.clone());
    let user = user_after(&expected);
    assert_eq!(user.standing, Standing::Member);
    assert!(user.email.is_some_and(|email| !email.verified));
}

/// As it is when an address has to be proven before the first session.
#[test]
fn who_signs_up_without_a_session_has_none_and_no_session_made_the_claim() {
    let user = user_after(&and_then(vec![], minute(0), sign_up(None)));
    assert!(user.sessions.is_empty());
    assert_eq!(user.email.unwrap().session, None);
}

#[test]
fn a_form_with_a_name_gives_a_name() {
    let form = PasswordCredentials { name: Some(sealed(5)), ..credentials(1, minute(0)) };
    let command = UserCommand::SignUpWithPassword { user: user(), person: person(), credentials: form, session: None };
    let events = and_then(vec![], minute(0), command);
    let named = ProfileUpdated {
        name: Change::Set(sealed(5)),
        image: Change::Kept,
        metadata: Change::Kept,
        before: ProfileBefore::default(),
        at: minute(0),
    };
    assert!(events.contains(&named.into()));
    assert_eq!(user_after(&events).name, Some(sealed(5)));
}

#[test]
fn nothing_can_be_asked_of_nobody() {
    when(vec![], minute(0), upgrade(1, minute(0))).then_expect_error(UserRefusal::NotFound);
    when(vec![], minute(0), UserCommand::StartSession { session: new_session(1, minute(0)) })
        .then_expect_error(UserRefusal::NotFound);
    when(vec![], minute(0), UserCommand::RevokeSessions { except: None }).then_expect_error(UserRefusal::NotFound);
}
