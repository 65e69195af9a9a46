//! The mailed link (CONTRACT 2.6 row a, 3): it proves the mailbox, and only in the browser that made the claim.

use serde_json::{Value, json};

use crate::support::{Answer, App, CLAIM, Client, PASSWORD, SESSION, almost, hours};

const JANE: &str = "jane@example.com";

async fn app() -> App {
    App::with(&[("dev", "on"), ("trusted_origins", "https://app.example.com")]).await
}

/// A guest who became Jane in a browser, and the token that was mailed to her.
async fn jane(app: &App) -> (Client, Value, String) {
    let browser = app.browser();
    browser.arrive().await;
    let member = browser.upgrade(JANE).await;
    let mail = app.mail(JANE).await;
    (browser, member, mail["token"].as_str().unwrap().to_owned())
}

async fn open(caller: &Client, token: &str) -> Answer {
    caller.get(&format!("/verify-email?token={token}")).await
}

async fn verified(caller: &Client) -> bool {
    caller.session().await["user"]["emailVerified"] == true
}

#[tokio::test]
async fn the_mail_has_a_link_to_this_server() {
    let app = app().await;
    let (_, _, token) = jane(&app).await;
    let mail = app.mail(JANE).await;
    assert_eq!((&mail["kind"], &mail["to"], &mail["otp"]), (&json!("verify-email"), &json!(JANE), &Value::Null));
    assert_eq!(mail["url"], format!("{}/api/auth/verify-email?token={token}", app.origin()));
    assert_eq!(mail["at"], app.date(hours(0)));
}

#[tokio::test]
async fn opened_where_the_address_was_given_it_proves_it() {
    let app = app().await;
    let (browser, member, token) = jane(&app).await;
    assert_eq!(open(&browser, &token).await.ok(), json!({ "status": true, "user": null }));
    let now = browser.session().await;
    assert!(verified(&browser).await);
    assert_eq!(
        (&now["session"]["id"], &now["session"]["token"]),
        (&member["session"]["id"], &member["token"]),
        "password and sessions stay"
    );
    browser.sign_in(JANE).await;
    // Clicked twice, or opened by a mail scanner before.
    open(&browser, &token).await.ok();
}

#[tokio::test]
async fn it_is_the_claim_that_counts_and_not_the_session() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    let planted = browser.fork();
    planted.forget(CLAIM);
    let refusal = open(&planted, &token).await.refused(403, "CONFIRMATION_REQUIRED");
    assert!(refusal["message"].is_string());
    assert!(!verified(&browser).await, "a session cookie may have been planted");
    browser.forget(SESSION);
    open(&browser, &token).await.ok();
}

#[tokio::test]
async fn signing_in_by_password_makes_a_holders_browser() {
    let app = app().await;
    let (_, _, token) = jane(&app).await;
    let phone = app.browser();
    open(&phone, &token).await.refused(403, "CONFIRMATION_REQUIRED");
    phone.sign_in(JANE).await;
    open(&phone, &token).await.ok();
    assert!(verified(&phone).await);
}

#[tokio::test]
async fn a_session_of_the_holder_by_bearer_counts_another_one_does_not() {
    let app = app().await;
    let (browser, member, token) = jane(&app).await;
    let stranger = app.program().sign_up("jill@example.com").await;
    open(&app.bearer(stranger["token"].as_str().unwrap()), &token).await.refused(403, "CONFIRMATION_REQUIRED");
    open(&app.bearer(member["token"].as_str().unwrap()), &token).await.ok();
    assert!(verified(&browser).await);
}

#[tokio::test]
async fn somebody_elses_claim_is_no_claim() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    let other = app.browser();
    other.sign_up("jill@example.com").await;
    open(&other, &token).await.refused(403, "CONFIRMATION_REQUIRED");
    other.plant(CLAIM, "clm_01JD8M4Z5T0123456789ABCDEF");
    open(&other, &token).await.refused(403, "CONFIRMATION_REQUIRED");
    assert!(!verified(&browser).await);
}

#[tokio::test]
async fn signing_out_leaves_the_claim() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    browser.post("/sign-out", &json!({})).await.ok();
    open(&browser, &token).await.ok();
    assert_eq!(browser.session().await, Value::Null, "a link signs nobody in");
    assert_eq!(browser.sign_in(JANE).await["user"]["emailVerified"], true);
}

#[tokio::test]
async fn a_day_long() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    app.pass(hours(24));
    open(&browser, &token).await.refused(401, "TOKEN_EXPIRED");
    assert!(!verified(&browser).await);
    let app = self::app().await;
    let (browser, _, token) = jane(&app).await;
    app.pass(almost(hours(24)));
    open(&browser, &token).await.ok();
}

#[tokio::test]
async fn what_we_did_not_make_is_no_token() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    let other = app.browser();
    other.sign_up("jill@example.com").await;
    let hers = app.mail("jill@example.com").await["token"].as_str().unwrap().to_owned();
    let (id, signature) = token.split_at(26);
    let mut forged = vec![
        String::new(),
        "x".to_owned(),
        token[..token.len() - 1].to_owned(),
        format!("{token}x"),
        id.to_owned(),
        signature.to_owned(),
        // The halves of two good ones.
        format!("{}{}", id, &hers[26..]),
        format!("{}{}", &hers[..26], signature),
        token.to_lowercase(),
        "%00".to_owned(),
        "%F0%9F%94%91".repeat(20),
        "0".repeat(5000),
    ];
    let flipped = if token.ends_with('A') { 'B' } else { 'A' };
    forged.push(format!("{}{flipped}", &token[..token.len() - 1]));
    for token in forged {
        open(&browser, &token).await.says(401, "INVALID_TOKEN", "Invalid token");
    }
    browser.get("/verify-email").await.refused(401, "INVALID_TOKEN");
    assert!(!verified(&browser).await);
    open(&other, &hers).await.ok();
}

#[tokio::test]
async fn it_dies_with_its_user() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    browser.post("/delete-user", &json!({})).await.ok();
    open(&browser, &token).await.refused(401, "INVALID_TOKEN");
    let next = app.browser();
    next.sign_up(JANE).await;
    open(&next, &token).await.refused(401, "INVALID_TOKEN");
    assert!(!verified(&next).await);
}

#[tokio::test]
async fn with_a_callback_it_leads_there_whatever_comes_of_it() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    let verify = async |caller: &Client, token: &str, place: &str| {
        let place = percent_encoding::utf8_percent_encode(place, percent_encoding::NON_ALPHANUMERIC).to_string();
        caller.get(&format!("/verify-email?token={token}&callbackURL={place}")).await
    };
    verify(&browser, "x", "/done?a=1#b").await.leads_to("/done?a=1&error=INVALID_TOKEN#b");
    let page = format!("{}/api/auth/verify-email/confirm?token={token}&callbackURL=%2Fdone", app.origin());
    verify(&app.browser(), &token, "/done").await.leads_to(&page);
    verify(&browser, &token, "/done?a=1").await.leads_to("/done?a=1");
    verify(&browser, &token, "https://app.example.com/done").await.leads_to("https://app.example.com/done");
    app.pass(hours(24));
    verify(&browser, &token, "/done").await.leads_to("/done?error=TOKEN_EXPIRED");
    for place in ["//evil.example", "https://evil.example/", "javascript:x"] {
        verify(&browser, &token, place).await.says(403, "INVALID_CALLBACK_URL", "Invalid callbackURL");
    }
}

#[tokio::test]
async fn the_callback_travels_in_the_mail() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    let body = json!({ "email": JANE, "password": PASSWORD, "callbackURL": "/welcome?a=1&b=2" });
    browser.post("/anonymous/upgrade", &body).await.ok();
    let url = app.mail(JANE).await["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(app.origin()).unwrap();
    browser.at(crate::support::Method::GET, path).await.leads_to("/welcome?a=1&b=2");
}

#[tokio::test]
async fn relative_callbacks_lead_to_the_app_where_it_stands_elsewhere() {
    let app = App::with(&[("dev", "on"), ("app_url", "https://app.example.com")]).await;
    let (browser, _, token) = jane(&app).await;
    browser
        .get(&format!("/verify-email?token={token}&callbackURL=%2Fdone"))
        .await
        .leads_to("https://app.example.com/done");
}

#[tokio::test]
async fn a_proven_address_does_not_yield() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    open(&browser, &token).await.ok();
    let other = app.browser();
    other.arrive().await;
    other
        .post("/anonymous/upgrade", &json!({ "email": JANE, "password": PASSWORD }))
        .await
        .refused(409, "EMAIL_ALREADY_IN_USE");
    let again = browser.post("/sign-in/email", &json!({ "email": JANE, "password": PASSWORD })).await;
    assert!(again.cookie(CLAIM).is_none(), "nothing is left to be claimed");
}

/// What the page of a link posts that was opened on another device.
async fn confirm(caller: &Client, fields: &str) -> Answer {
    caller
        .at(crate::support::Method::POST, "/api/auth/verify-email/confirm")
        .header("sec-fetch-mode", "navigate")
        .body("application/x-www-form-urlencoded", fields.to_owned())
        .await
}

#[tokio::test]
async fn read_on_a_phone_it_asks_for_the_password_and_signs_nobody_in() {
    let app = app().await;
    let (browser, _, token) = jane(&app).await;
    let phone = app.browser();
    let refusal = open(&phone, &token).await.refused(403, "CONFIRMATION_REQUIRED");
    let page = refusal["details"]["url"].as_str().unwrap().strip_prefix(app.origin()).unwrap().to_owned();
    let shown = phone.at(crate::support::Method::GET, &page).await;
    assert!(shown.text.contains("<form") && shown.text.contains("type=\"password\""), "{}", shown.text);
    let wrong = confirm(&phone, &format!("token={token}&password=not+it")).await;
    assert!(wrong.status == 200 && wrong.text.contains("not the password"), "{wrong:?}");
    let done = confirm(&phone, &format!("token={token}&password={PASSWORD}&callbackURL=%2Fdone")).await;
    done.leads_to("/done");
    assert!(done.cookie(SESSION).is_none() && phone.session().await.is_null());
    assert!(verified(&browser).await);
}

#[tokio::test]
async fn five_wrong_passwords_void_the_link() {
    let app = App::with(&[("dev", "on"), ("rate_limits", "off")]).await;
    let (browser, _, token) = jane(&app).await;
    let phone = app.program();
    let post = |password: &str| phone.post("/verify-email/confirm", &json!({ "token": token, "password": password }));
    for _ in 0..5 {
        post("not the password").await.refused(400, "INVALID_PASSWORD");
    }
    post(PASSWORD).await.refused(400, "INVALID_TOKEN");
    open(&browser, &token).await.refused(401, "INVALID_TOKEN");
    assert!(!verified(&browser).await);
}

#[tokio::test]
async fn whoever_reads_the_mail_and_knows_nothing_of_it_frees_the_address() {
    let app = app().await;
    let (squatter, member, token) = jane(&app).await;
    confirm(&app.browser(), &format!("token={token}&disown=true")).await.ok_page("Done");
    let left = squatter.session().await;
    assert_eq!(left["user"]["id"], member["user"]["id"]);
    assert_eq!((&left["user"]["email"], &left["user"]["isAnonymous"]), (&Value::Null, &json!(true)));
    app.program().sign_up(JANE).await;
    confirm(&app.browser(), &format!("token={token}&disown=true")).await.ok_page("That did not work");
}

#[tokio::test]
async fn who_took_an_account_over_and_knows_its_password_restores_it() {
    let app = app().await;
    app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    app.program().post("/sign-in/magic-link", &json!({ "email": JANE })).await.ok();
    let link = app.mails(JANE, 2).await[1]["token"].as_str().unwrap().to_owned();
    let browser = app.browser();
    let jane = browser.get(&format!("/magic-link/verify?token={link}")).await.ok();
    assert_eq!(jane["reclaimed"], true);
    let restore = |password: &str| browser.post("/verify-email/confirm", &json!({ "password": password }));
    restore("not the password").await.refused(400, "INVALID_PASSWORD");
    restore(PASSWORD).await.ok();
    app.program().sign_in(JANE).await;
    app.program().post("/verify-email/confirm", &json!({ "password": PASSWORD })).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn another_link_can_be_asked_for_and_voids_the_first() {
    let app = app().await;
    let (browser, _, first) = jane(&app).await;
    let send = |caller: &Client, email: &str| caller.post("/send-verification-email", &json!({ "email": email }));
    assert_eq!(send(&browser, JANE).await.ok(), json!({ "status": true }));
    let second = app.mails(JANE, 2).await[1]["token"].as_str().unwrap().to_owned();
    open(&browser, &first).await.refused(401, "INVALID_TOKEN");
    send(&browser, "jill@example.com").await.refused(400, "EMAIL_MISMATCH");
    open(&browser, &second).await.ok();
    send(&browser, JANE).await.refused(400, "EMAIL_ALREADY_VERIFIED");
    for anybody in [JANE, "nobody@example.com"] {
        assert_eq!(send(&app.program(), anybody).await.ok(), json!({ "status": true }));
    }
    app.head().await;
    assert_eq!(app.mails(JANE, 2).await.len(), 2, "there was nothing to send");
}
