//! Who may make a browser call us: the rules on `Origin`, `Referer` and fetch metadata.
//!
//! Cookies come along whoever wrote the page, so a call that changes something must come from a trusted origin
//! ([rule 1](origin_rule)). Sign-in calls are guarded even without cookies, as a forged one would put the victim into the
//! attacker's account ([rule 2](form_rule)). GET changes nothing and is free, but for the one that makes a guest
//! ([the guard](anonymous_get_rule)) and for mailed links, which are opened by a person and not ahead of one. Sources: Fetch Metadata (W3C), RFC 6265bis 8.8, OWASP CSRF cheat sheet.

use http::header::{ACCEPT, COOKIE, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use url::Url;

use super::error::ApiError;
use super::origin::{Origin, Origins};

/// Paths below the base path where a plain HTML form of a stranger could sign somebody in.
pub const FORM_PATHS: [&str; 6] = [
    "/sign-in/email",
    "/sign-up/email",
    "/sign-in/magic-link",
    "/magic-link/verify/confirm",
    "/email-otp/send-verification-otp",
    SIGN_IN_ANONYMOUS,
];

const SIGN_IN_ANONYMOUS: &str = "/sign-in/anonymous";
const OPEN_MAGIC_LINK: &str = "/magic-link/verify";
/// Mailed links that do something when they are opened.
const MAILED_LINKS: [&str; 3] = [OPEN_MAGIC_LINK, "/verify-email", "/delete-user/callback"];
/// Providers post here from their own origin; it only redirects, so it is not checked.
const CALLBACK_PREFIX: &str = "/callback/";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");

/// What the rules read of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'r> {
    pub method: &'r Method,
    pub uri: &'r Uri,
    pub headers: &'r HeaderMap,
}

impl<'r, B> From<&'r Request<B>> for Head<'r> {
    fn from(request: &'r Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

impl<'r> From<&'r Parts> for Head<'r> {
    fn from(parts: &'r Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers }
    }
}

/// Every rule that applies to a call. `path` is relative to the base path; `authorized` says that `Authorization` holds a
/// valid bearer or API key, which no foreign page can send. To spare the look-up, ask with `false` first, and again with
/// the answer only if that is refused.
pub fn check(origins: &Origins, head: Head<'_>, path: &str, authorized: bool) -> Result<(), ApiError> {
    if *head.method == Method::GET {
        return match path {
            SIGN_IN_ANONYMOUS => anonymous_get_rule(origins, head),
            // A browser that fetched ahead of its reader asks again when the reader comes.
            path if MAILED_LINKS.contains(&path) && head.is_speculative() => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "PREFETCH_BLOCKED",
                "A mailed link is not fetched ahead of time",
            )),
            OPEN_MAGIC_LINK => signing_get_rule(origins, head),
            _ => Ok(()),
        };
    }
    if *head.method == Method::OPTIONS || path.starts_with(CALLBACK_PREFIX) {
        return Ok(());
    }
    if FORM_PATHS.contains(&path) {
        form_rule(origins, head, path, authorized)?;
    }
    if head.headers.contains_key(COOKIE) && !authorized { origin_rule(origins, head) } else { Ok(()) }
}

/// Whether a call says to come from a page that isn't trusted.
pub fn names_stranger(origins: &Origins, head: Head<'_>) -> bool {
    [ORIGIN, REFERER].into_iter().any(|name| match head.origin_in(name) {
        Claimed::Origin(origin) => !origins.trusts(&origin),
        Claimed::Missing | Claimed::Null | Claimed::Unreadable => false,
    })
}

/// Rule 1: `Origin`, else `Referer`, must be trusted.
///
/// `Origin: null` counts as none, except from a page of our own: those are sent with `Referrer-Policy: no-referrer`, which
/// makes browsers post their forms with a `null` origin.
pub fn origin_rule(origins: &Origins, head: Head<'_>) -> Result<(), ApiError> {
    match head.claimed() {
        Claimed::Origin(origin) if origins.trusts(&origin) => Ok(()),
        Claimed::Null if head.says(SEC_FETCH_SITE, "same-origin") && head.is_for(origins.public()) => Ok(()),
        Claimed::Missing | Claimed::Null => {
            Err(ApiError::new(StatusCode::FORBIDDEN, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin"))
        }
        Claimed::Origin(_) | Claimed::Unreadable => {
            Err(ApiError::new(StatusCode::FORBIDDEN, "INVALID_ORIGIN", "Invalid origin"))
        }
    }
}

/// Rule 2: no cross-site navigation may sign anybody in, and whatever looks like a browser must pass rule 1. A request
/// with none of a browser's marks is no browser's.
pub fn form_rule(origins: &Origins, head: Head<'_>, path: &str, authorized: bool) -> Result<(), ApiError> {
    if head.says(SEC_FETCH_SITE, "cross-site") && head.says(SEC_FETCH_MODE, "navigate") {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
            "Cross-site navigation login blocked. This request appears to be a CSRF attack.",
        ));
    }
    // JavaScript servers send Sec-Fetch-Mode alone; browsers never do.
    let of_a_server = path == SIGN_IN_ANONYMOUS && head.browser_marks().all(|mark| *mark == SEC_FETCH_MODE);
    if authorized || of_a_server || head.browser_marks().next().is_none() {
        return Ok(());
    }
    origin_rule(origins, head)
}

/// A GET that signs in is fetched by a page that may read the answer, or navigated to by a person: no image, and no script of
/// a neighbouring site, is to put a browser into somebody else's account.
pub fn signing_get_rule(origins: &Origins, head: Head<'_>) -> Result<(), ApiError> {
    let from_elsewhere = head.says(SEC_FETCH_SITE, "cross-site") || head.says(SEC_FETCH_SITE, "same-site");
    if !from_elsewhere || head.says(SEC_FETCH_MODE, "navigate") {
        return Ok(());
    }
    match head.origin_in(ORIGIN) {
        Claimed::Origin(origin) if origins.trusts(&origin) => Ok(()),
        _ => Err(ApiError::new(StatusCode::FORBIDDEN, "INVALID_ORIGIN", "Invalid origin")),
    }
}

/// The guard of `GET /sign-in/anonymous`: a guest is made by fetch from a trusted page, never by a link, an image, a
/// prefetch or a crawler.
pub fn anonymous_get_rule(origins: &Origins, head: Head<'_>) -> Result<(), ApiError> {
    let by_fetch = head.value(SEC_FETCH_MODE).is_none_or(|mode| matches!(mode, "cors" | "same-origin"))
        && head.value(SEC_FETCH_DEST).is_none_or(|dest| dest == "empty")
        && !head.is_speculative();
    let from_trusted = [ORIGIN, REFERER].into_iter().all(|name| match head.origin_in(name) {
        Claimed::Missing => true,
        Claimed::Origin(origin) => origins.trusts(&origin),
        Claimed::Null | Claimed::Unreadable => false,
    });
    let named = |name| !matches!(head.origin_in(name), Claimed::Missing);
    let crosses = head.says(SEC_FETCH_SITE, "cross-site") || head.says(SEC_FETCH_SITE, "same-site");
    let has_metadata = head.browser_marks().any(is_fetch_metadata);
    let source_known = (!crosses || named(ORIGIN)) && (has_metadata || named(ORIGIN) || named(REFERER));

    if by_fetch && head.accepts_json() && from_trusted && source_known {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "ANONYMOUS_GET_BLOCKED",
        "Guest sessions are created by fetch, not by navigation",
    ))
}

/// Where a request says that it comes from.
#[derive(PartialEq)]
pub(super) enum Claimed {
    Missing,
    Null,
    Unreadable,
    Origin(Origin),
}

impl Head<'_> {
    /// `Origin`, else `Referer`.
    fn claimed(&self) -> Claimed {
        match self.origin_in(ORIGIN) {
            Claimed::Missing => self.origin_in(REFERER),
            claimed => claimed,
        }
    }

    /// The origin that a header names. A header without a value is none; two headers are unreadable.
    pub(super) fn origin_in(&self, name: HeaderName) -> Claimed {
        let mut sent = self.headers.get_all(&name).iter();
        let (value, more) = (sent.next(), sent.next());
        let Some(value) = value.filter(|value| !value.is_empty()) else { return Claimed::Missing };
        let Ok(text) = value.to_str() else { return Claimed::Unreadable };
        let origin = match text {
            _ if more.is_some() => None,
            "null" if name == ORIGIN => return Claimed::Null,
            _ if name == ORIGIN => Origin::parse(text),
            _ => Url::parse(text).ok().and_then(|url| Origin::of(&url)),
        };
        origin.map_or(Claimed::Unreadable, Claimed::Origin)
    }

    fn value(&self, name: HeaderName) -> Option<&str> {
        // A value we can't read is still there, and equals nothing.
        self.headers.get(name).map(|value| value.to_str().unwrap_or("?").trim())
    }

    fn says(&self, name: HeaderName, expected: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case(expected))
    }

    /// The headers present that tell of a browser.
    fn browser_marks(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.keys().filter(|name| is_fetch_metadata(name) || matches!(**name, ORIGIN | REFERER))
    }

    /// Whether the request was sent to that origin's host. HTTP/2 has it in `:authority`.
    fn is_for(&self, public: &Origin) -> bool {
        let authority = self.uri.authority().map(|authority| authority.as_str()).or_else(|| self.value(HOST));
        authority.is_some_and(|authority| public.has_authority(authority))
    }

    fn is_speculative(&self) -> bool {
        [SEC_PURPOSE, PURPOSE].into_iter().filter_map(|name| self.value(name)).any(|purpose| {
            let purpose = purpose.to_ascii_lowercase();
            purpose.contains("prefetch") || purpose.contains("prerender")
        })
    }

    /// Whether `Accept` is absent, is nothing but `*/*`, or names JSON. That of a navigation, an image or a frame names
    /// other types, which still shows behind a proxy that drops fetch metadata.
    fn accepts_json(&self) -> bool {
        let values = self.headers.get_all(ACCEPT).iter().map(|value| value.to_str().unwrap_or("?"));
        let mut types = values.flat_map(|value| value.split(',')).map(|range| {
            let essence = range.split(';').next().unwrap_or_default();
            essence.trim().to_ascii_lowercase()
        });
        let types: Vec<String> = types.by_ref().filter(|essence| !essence.is_empty()).collect();
        types.iter().all(|essence| essence == "*/*") || types.iter().any(|essence| essence == "application/json")
    }
}

fn is_fetch_metadata(name: &HeaderName) -> bool {
    name.as_str().starts_with("sec-fetch-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::origin::OriginPattern;

    fn origins() -> Origins {
        let trusted = OriginPattern::parse_all(&["https://app.example.com", "myapp://"]).unwrap();
        Origins::new(Origin::parse("https://auth.example.com").unwrap(), trusted)
    }

    /// Headers written `name: value`, joined by `|`.
    fn request(method: &str, headers: &str) -> Request<()> {
        let mut builder = Request::builder().method(method).uri("/");
        for (name, value) in headers.split('|').filter_map(|line| line.trim().split_once(": ")) {
            builder = builder.header(name, value);
        }
        builder.body(()).unwrap()
    }

    fn verdict(method: &str, path: &str, headers: &str, authorized: bool) -> String {
        match check(&origins(), Head::from(&request(method, headers)), path, authorized) {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                assert_eq!(error.status(), StatusCode::FORBIDDEN);
                error.code().to_owned()
            }
        }
    }

    const MISSING: &str = "MISSING_OR_NULL_ORIGIN";
    const INVALID: &str = "INVALID_ORIGIN";
    const LOGIN: &str = "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED";

    #[test]
    fn calls_with_cookies_need_a_trusted_origin() {
        for (headers, expected) in [
            ("", "ok"),
            ("origin: https://evil.com", "ok"),
            ("cookie: a=b", MISSING),
            ("cookie: a=b | origin: null", MISSING),
            ("cookie: a=b | origin: null | referer: https://app.example.com/", MISSING),
            ("cookie: a=b | origin: https://app.example.com", "ok"),
            ("cookie: a=b | origin: https://auth.example.com", "ok"),
            ("cookie: a=b | origin: myapp://", "ok"),
            ("cookie: a=b | origin: https://evil.com", INVALID),
            ("cookie: a=b | origin: https://evil.com | referer: https://app.example.com/", INVALID),
            ("cookie: a=b | origin: https://app.example.com/path", INVALID),
            ("cookie: a=b | origin: https://app.example.com | origin: https://evil.com", INVALID),
            ("cookie: a=b | origin: nonsense", INVALID),
            ("cookie: a=b | referer: https://app.example.com/a?b#c", "ok"),
            ("cookie: a=b | referer: https://evil.com/?https://app.example.com", INVALID),
            ("cookie: a=b | referer: about:blank", INVALID),
            ("cookie: a=b | origin: null | sec-fetch-site: same-origin", MISSING),
            ("cookie: a=b | origin: null | sec-fetch-site: same-origin | host: evil.com", MISSING),
            ("cookie: a=b | origin: null | sec-fetch-site: same-origin | host: auth.example.com", "ok"),
            ("cookie: a=b | origin: null | sec-fetch-site: cross-site | host: auth.example.com", MISSING),
        ] {
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                assert_eq!(verdict(method, "/update-user", headers, false), expected, "{headers}");
            }
            assert_eq!(verdict("POST", "/update-user", headers, true), "ok", "{headers}");
            assert_eq!(verdict("POST", "/callback/apple", headers, false), "ok", "{headers}");
            assert_eq!(verdict("GET", "/get-session", headers, false), "ok", "{headers}");
            assert_eq!(verdict("OPTIONS", "/update-user", headers, false), "ok", "{headers}");
        }
    }

    #[test]
    fn the_public_host_may_come_as_authority() {
        let mut request = request("POST", "cookie: a=b | origin: null | sec-fetch-site: same-origin | host: evil.com");
        *request.uri_mut() = Uri::from_static("https://auth.example.com/x");
        assert!(check(&origins(), Head::from(&request), "/x", false).is_ok());
    }

    #[test]
    fn sign_in_is_guarded_without_cookies_too() {
        for (headers, expected) in [
            ("", "ok"),
            ("content-type: application/json", "ok"),
            ("sec-fetch-site: cross-site | sec-fetch-mode: navigate", LOGIN),
            ("sec-fetch-site: cross-site | sec-fetch-mode: navigate | origin: https://app.example.com", LOGIN),
            ("cookie: a=b | sec-fetch-site: cross-site | sec-fetch-mode: navigate | origin: https://evil.com", LOGIN),
            ("sec-fetch-site: cross-site | sec-fetch-mode: cors | origin: https://app.example.com", "ok"),
            ("sec-fetch-site: cross-site | sec-fetch-mode: cors | origin: https://evil.com", INVALID),
            ("sec-fetch-site: same-origin | sec-fetch-mode: cors", MISSING),
            ("origin: https://evil.com", INVALID),
            ("origin: null", MISSING),
            ("referer: https://app.example.com/", "ok"),
            ("sec-fetch-dest: empty", MISSING),
            ("cookie: a=b", MISSING),
        ] {
            for path in FORM_PATHS {
                assert_eq!(verdict("POST", path, headers, false), expected, "{path} {headers}");
            }
        }
        assert_eq!(verdict("POST", "/sign-in/email", "sec-fetch-mode: cors", false), MISSING);
        assert_eq!(verdict("POST", "/sign-in/anonymous", "sec-fetch-mode: cors", false), "ok");
        assert_eq!(verdict("POST", "/sign-in/anonymous", "sec-fetch-mode: cors | cookie: a=b", false), MISSING);
        assert_eq!(verdict("POST", "/sign-in/email", "origin: https://evil.com | cookie: a=b", true), "ok");
    }

    #[test]
    fn a_guest_is_made_by_fetch_and_not_by_navigation() {
        let html = "accept: text/html,application/xhtml+xml,*/*;q=0.8";
        for (headers, allowed) in [
            // The app's own page, same origin and other origin.
            ("sec-fetch-site: same-origin | sec-fetch-mode: cors | sec-fetch-dest: empty | accept: */*", true),
            ("sec-fetch-site: same-origin | sec-fetch-mode: same-origin | sec-fetch-dest: empty", true),
            (
                "sec-fetch-site: same-site | sec-fetch-mode: cors | sec-fetch-dest: empty | origin: https://app.example.com",
                true,
            ),
            (
                "sec-fetch-site: cross-site | sec-fetch-mode: cors | origin: https://app.example.com | referer: https://app.example.com/x",
                true,
            ),
            // A server.
            ("sec-fetch-mode: cors | accept: */*", true),
            ("sec-fetch-mode: cors | accept: application/json, text/plain, */*", true),
            // (a) Not by fetch.
            ("sec-fetch-site: none | sec-fetch-mode: navigate | sec-fetch-dest: document", false),
            ("sec-fetch-site: same-origin | sec-fetch-mode: no-cors | sec-fetch-dest: image", false),
            ("sec-fetch-mode: cors | sec-fetch-dest: script", false),
            ("sec-fetch-mode: cors | sec-purpose: prefetch;prerender", false),
            ("sec-fetch-mode: cors | purpose: Prefetch", false),
            // (b) Behind a proxy that drops fetch metadata.
            (html, false),
            ("accept: text/html,*/*;q=0.8 | referer: https://app.example.com/", false),
            ("accept: image/avif,image/webp,*/*;q=0.8 | referer: https://app.example.com/", false),
            ("accept: */*;q=0.9 | referer: https://app.example.com/", true),
            ("accept: Application/JSON;q=0.5, text/html | origin: https://app.example.com", true),
            // (c) From a stranger.
            ("sec-fetch-mode: cors | origin: https://evil.com", false),
            ("sec-fetch-mode: cors | origin: null", false),
            ("sec-fetch-mode: cors | referer: https://evil.com/", false),
            ("sec-fetch-mode: cors | origin: https://app.example.com | referer: https://evil.com/", false),
            ("sec-fetch-site: cross-site | sec-fetch-mode: cors", false),
            ("sec-fetch-site: same-site | sec-fetch-mode: cors | referer: https://app.example.com/", false),
            // (d) No fetch metadata at all.
            ("", false),
            ("accept: */*", false),
            ("accept: */* | referer: https://auth.example.com/", true),
            ("origin: https://app.example.com", true),
        ] {
            let expected = if allowed { "ok" } else { "ANONYMOUS_GET_BLOCKED" };
            assert_eq!(verdict("GET", "/sign-in/anonymous", headers, false), expected, "{headers}");
        }
    }
}
