//! Magic links (CONTRACT 5): whose browser opens them decides what they do.

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, PASSWORD, SESSION, seconds};

const JANE: &str = "jane@example.com";
const ASKED: &str = "better-auth.asked";

async fn app() -> App {
    App::with(&[("dev", "on"), ("trusted_origins", "https://app.example.com")]).await
}

async fn ask(caller: &Client, email: &str) -> Value {
    caller.post("/sign-in/magic-link", &json!({ "email": email })).await.ok()
}

/// Asks, and reads the mail.
async fn token(app: &App, caller: &Client, email: &str, mails: usize) -> String {
    ask(caller, email).await;
    // Of mails that were asked for in the same instant either may come first.
    let link = app.mails(email, mails).await.into_iter().rfind(|mail| mail["kind"] == "magic-link").unwrap();
    link["token"].as_str().unwrap().to_owned()
}

async fn fetch(caller: &Client, token: &str) -> Answer {
    caller.get(&format!("/magic-link/verify?token={token}")).await
}

/// A person clicks on the link.
async fn click(caller: &Client, token: &str) -> Answer {
    caller
        .never("origin")
        .get(&format!("/magic-link/verify?token={token}&callbackURL=%2Fhome"))
        .header("sec-fetch-mode", "navigate")
        .header("accept", "text/html")
        .await
}

async fn confirm(caller: &Client, token: &str, body: &str) -> Answer {
    caller
        .at(
            crate::support::Method::POST,
            &format!("/api/auth/magic-link/verify/confirm?token={token}&callbackURL=%2Fhome"),
        )
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "same-origin")
        .body("application/x-www-form-urlencoded", body.to_owned())
        .await
}

#[tokio::test]
async fn a_guest_becomes_a_member_in_the_browser_that_asked() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let token = token(&app, &browser, JANE, 1).await;
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_alphabetic()), "{token}");
    let answer = click(&browser, &token).await;
    answer.leads_to(&format!("{}/home", app.origin()));
    let member = browser.session().await;
    assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    assert_eq!(member["user"]["isAnonymous"], false);
    assert_eq!((&member["user"]["email"], &member["user"]["emailVerified"]), (&json!(JANE), &json!(true)));
    assert_ne!(member["session"]["token"], guest["token"], "the token is another one: the old may have been planted");
    assert_eq!(member["user"]["name"], Value::Null);
}

#[tokio::test]
async fn somebody_new_becomes_a_member_by_it() {
    let app = app().await;
    let program = app.program();
    let form =
        json!({ "email": JANE, "name": "Jane", "metadata": { "plan": "pro" }, "newUserCallbackURL": "/welcome" });
    program.post("/sign-in/magic-link", &form).await.ok();
    let mail = app.mail(JANE).await;
    assert_eq!(mail["kind"], "magic-link");
    let link = mail["url"].as_str().unwrap().strip_prefix(app.origin()).unwrap().to_owned();
    let browser = app.browser();
    let answer = browser.at(crate::support::Method::GET, &link).await;
    answer.leads_to(&format!("{}/welcome", app.origin()));
    let user = browser.session().await["user"].clone();
    assert_eq!((&user["name"], &user["metadata"]), (&json!("Jane"), &json!({ "plan": "pro" })));
    assert_eq!((&user["isAnonymous"], &user["emailVerified"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn without_a_name_the_new_member_has_an_empty_one() {
    let app = app().await;
    let token = token(&app, &app.program(), JANE, 1).await;
    let member = fetch(&app.program(), &token).await.ok();
    assert_eq!(member["user"]["name"], "");
    assert_eq!(member["session"]["token"], member["token"]);
}

#[tokio::test]
async fn it_works_once_and_for_ten_minutes() {
    let app = app().await;
    let first = token(&app, &app.program(), JANE, 1).await;
    fetch(&app.program(), &first).await.ok();
    fetch(&app.program(), &first).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
    let second = token(&app, &app.program(), JANE, 2).await;
    app.pass(seconds(600));
    fetch(&app.program(), &second).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
    for garbage in ["", "x", &"A".repeat(32), &second[1..], &format!("{second}x")] {
        fetch(&app.program(), garbage).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
    }
}

#[tokio::test]
async fn of_many_who_open_it_at_once_one_gets_in() {
    let app = app().await;
    let token = token(&app, &app.program(), JANE, 1).await;
    let programs: Vec<_> = (0..8).map(|_| app.program()).collect();
    let opened = futures_util::future::join_all(programs.iter().map(|program| fetch(program, &token))).await;
    assert_eq!(opened.iter().filter(|answer| answer.status == 200).count(), 1);
}

/// Both read the mailbox: one guest becomes the member, and the other is signed in to that account and stays whole.
#[tokio::test]
async fn two_guests_who_prove_one_address_end_in_one_account() {
    let app = App::with(&[("dev", "on"), ("rate_limits", "off")]).await;
    for round in 0..6 {
        let address = format!("p{round}@example.com");
        let (one, two) = (app.browser(), app.browser());
        let guests = [one.arrive().await, two.arrive().await];
        let links = [token(&app, &one, &address, 1).await, token(&app, &two, &address, 2).await];
        let (first, second) = tokio::join!(fetch(&one, &links[0]), fetch(&two, &links[1]));
        let users = [first.ok()["user"]["id"].clone(), second.ok()["user"]["id"].clone()];
        assert_eq!(users[0], users[1]);
        let stays = guests.iter().filter(|guest| guest["user"]["id"] != users[0]).collect::<Vec<_>>();
        assert_eq!(stays.len(), 1);
        let left = app.bearer(stays[0]["token"].as_str().unwrap()).session().await;
        assert_eq!((&left["user"]["isAnonymous"], &left["user"]["email"]), (&json!(true), &Value::Null));
    }
}

#[tokio::test]
async fn an_upgrade_is_two_appends() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    browser.session().await;
    let before = app.appends().await;
    let token = token(&app, &browser, JANE, 1).await;
    app.until("MailSent", 1).await;
    fetch(&browser, &token).await.ok();
    assert_eq!(app.appends().await - before, 3, "what was asked for, what came of it, and that the mail went");
}

#[tokio::test]
async fn a_link_to_an_account_opens_a_session_on_it_and_leaves_the_guest_alone() {
    let app = app().await;
    let jane = app.program().sign_up(JANE).await;
    let verification = app.mail(JANE).await;
    let owner = app.bearer(jane["token"].as_str().unwrap());
    owner.get(&format!("/verify-email?token={}", verification["token"].as_str().unwrap())).await.ok();
    let browser = app.browser();
    let guest = browser.arrive().await;
    let token = token(&app, &browser, JANE, 2).await;
    let member = fetch(&browser, &token).await.ok();
    assert_eq!(member["user"]["id"], jane["user"]["id"]);
    assert_eq!(member.get("reclaimed"), None);
    let left = app.bearer(guest["token"].as_str().unwrap()).session().await;
    assert_eq!(left["user"]["isAnonymous"], true, "the guest is whole");
    owner.session().await["session"]["id"].as_str().expect("other sessions of the account go on");
}

#[tokio::test]
async fn the_account_follows_the_mailbox() {
    let app = app().await;
    // Mallory signs up with Jane's address, and waits.
    let mallory = app.program().sign_up(JANE).await;
    let squatter = app.bearer(mallory["token"].as_str().unwrap());
    let token = token(&app, &app.program(), JANE, 2).await;
    let jane = fetch(&app.program(), &token).await.ok();
    assert_eq!((&jane["user"]["id"], &jane["reclaimed"]), (&mallory["user"]["id"], &json!(true)));
    assert_eq!(jane["user"]["emailVerified"], true);
    assert_eq!(squatter.session().await, Value::Null, "sessions from before the proof are over");
    let form = json!({ "email": JANE, "password": PASSWORD });
    app.program().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    assert_eq!(app.mails(JANE, 3).await[2]["kind"], "reclaimed");
}

#[tokio::test]
async fn the_holders_own_browser_keeps_its_password() {
    let app = app().await;
    let browser = app.browser();
    browser.sign_up(JANE).await;
    let token = token(&app, &browser, JANE, 2).await;
    let jane = fetch(&browser, &token).await.ok();
    assert_eq!((&jane["user"]["emailVerified"], jane.get("reclaimed")), (&json!(true), None));
    app.program().sign_in(JANE).await;
}

#[tokio::test]
async fn opened_elsewhere_it_asks_first_and_looking_uses_nothing_up() {
    let app = app().await;
    let desk = app.browser();
    let guest = desk.arrive().await;
    let token = token(&app, &desk, JANE, 1).await;
    let phone = app.browser();
    for _ in 0..3 {
        let page = click(&phone, &token).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains(JANE) && page.text.contains("<form"), "{}", page.text);
        assert!(page.cookie(SESSION).is_none());
    }
    confirm(&phone, &token, "").await.leads_to(&format!("{}/home", app.origin()));
    let member = phone.session().await;
    assert_ne!(member["user"]["id"], guest["user"]["id"]);
    assert_eq!(desk.session().await["user"]["isAnonymous"], true, "the guest who asked is left alone");
}

#[tokio::test]
async fn the_reader_may_bring_along_what_the_guest_did() {
    let app = app().await;
    let desk = app.browser();
    let guest = desk.arrive().await;
    let token = token(&app, &desk, JANE, 1).await;
    let phone = app.browser();
    confirm(&phone, &token, "bring=on").await.leads_to(&format!("{}/home", app.origin()));
    let here = phone.session().await;
    assert_eq!((&here["user"]["id"], &here["user"]["email"]), (&guest["user"]["id"], &json!(JANE)));
    // Who asked at the desk may be somebody who hoped that Jane would click.
    assert_eq!(desk.session().await, Value::Null);
    desk.post("/set-password", &json!({ "newPassword": "correct horse battery" })).await.refused(401, "UNAUTHORIZED");
    assert_eq!(phone.session().await["session"]["id"], here["session"]["id"]);
}

#[tokio::test]
async fn a_link_passed_on_does_not_capture_the_readers_guest() {
    let app = app().await;
    let token = token(&app, &app.program(), "mallory@example.com", 1).await;
    let victim = app.browser();
    let guest = victim.arrive().await;
    fetch(&victim, &token).await.ok();
    let left = app.bearer(guest["token"].as_str().unwrap()).session().await;
    assert_eq!((&left["user"]["isAnonymous"], &left["user"]["email"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn an_upgrade_ends_the_links_that_the_guest_asked_for_before() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    let token = token(&app, &browser, JANE, 1).await;
    browser.upgrade("other@example.com").await;
    fetch(&browser, &token).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
}

#[tokio::test]
async fn a_page_of_a_stranger_can_post_no_confirmation() {
    let app = app().await;
    let token = token(&app, &app.program(), "mallory@example.com", 1).await;
    let victim = app.browser().always("origin", "https://evil.example");
    let answer = victim
        .at(crate::support::Method::POST, &format!("/api/auth/magic-link/verify/confirm?token={token}"))
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "cross-site")
        .await;
    answer.refused(403, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED");
}

#[tokio::test]
async fn what_it_takes_and_refuses() {
    let app = app().await;
    let browser = app.browser();
    let call = |body: Value| browser.post("/sign-in/magic-link", &body).into_future();
    use std::future::IntoFuture;
    call(json!({ "email": "nobody" })).await.refused(400, "VALIDATION_ERROR");
    call(json!({})).await.refused(400, "VALIDATION_ERROR");
    for (field, code) in [
        ("callbackURL", "INVALID_CALLBACK_URL"),
        ("newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"),
        ("errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"),
    ] {
        call(json!({ "email": JANE, field: "https://evil.example/" })).await.refused(403, code);
        let opened = browser.get(&format!("/magic-link/verify?token=x&{field}=https%3A%2F%2Fevil.example%2F")).await;
        opened.refused(403, code);
    }
    call(json!({ "email": JANE, "metadata": { "constructor": {} } })).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(call(json!({ "email": JANE })).await.ok(), json!({ "status": true }));
    let off = App::with(&[("magic_link.enabled", "off")]).await;
    off.program().post("/sign-in/magic-link", &json!({ "email": JANE })).await.refused(400, "MAGIC_LINK_DISABLED");
}

#[tokio::test]
async fn an_address_gets_so_many_mails_and_the_old_link_stays_good() {
    let app = app().await;
    let browser = app.browser();
    for _ in 0..5 {
        ask(&browser, JANE).await;
    }
    app.head().await;
    let mails = app.mails(JANE, 1).await;
    assert_eq!(mails.len(), 3);
    assert!(browser.cookie(ASKED).is_some());
    fetch(&browser, mails[0]["token"].as_str().unwrap()).await.ok();
}

#[tokio::test]
async fn when_nobody_may_sign_up() {
    let app = App::with(&[("dev", "on"), ("email_password.sign_up", "off")]).await;
    let token = token(&app, &app.program(), JANE, 1).await;
    fetch(&app.program(), &token).await.leads_to(&format!("{}/?error=new_user_signup_disabled", app.origin()));
}

#[tokio::test]
async fn mails_speak_the_askers_language() {
    let app = App::with(&[("dev", "on"), ("app_name", "Waldi")]).await;
    let program = app.program().always("accept-language", "fr, de-AT;q=0.8, en;q=0.5");
    ask(&program, JANE).await;
    assert_eq!(app.mail(JANE).await["subject"], "Ihr Link zur Anmeldung bei Waldi");
}

/// An image or a script on a page of a neighbouring site would put its reader into the account of whoever made the page.
#[tokio::test]
async fn no_page_of_others_opens_a_link_unseen() {
    let app = app().await;
    let token = token(&app, &app.program(), "mallory@example.com", 1).await;
    for site in ["cross-site", "same-site"] {
        let victim = app.program().always("sec-fetch-site", site).always("sec-fetch-mode", "no-cors");
        fetch(&victim, &token).await.refused(403, "INVALID_ORIGIN");
        fetch(&victim.always("origin", "https://evil.example"), &token).await.refused(403, "INVALID_ORIGIN");
    }
    let page = app.program().always("origin", "https://app.example.com").always("sec-fetch-site", "cross-site");
    fetch(&page.always("sec-fetch-mode", "cors"), &token).await.ok();
}

/// CONTRACT 5: a browser that fetches ahead of its reader uses nothing up.
#[tokio::test]
async fn a_prefetch_opens_nothing() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let token = token(&app, &browser, JANE, 1).await;
    for purpose in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")] {
        let ahead = browser.fork().always(purpose.0, purpose.1);
        click(&ahead, &token).await.refused(403, "PREFETCH_BLOCKED");
        ahead.get("/verify-email?token=x").await.refused(403, "PREFETCH_BLOCKED");
        ahead.get("/delete-user/callback?token=x").await.refused(403, "PREFETCH_BLOCKED");
    }
    assert_eq!(browser.session().await["user"]["isAnonymous"], true);
    fetch(&browser, &token).await.ok();
    assert_eq!(browser.session().await["user"]["id"], guest["user"]["id"]);
}

#[tokio::test]
async fn the_links_of_a_guest_who_left_lead_nowhere() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    let token = token(&app, &browser, JANE, 1).await;
    browser.post("/delete-anonymous-user", &json!({})).await.ok();
    fetch(&app.program(), &token).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
}
