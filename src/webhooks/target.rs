//! Where an endpoint may stand: https, and what everybody can reach, unless the operator named it.

use url::Url;

use crate::outgoing::Outgoing;

/// Longest address, in bytes.
const LONGEST: usize = 2048;

/// An address that messages are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

/// Why no message is posted there. Where a name leads to is not told: who may name an endpoint need not know our network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTarget {
    #[error("write a whole address, as https://example.com/hooks")]
    NoAddress,
    #[error("it must not name a user or a password")]
    NamesUser,
    #[error("it must not have a fragment (#)")]
    HasFragment,
    #[error("it must not be longer than {LONGEST} bytes")]
    TooLong,
    #[error("it must be https, and of a host that everybody can reach, on no loopback, private or link-local address")]
    NotCalled,
}

impl Target {
    /// What it is called by: neither who calls, nor a place within a page.
    pub fn parse(text: &str) -> Result<Self, UnfitTarget> {
        if text.len() > LONGEST {
            return Err(UnfitTarget::TooLong);
        }
        let url = Url::parse(text).map_err(|_| UnfitTarget::NoAddress)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UnfitTarget::NamesUser);
        }
        if url.fragment().is_some() {
            return Err(UnfitTarget::HasFragment);
        }
        let sends = url.as_str().parse::<http::Uri>().is_ok();
        // Nobody listens at port 0.
        if sends && url.has_host() && url.port() != Some(0) { Ok(Self(url)) } else { Err(UnfitTarget::NoAddress) }
    }

    /// Whether this server would call it, as far as that can be told today. It is found out anew with each message.
    pub async fn check(&self, outgoing: &Outgoing) -> Result<(), UnfitTarget> {
        outgoing.may_call(&self.0).await.map_err(|error| {
            tracing::info!(%error, "a webhook endpoint is refused");
            UnfitTarget::NotCalled
        })
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_nothing_beside_it() {
        for fit in ["https://example.com", "https://example.com:8443/hooks?token=x%20y", "http://127.0.0.1:1/"] {
            assert!(Target::parse(fit).is_ok(), "{fit}");
        }
        let long = format!("https://example.com/{}", "a".repeat(LONGEST));
        for (unfit, why) in [
            ("", UnfitTarget::NoAddress),
            ("example.com", UnfitTarget::NoAddress),
            ("/hooks", UnfitTarget::NoAddress),
            ("https://", UnfitTarget::NoAddress),
            ("https://example.com:0/", UnfitTarget::NoAddress),
            ("https://user@example.com/", UnfitTarget::NamesUser),
            ("https://user:pass@example.com/", UnfitTarget::NamesUser),
            ("https://example.com/#here", UnfitTarget::HasFragment),
            ("mailto:jane@example.com", UnfitTarget::NoAddress),
            ("javascript:alert(1)", UnfitTarget::NoAddress),
            (long.as_str(), UnfitTarget::TooLong),
        ] {
            assert_eq!(Target::parse(unfit), Err(why), "{unfit}");
        }
    }
}
