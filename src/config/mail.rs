//! How mails are sent, and what they look like.

use std::path::PathBuf;

use chrysalis_domain::value::Locale;
use lettre::message::Mailbox;
use secrecy::SecretString;

use super::reader::Reader;
use crate::mail::Smtp;
use crate::wire::origin::Origin;

#[derive(Clone, Debug)]
pub struct Mail {
    /// None: mails are kept in the outbox.
    pub smtp: Option<SecretString>,
    pub from: Mailbox,
    pub templates: Option<PathBuf>,
    /// For those who say nothing of what they read.
    pub locale: Locale,
    /// What mails call the service.
    pub app: String,
}

pub(super) fn read(r: &mut Reader, public: Option<&Origin>) -> Option<Mail> {
    let host = public.and_then(Origin::domain).unwrap_or("localhost").to_owned();
    let smtp = r.text("smtp.url").map(str::to_owned);
    if let Some(url) = &smtp
        && let Err(error) = Smtp::new(url)
    {
        let remedy = "write smtps://user:password@host:465, or smtp://host:587 for STARTTLS";
        r.mistake("smtp.url", error.to_string(), remedy);
    }
    let app = r.text("app_name").map_or_else(|| host.clone(), str::to_owned);
    let from = match r.text("mail.from") {
        Some(from) => from.to_owned(),
        None => format!("no-reply@{host}"),
    };
    let from = match from.parse::<Mailbox>() {
        Ok(from) => Some(from),
        Err(error) => {
            r.mistake(
                "mail.from",
                error.to_string(),
                "write an address, or a name and an address: Jane <jane@example.com>",
            );
            None
        }
    };
    let locale = Locale::parse(r.text("mail.locale").unwrap_or("en"));
    if locale.is_none() {
        r.mistake("mail.locale", "is no language", "write its two letters, such as en");
    }
    let templates = r.text("mail.templates").map(PathBuf::from);
    Some(Mail { smtp: smtp.map(Into::into), from: from?, templates, locale: locale?, app })
}
