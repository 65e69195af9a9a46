//! Sends the mails that wait to be sent: at least once each, again after a while when it did not work, and after some days no
//! more. What became of a mail is an event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrysalis_domain::event::{Event, Subject};
use chrysalis_domain::id::{CommandId, EventId, SealedId};
use chrysalis_domain::mail::{MailDeferred, MailEvent, MailGivenUp, MailSent, Reason};
use chrysalis_domain::{Span, Timestamp};
use chrysalis_projections::invitations::{self, Status};
use chrysalis_projections::mails::{self, MailRow};
use chrysalis_projections::table;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::Lease;
use super::in_turn::InTurn;
use crate::app::challenge::Details;
use crate::clock::Clock;
use crate::entropy::{self, Entropy};
use crate::keys::{Keyring, MailedSecret, Record, SealKind, mailed_secret};
use crate::log::{Context, Expected, Group, Lane, Log, LogFault, Position, Refused, ask, ask_one};
use crate::mail::{Letter, Post, SendError, Transport};
use crate::wire::origin::Origin;
use crate::wire::uri::encode_component;

/// Mails on their way at the same time: one slow server holds up so many and no more.
const AT_ONCE: usize = 8;
/// Rows looked at a time.
const PAGE: i64 = 64;
/// How long after each failure a mail is tried again; after the last it is given up.
const TRIES: [Span; 9] = [
    Span::from_secs(5),
    Span::from_secs(20),
    Span::from_secs(60),
    Span::from_secs(300),
    Span::from_secs(1_800),
    Span::from_hours(2),
    Span::from_hours(6),
    Span::from_hours(12),
    Span::from_days(1),
];
/// How often to look whether a mail has come due, while some wait.
const LOOK: Duration = Duration::from_millis(500);

pub struct Mailer {
    pub log: Arc<dyn Log>,
    pub keyring: Arc<Keyring>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub post: Post,
    pub public: Origin,
    /// Where invitations lead, with `{id}` in it.
    pub invitation_url: String,
}

/// What became of an attempt.
enum Outcome {
    Sent,
    Failed(SendError),
    /// Nobody waits for it any more.
    Pointless(Reason),
}

impl InTurn for Mailer {
    const NAME: &'static str = "mail";
    const AFTER_FAULT: Duration = Duration::from_secs(1);
    const STANDS_STILL: &'static str = "mails stand still; they will be tried again";

    async fn turn(&mut self, lease: &mut Lease, _head: Position) -> Result<Duration, LogFault> {
        let waiting = self.round(lease).await?;
        lease.waiting(Some(waiting));
        Ok(if waiting > 0 { LOOK } else { lease.third() })
    }

    fn woken_after(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn stands_aside(&mut self, lease: &Lease) {
        lease.waiting(None);
    }
}

impl Mailer {
    /// Tries what is due; answers how many mails wait for a later time, as far as one page tells.
    async fn round(&self, lease: &Lease) -> Result<u64, LogFault> {
        loop {
            let now = self.clock.now();
            let rows = ask(self.log.as_ref(), &mails::NEXT, &[PAGE.into()]).await?;
            let (due, waiting): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.due_at <= now);
            if due.is_empty() || !lease.stands() {
                return Ok(waiting.len() as u64);
            }
            let mut under_way = FuturesUnordered::new();
            let mut due = due.into_iter();
            loop {
                while under_way.len() < AT_ONCE
                    && let Some(row) = due.next()
                {
                    under_way.push(self.deliver(row, now));
                }
                match under_way.next().await {
                    Some(delivered) => delivered?,
                    None => break,
                }
            }
        }
    }

    async fn deliver(&self, row: MailRow, now: Timestamp) -> Result<(), LogFault> {
        let outcome = match self.letter(&row, now).await? {
            Ok(letter) => match self.post.send(&letter).await {
                Ok(()) => {
                    self.forget_the_erased(&row, &letter).await?;
                    Outcome::Sent
                }
                Err(error) => Outcome::Failed(error),
            },
            Err(pointless) => Outcome::Pointless(pointless),
        };
        let at = self.clock.now();
        let next = TRIES.get(row.attempts as usize);
        let event: MailEvent = match (outcome, next) {
            (Outcome::Sent, _) => MailSent { at }.into(),
            (Outcome::Pointless(reason), _) => MailGivenUp { reason, at }.into(),
            (Outcome::Failed(SendError::Transient(why)), Some(after)) => {
                tracing::warn!(mail = %row.mail, attempt = row.attempts + 1, why, "a mail could not be sent; it will be tried again");
                MailDeferred { attempt: row.attempts + 1, due_at: at + *after, at }.into()
            }
            (Outcome::Failed(error), _) => {
                tracing::error!(mail = %row.mail, kind = row.kind, %error, "a mail is given up");
                let refused = matches!(error, SendError::Permanent(_));
                let reason = if refused { Reason::Refused } else { Reason::Exhausted };
                MailGivenUp { reason, at }.into()
            }
        };
        self.note(&row, event, at).await
    }

    /// Of whoever was erased while their mail was written, it is not kept: who removes such mails may have looked before.
    async fn forget_the_erased(&self, row: &MailRow, letter: &Letter) -> Result<(), LogFault> {
        let Transport::Outbox(outbox) = &self.post.transport else { return Ok(()) };
        if Record::find(self.log.as_ref(), &self.keyring, row.address).await?.is_none() {
            let gone = BTreeSet::from([letter.person]);
            outbox.forget(&gone).map_err(|error| LogFault::Unavailable(format!("the outbox: {error}")))?;
        }
        Ok(())
    }

    /// The events of a mail are those of its attempts: who notes one must have seen all before it.
    async fn note(&self, row: &MailRow, event: MailEvent, at: Timestamp) -> Result<(), LogFault> {
        let fresh = || entropy::ulid(self.entropy.as_ref(), at);
        let context = Context::of_system(CommandId::from_ulid(fresh()));
        let mut group = Group { rests_on_settings: false, ..Group::new(context) };
        group.lane = Lane::Bulk;
        let expected = match row.attempts {
            0 => Expected::NoStream,
            attempts => Expected::Exact(attempts.into()),
        };
        let event = Event::Mail(row.mail, event);
        group.append(Subject::Mail(row.mail), expected, &[event], at, || EventId::from_ulid(fresh()))?;
        let Err(error) = self.log.append(group).await else { return Ok(()) };
        match error.refusal()? {
            // Another node had the turn in the meantime and has noted it.
            Refused::Version { .. } => Ok(()),
            other => Err(LogFault::Bug(format!("a mail is refused: {other:?}"))),
        }
    }

    /// What to send, or why nobody waits for it.
    async fn letter(&self, row: &MailRow, now: Timestamp) -> Result<Result<Letter, Reason>, LogFault> {
        if row.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Ok(Err(Reason::Expired));
        }
        let record = Record::find(self.log.as_ref(), &self.keyring, row.address).await?;
        let read =
            |record: Record| Ok::<_, LogFault>(record.read(SealKind::Email)?.map(|to| (record.sealer.person(), to)));
        let Some((person, to)) = record.map(read).transpose()?.flatten() else { return Ok(Err(Reason::Erased)) };
        let mut letter = Letter {
            mail: row.mail,
            kind: row.kind.clone(),
            person,
            to,
            locale: row.locale,
            at: row.asked_at,
            url: None,
            token: None,
            code: None,
        };
        if let Some(invitation) = row.invitation {
            let standing = ask_one(self.log.as_ref(), &invitations::BY_ID, &[table::id(invitation)]).await?;
            if standing.is_none_or(|standing| standing.status_at(now) != Status::Pending) {
                return Ok(Err(Reason::Expired));
            }
            letter.url = Some(self.invitation_url.replace("{id}", &invitation.to_string()));
        }
        let Some(challenge) = row.challenge else { return Ok(Ok(letter)) };
        let secret = mailed_secret(&self.keyring, None, &row.kind, challenge);
        match secret.ok_or_else(|| LogFault::Bug("there is no key for mail tokens".to_owned()))? {
            MailedSecret::Code(code) => letter.code = Some(code),
            MailedSecret::Token(token) => {
                let details = self.details(row).await?;
                letter.url = Some(link(&self.public, &row.kind, &token, &details));
                letter.token = Some(token);
            }
        }
        Ok(Ok(letter))
    }

    async fn details(&self, row: &MailRow) -> Result<Details, LogFault> {
        let Some(sealed) = row.details else { return Ok(Details::default()) };
        // A verification link has a place to lead to, and nothing else.
        if row.kind == mails::VERIFY_EMAIL {
            let callback_url = self.open(SealKind::CallbackUrl, sealed).await?;
            return Ok(Details { callback_url, ..Details::default() });
        }
        let json = self.open(SealKind::Details, sealed).await?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }

    async fn open(&self, kind: SealKind, sealed: SealedId) -> Result<Option<String>, LogFault> {
        Record::open(self.log.as_ref(), &self.keyring, kind, sealed).await
    }
}

/// The link in a mail. It begins with the public URL, whatever a request called this host.
fn link(public: &Origin, kind: &str, token: &str, details: &Details) -> String {
    let base = format!("{public}/api/auth");
    let mut url = match kind {
        "magic-link" | "confirm-address" => format!("{base}/magic-link/verify?token={token}"),
        "reset-password" => format!("{base}/reset-password/{token}"),
        "email-changed" => format!("{base}/change-email/undo?token={token}"),
        "delete-user" => format!("{base}/delete-user/callback?token={token}"),
        _ => format!("{base}/verify-email?token={token}"),
    };
    let parameters = [
        ("callbackURL", &details.callback_url),
        ("newUserCallbackURL", &details.new_user_callback_url),
        ("errorCallbackURL", &details.error_callback_url),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            let before = if url.contains('?') { '&' } else { '?' };
            url += &format!("{before}{name}={}", encode_component(value));
        }
    }
    url
}
