//! Where an endpoint may stand: https, and what everybody can reach, unless the operator named it.

use url::Url;

use crate::outgoing::Outgoing;

/// Longest address, in bytes.
const LONGEST: usize = 2048;

/// An address that messages are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no address that may be told what happens")]
pub struct UnfitTarget;

impl Target {
    /// What it is called by: neither who calls, nor a place within a page.
    pub fn parse(text: &str) -> Result<Self, UnfitTarget> {
        let url = Url::parse(text).map_err(|_| UnfitTarget)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let sends = text.len() <= LONGEST && url.as_str().parse::<http::Uri>().is_ok();
        if bare && sends && url.has_host() { Ok(Self(url)) } else { Err(UnfitTarget) }
    }

    /// Whether this server would call it, as far as that can be told today. It is found out anew with each message.
    pub async fn check(&self, outgoing: &Outgoing) -> Result<(), UnfitTarget> {
        outgoing.may_call(&self.0).await.map_err(|error| {
            tracing::info!(%error, "a webhook endpoint is refused");
            UnfitTarget
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
        for unfit in [
            "",
            "example.com",
            "/hooks",
            "https://",
            "https://user@example.com/",
            "https://user:pass@example.com/",
            "https://example.com/#here",
            "mailto:jane@example.com",
            "javascript:alert(1)",
            long.as_str(),
        ] {
            assert_eq!(Target::parse(unfit), Err(UnfitTarget), "{unfit}");
        }
    }
}
