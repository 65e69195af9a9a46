//! `absences`: of every guest there ever was, how long it stayed away. A clean-up is rehearsed on it: whom a maximum age would
//! delete now, and whom it would have deleted had it always been in force. It follows the log, and may be a moment old.
//!
//! An answer counts the entries of an index behind an age: it reads no row, and takes as long as there are guests who were
//! away for so long, a second for some millions. Running totals would have to know what each visit takes a guest away from,
//! which no event says.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::user::command::ExpiryTerms;
use chrysalis_domain::user::event::{DeletionReason, ExpiryEvidence, UserDeleted};
use chrysalis_domain::{Event, Span, Timestamp};

use crate::listing::Statement;
use crate::model::{Entry, Fold, Model};
use crate::table::{Change, Cursor, Index, Row, Table, Value, id, integer, text};
use crate::users::FOR_EVER;

pub static ABSENCES: Model =
    Model { name: "absences", version: 3, tables: &[&TABLE], views: &[], fold: Fold::Plain(fold) };

static TABLE: Table = Table {
    name: "absences",
    key: &["user_id"],
    columns: &[
        text("user_id"),
        // Null once it is no guest any more.
        integer("active_at").optional(),
        // The longest absence that it came back from, and the one at whose end it was deleted, in milliseconds; null where
        // no maximum age could mind.
        integer("back_after").optional(),
        integer("gone_after").optional(),
        // By which it became a member.
        text("method").optional(),
        integer("held_until").optional(),
        // Out of use, and deleted then; for ever later of whom a job took out of use.
        integer("final_at").optional(),
    ],
    indexes: &[
        // Small, for it is counted from end to end.
        present(&["active_at", "held_until", "final_at"]),
        present(&["back_after", "method", "active_at"]),
        present(&["gone_after", "back_after"]),
        present(&["held_until", "active_at", "final_at"]),
        present(&["final_at", "active_at"]),
    ],
    shared: false,
    clustered: true,
};

const fn present(columns: &'static [&'static str]) -> Index {
    Index { columns, unique: false, only_present: true }
}

/// Whoever was away for no longer is deleted by no policy.
const LEAST: Span =
    Span::from_millis(ExpiryTerms::MAX_AGE.start().as_millis() + ExpiryTerms::RECORDED_WITHIN.as_millis());

fn fold(entry: &Entry, out: &mut Vec<Change>) {
    let Event::User(user, event) = &entry.event else { return };
    let user = *user;
    match event {
        UserEvent::GuestCreated(e) => {
            let mut values = vec![id(user), e.at.into()];
            values.resize(TABLE.columns.len(), Value::Null);
            out.push(Change::Insert { table: &TABLE, values });
        }
        // Who acts as the user is not the user.
        UserEvent::SessionStarted(e) if e.impersonation.is_none() => out.push(came(user, e.authentication.at)),
        UserEvent::ActivityRecorded(e) => out.push(came(user, e.at)),
        UserEvent::SessionExtended(e) => out.push(came(user, e.at)),
        UserEvent::UpgradeBegun(e) => out.push(came(user, e.authentication.at)),
        UserEvent::GuestUpgraded(e) => {
            out.push(came(user, e.authentication.at));
            let method = e.authentication.method.name().into();
            out.push(set(user, &["active_at", "held_until", "method"], vec![Value::Null, Value::Null, method]));
        }
        UserEvent::GuestHeld(e) => out.push(set(user, &["held_until"], vec![e.until.into()])),
        UserEvent::GuestReleased(_) => out.push(set(user, &["held_until"], vec![Value::Null])),
        UserEvent::GuestDisabled(e) => out.push(set(user, &["final_at"], vec![e.final_at.unwrap_or(FOR_EVER).into()])),
        UserEvent::GuestRestored(e) => {
            out.push(set(user, &["final_at"], vec![Value::Null]));
            out.extend(e.held_until.map(|until| set(user, &["held_until"], vec![until.into()])));
        }
        UserEvent::UserDeleted(e) if e.was_guest => {
            // Whoever leaves has come back to do so.
            let left = e.reason == DeletionReason::Requested;
            out.extend(left.then(|| came(user, e.at)));
            let away = Some(away(e)).filter(|away| !left && *away >= LEAST).map(Span::as_millis);
            let columns: &[_] = &["active_at", "gone_after", "held_until", "final_at"];
            out.push(set(user, columns, vec![Value::Null, away.into(), Value::Null, Value::Null]));
        }
        _ => {}
    }
}

fn set(user: UserId, columns: &'static [&'static str], mut values: Vec<Value>) -> Change {
    values.push(id(user));
    Change::Update { table: &TABLE, set: columns, by: "user_id", values }
}

/// Of a member nothing comes of it.
fn came(user: UserId, at: Timestamp) -> Change {
    let values = vec![at.into(), LEAST.as_millis().into(), id(user)];
    Change::Advance { table: &TABLE, time: "active_at", pause: "back_after", values }
}

/// For how long a guest had been away that is gone: when a clean-up took it out of use, not when that was final.
fn away(e: &UserDeleted) -> Span {
    match &e.evidence {
        Some(ExpiryEvidence { max_age_secs, cutoff, last_activity, .. }) => {
            cutoff.since(*last_activity) + Span::from_secs(*max_age_secs) + ExpiryTerms::RECORDED_WITHIN
        }
        None => e.at.since(e.last_activity),
    }
}

/// Guests last active before a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Away {
    pub all: u64,
    /// Of these, who is held beyond now …
    pub held: u64,
    /// … and who was taken out of use already.
    pub disabled: u64,
}

pub fn count_away(cutoff: Timestamp, now: Timestamp) -> Statement {
    // The plus keeps the first index out of the second count: few are held.
    let sql = "SELECT (SELECT COUNT(*) FROM absences a WHERE a.active_at < ?1),
                      (SELECT COUNT(*) FROM absences h WHERE h.held_until > ?2 AND +h.active_at < ?1 AND h.final_at IS NULL),
                      (SELECT COUNT(*) FROM absences f WHERE f.final_at > 0 AND +f.active_at < ?1)";
    Statement { sql: sql.to_owned(), parameters: vec![cutoff.into(), now.into()] }
}

pub fn read_away(row: &dyn Row) -> Option<Away> {
    let mut c = Cursor::new(row);
    Some(Away { all: number(&mut c)?, held: number(&mut c)?, disabled: number(&mut c)? })
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    pub user: UserId,
    pub active_at: Timestamp,
    pub held_until: Option<Timestamp>,
}

/// Those who were last active longest ago, and are neither held nor out of use.
pub fn list_away(cutoff: Timestamp, now: Timestamp, limit: u32) -> Statement {
    let sql = "SELECT a.user_id, a.active_at, a.held_until FROM absences a
               WHERE a.active_at < ?1 AND (a.held_until IS NULL OR a.held_until <= ?2) AND a.final_at IS NULL
               ORDER BY a.active_at, a.user_id LIMIT ?3";
    Statement { sql: sql.to_owned(), parameters: vec![cutoff.into(), now.into(), i64::from(limit).into()] }
}

/// Those of them who are held, in the same order.
pub fn list_held(cutoff: Timestamp, now: Timestamp, limit: u32) -> Statement {
    let sql = "SELECT h.user_id, h.active_at, h.held_until FROM absences h
               WHERE h.held_until > ?2 AND +h.active_at < ?1 AND h.final_at IS NULL
               ORDER BY h.active_at, h.user_id LIMIT ?3";
    Statement { sql: sql.to_owned(), parameters: vec![cutoff.into(), now.into(), i64::from(limit).into()] }
}

pub fn read_absent(row: &dyn Row) -> Option<Absent> {
    let mut c = Cursor::new(row);
    Some(Absent { user: c.parse()?, active_at: c.time()?, held_until: c.time() })
}

/// Who came back from an absence longer than asked for, and became members by one method, or by none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    pub method: Option<String>,
    pub count: u64,
    /// Of these, who has been away for so long again.
    pub away: u64,
}

pub fn count_returned(longer_than: Span, cutoff: Timestamp) -> Statement {
    let sql = "SELECT a.method, COUNT(*), COUNT(CASE WHEN a.active_at < ?2 THEN 1 END) FROM absences a
               WHERE a.back_after > ?1 GROUP BY a.method";
    Statement { sql: sql.to_owned(), parameters: vec![longer_than.as_millis().into(), cutoff.into()] }
}

pub fn read_returned(row: &dyn Row) -> Option<Returned> {
    let mut c = Cursor::new(row);
    Some(Returned { method: c.text(), count: number(&mut c)?, away: number(&mut c)? })
}

/// Who was deleted at the end of an absence longer than asked for, and never came back from one before.
pub fn count_gone(longer_than: Span) -> Statement {
    let sql = "SELECT COUNT(*) - COUNT(CASE WHEN a.back_after > ?1 THEN 1 END) FROM absences a WHERE a.gone_after > ?1";
    Statement { sql: sql.to_owned(), parameters: vec![longer_than.as_millis().into()] }
}

pub fn read_gone(row: &dyn Row) -> Option<u64> {
    number(&mut Cursor::new(row))
}

fn number(c: &mut Cursor<'_>) -> Option<u64> {
    c.integer().and_then(|number| u64::try_from(number).ok())
}
