//! Answers, and what is true of every one of them.

use reqwest::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE};
use serde_json::Value;

use super::jar::SetCookie;

/// An answer, read to its end. Whatever the contract says of all answers was checked when it came in.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub(super) async fn of(response: reqwest::Response, head: bool) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Self { status, headers, text: response.text().await.unwrap() };
        answer.carries_what_every_answer_carries();
        match status {
            _ if head => assert_eq!(answer.text, ""),
            400.. => answer.is_an_error_like_any_other(),
            300..400 => answer.is_a_bare_redirect(),
            204 => {}
            _ => assert!(!answer.text.is_empty(), "an empty {status}"),
        }
        answer.gives_the_token_by_cookie_and_header_alike();
        answer
    }

    /// The body of a success, which is JSON.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// The body of a refusal.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str().unwrap_or_default()), (status, code), "{self:?}");
        body
    }

    /// A refusal whose message clients show.
    #[track_caller]
    pub fn says(&self, status: u16, code: &str, message: &str) {
        assert_eq!(self.refused(status, code)["message"], message);
    }

    /// Where a redirect leads.
    #[track_caller]
    pub fn leads_to(&self, place: &str) {
        assert_eq!((self.status, self.header("location")), (302, Some(place)), "{self:?}");
    }

    #[track_caller]
    /// A page with that heading.
    pub fn ok_page(&self, heading: &str) {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.text.contains(&format!("<h1>{heading}</h1>")), "{self:?}");
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn cookies(&self) -> Vec<SetCookie> {
        self.headers.get_all(SET_COOKIE).iter().map(|header| SetCookie::parse(header.to_str().unwrap())).collect()
    }

    /// What was said of one cookie.
    pub fn cookie(&self, name: &str) -> Option<SetCookie> {
        let mut said = self.cookies().into_iter().filter(|cookie| cookie.name == name);
        let first = said.next();
        assert!(said.next().is_none(), "{name} is set twice");
        first
    }

    #[track_caller]
    pub fn deletes(&self, name: &str) {
        assert!(
            self.cookie(name).is_some_and(|cookie| cookie.deletes()),
            "{name} is not deleted: {:?}",
            self.cookies()
        );
    }

    fn carries_what_every_answer_carries(&self) {
        assert!(self.header("x-request-id").is_some_and(|id| id.len() > 20), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        // Public keys alone may be kept, and are all that such an answer holds.
        let keys = self.text.starts_with("{\"keys\":[{\"kty\":\"OKP\"");
        assert_eq!(self.header("cache-control"), Some(if keys { "public, max-age=900" } else { "no-store" }));
    }

    fn is_an_error_like_any_other(&self) {
        assert_eq!(
            self.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()),
            Some(&b"application/json"[..]),
            "{self:?}"
        );
        let Value::Object(body) = self.json() else { panic!("no object: {self:?}") };
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        assert!(!text("message").is_empty(), "{self:?}");
        let code = text("code");
        assert!(!code.is_empty() && code.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{self:?}");
        assert!(body.keys().all(|key| ["code", "message", "details", "errors"].contains(&key.as_str())), "{self:?}");
        assert_eq!(self.status == 405, self.header("allow").is_some(), "{self:?}");
        assert_eq!(matches!(self.status, 429 | 503), self.header("retry-after").is_some(), "{self:?}");
    }

    fn is_a_bare_redirect(&self) {
        assert_eq!(self.status, 302);
        assert_eq!(self.text, "");
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"));
    }

    fn gives_the_token_by_cookie_and_header_alike(&self) {
        let live = self
            .cookies()
            .into_iter()
            .find(|cookie| cookie.name.ends_with("session_token") && !cookie.value.is_empty());
        let by_cookie =
            live.map(|cookie| percent_encoding::percent_decode_str(&cookie.value).decode_utf8().unwrap().into_owned());
        assert_eq!(by_cookie.as_deref(), self.header("set-auth-token"));
    }
}
