//! A client that says what it was answered: status, code, body. By cookie as a browser, or by bearer as an app.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{HeaderMap, ORIGIN};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PATIENCE, Server};

pub const PASSWORD: &str = "correct horse battery staple";

/// An address that nobody has yet.
pub fn address() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("somebody-{}-{}@example.com", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One visitor. Clones are the same visitor in another tab.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    origin: String,
    bearer: Option<String>,
    patient: bool,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn user(&self) -> String {
        self.text("/user/id")
    }

    pub fn session(&self) -> String {
        self.text("/session/id")
    }

    pub fn token(&self) -> String {
        self.text("/session/token")
    }

    pub fn is_anonymous(&self) -> Option<bool> {
        self.body.pointer("/user/isAnonymous").and_then(Value::as_bool)
    }

    fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
            .to_owned()
    }

    /// The answer of a call that is expected to succeed.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self
    }
}

impl Client {
    /// A visitor with a cookie jar, as a browser.
    pub(super) fn browser(server: SocketAddr) -> Self {
        Self::new(server, true)
    }

    /// A visitor who keeps the token by itself, as an app; see [`Client::bearing`].
    pub(super) fn app(server: SocketAddr) -> Self {
        Self::new(server, false)
    }

    fn new(server: SocketAddr, cookies: bool) -> Self {
        let http = crate::support::http().cookie_store(cookies).timeout(PATIENCE).no_proxy().build().unwrap();
        let (base, origin) = Self::places(server);
        Self { http, base, origin, bearer: None, patient: false }
    }

    fn places(server: SocketAddr) -> (String, String) {
        (format!("http://{server}"), format!("http://localhost:{}", server.port()))
    }

    /// The same visitor, cookies and all, at another server.
    pub fn at(&self, server: &Server) -> Self {
        let (base, origin) = Self::places(server.address);
        Self { base, origin, ..self.clone() }
    }

    /// The same visitor, on a page of another origin.
    pub fn on_page(&self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self.clone() }
    }

    /// The same, with this token in `Authorization`.
    pub fn bearing(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// The same, to whom 503 is as good as no answer, as long as it says when to ask again.
    pub fn patient(&self) -> Self {
        Self { patient: true, ..self.clone() }
    }

    pub fn is_patient(&self) -> bool {
        self.patient
    }

    /// `None` when no answer came: the connection broke.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).header(ORIGIN, &self.origin);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if self.patient && status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(headers.contains_key("retry-after"), "{headers:?}");
            return None;
        }
        let text = answer.text().await.ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some(Answer { status, headers, body })
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.try_call(method.clone(), path, body, &[]).await.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// A POST below the API's base path.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, &format!("/api/auth{path}"), Some(body)).await
    }

    pub async fn try_post(&self, path: &str, body: Value) -> Option<Answer> {
        self.try_call(Method::POST, &format!("/api/auth{path}"), Some(body), &[]).await
    }

    pub async fn arrive(&self) -> Answer {
        self.post("/sign-in/anonymous", json!({})).await
    }

    pub async fn upgrade(&self, email: &str) -> Answer {
        self.post("/anonymous/upgrade", json!({"email": email, "password": PASSWORD})).await
    }

    pub async fn sign_in(&self, email: &str) -> Answer {
        self.post("/sign-in/email", json!({"email": email, "password": PASSWORD})).await
    }

    pub async fn session(&self) -> Answer {
        self.get("/api/auth/get-session").await
    }
}
