//! Rows and state are two functions of the same events: here random lives hold them against each other.
//!
//! What sign-in, revocation and uniqueness rest on is read from rows and decided on state. Where the two part, a session
//! is revoked for one and live for the other. So after every step of two lives in one store, the rows of each must say
//! what its state says, and no row may be left that nobody's state accounts for.

mod organizations;

use std::collections::BTreeMap;

use chrysalis_domain::id::{ClaimId, SealedId, SessionId, UserId};
use chrysalis_domain::user::event::{EndReason, PreviousToken};
use chrysalis_domain::user::histories::{Life, Step, lives};
use chrysalis_domain::user::{Standing, UserEvent};
use chrysalis_domain::{Event, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::accounts::{ACCOUNTS, CREDENTIAL};
use crate::challenges::CHALLENGES;
use crate::claims::{CLAIMS, ClaimKey, ClaimKeys, ClaimKind};
use crate::memory::{Memory, Row, plain};
use crate::sessions::SESSIONS;
use crate::table::{Change, Table, Value, absorbed, id};
use crate::users::{FOR_EVER, USERS};
use crate::{INLINE, fold};

/// Rows as far as state knows of them: columns and values, by primary key.
type Rows = BTreeMap<String, Row>;

/// A person who gives the same address at every attempt: releasing and claiming have to come in the right order.
struct OneMailbox(u8);

impl ClaimKeys for OneMailbox {
    fn claim_key(&self, kind: ClaimKind, claim: ClaimId, _: SealedId) -> Option<ClaimKey> {
        let hash = match kind {
            ClaimKind::Email => vec![self.0; 32],
            ClaimKind::Identity | ClaimKind::Slug => claim.to_string().into_bytes(),
        };
        Some(ClaimKey { kind, hash, key_id: 1, former: Vec::new(), normalisation: 1 })
    }
}

/// A life, and the rows folded from it.
struct Folded {
    life: Life,
    keys: OneMailbox,
    user: Option<UserId>,
}

impl Folded {
    fn new(number: u8) -> Self {
        Self { life: Life::numbered(number), keys: OneMailbox(number), user: None }
    }

    /// One decision, written in one go as a store does.
    fn live(&mut self, step: &Step, memory: &mut Memory) {
        let mut changes = Vec::new();
        self.changes(step, &mut changes);
        changes.into_iter().for_each(|change| memory.apply(change));
    }

    fn changes(&mut self, step: &Step, changes: &mut Vec<Change>) {
        let turn = self.life.live(step);
        self.user = self.life.user.id;
        for event in turn.outcome.iter().flatten() {
            let user = self.user.expect("who has events has an id");
            for change in fold(&Event::User(user, event.clone()), turn.at, &self.keys) {
                if !absorbed(changes.iter_mut(), &change) {
                    changes.push(change);
                }
            }
        }
    }

    fn exists(&self) -> bool {
        !matches!(self.life.user.standing, Standing::Absent | Standing::Deleted)
    }
}

proptest! {
    // Two lives of hundreds of steps are one case: 32 of them by default. `PROPTEST_CASES=2000` makes a long run.
    #![proptest_config(Config { cases: Config::default().cases / 8, max_shrink_iters: 5_000, ..Config::default() })]

    #[test]
    fn rows_say_what_state_says(one in lives(), other in lives()) {
        let (mut memory, mut one_life, mut other_life) = (Memory::default(), Folded::new(1), Folded::new(2));
        for turn in 0..one.len().max(other.len()) {
            for (life, steps) in [(&mut one_life, &one), (&mut other_life, &other)] {
                if let Some(step) = steps.get(turn) {
                    life.live(step, &mut memory);
                }
            }
            for folded in [&one_life, &other_life] {
                agree(folded, &memory)?;
            }
        }
        for table in INLINE {
            for row in memory.rows(table) {
                let owner = [&one_life, &other_life].into_iter().find(|folded| folded.user.map(id).as_ref() == Some(owner(row)));
                prop_assert!(owner.is_some_and(Folded::exists), "{}: a row of nobody: {:?}", table.name, row);
            }
        }
    }

    /// However much of a life is written in one go, the rows are the same.
    #[test]
    fn many_decisions_can_be_written_at_once(steps in lives(), at_once in 2..40usize) {
        let (mut one_by_one, mut together) = (Memory::default(), Memory::default());
        let (mut folded, mut same) = (Folded::new(1), Folded::new(1));
        for steps in steps.chunks(at_once) {
            let mut changes = Vec::new();
            for step in steps {
                folded.live(step, &mut one_by_one);
                same.changes(step, &mut changes);
            }
            changes.into_iter().for_each(|change| together.apply(change));
            for table in INLINE {
                prop_assert_eq!(one_by_one.rows(table), together.rows(table), "{}", table.name);
            }
        }
    }

    /// An ended session keeps its row, which says when and why it ended.
    #[test]
    fn an_ended_session_is_remembered_as_it_ended(steps in lives()) {
        let (mut memory, mut folded) = (Memory::default(), Folded::new(1));
        steps.iter().for_each(|step| folded.live(step, &mut memory));
        if folded.exists() {
            let expected: BTreeMap<_, _> = endings(&folded.life).into_iter().collect();
            let ended = memory.rows(&SESSIONS).iter().filter(|row| row["ended_at"] != Value::Null);
            let rows: BTreeMap<_, _> = ended.map(|row| (text(&row["session_id"]), [row["ended_at"].clone(), row["end_reason"].clone()])).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}

fn agree(folded: &Folded, memory: &Memory) -> Result<(), TestCaseError> {
    let Some(user) = folded.user else { return Ok(()) };
    let told = [
        (&USERS, users(folded)),
        (&SESSIONS, sessions(folded)),
        (&ACCOUNTS, accounts(folded)),
        (&CLAIMS, claims(folded)),
        (&CHALLENGES, challenges(folded)),
    ];
    for (table, told) in told {
        let expected = if folded.exists() { told } else { Rows::new() };
        let standing =
            |row: &&Row| *owner(row) == id(user) && row.get("ended_at").is_none_or(|ended| *ended == Value::Null);
        let mut rows: Rows =
            memory.rows(table).iter().filter(standing).map(|row| (key(table, row), row.clone())).collect();
        // Columns that state knows nothing of are not compared.
        for (key, row) in &mut rows {
            row.retain(|column, _| expected.get(key).is_none_or(|expected| expected.contains_key(column)));
        }
        prop_assert_eq!(rows, expected, "table {}", table.name);
    }
    Ok(())
}

/// Whose row it is.
fn owner(row: &Row) -> &Value {
    row.get("user_id").unwrap_or_else(|| &row["owner_id"])
}

/// Rows are told apart by an id of their own; claims, whose primary key is a hash, by that of the claim.
fn key(table: &Table, row: &Row) -> String {
    text(&row[if table.name == CLAIMS.name { "claim_id" } else { table.key[0] }])
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

fn row<const N: usize>(values: [(&'static str, Value); N]) -> Row {
    values.map(|(name, value)| (name, plain(value))).into()
}

fn optional(value: Option<impl ToString>) -> Value {
    value.map_or(Value::Null, id)
}

fn users(folded: &Folded) -> Rows {
    let state = &folded.life.user;
    let email = state.email.as_ref();
    let mut expected = row([
        ("person_id", optional(state.person)),
        ("standing", state.standing.name().into()),
        ("email", optional(email.map(|email| email.address))),
        ("email_claim", optional(email.map(|email| email.claim))),
        ("email_verified", email.is_some_and(|email| email.verified).into()),
        ("name", optional(state.name)),
        ("image", optional(state.image)),
        ("metadata", optional(state.metadata)),
        ("role", state.roles.as_str().to_owned().into()),
        ("banned_until", state.ban.as_ref().map(|ban| ban.until.unwrap_or(FOR_EVER)).into()),
        ("ban_reason", optional(state.ban.as_ref().map(|ban| ban.reason))),
        ("app_metadata", optional(state.app_metadata)),
        ("disabled_by", optional(state.disabled.as_ref().and_then(|disabled| disabled.by))),
        ("created_at", folded.life.events.first().map(|(at, _)| *at).into()),
    ]);
    // State keeps the latest time, a row the last one written: the same, unless the clock was set back.
    if !folded.life.clock_set_back {
        expected.insert("last_active_at", state.last_activity.into());
    }
    state.id.map(|user| (user.to_string(), expected)).into_iter().collect()
}

fn sessions(folded: &Folded) -> Rows {
    let state = &folded.life.user;
    let previous = previous_tokens(&folded.life);
    let expected = state.sessions.iter().map(|(session, held)| {
        let previous = previous.get(session).copied().flatten();
        let mut expected = row([
            ("locator", held.locator.as_str().to_owned().into()),
            ("token_hash", held.token_hash.0.into()),
            ("previous_locator", previous.map(|previous| previous.locator.as_str().to_owned()).into()),
            ("previous_hash", previous.map(|previous| previous.token_hash.0).into()),
            ("previous_until", previous.map(|previous| previous.readable_until).into()),
            ("created_at", held.started_at.into()),
            ("expires_at", held.expires_at.into()),
            ("remembered", held.remembered.into()),
            ("authenticated_at", held.authenticated_at.into()),
            ("presented", held.presented.into()),
            ("by_cookie", held.by_cookie.into()),
            ("active_member_id", optional(held.active)),
            ("rotation_due", held.rotation_due.into()),
            ("impersonated_by", optional(held.impersonation.map(|impersonation| impersonation.by))),
            ("impersonator_session", optional(held.impersonation.and_then(|impersonation| impersonation.session))),
        ]);
        if !folded.life.clock_set_back {
            expected.insert("last_seen_at", held.last_seen.into());
        }
        (session.to_string(), expected)
    });
    expected.collect()
}

fn accounts(folded: &Folded) -> Rows {
    let state = &folded.life.user;
    let password = state.password.iter().map(|password| {
        (password.account.to_string(), row([("provider", CREDENTIAL.into()), ("password", id(password.hash))]))
    });
    let identities = state.identities.iter().map(|identity| {
        (identity.account.to_string(), row([("provider", identity.provider.clone().into()), ("password", Value::Null)]))
    });
    password.chain(identities).collect()
}

fn claims(folded: &Folded) -> Rows {
    let state = &folded.life.user;
    let held = |claim: ClaimId, kind: ClaimKind, verified: bool| {
        (claim.to_string(), row([("kind", kind.name().into()), ("verified", verified.into())]))
    };
    let email = state.email.iter().map(|email| held(email.claim, ClaimKind::Email, email.verified));
    let identities = state.identities.iter().map(|identity| held(identity.claim, ClaimKind::Identity, true));
    email.chain(identities).collect()
}

fn challenges(folded: &Folded) -> Rows {
    let state = &folded.life.user;
    let standing = state.verification.iter();
    standing
        .map(|held| {
            (held.challenge.to_string(), row([("claim_id", id(held.claim)), ("expires_at", held.expires_at.into())]))
        })
        .collect()
}

/// The token that each session had before its last rotation, where it may still read.
fn previous_tokens(life: &Life) -> BTreeMap<SessionId, Option<&PreviousToken>> {
    let rotated = life.events.iter().filter_map(|(_, event)| match event {
        UserEvent::SessionRotated(e) => Some((e.session, e.previous.as_ref())),
        _ => None,
    });
    rotated.collect()
}

fn endings(life: &Life) -> Vec<(String, [Value; 2])> {
    let ended = |session: SessionId, reason: EndReason, at: Timestamp| {
        (session.to_string(), [at.into(), plain(reason.name().into())])
    };
    let mut endings = Vec::new();
    for (_, event) in &life.events {
        match event {
            UserEvent::SessionEnded(e) => endings.push(ended(e.session, e.reason, e.at)),
            // Undone: as if it had not ended.
            UserEvent::GuestRestored(e) => {
                endings.retain(|(session, _)| !e.sessions.iter().any(|again| again.to_string() == *session));
            }
            _ => {}
        }
    }
    endings
}
