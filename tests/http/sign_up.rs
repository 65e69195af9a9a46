//! `/sign-up/email` (CONTRACT 2.5, 3).

use serde_json::{Value, json};

use crate::support::{App, CLAIM, PASSWORD, SESSION, days};

fn form(email: &str) -> Value {
    json!({ "name": "Jane", "email": email, "password": PASSWORD })
}

#[tokio::test]
async fn somebody_new_becomes_a_member_at_once() {
    let app = App::start().await;
    let browser = app.browser();
    let answer = browser.post("/sign-up/email", &form(" Jane@Example.com ")).await;
    let member = answer.ok();
    let user = &member["user"];
    assert_eq!((&user["email"], &user["name"]), (&Value::from("jane@example.com"), &Value::from("Jane")));
    assert_eq!((&user["isAnonymous"], &user["emailVerified"]), (&Value::from(false), &Value::from(false)));
    assert_eq!(member["session"]["expiresAt"], app.date(days(7)));
    assert_eq!(answer.cookie(SESSION).unwrap().attributes, ["Max-Age=604800", "Path=/", "HttpOnly", "SameSite=Lax"]);
    assert!(answer.cookie(CLAIM).is_some());
    assert_eq!(browser.session().await, json!({ "session": member["session"], "user": user }));
}

#[tokio::test]
async fn a_guest_becomes_one_in_place() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let member = browser.sign_up("jane@example.com").await;
    assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    assert_eq!(member["user"]["isAnonymous"], false);
    assert_ne!(member["token"], guest["token"], "rotated like any upgrade by cookie");
}

#[tokio::test]
async fn a_member_who_signs_up_is_somebody_else() {
    let app = App::start().await;
    let browser = app.browser();
    let one = browser.sign_up("one@example.com").await;
    let two = browser.sign_up("two@example.com").await;
    assert_ne!(one["user"]["id"], two["user"]["id"]);
}

#[tokio::test]
async fn a_taken_address_is_422_for_whoever_asks() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    for caller in [&browser, &app.program()] {
        let answer = caller.post("/sign-up/email", &form("JANE@example.com")).await;
        answer.says(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.");
        assert_eq!(answer.cookies(), []);
    }
    assert_eq!(browser.session().await["user"], guest["user"]);
}

#[tokio::test]
async fn what_is_not_the_callers_to_say_is_not_heard() {
    let app = App::start().await;
    for first_a_guest in [false, true] {
        let browser = app.browser();
        if first_a_guest {
            browser.arrive().await;
        }
        let mut body = form(if first_a_guest { "a@example.com" } else { "b@example.com" });
        for (key, value) in [
            ("isAnonymous", json!(true)),
            ("role", json!("admin")),
            ("emailVerified", json!(true)),
            ("id", json!("usr_x")),
            ("banned", json!(1)),
            ("appMetadata", json!({ "plan": "gold" })),
            ("createdAt", json!([])),
            ("__proto__", json!({ "role": "admin" })),
        ] {
            body[key] = value;
        }
        let user = browser.post("/sign-up/email", &body).await.ok()["user"].clone();
        let said = ["isAnonymous", "role", "emailVerified", "banned", "appMetadata"].map(|key| user[key].clone());
        assert_eq!(said, [json!(false), json!("user"), json!(false), json!(false), json!({})]);
        assert_ne!(user["id"], "usr_x");
    }
}

#[tokio::test]
async fn the_name_may_be_empty_but_not_missing() {
    let app = App::start().await;
    let member = app
        .program()
        .post("/sign-up/email", &json!({ "name": "", "email": "jane@example.com", "password": PASSWORD }))
        .await
        .ok();
    assert_eq!(member["user"]["name"], "");
    let head = app.head().await;
    for (field, body) in [
        ("name", json!({ "email": "jill@example.com", "password": PASSWORD })),
        ("name", json!({ "name": 5, "email": "jill@example.com", "password": PASSWORD })),
        ("name", json!({ "name": "x".repeat(256), "email": "jill@example.com", "password": PASSWORD })),
        ("email", json!({ "name": "", "password": PASSWORD })),
        ("email", json!({ "name": "", "email": "jill", "password": PASSWORD })),
        ("email", json!({ "name": "", "email": ["jill@example.com"], "password": PASSWORD })),
        ("password", json!({ "name": "", "email": "jill@example.com" })),
        ("rememberMe", json!({ "name": "", "email": "jill@example.com", "password": PASSWORD, "rememberMe": "no" })),
    ] {
        let refusal = app.program().post("/sign-up/email", &body).await.refused(400, "VALIDATION_ERROR");
        let error = &refusal["errors"][0];
        assert_eq!(error["field"], field);
        assert!(error["message"].is_string() && error["code"].is_string());
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn passwords_that_do_not_do() {
    let app = App::start().await;
    for (password, code) in [
        ("seven77", "PASSWORD_TOO_SHORT"),
        (&"x".repeat(129), "PASSWORD_TOO_LONG"),
        ("12345678", "PASSWORD_TOO_COMMON"),
        ("iloveyou1", "PASSWORD_TOO_COMMON"),
        ("jane@example.com", "PASSWORD_TOO_COMMON"),
    ] {
        let body = json!({ "name": "", "email": "jane@example.com", "password": password });
        app.program().post("/sign-up/email", &body).await.refused(400, code);
    }
    let longest = json!({ "name": "", "email": "jane@example.com", "password": "é".repeat(128) });
    app.program().post("/sign-up/email", &longest).await.ok();
}

#[tokio::test]
async fn switched_off() {
    for (key, code) in [
        ("email_password.enabled", "EMAIL_PASSWORD_DISABLED"),
        ("email_password.sign_up", "EMAIL_PASSWORD_SIGN_UP_DISABLED"),
    ] {
        let app = App::with(&[(key, "off")]).await;
        app.program().post("/sign-up/email", &form("jane@example.com")).await.refused(400, code);
    }
}

#[tokio::test]
async fn an_html_form_will_do() {
    let app = App::start().await;
    let form = "name=Jane+Doe&email=jane%40example.com&password=securePassword123&rememberMe=false";
    let call = app.browser().at(crate::support::Method::POST, "/api/auth/sign-up/email");
    let member = call.body("application/x-www-form-urlencoded", form).await.ok();
    assert_eq!((&member["user"]["name"], &member["session"]["expiresAt"]), (&json!("Jane Doe"), &app.date(days(1))));
}

#[tokio::test]
async fn where_addresses_must_be_proven_first() {
    let app = App::with(&[("email_password.require_email_verification", "on"), ("dev", "on")]).await;
    let browser = app.browser();
    let answer = browser.post("/sign-up/email", &form("jane@example.com")).await;
    let body = answer.ok();
    assert_eq!((&body["token"], &body["user"]["email"]), (&Value::Null, &json!("jane@example.com")));
    assert!(answer.cookie(SESSION).is_none() && answer.cookie(CLAIM).is_some());
    let sign_in = json!({ "email": "jane@example.com", "password": PASSWORD });
    browser.post("/sign-in/email", &sign_in).await.says(403, "EMAIL_NOT_VERIFIED", "Email not verified");
    let wrong = json!({ "email": "jane@example.com", "password": "not this one" });
    browser.post("/sign-in/email", &wrong).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");

    let token = app.mail("jane@example.com").await["token"].as_str().unwrap().to_owned();
    let link = format!("/verify-email?token={token}");
    let elsewhere = app.browser();
    elsewhere.get(&link).await.refused(403, "CONFIRMATION_REQUIRED");
    assert_eq!(elsewhere.session().await, Value::Null);
    let opened = browser.get(&link).await;
    assert_eq!(opened.ok(), json!({ "status": true, "user": null }));
    assert!(opened.cookie(SESSION).is_some());
    let member = browser.session().await["user"].clone();
    assert_eq!((&member["id"], &member["emailVerified"]), (&body["user"]["id"], &json!(true)));
    // Only the proof opened it: the link again opens nothing.
    browser.post("/sign-out", &json!({})).await.ok();
    assert!(browser.get(&link).await.cookie(SESSION).is_none());
    browser.sign_in("jane@example.com").await;

    let guest = app.browser();
    guest.arrive().await;
    assert_ne!(guest.upgrade("jill@example.com").await["token"], Value::Null, "a guest who upgrades keeps its session");
    let token = app.mail("jill@example.com").await["token"].as_str().unwrap().to_owned();
    let before = guest.session().await["session"].clone();
    assert!(guest.get(&format!("/verify-email?token={token}")).await.cookie(SESSION).is_none());
    assert_eq!(guest.session().await["session"]["id"], before["id"]);
}

/// The holder's browser has a guest by now: it is signed in to the account, and the guest stays whole (CONTRACT 2.5).
#[tokio::test]
async fn a_guest_who_came_between_sign_up_and_proof_gets_a_ticket() {
    let app = App::with(&[("email_password.require_email_verification", "on"), ("dev", "on")]).await;
    let browser = app.browser();
    let signed_up = browser.post("/sign-up/email", &form("jane@example.com")).await.ok();
    let guest = browser.arrive().await;
    let sent = json!({ "email": "jane@example.com", "type": "email-verification" });
    browser.post("/email-otp/send-verification-otp", &sent).await.ok();
    let code = app.mails("jane@example.com", 2).await[1]["otp"].clone();
    let proof = json!({ "email": "jane@example.com", "otp": code });
    let proven = browser.post("/email-otp/verify-email", &proof).await.ok();
    assert_eq!(proven["user"]["id"], signed_up["user"]["id"]);
    assert_eq!(proven["token"], browser.session().await["session"]["token"]);
    assert_eq!(app.bearer(guest["token"].as_str().unwrap()).session().await["user"]["isAnonymous"], true);
    let moved = browser.post("/anonymous/transfer", &json!({})).await.ok();
    assert_eq!(moved["guest"]["id"], guest["user"]["id"]);
}
