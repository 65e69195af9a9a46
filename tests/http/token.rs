//! Tokens for other services (CONTRACT 8), checked as another service would: with the published keys and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::Span;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::{App, Client, Method, days, seconds};

const JANE: &str = "jane@example.com";

async fn token(caller: &Client) -> String {
    caller.get("/token").await.ok()["token"].as_str().unwrap().to_owned()
}

async fn keys(app: &App) -> Vec<Value> {
    app.program().get("/jwks").await.ok()["keys"].as_array().unwrap().clone()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn kid(token: &str) -> Value {
    part(token.split('.').next().unwrap())["kid"].clone()
}

/// The claims, whoever signed them.
pub fn claims(token: &str) -> Value {
    part(token.split('.').nth(1).unwrap())
}

/// The claims, if one of the keys signed them.
fn read(token: &str, keys: &[Value]) -> Option<Value> {
    let [header, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(part(header)["alg"], "EdDSA");
    let key = keys.iter().find(|key| key["kid"] == part(header)["kid"])?;
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(format!("{header}.{claims}").as_bytes(), &signature).ok()?;
    Some(part(claims))
}

#[tokio::test]
async fn a_guests_token_says_that_it_is_one() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let claims = read(&token(&browser).await, &keys(&app).await).unwrap();
    let now = app.clock_seconds();
    let expected = json!({
        "iss": app.origin(), "aud": app.origin(), "sub": guest["user"]["id"], "sid": guest["session"]["id"],
        "iat": now, "exp": now + 300, "auth_time": now, "amr": ["anon"],
        "is_anonymous": true, "isAnonymous": true, "email_verified": false, "emailVerified": false,
        "id": guest["user"]["id"], "name": null, "email": null, "image": null, "role": "user",
        "appMetadata": {},
    });
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn a_members_token_says_who_they_are_and_how_they_came() {
    let app = App::with(&[("dev", "on")]).await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(seconds(100));
    browser.upgrade(JANE).await;
    let claims = read(&token(&browser).await, &keys(&app).await).unwrap();
    let now = app.clock_seconds();
    assert_eq!((&claims["amr"], &claims["email"]), (&json!(["pwd"]), &json!(JANE)));
    assert_eq!((&claims["exp"], &claims["auth_time"]), (&json!(now + 900), &json!(now)));
    assert_eq!(claims["is_anonymous"], false);
    assert!(claims.get("metadata").is_none());

    let program = app.program();
    program.post("/sign-in/magic-link", &json!({ "email": "jill@example.com" })).await.ok();
    let link = app.mail("jill@example.com").await["token"].as_str().unwrap().to_owned();
    let jill = app.browser();
    jill.get(&format!("/magic-link/verify?token={link}")).await.ok();
    let claims = read(&token(&jill).await, &keys(&app).await).unwrap();
    assert_eq!((&claims["amr"], &claims["email_verified"]), (&json!(["email"]), &json!(true)));
}

#[tokio::test]
async fn get_session_brings_it_along_and_the_same_for_a_while() {
    let app = App::start().await;
    let browser = app.browser();
    browser.sign_up(JANE).await;
    let header = async || browser.get("/get-session").await.header("set-auth-jwt").unwrap().to_owned();
    let first = header().await;
    assert_eq!(first, token(&browser).await);
    app.pass(seconds(299));
    assert_eq!(header().await, first);
    app.pass(seconds(1));
    assert_ne!(header().await, first);
    assert!(app.program().get("/get-session").await.header("set-auth-jwt").is_none());
}

#[tokio::test]
async fn it_says_what_the_session_is_now() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    let keys = keys(&app).await;
    assert_eq!(read(&token(&browser).await, &keys).unwrap()["is_anonymous"], true);
    let before = browser.fork();
    browser.upgrade(JANE).await;
    assert_eq!(read(&token(&browser).await, &keys).unwrap()["is_anonymous"], false);
    // The token of a moment ago reads, and gets none for others.
    assert!(before.get("/get-session").await.header("set-auth-jwt").is_none());
    before.get("/token").await.refused(401, "UNAUTHORIZED");
    browser.post("/update-user", &json!({ "name": "Jane Doe" })).await.ok();
    app.pass(seconds(1));
    browser.post("/update-user", &json!({ "name": "Jane Roe" })).await.ok();
    assert_eq!(read(&token(&browser).await, &keys).unwrap()["name"], "Jane Roe");
}

#[tokio::test]
async fn a_guest_is_given_a_token_that_is_worth_having() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    let first = token(&browser).await;
    app.pass(seconds(240));
    assert_ne!(token(&browser).await, first, "it had a minute left");
}

#[tokio::test]
async fn nobody_gets_none() {
    let app = App::start().await;
    app.program().get("/token").await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn anybody_may_read_the_keys_and_keep_them_for_a_while() {
    let app = App::start().await;
    let answer = app.program().always("origin", "https://elsewhere.example").get("/jwks").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=900"));
    let preflight = app
        .program()
        .always("origin", "https://elsewhere.example")
        .at(Method::OPTIONS, "/api/auth/jwks")
        .header("access-control-request-method", "GET")
        .await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn keys_change_by_themselves_and_every_token_can_be_checked_throughout() {
    let app = App::start().await;
    let browser = app.browser();
    browser.sign_up(JANE).await;
    let first = token(&browser).await;
    assert_eq!(keys(&app).await.len(), 1);

    // The last hour: the next key is there, and the first still signs.
    app.pass(Span::from_secs(90 * 86_400 - 3_600));
    let browser = app.browser();
    browser.sign_in(JANE).await;
    let second = token(&browser).await;
    let published = keys(&app).await;
    assert_eq!(published.len(), 2);
    assert_eq!(kid(&second), kid(&first));

    app.pass(seconds(3600));
    let third = token(&browser).await;
    assert_ne!(kid(&third), kid(&first));
    assert!(read(&third, &published).is_some(), "known for an hour");
    assert!(read(&second, &keys(&app).await).is_some());

    app.pass(days(30));
    let left = keys(&app).await;
    assert_eq!(left.len(), 1);
    assert!(read(&first, &left).is_none() && read(&third, &left).is_some());
}
