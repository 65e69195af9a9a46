//! Where nobody is told which addresses are taken (SECURITY S14): the answers are alike, and the mailbox decides.

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, PASSWORD, seconds};

const TAKEN: &str = "taken@example.com";
const FREE: &str = "free@example.com";

/// TAKEN is a member's, who proved it.
async fn app() -> App {
    let app = App::with(&[("dev", "on"), ("email.conflict", "private"), ("rate_limits", "off")]).await;
    let owner = app.browser();
    sign_up(&owner, TAKEN).await.ok();
    let member = open(&owner, &link(&app, TAKEN, 1).await).await.ok();
    assert_eq!((&member["user"]["email"], &member["user"]["emailVerified"]), (&json!(TAKEN), &json!(true)));
    app.pass(seconds(1));
    app
}

async fn sign_up(caller: &Client, email: &str) -> Answer {
    caller.post("/sign-up/email", &json!({ "name": "Jane", "email": email, "password": PASSWORD })).await
}

async fn upgrade(caller: &Client, email: &str, password: &str) -> Answer {
    caller.post("/anonymous/upgrade", &json!({ "email": email, "password": password })).await
}

async fn link(app: &App, email: &str, mails: usize) -> String {
    app.mails(email, mails).await.pop().unwrap()["token"].as_str().unwrap().to_owned()
}

async fn open(caller: &Client, token: &str) -> Answer {
    caller.get(&format!("/magic-link/verify?token={token}")).await
}

#[tokio::test]
async fn free_and_taken_are_answered_alike() {
    let app = app().await;
    let (one, two) = (sign_up(&app.browser(), FREE).await, sign_up(&app.browser(), TAKEN).await);
    assert_eq!(one.ok(), json!({ "token": null, "user": null, "session": null }));
    assert_eq!(one.ok(), two.ok());
    assert_eq!(names(&one), names(&two));
    let (first, second) = (app.browser(), app.browser());
    let guests = [first.arrive().await, second.arrive().await];
    let answers = [upgrade(&first, "other@example.com", PASSWORD).await, upgrade(&second, TAKEN, PASSWORD).await];
    assert_eq!(names(&answers[0]), names(&answers[1]));
    for ((browser, guest), answer) in [&first, &second].into_iter().zip(&guests).zip(&answers) {
        assert_eq!(answer.ok()["user"], guest["user"], "a guest until the mailbox says otherwise");
        assert_eq!(browser.session().await["user"], guest["user"]);
    }
    let kinds = [app.mails(FREE, 1).await, app.mails(TAKEN, 3).await].concat();
    assert!(kinds.iter().all(|mail| mail["kind"] == "confirm-address"), "{kinds:?}");
}

fn names(answer: &Answer) -> Vec<String> {
    answer.cookies().into_iter().map(|cookie| cookie.name).collect()
}

#[tokio::test]
async fn in_the_browser_that_asked_the_guest_becomes_the_member_that_was_asked_for() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    upgrade(&browser, FREE, PASSWORD).await.ok();
    let member = open(&browser, &link(&app, FREE, 1).await).await.ok();
    assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    assert_eq!((&member["user"]["isAnonymous"], &member["user"]["emailVerified"]), (&json!(false), &json!(true)));
    app.program().sign_in(FREE).await;
}

#[tokio::test]
async fn a_taken_address_signs_its_reader_in_and_the_password_is_nothing() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    upgrade(&browser, TAKEN, "another password").await.ok();
    let member = open(&browser, &link(&app, TAKEN, 2).await).await.ok();
    assert_eq!(member["user"]["email"], TAKEN);
    assert_eq!(member["transfer"]["guestUserId"], guest["user"]["id"]);
    let form = json!({ "email": TAKEN, "password": "another password" });
    app.program().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    app.program().sign_in(TAKEN).await;
}

/// The pre-hijack of this mode: the attacker gives the victim's address and a password of their own, and the victim follows
/// the link.
#[tokio::test]
async fn opened_elsewhere_the_asker_s_password_leads_nowhere() {
    let app = app().await;
    let attacker = app.browser();
    attacker.arrive().await;
    upgrade(&attacker, FREE, PASSWORD).await.ok();
    sign_up(&app.browser(), "second@example.com").await.ok();
    for address in [FREE, "second@example.com"] {
        let victim = app.browser();
        let member = open(&victim, &link(&app, address, 1).await).await.ok();
        assert_eq!((&member["user"]["email"], &member["user"]["isAnonymous"]), (&json!(address), &json!(false)));
        assert!(victim.get("/list-accounts").await.ok().as_array().unwrap().is_empty());
        let form = json!({ "email": address, "password": PASSWORD });
        app.program().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    }
    assert_eq!(attacker.session().await["user"]["isAnonymous"], true);
}

#[tokio::test]
async fn the_form_is_checked_as_ever() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    upgrade(&browser, "nothing", PASSWORD).await.refused(422, "INVALID_EMAIL");
    upgrade(&browser, FREE, "short").await.refused(422, "PASSWORD_TOO_SHORT");
    upgrade(&browser, FREE, FREE).await.refused(422, "PASSWORD_TOO_COMMON");
    app.program().post("/anonymous/upgrade", &json!({})).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_link_works_once_and_for_a_day() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    upgrade(&browser, FREE, PASSWORD).await.ok();
    let token = link(&app, FREE, 1).await;
    open(&browser, &token).await.ok();
    open(&browser, &token).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
    let late = app.browser();
    sign_up(&late, "late@example.com").await.ok();
    let token = link(&app, "late@example.com", 1).await;
    app.pass(crate::support::days(1));
    open(&late, &token).await.leads_to(&format!("{}/?error=INVALID_TOKEN", app.origin()));
    assert_eq!(late.session().await, Value::Null);
}
