//! How long a session lives (CONTRACT 1.7).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, DONT_REMEMBER, PASSWORD, SESSION, almost, days, hours};

#[tokio::test]
async fn a_session_slides_once_a_day() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;

    app.pass(almost(hours(24)));
    let early = browser.get("/get-session").await;
    assert_eq!(
        (early.ok()["session"]["expiresAt"].clone(), early.cookies()),
        (guest["session"]["expiresAt"].clone(), vec![])
    );

    app.pass(A_MILLISECOND);
    let due = browser.get("/get-session").await;
    assert_eq!(due.ok()["session"]["expiresAt"], app.date(days(7)));
    assert_eq!(due.cookie(SESSION).unwrap().max_age(), Some(604_800));
    assert_eq!(due.ok()["session"]["token"], guest["token"]);
    assert_eq!(browser.get("/get-session").await.cookies(), []);

    for _ in 0..5 {
        app.pass(days(6));
        assert_eq!(browser.session().await["session"]["id"], guest["session"]["id"]);
    }
    app.pass(days(7));
    assert_eq!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn any_call_that_needs_the_session_makes_it_live_on() {
    for path in ["/list-sessions", "/list-accounts"] {
        let app = App::start().await;
        let browser = app.browser();
        browser.arrive().await;
        app.pass(days(2));
        let answer = browser.get(path).await;
        answer.ok();
        assert_eq!(answer.cookie(SESSION).unwrap().max_age(), Some(604_800), "{path}");
        assert_eq!(browser.session().await["session"]["expiresAt"], app.date(days(7)));
    }
}

#[tokio::test]
async fn a_session_that_lives_on_says_so_even_when_the_call_is_refused() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(days(2));
    let answer = browser.post("/update-user", &json!({})).await;
    answer.refused(400, "NO_FIELDS_TO_UPDATE");
    let extended = browser.session().await["session"]["expiresAt"] == app.date(days(7));
    assert_eq!(answer.cookie(SESSION).is_some(), extended, "the cookie must not end before its session");
}

#[tokio::test]
async fn a_call_that_leads_nowhere_keeps_nobody_alive() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.session().await;
    app.pass(days(2));
    let head = app.head().await;
    for path in ["/nowhere", "/list-sessions/", "/ok", "/error"] {
        browser.get(path).await;
    }
    assert_eq!(app.head().await, head);
    let session = browser.get("/get-session?disableRefresh=true").await.ok();
    assert_eq!(session["session"]["expiresAt"], guest["session"]["expiresAt"]);
}

#[tokio::test]
async fn unless_it_is_asked_not_to() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    app.pass(days(3));
    let answer = browser.get("/get-session?disableRefresh=true").await;
    assert_eq!(answer.ok()["session"]["expiresAt"], guest["session"]["expiresAt"]);
    assert_eq!(answer.cookies(), []);
    for otherwise in ["?disableRefresh=false", "?disablerefresh=true"] {
        let fork = browser.fork();
        assert_eq!(fork.get(&format!("/get-session{otherwise}")).await.ok()["session"]["expiresAt"], app.date(days(7)));
    }
}

#[tokio::test]
async fn members_and_bearers_alike() {
    let app = App::start().await;
    let token = app.program().sign_up("jane@example.com").await["token"].as_str().unwrap().to_owned();
    app.pass(days(1));
    assert_eq!(app.bearer(&token).session().await["session"]["expiresAt"], app.date(days(7)));
}

#[tokio::test]
async fn a_session_that_is_not_to_be_remembered_ends_after_a_day() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    let body = json!({ "email": "jane@example.com", "password": PASSWORD, "rememberMe": false });
    let answer = browser.post("/sign-in/email", &body).await;
    assert_eq!(answer.ok()["session"]["expiresAt"], app.date(days(1)));
    for name in [SESSION, DONT_REMEMBER] {
        assert_eq!(
            answer.cookie(name).unwrap().attributes,
            ["Path=/", "HttpOnly", "SameSite=Lax"],
            "{name} ends with the browser"
        );
    }
    let (mark, _) = answer
        .cookie(DONT_REMEMBER)
        .unwrap()
        .value
        .split_once('.')
        .map(|(mark, signature)| (mark.to_owned(), signature.len()))
        .unwrap();
    assert_eq!(mark, "true");

    app.pass(almost(hours(24)));
    let late = browser.get("/get-session").await;
    assert_eq!(late.cookies(), [], "never extended");
    assert_ne!(late.ok(), Value::Null);
    app.pass(A_MILLISECOND);
    assert_eq!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn a_later_sign_in_that_is_remembered_forgets_that() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    let forgetful = json!({ "email": "jane@example.com", "password": PASSWORD, "rememberMe": false });
    browser.post("/sign-in/email", &forgetful).await.ok();
    let answer = browser.post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD })).await;
    answer.deletes(DONT_REMEMBER);
    assert_eq!(answer.cookie(SESSION).unwrap().max_age(), Some(604_800));
    assert_eq!(browser.cookie(DONT_REMEMBER), None);
}

#[tokio::test]
async fn arriving_again_leaves_it_unremembered() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    browser
        .post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD, "rememberMe": false }))
        .await
        .ok();
    let again = browser.post("/sign-in/anonymous", &json!({})).await;
    assert_eq!(again.cookie(SESSION).unwrap().max_age(), None);
    assert!(!again.cookie(DONT_REMEMBER).unwrap().deletes());
}

#[tokio::test]
async fn no_longer_than_the_absolute_maximum() {
    let app = App::with(&[("sessions.absolute_max", "10d")]).await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(days(6));
    let session = browser.get("/get-session").await;
    assert_eq!(session.ok()["session"]["expiresAt"], app.date(days(4)));
    assert_eq!(session.cookie(SESSION).unwrap().max_age(), Some(4 * 86_400));
    app.pass(days(2));
    assert_eq!(browser.session().await["session"]["expiresAt"], app.date(days(2)));
    app.pass(days(2));
    assert_eq!(browser.session().await, Value::Null);
}

#[tokio::test]
async fn fresh_is_counted_from_the_last_authentication() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    app.pass(days(5));
    browser.post("/delete-user", &json!({})).await.refused(400, "SESSION_EXPIRED");
    browser.upgrade("jane@example.com").await;
    app.pass(hours(23));
    browser.post("/delete-user", &json!({})).await.ok();
}
