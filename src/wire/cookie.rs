//! The cookies of this server: how they are called, what attributes they have, how they are set and deleted.
//!
//! Two belong to the app's whole site and can be given a `Domain`: `session_token` and `dont_remember`. All others are
//! read by this server alone and on https carry the `__Host-` prefix, which keeps a neighbouring sub-domain from planting
//! them (RFC 6265bis, 4.1.3). How they are read back: [`super::jar`].

use std::fmt::Write;

use chrysalis_domain::Span;
use http::HeaderValue;
use serde::Deserialize;

use super::origin::Origin;
use super::signed::Signer;
use super::uri::encode_component;

/// Life of a session cookie unless the session says otherwise: 7 days.
pub const SESSION_MAX_AGE: Span = Span::from_days(7);
/// Life of `state` and `asked`: 10 minutes.
pub const FLOW_MAX_AGE: Span = Span::from_secs(600);

/// Characters of an OAuth state that its cookie's name ends in.
const STATE_SUFFIX: usize = 8;

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CookieKind {
    SessionToken,
    /// The stock server's session cache. Never issued here, only deleted.
    SessionData,
    DontRemember,
    State(StateSuffix),
    AdminSession,
    Claim,
    Asked,
    Transfer,
}

/// The first 8 characters of an OAuth state, which set the cookies of two tabs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateSuffix([u8; STATE_SUFFIX]);

impl StateSuffix {
    /// Of a state, or of a suffix itself. `None` if it is too short or has characters that no state of ours has.
    pub fn of(state: &str) -> Option<Self> {
        let first: [u8; STATE_SUFFIX] = state.as_bytes().get(..STATE_SUFFIX)?.try_into().ok()?;
        first.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).then_some(Self(first))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl CookieKind {
    fn base(self) -> &'static str {
        match self {
            Self::SessionToken => "session_token",
            Self::SessionData => "session_data",
            Self::DontRemember => "dont_remember",
            Self::State(_) => "state.",
            Self::AdminSession => "admin_session",
            Self::Claim => "claim",
            Self::Asked => "asked",
            Self::Transfer => "transfer",
        }
    }

    fn from_base(base: &str) -> Option<Self> {
        Some(match base {
            "session_token" => Self::SessionToken,
            "session_data" => Self::SessionData,
            "dont_remember" => Self::DontRemember,
            "admin_session" => Self::AdminSession,
            "claim" => Self::Claim,
            "asked" => Self::Asked,
            "transfer" => Self::Transfer,
            _ => {
                let suffix = base.strip_prefix("state.").filter(|suffix| suffix.len() == STATE_SUFFIX)?;
                Self::State(StateSuffix::of(suffix)?)
            }
        })
    }

    /// Whether `SameSite` and `Domain` can be configured for it.
    fn is_shared(self) -> bool {
        matches!(self, Self::SessionToken | Self::DontRemember)
    }

    /// The prefix it has on https. `session_data` has the one under which a stock server may have left it.
    fn https_prefix(self) -> &'static str {
        if self.is_shared() || self == Self::SessionData { SECURE } else { HOST }
    }
}

const PLAIN: &str = "better-auth.";
const SECURE: &str = "__Secure-better-auth.";
const HOST: &str = "__Host-better-auth.";

/// `SameSite` of the two cookies for which it can be configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    Strict,
    #[default]
    Lax,
    None,
}

/// Why a cookie configuration can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieMistake {
    #[error("SameSite=None needs an https public URL: browsers drop such a cookie without Secure")]
    NoneWithoutHttps,
    #[error("the cookie domain `{0}` is neither the public URL's host nor a parent of it")]
    ForeignDomain(String),
    #[error("the cookie domain `{0}` is a public suffix: browsers refuse it, as it would cover other people's sites")]
    PublicSuffix(String),
}

/// Names and attributes of all cookies, as the public URL and the configuration have them.
#[derive(Clone, Debug)]
pub struct CookieNames {
    https: bool,
    same_site: SameSite,
    domain: Option<String>,
}

impl CookieNames {
    pub fn new(public: &Origin) -> Self {
        Self { https: public.is_https(), same_site: SameSite::Lax, domain: None }
    }

    /// The same with `SameSite` and `Domain` of session_token and dont_remember set. `domain` covers all its sub-domains; a
    /// leading dot means nothing (RFC 6265, 5.2.3).
    pub fn shared(public: &Origin, same_site: SameSite, domain: Option<&str>) -> Result<Self, CookieMistake> {
        let names = Self::new(public);
        if same_site == SameSite::None && !names.https {
            return Err(CookieMistake::NoneWithoutHttps);
        }
        let domain = domain.map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
        if let Some(domain) = &domain {
            // Only a domain name has parents, and being one of ours makes it safe to stand in a header.
            let ours = public.domain().is_some_and(|host| {
                host == domain || host.strip_suffix(domain.as_str()).is_some_and(|sub| sub.ends_with('.'))
            });
            if !ours || domain.is_empty() {
                return Err(CookieMistake::ForeignDomain(domain.clone()));
            }
            if psl::suffix_str(domain) == Some(domain) && domain != "localhost" {
                return Err(CookieMistake::PublicSuffix(domain.clone()));
            }
        }
        Ok(Self { same_site, domain, ..names })
    }

    /// The full name, prefix included.
    pub fn name(&self, kind: CookieKind) -> String {
        let mut name = String::with_capacity(40);
        self.push_name(&mut name, kind);
        name
    }

    /// `Set-Cookie` with the signed value. Without `max_age` the cookie ends with the browser session.
    pub fn set(&self, kind: CookieKind, value: &str, max_age: Option<Span>, signer: &Signer) -> HeaderValue {
        let signed = signer.sign(value);
        self.header(kind, &signed, max_age)
    }

    /// `Set-Cookie` that deletes: same name and attributes, empty value, `Max-Age=0`.
    pub fn delete(&self, kind: CookieKind) -> HeaderValue {
        self.header(kind, "", Some(Span::ZERO))
    }

    fn header(&self, kind: CookieKind, value: &str, max_age: Option<Span>) -> HeaderValue {
        let mut text = String::with_capacity(224);
        self.push_name(&mut text, kind);
        text.push('=');
        text.extend(encode_component(value));
        if let Some(max_age) = max_age {
            // Writing to a string can't fail.
            let _ = write!(text, "; Max-Age={}", max_age.as_secs_ceil().max(0));
        }
        let same_site = if kind.is_shared() { self.same_site } else { SameSite::Lax };
        text.push_str(match same_site {
            SameSite::Strict => "; Path=/; HttpOnly; SameSite=Strict",
            SameSite::Lax => "; Path=/; HttpOnly; SameSite=Lax",
            SameSite::None => "; Path=/; HttpOnly; SameSite=None",
        });
        if self.https {
            text.push_str("; Secure");
        }
        if let (true, Some(domain)) = (kind.is_shared(), &self.domain) {
            text.push_str("; Domain=");
            text.push_str(domain);
        }
        // Name, value and attributes are ASCII without controls by construction; an empty header would set nothing.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    fn push_name(&self, text: &mut String, kind: CookieKind) {
        text.push_str(if self.https { kind.https_prefix() } else { PLAIN });
        text.push_str(kind.base());
        if let CookieKind::State(suffix) = kind {
            text.push_str(suffix.as_str());
        }
    }

    /// The cookie that is called `name` here. On https an unprefixed name is nobody's: whoever shares the host could have
    /// set it over plain http.
    pub(super) fn kind_of(&self, name: &str) -> Option<CookieKind> {
        if !self.https {
            return CookieKind::from_base(name.strip_prefix(PLAIN)?);
        }
        [SECURE, HOST].into_iter().find_map(|prefix| {
            let kind = CookieKind::from_base(name.strip_prefix(prefix)?)?;
            (kind.https_prefix() == prefix).then_some(kind)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signed::SigningKey;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    fn signer() -> Signer {
        Signer::new(SigningKey::new(&[7; 32]).unwrap(), vec![])
    }

    const STATE: &str = "AbCd1234rest-of-the-state";

    fn state() -> CookieKind {
        CookieKind::State(StateSuffix::of(STATE).unwrap())
    }

    #[test]
    fn names_and_attributes() {
        let http = CookieNames::new(&origin("http://localhost:3000"));
        let https = CookieNames::new(&origin("https://auth.example.com"));
        let lax = "Max-Age=0; Path=/; HttpOnly; SameSite=Lax";
        for (kind, plain, secure) in [
            (CookieKind::SessionToken, "better-auth.session_token", "__Secure-better-auth.session_token"),
            (CookieKind::SessionData, "better-auth.session_data", "__Secure-better-auth.session_data"),
            (CookieKind::DontRemember, "better-auth.dont_remember", "__Secure-better-auth.dont_remember"),
            (state(), "better-auth.state.AbCd1234", "__Host-better-auth.state.AbCd1234"),
            (CookieKind::AdminSession, "better-auth.admin_session", "__Host-better-auth.admin_session"),
            (CookieKind::Claim, "better-auth.claim", "__Host-better-auth.claim"),
            (CookieKind::Asked, "better-auth.asked", "__Host-better-auth.asked"),
            (CookieKind::Transfer, "better-auth.transfer", "__Host-better-auth.transfer"),
        ] {
            assert_eq!(http.name(kind), plain);
            assert_eq!(https.name(kind), secure);
            assert_eq!(http.delete(kind), format!("{plain}=; {lax}"));
            assert_eq!(https.delete(kind), format!("{secure}=; {lax}; Secure"));
            assert_eq!(http.kind_of(plain), Some(kind));
            assert_eq!(https.kind_of(secure), Some(kind));
            assert_eq!(https.kind_of(plain), None);
        }
        assert_eq!(https.kind_of("__Secure-better-auth.claim"), None);
        assert_eq!(https.kind_of("__Host-better-auth.session_token"), None);
        assert_eq!(http.kind_of("better-auth.state"), None);
    }

    #[test]
    fn sets_a_signed_and_encoded_value() {
        let names = CookieNames::new(&origin("http://localhost"));
        let token = "0123456789abcdefghijABCDEFGHIJ01";
        let signed = signer().sign(token).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert_eq!(
            names.set(CookieKind::SessionToken, token, Some(SESSION_MAX_AGE), &signer()),
            format!("better-auth.session_token={signed}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax")
        );
        let session_only = names.set(CookieKind::DontRemember, "true", None, &signer());
        assert!(!session_only.to_str().unwrap().contains("Max-Age"));
    }

    #[test]
    fn same_site_and_domain_are_for_two_alone() {
        let public = origin("https://auth.example.com");
        let names = CookieNames::shared(&public, SameSite::None, Some(".Example.com")).unwrap();
        for kind in [CookieKind::SessionToken, CookieKind::DontRemember] {
            let text = names.delete(kind);
            assert!(text.to_str().unwrap().ends_with("; SameSite=None; Secure; Domain=example.com"));
        }
        for kind in [CookieKind::SessionData, state(), CookieKind::AdminSession, CookieKind::Claim] {
            assert!(names.delete(kind).to_str().unwrap().ends_with("; SameSite=Lax; Secure"));
        }
        let mistake =
            |public: &str, same_site, domain| CookieNames::shared(&origin(public), same_site, domain).unwrap_err();
        assert_eq!(mistake("http://localhost", SameSite::None, None), CookieMistake::NoneWithoutHttps);
        for domain in ["example.org", "ple.com", "a.auth.example.com", "", "example.com; Secure"] {
            let got = mistake("https://auth.example.com", SameSite::Lax, Some(domain));
            assert_eq!(got, CookieMistake::ForeignDomain(domain.to_ascii_lowercase()));
        }
        let got = mistake("https://me.github.io", SameSite::Lax, Some("github.io"));
        assert_eq!(got, CookieMistake::PublicSuffix("github.io".into()));
        assert!(CookieNames::shared(&origin("https://127.0.0.1"), SameSite::Lax, Some("0.0.1")).is_err());
    }

    #[test]
    fn state_suffixes_fit_a_cookie_name() {
        for bad in ["", "short", "AbCd123;rest", "ÄÄÄÄÄÄÄÄ", "AbCd 123"] {
            assert_eq!(StateSuffix::of(bad), None);
        }
    }
}
