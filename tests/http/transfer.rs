//! Signing in to an account one has, as a guest: the guest stays whole, and a ticket moves what it did (CONTRACT 2.5, 9).

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, PASSWORD, SESSION, hours};

const JANE: &str = "jane@example.com";
const TRANSFER: &str = "better-auth.transfer";

async fn app() -> App {
    App::with(&[("dev", "on"), ("rate_limits", "off")]).await
}

async fn sign_in(caller: &Client) -> Value {
    caller.post("/sign-in/email", &json!({ "email": JANE, "password": PASSWORD })).await.ok()
}

/// A guest of a browser in which Jane then signs in to the account that she has.
async fn jane(app: &App) -> (Client, Value, Value) {
    app.program().sign_up(JANE).await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.post("/update-user", &json!({ "metadata": { "cart": ["book"] } })).await.ok();
    let member = sign_in(&browser).await;
    (browser, guest, member)
}

async fn redeem(caller: &Client, ticket: &str) -> Answer {
    caller.post("/anonymous/transfer", &json!({ "ticket": ticket })).await
}

#[tokio::test]
async fn a_ticket_moves_what_the_guest_did_and_says_what_it_was() {
    let app = app().await;
    let (browser, guest, member) = jane(&app).await;
    let transfer = &member["transfer"];
    assert_eq!((&transfer["guestUserId"], &transfer["expiresAt"]), (&guest["user"]["id"], &app.date(hours(24))));
    assert_ne!(member["user"]["id"], guest["user"]["id"]);
    let before = app.bearer(guest["token"].as_str().unwrap());
    assert_eq!(before.session().await["user"]["isAnonymous"], true, "whole until the ticket is redeemed");

    let preview = browser.post("/anonymous/transfer", &json!({ "preview": true })).await.ok();
    assert_eq!(preview["transferred"], false);
    assert!(!before.session().await.is_null());

    let moved = browser.post("/anonymous/transfer", &json!({})).await;
    moved.deletes(TRANSFER);
    let moved = moved.ok();
    assert_eq!((&moved["transferred"], &moved["userId"]), (&json!(true), &member["user"]["id"]));
    assert_eq!(
        (&moved["guest"]["id"], &moved["guest"]["metadata"]),
        (&guest["user"]["id"], &json!({ "cart": ["book"] }))
    );
    assert!(before.session().await.is_null(), "nobody goes on as the guest");
    let types = app.types().await;
    assert!(types.contains(&"GuestTransferred".to_owned()) && types.contains(&"GuestAbsorbed".to_owned()));

    let head = app.head().await;
    let again = redeem(&browser, transfer["ticket"].as_str().unwrap()).await.ok();
    assert_eq!(again["guest"]["id"], guest["user"]["id"]);
    assert_eq!(app.head().await, head, "once");
}

#[tokio::test]
async fn it_is_good_for_this_account_alone() {
    let app = app().await;
    let (_, guest, member) = jane(&app).await;
    let ticket = member["transfer"]["ticket"].as_str().unwrap();
    let mallory = app.browser();
    mallory.sign_up("mallory@example.com").await;
    redeem(&mallory, ticket).await.refused(400, "INVALID_TOKEN");
    let other_guest = app.browser();
    other_guest.arrive().await;
    redeem(&other_guest, ticket).await.refused(400, "INVALID_TOKEN");
    redeem(&app.program(), ticket).await.refused(401, "UNAUTHORIZED");
    for garbage in ["", "x", &ticket[1..], &"A".repeat(107), &format!("{ticket}A")] {
        redeem(&mallory, garbage).await.refused(400, "INVALID_TOKEN");
    }
    assert!(!app.bearer(guest["token"].as_str().unwrap()).session().await.is_null());
}

#[tokio::test]
async fn it_is_good_for_a_day() {
    let app = app().await;
    let (browser, _, member) = jane(&app).await;
    app.pass(hours(24));
    redeem(&browser, member["transfer"]["ticket"].as_str().unwrap()).await.refused(400, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_guest_who_became_a_member_of_its_own_keeps_everything() {
    let app = app().await;
    let (browser, guest, member) = jane(&app).await;
    app.bearer(guest["token"].as_str().unwrap()).upgrade("jill@example.com").await;
    redeem(&browser, member["transfer"]["ticket"].as_str().unwrap()).await.refused(400, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_reset_ends_the_tickets_of_before() {
    let app = app().await;
    let (browser, _, member) = jane(&app).await;
    app.program().post("/request-password-reset", &json!({ "email": JANE })).await.ok();
    let mails = app.mails(JANE, 2).await;
    let token = mails[1]["token"].as_str().unwrap();
    browser.post("/reset-password", &json!({ "newPassword": "another password", "token": token })).await.ok();
    redeem(&browser, member["transfer"]["ticket"].as_str().unwrap()).await.refused(400, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_link_gives_one_only_in_the_browser_that_asked() {
    let app = app().await;
    let jane = app.program().sign_up(JANE).await;
    let token = app.mail(JANE).await["token"].as_str().unwrap().to_owned();
    app.bearer(jane["token"].as_str().unwrap()).get(&format!("/verify-email?token={token}")).await.ok();
    let (asker, reader) = (app.browser(), app.browser());
    let guest = asker.arrive().await;
    reader.arrive().await;
    for (number, (browser, expected)) in
        [(&asker, guest["user"]["id"].clone()), (&reader, Value::Null)].into_iter().enumerate()
    {
        asker.fork().post("/sign-in/magic-link", &json!({ "email": JANE })).await.ok();
        let link = app.mails(JANE, 2 + number).await.pop().unwrap()["token"].as_str().unwrap().to_owned();
        let answer = browser.get(&format!("/magic-link/verify?token={link}")).await.ok();
        assert_eq!(answer["user"]["id"], jane["user"]["id"]);
        assert_eq!(answer["transfer"]["guestUserId"], expected);
        // The guest's cookie again, for the second round.
        if number == 0 {
            asker.forget(SESSION);
            let token = guest["token"].as_str().unwrap();
            let signed = app.bearer(token).arrive().await;
            assert_eq!(signed["user"]["id"], guest["user"]["id"], "the guest is there still");
        }
    }
}

#[tokio::test]
async fn two_at_once_move_it_once() {
    let app = app().await;
    let (browser, _, member) = jane(&app).await;
    let ticket = member["transfer"]["ticket"].as_str().unwrap();
    let both = futures_util::future::join_all((0..8).map(|_| redeem(&browser, ticket))).await;
    assert!(both.iter().all(|answer| answer.status == 200), "{both:?}");
    assert_eq!(app.types().await.iter().filter(|event_type| *event_type == "GuestAbsorbed").count(), 1);
}
