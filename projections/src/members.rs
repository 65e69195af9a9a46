//! `members`: one row for each membership that stands.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{MemberId, OrganizationId, UserId};
use chrysalis_domain::organization::{OrganizationEvent, Role};

use crate::table::{Change, Column, Cursor, Index, Question, Row, Table, id, integer, sealed, text};
use crate::users::{self, UserRow, user_columns};

pub static MEMBERS: Table = Table {
    name: "members",
    // In the order in which they are listed: by organization, the oldest membership first.
    key: &["organization_id", "member_id"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["member_id"], unique: true, only_present: false },
        Index { columns: &["user_id"], unique: false, only_present: false },
    ],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("organization_id"),
    text("member_id"),
    text("user_id"),
    text("role"),
    integer("created_at"),
    integer("updated_at"),
];

pub fn fold(organization: OrganizationId, event: &OrganizationEvent, at: Timestamp, out: &mut Vec<Change>) {
    match event {
        OrganizationEvent::MemberAdded(e) => {
            let values = vec![id(organization), id(e.member), id(e.user), e.role.name().into(), at.into(), at.into()];
            out.push(Change::Insert { table: &MEMBERS, values });
        }
        OrganizationEvent::MemberRoleChanged(e) => out.push(Change::Update {
            table: &MEMBERS,
            set: &["role", "updated_at"],
            by: "member_id",
            values: vec![e.role.name().into(), at.into(), id(e.member)],
        }),
        OrganizationEvent::MemberRemoved(e) => {
            out.push(Change::Delete { table: &MEMBERS, by: "member_id", value: id(e.member) });
        }
        OrganizationEvent::OrganizationDeleted(_) => {
            out.push(Change::Delete { table: &MEMBERS, by: "organization_id", value: id(organization) });
        }
        OrganizationEvent::OrganizationCreated(_)
        | OrganizationEvent::OrganizationUpdated(_)
        | OrganizationEvent::SlugClaimed(_)
        | OrganizationEvent::SlugReleased(_)
        | OrganizationEvent::InvitationCreated(_)
        | OrganizationEvent::InvitationRenewed(_)
        | OrganizationEvent::InvitationAccepted(_)
        | OrganizationEvent::InvitationRejected(_)
        | OrganizationEvent::InvitationRevoked(_)
        | OrganizationEvent::OrganizationHeld(_) => {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub organization: OrganizationId,
    pub member: MemberId,
    pub user: UserId,
    pub role: Role,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A member and the user behind it, unread.
#[derive(Clone, Debug)]
pub struct MemberUserRow {
    pub member: MemberRow,
    pub user: UserRow,
}

macro_rules! member_columns {
    () => {
        "m.organization_id, m.member_id, m.user_id, m.role, m.created_at, m.updated_at"
    };
}

macro_rules! member_user_question {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            member_columns!(),
            ", ",
            user_columns!(),
            " FROM members m JOIN users u ON u.user_id = m.user_id
              WHERE m.organization_id = ?1 AND (?2 = '' OR m.role = ?2)",
            $rest
        )
    };
}

/// `?1` = member id.
pub static BY_ID: Question<MemberRow> = Question {
    sql: concat!("SELECT ", member_columns!(), " FROM members m WHERE m.member_id = ?1"),
    read: |row| member(&mut Cursor::new(row)),
};

/// `?1` = user id, `?2` = organization id. At most one.
pub static OF_USER_IN: Question<MemberRow> = Question {
    sql: concat!("SELECT ", member_columns!(), " FROM members m WHERE m.user_id = ?1 AND m.organization_id = ?2"),
    read: |row| member(&mut Cursor::new(row)),
};

/// `?1` = user id. Every membership of theirs, oldest first.
pub static OF_USER: Question<MemberRow> = Question {
    sql: concat!("SELECT ", member_columns!(), " FROM members m WHERE m.user_id = ?1 ORDER BY m.member_id"),
    read: |row| member(&mut Cursor::new(row)),
};

/// `?1` = organization id, `?2` = a role or nothing, `?3` = a member id, `?4` = how many. Those behind it, oldest first.
pub static ABOVE: Question<MemberUserRow> =
    Question { sql: member_user_question!(" AND m.member_id > ?3 ORDER BY m.member_id LIMIT ?4"), read: member_user };

/// The same the other way round: those before it, newest first.
pub static BELOW: Question<MemberUserRow> = Question {
    sql: member_user_question!(" AND m.member_id < ?3 ORDER BY m.member_id DESC LIMIT ?4"),
    read: member_user,
};

/// `?1` = organization id, `?2` = a role or nothing, `?3` = how many, `?4` = how many to pass over. Oldest first.
pub static OLDEST: Question<MemberUserRow> =
    Question { sql: member_user_question!(" ORDER BY m.member_id LIMIT ?3 OFFSET ?4"), read: member_user };

/// The same, newest first.
pub static NEWEST: Question<MemberUserRow> =
    Question { sql: member_user_question!(" ORDER BY m.member_id DESC LIMIT ?3 OFFSET ?4"), read: member_user };

/// `?1` = organization id, `?2` = a role or nothing.
pub static COUNT: Question<i64> = Question {
    sql: "SELECT count(*) FROM members m WHERE m.organization_id = ?1 AND (?2 = '' OR m.role = ?2)",
    read: |row| row.integer(0),
};

fn member(c: &mut Cursor<'_>) -> Option<MemberRow> {
    Some(MemberRow {
        organization: c.parse()?,
        member: c.parse()?,
        user: c.parse()?,
        role: Role::from_name(&c.text()?)?,
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

fn member_user(row: &dyn Row) -> Option<MemberUserRow> {
    let mut c = Cursor::new(row);
    Some(MemberUserRow { member: member(&mut c)?, user: users::read(&mut c)? })
}
