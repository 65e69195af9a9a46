//! What becomes of a proof that was asked for.

use super::event::{ChallengeIssued, VoidReason};
use super::*;
use crate::id::{ChallengeId, PersonId, SealedId};
use crate::time::Span;
use crate::value::Locale;
use ulid::Ulid;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn issued(purpose: Purpose) -> ChallengeIssued {
    ChallengeIssued {
        challenge: ChallengeId::from_ulid(Ulid::from_parts(1, 1)),
        purpose,
        person: PersonId::from_ulid(Ulid::from_parts(1, 2)),
        address: SealedId::from_ulid(Ulid::from_parts(1, 3)),
        details: None,
        asker: None,
        holder: None,
        silent: false,
        locale: Locale::ENGLISH,
        at: START,
        expires_at: START + Span::from_secs(600),
    }
}

fn asked_for(purpose: Purpose) -> Challenge {
    let mut challenge = Challenge::default();
    happen(&mut challenge, ChallengeCommand::Issue(Box::new(issued(purpose))), START).unwrap();
    challenge
}

fn happen(
    challenge: &mut Challenge,
    command: ChallengeCommand,
    at: Timestamp,
) -> Result<Vec<ChallengeEvent>, ChallengeRefusal> {
    let events = challenge.decide(command, at)?;
    events.iter().for_each(|event| challenge.apply(event));
    Ok(events)
}

fn meet(challenge: &mut Challenge, purpose: Purpose) -> Result<(), ChallengeRefusal> {
    happen(challenge, ChallengeCommand::Meet { purpose }, START).map(|_| ())
}

#[test]
fn it_is_met_once() {
    let mut link = asked_for(Purpose::MagicLink);
    assert_eq!(meet(&mut link, Purpose::MagicLink), Ok(()));
    assert_eq!(meet(&mut link, Purpose::MagicLink), Err(ChallengeRefusal::Unknown));
    assert_eq!(meet(&mut Challenge::default(), Purpose::MagicLink), Err(ChallengeRefusal::Unknown));
}

#[test]
fn it_is_good_for_what_it_was_asked_for() {
    let mut code = asked_for(Purpose::SignInCode);
    assert_eq!(meet(&mut code, Purpose::ResetCode), Err(ChallengeRefusal::Unknown));
    assert_eq!(meet(&mut code, Purpose::SignInCode), Ok(()));
}

#[test]
fn it_ends_with_its_time() {
    let link = asked_for(Purpose::MagicLink);
    let meet = |after| link.decide(ChallengeCommand::Meet { purpose: Purpose::MagicLink }, START + after);
    assert!(meet(Span::from_millis(599_999)).is_ok());
    assert_eq!(meet(Span::from_secs(600)), Err(ChallengeRefusal::Expired));
}

#[test]
fn three_wrong_tries_of_the_asker_end_a_code_and_none_of_a_stranger_does() {
    let mut code = asked_for(Purpose::SignInCode);
    for _ in 0..100 {
        happen(&mut code, ChallengeCommand::Miss { own: false }, START).unwrap();
    }
    for _ in 0..2 {
        happen(&mut code, ChallengeCommand::Miss { own: true }, START).unwrap();
    }
    assert!(code.standing(Purpose::SignInCode, START).is_ok());
    let last = happen(&mut code, ChallengeCommand::Miss { own: true }, START).unwrap();
    assert_eq!(last.len(), 2);
    assert_eq!(meet(&mut code, Purpose::SignInCode), Err(ChallengeRefusal::Exhausted));
    let again = happen(&mut code, ChallengeCommand::Miss { own: true }, START);
    assert_eq!(again, Err(ChallengeRefusal::Exhausted));
    happen(&mut code, ChallengeCommand::Void { reason: VoidReason::Replaced }, START).unwrap();
    assert_eq!(meet(&mut code, Purpose::SignInCode), Err(ChallengeRefusal::Unknown), "forgotten with the next one");
}

#[test]
fn what_was_replaced_is_unknown_and_stays_so() {
    let mut code = asked_for(Purpose::SignInCode);
    let void = |reason| ChallengeCommand::Void { reason };
    happen(&mut code, void(VoidReason::Replaced), START).unwrap();
    assert_eq!(happen(&mut code, void(VoidReason::Expired), START), Ok(Vec::new()));
    assert_eq!(meet(&mut code, Purpose::SignInCode), Err(ChallengeRefusal::Unknown));
}

#[test]
fn it_is_asked_for_once() {
    let code = asked_for(Purpose::SignInCode);
    let again = code.decide(ChallengeCommand::Issue(Box::new(issued(Purpose::SignInCode))), START);
    assert_eq!(again, Err(ChallengeRefusal::Unknown));
}

#[test]
fn who_is_no_user_is_forgotten_when_nothing_came_of_it() {
    let end = START + Span::from_secs(600);
    let forget = |challenge: &mut Challenge, met, at| happen(challenge, ChallengeCommand::ForgetStranger { met }, at);
    let mut link = asked_for(Purpose::MagicLink);
    assert_eq!(forget(&mut link, false, end + Span::from_millis(-1)), Ok(Vec::new()), "it can still be met");
    let person = issued(Purpose::MagicLink).person;
    assert_eq!(forget(&mut link, false, end), Ok(vec![StrangerForgotten { person, at: end }.into()]));
    assert_eq!(forget(&mut link, false, end), Ok(Vec::new()), "once");
    // Met since somebody looked: a user may have come of it.
    let mut link = asked_for(Purpose::MagicLink);
    meet(&mut link, Purpose::MagicLink).unwrap();
    assert_eq!(forget(&mut link, false, end), Ok(Vec::new()));
    assert_eq!(forget(&mut link, true, end).unwrap().len(), 1, "it was met, and led to somebody else");
}

#[test]
fn a_user_goes_by_themselves() {
    let end = START + Span::from_secs(600);
    let (user, epoch) = (crate::id::UserId::from_ulid(Ulid::from_parts(1, 5)), 0);
    let session = crate::id::SessionId::from_ulid(Ulid::from_parts(1, 6));
    for issued in [
        ChallengeIssued { holder: Some(Bound { user, epoch }), ..issued(Purpose::SignInCode) },
        ChallengeIssued { asker: Some(Asker { user, epoch, session }), ..issued(Purpose::SignInCode) },
    ] {
        let mut code = Challenge::default();
        happen(&mut code, ChallengeCommand::Issue(Box::new(issued)), START).unwrap();
        assert_eq!(happen(&mut code, ChallengeCommand::ForgetStranger { met: false }, end), Ok(Vec::new()));
    }
}
