//! `mails`: what is to be sent, and when it is tried next. A row goes when its mail is sent, given up or of no use any
//! more.

use chrysalis_domain::challenge::{ChallengeEvent, Purpose};
use chrysalis_domain::id::{ChallengeId, InvitationId, MailId, SealedId, UserId};
use chrysalis_domain::mail::MailEvent;
use chrysalis_domain::organization::OrganizationEvent;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::value::Locale;
use chrysalis_domain::{Event, Timestamp};

use crate::table::{Change, Column, Cursor, Index, Question, Table, Value, id, integer, text};

pub static MAILS: Table = Table {
    name: "mails",
    key: &["mail_id"],
    columns: COLUMNS,
    indexes: &[
        Index { columns: &["due_at"], unique: false, only_present: false },
        Index { columns: &["user_id"], unique: false, only_present: true },
    ],
    // A mail is asked for by one stream, and what becomes of it stands in its own.
    shared: true,
    clustered: false,
};

const COLUMNS: &[Column] = &[
    text("mail_id"),
    text("kind"),
    text("user_id").optional(),
    text("challenge_id").optional(),
    text("invitation_id").optional(),
    // Names of sealed records, opened when the mail is made.
    text("address"),
    text("details").optional(),
    text("locale"),
    integer("asked_at"),
    integer("expires_at").optional(),
    integer("attempts"),
    integer("due_at"),
];

/// The kind of the mail with a verification link.
pub const VERIFY_EMAIL: &str = "verify-email";

/// The kind of the mail that tells of an invitation.
pub const INVITATION: &str = "invitation";

/// The kind of the mail that carries a challenge.
pub const fn kind_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::MagicLink => "magic-link",
        Purpose::ConfirmAddress => "confirm-address",
        Purpose::SignInCode => "otp:sign-in",
        Purpose::VerificationCode => "otp:email-verification",
        Purpose::ResetCode => "otp:forget-password",
        Purpose::ResetLink => "reset-password",
        Purpose::ChangeEmail => "change-email",
        Purpose::UndoEmailChange => "email-changed",
        Purpose::DeleteUser => "delete-user",
    }
}

pub fn fold(event: &Event, at: Timestamp, out: &mut Vec<Change>) {
    match event {
        Event::User(user, UserEvent::EmailVerificationRequested(e)) => {
            let locale = e.locale.unwrap_or(Locale::ENGLISH);
            let mut mail = Asked::new(MailId::from_ulid(e.challenge.ulid()), VERIFY_EMAIL, e.address, locale, at);
            (mail.user, mail.challenge, mail.details) = (Some(*user), Some(e.challenge), e.callback_url);
            mail.expires_at = Some(e.expires_at);
            out.push(mail.row());
        }
        Event::User(user, UserEvent::NoticeRequested(e)) => {
            let mut mail = Asked::new(e.mail, e.notice.name(), e.address, e.locale, at);
            mail.user = Some(*user);
            out.push(mail.row());
        }
        Event::User(user, UserEvent::UserDeleted(_)) => {
            out.push(Change::Delete { table: &MAILS, by: "user_id", value: id(user) });
        }
        // Where a proof can only do something for who holds the address, nobody's address gets no mail.
        Event::Challenge(challenge, ChallengeEvent::ChallengeIssued(e))
            if !e.silent && (e.holder.is_some() || e.purpose.mails_strangers()) =>
        {
            let mut mail = Asked::new(carrying(*challenge), kind_of(e.purpose), e.address, e.locale, at);
            (mail.challenge, mail.details, mail.expires_at) = (Some(*challenge), e.details, Some(e.expires_at));
            out.push(mail.row());
        }
        Event::Challenge(challenge, ChallengeEvent::ChallengeMet(_) | ChallengeEvent::ChallengeVoided(_)) => {
            out.push(gone(carrying(*challenge)));
        }
        Event::Organization(_, OrganizationEvent::InvitationCreated(e)) => {
            let mail = e.mail.map(|mail| Asked::new(mail, INVITATION, e.address, e.locale, at));
            out.extend(mail.map(|mail| mail.inviting(e.invitation, e.invitee, e.expires_at).row()));
        }
        Event::Organization(_, OrganizationEvent::InvitationRenewed(e)) => {
            let mail = e.mail.map(|mail| Asked::new(mail, INVITATION, e.address, e.locale, at));
            out.extend(mail.map(|mail| mail.inviting(e.invitation, e.invitee, e.expires_at).row()));
        }
        Event::Mail(mail, MailEvent::MailSent(_) | MailEvent::MailGivenUp(_)) => out.push(gone(*mail)),
        Event::Mail(mail, MailEvent::MailDeferred(e)) => out.push(Change::Update {
            table: &MAILS,
            set: &["attempts", "due_at"],
            by: "mail_id",
            values: vec![i64::from(e.attempt).into(), e.due_at.into(), id(mail)],
        }),
        _ => {}
    }
}

/// The mail that carries a challenge.
pub fn carrying(challenge: ChallengeId) -> MailId {
    MailId::from_ulid(challenge.ulid())
}

fn gone(mail: MailId) -> Change {
    Change::Delete { table: &MAILS, by: "mail_id", value: id(mail) }
}

struct Asked {
    mail: MailId,
    kind: &'static str,
    address: SealedId,
    locale: Locale,
    at: Timestamp,
    user: Option<UserId>,
    challenge: Option<ChallengeId>,
    invitation: Option<InvitationId>,
    details: Option<SealedId>,
    expires_at: Option<Timestamp>,
}

impl Asked {
    fn new(mail: MailId, kind: &'static str, address: SealedId, locale: Locale, at: Timestamp) -> Self {
        let (user, challenge, invitation, details, expires_at) = (None, None, None, None, None);
        Self { mail, kind, address, locale, at, user, challenge, invitation, details, expires_at }
    }

    fn inviting(self, invitation: InvitationId, invitee: Option<UserId>, expires_at: Timestamp) -> Self {
        Self { invitation: Some(invitation), user: invitee, expires_at: Some(expires_at), ..self }
    }

    fn row(self) -> Change {
        let values = vec![
            id(self.mail),
            self.kind.into(),
            self.user.map(id).into(),
            self.challenge.map(id).into(),
            self.invitation.map(id).into(),
            id(self.address),
            self.details.map(id).into(),
            self.locale.as_str().to_owned().into(),
            self.at.into(),
            self.expires_at.into(),
            Value::Integer(0),
            self.at.into(),
        ];
        Change::Insert { table: &MAILS, values }
    }
}

/// A mail that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRow {
    pub mail: MailId,
    pub kind: String,
    pub challenge: Option<ChallengeId>,
    pub invitation: Option<InvitationId>,
    pub address: SealedId,
    pub details: Option<SealedId>,
    pub locale: Locale,
    pub asked_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub attempts: u32,
    pub due_at: Timestamp,
}

/// `?1` = how many. The mails that are due first, whether or not they are due yet.
pub static NEXT: Question<MailRow> = Question {
    sql: "SELECT m.mail_id, m.kind, m.challenge_id, m.invitation_id, m.address, m.details, m.locale, m.asked_at,
                 m.expires_at, m.attempts, m.due_at
          FROM mails m ORDER BY m.due_at, m.mail_id LIMIT ?1",
    read: |row| {
        let mut c = Cursor::new(row);
        Some(MailRow {
            mail: c.parse()?,
            kind: c.text()?,
            challenge: c.parse(),
            invitation: c.parse(),
            address: c.parse()?,
            details: c.parse(),
            locale: Locale::parse(&c.text()?)?,
            asked_at: c.time()?,
            expires_at: c.time(),
            attempts: c.integer()?.try_into().ok()?,
            due_at: c.time()?,
        })
    },
};
