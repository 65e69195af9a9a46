//! `api_keys`: one row for each API key that was ever made, revoked ones too.

use chrysalis_domain::api_key::ApiKeyEvent;
use chrysalis_domain::id::{ApiKeyId, OrganizationId, PersonId, UserId};
use chrysalis_domain::role;
use chrysalis_domain::user::Standing;
use chrysalis_domain::{Permissions, Timestamp};

use crate::table::{
    Change, Column, Cursor, Index, Question, Row, Sealed, Table, Value, bytes, id, integer, sealed, sealed_record, text,
};
use crate::users::{PERSON_KEY, WrappedKey};

pub static API_KEYS: Table = Table {
    name: "api_keys",
    key: &["key_id"],
    columns: COLUMNS,
    // A few characters of the secret find candidates; its hash decides.
    indexes: &[
        Index { columns: &["start"], unique: false, only_present: false },
        Index { columns: &["previous_start"], unique: false, only_present: true },
    ],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("key_id"),
    text("person_id").with(PERSON_KEY),
    sealed_record!("name"),
    sealed_record!("metadata"),
    text("start"),
    bytes("hash"),
    text("previous_start").optional(),
    bytes("previous_hash").optional(),
    integer("previous_until").optional(),
    // Names with spaces between.
    text("permissions"),
    text("maker").optional(),
    text("organization_id").optional(),
    integer("enabled"),
    integer("expires_at").optional(),
    integer("last_used_at").optional(),
    integer("revoked_at").optional(),
    integer("created_at"),
    integer("updated_at"),
];

pub fn fold(key: ApiKeyId, event: &ApiKeyEvent, out: &mut Vec<Change>) {
    let mut set = |columns: &'static [&'static str], values: Vec<Value>| {
        let mut values = values;
        values.push(id(key));
        out.push(Change::Update { table: &API_KEYS, set: columns, by: "key_id", values });
    };
    match event {
        ApiKeyEvent::ApiKeyCreated(e) => {
            let values = vec![
                id(key),
                id(e.person),
                id(e.name),
                e.metadata.map_or(Value::Null, id),
                e.secret.start.clone().into(),
                e.secret.hash.0.into(),
                Value::Null,
                Value::Null,
                Value::Null,
                e.permissions.names().collect::<Vec<_>>().join(" ").into(),
                e.maker.map_or(Value::Null, id),
                e.organization.map_or(Value::Null, id),
                true.into(),
                e.expires_at.into(),
                Value::Null,
                Value::Null,
                e.at.into(),
                e.at.into(),
            ];
            out.push(Change::Insert { table: &API_KEYS, values });
        }
        ApiKeyEvent::ApiKeyRotated(e) => {
            set(
                &["start", "hash", "previous_start", "previous_hash", "previous_until", "updated_at"],
                vec![
                    e.secret.start.clone().into(),
                    e.secret.hash.0.into(),
                    e.replaced.start.clone().into(),
                    e.replaced.hash.0.into(),
                    e.replaced_until.into(),
                    e.at.into(),
                ],
            );
            if let Some(expires_at) = e.expires_at {
                set(&["expires_at"], vec![expires_at.into()]);
            }
        }
        ApiKeyEvent::ApiKeySwitched(e) => set(&["enabled", "updated_at"], vec![e.enabled.into(), e.at.into()]),
        ApiKeyEvent::ApiKeyUsed(e) => set(&["last_used_at"], vec![e.at.into()]),
        ApiKeyEvent::ApiKeyRevoked(e) => set(&["revoked_at", "updated_at"], vec![e.at.into(), e.at.into()]),
    }
}

/// A key with what is known of its maker, unread.
#[derive(Clone, Debug)]
pub struct ApiKeyRow {
    pub key: ApiKeyId,
    pub person: PersonId,
    pub name: Option<Sealed>,
    pub metadata: Option<Sealed>,
    pub start: String,
    pub hash: Vec<u8>,
    pub previous_hash: Option<Vec<u8>>,
    pub previous_until: Option<Timestamp>,
    pub permissions: Permissions,
    pub maker: Option<Maker>,
    pub organization: Option<OrganizationId>,
    pub enabled: bool,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub person_key: Option<WrappedKey>,
}

/// The administrator who made a key, as they are today.
#[derive(Clone, Debug)]
pub struct Maker {
    pub user: UserId,
    /// None once the user was deleted.
    pub standing: Option<Standing>,
    pub role: String,
    pub banned_until: Option<Timestamp>,
}

impl Maker {
    /// Whether they may still administer.
    pub fn administers(&self, at: Timestamp) -> bool {
        let banned = self.banned_until > Some(at);
        self.standing == Some(Standing::Member) && role::listed(&self.role, role::ADMIN) && !banned
    }
}

macro_rules! api_key_question {
    ($condition:literal) => {
        concat!(
            "SELECT k.key_id, k.person_id, ",
            sealed!("k.name"),
            ", ",
            sealed!("k.metadata"),
            ", k.start, k.hash, k.previous_hash, k.previous_until, k.permissions, k.maker, u.standing, u.role,
               u.banned_until,
               k.organization_id, k.enabled, k.expires_at, k.last_used_at, k.revoked_at, k.created_at, k.updated_at,
               k.person_key_epoch, k.person_key
             FROM api_keys k LEFT JOIN users u ON u.user_id = k.maker WHERE ",
            $condition
        )
    };
}

/// `?1` = start of the secret. Several keys may share one: compare the hash.
pub static BY_START: Question<ApiKeyRow> = Question { sql: api_key_question!("k.start = ?1"), read };

/// `?1` = start of a secret that was rotated away.
pub static BY_PREVIOUS_START: Question<ApiKeyRow> = Question { sql: api_key_question!("k.previous_start = ?1"), read };

/// `?1` = key id.
pub static BY_ID: Question<ApiKeyRow> = Question { sql: api_key_question!("k.key_id = ?1"), read };

/// Every key that is not revoked, newest first; `?1` = at most so many.
pub static STANDING: Question<ApiKeyRow> =
    Question { sql: api_key_question!("k.revoked_at IS NULL ORDER BY k.key_id DESC LIMIT ?1"), read };

/// `?1` = 1. Whether there ever was a key. (A question without a parameter can't be asked for many at once.)
pub static ANY: Question<ApiKeyId> =
    Question { sql: "SELECT key_id FROM api_keys LIMIT ?1", read: |row| Cursor::new(row).parse() };

fn read(row: &dyn Row) -> Option<ApiKeyRow> {
    let mut c = Cursor::new(row);
    Some(ApiKeyRow {
        key: c.parse()?,
        person: c.parse()?,
        name: c.sealed(),
        metadata: c.sealed(),
        start: c.text()?,
        hash: c.bytes()?,
        previous_hash: c.bytes(),
        previous_until: c.time(),
        permissions: c.text()?.split_whitespace().filter_map(|name| name.parse().ok()).collect(),
        maker: {
            let (user, standing, role) = (c.parse(), c.text(), c.text());
            let banned_until = c.time();
            user.map(|user| Maker {
                user,
                standing: standing.as_deref().and_then(Standing::from_name),
                role: role.unwrap_or_default(),
                banned_until,
            })
        },
        organization: c.parse(),
        enabled: c.flag(),
        expires_at: c.time(),
        last_used_at: c.time(),
        revoked_at: c.time(),
        created_at: c.time()?,
        updated_at: c.time()?,
        person_key: WrappedKey::read(&mut c),
    })
}
