//! Strict mode (SECURITY S5): an upgrade awaits proof, and until then the user is a guest.

use super::*;
use crate::user::{Standing, UserRefusal};

#[test]
fn an_upgrade_that_awaits_proof_leaves_a_guest() {
    let begins = [credentials_taken(1, minute(10)), vec![begun(minute(10))]].concat();
    when(guest(), minute(10), strict_upgrade(1, minute(10))).then_expect_events(begins);
    let user = user_after(&provisional());
    assert_eq!(user.standing, Standing::Provisional);
    assert!(user.standing.is_guest());
}

#[test]
fn it_ends_the_other_sessions_and_rotates_at_once() {
    let given = [guest(), vec![started(2, minute(1))]].concat();
    let renewal = renewal(minute(10), rotation(RotationPolicy::Cookie, Carrier::Cookie));
    let command = UserCommand::UpgradeWithPassword {
        session: session(1),
        credentials: credentials(1, minute(10)),
        renewal,
        strict: true,
    };
    let then = vec![begun(minute(10)), ended(2, EndReason::Upgraded, minute(10)), rotated_to_9(minute(10))];
    when(given, minute(10), command).then_expect_events([credentials_taken(1, minute(10)), then].concat());
}

/// A typo in the address must not lock the guest out of a second try.
#[test]
fn a_further_upgrade_replaces_the_pending_one() {
    let reason = ReleaseReason::Replaced;
    let dropped =
        vec![EmailReleased { claim: claim(1), reason }.into(), PasswordRemoved { account: account(1), reason }.into()];
    let expected = [dropped, credentials_taken(2, minute(15)), vec![begun(minute(15))]].concat();
    when(provisional(), minute(15), strict_upgrade(2, minute(15))).then_expect_events(expected.clone());

    let replaced = [provisional(), expected].concat();
    when(replaced.clone(), minute(16), prove(1, 1)).then_expect_error(UserRefusal::ClaimNotHeld);
    when(replaced.clone(), minute(16), prove(2, 1)).then_expect_error(UserRefusal::ChallengeUnknown);
    assert_eq!(user_after(&and_then(replaced, minute(16), prove(2, 2))).standing, Standing::Member);
}

#[test]
fn proof_completes_the_upgrade_and_ends_no_session() {
    let authentication = Authentication::password(minute(20));
    let completed = GuestUpgraded { authentication, session: None, proof: Some(ProofKind::VerificationLink) }.into();
    when(provisional(), minute(20), prove(1, 1)).then_expect_events(vec![verified(1, minute(20)), completed]);
    let (before, after) = (user_after(&provisional()), user_after(&and_then(provisional(), minute(20), prove(1, 1))));
    assert_eq!(after.standing, Standing::Member);
    assert_eq!(after.sessions, before.sessions);
    assert_eq!(after.last_activity, before.last_activity, "a proof that came from elsewhere is no use of a session");
}

#[test]
fn an_upgrade_without_strictness_takes_the_place_of_a_pending_one() {
    let user = user_after(&and_then(provisional(), minute(15), upgrade(2, minute(15))));
    assert_eq!(user.standing, Standing::Member);
    assert_eq!(user.pending_upgrade, None);
    assert_eq!(user.email.unwrap().claim, claim(2));
}

#[test]
fn a_pending_upgrade_whose_address_somebody_else_proves_leaves_a_plain_guest() {
    let user = user_after(&and_then(provisional(), minute(20), UserCommand::SupersedeClaim { claim: claim(1) }));
    assert_eq!(user.standing, Standing::Guest);
    assert_eq!((user.email, user.password, user.pending_upgrade, user.verification), (None, None, None, None));
}
