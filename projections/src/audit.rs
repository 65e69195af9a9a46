//! `audit`: who did what to whom, a row for each deed ([`crate::deeds`]), newest last. A row stays when its user goes.
//!
//! No row holds anything personal, nor a copy of it: readers join what is left of it when they read. Indexes stand for the
//! filters that there are, and each ends with the place, so that a page is a stretch of one index.

use chrysalis_domain::id::PersonId;
use chrysalis_domain::note::{NoteEvent, Noted};
use chrysalis_domain::{Event, Timestamp};
use serde_json::json;

use crate::deeds::{self, Deed};
use crate::model::{Entry, Model};
use crate::table::{Change, Column, Cursor, Index, Question, Row, Sealed, Table, Value, id, integer, text};
use crate::users::WrappedKey;

pub static MODEL: Model = Model { name: "audit", version: 1, tables: &[&ROWS, &MORE], fold };

static ROWS: Table = Table {
    name: "audit",
    key: &["place"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["action", "place"], unique: false, only_present: false },
        Index { columns: &["actor_id", "place"], unique: false, only_present: true },
        Index { columns: &["target_id", "place"], unique: false, only_present: true },
        Index { columns: &["also_id", "place"], unique: false, only_present: true },
        Index { columns: &["organization_id", "place"], unique: false, only_present: true },
    ],
    shared: true,
};

const COLUMNS: &[Column] = &[
    // Among all deeds, in the order of the log.
    integer("place"),
    text("action"),
    integer("recorded_at"),
    integer("occurred_at"),
    text("actor_type"),
    text("actor_id").optional(),
    text("actor_by").optional(),
    text("impersonator").optional(),
    text("request_id").optional(),
    // What it is about, and what else it touches.
    text("target_type").optional(),
    text("target_id").optional(),
    text("also_type").optional(),
    text("also_id").optional(),
    text("organization_id").optional(),
    // JSON; what is sealed stands in it by name.
    text("changes").optional(),
    text("metadata").optional(),
    // Of what an app noted: all that it said besides.
    text("details").optional(),
    text("idempotency_key").optional(),
];

/// Targets beyond the second, of what an app noted.
static MORE: Table = Table {
    name: "audit_more",
    key: &["target_id", "place"],
    columns: &[text("target_id"), integer("place"), text("target_type")],
    indexes: &[Index { columns: &["place"], unique: false, only_present: false }],
    shared: true,
};

fn fold(entry: &Entry, out: &mut Vec<Change>) {
    for (nth, deed) in deeds::of(entry).into_iter().enumerate() {
        let place = deeds::place(entry.position, nth).cast_signed();
        for target in deed.targets.iter().skip(2) {
            let values = vec![target.id.clone().into(), place.into(), target.kind.clone().into()];
            out.push(Change::Insert { table: &MORE, values });
        }
        out.push(Change::Insert { table: &ROWS, values: row(entry, place, deed) });
    }
}

fn row(entry: &Entry, place: i64, deed: Deed) -> Vec<Value> {
    let noted = match &entry.event {
        Event::Note(_, NoteEvent::Noted(noted)) => Some(noted),
        _ => None,
    };
    let Deed { name, targets, organization, before, after, metadata } = deed;
    let mut targets = targets.into_iter();
    let mut target = || targets.next().map_or((Value::Null, Value::Null), |one| (one.kind.into(), one.id.into()));
    let ((target_type, target_id), (also_type, also_id)) = (target(), target());
    let changed = !(before.is_null() && after.is_null());
    let changes = changed.then(|| json!({ "before": before, "after": after }).to_string());
    let metadata = (!metadata.is_empty()).then(|| serde_json::Value::Object(metadata).to_string());
    let (kind, actor, by) = actor(entry, noted);
    vec![
        place.into(),
        match name {
            deeds::Name::Ours(action) => action.name().into(),
            deeds::Name::Noted(word) => word.as_str().to_owned().into(),
        },
        entry.recorded_at.into(),
        noted.map_or(entry.occurred_at, |noted| noted.occurred_at).into(),
        kind,
        actor.into(),
        by.into(),
        entry.actor.impersonator.clone().into(),
        entry.request.clone().into(),
        target_type,
        target_id,
        also_type,
        also_id,
        organization.into(),
        changes.into(),
        metadata.into(),
        noted.map_or(Value::Null, |noted| id(noted.details)),
        noted.and_then(|noted| noted.idempotency_key.as_ref()).map(ToString::to_string).into(),
    ]
}

/// Who did it, and through what. Of what an app noted: whom it names, and the key or session by which it said so.
fn actor(entry: &Entry, noted: Option<&Noted>) -> (Value, Option<String>, Option<String>) {
    let stands = &entry.actor;
    match noted {
        Some(noted) => {
            let by = stands.by.clone().or_else(|| stands.id.clone());
            (noted.actor_type.name().into(), noted.actor.as_ref().map(ToString::to_string), by)
        }
        None => (stands.kind.clone().into(), stands.id.clone(), stands.by.clone()),
    }
}

/// A deed as it stands in the trail, unread.
#[derive(Clone, Debug)]
pub struct AuditRow {
    pub place: u64,
    pub action: String,
    pub recorded_at: Timestamp,
    pub occurred_at: Timestamp,
    pub actor_type: String,
    pub actor: Option<String>,
    pub by: Option<String>,
    pub impersonator: Option<String>,
    pub request: Option<String>,
    pub target: Option<deeds::Target>,
    pub also: Option<deeds::Target>,
    pub organization: Option<String>,
    pub changes: Option<String>,
    pub metadata: Option<String>,
    pub idempotency_key: Option<String>,
    pub details: Option<Details>,
}

/// What an app said besides, sealed; nothing of it is left once the person was erased.
#[derive(Clone, Debug)]
pub struct Details {
    pub record: Sealed,
    pub person: Option<PersonId>,
    pub key: Option<WrappedKey>,
}

/// Pages of what fits a condition, before a place with the newest first, and behind it with the oldest first. `?1` = the
/// place, `?2` = how many at the most, `?3` = what to look for.
pub struct Stretch {
    pub before: Question<AuditRow>,
    pub behind: Question<AuditRow>,
}

macro_rules! stretch {
    ($from:literal, $place:literal, $condition:literal) => {
        Stretch {
            before: Question {
                sql: concat!(
                    select!(),
                    $from,
                    joined!(),
                    $condition,
                    $place,
                    " < ?1 ORDER BY ",
                    $place,
                    " DESC LIMIT ?2"
                ),
                read,
            },
            behind: Question {
                sql: concat!(select!(), $from, joined!(), $condition, $place, " > ?1 ORDER BY ", $place, " LIMIT ?2"),
                read,
            },
        }
    };
}

macro_rules! select {
    () => {
        "SELECT a.place, a.action, a.recorded_at, a.occurred_at, a.actor_type, a.actor_id, a.actor_by, a.impersonator,
                a.request_id, a.target_type, a.target_id, a.also_type, a.also_id, a.organization_id, a.changes, a.metadata,
                a.idempotency_key, a.details, s.ciphertext, s.person_id, k.epoch, k.wrapped FROM "
    };
}

macro_rules! joined {
    () => {
        " LEFT JOIN sealed s ON s.sealed_id = a.details LEFT JOIN person_keys k ON k.person_id = s.person_id WHERE "
    };
}

pub static ALL: Stretch = stretch!("audit a", "a.place", "");
pub static OF_ACTION: Stretch = stretch!("audit a", "a.place", "a.action = ?3 AND ");
pub static OF_ACTOR: Stretch = stretch!("audit a", "a.place", "a.actor_id = ?3 AND ");
pub static OF_ORGANIZATION: Stretch = stretch!("audit a", "a.place", "a.organization_id = ?3 AND ");
/// Each finds what has the target in another place: all of them together find it wherever it stands.
pub static OF_TARGET: [Stretch; 3] = [
    stretch!("audit a", "a.place", "a.target_id = ?3 AND "),
    stretch!("audit a", "a.place", "a.also_id = ?3 AND "),
    stretch!("audit_more m JOIN audit a ON a.place = m.place", "m.place", "m.target_id = ?3 AND "),
];

fn read(row: &dyn Row) -> Option<AuditRow> {
    let mut c = Cursor::new(row);
    let row = AuditRow {
        place: c.integer()?.cast_unsigned(),
        action: c.text()?,
        recorded_at: c.time()?,
        occurred_at: c.time()?,
        actor_type: c.text()?,
        actor: c.text(),
        by: c.text(),
        impersonator: c.text(),
        request: c.text(),
        target: target(&mut c),
        also: target(&mut c),
        organization: c.text(),
        changes: c.text(),
        metadata: c.text(),
        idempotency_key: c.text(),
        details: None,
    };
    let (details, person, key) = (c.sealed(), c.parse(), WrappedKey::read(&mut c));
    Some(AuditRow { details: details.map(|record| Details { record, person, key }), ..row })
}

fn target(c: &mut Cursor<'_>) -> Option<deeds::Target> {
    let (kind, id) = (c.text(), c.text());
    Some(deeds::Target { kind: kind?, id: id? })
}

/// `?1` = a place. The targets beyond the second.
pub static FURTHER: Question<deeds::Target> = Question {
    sql: "SELECT m.target_type, m.target_id FROM audit_more m WHERE m.place = ?1 ORDER BY m.target_id",
    read: |row| target(&mut Cursor::new(row)),
};

/// When the deed at a place was recorded, or at the next one that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    pub place: u64,
    pub recorded_at: Timestamp,
}

/// `?1` = a place. The first deed from there on.
pub static FROM: Question<Milestone> = Question {
    sql: "SELECT a.place, a.recorded_at FROM audit a WHERE a.place >= ?1 ORDER BY a.place LIMIT 1",
    read: milestone,
};

/// `?1` = a place. The last deed of all, if it stands behind it.
pub static LAST: Question<Milestone> = Question {
    sql: "SELECT a.place, a.recorded_at FROM audit a WHERE a.place >= ?1 ORDER BY a.place DESC LIMIT 1",
    read: milestone,
};

fn milestone(row: &dyn Row) -> Option<Milestone> {
    let mut c = Cursor::new(row);
    Some(Milestone { place: c.integer()?.cast_unsigned(), recorded_at: c.time()? })
}
