//! Mails that follow from events, and the outbox they are kept in while no mail server is configured.
//!
//! A mail's name is that of the event it follows from, so a mail that is made twice is still one file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::UserId;
use chrysalis_domain::user::UserEvent;
use chrysalis_domain::user::event::EmailVerificationRequested;
use chrysalis_projections::table::{self, Cursor, Question, Sealed};
use chrysalis_projections::users::{self, WrappedKey};
use mail_builder::MessageBuilder;
use serde::{Deserialize, Serialize};

use super::{Follower, FollowerError};
use crate::app::verify_email::VERIFY_EMAIL;
use crate::keys::{Keyring, PersonSealer, SealKind, mail_token};
use crate::log::{Log, Recorded, ask_one, read_user_event};
use crate::wire::origin::Origin;
use crate::wire::uri::encode_component;

/// A mail, as the outbox shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    pub kind: String,
    pub to: String,
    pub subject: String,
    pub url: Option<String>,
    pub token: Option<String>,
    pub otp: Option<String>,
    /// When it was asked for, in ms.
    pub at: i64,
}

/// Keeps mails as files: an `.eml` for a mail program and a `.json` beside it for programs.
#[derive(Clone, Debug)]
pub struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// Makes the folder, for its owner alone.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = data_dir.join("outbox");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn put(&self, name: &str, mail: &Mail, from: &str, text: &str) -> io::Result<()> {
        let message = MessageBuilder::new()
            .from(("Chrysalis", from))
            .to(mail.to.as_str())
            .subject(mail.subject.as_str())
            .message_id(format!("{name}@chrysalis"))
            .date(mail.at / 1000)
            .text_body(text);
        self.write(&format!("{name}.eml"), &message.write_to_vec()?)?;
        self.write(&format!("{name}.json"), &serde_json::to_vec(mail)?)
    }

    /// Whole or not at all: a reader never sees half a mail.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        io::Write::write_all(&mut file, content)?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    /// The mails there are, oldest first; to one address, if one is named.
    pub fn list(&self, to: Option<&str>) -> io::Result<Vec<Mail>> {
        let mut names: Vec<_> = fs::read_dir(&self.folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        // Event ids rise with time.
        names.sort();
        let mails = names.iter().filter_map(|path| serde_json::from_slice::<Mail>(&fs::read(path).ok()?).ok());
        Ok(mails.filter(|mail| to.is_none_or(|to| mail.to == to)).collect())
    }
}

/// Makes the mails.
pub struct Mailer {
    pub log: Arc<dyn Log>,
    pub keyring: Arc<Keyring>,
    pub outbox: Outbox,
    pub public: Origin,
}

/// A sealed record with what opens it.
struct ToOpen {
    sealed: Sealed,
    key: Option<WrappedKey>,
}

/// `?1` = sealed record id.
static SEALED: Question<ToOpen> = Question {
    sql: "SELECT s.sealed_id, s.ciphertext, k.epoch, k.wrapped
          FROM sealed s LEFT JOIN person_keys k USING (person_id) WHERE s.sealed_id = ?1",
    read: |row| {
        let mut c = Cursor::new(row);
        let sealed = c.sealed()?;
        let key = c
            .integer()
            .zip(c.bytes())
            .and_then(|(epoch, wrapped)| Some(WrappedKey { epoch: epoch.try_into().ok()?, wrapped }));
        Some(ToOpen { sealed, key })
    },
};

#[async_trait]
impl Follower for Mailer {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn types(&self) -> &'static [&'static str] {
        &["EmailVerificationRequested"]
    }

    async fn handle(&self, event: &Recorded) -> Result<(), FollowerError> {
        match (event.stream.as_user(), read_user_event(event)?) {
            (Some(user), UserEvent::EmailVerificationRequested(requested)) => {
                self.verification(user, &requested, &event.event_id, event.occurred_at).await
            }
            _ => Ok(()),
        }
    }
}

impl Mailer {
    async fn verification(
        &self,
        user: UserId,
        requested: &EmailVerificationRequested,
        event_id: &str,
        at: Timestamp,
    ) -> Result<(), FollowerError> {
        // Deleted in between: nobody waits for this mail.
        let Some(to) = self.open(user, SealKind::Email, requested.address).await? else { return Ok(()) };
        let callback = match requested.callback_url {
            Some(sealed) => self.open(user, SealKind::CallbackUrl, sealed).await?,
            None => None,
        };
        let token = mail_token(&self.keyring, None, VERIFY_EMAIL, requested.challenge);
        let token = token.ok_or_else(|| FollowerError::Other("there is no key for mail tokens".to_owned()))?;
        let mut url = format!("{}/api/auth/verify-email?token={token}", self.public);
        if let Some(callback) = callback {
            url += &format!("&callbackURL={}", encode_component(&callback));
        }
        // To an address that is not proven: nothing that its asker typed (CONTRACT 3).
        let text = format!(
            "Please confirm that this address is yours:\n\n{url}\n\nThe link works for a day, in the browser in which the address was given.\n\
             If you did not ask for this, leave it alone: without this link nobody can use your address.\n"
        );
        let mail = Mail {
            kind: VERIFY_EMAIL.to_owned(),
            to,
            subject: "Confirm your e-mail address".to_owned(),
            url: Some(url),
            token: Some(token),
            otp: None,
            at: at.as_millis(),
        };
        let host = self.public.domain().unwrap_or("localhost");
        self.outbox
            .put(event_id, &mail, &format!("no-reply@{host}"), &text)
            .map_err(|error| FollowerError::Other(error.to_string()))?;
        tracing::info!(event = event_id, folder = %self.outbox.folder().display(), "no mail server is configured: the mail is kept in the outbox");
        Ok(())
    }

    async fn open(
        &self,
        user: UserId,
        kind: SealKind,
        sealed: chrysalis_domain::id::SealedId,
    ) -> Result<Option<String>, FollowerError> {
        let log = self.log.as_ref();
        let Some(row) = ask_one(log, &users::BY_ID, &[table::id(user)]).await? else { return Ok(None) };
        let Some(found) = ask_one(log, &SEALED, &[table::id(sealed)]).await? else { return Ok(None) };
        let Some(sealer) = found.key.as_ref().and_then(|key| PersonSealer::open(&self.keyring, row.person, key)) else {
            return Ok(None);
        };
        Ok(sealer.read(kind, &found.sealed)?.value())
    }
}
