//! Mails: what they say, and the two ways they go: to an SMTP server, or into the outbox while there is none.
//!
//! A mail's `Message-ID` is that of the event it follows from, so a mail that is sent twice is one mail to whoever reads
//! it, and one file in the outbox.

mod outbox;
mod smtp;
mod templates;

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::{MailId, PersonId};
use chrysalis_domain::value::Locale;
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

pub use outbox::{Kept, Outbox};
pub use smtp::{Smtp, SmtpError};
pub use templates::{TemplateError, Templates};

/// What a mail is to say.
#[derive(Clone, Debug)]
pub struct Letter {
    pub mail: MailId,
    /// Names the template: `verify-email`, `otp:sign-in` …
    pub kind: String,
    /// Under whose key the address stands: with them goes what is kept of the mail.
    pub person: PersonId,
    pub to: String,
    pub locale: Locale,
    /// When it was asked for.
    pub at: Timestamp,
    pub url: Option<String>,
    /// The token in the link, for programs that read the outbox.
    pub token: Option<String>,
    pub code: Option<String>,
}

/// How a mail goes.
#[derive(Debug)]
pub enum Transport {
    Smtp(Smtp),
    Outbox(Outbox),
}

/// Why a mail did not go.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It will not go, however often it is tried.
    #[error("{0}")]
    Permanent(String),
    #[error("{0}")]
    Transient(String),
}

/// Writes mails and sends them.
#[derive(Debug)]
pub struct Post {
    pub transport: Transport,
    pub templates: Templates,
    pub from: Mailbox,
}

impl Post {
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let permanent = |error: &dyn std::fmt::Display| SendError::Permanent(error.to_string());
        let to: Address = letter.to.parse().map_err(|error: lettre::address::AddressError| permanent(&error))?;
        let written = self.templates.write(letter).map_err(|error| permanent(&error))?;
        let body = MultiPart::alternative_plain_html(written.text, written.html);
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&written.subject)
            .message_id(Some(format!("<{}@{}>", letter.mail, self.from.email.domain())))
            .date(time(letter.at))
            // Nobody is to answer that they are on holiday (RFC 3834).
            .raw_header(auto_submitted())
            .multipart(body)
            .map_err(|error| permanent(&error))?;
        match &self.transport {
            Transport::Smtp(smtp) => smtp.send(&message).await,
            Transport::Outbox(outbox) => {
                outbox.put(letter, &written.subject, &message).map_err(|error| SendError::Transient(error.to_string()))
            }
        }
    }
}

fn auto_submitted() -> lettre::message::header::HeaderValue {
    let name = lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted");
    lettre::message::header::HeaderValue::new(name, "auto-generated".to_owned())
}

fn time(at: Timestamp) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}
