//! What administrators do with users, and what whoever acts as a user can't.

use super::*;
use crate::role::Roles;
use crate::user::command::{Administration, ChosenPassword, NewMember};
use crate::user::{Impersonation, Impersonator, Standing, UserRefusal};

fn administer(change: impl FnOnce(&mut Administration)) -> UserCommand {
    let mut administration = administration();
    change(&mut administration);
    UserCommand::Administer { administration: Box::new(administration) }
}

fn set_role(text: &str) -> UserCommand {
    let roles = Roles::parse(text);
    administer(|administration| administration.roles = roles)
}

fn banned(until: Option<Timestamp>, at: Timestamp) -> UserEvent {
    UserBanned { reason: sealed(40), until, at }.into()
}

fn ban(until: Option<Timestamp>) -> UserCommand {
    UserCommand::Ban { reason: sealed(40), until }
}

/// Session 2, in which administrator 9 acts as the user.
fn impersonation(number: u8, at: Timestamp) -> NewSession {
    let by = Impersonator::Admin(made(UserId::from_ulid, 9));
    let impersonation = Some(Impersonation { by, session: Some(session(90)) });
    NewSession { impersonation, remembered: false, ..new_session(number, at) }
}

fn impersonated(given: Vec<UserEvent>) -> Vec<UserEvent> {
    and_then(given, minute(25), UserCommand::Impersonate { session: impersonation(2, minute(25)) })
}

#[test]
fn a_role_is_news_once_and_asks_every_session_for_another_token() {
    let editor: UserEvent =
        RoleSet { roles: Roles::parse("editor,user").unwrap(), before: Roles::default(), at: minute(20) }.into();
    when(member(), minute(20), set_role("editor,user")).then_expect_events(vec![editor.clone()]);
    when([member(), vec![editor]].concat(), minute(21), set_role("editor, user")).then_expect_events(vec![]);
    when(member(), minute(20), set_role("user")).then_expect_events(vec![]);
    // A browser's session rotates; one that an app keeps by itself goes on with the token it has.
    let by_cookie = [member(), vec![used(1, Carrier::Cookie, minute(15)), roles("editor")]].concat();
    let rotate = || UserCommand::RotateSession {
        session: session(1),
        rotation: rotation(RotationPolicy::Cookie, Carrier::Bearer),
    };
    when(by_cookie.clone(), minute(30), rotate()).then_expect_events(vec![rotated_to_9(minute(30))]);
    when(and_then(by_cookie, minute(30), rotate()), minute(31), rotate()).then_expect_events(vec![]);
    when([member(), vec![roles("editor")]].concat(), minute(30), rotate()).then_expect_events(vec![]);
    when(member(), minute(30), rotate()).then_expect_events(vec![]);
}

#[test]
fn that_everything_was_given_away_is_told_each_time_while_there_is_anybody() {
    let given = || vec![DataExported { at: minute(20) }.into()];
    when(member(), minute(20), UserCommand::RecordExport).then_expect_events(given());
    when([member(), given()].concat(), minute(20), UserCommand::RecordExport).then_expect_events(given());
    let delete = UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false };
    let gone = and_then(member(), minute(20), delete);
    when(gone, minute(21), UserCommand::RecordExport).then_expect_error(UserRefusal::Deleted);
    when(Vec::new(), minute(21), UserCommand::RecordExport).then_expect_error(UserRefusal::NotFound);
}

#[test]
fn a_guest_has_no_role_and_no_password() {
    let password = administer(|administration| {
        administration.password = Some(ChosenPassword { account: account(5), hash: sealed(41) });
    });
    for given in [guest(), provisional()] {
        when(given.clone(), minute(20), set_role("admin")).then_expect_error(UserRefusal::Anonymous);
        when(given, minute(20), password.clone()).then_expect_error(UserRefusal::Anonymous);
    }
}

#[test]
fn a_password_that_an_administrator_gives_ends_what_was_begun_with_another() {
    let given = ChosenPassword { account: account(5), hash: sealed(41) };
    let command = administer(|administration| administration.password = Some(given));
    let changed = PasswordChanged { account: account(1), hash: sealed(41), at: minute(20) }.into();
    let after = |first| {
        vec![
            first,
            ended(1, EndReason::PasswordReset, minute(20)),
            PendingVoided { at: minute(20) }.into(),
            told(minute(20)),
        ]
    };
    when(member(), minute(20), command.clone()).then_expect_events(after(changed));
    let before = user_after(&member()).epoch;
    assert_eq!(user_after(&and_then(member(), minute(20), command)).epoch, before + 1);
}

#[test]
fn an_administrator_says_whether_an_address_is_read() {
    let say = |verified| administer(|administration| administration.verified = Some(verified));
    let proven: UserEvent =
        EmailVerified { claim: claim(1), proof: ProofKind::Administrator, challenge: None, at: minute(30) }.into();
    let unproven: UserEvent = EmailUnverified { claim: claim(1), at: minute(30) }.into();
    when(member(), minute(30), say(true)).then_expect_events(vec![proven]);
    when(member(), minute(30), say(false)).then_expect_events(vec![]);
    when(proven_member(), minute(30), say(true)).then_expect_events(vec![]);
    when(proven_member(), minute(30), say(false)).then_expect_events(vec![unproven]);
    when(guest(), minute(30), say(true)).then_expect_error(UserRefusal::NoAddress);
    // A strict upgrade is complete with it.
    assert_eq!(user_after(&and_then(provisional(), minute(30), say(true))).standing, Standing::Member);
}

#[test]
fn what_was_entrusted_to_one_is_not_anothers_who_takes_the_address() {
    let admin = [member(), vec![roles("admin")]].concat();
    let taken = UserCommand::SignInByMail {
        claim: claim(1),
        proof: ProofKind::MagicLink,
        own: false,
        session: new_session(2, minute(30)),
        epoch: None,
        notice: notice(),
    };
    assert_eq!(user_after(&and_then(admin.clone(), minute(30), taken)).roles, Roles::default());
    let superseded = UserCommand::SupersedeClaim { claim: claim(1) };
    assert_eq!(user_after(&and_then(admin.clone(), minute(30), superseded)).roles, Roles::default());
    let own =
        UserCommand::VerifyEmail { claim: claim(1), challenge: None, proof: ProofKind::VerificationLink, opens: None };
    assert_eq!(user_after(&and_then(admin, minute(30), own)).roles.as_str(), "admin");
}

#[test]
fn a_ban_ends_every_session_and_every_way_in() {
    let given = with_two_sessions();
    let out = vec![
        ended(1, EndReason::Banned, minute(20)),
        ended(2, EndReason::Banned, minute(20)),
        banned(None, minute(20)),
    ];
    when(given.clone(), minute(20), ban(None)).then_expect_events(out);
    let banned = and_then(given, minute(20), ban(Some(minute(60))));
    let session = || new_session(3, minute(30));
    let by_mail = |own| UserCommand::SignInByMail {
        claim: claim(1),
        proof: ProofKind::EmailOtp,
        own,
        session: session(),
        epoch: None,
        notice: notice(),
    };
    for way in [
        UserCommand::StartSession { session: session() },
        by_mail(true),
        by_mail(false),
        UserCommand::VerifyEmail {
            claim: claim(1),
            challenge: None,
            proof: ProofKind::EmailOtp,
            opens: Some(session()),
        },
        UserCommand::Impersonate { session: impersonation(3, minute(30)) },
    ] {
        when(banned.clone(), minute(30), way.clone()).then_expect_error(UserRefusal::Banned);
        // It ends by itself.
        let mut user = user_after(&banned);
        assert!(user.decide(way, minute(60)).is_ok());
        user.apply(&UserUnbanned { at: minute(31) }.into());
        assert!(!user.is_banned(minute(31)));
    }
    // The link that was mailed before is void.
    when(banned, minute(61), prove(1, 1)).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn a_ban_is_lifted_once_and_a_second_one_takes_the_place_of_the_first() {
    let given = and_then(member(), minute(20), ban(None));
    let lifted: UserEvent = UserUnbanned { at: minute(21) }.into();
    when(given.clone(), minute(21), UserCommand::Unban).then_expect_events(vec![lifted.clone()]);
    when([given.clone(), vec![lifted]].concat(), minute(22), UserCommand::Unban).then_expect_events(vec![]);
    when(given, minute(21), ban(Some(minute(30)))).then_expect_events(vec![banned(Some(minute(30)), minute(21))]);
}

#[test]
fn a_guests_codes_end_with_a_ban() {
    let issue = UserCommand::IssueRecoveryCode { session: session(1), hash: token(9).hash };
    let given = and_then(and_then(guest(), minute(5), issue), minute(6), ban(Some(minute(10))));
    let back = UserCommand::UseRecoveryCode { hash: token(9).hash, session: new_session(2, minute(20)) };
    when(given, minute(20), back).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn nobody_acts_as_an_administrator_nor_twice_as_the_same_user() {
    let act = |number, at| UserCommand::Impersonate { session: impersonation(number, at) };
    when([member(), vec![roles("admin")]].concat(), minute(30), act(2, minute(30)))
        .then_expect_error(UserRefusal::Administers);
    let given = impersonated(member());
    let events = user_after(&given).decide(act(3, minute(30)), minute(30)).unwrap();
    assert_eq!(events[0], ended(2, EndReason::ImpersonationEnded, minute(30)));
    // The user's own sessions are as they were, and as many.
    let after = user_after(&and_then(given, minute(30), act(3, minute(30))));
    assert_eq!(after.sessions.keys().copied().collect::<Vec<_>>(), vec![session(1), session(3)]);
    let crowded = (0..5).fold(member(), |given, number| {
        let session = NewSession { limit: 2, ..new_session(10 + number, minute(20)) };
        and_then(given, minute(20), UserCommand::StartSession { session })
    });
    assert_eq!(user_after(&impersonated(crowded)).sessions.len(), 3);
}

#[test]
fn who_acts_as_a_user_gets_no_way_in_and_takes_none() {
    let given = impersonated(guest());
    let at = minute(30);
    for command in [
        UserCommand::UpgradeWithPassword {
            session: session(2),
            credentials: credentials(2, at),
            renewal: quietly(at),
            strict: false,
        },
        UserCommand::IssueRecoveryCode { session: session(2), hash: token(9).hash },
        UserCommand::OfferDeviceLink { session: session(2), hash: token(9).hash, expires_at: minute(40) },
    ] {
        when(given.clone(), at, command).then_expect_error(UserRefusal::Impersonated);
    }
    let given = impersonated(proven_member());
    for command in [
        UserCommand::ChangePassword {
            session: session(2),
            verified: password(1),
            hash: sealed(30),
            revoke_others: false,
            rotation: rotation(RotationPolicy::Always, Carrier::Cookie),
            notice: None,
        },
        UserCommand::UnlinkAccount { session: session(2), account: account(1), notice: None },
        UserCommand::AddPassword { session: session(2), account: account(7), hash: sealed(30), notice: notice() },
    ] {
        when(given.clone(), at, command).then_expect_error(UserRefusal::Impersonated);
    }
    // Nor is it the user who was active.
    let record = UserCommand::RecordActivity { session: session(2), carrier: Carrier::Cookie, granularity: Span::ZERO };
    when(given.clone(), at, record).then_expect_events(vec![]);
    assert_eq!(user_after(&given).last_activity, user_after(&proven_member()).last_activity);
}

#[test]
fn a_member_is_made_with_what_was_said_and_no_more() {
    let new = |password: Option<ChosenPassword>, roles: Option<&str>| UserCommand::CreateMember {
        member: Box::new(NewMember {
            user: user(),
            person: person(),
            claim: claim(1),
            address: address(1),
            verified: password.is_none(),
            password,
            name: None,
            image: None,
            metadata: None,
            app_metadata: None,
            roles: roles.and_then(Roles::parse),
        }),
    };
    let made = |proof| -> Vec<UserEvent> {
        vec![
            MemberSignedUp { user: user(), person: person(), authentication: Authentication::administrator(minute(0)) }
                .into(),
            EmailClaimed { claim: claim(1), address: address(1), session: None, proof, replaces: None }.into(),
        ]
    };
    when(vec![], minute(0), new(None, None)).then_expect_events(made(Some(ProofKind::Administrator)));
    let password = ChosenPassword { account: account(1), hash: password(1) };
    let added: UserEvent =
        PasswordAdded { account: account(1), hash: password.hash, proven: false, at: minute(0) }.into();
    let role: UserEvent =
        RoleSet { roles: Roles::parse("admin").unwrap(), before: Roles::default(), at: minute(0) }.into();
    when(vec![], minute(0), new(Some(password), Some("admin")))
        .then_expect_events([made(None), vec![added, role]].concat());
    when(guest(), minute(1), new(None, None)).then_expect_error(UserRefusal::Exists);
}

fn with_two_sessions() -> Vec<UserEvent> {
    and_then(member(), minute(15), UserCommand::StartSession { session: new_session(2, minute(15)) })
}
