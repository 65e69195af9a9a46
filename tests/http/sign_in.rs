//! `/sign-in/email` (CONTRACT 2.5, 3).

use serde_json::{Value, json};

use crate::support::{App, CLAIM, KEY, PASSWORD, SESSION, days};

#[tokio::test]
async fn a_member_comes_back() {
    let app = App::start().await;
    let joined = app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    let answer = browser.post("/sign-in/email", &json!({ "email": " JANE@example.com", "password": PASSWORD })).await;
    let back = answer.ok();
    assert_eq!((&back["redirect"], &back["user"]["id"]), (&json!(false), &joined["user"]["id"]));
    assert_eq!(back.get("url"), None);
    assert_ne!(back["session"]["id"], joined["session"]["id"]);
    assert_eq!((&back["token"], &back["session"]["expiresAt"]), (&back["session"]["token"], &app.date(days(7))));
    assert!(answer.cookie(SESSION).is_some());
    assert!(answer.cookie(CLAIM).is_some(), "who knows the password of an unproven account holds its claim");
    assert_eq!(browser.session().await["user"], back["user"]);
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    let head = app.head().await;
    let answer = async |email: &str, password: &str| {
        let answer = app.browser().post("/sign-in/email", &json!({ "email": email, "password": password })).await;
        answer.says(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password");
        assert_eq!(answer.cookies(), []);
        answer.text
    };
    let wrong = answer("jane@example.com", "not this one").await;
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("jane@example.com", "x"),
        ("jane@example.com", ""),
        ("nobody@example.com", ""),
    ] {
        assert_eq!(answer(email, password).await, wrong);
    }
    assert_eq!(app.head().await, head);
}

/// In body or query (CONTRACT 1.6).
#[tokio::test]
async fn where_to_go_may_stand_in_the_query() {
    let app = App::start().await;
    let program = app.program();
    program.sign_up("jane@example.com").await;
    let form = json!({ "email": "jane@example.com", "password": PASSWORD });
    let answer = program.post("/sign-in/email?callbackURL=%2Fhome", &form).await;
    let signed_in = answer.ok();
    assert_eq!((&signed_in["redirect"], &signed_in["url"]), (&json!(true), &json!("/home")));
    assert_eq!(answer.header("location"), Some("/home"));
    let own = json!({ "email": "jane@example.com", "password": PASSWORD, "callbackURL": "/own" });
    assert_eq!(program.post("/sign-in/email?callbackURL=%2Fhome", &own).await.ok()["url"], "/own");
    let evil = "https%3A%2F%2Fevil.example%2F";
    for (path, name, code) in [
        ("/sign-in/email", "callbackURL", "INVALID_CALLBACK_URL"),
        ("/send-verification-email", "callbackURL", "INVALID_CALLBACK_URL"),
        ("/request-password-reset", "redirectTo", "INVALID_REDIRECT_URL"),
        ("/sign-in/magic-link", "errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"),
        ("/sign-in/magic-link", "newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"),
    ] {
        program.post(&format!("{path}?{name}={evil}"), &form).await.refused(403, code);
    }
}

/// Where the contract names no code for it, it is a field that does not fit (CONTRACT 1.1).
#[tokio::test]
async fn what_is_no_address_is_named_as_a_field() {
    let app = App::with(&[KEY]).await;
    let program = app.program();
    let bad = json!({ "email": "nobody", "name": "", "password": PASSWORD, "otp": "123456", "type": "sign-in" });
    for path in [
        "/sign-up/email",
        "/sign-in/magic-link",
        "/sign-in/email-otp",
        "/email-otp/verify-email",
        "/email-otp/check-verification-otp",
        "/email-otp/request-password-reset",
        "/forget-password/email-otp",
        "/email-otp/reset-password",
        "/request-password-reset",
        "/forget-password",
        "/send-verification-email",
    ] {
        let refused = program.post(path, &bad).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["field"], "email", "{path}");
    }
    for path in ["/admin/create-user", "/organization/invite-member"] {
        let form = json!({ "email": "nobody", "name": "", "role": "user" });
        let refused = app.operator().post(path, &form).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["field"], "email", "{path}");
    }
    for path in ["/sign-in/email", "/email-otp/send-verification-otp"] {
        program.post(path, &bad).await.says(400, "INVALID_EMAIL", "Invalid email");
    }
}

#[tokio::test]
async fn what_is_no_address_and_what_is_too_long() {
    let app = App::start().await;
    let program = app.program();
    let sign_in = async |email: Value, password: Value| {
        program.post("/sign-in/email", &json!({ "email": email, "password": password })).await
    };
    sign_in(json!("jane"), json!(PASSWORD)).await.says(400, "INVALID_EMAIL", "Invalid email");
    sign_in(json!("jane@example.com"), json!("x".repeat(129))).await.says(
        400,
        "PASSWORD_TOO_LONG",
        "Password too long",
    );
    for (email, password) in
        [(json!(null), json!(PASSWORD)), (json!(5), json!(PASSWORD)), (json!("jane@example.com"), json!([]))]
    {
        sign_in(email, password).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_password_is_what_was_meant_however_it_was_typed() {
    let app = App::start().await;
    let program = app.program();
    let body = |password: &str| json!({ "name": "", "email": "jane@example.com", "password": password });
    // "Ångström ﬁn": composed, decomposed, the ångström sign, a ligature, full-width letters.
    program.post("/sign-up/email", &body("\u{c5}ngstr\u{f6}m fin")).await.ok();
    for same in ["A\u{30a}ngstro\u{308}m fin", "\u{212b}ngstr\u{f6}m \u{fb01}n", "\u{c5}\u{ff4e}gstr\u{f6}m fin"] {
        program.post("/sign-in/email", &body(same)).await.ok();
    }
    program.post("/sign-in/email", &body("\u{e5}ngstr\u{f6}m fin")).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    program.post("/sign-in/email", &body("\u{c5}ngstr\u{f6}m fin ")).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
}

#[tokio::test]
async fn a_long_password_counts_to_its_last_character() {
    let app = App::start().await;
    let password = "x".repeat(127);
    let body = |last: char| json!({ "name": "", "email": "jane@example.com", "password": format!("{password}{last}") });
    app.program().post("/sign-up/email", &body('a')).await.ok();
    app.program().post("/sign-in/email", &body('b')).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    app.program().post("/sign-in/email", &body('a')).await.ok();
}

#[tokio::test]
async fn with_a_callback_the_client_is_sent_there_and_it_is_still_200() {
    let app = App::with(&[("trusted_origins", "https://app.example.com")]).await;
    app.program().sign_up("jane@example.com").await;
    for place in ["/welcome?tab=1#top", "https://app.example.com/welcome", &format!("{}/in", app.origin())] {
        let answer = app
            .browser()
            .post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD, "callbackURL": place }))
            .await;
        let body = answer.ok();
        assert_eq!((&body["redirect"], &body["url"]), (&json!(true), &json!(place)));
        assert_eq!(answer.header("location"), Some(place));
    }
    for place in [
        "//evil.example",
        "https://evil.example",
        "https://app.example.com.evil.example/",
        "javascript:x",
        "/\t/evil.example",
        "",
    ] {
        let answer = app
            .browser()
            .post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD, "callbackURL": place }))
            .await;
        answer.says(403, "INVALID_CALLBACK_URL", "Invalid callbackURL");
        assert_eq!(answer.cookies(), []);
    }
}

#[tokio::test]
async fn the_guest_who_signs_in_elsewhere_is_left_alone() {
    let app = App::start().await;
    let member = app.program().sign_up("jane@example.com").await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let tab = browser.fork();
    let wrong = json!({ "email": "jane@example.com", "password": "not this one" });
    browser.post("/sign-in/email", &wrong).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    assert_eq!(browser.session().await["user"], guest["user"], "a failed attempt changes nothing");

    let signed_in = browser.sign_in("jane@example.com").await;
    assert_eq!(signed_in["user"]["id"], member["user"]["id"]);
    assert_eq!(browser.session().await["user"]["id"], member["user"]["id"]);
    let alone = tab.session().await;
    assert_eq!((&alone["user"], &alone["session"]["token"]), (&guest["user"], &guest["token"]));
}

#[tokio::test]
async fn switched_off() {
    let app = App::with(&[("email_password.enabled", "off")]).await;
    let answer =
        app.program().post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD })).await;
    answer.says(400, "EMAIL_PASSWORD_DISABLED", "Email and password is not enabled");
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() {
    let app = App::with(&[("sessions.per_user", "2")]).await;
    let token = |body: &Value| body["token"].as_str().unwrap().to_owned();
    let first = token(&app.program().sign_up("jane@example.com").await);
    app.pass(days(1));
    let second = token(&app.program().sign_in("jane@example.com").await);
    let third = token(&app.program().sign_in("jane@example.com").await);
    assert_eq!(app.bearer(&first).session().await, Value::Null);
    for live in [second, third] {
        assert_ne!(app.bearer(&live).session().await, Value::Null);
    }
}
