//! Turnstile and hCaptcha, played by a server of the test's own that misbehaves where it is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{arrive, show};
use crate::support::{App, Tweak, seconds};

const SECRET: &str = "secret of the tests: +/&";

#[derive(Clone, Debug)]
enum Mood {
    /// `token` is good, once.
    Honest,
    Says(u16, String),
    Silent,
    Redirects,
    Endless,
}

struct Inner {
    mood: Mood,
    used: bool,
    asked: Vec<HashMap<String, String>>,
}

struct Provider {
    inner: Arc<Mutex<Inner>>,
    url: String,
    serving: JoinHandle<()>,
}

impl Provider {
    async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner { mood: Mood::Honest, used: false, asked: Vec::new() }));
        let router = Router::new().route("/siteverify", post(verify)).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, url, serving }
    }

    async fn app(&self, kind: &str, more: &[Tweak<'_>]) -> App {
        let tweaks = [
            ("challenge.kind", kind),
            ("challenge.site_key", "site-key"),
            ("challenge.secret", SECRET),
            ("challenge.verify_url", &self.url),
            ("outgoing.allow", "127.0.0.0/8"),
        ];
        App::with(&[&tweaks[..], more].concat()).await
    }

    fn turn(&self, mood: Mood) {
        self.inner.lock().unwrap().mood = mood;
    }

    fn asked(&self) -> Vec<HashMap<String, String>> {
        self.inner.lock().unwrap().asked.clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn verify(State(inner): State<Arc<Mutex<Inner>>>, form: String) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let mood = {
        let mut inner = inner.lock().unwrap();
        inner.asked.push(form.clone());
        inner.mood.clone()
    };
    let said = |success: bool, errors: &[&str]| json!({ "success": success, "error-codes": errors }).to_string();
    match mood {
        Mood::Honest if form["secret"] != SECRET => said(false, &["invalid-input-secret"]).into_response(),
        Mood::Honest if form["response"] != "token" => said(false, &["invalid-input-response"]).into_response(),
        Mood::Honest => match std::mem::replace(&mut inner.lock().unwrap().used, true) {
            false => said(true, &[]).into_response(),
            true => said(false, &["timeout-or-duplicate"]).into_response(),
        },
        Mood::Says(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Redirects => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/siteverify?again")]).into_response(),
        Mood::Endless => "x".repeat(1 << 20).into_response(),
    }
}

#[tokio::test]
async fn a_token_that_the_provider_finds_good_opens_the_door_once() {
    for kind in ["turnstile", "hcaptcha"] {
        let provider = Provider::start().await;
        let app = provider.app(kind, &[]).await;
        let program = app.program();
        let asked = program.get("/anonymous/challenge").await.ok();
        assert_eq!(asked, json!({ "kind": kind, "required": true, "siteKey": "site-key" }));
        let told = arrive(&program).await.refused(403, "CHALLENGE_REQUIRED");
        assert_eq!((&told["details"]["kind"], &told["details"]["siteKey"]), (&json!(kind), &json!("site-key")));
        assert_eq!(provider.asked().len(), 0, "nothing was shown, nobody was asked");

        let browser = app.browser();
        let guest = browser.post("/sign-in/anonymous", &json!({})).header("x-captcha-response", "token").await.ok();
        assert_eq!(guest["user"]["isAnonymous"], true);
        let form = provider.asked().pop().unwrap();
        assert_eq!((form["secret"].as_str(), form["response"].as_str()), (SECRET, "token"));
        assert_eq!(form["remoteip"], "127.0.0.1");
        assert_eq!(form.get("sitekey").map(String::as_str), (kind == "hcaptcha").then_some("site-key"));
        // Who is there already is asked for nothing, and nor is the provider.
        browser.arrive().await;
        assert_eq!(provider.asked().len(), 1);
        show(&program, "token").await.refused(403, "CHALLENGE_FAILED");
        show(&program, "forged").await.refused(403, "CHALLENGE_FAILED");
    }
}

#[tokio::test]
async fn a_repeated_call_brings_the_same_guest_though_its_token_is_used_up() {
    let provider = Provider::start().await;
    let app = provider.app("turnstile", &[]).await;
    let program = app.program();
    let call = || {
        let call = program.post("/sign-in/anonymous", &json!({ "captchaResponse": "token" }));
        call.header("idempotency-key", "a-key-of-22-characters")
    };
    let first = call().await.ok();
    assert_eq!(call().await.ok(), first);
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn whatever_is_no_clear_yes_lets_nobody_in() {
    let provider = Provider::start().await;
    let app = provider.app("turnstile", &[("guests_per_minute", "0")]).await;
    let program = app.program();
    let head = app.head().await;
    let no = |text: &str| Mood::Says(200, text.to_owned());
    for mood in [no(r#"{"success":false}"#), no(r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#)] {
        provider.turn(mood.clone());
        assert_eq!(show(&program, "token").await.refused(403, "CHALLENGE_FAILED")["details"]["kind"], "turnstile");
    }
    for mood in [
        no(""),
        no("yes"),
        no("true"),
        no("{}"),
        no("[]"),
        no(r#"{"success":"true"}"#),
        no(r#"{"success":1}"#),
        no(r#"{"success":true"#),
        no(r#"{"success":true,"error-codes":"none"}"#),
        no(r#"{"success":false,"error-codes":["invalid-input-secret"]}"#),
        no(r#"{"success":true,"error-codes":["internal-error"]}"#),
        Mood::Says(500, r#"{"success":true}"#.to_owned()),
        Mood::Says(502, "<html>Bad gateway</html>".to_owned()),
        Mood::Redirects,
        Mood::Endless,
    ] {
        provider.turn(mood.clone());
        let answer = show(&program, "token").await;
        answer.refused(503, "SERVICE_UNAVAILABLE");
        assert!(answer.header("retry-after").is_some(), "{mood:?}");
    }
    assert_eq!(app.head().await, head, "nothing happened");
    // What the provider did wrong counts against nobody.
    for _ in 0..40 {
        show(&program, "token").await.refused(503, "SERVICE_UNAVAILABLE");
    }
    provider.turn(Mood::Honest);
    show(&program, "token").await.ok();
}

#[tokio::test]
async fn a_provider_that_is_silent_or_gone_lets_nobody_in() {
    let provider = Provider::start().await;
    let app = provider.app("hcaptcha", &[]).await;
    provider.turn(Mood::Silent);
    let asked = tokio::time::timeout(Duration::from_secs(30), show(&app.program(), "token")).await;
    asked.expect("nobody waits for ever").refused(503, "SERVICE_UNAVAILABLE");
    drop(provider);
    show(&app.program(), "token").await.refused(503, "SERVICE_UNAVAILABLE");
    // The server itself is well, and so are those who are there.
    assert_eq!(app.program().get("/ok").await.ok(), json!({ "ok": true }));
}

#[tokio::test]
async fn a_provider_in_a_private_network_is_called_only_where_that_is_allowed() {
    let provider = Provider::start().await;
    let app = provider.app("turnstile", &[("outgoing.allow", "10.0.0.0/8")]).await;
    show(&app.program(), "token").await.refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(provider.asked().len(), 0);
}

#[tokio::test]
async fn whoever_sends_bad_tokens_is_not_passed_on_for_ever() {
    let provider = Provider::start().await;
    let app = provider.app("turnstile", &[]).await;
    for _ in 0..30 {
        show(&app.program(), "forged").await.refused(403, "CHALLENGE_FAILED");
    }
    show(&app.program(), "forged").await.refused(429, "RATE_LIMITED");
    assert_eq!(provider.asked().len(), 30);
    for long in [" ".to_owned(), "x".repeat(20_000)] {
        app.pass(seconds(600));
        show(&app.program(), &long).await.refused(403, "CHALLENGE_FAILED");
    }
    assert!(provider.asked().len() <= 31, "what can't be a token is brought to nobody");
}

#[tokio::test]
async fn the_secret_is_shown_nowhere() {
    let provider = Provider::start().await;
    let app = provider.app("turnstile", &[]).await;
    let seen = [app.program().get("/anonymous/challenge").await.text, arrive(&app.program()).await.text];
    for text in seen {
        assert!(!text.contains("secret of"), "{text}");
    }
    let document: Value = app.program().at(crate::support::Method::GET, "/openapi.json").await.ok();
    assert!(document["paths"]["/api/auth/anonymous/challenge"]["get"].is_object());
}
