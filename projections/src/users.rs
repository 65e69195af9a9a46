//! `users`: one row for each user that exists, guest or member.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{ClaimId, PersonId, UserId};
use chrysalis_domain::role;
use chrysalis_domain::user::{Standing, UserEvent};
use chrysalis_domain::value::Change as Field;

use crate::table::{
    Change, Column, Copied, Cursor, Index, Kind, Question, Sealed, Table, Value, id, integer, sealed, sealed_record,
    text,
};

pub static USERS: Table = Table {
    name: "users",
    key: &["user_id"],
    columns: COLUMNS,
    // Of few, and so it costs the others nothing.
    indexes: &[Index { columns: &["disabled_by", "user_id"], unique: false, only_present: true }],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("user_id"),
    text("person_id").with(PERSON_KEY),
    text("standing"),
    sealed_record!("email"),
    text("email_claim").optional(),
    integer("email_verified"),
    sealed_record!("name"),
    sealed_record!("image"),
    sealed_record!("metadata"),
    text("role"),
    integer("created_at"),
    integer("updated_at"),
    integer("last_active_at"),
    integer("banned_until").optional(),
    sealed_record!("ban_reason"),
    sealed_record!("app_metadata"),
    // The job that took the guest out of use, while it is.
    text("disabled_by").optional(),
];

/// What opens the person's sealed records, beside them: a look-up is one row. Whoever wraps a key anew changes both places.
pub(crate) const PERSON_KEY: &[Copied] = &[
    Copied {
        name: "person_key_epoch",
        kind: Kind::Integer,
        select: "SELECT epoch FROM person_keys WHERE person_id = ",
    },
    Copied { name: "person_key", kind: Kind::Bytes, select: "SELECT wrapped FROM person_keys WHERE person_id = " },
];

/// The column of a table that names persons, where their keys stand beside it.
pub fn copies_keys(table: &Table) -> Option<&'static str> {
    let beside = |column: &&Column| column.copied.iter().any(|copied| copied.name == "person_key");
    table.columns.iter().find(beside).map(|column| column.name)
}

/// When a ban ends that holds until it is lifted.
pub const FOR_EVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// A ban by its column.
pub(crate) fn ban_until(until: Timestamp) -> Option<Timestamp> {
    (until < FOR_EVER).then_some(until)
}

pub fn fold(user: UserId, event: &UserEvent, at: Timestamp, out: &mut Vec<Change>) {
    let mut set = |columns: &'static [&'static str], values: Vec<Value>| {
        let mut values = values;
        values.push(id(user));
        out.push(Change::Update { table: &USERS, set: columns, by: "user_id", values });
    };
    match event {
        UserEvent::GuestCreated(e) => out.push(row(user, id(e.person), Standing::Guest, at)),
        UserEvent::MemberSignedUp(e) => out.push(row(user, id(e.person), Standing::Member, at)),
        UserEvent::UpgradeBegun(e) => set(
            &["standing", "updated_at", "last_active_at"],
            vec![Standing::Provisional.name().into(), at.into(), e.authentication.at.into()],
        ),
        UserEvent::GuestUpgraded(e) => {
            set(&["standing", "updated_at"], vec![Standing::Member.name().into(), at.into()]);
            // A proof that came from elsewhere is no activity of a session.
            if e.session.is_some() {
                set(&["last_active_at"], vec![e.authentication.at.into()]);
            }
        }
        UserEvent::UpgradeSuperseded(e) if e.guest_again => {
            set(&["standing", "updated_at"], vec![Standing::Guest.name().into(), at.into()]);
        }
        UserEvent::EmailClaimed(e) => set(
            &["email", "email_claim", "email_verified", "updated_at"],
            vec![id(e.address), id(e.claim), e.proof.is_some().into(), at.into()],
        ),
        UserEvent::EmailVerified(_) => set(&["email_verified", "updated_at"], vec![true.into(), at.into()]),
        UserEvent::EmailReleased(_) => set(
            &["email", "email_claim", "email_verified", "updated_at"],
            vec![Value::Null, Value::Null, false.into(), at.into()],
        ),
        UserEvent::ProfileUpdated(e) => {
            if !e.name.is_kept() {
                set(&["name", "updated_at"], vec![sealed(e.name), at.into()]);
            }
            if !e.image.is_kept() {
                set(&["image", "updated_at"], vec![sealed(e.image), at.into()]);
            }
            if !e.metadata.is_kept() {
                set(&["metadata", "updated_at"], vec![sealed(e.metadata), at.into()]);
            }
        }
        // Who acts as the user is not the user.
        UserEvent::SessionStarted(e) if e.impersonation.is_none() => {
            set(&["last_active_at"], vec![e.authentication.at.into()]);
        }
        UserEvent::ActivityRecorded(e) => set(&["last_active_at"], vec![e.at.into()]),
        UserEvent::SessionExtended(e) => set(&["last_active_at"], vec![e.at.into()]),
        UserEvent::RoleSet(e) => set(&["role", "updated_at"], vec![e.roles.as_str().to_owned().into(), at.into()]),
        UserEvent::UserBanned(e) => set(
            &["banned_until", "ban_reason", "updated_at"],
            vec![e.until.unwrap_or(FOR_EVER).into(), id(e.reason), at.into()],
        ),
        UserEvent::UserUnbanned(_) => {
            set(&["banned_until", "ban_reason", "updated_at"], vec![Value::Null, Value::Null, at.into()])
        }
        UserEvent::AppMetadataSet(e) => set(&["app_metadata", "updated_at"], vec![id(e.metadata), at.into()]),
        UserEvent::EmailUnverified(_) => set(&["email_verified", "updated_at"], vec![false.into(), at.into()]),
        // It is deleted in the same append.
        UserEvent::GuestDisabled(e) if !e.can_be_undone() => {}
        UserEvent::GuestDisabled(e) => {
            let by = e.by.map_or(Value::Null, |by| id(by.job));
            set(&["standing", "disabled_by", "updated_at"], vec![Standing::Disabled.name().into(), by, at.into()])
        }
        UserEvent::GuestRestored(_) => {
            set(&["standing", "disabled_by", "updated_at"], vec![Standing::Guest.name().into(), Value::Null, at.into()])
        }
        UserEvent::UserDeleted(_) => out.push(Change::Delete { table: &USERS, by: "user_id", value: id(user) }),
        UserEvent::UpgradeSuperseded(_)
        | UserEvent::EmailVerificationRequested(_)
        | UserEvent::PasswordAdded(_)
        | UserEvent::PasswordChanged(_)
        | UserEvent::PasswordRehashed(_)
        | UserEvent::VerificationMissed(_)
        | UserEvent::UserReclaimed(_)
        | UserEvent::PasswordRemoved(_)
        | UserEvent::PasswordSuspended(_)
        | UserEvent::PasswordRestored(_)
        | UserEvent::PasswordReset(_)
        | UserEvent::NoticeRequested(_)
        | UserEvent::EmailChangeUndone(_)
        | UserEvent::DataExported(_)
        | UserEvent::RecoveryCodeIssued(_)
        | UserEvent::RecoveryCodeEnded(_)
        | UserEvent::DeviceLinkOffered(_)
        | UserEvent::DeviceLinkClaimed(_)
        | UserEvent::DeviceLinkConfirmed(_)
        | UserEvent::DeviceLinkEnded(_)
        | UserEvent::GuestTransferred(_)
        | UserEvent::GuestAbsorbed(_)
        | UserEvent::MembershipBegan(_)
        | UserEvent::MembershipEnded(_)
        | UserEvent::OrganizationActivated(_)
        | UserEvent::GuestExpiryAnnounced(_)
        | UserEvent::GuestHeld(_)
        | UserEvent::GuestReleased(_)
        | UserEvent::IdentityLinked(_)
        | UserEvent::IdentityUnlinked(_)
        | UserEvent::PendingVoided(_)
        | UserEvent::SessionStarted(_)
        | UserEvent::SessionRotated(_)
        | UserEvent::SessionEnded(_) => {}
    }
}

fn row(user: UserId, person: Value, standing: Standing, at: Timestamp) -> Change {
    let values = vec![
        id(user),
        person,
        standing.name().into(),
        Value::Null,
        Value::Null,
        false.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        role::USER.into(),
        at.into(),
        at.into(),
        at.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
    ];
    Change::Insert { table: &USERS, values }
}

fn sealed(field: Field) -> Value {
    field.sealed().map_or(Value::Null, id)
}

/// A user, unread, with what opens the sealed values: the person's key as it is wrapped.
#[derive(Clone, Debug)]
pub struct UserRow {
    pub user: UserId,
    pub person: PersonId,
    pub standing: Standing,
    pub email_claim: Option<ClaimId>,
    pub email_verified: bool,
    pub role: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Of the user's own sessions.
    pub last_active_at: Timestamp,
    pub ban: Option<BanRow>,
    pub app_metadata: Option<Sealed>,
    pub email: Option<Sealed>,
    pub name: Option<Sealed>,
    pub image: Option<Sealed>,
    pub metadata: Option<Sealed>,
    pub key: Option<WrappedKey>,
}

/// A ban as it was spoken: whether it still holds is a matter of time.
#[derive(Clone, Debug)]
pub struct BanRow {
    /// None: until it is lifted.
    pub until: Option<Timestamp>,
    pub reason: Option<Sealed>,
}

impl UserRow {
    /// The ban that holds at that time.
    pub fn banned(&self, at: Timestamp) -> Option<&BanRow> {
        self.ban.as_ref().filter(|ban| ban.until.is_none_or(|until| until > at))
    }

    pub fn administers(&self) -> bool {
        self.standing == Standing::Member && role::listed(&self.role, role::ADMIN)
    }
}

/// A person's key, wrapped under the key encryption key of an epoch; none once the person was erased.
#[derive(Clone, Debug)]
pub struct WrappedKey {
    pub epoch: u32,
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    /// Two columns: the epoch and the wrapped key.
    pub fn read(c: &mut Cursor<'_>) -> Option<Self> {
        let (epoch, wrapped) = (c.integer(), c.bytes());
        Some(WrappedKey { epoch: epoch?.try_into().ok()?, wrapped: wrapped? })
    }
}

/// The columns that [`read`] reads, in its order.
macro_rules! user_columns {
    () => {
        concat!(
            "u.user_id, u.person_id, u.standing, u.email_claim, u.email_verified, u.role, u.created_at, u.updated_at, ",
            "u.last_active_at, u.banned_until, ",
            sealed!("u.ban_reason"),
            ", ",
            sealed!("u.app_metadata"),
            ", ",
            sealed!("u.email"),
            ", ",
            sealed!("u.name"),
            ", ",
            sealed!("u.image"),
            ", ",
            sealed!("u.metadata"),
            ", u.person_key_epoch, u.person_key"
        )
    };
}

pub(crate) use user_columns;

/// `?1` = user id.
pub static BY_ID: Question<UserRow> = Question {
    sql: concat!("SELECT ", user_columns!(), " FROM users u WHERE u.user_id = ?1"),
    read: |row| read(&mut Cursor::new(row)),
};

/// `?1` = job id, `?2` = an id, `?3` = how many. Whom that job took out of use, behind that user, in the order of ids.
pub static DISABLED_BY: Question<UserId> = Question {
    sql: "SELECT u.user_id FROM users u WHERE u.disabled_by = ?1 AND u.user_id > ?2 ORDER BY u.user_id LIMIT ?3",
    read: |row| row.text(0)?.parse().ok(),
};

/// `?1` = job id, `?2` = an id, `?3` = how far to count. How many that job took out of use, behind that user.
pub static COUNT_DISABLED_BY: Question<i64> = Question {
    sql: "SELECT COUNT(*) FROM
              (SELECT 1 FROM users u WHERE u.disabled_by = ?1 AND u.user_id > ?2 LIMIT ?3) counted",
    read: |row| row.integer(0),
};

pub fn read(c: &mut Cursor<'_>) -> Option<UserRow> {
    Some(UserRow {
        user: c.parse()?,
        person: c.parse()?,
        standing: Standing::from_name(&c.text()?)?,
        email_claim: c.parse(),
        email_verified: c.flag(),
        role: c.text()?,
        created_at: c.time()?,
        updated_at: c.time()?,
        last_active_at: c.time()?,
        ban: {
            let (until, reason) = (c.time(), c.sealed());
            until.map(|until| BanRow { until: ban_until(until), reason })
        },
        app_metadata: c.sealed(),
        email: c.sealed(),
        name: c.sealed(),
        image: c.sealed(),
        metadata: c.sealed(),
        key: WrappedKey::read(c),
    })
}
