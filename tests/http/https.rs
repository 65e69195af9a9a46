//! Behind https the cookies carry the prefixes that bind them to it (CONTRACT 1.4).

use reqwest::header::COOKIE;
use serde_json::{Value, json};

use crate::support::App;

const SESSION: &str = "__Secure-better-auth.session_token";
const CLAIM: &str = "__Host-better-auth.claim";

async fn app(more: &[crate::support::Tweak<'_>]) -> App {
    let mut tweaks = vec![("base_url", "https://auth.example.com")];
    tweaks.extend_from_slice(more);
    App::with(&tweaks).await
}

#[tokio::test]
async fn the_sessions_cookie_is_secure_and_the_servers_own_is_hosts() {
    let app = app(&[]).await;
    let browser = app.browser();
    let answer = browser
        .post(
            "/sign-up/email",
            &json!({ "name": "", "email": "jane@example.com", "password": crate::support::PASSWORD }),
        )
        .await;
    answer.ok();
    let attributes = |name: &str| {
        let mut attributes = answer.cookie(name).unwrap().attributes;
        attributes.sort_unstable();
        attributes
    };
    let expected = ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax", "Secure"];
    assert_eq!(
        (attributes(SESSION), attributes(CLAIM)),
        (expected.map(str::to_owned).to_vec(), expected.map(str::to_owned).to_vec())
    );
    assert_eq!(answer.cookies().len(), 2);
    assert_ne!(browser.session().await, Value::Null);

    let out = browser.post("/sign-out", &json!({})).await;
    out.deletes(SESSION);
    assert!(out.cookies().iter().all(|cookie| cookie.name.starts_with("__") && cookie.has("Secure")));
}

#[tokio::test]
async fn names_without_the_prefix_are_not_read() {
    let app = app(&[]).await;
    let browser = app.browser();
    browser.arrive().await;
    let value = browser.cookie(SESSION).unwrap();
    for name in ["better-auth.session_token", "__Host-better-auth.session_token", "__secure-better-auth.session_token"]
    {
        assert_eq!(
            app.program().get("/get-session").header(COOKIE.as_str(), &format!("{name}={value}")).await.ok(),
            Value::Null,
            "{name}"
        );
    }
}

#[tokio::test]
async fn not_remembered() {
    let app = app(&[]).await;
    let body =
        json!({ "name": "", "email": "jane@example.com", "password": crate::support::PASSWORD, "rememberMe": false });
    let answer = app.browser().post("/sign-up/email", &body).await;
    assert_eq!(answer.cookie(SESSION).unwrap().max_age(), None);
    assert!(answer.cookie("__Secure-better-auth.dont_remember").unwrap().has("Secure"));
}

#[tokio::test]
async fn same_site_and_domain_are_the_sessions_alone() {
    let app = app(&[("cookies.domain", "example.com"), ("cookies.same_site", "none")]).await;
    let answer = app
        .browser()
        .post(
            "/sign-up/email",
            &json!({ "name": "", "email": "jane@example.com", "password": crate::support::PASSWORD }),
        )
        .await;
    let session = answer.cookie(SESSION).unwrap();
    assert!(session.has("Domain=example.com") && session.has("SameSite=None") && session.has("Secure"));
    let claim = answer.cookie(CLAIM).unwrap();
    assert!(claim.has("SameSite=Lax") && !claim.attributes.iter().any(|attribute| attribute.starts_with("Domain")));
}
