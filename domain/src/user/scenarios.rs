//! Given what happened, when something is asked, then this follows: every command, told in events.

mod addresses;
mod admin;
mod beginnings;
mod credentials;
mod email_change;
mod endings;
mod expiry;
mod memberships;
mod proofs;
mod recovery;
mod sessions;
mod social;
mod strict;
mod transfers;
mod upgrading;
mod waves;

use cqrs_es::test::{AggregateResultValidator, TestFramework};
use ulid::Ulid;

use crate::id::{AccountId, ChallengeId, ClaimId, JobId, MailId, PersonId, SealedId, SessionId, UserId};
use crate::role::Roles;
use crate::time::{Span, Timestamp};
use crate::user::command::*;
use crate::user::event::*;
use crate::user::{Timed, User, UserCommand, UserEvent};
use crate::value::{Authentication, Carrier, Change, Entry, Locale, Locator, ProofKind, TokenHash};

fn when(given: Vec<UserEvent>, at: Timestamp, command: UserCommand) -> AggregateResultValidator<User> {
    TestFramework::<User>::with(()).given(given).when(Timed { at, command })
}

/// The user that these events make.
fn user_after(events: &[UserEvent]) -> User {
    let mut user = User::default();
    events.iter().for_each(|event| user.apply(event));
    user
}

/// Everything that happened, once the command was accepted too.
fn and_then(given: Vec<UserEvent>, at: Timestamp, command: UserCommand) -> Vec<UserEvent> {
    let events = when(given.clone(), at, command).inspect_result().unwrap();
    [given, events].concat()
}

// --- the cast ---

/// Minutes after the guest arrived.
fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Span::from_secs(60 * minutes)
}

fn day(days: i64) -> Timestamp {
    minute(0) + Span::from_days(days)
}

fn made<T>(id: fn(Ulid) -> T, number: u8) -> T {
    id(Ulid::from_parts(1_800_000_000_000, number.into()))
}

fn user() -> UserId {
    made(UserId::from_ulid, 1)
}

fn person() -> PersonId {
    made(PersonId::from_ulid, 1)
}

fn session(number: u8) -> SessionId {
    made(SessionId::from_ulid, number)
}

fn claim(number: u8) -> ClaimId {
    made(ClaimId::from_ulid, number)
}

fn account(number: u8) -> AccountId {
    made(AccountId::from_ulid, number)
}

fn challenge(number: u8) -> ChallengeId {
    made(ChallengeId::from_ulid, number)
}

fn sealed(number: u8) -> SealedId {
    made(SealedId::from_ulid, number)
}

fn token(number: u8) -> NewToken {
    NewToken { locator: Locator::parse(&format!("{number:010}")).unwrap(), hash: TokenHash([number; 32]) }
}

/// The address of the claim with that number.
fn address(number: u8) -> SealedId {
    sealed(100 + number)
}

/// The password that came with the claim of that number.
fn password(number: u8) -> SealedId {
    sealed(150 + number)
}

// --- what may have happened ---

/// Session 1 belongs to every guest, and has token 1.
fn guest() -> Vec<UserEvent> {
    vec![
        GuestCreated { user: user(), person: person(), at: minute(0), entry: Entry::default() }.into(),
        started(1, minute(0)),
    ]
}

/// A session of seven days, with the token of the same number.
fn started(number: u8, at: Timestamp) -> UserEvent {
    SessionStarted {
        session: session(number),
        locator: token(number).locator,
        token_hash: token(number).hash,
        expires_at: at + Span::from_days(7),
        remembered: true,
        authentication: Authentication::anonymous(at),
        client: None,
        replayable_until: None,
        impersonation: None,
    }
    .into()
}

fn ended(number: u8, reason: EndReason, at: Timestamp) -> UserEvent {
    SessionEnded { session: session(number), reason, at }.into()
}

fn used(number: u8, carrier: Carrier, at: Timestamp) -> UserEvent {
    ActivityRecorded { session: session(number), carrier, at }.into()
}

/// An address was reserved with a password, in session 1.
fn credentials_taken(number: u8, at: Timestamp) -> Vec<UserEvent> {
    vec![
        EmailClaimed {
            claim: claim(number),
            address: address(number),
            session: Some(session(1)),
            proof: None,
            replaces: None,
        }
        .into(),
        PasswordAdded { account: account(number), hash: password(number), proven: false, at }.into(),
        verification_requested(number, number, at),
    ]
}

fn verification_requested(challenge_number: u8, claim_number: u8, at: Timestamp) -> UserEvent {
    EmailVerificationRequested {
        challenge: challenge(challenge_number),
        claim: claim(claim_number),
        address: address(claim_number),
        callback_url: None,
        locale: Some(Locale::ENGLISH),
        expires_at: at + Span::from_hours(24),
    }
    .into()
}

fn upgraded(at: Timestamp) -> UserEvent {
    let session = RenewedSession { session: session(1), expires_at: at + Span::from_days(7), remembered: true };
    GuestUpgraded { authentication: Authentication::password(at), session: Some(session), proof: None }.into()
}

fn begun(at: Timestamp) -> UserEvent {
    UpgradeBegun {
        session: session(1),
        authentication: Authentication::password(at),
        expires_at: at + Span::from_days(7),
        remembered: true,
    }
    .into()
}

fn verified(number: u8, at: Timestamp) -> UserEvent {
    EmailVerified { claim: claim(number), proof: ProofKind::VerificationLink, challenge: Some(challenge(number)), at }
        .into()
}

/// Upgraded by password in session 1, ten minutes after arriving; claim, account and challenge 1.
fn member() -> Vec<UserEvent> {
    [guest(), credentials_taken(1, minute(10)), vec![upgraded(minute(10))]].concat()
}

/// The same in strict mode: proof is awaited.
fn provisional() -> Vec<UserEvent> {
    [guest(), credentials_taken(1, minute(10)), vec![begun(minute(10))]].concat()
}

fn proven_member() -> Vec<UserEvent> {
    [member(), vec![verified(1, minute(20))]].concat()
}

fn deleted() -> Vec<UserEvent> {
    and_then(member(), minute(30), UserCommand::DeleteUser { reason: DeletionReason::Requested, only_if_guest: false })
}

fn roles(text: &str) -> UserEvent {
    RoleSet { roles: Roles::parse(text).unwrap(), before: Roles::default(), at: minute(1) }.into()
}

// --- what may be asked ---

/// Nothing, of a user by an administrator.
fn administration() -> Administration {
    Administration {
        name: Change::Kept,
        image: Change::Kept,
        metadata: Change::Kept,
        app_metadata: None,
        roles: None,
        verified: None,
        password: None,
        notice: notice(),
    }
}

fn new_session(number: u8, at: Timestamp) -> NewSession {
    NewSession {
        id: session(number),
        token: token(number),
        expires_at: at + Span::from_days(7),
        remembered: true,
        authentication: Authentication::anonymous(at),
        client: None,
        replayable_until: None,
        verified: None,
        limit: 100,
        impersonation: None,
    }
}

fn credentials(number: u8, at: Timestamp) -> PasswordCredentials {
    PasswordCredentials {
        claim: claim(number),
        address: address(number),
        account: account(number),
        hash: password(number),
        name: None,
        image: None,
        verification: Some(new_verification(number, at)),
    }
}

fn notice() -> NewNotice {
    NewNotice { mail: made(MailId::from_ulid, 1), locale: Locale::ENGLISH }
}

/// The member is told of a new password.
fn told(at: Timestamp) -> UserEvent {
    let (mail, notice, locale) = (notice().mail, Notice::PasswordChanged, Locale::ENGLISH);
    NoticeRequested { mail, notice, address: address(1), locale, at }.into()
}

fn new_verification(number: u8, at: Timestamp) -> NewVerification {
    NewVerification {
        challenge: challenge(number),
        callback_url: None,
        locale: Locale::ENGLISH,
        expires_at: at + Span::from_hours(24),
    }
}

/// Token 9 is ready, should the rules ask for a new one.
fn rotation(policy: RotationPolicy, carrier: Carrier) -> Rotation {
    Rotation { policy, carrier, token: token(9), grace: Span::from_secs(60) }
}

fn renewal(at: Timestamp, rotation: Rotation) -> Renewal {
    Renewal { expires_at: at + Span::from_days(7), remembered: true, rotation }
}

/// By bearer: the token stays.
fn quietly(at: Timestamp) -> Renewal {
    renewal(at, rotation(RotationPolicy::Cookie, Carrier::Bearer))
}

fn upgrade(number: u8, at: Timestamp) -> UserCommand {
    UserCommand::UpgradeWithPassword {
        session: session(1),
        credentials: credentials(number, at),
        renewal: quietly(at),
        strict: false,
    }
}

fn strict_upgrade(number: u8, at: Timestamp) -> UserCommand {
    UserCommand::UpgradeWithPassword {
        session: session(1),
        credentials: credentials(number, at),
        renewal: quietly(at),
        strict: true,
    }
}

fn prove(claim_number: u8, challenge_number: u8) -> UserCommand {
    UserCommand::VerifyEmail {
        claim: claim(claim_number),
        challenge: Some(challenge(challenge_number)),
        proof: ProofKind::VerificationLink,
        opens: None,
    }
}

/// Session 1 lost its token to token 9; the old one reads for a minute more.
fn rotated_to_9(at: Timestamp) -> UserEvent {
    let previous = PreviousToken {
        locator: token(1).locator,
        token_hash: token(1).hash,
        readable_until: at + Span::from_secs(60),
    };
    SessionRotated {
        session: session(1),
        locator: token(9).locator,
        token_hash: token(9).hash,
        previous: Some(previous),
        at,
    }
    .into()
}
