//! `strangers`: who asked for a proof and is no user. A row goes when they become one, or are forgotten.

use chrysalis_domain::challenge::ChallengeEvent;
use chrysalis_domain::id::{ChallengeId, PersonId};
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::{Event, Timestamp};

use crate::table::{Change, Column, Cursor, Index, Question, Table, id, integer, text};

pub static STRANGERS: Table = Table {
    name: "strangers",
    key: &["challenge_id"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["expires_at"], unique: false, only_present: false },
        Index { columns: &["person_id"], unique: false, only_present: false },
    ],
    // A challenge makes a row, and a user who comes of it takes it away.
    shared: true,
    clustered: false,
};

const COLUMNS: &[Column] = &[text("challenge_id"), text("person_id"), integer("expires_at"), integer("met")];

pub fn fold(event: &Event, out: &mut Vec<Change>) {
    let gone = |by, value| Change::Delete { table: &STRANGERS, by, value };
    match event {
        Event::Challenge(challenge, ChallengeEvent::ChallengeIssued(e)) => {
            out.extend(e.stranger().map(|person| row(*challenge, person, e.expires_at)));
        }
        Event::Challenge(challenge, ChallengeEvent::AuthorizationRequested(e)) => {
            out.extend(e.stranger().map(|person| row(*challenge, person, e.expires_at)));
        }
        Event::Challenge(challenge, ChallengeEvent::ChallengeMet(_)) => out.push(Change::Update {
            table: &STRANGERS,
            set: &["met"],
            by: "challenge_id",
            values: vec![true.into(), id(challenge)],
        }),
        Event::Challenge(challenge, ChallengeEvent::StrangerForgotten(_)) => {
            out.push(gone("challenge_id", id(challenge)));
        }
        Event::User(_, UserEvent::MemberSignedUp(e)) => out.push(gone("person_id", id(e.person))),
        _ => {}
    }
}

fn row(challenge: ChallengeId, person: PersonId, expires_at: Timestamp) -> Change {
    let values = vec![id(challenge), id(person), expires_at.into(), false.into()];
    Change::Insert { table: &STRANGERS, values }
}

/// Somebody of whom nothing came yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub challenge: ChallengeId,
    /// The challenge was met: they were somebody else, or are about to sign up.
    pub met: bool,
}

/// `?1` = a time, `?2` = how many. Those whose challenges ended by then, the earliest first.
pub static ENDED: Question<Stranger> = Question {
    sql: "SELECT s.challenge_id, s.met FROM strangers s WHERE s.expires_at <= ?1
          ORDER BY s.expires_at, s.challenge_id LIMIT ?2",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(Stranger { challenge: c.parse()?, met: c.flag() })
    },
};
