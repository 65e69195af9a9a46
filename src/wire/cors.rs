//! Which other origins may read our answers (WHATWG Fetch, 3.3).
//!
//! A trusted origin gets itself back, with credentials; any other gets no header at all. Errors are no exception, as an
//! app must read them too.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::csrf::{Claimed, Head};
use super::origin::Origins;

/// The token in the clear, for apps that hold it themselves: `<token>.<signature>`.
pub const SET_AUTH_TOKEN: HeaderName = HeaderName::from_static("set-auth-token");

/// A token for other services.
pub const SET_AUTH_JWT: HeaderName = HeaderName::from_static("set-auth-jwt");

const EXPOSED: HeaderValue =
    HeaderValue::from_static("set-auth-token, set-auth-jwt, Retry-After, X-Retry-After, X-Request-Id");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const HEADERS: HeaderValue = HeaderValue::from_static("content-type, authorization, idempotency-key, x-api-key");
/// The same, where guests are challenged.
const HEADERS_AND_ANSWER: HeaderValue =
    HeaderValue::from_static("content-type, authorization, idempotency-key, x-api-key, x-captcha-response");

/// The answer to a challenge, by the name that clients of captchas give it.
pub const X_CAPTCHA_RESPONSE: HeaderName = HeaderName::from_static("x-captcha-response");
/// Seconds for which a browser may remember a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Who may read a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Trusted origins, with cookies.
    Trusted,
    /// Anybody, without cookies: public keys.
    Anybody,
}

/// The origin to let in, to be taken from the request before it is consumed. `None`: no CORS headers.
pub fn allowed_origin(origins: &Origins, head: Head<'_>, readers: Readers) -> Option<HeaderValue> {
    match readers {
        Readers::Anybody => Some(HeaderValue::from_static("*")),
        Readers::Trusted => match head.origin_in(ORIGIN) {
            Claimed::Origin(origin) if origins.trusts(&origin) => head.headers.get(ORIGIN).cloned(),
            _ => None,
        },
    }
}

/// Adds the headers to an answer, be it a success or an error.
pub fn apply(answer: &mut HeaderMap, allowed: Option<&HeaderValue>) {
    if let Some(origin) = allowed {
        allow(answer, origin);
    }
    if allowed.is_some() || answer.contains_key(SET_AUTH_TOKEN) {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// The answer to a preflight; `None` if the request is none. `challenged`: guests have to show something. Sent without CORS headers to an untrusted origin, whose
/// browser then drops the call.
pub fn preflight(head: Head<'_>, allowed: Option<&HeaderValue>, challenged: bool) -> Option<Response> {
    let is_preflight = *head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(origin) = allowed {
        let answer = response.headers_mut();
        allow(answer, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, if challenged { HEADERS_AND_ANSWER } else { HEADERS });
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    Some(response)
}

fn allow(answer: &mut HeaderMap, origin: &HeaderValue) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if origin != "*" {
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.append(VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::origin::{Origin, OriginPattern};
    use http::Request;

    fn origins() -> Origins {
        let trusted = OriginPattern::parse_all(&["https://app.example.com"]).unwrap();
        Origins::new(Origin::parse("https://auth.example.com").unwrap(), trusted)
    }

    fn request(method: Method, origin: &str) -> Request<()> {
        let request = Request::builder().method(method).header(ORIGIN, origin);
        request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST").body(()).unwrap()
    }

    fn answer_to(origin: &str, readers: Readers, mut answer: HeaderMap) -> HeaderMap {
        let request = request(Method::GET, origin);
        let allowed = allowed_origin(&origins(), Head::from(&request), readers);
        apply(&mut answer, allowed.as_ref());
        answer
    }

    #[test]
    fn a_trusted_origin_gets_itself() {
        let answer = answer_to("https://app.example.com", Readers::Trusted, HeaderMap::new());
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(answer[VARY], "Origin");
        assert_eq!(answer[ACCESS_CONTROL_EXPOSE_HEADERS], EXPOSED);
    }

    #[test]
    fn another_gets_none() {
        for origin in ["https://evil.com", "null", "", "https://app.example.com/x"] {
            assert!(answer_to(origin, Readers::Trusted, HeaderMap::new()).is_empty(), "{origin}");
        }
        let token = HeaderMap::from_iter([(SET_AUTH_TOKEN, HeaderValue::from_static("t"))]);
        let answer = answer_to("", Readers::Trusted, token);
        assert_eq!(answer[ACCESS_CONTROL_EXPOSE_HEADERS], EXPOSED);
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn public_keys_are_for_anybody_without_credentials() {
        let answer = answer_to("https://evil.com", Readers::Anybody, HeaderMap::new());
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn preflights() {
        for (origin, trusted) in [("https://app.example.com", true), ("https://evil.com", false)] {
            let request = request(Method::OPTIONS, origin);
            let allowed = allowed_origin(&origins(), Head::from(&request), Readers::Trusted);
            let response = preflight(Head::from(&request), allowed.as_ref(), false).unwrap();
            assert_eq!(response.status(), StatusCode::NO_CONTENT);
            let headers = response.headers();
            assert_eq!(headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), trusted);
            assert_eq!(
                headers.get(ACCESS_CONTROL_ALLOW_METHODS).is_some_and(|methods| methods == "GET, POST"),
                trusted
            );
            assert_eq!(headers.get(ACCESS_CONTROL_MAX_AGE).is_some_and(|age| age == "600"), trusted);
            assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_HEADERS).is_some_and(|names| names == HEADERS), trusted);
        }
        assert!(preflight(Head::from(&request(Method::POST, "https://app.example.com")), None, false).is_none());
        let bare = Request::builder().method(Method::OPTIONS).body(()).unwrap();
        assert!(preflight(Head::from(&bare), None, false).is_none());
    }
}
