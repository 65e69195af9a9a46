//! `invitations`: one row for each invitation of an organization that exists, ended ones too. It goes with the
//! organization, and with the user whose address it names. One that ended tells what became of it, and no address.

use chrysalis_domain::id::{ClaimId, InvitationId, OrganizationId, PersonId, UserId};
use chrysalis_domain::organization::event::RevocationReason;
use chrysalis_domain::organization::{OrganizationEvent, Role};
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::{Event, Timestamp};

use crate::claims::{ClaimKeys, ClaimKind};
use crate::organizations::{self, OrganizationRow, organization_columns};
use crate::table::{
    Change, Column, Cursor, Index, Question, Row, Sealed, Table, Value, bytes, id, integer, sealed, sealed_record, text,
};
use crate::users::{PERSON_KEY, WrappedKey};

pub static INVITATIONS: Table = Table {
    name: "invitations",
    key: &["organization_id", "invitation_id"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["invitation_id"], unique: true, only_present: false },
        Index { columns: &["hash"], unique: false, only_present: true },
        Index { columns: &["user_id"], unique: false, only_present: true },
        Index { columns: &["open_until"], unique: false, only_present: true },
    ],
    // Made by the organization; gone with a user.
    shared: true,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("organization_id"),
    text("invitation_id"),
    // While it is open.
    text("person_id").optional().with(PERSON_KEY),
    sealed_record!("address"),
    // Of the address, as in `claims`.
    bytes("hash").optional(),
    integer("key_id").optional(),
    integer("open_until").optional(),
    // Who held the address when it was invited, or followed the invitation.
    text("user_id").optional(),
    text("role"),
    text("status"),
    text("inviter_id").optional(),
    integer("created_at"),
    integer("expires_at"),
];

/// What became of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Accepted,
    Rejected,
    Canceled,
    /// As it is told of one that nobody has answered in time.
    Expired,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::Pending, Status::Accepted, Status::Rejected, Status::Canceled, Status::Expired];

    pub const fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Accepted => "accepted",
            Status::Rejected => "rejected",
            Status::Canceled => "canceled",
            Status::Expired => "expired",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

pub fn fold(event: &Event, at: Timestamp, keys: &dyn ClaimKeys, out: &mut Vec<Change>) {
    let ended = |invitation: InvitationId, status: Status| Change::Update {
        table: &INVITATIONS,
        set: &["status", "person_id", "address", "hash", "key_id", "open_until"],
        by: "invitation_id",
        values: vec![
            status.name().into(),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            id(invitation),
        ],
    };
    let (organization, event) = match event {
        Event::Organization(organization, event) => (organization, event),
        Event::User(user, UserEvent::UserDeleted(_)) => {
            out.push(Change::Delete { table: &INVITATIONS, by: "user_id", value: id(user) });
            return;
        }
        _ => return,
    };
    match event {
        OrganizationEvent::InvitationCreated(e) => {
            // Whom the address stood for may be erased since: what became of the invitation is told all the same.
            let key = keys.claim_key(ClaimKind::Email, of_address(e.invitation), e.address);
            let (hash, key_id) = key.map(|key| (key.hash, i64::from(key.key_id))).unzip();
            let values = vec![
                id(organization),
                id(e.invitation),
                id(e.person),
                id(e.address),
                hash.into(),
                key_id.into(),
                e.expires_at.into(),
                e.invitee.map(id).into(),
                e.role.name().into(),
                Status::Pending.name().into(),
                e.inviter.map(id).into(),
                at.into(),
                e.expires_at.into(),
            ];
            out.push(Change::Insert { table: &INVITATIONS, values });
        }
        OrganizationEvent::InvitationRenewed(e) => out.push(Change::Update {
            table: &INVITATIONS,
            set: &["expires_at", "open_until"],
            by: "invitation_id",
            values: vec![e.expires_at.into(), e.expires_at.into(), id(e.invitation)],
        }),
        OrganizationEvent::InvitationAccepted(e) => {
            out.push(ended(e.invitation, Status::Accepted));
            out.push(Change::Update {
                table: &INVITATIONS,
                set: &["user_id"],
                by: "invitation_id",
                values: vec![id(e.user), id(e.invitation)],
            });
        }
        OrganizationEvent::InvitationRejected(e) => out.push(ended(e.invitation, Status::Rejected)),
        OrganizationEvent::InvitationRevoked(e) => {
            let expired = e.reason == RevocationReason::Expired;
            out.push(ended(e.invitation, if expired { Status::Expired } else { Status::Canceled }));
        }
        OrganizationEvent::OrganizationDeleted(_) => {
            out.push(Change::Delete { table: &INVITATIONS, by: "organization_id", value: id(organization) });
        }
        OrganizationEvent::OrganizationCreated(_)
        | OrganizationEvent::OrganizationUpdated(_)
        | OrganizationEvent::SlugClaimed(_)
        | OrganizationEvent::SlugReleased(_)
        | OrganizationEvent::MemberAdded(_)
        | OrganizationEvent::MemberRoleChanged(_)
        | OrganizationEvent::MemberRemoved(_)
        | OrganizationEvent::OrganizationHeld(_) => {}
    }
}

/// How the address of an invitation is asked for: it is no claim, and hashed as one.
pub fn of_address(invitation: InvitationId) -> ClaimId {
    ClaimId::from_ulid(invitation.ulid())
}

/// An invitation, unread.
#[derive(Clone, Debug)]
pub struct InvitationRow {
    pub organization: OrganizationId,
    pub invitation: InvitationId,
    pub person: Option<PersonId>,
    pub hash: Option<Vec<u8>>,
    /// Who held the address when it was invited, or followed the invitation.
    pub user: Option<UserId>,
    pub role: Role,
    /// As it was last told by an event: [`Status::Expired`] only where something made room.
    pub status: Status,
    pub inviter: Option<UserId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub address: Option<Sealed>,
    pub key: Option<WrappedKey>,
}

impl InvitationRow {
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.status == Status::Pending && self.expires_at <= now { Status::Expired } else { self.status }
    }
}

macro_rules! invitation_columns {
    () => {
        concat!(
            "i.organization_id, i.invitation_id, i.person_id, i.hash, i.user_id, i.role, i.status, i.inviter_id, i.created_at,
             i.expires_at, ",
            sealed!("i.address"),
            ", i.person_key_epoch, i.person_key"
        )
    };
}

macro_rules! invitation_question {
    ($rest:literal) => {
        concat!("SELECT ", invitation_columns!(), " FROM invitations i WHERE ", $rest)
    };
}

/// `?1` = invitation id.
pub static BY_ID: Question<InvitationRow> =
    Question { sql: invitation_question!("i.invitation_id = ?1"), read: invitation };

/// `?1` = keyed hash of an address, `?2` = organization id. The one that nobody has answered, whether or not in time.
pub static OPEN_OF_ADDRESS: Question<InvitationRow> = Question {
    sql: invitation_question!("i.hash = ?1 AND i.organization_id = ?2 AND i.status = 'pending'"),
    read: invitation,
};

/// `?1` = organization id, `?2` = a status or nothing, `?3` = now, `?4` = an invitation id, `?5` = how many. Those behind
/// it, oldest first.
pub static ABOVE: Question<InvitationRow> = Question {
    sql: invitation_question!(
        "i.organization_id = ?1
         AND (?2 = '' OR CASE WHEN i.status = 'pending' AND i.expires_at <= ?3 THEN 'expired' ELSE i.status END = ?2)
         AND i.invitation_id > ?4 ORDER BY i.invitation_id LIMIT ?5"
    ),
    read: invitation,
};

/// The same the other way round: those before it, newest first.
pub static BELOW: Question<InvitationRow> = Question {
    sql: invitation_question!(
        "i.organization_id = ?1
         AND (?2 = '' OR CASE WHEN i.status = 'pending' AND i.expires_at <= ?3 THEN 'expired' ELSE i.status END = ?2)
         AND i.invitation_id < ?4 ORDER BY i.invitation_id DESC LIMIT ?5"
    ),
    read: invitation,
};

/// `?1` = user id. Those made to somebody who held the address then, or followed, oldest first; at most 1000.
pub static OF_USER: Question<InvitationRow> =
    Question { sql: invitation_question!("i.user_id = ?1 ORDER BY i.invitation_id LIMIT 1000"), read: invitation };

/// `?1` = now, `?2` = how many. Organizations that have invitations past their time which nobody has answered.
pub static PAST: Question<OrganizationId> = Question {
    sql: "SELECT DISTINCT p.organization_id FROM (
              SELECT i.organization_id FROM invitations i WHERE i.open_until <= ?1 ORDER BY i.open_until LIMIT ?2
          ) p",
    read: |row| Cursor::new(row).parse(),
};

/// An invitation and the organization that it is to.
#[derive(Clone, Debug)]
pub struct InvitedRow {
    pub invitation: InvitationRow,
    pub organization: OrganizationRow,
}

/// `?1` = keyed hash of an address, `?2` = now, `?3` = how many. Those that can be answered, newest first.
pub static OF_ADDRESS: Question<InvitedRow> = Question {
    sql: concat!(
        "SELECT ",
        invitation_columns!(),
        ", ",
        organization_columns!(),
        " FROM invitations i JOIN organizations o ON o.organization_id = i.organization_id
          WHERE i.hash = ?1 AND i.status = 'pending' AND i.expires_at > ?2 ORDER BY i.invitation_id DESC LIMIT ?3"
    ),
    read: |row| {
        let mut c = Cursor::new(row);
        Some(InvitedRow { invitation: read(&mut c)?, organization: organizations::read(&mut c)? })
    },
};

fn invitation(row: &dyn Row) -> Option<InvitationRow> {
    read(&mut Cursor::new(row))
}

fn read(c: &mut Cursor<'_>) -> Option<InvitationRow> {
    Some(InvitationRow {
        organization: c.parse()?,
        invitation: c.parse()?,
        person: c.parse(),
        hash: c.bytes(),
        user: c.parse(),
        role: Role::from_name(&c.text()?)?,
        status: Status::from_name(&c.text()?)?,
        inviter: c.parse(),
        created_at: c.time()?,
        expires_at: c.time()?,
        address: c.sealed(),
        key: WrappedKey::read(c),
    })
}
