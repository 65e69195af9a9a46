//! Another address for a member (CONTRACT 2.6 row b, 3), and the way back.

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, Answer, App, Client, Method, PASSWORD, days, seconds};

const OLD: &str = "old@example.com";
const NEW: &str = "new@example.com";

async fn app() -> App {
    App::with(&[("dev", "on")]).await
}

/// A member with a verified address.
async fn member(app: &App) -> (Client, Value) {
    let browser = app.browser();
    let member = browser.sign_up(OLD).await;
    open(&browser, &mailed(app, OLD, "verify-email").await).await.ok();
    (browser, member)
}

async fn ask(caller: &Client, email: &str) -> Answer {
    caller.post("/change-email", &json!({ "newEmail": email, "callbackURL": "/settings" })).await
}

/// The token of the one mail of that kind.
async fn mailed(app: &App, to: &str, kind: &str) -> String {
    for count in 1.. {
        let mails = app.mails(to, count).await;
        if let Some(mail) = mails.iter().find(|mail| mail["kind"] == kind) {
            return mail["token"].as_str().unwrap().to_owned();
        }
    }
    unreachable!()
}

async fn open(caller: &Client, token: &str) -> Answer {
    caller.get(&format!("/verify-email?token={token}")).await
}

async fn confirm(app: &App, form: Value) -> Answer {
    app.program().post("/verify-email/confirm", &form).await
}

#[tokio::test]
async fn it_takes_effect_in_the_session_that_asked() {
    let app = app().await;
    let (browser, before) = member(&app).await;
    assert_eq!(ask(&browser, NEW).await.ok(), json!({ "status": true }));
    assert_eq!(browser.session().await["user"]["email"], OLD);
    let token = mailed(&app, NEW, "change-email").await;
    let link = format!("/verify-email?token={token}&callbackURL=%2Fsettings");
    browser.get(&link).await.leads_to("/settings");
    let now = browser.session().await;
    assert_eq!((&now["user"]["email"], &now["user"]["emailVerified"]), (&json!(NEW), &json!(true)));
    assert_eq!((&now["user"]["id"], &now["session"]["id"]), (&before["user"]["id"], &before["session"]["id"]));
    app.program().sign_in(NEW).await;
    let form = json!({ "email": OLD, "password": PASSWORD });
    app.program().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    open(&browser, &token).await.refused(401, "INVALID_TOKEN");
    // The old address is free for whoever reads it.
    app.browser().sign_up(OLD).await;
}

#[tokio::test]
async fn elsewhere_it_asks_for_the_password() {
    let app = app().await;
    let (browser, _) = member(&app).await;
    ask(&browser, NEW).await.ok();
    let token = mailed(&app, NEW, "change-email").await;
    open(&app.browser(), &token).await.refused(403, "CONFIRMATION_REQUIRED");
    // Another session of the same user is elsewhere, too.
    let other = app.browser();
    other.sign_in(OLD).await;
    open(&other, &token).await.refused(403, "CONFIRMATION_REQUIRED");
    for _ in 0..4 {
        confirm(&app, json!({ "token": token, "password": "not the password" })).await.refused(400, "INVALID_PASSWORD");
    }
    assert_eq!(browser.session().await["user"]["email"], OLD);
    confirm(&app, json!({ "token": token, "password": PASSWORD })).await.ok();
    assert_eq!(browser.session().await["user"]["email"], NEW);
}

#[tokio::test]
async fn five_wrong_passwords_void_the_link() {
    let app = app().await;
    let (browser, _) = member(&app).await;
    ask(&browser, NEW).await.ok();
    let token = mailed(&app, NEW, "change-email").await;
    for _ in 0..5 {
        confirm(&app, json!({ "token": token, "password": "not the password" })).await.refused(400, "INVALID_PASSWORD");
    }
    let void = confirm(&app, json!({ "token": token, "password": PASSWORD })).await;
    void.refused(403, "TOO_MANY_ATTEMPTS");
    assert_eq!(browser.session().await["user"]["email"], OLD);
}

#[tokio::test]
async fn who_reads_the_new_address_may_say_no() {
    let app = app().await;
    let (browser, _) = member(&app).await;
    ask(&browser, NEW).await.ok();
    let token = mailed(&app, NEW, "change-email").await;
    confirm(&app, json!({ "token": token, "disown": true })).await.ok();
    open(&browser, &token).await.refused(401, "INVALID_TOKEN");
    assert_eq!(browser.session().await["user"]["email"], OLD);
}

#[tokio::test]
async fn a_taken_address_is_answered_like_a_free_one() {
    let app = app().await;
    let holder = app.browser();
    holder.sign_up(NEW).await;
    open(&holder, &mailed(&app, NEW, "verify-email").await).await.ok();
    let (browser, _) = member(&app).await;
    assert_eq!(ask(&browser, NEW).await.ok(), json!({ "status": true }));
    app.head().await;
    assert_eq!(app.mails(NEW, 1).await.len(), 1, "nothing could come of it, so nothing is mailed");
}

/// CONTRACT 2.6 row b: a reservation yields to the proof.
#[tokio::test]
async fn a_reserved_address_is_won_and_its_holder_superseded() {
    let app = app().await;
    let squatter = app.browser();
    let squatted = squatter.sign_up(NEW).await;
    let (browser, before) = member(&app).await;
    ask(&browser, NEW).await.ok();
    open(&browser, &mailed(&app, NEW, "change-email").await).await.ok();
    let now = browser.session().await["user"].clone();
    assert_eq!((&now["id"], &now["email"]), (&before["user"]["id"], &json!(NEW)));
    let lost = squatter.session().await["user"].clone();
    assert_eq!(
        (&lost["id"], &lost["email"], &lost["isAnonymous"]),
        (&squatted["user"]["id"], &Value::Null, &json!(true))
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let app = app().await;
    let guest = app.browser();
    guest.arrive().await;
    ask(&guest, NEW).await.says(400, "USER_IS_ANONYMOUS", "Upgrade this account first");
    ask(&app.browser(), NEW).await.refused(401, "UNAUTHORIZED");
    let (browser, _) = member(&app).await;
    ask(&browser, " OLD@example.com ").await.refused(400, "EMAIL_IS_THE_SAME");
    let refused = ask(&browser, "nothing").await.refused(400, "VALIDATION_ERROR");
    assert_eq!(refused["errors"][0]["field"], "newEmail");
    browser.post("/change-email", &json!({})).await.refused(400, "VALIDATION_ERROR");
    app.pass(days(1));
    ask(&browser, NEW).await.refused(403, "SESSION_NOT_FRESH");
    let off = App::with(&[("change_email.enabled", "off")]).await;
    let browser = off.browser();
    browser.sign_up(OLD).await;
    ask(&browser, NEW).await.refused(400, "CHANGE_EMAIL_DISABLED");
}

/// The unexpired e-mail change: the attacker asks for it in the victim's account, and waits for the victim to take it back.
#[tokio::test]
async fn a_change_asked_for_before_a_reset_is_void() {
    let app = app().await;
    let attacker = app.browser();
    attacker.sign_up(OLD).await;
    ask(&attacker, NEW).await.ok();
    let token = mailed(&app, NEW, "change-email").await;
    app.program().post("/request-password-reset", &json!({ "email": OLD })).await.ok();
    let reset = mailed(&app, OLD, "reset-password").await;
    let form = json!({ "token": reset, "newPassword": "the victim's own" });
    app.program().post("/reset-password", &form).await.ok();
    open(&attacker, &token).await.refused(401, "INVALID_TOKEN");
    let form = json!({ "token": token, "password": PASSWORD });
    app.program().post("/verify-email/confirm", &form).await.refused(400, "INVALID_TOKEN");
    let victim = app.browser();
    let form = json!({ "email": OLD, "password": "the victim's own" });
    assert_eq!(victim.post("/sign-in/email", &form).await.ok()["user"]["email"], OLD);
}

// --- the way back ---

async fn changed(app: &App) -> (Client, String) {
    let (browser, _) = member(app).await;
    app.pass(A_MILLISECOND);
    ask(&browser, NEW).await.ok();
    open(&browser, &mailed(app, NEW, "change-email").await).await.ok();
    (browser, mailed(app, OLD, "email-changed").await)
}

#[tokio::test]
async fn the_old_address_takes_it_back() {
    let app = app().await;
    let (browser, token) = changed(&app).await;
    app.pass(days(6));
    let reader = app.browser();
    // Looking uses nothing up: mail scanners look.
    for _ in 0..2 {
        let page = reader.get(&format!("/change-email/undo?token={token}")).await;
        page.ok_page("Take your account back?");
    }
    let form = reader.never("origin").at(Method::POST, "/api/auth/change-email/undo");
    let form = form.header("sec-fetch-mode", "navigate").header("accept", "text/html");
    form.body("application/x-www-form-urlencoded", format!("token={token}")).await.ok_page("Done");
    assert_eq!(browser.session().await, Value::Null);
    let member = app.program().sign_in(OLD).await;
    assert_eq!((&member["user"]["email"], &member["user"]["emailVerified"]), (&json!(OLD), &json!(true)));
    assert_eq!(mail_kinds(&app, NEW).await, ["change-email", "email-change-undone"]);
    let again = app.program().post("/change-email/undo", &json!({ "token": token })).await;
    again.refused(400, "INVALID_TOKEN");
}

async fn mail_kinds(app: &App, to: &str) -> Vec<String> {
    let mails = app.mails(to, 2).await;
    mails.iter().map(|mail| mail["kind"].as_str().unwrap().to_owned()).collect()
}

/// Whoever has the account since can't get rid of the way back.
#[tokio::test]
async fn it_outlives_a_reset_and_a_second_change() {
    let app = app().await;
    let (browser, token) = changed(&app).await;
    app.program().post("/request-password-reset", &json!({ "email": NEW })).await.ok();
    let reset = mailed(&app, NEW, "reset-password").await;
    browser.post("/reset-password", &json!({ "token": reset, "newPassword": "another password" })).await.ok();
    ask(&browser, "third@example.com").await.ok();
    open(&browser, &mailed(&app, "third@example.com", "change-email").await).await.ok();
    app.program().post("/change-email/undo", &json!({ "token": token })).await.ok();
    assert_eq!(browser.session().await, Value::Null);
    let form = json!({ "email": OLD, "password": "another password" });
    app.program().post("/sign-in/email", &form).await.ok();
}

#[tokio::test]
async fn it_ends_after_seven_days_and_is_nobody_elses() {
    let app = app().await;
    let (browser, token) = changed(&app).await;
    let undo = async |token: &str| app.program().post("/change-email/undo", &json!({ "token": token })).await;
    undo("").await.refused(400, "INVALID_TOKEN");
    undo(&token[..token.len() - 1]).await.refused(400, "INVALID_TOKEN");
    app.program().get("/change-email/undo?token=x").await.ok_page("That did not work");
    app.pass(days(7));
    undo(&token).await.refused(400, "TOKEN_EXPIRED");
    drop(browser);
}

/// Nobody knows whose an unproven address is: its reader is told, and gets no say over the account.
#[tokio::test]
async fn an_address_that_was_never_proven_has_no_way_back() {
    let app = app().await;
    let browser = app.browser();
    browser.sign_up(OLD).await;
    app.mails(OLD, 1).await;
    ask(&browser, NEW).await.ok();
    open(&browser, &mailed(&app, NEW, "change-email").await).await.ok();
    assert_eq!(browser.session().await["user"]["email"], NEW);
    app.head().await;
    let mails = app.mails(OLD, 2).await;
    assert_eq!((mails.len(), &mails[1]["kind"], &mails[1]["url"]), (2, &json!("email-replaced"), &Value::Null));
}

/// Whoever gives a stranger's address can't have it mailed again and again by changing things.
#[tokio::test]
async fn an_address_that_was_never_proven_gets_its_share_of_mails_and_no_more() {
    let app = app().await;
    let browser = app.browser();
    browser.sign_up(OLD).await;
    for round in 0..6 {
        let [current, new] = [round, round + 1].map(|number| match number {
            0 => PASSWORD.to_owned(),
            number => format!("password number {number}"),
        });
        let form = json!({ "currentPassword": current, "newPassword": new });
        browser.post("/change-password", &form).await.ok();
    }
    app.head().await;
    assert_eq!(app.mails(OLD, 1).await.len(), 3);
}

#[tokio::test]
async fn two_members_who_prove_one_address_have_one_winner() {
    let app = app().await;
    for round in 0..6 {
        let wanted = format!("wanted-{round}@example.com");
        let mut links = Vec::new();
        let mut browsers = Vec::new();
        for number in 0..2 {
            let browser = app.browser();
            browser.sign_up(&format!("m{round}-{number}@example.com")).await;
            app.pass(seconds(61));
            ask(&browser, &wanted).await.ok();
            app.pass(A_MILLISECOND);
            links.push(app.mails(&wanted, number + 1).await[number]["token"].as_str().unwrap().to_owned());
            browsers.push(browser);
        }
        let (one, two) = tokio::join!(open(&browsers[0], &links[0]), open(&browsers[1], &links[1]));
        assert_eq!([&one, &two].into_iter().filter(|answer| answer.status == 200).count(), 1, "{one:?} {two:?}");
        let has = [browsers[0].session().await, browsers[1].session().await];
        assert_eq!(has.iter().filter(|session| session["user"]["email"] == wanted).count(), 1);
    }
}
