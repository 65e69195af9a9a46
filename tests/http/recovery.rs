//! A guest comes back without personal data (CONTRACT 9).

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, days, seconds};

async fn ask(caller: &Client, action: &str) -> Answer {
    caller.post("/anonymous/recovery", &json!({ "action": action })).await
}

async fn redeem(caller: &Client, code: &str, ticket: Option<&str>) -> Answer {
    let mut form = json!({ "action": "redeem", "code": code });
    if let Some(ticket) = ticket {
        form["ticket"] = ticket.into();
    }
    caller.post("/anonymous/recovery", &form).await
}

async fn code(caller: &Client, action: &str) -> String {
    ask(caller, action).await.ok()["code"].as_str().unwrap().to_owned()
}

/// A guest in a browser, with something to lose.
async fn guest(app: &App) -> (Client, Value) {
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.post("/update-user", &json!({ "metadata": { "cart": [1] } })).await.ok();
    (browser, guest)
}

#[tokio::test]
async fn a_code_brings_the_guest_back_once() {
    let app = App::start().await;
    let (browser, guest) = guest(&app).await;
    let code = code(&browser, "create").await;
    assert_eq!((code.len(), code.matches('-').count()), (34, 6));
    browser.post("/sign-out", &json!({})).await.ok();
    let phone = app.browser();
    let back = redeem(&phone, &code.to_lowercase(), None).await.ok();
    assert_eq!((&back["user"]["id"], &back["user"]["isAnonymous"]), (&guest["user"]["id"], &json!(true)));
    assert_eq!(phone.session().await["user"]["metadata"], json!({ "cart": [1] }));
    redeem(&app.browser(), &code, None).await.refused(400, "INVALID_TOKEN");
    // It is stored nowhere in clear.
    assert!(!app.everything().await.contains(&code.replace('-', "")));
}

#[tokio::test]
async fn a_code_outlasts_the_session() {
    let app = App::start().await;
    let (browser, guest) = guest(&app).await;
    let code = code(&browser, "create").await;
    app.pass(days(30));
    assert_eq!(browser.session().await, Value::Null);
    let back = redeem(&app.program(), &code, None).await.ok();
    assert_eq!(back["user"]["id"], guest["user"]["id"]);
}

#[tokio::test]
async fn replaced_and_revoked_codes_are_void() {
    let app = App::start().await;
    let (browser, _) = guest(&app).await;
    let (first, second) = (code(&browser, "create").await, code(&browser, "create").await);
    redeem(&app.browser(), &first, None).await.refused(400, "INVALID_TOKEN");
    assert_eq!(ask(&browser, "status").await.ok(), json!({ "recoveryCode": true, "link": null }));
    ask(&browser, "revoke").await.ok();
    redeem(&app.browser(), &second, None).await.refused(400, "INVALID_TOKEN");
    assert_eq!(ask(&browser, "status").await.ok()["recoveryCode"], false);
}

/// SECURITY S2: what let a guest back in leads to nothing of the member.
#[tokio::test]
async fn no_code_outlives_an_upgrade() {
    let app = App::start().await;
    let (browser, _) = guest(&app).await;
    let (long, short) = (code(&browser, "create").await, code(&browser, "link").await);
    browser.upgrade("jane@example.com").await;
    redeem(&app.browser(), &long, None).await.refused(400, "INVALID_TOKEN");
    redeem(&app.browser(), &short, None).await.refused(400, "INVALID_TOKEN");
    ask(&browser, "create").await.refused(400, "USER_IS_NOT_ANONYMOUS");
    ask(&app.browser(), "create").await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn another_device_comes_in_once_the_first_agrees() {
    let app = App::start().await;
    let (browser, guest) = guest(&app).await;
    let code = code(&browser, "link").await;
    assert_eq!(code.len(), 9);
    ask(&browser, "confirm").await.refused(400, "INVALID_TOKEN");
    let phone = app.browser().always("user-agent", "Phone/1.0");
    let waiting = redeem(&phone, &code, None).await.ok();
    assert_eq!(waiting["pending"], true);
    let ticket = waiting["ticket"].as_str().unwrap();
    // A second device with the same code has nothing.
    redeem(&app.browser(), &code, None).await.refused(400, "INVALID_TOKEN");
    assert_eq!(redeem(&phone, &code, Some(ticket)).await.ok()["pending"], true);
    assert_eq!(phone.session().await, Value::Null);
    let status = ask(&browser, "status").await.ok();
    assert_eq!(status["link"]["device"], json!({ "ipAddress": "127.0.0.1", "userAgent": "Phone/1.0" }));
    ask(&browser, "confirm").await.ok();
    redeem(&app.browser(), &code, Some("0000-0000-0000-0000-0000-0000-0000")).await.refused(400, "INVALID_TOKEN");
    let back = redeem(&phone, &code, Some(ticket)).await.ok();
    assert_eq!(back["user"]["id"], guest["user"]["id"]);
    assert_eq!(phone.session().await["user"]["id"], guest["user"]["id"]);
    assert_eq!(browser.session().await["session"]["id"], guest["session"]["id"]);
    redeem(&phone, &code, Some(ticket)).await.refused(400, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_short_code_lasts_five_minutes_and_can_be_withdrawn() {
    let app = App::start().await;
    let (browser, _) = guest(&app).await;
    let late = code(&browser, "link").await;
    app.pass(seconds(300));
    redeem(&app.browser(), &late, None).await.refused(400, "TOKEN_EXPIRED");
    let withdrawn = code(&browser, "link").await;
    ask(&browser, "withdraw").await.ok();
    redeem(&app.browser(), &withdrawn, None).await.refused(400, "INVALID_TOKEN");
}

#[tokio::test]
async fn ten_wrong_codes_a_minute_and_no_more() {
    let app = App::start().await;
    let (browser, _) = guest(&app).await;
    let right = code(&browser, "create").await;
    let thief = app.browser();
    for number in 0..10 {
        redeem(&thief, &format!("AAAA-AAA{number}"), None).await.refused(400, "INVALID_TOKEN");
    }
    redeem(&thief, &right, None).await.refused(429, "RATE_LIMITED");
    app.pass(seconds(60));
    redeem(&thief, &right, None).await.ok();
}

#[tokio::test]
async fn what_does_not_read_is_refused() {
    let app = App::start().await;
    let (browser, _) = guest(&app).await;
    for form in [json!({}), json!({ "action": "other" }), json!({ "action": "redeem" }), json!({ "action": 1 })] {
        browser.post("/anonymous/recovery", &form).await.refused(400, "VALIDATION_ERROR");
    }
    for bad in ["", "x", "UUUU-UUUU"] {
        redeem(&browser, bad, None).await.refused(400, "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn of_two_who_bring_one_code_one_comes_in() {
    let app = App::start().await;
    for _ in 0..6 {
        let (browser, _) = guest(&app).await;
        let code = code(&browser, "create").await;
        let (one, two) = (app.browser(), app.browser());
        let (first, second) = tokio::join!(redeem(&one, &code, None), redeem(&two, &code, None));
        assert_eq!([first, second].iter().filter(|answer| answer.status == 200).count(), 1);
        app.pass(seconds(60));
    }
}
