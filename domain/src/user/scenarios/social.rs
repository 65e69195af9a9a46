//! Linking a social identity: it upgrades a guest, and is one more way in for a member.

use super::*;
use crate::user::{Standing, UserRefusal};
use crate::value::Change;

fn from(provider: &str, number: u8) -> SocialIdentity {
    SocialIdentity {
        account: account(number),
        claim: claim(number),
        provider: provider.to_owned(),
        subject: sealed(number),
        email: None,
        name: None,
        image: None,
        scopes: Vec::new(),
        vouches_for_held: false,
    }
}

/// The claim of the address is 50; session 1 made it.
fn with_email(identity: SocialIdentity, vouched: bool) -> SocialIdentity {
    let email = SocialEmail { claim: claim(50), address: address(50), vouched, verification: None };
    SocialIdentity { email: Some(email), ..identity }
}

fn link(identity: SocialIdentity) -> UserCommand {
    UserCommand::LinkSocial {
        session: session(1),
        identity,
        renewal: quietly(minute(10)),
        strict: false,
        opens: None,
        epoch: None,
        notice: Some(notice()),
    }
}

fn told_of(what: Notice, address: SealedId, at: Timestamp) -> UserEvent {
    NoticeRequested { mail: notice().mail, notice: what, address, locale: notice().locale, at }.into()
}

fn linked(provider: &str, number: u8, proven: bool) -> UserEvent {
    let authentication = Authentication::social(provider, minute(10));
    let (account, claim, subject) = (account(number), claim(number), sealed(number));
    let provider = provider.to_owned();
    IdentityLinked { account, claim, provider, subject, proven, authentication, scopes: Vec::new() }.into()
}

fn upgraded_by(provider: &str, proof: Option<ProofKind>) -> UserEvent {
    let session = RenewedSession { session: session(1), expires_at: minute(10) + Span::from_days(7), remembered: true };
    GuestUpgraded { authentication: Authentication::social(provider, minute(10)), session: Some(session), proof }.into()
}

fn claimed(proof: Option<ProofKind>) -> UserEvent {
    EmailClaimed { claim: claim(50), address: address(50), session: Some(session(1)), proof, replaces: None }.into()
}

#[test]
fn a_guest_with_an_identity_and_no_address_is_a_member() {
    let expected = vec![linked("github", 2, false), upgraded_by("github", None)];
    when(guest(), minute(10), link(from("github", 2))).then_expect_events(expected);
}

#[test]
fn an_address_the_provider_vouches_for_is_verified_at_once() {
    let proof = Some(ProofKind::Provider);
    let expected = vec![claimed(proof), linked("google", 2, true), upgraded_by("google", proof)];
    when(guest(), minute(10), link(with_email(from("google", 2), true))).then_expect_events(expected.clone());
    assert!(user_after(&[guest(), expected].concat()).email.unwrap().verified);
}

#[test]
fn an_address_nobody_vouches_for_is_only_reserved() {
    let events = and_then(guest(), minute(10), link(with_email(from("facebook", 2), false)));
    assert!(events.contains(&linked("facebook", 2, false)));
    let user = user_after(&events);
    assert_eq!(user.standing, Standing::Member);
    assert!(user.email.is_some_and(|email| !email.verified));
}

#[test]
fn a_guest_upgraded_by_identity_loses_its_other_sessions_and_a_planted_token() {
    let given = [guest(), vec![started(2, minute(1)), used(1, Carrier::Cookie, minute(2))]].concat();
    let then = vec![
        linked("github", 2, false),
        upgraded_by("github", None),
        ended(2, EndReason::Upgraded, minute(10)),
        rotated_to_9(minute(10)),
    ];
    when(given, minute(10), link(from("github", 2))).then_expect_events(then);
}

#[test]
fn an_identity_takes_the_place_of_an_upgrade_that_awaits_proof() {
    let user = user_after(&and_then(provisional(), minute(12), link(with_email(from("google", 2), true))));
    assert_eq!(user.standing, Standing::Member);
    assert_eq!(user.email.unwrap().claim, claim(50));
    assert_eq!((user.password, user.pending_upgrade, user.verification), (None, None, None));
}

#[test]
fn a_member_gains_a_way_in_and_nothing_else_changes() {
    let given = [member(), vec![started(2, minute(10))]].concat();
    let told = told_of(Notice::AccountLinked, address(1), minute(10));
    when(given, minute(10), link(with_email(from("github", 2), false)))
        .then_expect_events(vec![linked("github", 2, false), told]);
}

#[test]
fn an_identity_linked_after_the_proof_of_the_address_is_proven() {
    let told = told_of(Notice::AccountLinked, address(1), minute(10));
    when(proven_member(), minute(10), link(from("github", 2)))
        .then_expect_events(vec![linked("github", 2, true), told]);
}

/// SECURITY S2: who reserved a stranger's address can't make an identity of their own outlast the stranger's proof.
#[test]
fn vouching_for_another_address_proves_nothing_about_the_one_held() {
    when(member(), minute(10), link(with_email(from("google", 2), true)))
        .then_expect_events(vec![linked("google", 2, false), told_of(Notice::AccountLinked, address(1), minute(10))]);
}

#[test]
fn a_later_proof_by_the_holder_covers_the_identities_too() {
    let given = and_then(member(), minute(10), link(from("github", 2)));
    let user = user_after(&and_then(given, minute(20), prove(1, 1)));
    assert!(user.identities.iter().all(|identity| identity.proven));
    assert!(user.password.is_some_and(|password| password.proven));
}

#[test]
fn a_member_without_an_address_takes_the_providers() {
    let given = [guest(), vec![linked("github", 2, false), upgraded_by("github", None)]].concat();
    let expected = vec![claimed(Some(ProofKind::Provider)), linked("google", 3, true)];
    when(given, minute(10), link(with_email(from("google", 3), true))).then_expect_events(expected);
}

#[test]
fn an_identity_leads_here_once() {
    let given = and_then(member(), minute(10), link(from("github", 2)));
    when(given, minute(10), link(SocialIdentity { claim: claim(2), ..from("google", 3) }))
        .then_expect_error(UserRefusal::IdentityLinked);
}

#[test]
fn not_any_number_of_identities_leads_here() {
    let given = (0..20).fold(member(), |given, n| and_then(given, minute(10), link(from("github", 100 + n))));
    when(given, minute(10), link(from("github", 2))).then_expect_error(UserRefusal::TooManyIdentities);
}

#[test]
fn what_the_provider_says_fills_only_what_is_empty() {
    let named = ProfileUpdated {
        name: Change::Set(sealed(20)),
        image: Change::Kept,
        metadata: Change::Kept,
        before: ProfileBefore::default(),
        at: minute(1),
    };
    let given = [guest(), vec![named.into()]].concat();
    let identity = SocialIdentity { name: Some(sealed(21)), image: Some(sealed(22)), ..from("github", 2) };
    let user = user_after(&and_then(given, minute(10), link(identity)));
    assert_eq!((user.name, user.image), (Some(sealed(20)), Some(sealed(22))));
}

#[test]
fn linking_needs_a_live_session() {
    when(guest(), day(8), link(from("github", 2))).then_expect_error(UserRefusal::SessionNotLive);
}

#[test]
fn in_strict_mode_an_address_nobody_vouches_for_is_proven_first() {
    let strict = |identity| match link(identity) {
        UserCommand::LinkSocial { session, identity, renewal, notice, .. } => {
            UserCommand::LinkSocial { session, identity, renewal, strict: true, opens: None, epoch: None, notice }
        }
        other => other,
    };
    let pending = and_then(guest(), minute(10), strict(with_email(from("facebook", 2), false)));
    assert_eq!(user_after(&pending).standing, Standing::Provisional);
    assert!(user_after(&pending).identities.iter().all(|identity| !identity.proven));
    let proven = and_then(
        pending.clone(),
        minute(20),
        UserCommand::VerifyEmail { claim: claim(50), challenge: None, proof: ProofKind::EmailOtp, opens: None },
    );
    assert_eq!(user_after(&proven).standing, Standing::Member);
    // Proven by somebody else, nothing of the upgrade stays.
    let lost = user_after(&and_then(pending, minute(20), UserCommand::SupersedeClaim { claim: claim(50) }));
    assert_eq!((lost.standing, lost.identities.len()), (Standing::Guest, 0));
    let vouched = and_then(guest(), minute(10), strict(with_email(from("google", 2), true)));
    assert_eq!(user_after(&vouched).standing, Standing::Member);
}

#[test]
fn what_was_begun_before_an_upgrade_links_nothing() {
    let late = match link(from("github", 2)) {
        UserCommand::LinkSocial { session, identity, renewal, strict, notice, .. } => {
            UserCommand::LinkSocial { session, identity, renewal, strict, opens: None, epoch: Some(0), notice }
        }
        other => other,
    };
    when(member(), minute(10), late).then_expect_error(UserRefusal::ChallengeUnknown);
}

#[test]
fn an_identity_leads_in_while_it_is_linked() {
    let sign_in = || UserCommand::SignInSocial { identity: claim(2), session: new_session(2, minute(20)) };
    let given = and_then(member(), minute(10), link(from("github", 2)));
    let user = user_after(&and_then(given.clone(), minute(20), sign_in()));
    assert!(user.sessions.contains_key(&session(2)));
    let unlinked = and_then(given, minute(15), unlink(2));
    when(unlinked, minute(20), sign_in()).then_expect_error(UserRefusal::ClaimNotHeld);
}

fn unlink(number: u8) -> UserCommand {
    UserCommand::UnlinkAccount { session: session(1), account: account(number), notice: Some(notice()) }
}

#[test]
fn any_way_in_can_go_but_the_last() {
    let given = and_then(member(), minute(10), link(from("github", 2)));
    when(given.clone(), minute(20), unlink(9)).then_expect_error(UserRefusal::AccountUnknown);
    let without_password = and_then(given.clone(), minute(20), unlink(1));
    assert_eq!(user_after(&without_password).password, None);
    when(without_password, minute(21), unlink(2)).then_expect_error(UserRefusal::LastAccount);
    let unlinked = IdentityUnlinked { account: account(2), claim: claim(2), reason: ReleaseReason::Unlinked };
    let told = told_of(Notice::AccountUnlinked, address(1), minute(20));
    when(given, minute(20), unlink(2)).then_expect_events(vec![unlinked.into(), told]);
}

fn vouched(own: bool) -> UserCommand {
    UserCommand::SignInVouched {
        claim: claim(1),
        own,
        identity: SocialIdentity { vouches_for_held: true, ..from("google", 2) },
        session: new_session(2, minute(10)),
        notice: notice(),
    }
}

#[test]
fn a_provider_that_vouches_for_a_proven_address_is_one_more_way_in() {
    let user = user_after(&and_then(proven_member(), minute(10), vouched(false)));
    assert!(user.password.is_some());
    assert!(user.sessions.contains_key(&session(1)) && user.sessions.contains_key(&session(2)));
    assert!(user.identities.iter().all(|identity| identity.proven));
}

#[test]
fn in_the_holders_browser_it_proves_the_address_and_nothing_is_lost() {
    let user = user_after(&and_then(member(), minute(10), vouched(true)));
    assert!(user.email.is_some_and(|email| email.verified) && user.password.is_some());
    assert!(user.sessions.contains_key(&session(1)));
}

/// The classic-federated merge attack: who set the account up without proof is locked out.
#[test]
fn elsewhere_the_account_follows_the_mailbox() {
    let given = and_then(member(), minute(9), link(from("github", 3)));
    let user = user_after(&and_then(given, minute(10), vouched(false)));
    assert_eq!((user.password, user.suspended.is_some()), (None, true));
    assert_eq!(user.sessions.keys().collect::<Vec<_>>(), [&session(2)]);
    assert_eq!(user.identities.iter().map(|held| held.claim).collect::<Vec<_>>(), [claim(2)]);
}
