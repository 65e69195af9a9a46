//! `audit`: who did what to whom, a row for each deed ([`crate::deeds`]), newest last. A row stays when its user goes.
//!
//! No row holds anything personal, nor a copy of it: readers join what is left of it when they read. Indexes stand for the
//! filters that there are, and each ends with the place, so that a page is a stretch of one index.

use chrysalis_domain::id::SealedId;
use chrysalis_domain::note::NoteEvent;
use chrysalis_domain::{Event, Timestamp};
use serde_json::json;

use crate::deeds::{self, Deed};
use crate::model::{Entry, Fold, Model};
use crate::table::{Change, Column, Cursor, Index, Question, Row, Table, Value, id, integer, text};

pub static MODEL: Model =
    Model { name: "audit", version: 3, tables: &[&ROWS, &MORE], views: &[], fold: Fold::Plain(fold) };

static ROWS: Table = Table {
    name: "audit",
    key: &["place"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["action", "place"], unique: false, only_present: false },
        Index { columns: &["by_other", "place"], unique: false, only_present: true },
        Index { columns: &["target_id", "place"], unique: false, only_present: true },
        Index { columns: &["also_id", "place"], unique: false, only_present: true },
        Index { columns: &["organization_id", "place"], unique: false, only_present: true },
    ],
    shared: true,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    // Among all deeds, in the order of the log.
    integer("place"),
    text("action"),
    integer("recorded_at"),
    integer("occurred_at"),
    text("actor_type"),
    text("actor_id").optional(),
    // The actor, where it is not what the deed is about: most do something with themselves, and are found as targets.
    text("by_other").optional(),
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
    clustered: true,
};

fn fold(entry: &Entry, out: &mut Vec<Change>) {
    for (row, further) in rows(entry) {
        let place = row.place.cast_signed();
        let further = further.into_iter().map(|target| Change::Insert {
            table: &MORE,
            values: vec![target.id.into(), place.into(), target.kind.into()],
        });
        out.extend(further);
        out.push(Change::Insert { table: &ROWS, values: values(row) });
    }
}

/// The rows that an event leaves, each with its targets beyond the second.
pub fn rows(entry: &Entry) -> Vec<(AuditRow, Vec<deeds::Target>)> {
    let row = |(nth, deed)| row(entry, deeds::place(entry.position, nth), deed);
    deeds::of(entry).into_iter().enumerate().map(row).collect()
}

fn row(entry: &Entry, place: u64, deed: Deed) -> (AuditRow, Vec<deeds::Target>) {
    let noted = match &entry.event {
        Event::Note(_, NoteEvent::Noted(noted)) => Some(noted),
        _ => None,
    };
    let Deed { name, targets, organization, before, after, metadata } = deed;
    let mut targets = targets.into_iter();
    let (target, also) = (targets.next(), targets.next());
    let changed = !(before.is_null() && after.is_null());
    let stands = &entry.actor;
    // Of what an app noted: whom it names, and the key or session by which it said so.
    let (actor_type, actor, by) = match noted {
        Some(noted) => {
            let by = stands.by.as_ref().or(stands.id.as_ref());
            (noted.actor_type.name().to_owned(), noted.actor.as_ref().map(ToString::to_string), by.cloned())
        }
        None => (stands.kind.clone(), stands.id.clone(), stands.by.clone()),
    };
    let row = AuditRow {
        place,
        action: name.as_str().to_owned(),
        recorded_at: entry.recorded_at,
        occurred_at: noted.map_or(entry.occurred_at, |noted| noted.occurred_at),
        actor_type,
        actor,
        by,
        impersonator: stands.impersonator.clone(),
        request: entry.request.clone(),
        target,
        also,
        organization,
        changes: changed.then(|| json!({ "before": before, "after": after }).to_string()),
        metadata: (!metadata.is_empty()).then(|| serde_json::Value::Object(metadata).to_string()),
        idempotency_key: noted.and_then(|noted| noted.idempotency_key.as_ref()).map(ToString::to_string),
        details: noted.map(|noted| noted.details),
    };
    (row, targets.collect())
}

/// In the order of the columns.
fn values(row: AuditRow) -> Vec<Value> {
    let target = |target: Option<deeds::Target>| {
        target.map_or((Value::Null, Value::Null), |target| (target.kind.into(), target.id.into()))
    };
    let itself = row.target.as_ref().map(|target| &target.id) == row.actor.as_ref();
    let by_other = row.actor.clone().filter(|_| !itself);
    let ((target_type, target_id), (also_type, also_id)) = (target(row.target), target(row.also));
    vec![
        row.place.cast_signed().into(),
        row.action.into(),
        row.recorded_at.into(),
        row.occurred_at.into(),
        row.actor_type.into(),
        row.actor.into(),
        by_other.into(),
        row.by.into(),
        row.impersonator.into(),
        row.request.into(),
        target_type,
        target_id,
        also_type,
        also_id,
        row.organization.into(),
        row.changes.into(),
        row.metadata.into(),
        row.details.map(id).into(),
        row.idempotency_key.into(),
    ]
}

/// A deed as it stands in the trail, unread.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// See [`deeds::place`].
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
    /// Of what an app noted: all that it said besides, sealed as JSON.
    pub details: Option<SealedId>,
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
                    " WHERE ",
                    $condition,
                    $place,
                    " < ?1 ORDER BY ",
                    $place,
                    " DESC LIMIT ?2"
                ),
                read,
            },
            behind: Question {
                sql: concat!(select!(), $from, " WHERE ", $condition, $place, " > ?1 ORDER BY ", $place, " LIMIT ?2"),
                read,
            },
        }
    };
}

macro_rules! select {
    () => {
        "SELECT a.place, a.action, a.recorded_at, a.occurred_at, a.actor_type, a.actor_id, a.actor_by, a.impersonator,
                a.request_id, a.target_type, a.target_id, a.also_type, a.also_id, a.organization_id, a.changes, a.metadata,
                a.idempotency_key, a.details FROM "
    };
}

pub static ALL: Stretch = stretch!("audit a", "a.place", "");
pub static OF_ACTION: Stretch = stretch!("audit a", "a.place", "a.action = ?3 AND ");
/// Each finds others' deeds: what the actor did with something else, and with itself.
pub static OF_ACTOR: [Stretch; 2] = [
    stretch!("audit a", "a.place", "a.by_other = ?3 AND "),
    stretch!("audit a", "a.place", "a.target_id = ?3 AND a.actor_id = ?3 AND "),
];
pub static OF_ORGANIZATION: Stretch = stretch!("audit a", "a.place", "a.organization_id = ?3 AND ");
/// Each finds what has the target in another place: all of them together find it wherever it stands.
pub static OF_TARGET: [Stretch; 3] = [
    stretch!("audit a", "a.place", "a.target_id = ?3 AND "),
    stretch!("audit a", "a.place", "a.also_id = ?3 AND "),
    stretch!("audit_more m JOIN audit a ON a.place = m.place", "m.place", "m.target_id = ?3 AND "),
];

fn read(row: &dyn Row) -> Option<AuditRow> {
    let mut c = Cursor::new(row);
    Some(AuditRow {
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
        details: c.parse(),
    })
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

/// `?1` = a place. The last deed of all, if it stands there or behind it.
pub static LAST: Question<Milestone> = Question {
    sql: "SELECT a.place, a.recorded_at FROM audit a WHERE a.place >= ?1 ORDER BY a.place DESC LIMIT 1",
    read: milestone,
};

fn milestone(row: &dyn Row) -> Option<Milestone> {
    let mut c = Cursor::new(row);
    Some(Milestone { place: c.integer()?.cast_unsigned(), recorded_at: c.time()? })
}
