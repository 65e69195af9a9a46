//! `/change-password` (CONTRACT 2.3, 3).

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, PASSWORD, SESSION};

const NEW: &str = "another fine password";

async fn change(caller: &Client, current: &str, new: &str, others: Option<bool>) -> Answer {
    let mut body = json!({ "currentPassword": current, "newPassword": new });
    if let Some(others) = others {
        body["revokeOtherSessions"] = others.into();
    }
    caller.post("/change-password", &body).await
}

#[tokio::test]
async fn the_new_one_opens_and_the_old_one_does_not() {
    let app = App::start().await;
    let browser = app.browser();
    let joined = browser.sign_up("jane@example.com").await;
    let answer = change(&browser, PASSWORD, NEW, None).await;
    let body = answer.ok();
    assert_eq!((&body["token"], &body["user"]["id"]), (&Value::Null, &joined["user"]["id"]));
    assert_eq!(body.as_object().unwrap().len(), 2);
    let old = json!({ "email": "jane@example.com", "password": PASSWORD });
    app.program().post("/sign-in/email", &old).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    app.program().post("/sign-in/email", &json!({ "email": "jane@example.com", "password": NEW })).await.ok();
    assert_eq!(browser.session().await["session"]["id"], joined["session"]["id"]);
}

#[tokio::test]
async fn the_token_is_rotated_by_cookie_without_grace() {
    let app = App::start().await;
    let browser = app.browser();
    let joined = browser.sign_up("jane@example.com").await;
    let tab = browser.fork();
    let answer = change(&browser, PASSWORD, NEW, None).await;
    let rotated = answer.cookie(SESSION).unwrap();
    assert!(!rotated.value.starts_with(joined["token"].as_str().unwrap()));
    assert_eq!(tab.session().await, Value::Null);
    assert_ne!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn a_bearer_keeps_its_token() {
    let app = App::start().await;
    let joined = app.program().sign_up("jane@example.com").await;
    let program = app.bearer(joined["token"].as_str().unwrap());
    change(&program, PASSWORD, NEW, None).await.ok();
    assert_eq!(program.session().await["session"]["token"], joined["token"]);
}

#[tokio::test]
async fn others_go_if_asked() {
    for revoke in [false, true] {
        let app = App::start().await;
        let other = app.program().sign_up("jane@example.com").await;
        let other = app.bearer(other["token"].as_str().unwrap());
        let browser = app.browser();
        browser.sign_in("jane@example.com").await;
        let body = change(&browser, PASSWORD, NEW, Some(revoke)).await.ok();
        assert_eq!(other.session().await == Value::Null, revoke);
        let now = browser.session().await["session"]["token"].clone();
        assert_eq!(body["token"], if revoke { now } else { Value::Null });
    }
}

#[tokio::test]
async fn what_is_wrong_with_it() {
    let app = App::with(&[("rate_limits", "off")]).await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    browser.session().await;
    let head = app.head().await;
    change(&browser, "not this one", NEW, None).await.says(400, "INVALID_PASSWORD", "Invalid password");
    change(&browser, "", NEW, None).await.refused(400, "INVALID_PASSWORD");
    change(&browser, &"x".repeat(500), NEW, None).await.refused(400, "INVALID_PASSWORD");
    change(&browser, PASSWORD, "seven77", None).await.says(400, "PASSWORD_TOO_SHORT", "Password too short");
    change(&browser, PASSWORD, &"x".repeat(129), None).await.says(400, "PASSWORD_TOO_LONG", "Password too long");
    change(&browser, PASSWORD, "password123", None).await.says(400, "PASSWORD_TOO_COMMON", "Password too common");
    change(&browser, PASSWORD, "jane@example.com", None).await.refused(400, "PASSWORD_TOO_COMMON");
    for body in [json!({}), json!({ "currentPassword": PASSWORD }), json!({ "currentPassword": 5, "newPassword": NEW })]
    {
        browser.post("/change-password", &body).await.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(app.head().await, head);
}
