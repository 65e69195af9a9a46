//! `accounts`: the ways in that a user has: a password, social identities.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{AccountId, SealedId, UserId};
use chrysalis_domain::user::UserEvent;

use crate::table::{
    Change, Column, Cursor, Index, Question, Sealed, Table, Value, id, integer, sealed, sealed_record, text,
};

pub static ACCOUNTS: Table = Table {
    name: "accounts",
    key: &["account_id"],
    columns: COLUMNS,
    indexes: &[Index { columns: &["user_id"], unique: false, only_present: false }],
    shared: false,
    clustered: false,
};

/// The provider id of a password.
pub const CREDENTIAL: &str = "credential";

const COLUMNS: &[Column] = &[
    text("account_id"),
    text("user_id"),
    text("provider"),
    // Issuer and subject, or the password's hash.
    sealed_record!("subject"),
    sealed_record!("password"),
    // What the person agreed to, with spaces between.
    text("scopes").optional(),
    integer("created_at"),
    integer("updated_at"),
];

pub fn fold(user: UserId, event: &UserEvent, at: Timestamp, out: &mut Vec<Change>) {
    let added = |account: AccountId, provider: Value, subject: Value, password: Value, scopes: Value| Change::Insert {
        table: &ACCOUNTS,
        values: vec![id(account), id(user), provider, subject, password, scopes, at.into(), at.into()],
    };
    let with_password =
        |account: AccountId, hash: SealedId| added(account, CREDENTIAL.into(), Value::Null, id(hash), Value::Null);
    let hashed = |account: AccountId, hash: SealedId| Change::Update {
        table: &ACCOUNTS,
        set: &["password", "updated_at"],
        by: "account_id",
        values: vec![id(hash), at.into(), id(account)],
    };
    let removed = |account: AccountId| Change::Delete { table: &ACCOUNTS, by: "account_id", value: id(account) };
    match event {
        UserEvent::PasswordAdded(e) => out.push(with_password(e.account, e.hash)),
        UserEvent::PasswordChanged(e) => out.push(hashed(e.account, e.hash)),
        UserEvent::PasswordRehashed(e) => out.push(hashed(e.account, e.hash)),
        UserEvent::PasswordRemoved(e) => out.push(removed(e.account)),
        UserEvent::PasswordSuspended(e) => out.push(removed(e.account)),
        UserEvent::PasswordRestored(e) => out.push(with_password(e.account, e.hash)),
        UserEvent::IdentityLinked(e) => {
            let scopes = (!e.scopes.is_empty()).then(|| e.scopes.join(" "));
            out.push(added(e.account, e.provider.clone().into(), id(e.subject), Value::Null, scopes.into()));
        }
        UserEvent::IdentityUnlinked(e) => out.push(removed(e.account)),
        UserEvent::UserDeleted(_) => out.push(Change::Delete { table: &ACCOUNTS, by: "user_id", value: id(user) }),
        _ => {}
    }
}

/// One way in, unread.
#[derive(Clone, Debug)]
pub struct AccountRow {
    pub account: AccountId,
    pub user: UserId,
    pub provider: String,
    pub scopes: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub subject: Option<Sealed>,
    pub password: Option<Sealed>,
}

/// `?1` = user id. The ways in of a user, oldest first.
pub static OF_USER: Question<AccountRow> = Question {
    sql: concat!(
        "SELECT a.account_id, a.user_id, a.provider, a.scopes, a.created_at, a.updated_at, ",
        sealed!("a.subject"),
        ", ",
        sealed!("a.password"),
        " FROM accounts a WHERE a.user_id = ?1 ORDER BY a.account_id"
    ),
    read: |row| {
        let mut c = Cursor::new(row);
        Some(AccountRow {
            account: c.parse()?,
            user: c.parse()?,
            provider: c.text()?,
            scopes: c.text().unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            created_at: c.time()?,
            updated_at: c.time()?,
            subject: c.sealed(),
            password: c.sealed(),
        })
    },
};
