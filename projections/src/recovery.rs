//! `recovery`: whose the codes are by which guests come back. Whether one still stands, the user decides.

use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::value::TokenHash;

use crate::table::{Change, Column, Cursor, Index, Question, Table, Value, bytes, id, text};

pub static RECOVERY: Table = Table {
    name: "recovery",
    key: &["hash"],
    columns: COLUMNS,
    indexes: &[Index { columns: &["user_id"], unique: false, only_present: false }],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[bytes("hash"), text("user_id")];

pub fn fold(user: UserId, event: &UserEvent, out: &mut Vec<Change>) {
    let mut known = |hash: &TokenHash| {
        out.push(Change::Insert { table: &RECOVERY, values: vec![value(hash), id(user)] });
    };
    match event {
        UserEvent::RecoveryCodeIssued(e) => known(&e.hash),
        UserEvent::DeviceLinkOffered(e) => known(&e.hash),
        UserEvent::RecoveryCodeEnded(e) => {
            out.push(Change::Delete { table: &RECOVERY, by: "hash", value: value(&e.hash) });
        }
        UserEvent::DeviceLinkEnded(e) => {
            out.push(Change::Delete { table: &RECOVERY, by: "hash", value: value(&e.hash) });
        }
        UserEvent::UpgradeBegun(_)
        | UserEvent::GuestUpgraded(_)
        | UserEvent::GuestTransferred(_)
        | UserEvent::UserBanned(_)
        | UserEvent::UserDeleted(_) => {
            out.push(Change::Delete { table: &RECOVERY, by: "user_id", value: id(user) });
        }
        _ => {}
    }
}

fn value(hash: &TokenHash) -> Value {
    hash.0.to_vec().into()
}

/// `?1` = hash of the code.
pub static OWNER: Question<UserId> =
    Question { sql: "SELECT user_id FROM recovery WHERE hash = ?1", read: |row| Cursor::new(row).parse() };
