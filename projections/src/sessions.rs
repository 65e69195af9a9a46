//! `sessions`: one row for each session of a user that exists. An ended session keeps its row until the user goes.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{OrganizationId, SessionId, UserId};
use chrysalis_domain::user::event::EndReason;
use chrysalis_domain::user::{Impersonation, UserEvent};
use chrysalis_domain::value::{Carrier, Method};

use crate::table::{
    Change, Column, Cursor, Index, Question, Row, Sealed, Table, Value, bytes, id, integer, sealed, sealed_record, text,
};
use crate::users::{self, UserRow, user_columns};

pub static SESSIONS: Table = Table {
    name: "sessions",
    key: &["session_id"],
    columns: COLUMNS,
    // The locator is time-ordered: with a random index a million users halve guest creation (docs/decisions/0003).
    indexes: &[
        Index { columns: &["locator"], unique: false, only_present: false },
        Index { columns: &["previous_locator"], unique: false, only_present: true },
        Index { columns: &["user_id"], unique: false, only_present: false },
    ],
    shared: false,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("session_id"),
    text("user_id"),
    text("locator"),
    bytes("token_hash"),
    text("previous_locator").optional(),
    bytes("previous_hash").optional(),
    integer("previous_until").optional(),
    integer("created_at"),
    integer("updated_at"),
    integer("expires_at"),
    integer("remembered"),
    integer("authenticated_at"),
    text("method"),
    integer("last_seen_at"),
    integer("presented"),
    integer("by_cookie"),
    integer("replayable_until").optional(),
    integer("ended_at").optional(),
    text("end_reason").optional(),
    // The membership that was chosen last: it shows while it stands.
    text("active_member_id").optional(),
    // Network address and user agent.
    sealed_record!("client"),
    integer("rotation_due"),
    // Whoever acts as the user by it, and by which session of their own.
    text("impersonated_by").optional(),
    text("impersonator_session").optional(),
];

pub fn fold(user: UserId, event: &UserEvent, at: Timestamp, out: &mut Vec<Change>) {
    let mut set = |session, columns: &'static [&'static str], values: Vec<Value>| {
        let mut values = values;
        values.push(id(session));
        out.push(Change::Update { table: &SESSIONS, set: columns, by: "session_id", values });
    };
    const RENEWED: &[&str] = &["expires_at", "remembered", "authenticated_at", "method", "updated_at", "last_seen_at"];
    match event {
        UserEvent::SessionStarted(e) => {
            let began = e.authentication.at;
            let values = vec![
                id(e.session),
                id(user),
                Value::Text(e.locator.as_str().to_owned()),
                e.token_hash.0.into(),
                Value::Null,
                Value::Null,
                Value::Null,
                at.into(),
                at.into(),
                e.expires_at.into(),
                e.remembered.into(),
                began.into(),
                e.authentication.method.name().into(),
                began.into(),
                false.into(),
                false.into(),
                e.replayable_until.into(),
                Value::Null,
                Value::Null,
                Value::Null,
                e.client.map_or(Value::Null, id),
                false.into(),
                e.impersonation.map_or(Value::Null, |impersonation| id(impersonation.by)),
                e.impersonation.and_then(|impersonation| impersonation.session).map_or(Value::Null, id),
            ];
            out.push(Change::Insert { table: &SESSIONS, values });
        }
        UserEvent::UpgradeBegun(e) => {
            let (began, method) = (e.authentication.at, e.authentication.method.name());
            set(
                e.session,
                RENEWED,
                vec![e.expires_at.into(), e.remembered.into(), began.into(), method.into(), at.into(), began.into()],
            );
        }
        UserEvent::GuestUpgraded(e) => {
            if let Some(renewed) = &e.session {
                let (began, method) = (e.authentication.at, e.authentication.method.name());
                let values = vec![
                    renewed.expires_at.into(),
                    renewed.remembered.into(),
                    began.into(),
                    method.into(),
                    at.into(),
                    began.into(),
                ];
                set(renewed.session, RENEWED, values);
            }
        }
        UserEvent::ActivityRecorded(e) => match e.carrier {
            Carrier::Cookie => {
                set(e.session, &["last_seen_at", "presented", "by_cookie"], vec![e.at.into(), true.into(), true.into()])
            }
            Carrier::Bearer => set(e.session, &["last_seen_at", "presented"], vec![e.at.into(), true.into()]),
            Carrier::Replay => set(e.session, &["last_seen_at"], vec![e.at.into()]),
        },
        UserEvent::SessionExtended(e) => set(
            e.session,
            &["expires_at", "updated_at", "last_seen_at"],
            vec![e.expires_at.into(), e.at.into(), e.at.into()],
        ),
        UserEvent::SessionRotated(e) => {
            let previous = e.previous.as_ref();
            set(
                e.session,
                &[
                    "locator",
                    "token_hash",
                    "previous_locator",
                    "previous_hash",
                    "previous_until",
                    "rotation_due",
                    "updated_at",
                ],
                vec![
                    Value::Text(e.locator.as_str().to_owned()),
                    e.token_hash.0.into(),
                    previous.map(|previous| previous.locator.as_str().to_owned()).into(),
                    previous.map(|previous| previous.token_hash.0).into(),
                    previous.map(|previous| previous.readable_until).into(),
                    false.into(),
                    e.at.into(),
                ],
            );
        }
        // Its row goes with the user's, in the same append.
        UserEvent::SessionEnded(e) if e.reason == EndReason::Deleted => {}
        UserEvent::SessionEnded(e) => {
            set(e.session, &["ended_at", "end_reason"], vec![e.at.into(), e.reason.name().into()])
        }
        UserEvent::OrganizationActivated(e) => {
            let member = e.membership.map(|membership| id(membership.member));
            set(e.session, &["active_member_id", "updated_at"], vec![member.unwrap_or(Value::Null), e.at.into()]);
        }
        UserEvent::GuestRestored(e) => {
            for session in &e.sessions {
                set(*session, &["ended_at", "end_reason"], vec![Value::Null, Value::Null]);
            }
        }
        UserEvent::RoleSet(_) => out.push(Change::Update {
            table: &SESSIONS,
            set: &["rotation_due"],
            by: "user_id",
            values: vec![true.into(), id(user)],
        }),
        UserEvent::UserDeleted(_) => out.push(Change::Delete { table: &SESSIONS, by: "user_id", value: id(user) }),
        UserEvent::GuestCreated(_)
        | UserEvent::MemberSignedUp(_)
        | UserEvent::UpgradeSuperseded(_)
        | UserEvent::EmailClaimed(_)
        | UserEvent::EmailVerificationRequested(_)
        | UserEvent::EmailVerified(_)
        | UserEvent::EmailReleased(_)
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
        | UserEvent::GuestExpiryAnnounced(_)
        | UserEvent::GuestHeld(_)
        | UserEvent::GuestReleased(_)
        | UserEvent::IdentityLinked(_)
        | UserEvent::IdentityUnlinked(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::AppMetadataSet(_)
        | UserEvent::UserBanned(_)
        | UserEvent::UserUnbanned(_)
        | UserEvent::EmailUnverified(_)
        | UserEvent::PendingVoided(_)
        | UserEvent::GuestDisabled(_) => {}
    }
}

/// A session and its user as sign-in and every authenticated call need them: unread.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub session: SessionId,
    pub locator: String,
    pub token_hash: Vec<u8>,
    pub previous_locator: Option<String>,
    pub previous_hash: Option<Vec<u8>>,
    pub previous_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Timestamp,
    pub remembered: bool,
    pub authenticated_at: Timestamp,
    pub method: Method,
    pub last_seen_at: Timestamp,
    pub presented: bool,
    pub by_cookie: bool,
    pub replayable_until: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Where the user works in this session, as long as they are the member they were when they chose it.
    pub active_organization: Option<OrganizationId>,
    pub client: Option<Sealed>,
    /// The user's roles changed since the token was made.
    pub rotation_due: bool,
    pub impersonation: Option<Impersonation>,
    pub user: UserRow,
}

macro_rules! session_question {
    ($condition:literal) => {
        concat!(
            "SELECT s.session_id, s.locator, s.token_hash, s.previous_locator, s.previous_hash, s.previous_until,
                    s.created_at, s.updated_at, s.expires_at, s.remembered, s.authenticated_at, s.method,
                    s.last_seen_at, s.presented, s.by_cookie, s.replayable_until, s.ended_at,
                    a.organization_id, ",
            sealed!("s.client"),
            ", s.rotation_due, s.impersonated_by, s.impersonator_session",
            ", ",
            user_columns!(),
            " FROM sessions s JOIN users u ON u.user_id = s.user_id
                   LEFT JOIN members a ON a.member_id = s.active_member_id WHERE ",
            $condition
        )
    };
}

/// `?1` = locator of the token that stands. Two tokens may share one: compare the hash.
pub static BY_LOCATOR: Question<SessionRow> = Question { sql: session_question!("s.locator = ?1"), read: session };

/// `?1` = locator of a token that was rotated away.
pub static BY_PREVIOUS_LOCATOR: Question<SessionRow> =
    Question { sql: session_question!("s.previous_locator = ?1"), read: session };

/// `?1` = session id.
pub static BY_ID: Question<SessionRow> = Question { sql: session_question!("s.session_id = ?1"), read: session };

/// `?1` = user id, `?2` = now. The live sessions, newest first.
pub static LIVE_OF_USER: Question<SessionRow> = Question {
    sql: session_question!("s.user_id = ?1 AND s.ended_at IS NULL AND s.expires_at > ?2 ORDER BY s.session_id DESC"),
    read: session,
};

/// `?1` = user id, `?2` = a time. Sessions in which somebody authenticated since then, ended ones too.
pub static SINCE_OF_USER: Question<SessionRow> = Question {
    sql: session_question!("s.user_id = ?1 AND s.authenticated_at >= ?2 ORDER BY s.session_id DESC LIMIT 100"),
    read: session,
};

/// `?1` = user id, `?2` = a session id, `?3` = how many. Those behind it, ended ones too.
pub static OF_USER: Question<SessionRow> = Question {
    sql: session_question!("s.user_id = ?1 AND s.session_id > ?2 ORDER BY s.session_id LIMIT ?3"),
    read: session,
};

fn session(row: &dyn Row) -> Option<SessionRow> {
    let mut c = Cursor::new(row);
    Some(SessionRow {
        session: c.parse()?,
        locator: c.text()?,
        token_hash: c.bytes()?,
        previous_locator: c.text(),
        previous_hash: c.bytes(),
        previous_until: c.time(),
        created_at: c.time()?,
        updated_at: c.time()?,
        expires_at: c.time()?,
        remembered: c.flag(),
        authenticated_at: c.time()?,
        method: Method::from_name(&c.text()?)?,
        last_seen_at: c.time()?,
        presented: c.flag(),
        by_cookie: c.flag(),
        replayable_until: c.time(),
        ended_at: c.time(),
        active_organization: c.parse(),
        client: c.sealed(),
        rotation_due: c.flag(),
        impersonation: {
            let (by, session) = (c.parse(), c.parse());
            by.map(|by| Impersonation { by, session })
        },
        user: users::read(&mut c)?,
    })
}
