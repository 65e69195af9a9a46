//! Seeing and ending sessions (CONTRACT 1.3, 3).

use serde_json::{Value, json};

use crate::support::{App, CLAIM, Client, DONT_REMEMBER, SESSION, days, seconds};

/// Jane on three devices, oldest first.
async fn three(app: &App) -> [(Client, Value); 3] {
    let at = |body: Value| (app.bearer(body["token"].as_str().unwrap()), body);
    let first = at(app.program().sign_up("jane@example.com").await);
    app.pass(seconds(1));
    let second = at(app.program().sign_in("jane@example.com").await);
    app.pass(seconds(1));
    [first, second, at(app.program().sign_in("jane@example.com").await)]
}

async fn live(caller: &Client) -> bool {
    caller.session().await != Value::Null
}

#[tokio::test]
async fn a_list_hands_out_no_secrets() {
    let app = App::start().await;
    let [(_, first), (caller, second), (_, third)] = three(&app).await;
    app.program().sign_up("jill@example.com").await;
    let answer = caller.get("/list-sessions").await;
    let list = answer.ok();
    let mut expected: Vec<Value> = [&third, &second, &first].iter().map(|body| body["session"].clone()).collect();
    expected[0]["token"] = third["session"]["id"].clone();
    expected[2]["token"] = first["session"]["id"].clone();
    assert_eq!(list, Value::from(expected), "newest first; the caller's own has its token, the others repeat their id");
    for other in [&first, &third] {
        assert!(!answer.text.contains(other["token"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_guest_sees_its_own() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    assert_eq!(browser.get("/list-sessions").await.ok(), json!([guest["session"]]));
}

#[tokio::test]
async fn expired_ones_are_not_listed() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    app.pass(days(7));
    let now = app.program().sign_in("jane@example.com").await;
    let list = app.bearer(now["token"].as_str().unwrap()).get("/list-sessions").await.ok();
    assert_eq!(list, json!([now["session"]]));
}

#[tokio::test]
async fn one_is_revoked_by_its_token_or_its_id() {
    for field in ["id", "token"] {
        let app = App::start().await;
        let [(first, _), (second, named), (third, _)] = three(&app).await;
        let answer = first.post("/revoke-session", &json!({ "token": named["session"][field] })).await;
        assert_eq!(answer.ok(), json!({ "status": true }));
        assert_eq!((live(&first).await, live(&second).await, live(&third).await), (true, false, true));
    }
}

#[tokio::test]
async fn what_is_not_the_callers_is_not_touched_and_nothing_is_told() {
    let app = App::start().await;
    let [(jane, _), ..] = three(&app).await;
    let stranger = app.program().sign_up("jill@example.com").await;
    let head = app.head().await;
    let (id, token) = (&stranger["session"]["id"], &stranger["token"]);
    for named in [id, token, &json!("ses_01JD8M4Z5T0123456789ABCDEF"), &json!("x"), &json!(""), &stranger["user"]["id"]]
    {
        assert_eq!(jane.post("/revoke-session", &json!({ "token": named })).await.ok(), json!({ "status": true }));
    }
    assert!(live(&app.bearer(token.as_str().unwrap())).await);
    assert_eq!(app.head().await, head);
    for body in [json!({}), json!({ "token": null }), json!({ "token": 5 }), json!({ "token": { "id": id } })] {
        jane.post("/revoke-session", &body).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn all_others_or_all() {
    let app = App::start().await;
    let [(first, _), (second, _), (third, _)] = three(&app).await;
    assert_eq!(second.post("/revoke-other-sessions", &json!({})).await.ok(), json!({ "status": true }));
    assert_eq!((live(&first).await, live(&second).await, live(&third).await), (false, true, false));

    let browser = app.browser();
    browser.sign_in("jane@example.com").await;
    let answer = browser.post("/revoke-sessions", &json!({})).await;
    assert_eq!(answer.ok(), json!({ "status": true }));
    answer.deletes(SESSION);
    assert_eq!((live(&second).await, live(&browser).await), (false, false));
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_its_cookies() {
    let app = App::start().await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    let tab = browser.fork();
    let answer = browser.post("/sign-out", &json!({})).await;
    assert_eq!(answer.ok(), json!({ "success": true }));
    for name in [SESSION, "better-auth.session_data", DONT_REMEMBER, "better-auth.transfer"] {
        answer.deletes(name);
    }
    assert!(
        answer.cookie(CLAIM).is_none() && browser.cookie(CLAIM).is_some(),
        "the claim speaks of the address, not of the session"
    );
    assert_eq!(tab.session().await, Value::Null, "the session itself is over");
}

#[tokio::test]
async fn signing_out_takes_begun_flows_along() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    browser.plant("better-auth.state.AbCd1234", "whatever");
    let answer = browser.post("/sign-out", &json!({})).await;
    answer.deletes("better-auth.state.AbCd1234");
}

#[tokio::test]
async fn signing_out_needs_no_session() {
    let app = App::start().await;
    let browser = app.browser();
    let head = app.head().await;
    for _ in 0..2 {
        let answer = browser.at(crate::support::Method::POST, "/api/auth/sign-out").await;
        assert_eq!(answer.ok(), json!({ "success": true }));
        answer.deletes(SESSION);
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn a_guest_who_signs_out_can_not_come_back() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.post("/sign-out", &json!({})).await.ok();
    assert_ne!(browser.arrive().await["user"]["id"], guest["user"]["id"]);
}
