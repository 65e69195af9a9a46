//! URLs that a caller asks us to send a browser to, and that we must not become an open redirector by.
//!
//! Allowed is an absolute URL on a trusted origin, or a path below the app's own origin. A path is refused if any browser
//! could read it as something else (`//host`, `/\host`, a tab between the slashes). Where a token is appended, a
//! wildcard origin is not enough: one taken-over sub-domain would collect tokens (RFC 9700, 4.1).

use std::borrow::Cow;

use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use super::error::ApiError;
use super::origin::{Origin, Origins};
use super::uri::{encode_component, pairs};

/// Characters that a callback URL may have: it is kept in rows and mails and comes back in a header.
const MAX_CHARS: usize = 4096;
/// What can't stand in a header, and space.
const NOT_IN_HEADERS: &AsciiSet = &CONTROLS.add(b' ');

/// Which field a URL came in; each has its own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackField {
    CallbackUrl,
    /// Always gets a token appended.
    RedirectTo,
    ErrorCallbackUrl,
    NewUserCallbackUrl,
}

/// Whether what we append is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Nothing,
    Token,
}

impl CallbackField {
    fn refusal(self) -> ApiError {
        let (code, message) = match self {
            Self::CallbackUrl => ("INVALID_CALLBACK_URL", "Invalid callbackURL"),
            Self::RedirectTo => ("INVALID_REDIRECT_URL", "Invalid redirectURL"),
            Self::ErrorCallbackUrl => ("INVALID_ERROR_CALLBACK_URL", "Invalid errorCallbackURL"),
            Self::NewUserCallbackUrl => ("INVALID_NEW_USER_CALLBACK_URL", "Invalid newUserCallbackURL"),
        };
        ApiError::new(StatusCode::FORBIDDEN, code, message).resting_on_settings(true)
    }
}

/// A place that is safe to send a browser to. ASCII without controls or spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackUrl {
    text: String,
    relative: bool,
}

impl CallbackUrl {
    /// 403 with the field's own code if the URL is not allowed.
    pub fn parse(raw: &str, field: CallbackField, appended: Appended, origins: &Origins) -> Result<Self, ApiError> {
        let secret = appended == Appended::Token || field == CallbackField::RedirectTo;
        let trusts = |origin: &Origin| if secret { origins.trusts_exactly(origin) } else { origins.trusts(origin) };
        let allowed = if raw.len() > MAX_CHARS {
            None
        } else if raw.starts_with('/') {
            relative(raw)
        } else {
            absolute(raw, trusts)
        };
        allowed.ok_or_else(|| field.refusal())
    }

    /// The app's own front page.
    pub fn root() -> Self {
        Self { text: "/".to_owned(), relative: true }
    }

    /// A page of this server.
    pub fn ours(public: &Origin, path: &str) -> Self {
        Self { text: format!("{public}{path}"), relative: false }
    }

    /// One that was parsed before it was kept.
    pub fn stored(text: String) -> Self {
        let relative = text.starts_with('/');
        Self { text, relative }
    }

    /// The origin of an absolute one.
    pub fn origin(&self) -> Option<Origin> {
        if self.relative { None } else { Origin::of(&Url::parse(&self.text).ok()?) }
    }

    /// As it goes into `Location` or a JSON answer.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_relative(&self) -> bool {
        self.relative
    }

    /// Made absolute against `base`, the app's or the public URL's origin.
    pub fn resolve(self, base: &Origin) -> Self {
        if !self.relative {
            return self;
        }
        Self { text: format!("{base}{}", self.text), relative: false }
    }

    /// With the query parameter set: before any fragment, and in place of others of that name, as the app might read the
    /// first and whoever asked for the mail could have written that one.
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        let (rest, fragment) = match self.text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (self.text.as_str(), None),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut text = String::with_capacity(self.text.len() + name.len() + value.len() + 2);
        text.push_str(path);
        text.push('?');
        for pair in query.split('&').filter(|pair| !pair.is_empty() && !is_named(pair, name)) {
            text.push_str(pair);
            text.push('&');
        }
        text.extend(encode_component(name));
        text.push('=');
        text.extend(encode_component(value));
        if let Some(fragment) = fragment {
            text.push('#');
            text.push_str(fragment);
        }
        self.text = text;
        self
    }

    /// The value of `Location`.
    pub fn location(&self) -> HeaderValue {
        // Only ASCII without controls gets in; the root is where a browser can do no harm.
        HeaderValue::from_str(&self.text).unwrap_or_else(|_| HeaderValue::from_static("/"))
    }
}

/// One slash, and nothing before the query that some parser takes for a second one.
fn relative(raw: &str) -> Option<CallbackUrl> {
    let path = raw.split('?').next().unwrap_or(raw);
    let lower = path.to_ascii_lowercase();
    let deceptive = path.starts_with("//")
        || path.contains(|char: char| char == '\\' || char.is_control())
        || lower.contains("%2f")
        || lower.contains("%5c");
    let text = Cow::from(utf8_percent_encode(raw, NOT_IN_HEADERS)).into_owned();
    (!deceptive).then_some(CallbackUrl { text, relative: true })
}

fn absolute(raw: &str, trusts: impl Fn(&Origin) -> bool) -> Option<CallbackUrl> {
    let url = Url::parse(raw).ok()?;
    let origin = Origin::of(&url)?;
    if !url.username().is_empty() || url.password().is_some() || !trusts(&origin) {
        return None;
    }
    // Sent back as it came if nobody can read it otherwise than we did, else as we read it.
    let plain = raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let rest = raw.strip_prefix(&origin.to_string());
    let verbatim = plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    let text = if verbatim { raw.to_owned() } else { url.into() };
    Some(CallbackUrl { text, relative: false })
}

fn is_named(pair: &str, name: &str) -> bool {
    pairs(pair.as_bytes()).flatten().any(|(other, _)| other == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::origin::OriginPattern;

    fn origins() -> Origins {
        let trusted = ["https://app.example.com", "http://localhost:3000", "myapp://", "https://*.preview.example.net"];
        let public = Origin::parse("https://auth.example.com").unwrap();
        Origins::new(public, OriginPattern::parse_all(&trusted).unwrap())
    }

    fn parse(raw: &str) -> Result<CallbackUrl, ApiError> {
        CallbackUrl::parse(raw, CallbackField::CallbackUrl, Appended::Nothing, &origins())
    }

    #[test]
    fn allows_paths_and_trusted_origins_and_keeps_them_as_they_are() {
        for raw in [
            "/",
            "/welcome",
            "/a/b?next=//evil.com&x=%2f\\",
            "/#/route?x",
            "/a:b@c",
            "/.//x",
            "https://auth.example.com/x",
            "https://app.example.com",
            "https://app.example.com?x=1",
            "http://localhost:3000/a%20b#c",
            "https://a.preview.example.net/",
            "myapp://",
            "myapp:///path?x",
            "myapp://welcome/1",
        ] {
            assert_eq!(parse(raw).unwrap().as_str(), raw);
            assert_eq!(parse(raw).unwrap().location(), raw);
        }
    }

    #[test]
    fn rewrites_what_a_header_cannot_carry_or_a_browser_may_read_otherwise() {
        for (raw, text) in [
            ("/é?q=a b\r\nSet-Cookie: x", "/%C3%A9?q=a%20b%0D%0ASet-Cookie:%20x"),
            ("https:\\\\app.example.com\\x", "https://app.example.com/x"),
            (" https://app.exa\tmple.com/x", "https://app.example.com/x"),
            ("HTTPS://App.Example.com:443/x", "https://app.example.com/x"),
            ("https:app.example.com/x", "https://app.example.com/x"),
        ] {
            assert_eq!(parse(raw).unwrap().as_str(), text, "{raw}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let long = format!("/{}", "a".repeat(MAX_CHARS));
        for raw in [
            "",
            "x",
            "welcome",
            "?x",
            "#x",
            "//evil.com",
            "///evil.com",
            "/\\evil.com",
            "\\\\evil.com",
            "/\t/evil.com",
            "/\n/evil.com",
            "/a\u{85}b",
            "/%2fevil.com",
            "/%2Fevil.com",
            "/a%5cb",
            "/a%5Cb?x",
            "/a\\b",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://app.example.com/x",
            "https://evil.com",
            "https://app.example.com.evil.com",
            "https://app.example.com@evil.com",
            "https://user:pw@app.example.com",
            "https://evil.com#app.example.com",
            "https://evil.com\\@app.example.com",
            "http://app.example.com",
            "https://app.example.com:444",
            "https:///evil.com",
            "null",
            "mailto:a@b.c",
            &long,
        ] {
            let error = parse(raw).unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (403, "INVALID_CALLBACK_URL"), "{raw}");
        }
    }

    #[test]
    fn each_field_has_its_code() {
        for (field, code) in [
            (CallbackField::CallbackUrl, "INVALID_CALLBACK_URL"),
            (CallbackField::RedirectTo, "INVALID_REDIRECT_URL"),
            (CallbackField::ErrorCallbackUrl, "INVALID_ERROR_CALLBACK_URL"),
            (CallbackField::NewUserCallbackUrl, "INVALID_NEW_USER_CALLBACK_URL"),
        ] {
            let error = CallbackUrl::parse("//evil.com", field, Appended::Nothing, &origins()).unwrap_err();
            assert_eq!(error.code(), code);
        }
    }

    #[test]
    fn a_token_needs_an_exact_origin() {
        let wildcard = "https://a.preview.example.net/";
        let parse = |raw, field, appended| CallbackUrl::parse(raw, field, appended, &origins()).is_ok();
        assert!(parse(wildcard, CallbackField::CallbackUrl, Appended::Nothing));
        assert!(!parse(wildcard, CallbackField::CallbackUrl, Appended::Token));
        assert!(!parse(wildcard, CallbackField::RedirectTo, Appended::Nothing));
        for exact in ["/reset", "https://app.example.com/reset", "myapp://reset"] {
            assert!(parse(exact, CallbackField::RedirectTo, Appended::Token), "{exact}");
        }
    }

    #[test]
    fn sets_a_parameter_wherever_the_query_is() {
        for (raw, text) in [
            ("/x", "/x?error=a%26b"),
            ("/x?", "/x?error=a%26b"),
            ("/x?y=1", "/x?y=1&error=a%26b"),
            ("/x?y=1&", "/x?y=1&error=a%26b"),
            ("/x#z?w", "/x?error=a%26b#z?w"),
            ("/x?y#z", "/x?y&error=a%26b#z"),
            ("/x?error=old&y=1&e%72ror", "/x?y=1&error=a%26b"),
            ("https://app.example.com", "https://app.example.com?error=a%26b"),
            ("myapp://", "myapp://?error=a%26b"),
        ] {
            assert_eq!(parse(raw).unwrap().with_param("error", "a&b").as_str(), text);
        }
    }

    #[test]
    fn resolves_paths_alone() {
        let base = Origin::parse("https://app.example.com:8443").unwrap();
        for (raw, text) in [
            ("/", "https://app.example.com:8443/"),
            ("/x?y#z", "https://app.example.com:8443/x?y#z"),
            ("myapp://x", "myapp://x"),
        ] {
            assert_eq!(parse(raw).unwrap().resolve(&base).as_str(), text);
        }
    }
}
