//! `stale_guests`: guests by their last activity, and what was said of them: the due list of the clean-up. It may be a
//! moment old; the user decides.
//!
//! Who was superseded is on no list: a guest again by law, and for the clean-up a member for good (CONTRACT 2.6).

use chrysalis_domain::id::{SealedId, UserId};
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::{Event, Timestamp};

use crate::model::{Entry, Fold, Model};
use crate::table::{Change, Column, Cursor, Index, Question, Row, Table, Value, id, integer, sealed, text};
use crate::users::{self, UserRow, user_columns};

pub static STALE_GUESTS: Model =
    Model { name: "stale_guests", version: 4, tables: &[&TABLE], views: &[], fold: Fold::Plain(fold) };

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
    clustered: true,
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
    // A sealed record: it is opened when it is read.
    text("hold_reason").optional(),
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
            let mut values = vec![id(user), e.at.into(), e.at.into()];
            values.resize(COLUMNS.len(), Value::Null);
            out.push(Change::Insert { table: &TABLE, values });
        }
        // Who acts as the guest is not the guest.
        UserEvent::SessionStarted(e) if e.impersonation.is_some() => {}
        UserEvent::SessionStarted(e) => set(ACTIVE, active(e.authentication.at)),
        UserEvent::ActivityRecorded(e) => set(ACTIVE, active(e.at)),
        UserEvent::SessionExtended(e) => set(ACTIVE, active(e.at)),
        UserEvent::UpgradeBegun(e) => set(ACTIVE, active(e.authentication.at)),
        UserEvent::GuestExpiryAnnounced(e) => {
            let values = vec![Value::Null, e.expires_at.into(), Value::Null, Value::Null];
            set(&["quiet_since", "expires_at", "held_until", "hold_reason"], values);
        }
        UserEvent::GuestHeld(e) => {
            let values = vec![Value::Null, Value::Null, e.until.into(), e.reason.map(id).into()];
            set(&["quiet_since", "expires_at", "held_until", "hold_reason"], values);
        }
        UserEvent::GuestReleased(e) => {
            let values = vec![e.last_activity.into(), Value::Null, Value::Null];
            set(&["quiet_since", "held_until", "hold_reason"], values);
        }
        // It is deleted in the same append.
        UserEvent::GuestDisabled(e) if !e.can_be_undone() => {}
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
                set(&["held_until", "hold_reason"], vec![until.into(), Value::Null]);
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
/// `?1` = now, and so on; `?5` = a time before which they were active. They were held until then.
pub static LAPSED: Question<Due> = due!("held_until", "held_until <= ?1 AND final_at IS NULL AND last_active_at < ?5");
/// `?1` = now, and so on. A clean-up took them out of use until then.
pub static DISABLED: Question<Due> = due!("final_at", "final_at <= ?1");
/// `?1` = a time before which they were active, and so on. A job took them out of use.
pub static BARRED: Question<Due> = due!("barred_since", "barred_since < ?1");

/// A guest on a list for administrators: where it stands there, what was said of it, and who it is.
#[derive(Clone, Debug)]
pub struct Listed {
    pub due: Due,
    /// None where it is on no due list: it is not cleaned up.
    pub said: Option<Said>,
    /// None who is gone since.
    pub user: Option<UserRow>,
}

/// What was said of a guest, as far as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub last_active_at: Timestamp,
    /// It was told that it will be deleted then.
    pub expires_at: Option<Timestamp>,
    pub held_until: Option<Timestamp>,
    pub hold_reason: Option<SealedId>,
    /// A clean-up took it out of use, until then.
    pub final_at: Option<Timestamp>,
    /// A job did.
    pub barred: bool,
}

fn listed(row: &dyn Row) -> Option<Listed> {
    let mut c = Cursor::new(row);
    let due = Due { user: c.parse()?, place: c.time()? };
    let last_active_at = c.time();
    let said = Said {
        last_active_at: last_active_at.unwrap_or_default(),
        expires_at: c.time(),
        held_until: c.time(),
        hold_reason: c.parse(),
        final_at: c.time(),
        barred: c.time().is_some(),
    };
    let said = last_active_at.map(|_| said);
    Some(Listed { due, said, user: users::read(&mut c) })
}

/// `?1`, `?2` = behind which row, `?3` = a time before which they were active, `?4` = how many: who stands there on a list.
macro_rules! place {
    ($table:literal, $place:literal, $condition:literal) => {
        concat!(
            "SELECT g.user_id, ",
            $place,
            " AS place FROM ",
            $table,
            " g WHERE ",
            $condition,
            " AND g.last_active_at < ?3 AND (",
            $place,
            ", g.user_id) > (?1, ?2) ORDER BY ",
            $place,
            ", g.user_id LIMIT ?4"
        )
    };
}

/// What was said of them, and who they are. Only the rows of the page are joined.
macro_rules! listed {
    ($places:expr) => {
        concat!(
            "SELECT p.user_id, p.place, s.last_active_at, s.expires_at, s.held_until, s.hold_reason, s.final_at, ",
            "s.barred_since, ",
            user_columns!(),
            " FROM (",
            $places,
            ") p LEFT JOIN stale_guests s ON s.user_id = p.user_id ",
            "LEFT JOIN users u ON u.user_id = p.user_id ORDER BY p.place, p.user_id"
        )
    };
}

macro_rules! list {
    ($table:literal, $place:literal, $condition:literal) => {
        Question { sql: listed!(place!($table, $place, $condition)), read: listed }
    };
}

/// Every guest, the one that is away for longest first: by an index that stands for the sake of other lists.
pub static ALL: Question<Listed> = list!("directory", "g.last_active_at", "g.guest = 1");
/// Those who were told, by when they go.
pub static EXPIRING: Question<Listed> = list!("stale_guests", "g.expires_at", "g.expires_at IS NOT NULL");
/// Those who were held, by when that ends or ended.
pub static HELD: Question<Listed> = list!("stale_guests", "g.held_until", "g.held_until IS NOT NULL");
/// Those who are out of use: by when they go for good whom a clean-up took, by when they were last active whom a job did.
pub static OUT_OF_USE: Question<Listed> = Question {
    sql: listed!(concat!(
        "SELECT o.user_id, o.place FROM (SELECT * FROM (",
        place!("stale_guests", "g.final_at", "g.final_at IS NOT NULL"),
        ") taken UNION ALL SELECT * FROM (",
        place!("stale_guests", "g.barred_since", "g.barred_since IS NOT NULL"),
        ") barred) o ORDER BY o.place, o.user_id LIMIT ?4"
    )),
    read: listed,
};
