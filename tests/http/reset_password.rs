//! A forgotten password (CONTRACT 3, 2.6).

use serde_json::{Value, json};

use crate::support::{App, Client, Method, PASSWORD, seconds};

const JANE: &str = "jane@example.com";
const NEW: &str = "another password";
const ASKED: &str = "If this email exists in our system, check your email for the reset link";

async fn app() -> App {
    App::with(&[("dev", "on"), ("trusted_origins", "https://app.example.com,https://*.apps.example.com")]).await
}

async fn ask(caller: &Client, email: &str) {
    let asked = caller.post("/request-password-reset", &json!({ "email": email })).await.ok();
    assert_eq!(asked, json!({ "status": true, "message": ASKED }));
}

async fn token(app: &App, mails: usize) -> String {
    ask(&app.program(), JANE).await;
    let mail = app.mails(JANE, mails).await.pop().unwrap();
    assert_eq!(mail["kind"], "reset-password");
    mail["token"].as_str().unwrap().to_owned()
}

async fn reset(caller: &Client, token: &str, password: &str) -> crate::support::Answer {
    caller.post("/reset-password", &json!({ "newPassword": password, "token": token })).await
}

#[tokio::test]
async fn the_new_password_stands_and_every_session_ends() {
    let app = app().await;
    let jane = app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let token = token(&app, 2).await;
    assert_eq!(reset(&app.program(), &token, NEW).await.ok(), json!({ "status": true }));
    assert_eq!(app.bearer(jane["token"].as_str().unwrap()).session().await, Value::Null);
    app.program()
        .post("/sign-in/email", &json!({ "email": JANE, "password": PASSWORD }))
        .await
        .refused(401, "INVALID_EMAIL_OR_PASSWORD");
    let member = app.program().post("/sign-in/email", &json!({ "email": JANE, "password": NEW })).await.ok();
    assert_eq!(member["user"]["emailVerified"], true);
    assert_eq!(app.mails(JANE, 3).await[2]["kind"], "password-changed");
    reset(&app.program(), &token, "a third password").await.says(400, "INVALID_TOKEN", "Invalid token");
}

#[tokio::test]
async fn a_session_of_the_same_user_goes_on_with_a_new_token() {
    let app = app().await;
    let browser = app.browser();
    let jane = browser.sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let token = token(&app, 2).await;
    reset(&browser, &token, NEW).await.ok();
    let now = browser.session().await;
    assert_eq!(now["session"]["id"], jane["session"]["id"]);
    assert_ne!(now["session"]["token"], jane["token"]);
}

#[tokio::test]
async fn the_link_leads_to_the_apps_page_and_uses_nothing_up() {
    let app = app().await;
    app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let form = json!({ "email": JANE, "redirectTo": "https://app.example.com/reset?step=2" });
    app.program().post("/forget-password", &form).await.ok();
    let mail = app.mails(JANE, 2).await.pop().unwrap();
    let (link, token) = (mail["url"].as_str().unwrap(), mail["token"].as_str().unwrap());
    let path = link.strip_prefix(app.origin()).unwrap();
    for _ in 0..2 {
        let opened = app.program().at(Method::GET, path).await;
        opened.leads_to(&format!("https://app.example.com/reset?step=2&token={token}"));
    }
    reset(&app.program(), token, NEW).await.ok();
    let opened = app.program().at(Method::GET, path).await;
    opened.leads_to("https://app.example.com/reset?step=2&error=INVALID_TOKEN");
}

/// Where the app named no page, the link shows one of ours.
#[tokio::test]
async fn without_a_page_of_the_apps_the_link_shows_a_form() {
    let app = app().await;
    let jane = app.browser();
    jane.sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let token = token(&app, 2).await;
    let mail = app.mails(JANE, 2).await.pop().unwrap();
    let path = mail["url"].as_str().unwrap().strip_prefix(app.origin()).unwrap().to_owned();
    assert_eq!(path, format!("/api/auth/reset-password/{token}"));
    let elsewhere = app.browser().always("sec-fetch-mode", "navigate").always("sec-fetch-site", "same-origin");
    let page = elsewhere.at(Method::GET, &path).await;
    page.ok_page("Choose a new password");
    assert!(page.text.contains(&format!("value=\"{token}\"")) && page.header("referrer-policy") == Some("no-referrer"));

    let send = async |token: &str, password: &str| {
        let form = format!("token={token}&newPassword={password}");
        elsewhere
            .at(Method::POST, "/api/auth/reset-password/confirm")
            .body("application/x-www-form-urlencoded", form)
            .await
    };
    let again = send(&token, "short").await;
    again.ok_page("Choose a new password");
    assert!(again.text.contains("too short"));
    send(&token, "password123").await.ok_page("Choose a new password");
    send(&token, "another+password").await.ok_page("Done");
    assert_eq!(jane.session().await, Value::Null, "everybody is signed out");
    app.program().post("/sign-in/email", &json!({ "email": JANE, "password": NEW })).await.ok();
    send(&token, "another+password").await.ok_page("That did not work");
    elsewhere.at(Method::GET, &path).await.leads_to(&format!("{}/api/auth/error?error=INVALID_TOKEN", app.origin()));
    // A program is answered as by `/reset-password`.
    let body = json!({ "token": "x", "newPassword": NEW });
    app.program().post("/reset-password/confirm", &body).await.refused(400, "INVALID_TOKEN");
    // A page of somebody else's sets no password.
    let foreign = elsewhere.always("origin", "https://evil.example").always("sec-fetch-site", "cross-site");
    foreign.plant("a", "b");
    foreign.post("/reset-password/confirm", &body).await.refused(403, "INVALID_ORIGIN");
}

#[tokio::test]
async fn a_token_is_appended_on_exactly_trusted_origins_alone() {
    let app = app().await;
    for place in ["https://evil.example", "https://taken.apps.example.com/", "//evil.example"] {
        let form = json!({ "email": JANE, "redirectTo": place });
        app.program().post("/request-password-reset", &form).await.refused(403, "INVALID_REDIRECT_URL");
        let opened = app.program().get(&format!("/reset-password/x?callbackURL={}", place.replace('/', "%2F"))).await;
        opened.refused(403, "INVALID_CALLBACK_URL");
    }
}

#[tokio::test]
async fn nobody_learns_whether_an_address_is_known() {
    let app = app().await;
    ask(&app.program(), "nobody@example.com").await;
    app.head().await;
    assert_eq!(app.program().at(Method::GET, "/dev/mail.json").await.ok(), json!([]));
}

#[tokio::test]
async fn a_link_is_good_for_an_hour() {
    let app = app().await;
    app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let token = token(&app, 2).await;
    app.pass(seconds(3600));
    reset(&app.program(), &token, NEW).await.refused(400, "INVALID_TOKEN");
    for garbage in ["", "x", &token[1..]] {
        reset(&app.program(), garbage, NEW).await.refused(400, "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn of_two_links_the_second_dies_with_the_reset() {
    let app = app().await;
    app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let (first, second) = (token(&app, 2).await, token(&app, 3).await);
    reset(&app.program(), &first, NEW).await.ok();
    reset(&app.program(), &second, "a third password").await.refused(400, "INVALID_TOKEN");
}

/// Trojan identifier: what a squatter added before the proof is gone with the reset.
#[tokio::test]
async fn a_reset_by_a_stranger_to_the_session_locks_the_squatter_out() {
    let app = app().await;
    let mallory = app.browser();
    mallory.sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let token = token(&app, 2).await;
    reset(&app.browser(), &token, NEW).await.ok();
    assert_eq!(mallory.session().await, Value::Null);
}

#[tokio::test]
async fn a_member_without_a_password_gets_one_by_either_way() {
    let app = app().await;
    let asked = app.program();
    asked.post("/sign-in/magic-link", &json!({ "email": JANE })).await.ok();
    let link = app.mail(JANE).await["token"].as_str().unwrap().to_owned();
    let browser = app.browser();
    browser.get(&format!("/magic-link/verify?token={link}")).await.ok();
    let set = |password: &str| browser.post("/set-password", &json!({ "newPassword": password }));
    set("short").await.refused(400, "PASSWORD_TOO_SHORT");
    assert_eq!(set(NEW).await.ok(), json!({ "status": true }));
    set("a third password").await.refused(400, "PASSWORD_ALREADY_SET");
    app.program().post("/sign-in/email", &json!({ "email": JANE, "password": NEW })).await.ok();
    let guest = app.browser();
    guest.arrive().await;
    guest.post("/set-password", &json!({ "newPassword": NEW })).await.refused(400, "USER_IS_ANONYMOUS");
    app.program().post("/set-password", &json!({ "newPassword": NEW })).await.refused(401, "UNAUTHORIZED");
}
