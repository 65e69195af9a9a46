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
