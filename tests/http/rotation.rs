//! What becomes of the token at an upgrade: whoever planted the guest's cookie must not become the member, and requests
//! in flight must not fail (CONTRACT 2.3).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, PASSWORD, SESSION, Span, days, seconds};

fn form(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

fn token(body: &Value) -> &str {
    body["token"].as_str().unwrap()
}

/// A browser that became a member a moment ago, and a tab of it that still has the guest's cookie.
async fn upgraded(app: &App) -> (Client, Client, Value) {
    let browser = app.browser();
    browser.arrive().await;
    let tab = browser.fork();
    let member = browser.post("/anonymous/upgrade", &json!({ "email": "jane@example.com", "password": PASSWORD, "name": "Jane", "image": "https://example.com/i.png" })).await;
    (browser, tab, member.ok())
}

#[tokio::test]
async fn a_session_held_by_cookie_gets_a_new_token() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let answer = browser.post("/anonymous/upgrade", &form("jane@example.com")).await;
    let member = answer.ok();
    assert_ne!(token(&member), token(&guest));
    assert_eq!(member["session"]["id"], guest["session"]["id"]);
    assert!(answer.header("set-auth-token").unwrap().starts_with(token(&member)));
    assert!(answer.cookie(SESSION).unwrap().value.starts_with(token(&member)));
    assert_eq!(browser.session().await["session"]["token"], member["token"]);
}

#[tokio::test]
async fn a_session_held_by_bearer_keeps_its_token() {
    let app = App::start().await;
    let guest = app.program().arrive().await;
    let program = app.bearer(token(&guest));
    program.session().await;
    let answer = program.post("/anonymous/upgrade", &form("jane@example.com")).await;
    assert_eq!(token(&answer.ok()), token(&guest));
    assert!(answer.cookie(SESSION).is_some(), "body and headers are alike in all cases");
    assert_eq!(program.session().await["user"]["email"], "jane@example.com");
}

#[tokio::test]
async fn not_if_it_ever_came_by_cookie() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.session().await;
    let member = app.bearer(token(&guest)).upgrade("jane@example.com").await;
    assert_ne!(token(&member), token(&guest));
}

#[tokio::test]
async fn not_if_the_arrival_was_replayed() {
    let app = App::start().await;
    let arrive = async || {
        app.program()
            .post("/sign-in/anonymous", &json!({}))
            .header("idempotency-key", "kN0vQ2m9sX4rT7yB1cE6fH")
            .await
            .ok()
    };
    let guest = arrive().await;
    assert_eq!(token(&arrive().await), token(&guest));
    let member = app.bearer(token(&guest)).upgrade("jane@example.com").await;
    assert_ne!(token(&member), token(&guest), "more than one party may hold it");
}

#[tokio::test]
async fn as_configured() {
    for (policy, by_cookie, by_bearer) in [("always", true, true), ("never", false, false), ("cookie", true, false)] {
        let app = App::with(&[("sessions.rotate_on_upgrade", policy)]).await;
        let browser = app.browser();
        let guest = browser.arrive().await;
        let rotated = token(&browser.upgrade("one@example.com").await) != token(&guest);
        assert_eq!(rotated, by_cookie, "{policy}");
        let guest = app.program().arrive().await;
        let rotated = token(&app.bearer(token(&guest)).upgrade("two@example.com").await) != token(&guest);
        assert_eq!(rotated, by_bearer, "{policy}");
    }
}

#[tokio::test]
async fn the_old_token_reads_for_a_minute_and_sees_no_person() {
    let app = App::start().await;
    let (_, tab, member) = upgraded(&app).await;
    let old = tab.cookie(SESSION).unwrap();
    for wait in [0, 30, 29] {
        app.pass(seconds(wait));
        let answer = tab.get("/get-session").await;
        let seen = answer.ok();
        assert_eq!((&seen["user"]["id"], &seen["session"]["id"]), (&member["user"]["id"], &member["session"]["id"]));
        for field in ["name", "email", "image"] {
            assert_eq!(seen["user"][field], Value::Null);
        }
        assert_eq!(seen["user"]["isAnonymous"], false);
        let shown = seen["session"]["token"].as_str().unwrap();
        assert!(old.starts_with(shown), "it repeats the old token");
        assert!(!answer.text.contains(token(&member)));
        assert_eq!((answer.cookies(), answer.header("set-auth-token")), (vec![], None));
    }
    app.pass(Span::from_millis(999));
    assert_ne!(tab.session().await, Value::Null);
    app.pass(A_MILLISECOND);
    let late = tab.get("/get-session").await;
    assert_eq!(
        (late.ok(), late.cookies()),
        (Value::Null, vec![]),
        "now it is unknown, and an unknown one deletes nothing"
    );
}

#[tokio::test]
async fn a_double_click_is_told_that_it_is_done() {
    let app = App::start().await;
    let (_, tab, _) = upgraded(&app).await;
    let answer = tab.post("/anonymous/upgrade", &form("jane@example.com")).await;
    answer.says(400, "USER_IS_NOT_ANONYMOUS", "User is not anonymous");
    assert_eq!(answer.cookies(), []);
    app.pass(seconds(60));
    tab.post("/anonymous/upgrade", &form("jane@example.com")).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_old_token_does_nothing_else() {
    let app = App::start().await;
    let (browser, tab, member) = upgraded(&app).await;
    browser.session().await;
    let head = app.head().await;
    for path in ["/list-sessions", "/list-accounts"] {
        tab.get(path).await.refused(401, "UNAUTHORIZED");
    }
    let body = json!({ "name": "Mallory", "token": member["session"]["id"], "currentPassword": PASSWORD, "newPassword": "another fine password", "password": PASSWORD });
    for path in [
        "/update-user",
        "/revoke-session",
        "/revoke-sessions",
        "/revoke-other-sessions",
        "/change-password",
        "/delete-user",
        "/delete-anonymous-user",
    ] {
        tab.post(path, &body).await.refused(401, "UNAUTHORIZED");
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn a_call_in_flight_does_not_swap_the_member_for_a_guest() {
    let app = App::start().await;
    let (_, tab, member) = upgraded(&app).await;
    let answer = tab.post("/sign-in/anonymous", &json!({})).await;
    assert_eq!(answer.cookies(), [], "a late answer must not overwrite the member's cookie");
    assert!(answer.status != 200 || answer.json()["user"]["id"] == member["user"]["id"]);
}

#[tokio::test]
async fn signing_out_ends_the_old_token_too() {
    for path in ["/sign-out", "/revoke-sessions"] {
        let app = App::start().await;
        let (browser, tab, _) = upgraded(&app).await;
        browser.post(path, &json!({})).await.ok();
        assert_eq!(tab.session().await, Value::Null, "{path}");
    }
}

#[tokio::test]
async fn the_upgrade_ends_other_sessions() {
    let app = App::with(&[("upgrade.require_verified_email", "on"), ("dev", "on")]).await;
    // In strict mode the guest has a password before it is a member, so it can have a second session.
    let browser = app.browser();
    browser.arrive().await;
    browser.upgrade("jane@example.com").await;
    let elsewhere = app.program().sign_in("jane@example.com").await;
    let other = app.bearer(token(&elsewhere));
    assert_ne!(other.session().await, Value::Null);
    browser.upgrade("jill@example.com").await;
    assert_eq!(other.session().await, Value::Null);
    assert_ne!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn the_old_token_is_worthless_after_a_second_rotation() {
    let app = App::start().await;
    let (browser, tab, _) = upgraded(&app).await;
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "another fine password" });
    browser.post("/change-password", &change).await.ok();
    assert_eq!(tab.session().await, Value::Null, "a changed password has no grace");
    app.pass(days(1));
    assert_eq!(browser.session().await["user"]["email"], "jane@example.com");
}
