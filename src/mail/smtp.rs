//! A mail server, spoken to by SMTP (RFC 5321).

use std::sync::OnceLock;
use std::time::Duration;

use lettre::transport::smtp::{AsyncSmtpTransport, AsyncSmtpTransportBuilder};
use lettre::{AsyncTransport, Message, Tokio1Executor};
use url::{Host, Url};

use super::SendError;

/// From connecting to the server's last word.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    /// Made with the first mail: its pool lives in the runtime, and a configuration is read before there is one.
    transport: OnceLock<AsyncSmtpTransport<Tokio1Executor>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SmtpError(String);

impl Smtp {
    /// `smtps://user:password@host:465` (TLS from the first byte), `smtp://user:password@host:587` (STARTTLS required),
    /// `smtp://host:25?tls=none` (in clear; needs no `tls=none` where the host is this machine).
    ///
    /// # Errors
    /// When the URL is none of these.
    pub fn new(url: &str) -> Result<Self, SmtpError> {
        let told = |error: &dyn std::fmt::Display| SmtpError(error.to_string());
        let mut url = Url::parse(url).map_err(|error| told(&error))?;
        let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        match (url.scheme(), tls.as_deref()) {
            ("smtp", Some("none")) => url.set_query(None),
            ("smtp", None) if !is_here(&url) => url.set_query(Some("tls=required")),
            ("smtp" | "smtps", _) => {}
            _ => return Err(SmtpError("the scheme is neither smtp nor smtps".to_owned())),
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|error| told(&error))?;
        Ok(Self { builder: builder.timeout(Some(PATIENCE)), transport: OnceLock::new() })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let transport = self.transport.get_or_init(|| self.builder.clone().build());
        match tokio::time::timeout(PATIENCE, transport.send(message.clone())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(SendError::Permanent(error.to_string())),
            Ok(Err(error)) => Err(SendError::Transient(error.to_string())),
            Err(_) => Err(SendError::Transient("the mail server did not answer in time".to_owned())),
        }
    }
}

/// Nothing leaves this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_told_otherwise() {
        for good in [
            "smtp://127.0.0.1:2525",
            "smtp://localhost",
            "smtp://mail.example.com:587",
            "smtp://mail.example.com:25?tls=none",
            "smtps://user:secret@mail.example.com",
        ] {
            assert!(Smtp::new(good).is_ok(), "{good}");
        }
        for bad in ["", "mail.example.com", "http://mail.example.com", "smtp://mail.example.com?tls=perhaps"] {
            assert!(Smtp::new(bad).is_err(), "{bad}");
        }
    }
}
