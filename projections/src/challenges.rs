//! `challenges`: to whom a mailed proof belongs. Whether it still stands, the user decides.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{ClaimId, UserId};
use chrysalis_domain::user::UserEvent;

use crate::table::{Change, Column, Cursor, Index, Question, Table, id, integer, text};

pub static CHALLENGES: Table = Table {
    name: "challenges",
    key: &["challenge_id"],
    columns: COLUMNS,
    indexes: &[Index { columns: &["user_id"], unique: false, only_present: false }],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[text("challenge_id"), text("user_id"), text("claim_id"), integer("expires_at")];

pub fn fold(user: UserId, event: &UserEvent, out: &mut Vec<Change>) {
    match event {
        UserEvent::EmailVerificationRequested(e) => {
            // One standing verification for each user: the new one voids the one before.
            out.push(Change::Delete { table: &CHALLENGES, by: "user_id", value: id(user) });
            let values = vec![id(e.challenge), id(user), id(e.claim), e.expires_at.into()];
            out.push(Change::Insert { table: &CHALLENGES, values });
        }
        UserEvent::VerificationMissed(e) if e.void => {
            out.push(Change::Delete { table: &CHALLENGES, by: "challenge_id", value: id(e.challenge) });
        }
        UserEvent::EmailReleased(_) | UserEvent::UserBanned(_) | UserEvent::UserDeleted(_) => {
            out.push(Change::Delete { table: &CHALLENGES, by: "user_id", value: id(user) });
        }
        _ => {}
    }
}

#[derive(Clone, Copy, Debug)]
pub struct ChallengeRow {
    pub user: UserId,
    pub claim: ClaimId,
    pub expires_at: Timestamp,
}

/// `?1` = challenge id.
pub static BY_ID: Question<ChallengeRow> = Question {
    sql: "SELECT user_id, claim_id, expires_at FROM challenges WHERE challenge_id = ?1",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(ChallengeRow { user: c.parse()?, claim: c.parse()?, expires_at: c.time()? })
    },
};
