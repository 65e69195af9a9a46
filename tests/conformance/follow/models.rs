//! Read models to follow with: one that holds every event, and one that is sensitive to their order.

use chrysalis_domain::Event;
use chrysalis_domain::user::UserEvent;
use chrysalis_projections::model::{Fold, View};
use chrysalis_projections::table::{Index, id, integer, text};
use chrysalis_projections::{Change, Entry, Model, Table};

/// Every event, as it came: a second row of one position is refused.
static SEEN: Table = Table {
    name: "seen",
    key: &["position"],
    columns: &[integer("position"), text("event_id"), text("type"), text("actor"), integer("recorded_at")],
    indexes: &[Index { columns: &["type", "position"], unique: false, only_present: false }],
    shared: true,
    clustered: false,
};

/// What each user's last event was: as the order of folding has it.
static LATEST: Table = Table {
    name: "latest",
    key: &["user_id"],
    columns: &[text("user_id"), text("type"), integer("position")],
    indexes: &[],
    shared: false,
    clustered: false,
};

/// What others read of it.
const TYPES: View =
    View { name: "journal_seen", columns: &[text("type")], select: "SELECT s.type FROM seen s ORDER BY s.position" };

pub(super) static JOURNAL: Model =
    Model { name: "journal", version: 1, tables: &[&SEEN], views: &[TYPES], fold: Fold::Plain(seen) };
pub(super) static LATE: Model =
    Model { name: "late", version: 1, tables: &[&LATEST], views: &[], fold: Fold::Plain(latest) };
pub(super) static ALONE: [&Model; 1] = [&JOURNAL];
pub(super) static BOTH: [&Model; 2] = [&JOURNAL, &LATE];

fn seen(entry: &Entry, out: &mut Vec<Change>) {
    let values = vec![
        entry.position.cast_signed().into(),
        entry.id.clone().into(),
        entry.event.event_type().into(),
        entry.actor.kind.clone().into(),
        entry.recorded_at.into(),
    ];
    out.push(Change::Insert { table: &SEEN, values });
}

fn latest(entry: &Entry, out: &mut Vec<Change>) {
    let Event::User(user, event) = &entry.event else { return };
    let (kind, position) = (event.event_type().into(), entry.position.cast_signed().into());
    out.push(match event {
        UserEvent::GuestCreated(_) | UserEvent::MemberSignedUp(_) => {
            Change::Insert { table: &LATEST, values: vec![id(user), kind, position] }
        }
        UserEvent::UserDeleted(_) => Change::Delete { table: &LATEST, by: "user_id", value: id(user) },
        _ => Change::Update {
            table: &LATEST,
            set: &["type", "position"],
            by: "user_id",
            values: vec![kind, position, id(user)],
        },
    });
}
