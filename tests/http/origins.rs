//! Whose pages may make a browser call us (CONTRACT 1.5, rules 1 and 2).

use serde_json::json;

use crate::support::{App, Method, PASSWORD};

const TRUSTED: (&str, &str) = ("trusted_origins", "https://app.example.com,https://*.apps.example.com,myapp://");

/// The code that stops a call with these headers, `name: value` joined by `|`, or `passes`. `APP` stands for the public
/// URL, `HOST` for its host.
async fn verdict(app: &App, path: &str, headers: &str) -> String {
    let mut call = app.program().at(Method::POST, &format!("/api/auth{path}"));
    let host = app.origin().split_once("://").unwrap().1;
    for (name, value) in headers.split('|').filter_map(|line| line.trim().split_once(": ")) {
        call = call.header(name, &value.replace("APP", app.origin()).replace("HOST", host));
    }
    let answer = call.await;
    let code = if answer.status < 400 { String::new() } else { answer.json()["code"].as_str().unwrap().to_owned() };
    let stops = answer.status == 403 && (code.contains("ORIGIN") || code.contains("CROSS_SITE"));
    if stops { code } else { "passes".to_owned() }
}

const MISSING: &str = "MISSING_OR_NULL_ORIGIN";
const INVALID: &str = "INVALID_ORIGIN";
const CROSS: &str = "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED";

#[tokio::test]
async fn with_a_cookie_the_origin_must_be_trusted() {
    let app = App::with(&[TRUSTED]).await;
    for (headers, expected) in [
        ("", "passes"),
        ("origin: https://evil.example", "passes"),
        ("cookie: a=b", MISSING),
        ("cookie: a=b | origin: null", MISSING),
        ("cookie: a=b | origin: APP", "passes"),
        ("cookie: a=b | origin: https://app.example.com", "passes"),
        ("cookie: a=b | origin: https://App.Example.COM:443", "passes"),
        ("cookie: a=b | origin: https://one.apps.example.com", "passes"),
        ("cookie: a=b | origin: myapp://", "passes"),
        ("cookie: a=b | referer: APP/some/page?x=1", "passes"),
        ("cookie: a=b | referer: https://evil.example/APP", INVALID),
        ("cookie: a=b | origin: https://evil.example", INVALID),
        ("cookie: a=b | origin: https://evil.example | referer: APP/", INVALID),
        ("cookie: a=b | origin: https://apps.example.com", INVALID),
        ("cookie: a=b | origin: https://a.b.apps.example.com", INVALID),
        ("cookie: a=b | origin: https://app.example.com.evil.example", INVALID),
        ("cookie: a=b | origin: https://app.example.com:8443", INVALID),
        ("cookie: a=b | origin: http://app.example.com", INVALID),
        ("cookie: a=b | origin: https://evilapp.example.com", INVALID),
        ("cookie: a=b | origin: https://app.example.com@evil.example", INVALID),
        ("cookie: a=b | origin: yourapp://", INVALID),
        ("cookie: a=b | origin: nonsense", INVALID),
        ("cookie: a=b | authorization: Bearer 0123456789abcdefghijABCDEFGHIJ01", MISSING),
        ("cookie: a=b | authorization: Bearer sk_live_0123", MISSING),
        ("cookie: a=b | origin: null | sec-fetch-site: same-origin", "passes"),
        ("cookie: a=b | origin: null | sec-fetch-site: same-site", MISSING),
        ("cookie: a=b | origin: null | sec-fetch-site: cross-site", MISSING),
    ] {
        for path in ["/sign-out", "/update-user"] {
            assert_eq!(verdict(&app, path, headers).await, expected, "{path} {headers}");
        }
    }
}

#[tokio::test]
async fn a_null_origin_of_our_own_pages_must_come_to_our_own_host() {
    let app = App::start().await;
    let port = app.address().port();
    let headers = ["cookie: a=b", "origin: null", "sec-fetch-site: same-origin", "content-length: 0"];
    let sent_to = async |host: String| {
        let mut bytes = format!("POST /api/auth/sign-out HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        headers.iter().for_each(|header| bytes += &format!("{header}\r\n"));
        crate::support::raw::send_bytes(&app, (bytes + "\r\n").as_bytes()).await.status
    };
    assert_eq!(sent_to(format!("127.0.0.1:{port}")).await, 200);
    assert_eq!(sent_to(format!("evil.example:{port}")).await, 403);
    assert_eq!(sent_to("127.0.0.1".to_owned()).await, 403);
}

#[tokio::test]
async fn a_valid_bearer_is_proof_enough() {
    let app = App::start().await;
    let guest = app.program().arrive().await;
    let bearer = format!("authorization: Bearer {}", guest["token"].as_str().unwrap());
    for rest in ["cookie: a=b", "cookie: a=b | origin: https://evil.example", "cookie: a=b | origin: null"] {
        assert_eq!(verdict(&app, "/update-user", &format!("{bearer} | {rest}")).await, "passes");
    }
}

#[tokio::test]
async fn a_refused_call_does_nothing() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    browser.session().await;
    let head = app.head().await;
    let evil = browser.always("origin", "https://evil.example");
    evil.post("/update-user", &json!({ "name": "Mallory" })).await.says(403, INVALID, "Invalid origin");
    evil.post("/sign-out", &json!({})).await.refused(403, INVALID);
    evil.post("/anonymous/upgrade", &json!({ "email": "m@example.com", "password": PASSWORD }))
        .await
        .refused(403, INVALID);
    browser.never("origin").post("/sign-out", &json!({})).await.says(403, MISSING, "Missing or null Origin");
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn signing_in_is_guarded_without_cookies_too() {
    let app = App::with(&[TRUSTED, ("rate_limits", "off")]).await;
    for (headers, expected) in [
        ("", "passes"),
        ("origin: APP", "passes"),
        ("referer: https://app.example.com/x", "passes"),
        ("origin: https://evil.example", INVALID),
        ("referer: https://evil.example/", INVALID),
        ("origin: null", MISSING),
        ("sec-fetch-site: cross-site | sec-fetch-mode: navigate", CROSS),
        ("sec-fetch-site: cross-site | sec-fetch-mode: navigate | origin: https://evil.example", CROSS),
        ("sec-fetch-site: cross-site | sec-fetch-mode: navigate | origin: APP", CROSS),
        ("sec-fetch-site: cross-site | sec-fetch-mode: cors | origin: https://app.example.com", "passes"),
        ("sec-fetch-site: cross-site | sec-fetch-mode: cors", MISSING),
        ("sec-fetch-site: same-origin", MISSING),
        ("sec-fetch-site: same-origin | origin: APP", "passes"),
    ] {
        for path in ["/sign-in/email", "/sign-up/email", "/sign-in/anonymous"] {
            assert_eq!(verdict(&app, path, headers).await, expected, "{path} {headers}");
        }
    }
    for (path, expected) in [("/sign-in/anonymous", "passes"), ("/sign-in/email", MISSING), ("/sign-up/email", MISSING)]
    {
        assert_eq!(verdict(&app, path, "sec-fetch-mode: cors").await, expected, "a server-side fetch: {path}");
    }
    assert_eq!(verdict(&app, "/update-user", "sec-fetch-site: cross-site | sec-fetch-mode: navigate").await, "passes");
    let blocked = app
        .program()
        .post("/sign-in/email", &json!({}))
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .await;
    blocked.says(403, CROSS, "Cross-site navigation login blocked. This request appears to be a CSRF attack.");
}

#[tokio::test]
async fn reading_is_free() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let evil = browser.always("origin", "https://evil.example");
    assert_eq!(evil.session().await["user"]["id"], guest["user"]["id"], "CORS keeps the page from reading it");
    evil.get("/list-sessions").await.ok();
}
