//! How a session is presented: by cookie, by bearer, and with things that are neither (CONTRACT 1.4, 1.7).

use reqwest::header::COOKIE;
use serde_json::{Value, json};

use crate::support::{Answer, App, DONT_REMEMBER, SESSION, almost, days};

/// A guest's token, and the same with its signature.
async fn tokens(app: &App) -> (String, String) {
    let answer = app.program().post("/sign-in/anonymous", &json!({})).await;
    (answer.ok()["token"].as_str().unwrap().to_owned(), answer.header("set-auth-token").unwrap().to_owned())
}

async fn with_cookies(app: &App, cookies: &str) -> Answer {
    app.program().get("/get-session").header(COOKIE.as_str(), cookies).await
}

fn encoded(signed: &str) -> String {
    percent_encoding::utf8_percent_encode(signed, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A token that could be ours and is not.
const STRANGER: &str = "0123456789abcdefghijABCDEFGHIJ01";

#[tokio::test]
async fn nobody_is_null_and_no_error() {
    let app = App::start().await;
    let answer = app.browser().get("/get-session").await;
    assert_eq!((answer.ok(), answer.text.as_str()), (Value::Null, "null"));
    assert_eq!(answer.cookies(), []);
    assert_eq!(app.browser().post("/get-session", &json!({})).await.status, 405);
}

#[tokio::test]
async fn a_session_is_read_back_with_its_user() {
    let app = App::start().await;
    let browser = app.browser();
    let mut guest = browser.arrive().await;
    guest.as_object_mut().unwrap().remove("token");
    assert_eq!(browser.session().await, guest);
}

#[tokio::test]
async fn a_bearer_token_in_each_of_its_forms() {
    let app = App::start().await;
    let (token, signed) = tokens(&app).await;
    for value in [
        format!("Bearer {token}"),
        format!("bearer {signed}"),
        format!("BEARER {}", encoded(&signed)),
        format!("Bearer   {token} "),
    ] {
        let answer = app.program().get("/get-session").header("authorization", &value).await;
        assert_eq!(answer.ok()["session"]["token"], Value::from(token.as_str()), "{value}");
        assert_eq!(answer.cookies(), [], "a reader by bearer is given no cookie");
    }
}

#[tokio::test]
async fn what_is_no_bearer_of_ours_is_ignored() {
    let app = App::start().await;
    let (token, signed) = tokens(&app).await;
    let other = if signed.ends_with("A=") { "E=" } else { "A=" };
    let forged = format!("{}{other}", &signed[..signed.len() - 2]);
    let browser = app.browser();
    let guest = browser.arrive().await;
    for value in [
        format!("Bearer {STRANGER}"),
        format!("Bearer {forged}"),
        format!("Bearer {token}."),
        format!("Bearer {token}x"),
        "Bearer".to_owned(),
        "Bearer sk_live_0123456789".to_owned(),
        format!("Basic {token}"),
        "Bearer eyJhbGciOiJub25lIn0.e30.x".to_owned(),
        "Bearer %ff%".to_owned(),
        format!("Bearer {}", "a".repeat(6000)),
    ] {
        assert_eq!(
            app.program().get("/get-session").header("authorization", &value).await.ok(),
            Value::Null,
            "{value:.60}"
        );
        let answer = browser.get("/get-session").header("authorization", &value).await;
        assert_eq!(answer.ok()["user"]["id"], guest["user"]["id"], "it must not shadow a good cookie: {value:.60}");
        assert_eq!(answer.cookies(), []);
    }
}

#[tokio::test]
async fn a_known_bearer_wins_over_the_cookie() {
    let app = App::start().await;
    let (token, _) = tokens(&app).await;
    let browser = app.browser();
    browser.arrive().await;
    let by_both = browser.get("/get-session").header("authorization", &format!("Bearer {token}")).await.ok();
    assert_eq!(by_both["session"]["token"], Value::from(token));
}

#[tokio::test]
async fn a_cookie_counts_with_our_signature_only() {
    let app = App::start().await;
    let (token, signed) = tokens(&app).await;
    let good = encoded(&signed);
    for cookies in [
        format!("{SESSION}={token}"),
        format!("{SESSION}={token}.AAAA"),
        format!("{SESSION}={}", encoded(&format!("{token}.{}", "A".repeat(43) + "="))),
        format!("{SESSION}={}", encoded(&format!("x{signed}"))),
        format!("{SESSION}="),
        SESSION.to_owned(),
        format!("{SESSION}=%ff%fe"),
        format!("x{SESSION}={good}"),
        format!("__Secure-{SESSION}={good}"),
        format!("{SESSION}_data={good}"),
    ] {
        let answer = with_cookies(&app, &cookies).await;
        assert_eq!((answer.ok(), answer.cookies()), (Value::Null, vec![]), "{cookies}");
    }
    for cookies in [
        format!("{SESSION}={signed}"),
        format!("theme=dark; {SESSION}=\"{good}\" ; x"),
        format!("{SESSION}={good}; {SESSION}={good}"),
    ] {
        assert_eq!(
            with_cookies(&app, &cookies).await.ok()["session"]["token"],
            Value::from(token.as_str()),
            "{cookies}"
        );
    }
}

#[tokio::test]
async fn of_two_cookies_the_good_one_counts_and_two_good_ones_are_none() {
    let app = App::start().await;
    let ((one, one_signed), (_, other_signed)) = (tokens(&app).await, tokens(&app).await);
    let (one_cookie, other_cookie) = (encoded(&one_signed), encoded(&other_signed));
    for planted in
        ["planted".to_owned(), format!("{STRANGER}.{}", "A".repeat(43) + "="), encoded(&format!("x{one_signed}"))]
    {
        for cookies in [
            format!("{SESSION}={planted}; {SESSION}={one_cookie}"),
            format!("{SESSION}={one_cookie}; {SESSION}={planted}"),
        ] {
            let answer = with_cookies(&app, &cookies).await;
            assert_eq!(answer.ok()["session"]["token"], Value::from(one.as_str()), "{cookies}");
            assert_eq!(answer.cookies(), []);
        }
    }
    let both = with_cookies(&app, &format!("{SESSION}={one_cookie}; {SESSION}={other_cookie}")).await;
    assert_eq!(both.ok(), Value::Null);
    both.deletes(SESSION);
    let cookies = format!("{SESSION}={one_cookie}; {SESSION}={other_cookie}");
    let listing = app.program().get("/list-sessions").header(COOKIE.as_str(), &cookies).await;
    listing.says(401, "UNAUTHORIZED", "Unauthorized");
}

#[tokio::test]
async fn an_expired_session_is_null_and_its_cookies_go() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(days(7));
    let answer = browser.get("/get-session").await;
    assert_eq!(answer.ok(), Value::Null);
    answer.deletes(SESSION);
    answer.deletes(DONT_REMEMBER);
    assert_eq!(answer.cookie(SESSION).unwrap().attributes, ["Max-Age=0", "Path=/", "HttpOnly", "SameSite=Lax"]);
}

#[tokio::test]
async fn a_session_lives_to_its_last_millisecond() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    app.pass(almost(days(7)));
    let last = browser.get("/get-session?disableRefresh=true").await.ok();
    assert_eq!(last["session"]["id"], guest["session"]["id"]);
}

#[tokio::test]
async fn a_revoked_session_is_null_and_its_cookies_go() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    app.bearer(guest["token"].as_str().unwrap()).post("/revoke-sessions", &json!({})).await.ok();
    let answer = browser.get("/get-session").await;
    assert_eq!(answer.ok(), Value::Null);
    answer.deletes(SESSION);
}

#[tokio::test]
async fn an_unknown_token_signs_nobody_out() {
    // Two servers with one secret, one of which has not heard of the session yet.
    let secret = ("secret", "a secret that two nodes have in common");
    let (here, there) = (App::with(&[secret]).await, App::with(&[secret]).await);
    let (_, signed) = tokens(&there).await;
    let answer = with_cookies(&here, &format!("{SESSION}={}", encoded(&signed))).await;
    assert_eq!((answer.ok(), answer.cookies()), (Value::Null, vec![]));
}

#[tokio::test]
async fn calls_that_need_a_session_say_so() {
    let app = App::start().await;
    let nobody = app.browser();
    let head = app.head().await;
    for path in ["/list-sessions", "/list-accounts"] {
        nobody.get(path).await.says(401, "UNAUTHORIZED", "Unauthorized");
    }
    let bodies = json!({ "token": "x", "name": "x", "currentPassword": "x", "newPassword": "x", "email": "a@b.example", "password": "x" });
    for path in [
        "/anonymous/upgrade",
        "/delete-anonymous-user",
        "/revoke-session",
        "/revoke-sessions",
        "/revoke-other-sessions",
        "/update-user",
        "/change-password",
        "/delete-user",
    ] {
        nobody.post(path, &bodies).await.says(401, "UNAUTHORIZED", "Unauthorized");
    }
    assert_eq!(app.head().await, head);
}
