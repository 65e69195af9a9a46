//! A guest becomes a member in place (CONTRACT 2.2, 2.3). What becomes of the token: `rotation`.

use serde_json::{Value, json};

use crate::support::{Answer, App, CLAIM, Client, PASSWORD, SESSION, days, hours, seconds};

async fn upgrade(caller: &Client, body: &Value) -> Answer {
    caller.post("/anonymous/upgrade", body).await
}

fn form(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

#[tokio::test]
async fn everything_stays_but_the_standing() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser
        .post("/update-user", &json!({ "metadata": { "cart": [1, 2] }, "image": "https://example.com/i.png" }))
        .await
        .ok();
    app.pass(days(3));

    let answer =
        upgrade(&browser, &json!({ "email": "  Jane@Example.COM ", "password": PASSWORD, "name": "Jane" })).await;
    let member = answer.ok();
    let (user, session) = (&member["user"], &member["session"]);
    let expected = json!({
        "id": guest["user"]["id"], "name": "Jane", "email": "jane@example.com", "emailVerified": false,
        "image": "https://example.com/i.png", "isAnonymous": false, "metadata": { "cart": [1, 2] }, "appMetadata": {}, "role": "user",
        "banned": false, "banReason": null, "banExpires": null, "twoFactorEnabled": false,
        "createdAt": guest["user"]["createdAt"], "updatedAt": app.date(seconds(0)),
    });
    assert_eq!(*user, expected);
    assert_eq!((&session["id"], &session["createdAt"]), (&guest["session"]["id"], &guest["session"]["createdAt"]));
    assert_eq!(session["expiresAt"], app.date(days(7)), "its time starts anew");
    assert_eq!(member["token"], session["token"]);
    assert_eq!(browser.session().await, json!({ "session": session, "user": user }));
    assert_eq!(answer.cookie(CLAIM).unwrap().attributes, ["Max-Age=604800", "Path=/", "HttpOnly", "SameSite=Lax"]);

    let accounts = browser.get("/list-accounts").await.ok();
    let account = &accounts[0];
    assert!(account["id"].as_str().unwrap().starts_with("acc_"));
    let now = app.date(seconds(0));
    let expected = json!([{
        "id": account["id"], "providerId": "credential", "accountId": user["id"], "userId": user["id"], "scopes": [], "createdAt": now,
        "updatedAt": now,
    }]);
    assert_eq!(accounts, expected);
}

#[tokio::test]
async fn the_name_is_as_given_or_the_guests_own() {
    let app = App::start().await;
    let nameless = app.browser();
    nameless.arrive().await;
    assert_eq!(nameless.upgrade("a@example.com").await["user"]["name"], Value::Null);
    let named = app.browser();
    named.arrive().await;
    named.post("/update-user", &json!({ "name": "Guest Jane" })).await.ok();
    assert_eq!(named.upgrade("b@example.com").await["user"]["name"], "Guest Jane");
}

#[tokio::test]
async fn not_remembered_it_lives_a_day() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    let answer =
        upgrade(&browser, &json!({ "email": "jane@example.com", "password": PASSWORD, "rememberMe": false })).await;
    assert_eq!(answer.ok()["session"]["expiresAt"], app.date(days(1)));
    assert_eq!(answer.cookie(SESSION).unwrap().max_age(), None);
}

#[tokio::test]
async fn the_checks_row_by_row() {
    let app = App::start().await;
    app.program().sign_up("taken@example.com").await;
    let browser = app.browser();
    browser.arrive().await;
    browser.session().await;
    let (head, before) = (app.head().await, browser.session().await);
    let long = "x".repeat(129);
    let long_address = format!("{}@example.com", "x".repeat(255));
    for (body, status, code, message) in [
        // An address that is unfit comes before the password …
        (json!({ "password": "x" }), 422, "INVALID_EMAIL", "Invalid email"),
        (json!({ "email": null, "password": PASSWORD }), 422, "INVALID_EMAIL", "Invalid email"),
        (json!({ "email": 5, "password": PASSWORD }), 422, "INVALID_EMAIL", "Invalid email"),
        (json!({ "email": {}, "password": PASSWORD }), 422, "INVALID_EMAIL", "Invalid email"),
        (form(""), 422, "INVALID_EMAIL", "Invalid email"),
        (form("jane"), 422, "INVALID_EMAIL", "Invalid email"),
        (form("jane@"), 422, "INVALID_EMAIL", "Invalid email"),
        (form("jane doe@example.com"), 422, "INVALID_EMAIL", "Invalid email"),
        (form("jane@example.com\nbcc: x"), 422, "INVALID_EMAIL", "Invalid email"),
        (form(&long_address), 422, "INVALID_EMAIL", "Invalid email"),
        // … the password before the address's holder.
        (json!({ "email": "taken@example.com" }), 422, "PASSWORD_TOO_SHORT", "Password too short"),
        (
            json!({ "email": "taken@example.com", "password": 12_345_678 }),
            422,
            "PASSWORD_TOO_SHORT",
            "Password too short",
        ),
        (
            json!({ "email": "taken@example.com", "password": "seven77" }),
            422,
            "PASSWORD_TOO_SHORT",
            "Password too short",
        ),
        (json!({ "email": "taken@example.com", "password": long }), 422, "PASSWORD_TOO_LONG", "Password too long"),
        (
            json!({ "email": "taken@example.com", "password": "password123" }),
            422,
            "PASSWORD_TOO_COMMON",
            "Password too common",
        ),
        (
            json!({ "email": "taken@example.com", "password": "Taken@Example.com" }),
            422,
            "PASSWORD_TOO_COMMON",
            "Password too common",
        ),
        (form("taken@example.com"), 409, "EMAIL_ALREADY_IN_USE", "Email already in use"),
        (form("TAKEN@example.com "), 409, "EMAIL_ALREADY_IN_USE", "Email already in use"),
    ] {
        let answer = upgrade(&browser, &body).await;
        answer.says(status, code, message);
        assert_eq!(answer.cookies(), []);
    }
    assert_eq!((app.head().await, browser.session().await), (head, before), "a failure changes nothing");
}

#[tokio::test]
async fn who_is_no_guest_is_told_so_before_anything_else() {
    let app = App::start().await;
    let member = app.browser();
    member.sign_up("jane@example.com").await;
    for body in [json!({}), json!({ "email": 5 }), form("jane@example.com"), form("other@example.com")] {
        upgrade(&member, &body).await.says(400, "USER_IS_NOT_ANONYMOUS", "User is not anonymous");
    }
    for body in [json!({ "name": "x".repeat(300) }), json!({ "callbackURL": "https://evil.example/" })] {
        upgrade(&member, &body).await.refused(400, "USER_IS_NOT_ANONYMOUS");
    }
    for body in [json!({}), json!({ "email": "a@b.example", "password": "x" })] {
        upgrade(&app.browser(), &body).await.says(401, "UNAUTHORIZED", "Unauthorized");
    }
}

#[tokio::test]
async fn without_passwords_there_is_no_upgrade_by_password() {
    for (key, code) in [
        ("email_password.enabled", "EMAIL_PASSWORD_DISABLED"),
        ("email_password.sign_up", "EMAIL_PASSWORD_SIGN_UP_DISABLED"),
    ] {
        let app = App::with(&[(key, "off")]).await;
        let browser = app.browser();
        browser.arrive().await;
        upgrade(&browser, &json!({ "email": "jane", "password": "x" })).await.refused(400, code);
        assert_eq!(browser.session().await["user"]["isAnonymous"], true);
    }
}

#[tokio::test]
async fn a_guest_whose_time_is_up_is_told_so_while_it_is_there() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    app.pass(days(7));
    for path in ["/anonymous/upgrade", "/delete-anonymous-user"] {
        browser.post(path, &form("jane@example.com")).await.says(
            401,
            "ANONYMOUS_SESSION_EXPIRED",
            "Anonymous session expired",
        );
    }
    let by_bearer = app.bearer(guest["token"].as_str().unwrap());
    upgrade(&by_bearer, &json!({})).await.refused(401, "ANONYMOUS_SESSION_EXPIRED");
    browser.get("/list-sessions").await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn of_a_member_or_of_nobody_no_more_is_said() {
    let app = App::start().await;
    let (member, gone, left) = (app.browser(), app.browser(), app.browser());
    member.sign_up("jane@example.com").await;
    gone.arrive().await;
    gone.fork().post("/delete-anonymous-user", &json!({})).await.ok();
    left.arrive().await;
    left.fork().post("/sign-out", &json!({})).await.ok();
    app.pass(days(7));
    for caller in [member, gone, left, app.browser()] {
        upgrade(&caller, &form("new@example.com")).await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn one_address_two_guests() {
    let app = App::start().await;
    let (first, second) = (app.browser(), app.browser());
    first.arrive().await;
    let guest = second.arrive().await;
    first.upgrade("jane@example.com").await;
    upgrade(&second, &form("jane@example.com")).await.refused(409, "EMAIL_ALREADY_IN_USE");
    assert_eq!(second.session().await["user"], guest["user"]);
    assert_eq!(second.upgrade("jill@example.com").await["user"]["id"], guest["user"]["id"]);
}

#[tokio::test]
async fn the_user_id_leads_on_at_the_next_sign_in() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.upgrade("jane@example.com").await;
    browser.post("/sign-out", &json!({})).await.ok();
    assert_eq!(browser.session().await, Value::Null);
    let back = browser.sign_in("jane@example.com").await;
    assert_eq!(back["user"]["id"], guest["user"]["id"]);
    assert_ne!(back["session"]["id"], guest["session"]["id"]);
}

#[tokio::test]
async fn the_callback_url_is_checked() {
    let app = App::with(&[("trusted_origins", "https://app.example.com"), ("rate_limits", "off")]).await;
    let browser = app.browser();
    browser.arrive().await;
    for place in [
        "//evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\\evil.example",
        "/%2f/evil",
        "data:text/html,x",
        "no-path",
    ] {
        let answer =
            upgrade(&browser, &json!({ "email": "jane@example.com", "password": PASSWORD, "callbackURL": place }))
                .await;
        answer.says(403, "INVALID_CALLBACK_URL", "Invalid callbackURL");
    }
    let no_text = json!({ "email": "jane@example.com", "password": PASSWORD, "callbackURL": 5 });
    upgrade(&browser, &no_text).await.refused(400, "VALIDATION_ERROR");
    let good = json!({ "email": "jane@example.com", "password": PASSWORD, "callbackURL": "https://app.example.com/welcome?x=1" });
    upgrade(&browser, &good).await.ok();
}

#[tokio::test]
async fn in_strict_mode_a_guest_stays_one_until_the_proof() {
    let app = App::with(&[("upgrade.require_verified_email", "on"), ("dev", "on")]).await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let pending = browser.upgrade("first@example.com").await;
    assert_eq!(
        (&pending["user"]["isAnonymous"], &pending["user"]["email"]),
        (&Value::from(true), &Value::from("first@example.com"))
    );
    assert_eq!(pending["user"]["id"], guest["user"]["id"]);
    let first = app.mail("first@example.com").await;

    app.pass(hours(1));
    let again = browser.upgrade("second@example.com").await;
    assert_eq!(
        (&again["user"]["isAnonymous"], &again["user"]["email"]),
        (&Value::from(true), &Value::from("second@example.com"))
    );
    let second = app.mail("second@example.com").await;

    let verify =
        async |mail: &Value| browser.get(&format!("/verify-email?token={}", mail["token"].as_str().unwrap())).await;
    verify(&first).await.refused(401, "INVALID_TOKEN");
    verify(&second).await.ok();
    let member = browser.session().await;
    assert_eq!(
        (&member["user"]["isAnonymous"], &member["user"]["emailVerified"]),
        (&Value::from(false), &Value::from(true))
    );
    assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    // The address that was given up is free again.
    app.program().sign_up("first@example.com").await;
}

#[tokio::test]
async fn in_strict_mode_the_address_is_reserved_all_the_same() {
    let app = App::with(&[("upgrade.require_verified_email", "on")]).await;
    let (first, second) = (app.browser(), app.browser());
    first.arrive().await;
    second.arrive().await;
    first.upgrade("jane@example.com").await;
    upgrade(&second, &form("jane@example.com")).await.refused(409, "EMAIL_ALREADY_IN_USE");
    let same_again = first.upgrade("jane@example.com").await;
    assert_eq!(same_again["user"]["email"], "jane@example.com");
}
