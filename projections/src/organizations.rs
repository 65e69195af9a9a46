//! `organizations`: one row for each organization that exists.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{OrganizationId, PersonId};
use chrysalis_domain::organization::OrganizationEvent;

use crate::table::{Change, Column, Cursor, Question, Sealed, Table, Value, id, integer, sealed, sealed_record, text};
use crate::users::{PERSON_KEY, WrappedKey};

pub static ORGANIZATIONS: Table = Table {
    name: "organizations",
    key: &["organization_id"],
    columns: COLUMNS,
    indexes: &[],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("organization_id"),
    text("person_id").with(PERSON_KEY),
    sealed_record!("name"),
    sealed_record!("slug"),
    sealed_record!("logo"),
    sealed_record!("metadata"),
    integer("created_at"),
    integer("updated_at"),
];

pub fn fold(organization: OrganizationId, event: &OrganizationEvent, at: Timestamp, out: &mut Vec<Change>) {
    let mut set = |columns: &'static [&'static str], value: Value| {
        let values = vec![value, at.into(), id(organization)];
        out.push(Change::Update { table: &ORGANIZATIONS, set: columns, by: "organization_id", values });
    };
    match event {
        OrganizationEvent::OrganizationCreated(e) => {
            let values = vec![
                id(organization),
                id(e.person),
                id(e.name),
                Value::Null,
                e.logo.map(id).into(),
                e.metadata.map(id).into(),
                at.into(),
                at.into(),
            ];
            out.push(Change::Insert { table: &ORGANIZATIONS, values });
        }
        OrganizationEvent::SlugClaimed(e) => set(&["slug", "updated_at"], id(e.slug)),
        OrganizationEvent::SlugReleased(_) => set(&["slug", "updated_at"], Value::Null),
        OrganizationEvent::OrganizationUpdated(e) => {
            if let Some(name) = e.name {
                set(&["name", "updated_at"], id(name));
            }
            if !e.logo.is_kept() {
                set(&["logo", "updated_at"], e.logo.sealed().map(id).into());
            }
            if !e.metadata.is_kept() {
                set(&["metadata", "updated_at"], e.metadata.sealed().map(id).into());
            }
        }
        OrganizationEvent::OrganizationDeleted(_) => {
            out.push(Change::Delete { table: &ORGANIZATIONS, by: "organization_id", value: id(organization) });
        }
        OrganizationEvent::MemberAdded(_)
        | OrganizationEvent::MemberRoleChanged(_)
        | OrganizationEvent::MemberRemoved(_)
        | OrganizationEvent::InvitationCreated(_)
        | OrganizationEvent::InvitationRenewed(_)
        | OrganizationEvent::InvitationAccepted(_)
        | OrganizationEvent::InvitationRejected(_)
        | OrganizationEvent::InvitationRevoked(_)
        | OrganizationEvent::OrganizationHeld(_) => {}
    }
}

/// An organization, unread.
#[derive(Clone, Debug)]
pub struct OrganizationRow {
    pub organization: OrganizationId,
    pub person: PersonId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub name: Option<Sealed>,
    pub slug: Option<Sealed>,
    pub logo: Option<Sealed>,
    pub metadata: Option<Sealed>,
    pub key: Option<WrappedKey>,
}

/// The columns that [`read`] reads, in its order.
macro_rules! organization_columns {
    () => {
        concat!(
            "o.organization_id, o.person_id, o.created_at, o.updated_at, ",
            sealed!("o.name"),
            ", ",
            sealed!("o.slug"),
            ", ",
            sealed!("o.logo"),
            ", ",
            sealed!("o.metadata"),
            ", o.person_key_epoch, o.person_key"
        )
    };
}

pub(crate) use organization_columns;

/// `?1` = organization id.
pub static BY_ID: Question<OrganizationRow> = Question {
    sql: concat!("SELECT ", organization_columns!(), " FROM organizations o WHERE o.organization_id = ?1"),
    read: |row| read(&mut Cursor::new(row)),
};

/// `?1` = user id. Those the user is a member of, in the order in which they became one.
pub static OF_USER: Question<OrganizationRow> = Question {
    sql: concat!(
        "SELECT ",
        organization_columns!(),
        " FROM members m JOIN organizations o ON o.organization_id = m.organization_id
          WHERE m.user_id = ?1 ORDER BY m.member_id"
    ),
    read: |row| read(&mut Cursor::new(row)),
};

/// `?1` = an id, `?2` = how many. Those behind it, oldest first.
pub static ABOVE: Question<OrganizationRow> = Question {
    sql: concat!(
        "SELECT ",
        organization_columns!(),
        " FROM organizations o WHERE o.organization_id > ?1 ORDER BY o.organization_id LIMIT ?2"
    ),
    read: |row| read(&mut Cursor::new(row)),
};

/// `?1` = an id, `?2` = how many. Those before it, newest first.
pub static BELOW: Question<OrganizationRow> = Question {
    sql: concat!(
        "SELECT ",
        organization_columns!(),
        " FROM organizations o WHERE o.organization_id < ?1 ORDER BY o.organization_id DESC LIMIT ?2"
    ),
    read: |row| read(&mut Cursor::new(row)),
};

pub fn read(c: &mut Cursor<'_>) -> Option<OrganizationRow> {
    Some(OrganizationRow {
        organization: c.parse()?,
        person: c.parse()?,
        created_at: c.time()?,
        updated_at: c.time()?,
        name: c.sealed(),
        slug: c.sealed(),
        logo: c.sealed(),
        metadata: c.sealed(),
        key: WrappedKey::read(c),
    })
}
