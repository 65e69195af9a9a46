//! `stale_guests`: guests by their last activity, and what was said of them: the due list of the clean-up. It may be a
//! moment old; the user decides.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::{Event, Timestamp};

use crate::model::{Entry, Model};
use crate::table::{Change, Column, Cursor, Index, Question, Row, Table, Value, id, integer, text};

pub static STALE_GUESTS: Model = Model { name: "stale_guests", version: 2, tables: &[&TABLE], fold };

static TABLE: Table = Table {
    name: "stale_guests",
    key: &["user_id"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["quiet_since", "user_id"], unique: false, only_present: true },
        Index { columns: &["expires_at", "user_id"], unique: false, only_present: true },
        Index { columns: &["held_until", "user_id"], unique: false, only_present: true },
        Index { columns: &["final_at", "user_id"], unique: false, only_present: true },
        Index { columns: &["barred_since", "user_id"], unique: false, only_present: true },
    ],
    shared: false,
};

const COLUMNS: &[Column] = &[
    text("user_id"),
    integer("last_active_at"),
    // Null while something else is said of the guest.
    integer("quiet_since").optional(),
    integer("expires_at").optional(),
    integer("held_until").optional(),
    integer("final_at").optional(),
    // The last activity of whom a job took out of use.
    integer("barred_since").optional(),
];

fn fold(entry: &Entry, out: &mut Vec<Change>) {
    let Event::User(user, event) = &entry.event else { return };
    let user = *user;
    let mut set = |columns: &'static [&'static str], mut values: Vec<Value>| {
        values.push(id(user));
        out.push(Change::Update { table: &TABLE, set: columns, by: "user_id", values });
    };
    let active = |at: Timestamp| vec![at.into(), at.into(), Value::Null];
    const ACTIVE: &[&str] = &["last_active_at", "quiet_since", "expires_at"];
    match event {
        UserEvent::GuestCreated(e) => {
            let values = vec![id(user), e.at.into(), e.at.into(), Value::Null, Value::Null, Value::Null, Value::Null];
            out.push(Change::Insert { table: &TABLE, values });
        }
        UserEvent::SessionStarted(e) => set(ACTIVE, active(e.authentication.at)),
        UserEvent::ActivityRecorded(e) => set(ACTIVE, active(e.at)),
        UserEvent::SessionExtended(e) => set(ACTIVE, active(e.at)),
        UserEvent::UpgradeBegun(e) => set(ACTIVE, active(e.authentication.at)),
        UserEvent::GuestExpiryAnnounced(e) => {
            set(&["quiet_since", "expires_at", "held_until"], vec![Value::Null, e.expires_at.into(), Value::Null]);
        }
        UserEvent::GuestHeld(e) => {
            set(&["quiet_since", "expires_at", "held_until"], vec![Value::Null, Value::Null, e.until.into()]);
        }
        UserEvent::GuestReleased(e) => set(&["quiet_since", "held_until"], vec![e.last_activity.into(), Value::Null]),
        UserEvent::GuestDisabled(e) => {
            let barred_since = e.by.map(|by| by.last_activity);
            set(
                &["quiet_since", "expires_at", "final_at", "barred_since"],
                vec![Value::Null, Value::Null, e.final_at.into(), barred_since.into()],
            );
        }
        UserEvent::GuestRestored(e) => {
            let quiet = if e.held_until.is_some() { Value::Null } else { e.last_activity.into() };
            set(&["quiet_since", "final_at", "barred_since"], vec![quiet, Value::Null, Value::Null]);
            if let Some(until) = e.held_until {
                set(&["held_until"], vec![until.into()]);
            }
        }
        // A member for good: also who is a guest again is treated as one.
        UserEvent::GuestUpgraded(_) | UserEvent::UserDeleted(_) => {
            out.push(Change::Delete { table: &TABLE, by: "user_id", value: id(user) });
        }
        _ => {}
    }
}

/// A guest on the list, and where it stands there: the next page begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub user: UserId,
    pub place: Timestamp,
}

fn due(row: &dyn Row) -> Option<Due> {
    let mut c = Cursor::new(row);
    Some(Due { user: c.parse()?, place: c.time()? })
}

macro_rules! due {
    ($place:literal, $condition:literal) => {
        Question {
            sql: concat!(
                "SELECT user_id, ",
                $place,
                " FROM stale_guests WHERE ",
                $condition,
                " AND (",
                $place,
                ", user_id) > (?2, ?3) ORDER BY ",
                $place,
                ", user_id LIMIT ?4"
            ),
            read: due,
        }
    };
}

/// `?1` = a time before which they were active, `?2`, `?3` = behind which row, `?4` = how many. Nothing was said of them.
pub static QUIET: Question<Due> = due!("quiet_since", "quiet_since < ?1 AND (held_until IS NULL OR held_until <= ?1)");
/// `?1` = now, and so on. They were told that they will be deleted by then.
pub static TOLD: Question<Due> = due!("expires_at", "expires_at <= ?1");
/// `?1` = now, and so on. They were held until then.
pub static LAPSED: Question<Due> = due!("held_until", "held_until <= ?1 AND final_at IS NULL");
/// `?1` = now, and so on. A clean-up took them out of use until then.
pub static DISABLED: Question<Due> = due!("final_at", "final_at <= ?1");
/// `?1` = a time before which they were active, and so on. A job took them out of use.
pub static BARRED: Question<Due> = due!("barred_since", "barred_since < ?1");
