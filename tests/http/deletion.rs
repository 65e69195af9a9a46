//! Leaving for good (CONTRACT 2.1, 3).

use serde_json::{Value, json};

use crate::support::{App, PASSWORD, SESSION, days, hours};

#[tokio::test]
async fn a_guest_gives_up_what_it_has() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    let tab = browser.fork();
    let answer = browser.post("/delete-anonymous-user", &json!({})).await;
    assert_eq!(answer.ok(), json!({ "success": true }));
    answer.deletes(SESSION);
    assert_eq!(tab.session().await, Value::Null);
    tab.post("/delete-anonymous-user", &json!({})).await.refused(401, "UNAUTHORIZED");
    assert_eq!(browser.get("/delete-anonymous-user").await.status, 405);
}

#[tokio::test]
async fn a_member_is_no_guest() {
    let app = App::start().await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    let answer = browser.post("/delete-anonymous-user", &json!({})).await;
    answer.says(403, "USER_IS_NOT_ANONYMOUS", "User is not anonymous");
    assert_eq!(answer.cookies(), []);
    assert_ne!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn a_member_goes_by_password_or_in_a_fresh_session() {
    for (wait, body, gone) in [
        (hours(0), json!({}), true),
        (hours(23), json!({}), true),
        (days(1), json!({}), false),
        (days(3), json!({ "password": PASSWORD }), true),
    ] {
        let app = App::start().await;
        let browser = app.browser();
        browser.sign_up("jane@example.com").await;
        app.pass(wait);
        let answer = browser.post("/delete-user", &body).await;
        if gone {
            assert_eq!(answer.ok(), json!({ "success": true, "message": "User deleted" }));
            answer.deletes(SESSION);
            let sign_in = json!({ "email": "jane@example.com", "password": PASSWORD });
            app.program().post("/sign-in/email", &sign_in).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
            app.program().sign_up("jane@example.com").await;
        } else {
            answer.refused(400, "SESSION_EXPIRED");
            assert_ne!(browser.session().await, Value::Null);
        }
    }
}

#[tokio::test]
async fn a_wrong_password_deletes_nobody_however_fresh() {
    let app = App::start().await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    browser.post("/delete-user", &json!({ "password": "not this one" })).await.says(
        400,
        "INVALID_PASSWORD",
        "Invalid password",
    );
    browser.post("/delete-user", &json!({ "password": 5 })).await.refused(400, "VALIDATION_ERROR");
    assert_ne!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn all_sessions_go_along() {
    let app = App::start().await;
    let other = app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    browser.sign_in("jane@example.com").await;
    browser.post("/delete-user", &json!({})).await.ok();
    assert_eq!(app.bearer(other["token"].as_str().unwrap()).session().await, Value::Null);
}

#[tokio::test]
async fn guests_may_use_it_too() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    browser.post("/delete-user", &json!({})).await.ok();
    assert_eq!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn switched_off_it_deletes_nobody() {
    let app = App::with(&[("delete_user.enabled", "off")]).await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    assert_eq!(browser.post("/delete-user", &json!({ "password": PASSWORD })).await.status, 404);
    assert_ne!(browser.session().await, Value::Null);
}

// --- by mail ---

async fn leaving(app: &App) -> (crate::support::Client, String) {
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    let form = json!({ "callbackURL": "/goodbye" });
    let asked = browser.post("/delete-user", &form).await.ok();
    assert_eq!(asked, json!({ "success": true, "message": "Verification email sent" }));
    let mail = app.mails("jane@example.com", 2).await.into_iter().find(|mail| mail["kind"] == "delete-user").unwrap();
    (browser, mail["token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_link_deletes_in_a_session_of_the_same_user() {
    let app = App::with(&[("dev", "on"), ("delete_user.by_mail", "on")]).await;
    let (browser, token) = leaving(&app).await;
    let link = format!("/delete-user/callback?token={token}&callbackURL=%2Fgoodbye");
    app.browser().get(&link).await.refused(401, "UNAUTHORIZED");
    let other = app.browser();
    other.sign_up("eve@example.com").await;
    other.get(&link).await.leads_to("/goodbye?error=INVALID_TOKEN");
    assert_eq!(browser.session().await["user"]["email"], "jane@example.com");
    browser.get(&link).await.leads_to("/goodbye");
    assert_eq!(browser.session().await, serde_json::Value::Null);
    app.browser().sign_up("jane@example.com").await;
}

#[tokio::test]
async fn the_token_of_the_link_can_be_posted() {
    let app = App::with(&[("dev", "on"), ("delete_user.by_mail", "on")]).await;
    let (browser, token) = leaving(&app).await;
    browser.post("/delete-user", &json!({ "token": "x" })).await.refused(400, "INVALID_TOKEN");
    browser.post("/delete-user", &json!({ "token": token })).await.ok();
    assert_eq!(browser.session().await, serde_json::Value::Null);
}

#[tokio::test]
async fn who_has_no_address_goes_at_once() {
    let app = App::with(&[("delete_user.by_mail", "on")]).await;
    let browser = app.browser();
    browser.arrive().await;
    assert_eq!(browser.post("/delete-user", &json!({})).await.ok()["message"], "User deleted");
}
