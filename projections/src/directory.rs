//! `directory`: users by what administrators look for and sort by. It follows the log, so that its indexes cost nothing to
//! those who arrive; what is shown of a user stands in `users`, to which a listing joins.

use chrysalis_domain::Event;
use chrysalis_domain::user::{Standing, UserEvent};

use crate::model::{Entry, Fold, Model};
use crate::table::{Change, Column, Index, Question, Table, Value, integer, text};
use crate::users::{self, USERS};

pub static MODEL: Model = Model {
    name: "directory",
    version: 2,
    tables: &[&DIRECTORY, &ROLES, &TOTALS],
    views: &[],
    fold: Fold::Plain(fold),
};

pub static DIRECTORY: Table = Table {
    name: "directory",
    key: &["user_id"],
    columns: COLUMNS,
    indexes: &[
        index(&["guest", "user_id"]),
        index(&["guest", "last_active_at", "user_id"]),
        index(&["last_active_at", "user_id"]),
        index(&["updated_at", "user_id"]),
        Index { columns: &["verified", "user_id"], unique: false, only_present: true },
        Index { columns: &["banned_until", "user_id"], unique: false, only_present: true },
    ],
    shared: false,
    clustered: true,
};

const fn index(columns: &'static [&'static str]) -> Index {
    Index { columns, unique: false, only_present: false }
}

const COLUMNS: &[Column] = &[
    text("user_id"),
    integer("guest"),
    // 1, or nothing: of many guests few have an address, so the index holds those alone.
    integer("verified").optional(),
    integer("banned_until").optional(),
    text("role"),
    integer("created_at"),
    integer("updated_at"),
    integer("last_active_at"),
];

/// Roles beside that which everybody has.
pub static ROLES: Table = Table {
    name: "directory_roles",
    key: &["user_id", "role"],
    columns: &[text("user_id"), text("role")],
    indexes: &[index(&["role", "user_id"])],
    shared: false,
    clustered: true,
};

/// How many there are, of guests and of members: counting ten million rows would take seconds.
pub static TOTALS: Table = Table {
    name: "directory_totals",
    key: &["guest"],
    columns: &[integer("guest"), integer("total")],
    indexes: &[],
    shared: true,
    clustered: false,
};

/// The role that nearly everybody has.
pub const EVERYBODY: &str = "user";

/// What a row of `users` becomes here, column by column: so there is one fold that knows what events make of a user.
fn fold(entry: &Entry, out: &mut Vec<Change>) {
    let Event::User(user, event) = &entry.event else { return };
    let mut changes = Vec::with_capacity(2);
    users::fold(*user, event, entry.occurred_at, &mut changes);
    for change in changes {
        match change {
            Change::Insert { values, .. } => inserted(&values, out),
            Change::Update { set, by, values, .. } => {
                let Some((which, values)) = values.split_last() else { continue };
                for (name, value) in set.iter().zip(values) {
                    updated(name, value, by, which, out);
                }
            }
            Change::Delete { by, value, .. } => {
                out.push(Change::Delete { table: &ROLES, by, value: value.clone() });
                out.push(Change::Delete { table: &DIRECTORY, by, value });
            }
            Change::Add { .. } | Change::Advance { .. } => {}
        }
    }
    out.extend(moved(event));
}

fn inserted(values: &[Value], out: &mut Vec<Change>) {
    let of = |name: &str| {
        let column = USERS.columns.iter().position(|column| column.name == name);
        column.and_then(|at| values.get(at)).cloned().unwrap_or(Value::Null)
    };
    let row = COLUMNS.iter().map(|column| match column.name {
        "guest" => guest(&of("standing")),
        "verified" => verified(&of("email_verified")),
        name => of(name),
    });
    out.push(Change::Insert { table: &DIRECTORY, values: row.collect() });
    out.extend(roles(&of("user_id"), &of("role")));
}

fn updated(name: &str, value: &Value, by: &'static str, which: &Value, out: &mut Vec<Change>) {
    let (set, value): (&'static [&'static str], Value) = match name {
        "standing" => (&["guest"], guest(value)),
        "email_verified" => (&["verified"], verified(value)),
        // Columns of `users` beside these are not asked for.
        "banned_until" => (&["banned_until"], value.clone()),
        "role" => (&["role"], value.clone()),
        "updated_at" => (&["updated_at"], value.clone()),
        "last_active_at" => (&["last_active_at"], value.clone()),
        _ => return,
    };
    if name == "role" {
        out.push(Change::Delete { table: &ROLES, by, value: which.clone() });
        out.extend(roles(which, &value));
    }
    out.push(Change::Update { table: &DIRECTORY, set, by, values: vec![value, which.clone()] });
}

fn guest(standing: &Value) -> Value {
    let standing = standing.as_text().and_then(Standing::from_name);
    standing.is_some_and(Standing::is_guest).into()
}

fn verified(flag: &Value) -> Value {
    if *flag == Value::Integer(1) { flag.clone() } else { Value::Null }
}

fn roles<'v>(user: &'v Value, roles: &'v Value) -> impl Iterator<Item = Change> + 'v {
    let mut seen = std::collections::BTreeSet::new();
    let roles = roles.as_text().unwrap_or_default().split(',').map(str::trim);
    let special = roles.filter(move |role| !role.is_empty() && *role != EVERYBODY && seen.insert(role.to_string()));
    special.map(|role| Change::Insert { table: &ROLES, values: vec![user.clone(), role.to_owned().into()] })
}

/// What an event makes of the totals.
fn moved(event: &UserEvent) -> impl Iterator<Item = Change> {
    let (guests, members) = match event {
        UserEvent::GuestCreated(_) => (1, 0),
        UserEvent::MemberSignedUp(_) => (0, 1),
        UserEvent::GuestUpgraded(_) => (-1, 1),
        UserEvent::UpgradeSuperseded(e) if e.guest_again && !e.provisional => (1, -1),
        UserEvent::UserDeleted(e) if e.was_guest => (-1, 0),
        UserEvent::UserDeleted(_) => (0, -1),
        _ => (0, 0),
    };
    [(1, guests), (0, members)].into_iter().filter(|(_, by)| *by != 0).map(|(guest, by)| Change::Add {
        table: &TOTALS,
        column: "total",
        values: vec![Value::Integer(guest), Value::Integer(by)],
    })
}

/// `?1` = 1 for guests, 0 for members: how many there are.
pub static TOTAL: Question<i64> =
    Question { sql: "SELECT total FROM directory_totals WHERE guest = ?1", read: |row| row.integer(0) };
