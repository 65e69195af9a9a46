//! Whose pages may read the answers (CONTRACT 1.5, rule 4).

use serde_json::json;

use crate::support::{Answer, App, Method};

const TRUSTED: &str = "https://app.example.com";
const EXPOSED: &str = "set-auth-token, set-auth-jwt, Retry-After, X-Retry-After, X-Request-Id";

async fn app() -> App {
    App::with(&[("trusted_origins", TRUSTED)]).await
}

fn lets_in(answer: &Answer) -> Option<&str> {
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(answer.header("access-control-allow-credentials"), origin.map(|_| "true"));
    if origin.is_some() {
        assert_eq!(
            (answer.header("vary"), answer.header("access-control-expose-headers")),
            (Some("Origin"), Some(EXPOSED))
        );
    }
    origin
}

#[tokio::test]
async fn a_trusted_origin_gets_itself_on_errors_too() {
    let app = app().await;
    for origin in [TRUSTED, app.origin()] {
        let page = app.program().always("origin", origin);
        for answer in [
            page.get("/ok").await,
            page.get("/get-session").await,
            page.post("/sign-in/anonymous", &json!({})).await,
            page.get("/nowhere").await,
            page.get("/list-sessions").await,
            page.at(Method::PUT, "/api/auth/ok").await,
            page.at(Method::POST, "/api/auth/sign-in/email").body("text/plain", "x").await,
            page.get("/ok").header("x-api-key", "x").await,
        ] {
            assert_eq!(lets_in(&answer), Some(origin), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn another_gets_none() {
    let app = app().await;
    for origin in
        ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com", "*", ""]
    {
        let answer = app.program().get("/get-session").header("origin", origin).await;
        assert_eq!(lets_in(&answer), None, "{origin}");
    }
    assert_eq!(lets_in(&app.program().get("/ok").await), None);
}

#[tokio::test]
async fn the_token_can_be_read_wherever_it_is_sent() {
    let app = app().await;
    let answer = app.program().post("/sign-in/anonymous", &json!({})).await;
    assert_eq!(answer.header("access-control-expose-headers"), Some(EXPOSED));
    assert_eq!(lets_in(&answer), None);
}

#[tokio::test]
async fn a_preflight_of_a_trusted_page() {
    let app = app().await;
    for path in ["/api/auth/sign-in/email", "/api/auth/get-session", "/api/auth/nowhere"] {
        let ask = app
            .program()
            .at(Method::OPTIONS, path)
            .header("origin", TRUSTED)
            .header("access-control-request-method", "POST");
        let answer = ask.header("access-control-request-headers", "content-type").await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        let said = |name: &str| answer.header(&format!("access-control-{name}"));
        assert_eq!((said("allow-origin"), said("allow-credentials")), (Some(TRUSTED), Some("true")));
        assert_eq!((said("allow-methods"), said("max-age")), (Some("GET, POST"), Some("600")));
        assert_eq!(said("allow-headers"), Some("content-type, authorization, idempotency-key, x-api-key"));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn a_preflight_of_a_stranger_lets_nobody_in() {
    let app = app().await;
    let ask = app.program().at(Method::OPTIONS, "/api/auth/sign-in/email").header("origin", "https://evil.example");
    let answer = ask.header("access-control-request-method", "POST").await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-allow")), "{answer:?}");
}
