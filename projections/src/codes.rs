//! `codes`: the one-time codes that may be typed for an address. Whether one still stands, the challenge decides.
//!
//! Links name their challenge and need no row; a code of six digits says nothing but itself.

use chrysalis_domain::Timestamp;
use chrysalis_domain::challenge::ChallengeEvent;
use chrysalis_domain::challenge::event::VoidReason;
use chrysalis_domain::id::{ChallengeId, ClaimId, PersonId};

use crate::claims::{ClaimKeys, ClaimKind};
use crate::table::{
    Change, Column, Cursor, Index, Question, Sealed, Table, bytes, id, integer, sealed, sealed_record, text,
};
use crate::users::{PERSON_KEY, WrappedKey};

pub static CODES: Table = Table {
    name: "codes",
    key: &["challenge_id"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["hash"], unique: false, only_present: false },
        Index { columns: &["person_id"], unique: false, only_present: false },
    ],
    // A challenge makes a row, and a user who goes takes it along.
    shared: true,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("challenge_id"),
    text("purpose"),
    // Of the address, as in `claims`.
    bytes("hash"),
    integer("key_id"),
    text("person_id").with(PERSON_KEY),
    // From where it was asked for, among other things.
    sealed_record!("details"),
    integer("issued_at"),
    integer("expires_at"),
];

pub fn fold(challenge: ChallengeId, event: &ChallengeEvent, keys: &dyn ClaimKeys, out: &mut Vec<Change>) {
    match event {
        ChallengeEvent::ChallengeIssued(e) if e.purpose.is_code() => {
            if let Some(key) = keys.claim_key(ClaimKind::Email, of_address(challenge), e.address) {
                let values = vec![
                    id(challenge),
                    e.purpose.name().into(),
                    key.hash.into(),
                    i64::from(key.key_id).into(),
                    id(e.person),
                    e.details.map(id).into(),
                    e.at.into(),
                    e.expires_at.into(),
                ];
                out.push(Change::Insert { table: &CODES, values });
            }
        }
        // A code that was guessed at too often stays known: whoever types it is told so.
        ChallengeEvent::ChallengeVoided(e) if e.reason == VoidReason::Exhausted => {}
        ChallengeEvent::ChallengeMet(_) | ChallengeEvent::ChallengeVoided(_) => {
            out.push(Change::Delete { table: &CODES, by: "challenge_id", value: id(challenge) });
        }
        ChallengeEvent::ChallengeIssued(_)
        | ChallengeEvent::AuthorizationRequested(_)
        | ChallengeEvent::ChallengeMissed(_)
        | ChallengeEvent::ChallengeChecked(_)
        // It goes with the person.
        | ChallengeEvent::StrangerForgotten(_) => {}
    }
}

/// Nothing is left to show, nor to check, of what was asked for by somebody who was erased.
pub fn erase(person: PersonId, out: &mut Vec<Change>) {
    out.push(Change::Delete { table: &CODES, by: "person_id", value: id(person) });
}

/// How the address of a challenge is asked for: it is no claim, and hashed as one.
pub fn of_address(challenge: ChallengeId) -> ClaimId {
    ClaimId::from_ulid(challenge.ulid())
}

/// One code that was asked for, unread.
#[derive(Clone, Debug)]
pub struct CodeRow {
    pub challenge: ChallengeId,
    pub person: PersonId,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub details: Option<Sealed>,
    pub key: Option<WrappedKey>,
}

/// `?1` = keyed hash of an address, `?2` = purpose. Oldest first.
pub static OF_ADDRESS: Question<CodeRow> = Question {
    sql: concat!(
        "SELECT c.challenge_id, c.person_id, c.issued_at, c.expires_at, ",
        sealed!("c.details"),
        ", c.person_key_epoch, c.person_key FROM codes c WHERE c.hash = ?1 AND c.purpose = ?2 ORDER BY c.challenge_id"
    ),
    read: |row| {
        let mut c = Cursor::new(row);
        Some(CodeRow {
            challenge: c.parse()?,
            person: c.parse()?,
            issued_at: c.time()?,
            expires_at: c.time()?,
            details: c.sealed(),
            key: WrappedKey::read(&mut c),
        })
    },
};
