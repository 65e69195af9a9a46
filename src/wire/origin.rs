//! Which origins may act for a user, and nothing else: the public URL's own and a configured list.
//!
//! An entry is an exact origin (`https://app.example.com`), a custom scheme (`myapp://`), or an origin with `*` as its
//! whole left-most label (`https://*.example.com`), which stands for exactly one label. All is matched on parsed origins
//! (RFC 6454), never on text. `null` is never trusted, and plain http only on loopback.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Schemes that name no place of their own, or that anybody's document can have.
const NO_ORIGIN: [&str; 10] =
    ["about", "blob", "data", "file", "filesystem", "ftp", "javascript", "vbscript", "ws", "wss"];

/// Scheme, host and port. A custom scheme may have no host: `myapp://`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: Option<Host<String>>,
    port: Option<u16>,
}

impl Origin {
    /// The origin of a URL. `None` for those that have none of their own, such as `data:` and `blob:`.
    pub fn of(url: &Url) -> Option<Self> {
        if NO_ORIGIN.contains(&url.scheme()) {
            return None;
        }
        let host = url.host().map(|host| host.to_owned()).filter(|host| *host != Host::Domain(String::new()));
        Some(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default() })
    }

    /// Reads an origin as headers and configuration write it: nothing behind the host and port but at most one slash.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains("://") {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        if bare { Self::of(&url) } else { None }
    }

    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// The host if it is a name and not an address.
    pub fn domain(&self) -> Option<&str> {
        match &self.host {
            Some(Host::Domain(domain)) => Some(domain),
            _ => None,
        }
    }

    /// Whether it can only be reached from the same machine (RFC 6761, 6.3; RFC 1122, 3.2.1.3; RFC 4291, 2.5.3).
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether `authority`, as `Host` or `:authority` give it, is this origin's host and port.
    pub fn has_authority(&self, authority: &str) -> bool {
        Self::parse(&format!("{}://{authority}", self.scheme)).as_ref() == Some(self)
    }
}

/// The serialised origin, without a default port: `https://app.example.com`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        match (self.scheme.as_str(), self.port) {
            ("https", Some(443)) | ("http", Some(80)) | (_, None) => Ok(()),
            (_, Some(port)) => write!(f, ":{port}"),
        }
    }
}

/// One entry of the list of trusted origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    Exact(Origin),
    /// Every URL of a scheme that belongs to one app.
    Scheme(String),
    /// `*.` above this origin: exactly one label more.
    Below(Origin),
}

/// Why an entry of the list can't be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is no origin to trust: {reason}")]
pub struct OriginMistake {
    pub entry: String,
    pub reason: &'static str,
}

impl FromStr for OriginPattern {
    type Err = OriginMistake;

    fn from_str(entry: &str) -> Result<Self, OriginMistake> {
        let entry = entry.trim();
        Self::read(entry).map_err(|reason| OriginMistake { entry: entry.to_owned(), reason })
    }
}

impl OriginPattern {
    /// Reads a whole list and tells every mistake in it, not only the first.
    pub fn parse_all<S: AsRef<str>>(entries: &[S]) -> Result<Vec<Self>, Vec<OriginMistake>> {
        let (mut patterns, mut mistakes) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.as_ref().parse() {
                Ok(pattern) => patterns.push(pattern),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() { Ok(patterns) } else { Err(mistakes) }
    }

    fn read(entry: &str) -> Result<Self, &'static str> {
        if entry.eq_ignore_ascii_case("null") {
            return Err("any sandboxed or local document has the origin `null`");
        }
        let Some((scheme, rest)) = entry.split_once("://") else {
            return Err("write it with its scheme, as https://app.example.com or myapp://");
        };
        if let Some(parent) = rest.strip_prefix("*.") {
            return Self::below(&format!("{scheme}://{parent}"));
        }
        if entry.contains('*') {
            return Err("`*` must be the whole left-most label, as in https://*.example.com");
        }
        let origin = checked(entry)?;
        match origin.host {
            None => Ok(Self::Scheme(origin.scheme)),
            Some(_) => Ok(Self::Exact(origin)),
        }
    }

    fn below(parent: &str) -> Result<Self, &'static str> {
        if parent.contains('*') {
            return Err("only one `*` may stand in it");
        }
        let origin = checked(parent)?;
        let Some(domain) = origin.domain().filter(|_| matches!(origin.scheme(), "http" | "https")) else {
            return Err("`*` needs a web origin with a domain name");
        };
        let labels = domain.split('.');
        if labels.clone().any(str::is_empty) || labels.count() < 2 {
            return Err("`*` must stand above at least two more labels");
        }
        // A list entry such as `*.kobe.jp` makes every label below it a suffix, so a label on top is asked about as well.
        let is_suffix = |name: &str| psl::suffix_str(name) == Some(name);
        if is_suffix(domain) || is_suffix(&format!("any.{domain}")) {
            return Err("below a public suffix everybody can have a site");
        }
        Ok(Self::Below(origin))
    }

    fn matches(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Scheme(scheme) => *scheme == origin.scheme,
            Self::Below(parent) => {
                let rest = origin.domain().and_then(|domain| domain.split_once('.'));
                parent.scheme == origin.scheme
                    && parent.port == origin.port
                    && rest.is_some_and(|(label, rest)| !label.is_empty() && parent.domain() == Some(rest))
            }
        }
    }
}

/// An origin that may be trusted at all.
fn checked(text: &str) -> Result<Origin, &'static str> {
    let Ok(url) = Url::parse(text) else { return Err("it can't be parsed") };
    if Origin::of(&url).is_none() {
        return Err("this scheme names no origin");
    }
    let Some(origin) = Origin::parse(text) else {
        return Err("an origin is scheme, host and port, without user, path, query or fragment");
    };
    if origin.scheme == "http" && !origin.is_loopback() {
        return Err("plain http is for loopback only");
    }
    Ok(origin)
}

/// The public URL's origin and those trusted beside it.
#[derive(Clone, Debug)]
pub struct Origins {
    public: Origin,
    trusted: Vec<OriginPattern>,
}

impl Origins {
    pub fn new(public: Origin, trusted: Vec<OriginPattern>) -> Self {
        Self { public, trusted }
    }

    pub fn public(&self) -> &Origin {
        &self.public
    }

    /// Whether requests and callbacks of that origin are ours.
    pub fn trusts(&self, origin: &Origin) -> bool {
        *origin == self.public || self.trusted.iter().any(|pattern| pattern.matches(origin))
    }

    /// The same without wildcards: for places that are given a secret.
    pub fn trusts_exactly(&self, origin: &Origin) -> bool {
        let mut exact = self.trusted.iter().filter(|pattern| !matches!(pattern, OriginPattern::Below(_)));
        *origin == self.public || exact.any(|pattern| pattern.matches(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(trusted: &[&str]) -> Origins {
        Origins::new(Origin::parse("https://auth.example.com").unwrap(), OriginPattern::parse_all(trusted).unwrap())
    }

    #[test]
    fn trusts_by_parsed_origin() {
        let origins = origins(&[
            "https://app.example.com/",
            "https://App.Example.org:8443",
            "http://localhost:3000",
            "http://[::1]:3000",
            "myapp://",
            "capacitor://localhost",
            "https://*.preview.example.net",
        ]);
        for (text, trusted) in [
            ("https://auth.example.com", true),
            ("https://auth.example.com:443", true),
            ("HTTPS://AUTH.example.COM", true),
            ("https://auth.example.com:8443", false),
            ("http://auth.example.com", false),
            ("https://auth.example.com.", false),
            ("https://auth.example.com.evil.com", false),
            ("https://app.example.com", true),
            ("https://app.example.org:8443", true),
            ("https://app.example.org", false),
            ("http://localhost:3000", true),
            ("http://localhost:3001", false),
            ("http://127.0.0.1:3000", false),
            ("http://[0:0::1]:3000", true),
            ("myapp://", true),
            ("myapp://any/", true),
            ("myapp2://", false),
            ("capacitor://localhost", true),
            ("capacitor://evil", false),
            ("https://a.preview.example.net", true),
            ("https://a.b.preview.example.net", false),
            ("https://preview.example.net", false),
            ("https://.preview.example.net", false),
            ("https://xpreview.example.net", false),
            ("http://a.preview.example.net", false),
            ("https://a.preview.example.net:444", false),
        ] {
            assert_eq!(Origin::parse(text).is_some_and(|origin| origins.trusts(&origin)), trusted, "{text}");
        }
        let exactly = |text: &str| origins.trusts_exactly(&Origin::parse(text).unwrap());
        assert!(exactly("https://auth.example.com") && exactly("https://app.example.com") && exactly("myapp://x"));
        assert!(!exactly("https://a.preview.example.net"));
    }

    #[test]
    fn what_is_no_origin() {
        for text in [
            "",
            "null",
            "*",
            "https://",
            "https:app.example.com",
            "//app.example.com",
            "https://a@app.example.com",
            "https://app.example.com/x",
            "https://app.example.com?x",
            "https://app.example.com#",
            "data://x",
            "blob:https://app.example.com",
            "javascript://app.example.com",
            "file://",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_mistake_of_a_list_is_told() {
        let bad = [
            "null",
            "NULL",
            "*",
            "https://*",
            "https://*.com",
            "https://*.co.uk",
            "https://*.github.io",
            "https://*.kobe.jp",
            "https://*.com.",
            "https://*.localhost",
            "https://*.2.3.4",
            "https://a.*.example.com",
            "https://*a.example.com",
            "https://*.*.example.com",
            "*.example.com",
            "app.example.com",
            "localhost:3000",
            "http://app.example.com",
            "http://192.168.0.2:3000",
            "http://*.example.com",
            "http://localhost.evil.com",
            "https://app.example.com/path",
            "https://app.example.com?x=1",
            "https://u:p@app.example.com",
            "javascript://",
            "data://",
            "file://",
            "blob://x",
            "myapp://*",
            "exp://*.a.b",
            "myapp:",
            "",
        ];
        let mistakes = OriginPattern::parse_all(&bad).unwrap_err();
        let told: Vec<_> = mistakes.iter().map(|mistake| mistake.entry.as_str()).collect();
        assert_eq!(told, bad);
    }

    #[test]
    fn good_entries() {
        for text in ["https://*.example.com", "https://*.app.github.io", "http://127.8.0.1", "http://a.localhost:80"] {
            assert!(text.parse::<OriginPattern>().is_ok(), "{text}");
        }
    }

    #[test]
    fn writes_itself_as_browsers_do() {
        for (text, canonical) in [
            ("https://APP.example.com:443/", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://[0::1]:3000", "http://[::1]:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("myapp://", "myapp://"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn compares_the_authority() {
        let public = Origin::parse("https://auth.example.com").unwrap();
        for (authority, same) in [
            ("auth.example.com", true),
            ("AUTH.example.com:443", true),
            ("auth.example.com:80", false),
            ("evil.com", false),
            ("auth.example.com/x", false),
            ("evil@auth.example.com", false),
            ("", false),
        ] {
            assert_eq!(public.has_authority(authority), same, "{authority}");
        }
    }
}
