//! What is set holds from the next call on.

use serde_json::{Value, json};

use super::{app, arrives, guests, save};
use crate::support::{Answer, App, Client, KEY, Method, PASSWORD, almost, days, hours, seconds};

#[tokio::test]
async fn guests_are_switched_off_and_on_and_those_who_are_there_go_on() {
    let app = app().await;
    let guest = app.browser();
    guest.arrive().await;
    save(&app, guests(json!(false))).await;
    let refused = app.browser().post("/sign-in/anonymous", &json!({})).await;
    refused.says(400, "ANONYMOUS_AUTH_DISABLED", "Anonymous authentication is disabled");
    assert!(guest.session().await["user"]["isAnonymous"].as_bool().unwrap());
    assert_eq!(guest.upgrade("jane@example.com").await["user"]["isAnonymous"], false);
    save(&app, guests(json!(true))).await;
    assert_eq!(arrives(&app).await, 200);
}

#[tokio::test]
async fn methods_and_rules_hold_at_the_next_call() {
    let app = app().await;
    let asks = |client: Client, path: &'static str, body: Value| async move { client.post(path, &body).await };
    let sign_up = |email: &str, password: &str| json!({ "name": "", "email": email, "password": password });

    save(&app, json!({ "emailPassword": { "minPasswordLength": 20, "maxPasswordLength": 64 } })).await;
    asks(app.browser(), "/sign-up/email", sign_up("a@example.com", PASSWORD)).await.refused(400, "PASSWORD_TOO_SHORT");
    let long = "a".repeat(65);
    asks(app.browser(), "/sign-up/email", sign_up("a@example.com", &long)).await.refused(400, "PASSWORD_TOO_LONG");
    save(&app, json!({ "emailPassword": { "minPasswordLength": 8, "autoSignIn": false } })).await;
    let unsigned = app.browser().sign_up("a@example.com").await;
    assert_eq!(unsigned["token"], json!(null));
    app.browser().sign_in("a@example.com").await;

    save(&app, json!({ "emailPassword": { "requireEmailVerification": true } })).await;
    let sign_in = json!({ "email": "a@example.com", "password": PASSWORD });
    asks(app.browser(), "/sign-in/email", sign_in.clone()).await.refused(403, "EMAIL_NOT_VERIFIED");
    save(&app, json!({ "emailPassword": { "requireEmailVerification": false } })).await;

    save(&app, json!({ "features": { "signUp": false } })).await;
    let closed = "EMAIL_PASSWORD_SIGN_UP_DISABLED";
    asks(app.browser(), "/sign-up/email", sign_up("b@example.com", PASSWORD)).await.refused(400, closed);
    let guest = app.browser();
    guest.arrive().await;
    let upgrade = json!({ "email": "b@example.com", "password": PASSWORD });
    asks(guest.clone(), "/anonymous/upgrade", upgrade.clone()).await.refused(400, closed);
    save(&app, json!({ "features": { "signUp": true }, "authMethods": { "emailPassword": false } })).await;
    let off = "EMAIL_PASSWORD_DISABLED";
    asks(guest.clone(), "/anonymous/upgrade", upgrade.clone()).await.refused(400, off);
    asks(app.browser(), "/sign-in/email", sign_in).await.refused(400, off);
    let reset = json!({ "email": "a@example.com" });
    asks(app.browser(), "/request-password-reset", reset).await.refused(400, "RESET_PASSWORD_DISABLED");

    save(&app, json!({ "authMethods": { "magicLink": false, "emailOtp": false } })).await;
    let link = json!({ "email": "a@example.com" });
    asks(app.browser(), "/sign-in/magic-link", link.clone()).await.refused(400, "MAGIC_LINK_DISABLED");
    let code = json!({ "email": "a@example.com", "type": "sign-in" });
    asks(app.browser(), "/email-otp/send-verification-otp", code).await.refused(400, "EMAIL_OTP_DISABLED");
    save(&app, json!({ "authMethods": { "magicLink": true, "emailPassword": true } })).await;
    asks(app.browser(), "/sign-in/magic-link", link).await.ok();
    asks(guest, "/anonymous/upgrade", upgrade).await.ok();
}

#[tokio::test]
async fn sessions_are_as_long_as_they_may_be() {
    let app = app().await;
    let of_before = app.browser();
    let arrived = of_before.arrive().await;
    assert_eq!(arrived["session"]["expiresAt"], app.date(days(7)));

    let saved = save(&app, json!({ "sessions": { "maxSessionLength": "2 days" } })).await;
    assert_eq!(saved["sessions"]["maxSessionLength"], "2 days");
    assert_eq!(app.browser().arrive().await["session"]["expiresAt"], app.date(days(2)));
    assert_eq!(of_before.session().await["session"]["expiresAt"], app.date(days(2)), "the one of before, too");
    app.pass(almost(days(2)));
    assert!(of_before.session().await["session"].is_object());
    app.pass(seconds(1));
    assert_eq!(of_before.session().await, json!(null), "however often it was used");

    // Without a bound again; who does nothing for an hour is out, and who does something stays.
    save(&app, json!({ "sessions": { "maxSessionLength": null, "inactivityTimeout": "1 hour" } })).await;
    let busy = app.browser();
    assert_eq!(busy.arrive().await["session"]["expiresAt"], app.date(hours(1)));
    let idle = app.browser();
    idle.arrive().await;
    for _ in 0..6 {
        app.pass(seconds(45 * 60));
        assert!(busy.session().await["session"].is_object());
    }
    assert_eq!(idle.session().await, json!(null));
}

#[tokio::test]
async fn a_session_of_before_ends_when_it_idled_for_as_long_as_sessions_now_may() {
    let app = app().await;
    let (idle, busy) = (app.browser(), app.browser());
    idle.arrive().await;
    busy.arrive().await;
    save(&app, json!({ "sessions": { "inactivityTimeout": "3 hours" } })).await;
    // Uses are known to the hour: nobody is out early.
    app.pass(almost(hours(4)));
    let unseen = idle.fork();
    assert!(busy.session().await["session"].is_object());
    app.pass(seconds(1));
    assert_eq!(unseen.session().await, json!(null));
    assert!(busy.session().await["session"].is_object());
}

#[tokio::test]
async fn tokens_for_other_services_are_as_short_as_they_must_be() {
    let app = app().await;
    let member = app.browser();
    member.sign_up("jane@example.com").await;
    for (said, life) in [("15 minutes", 900), ("5 minutes", 300), ("1 minute", 60)] {
        let saved = save(&app, json!({ "sessions": { "accessTokenDuration": said } })).await;
        assert_eq!(saved["sessions"]["accessTokenDuration"], said);
        let token = member.get("/token").await.ok();
        let claims = claims(token["token"].as_str().unwrap());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), life, "{said}");
    }
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn an_origin_is_trusted_while_it_is_on_the_list() {
    let app = App::with(&[KEY, ("trusted_origins", "https://operator.example")]).await;
    let page = |origin: &str| app.program().always("origin", origin).with_jar();
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let theirs = "https://app.example.com";
    let stranger = page(theirs);
    stranger.post("/sign-in/anonymous", &json!({})).await.refused(403, "INVALID_ORIGIN");

    let origins = |list: Value| json!({ "sessions": { "corsOrigins": list } });
    let saved = save(&app, origins(json!([theirs, "https://*.shop.example", theirs]))).await;
    assert_eq!(saved["sessions"]["corsOrigins"], json!([theirs, "https://*.shop.example"]));
    for origin in [theirs, "https://eu.shop.example", "https://operator.example"] {
        let arrived = page(origin).post("/sign-in/anonymous", &json!({})).await;
        arrived.ok();
        assert_eq!(allowed(&arrived).as_deref(), Some(origin));
        let preflight = page(origin)
            .at(Method::OPTIONS, "/api/auth/get-session")
            .header("access-control-request-method", "GET")
            .await;
        assert_eq!((preflight.status, allowed(&preflight).as_deref()), (204, Some(origin)));
    }
    // Where it may send people, too; but no secret to a wildcard.
    let guest = page(theirs);
    guest.arrive().await;
    let link = |to: &str| json!({ "email": "jane@example.com", "callbackURL": to });
    guest.post("/sign-in/magic-link", &link("https://app.example.com/home")).await.ok();
    let reset = json!({ "email": "jane@example.com", "redirectTo": "https://eu.shop.example/reset" });
    guest.post("/request-password-reset", &reset).await.refused(403, "INVALID_REDIRECT_URL");

    save(&app, origins(json!([]))).await;
    guest
        .post("/anonymous/upgrade", &json!({ "email": "a@example.com", "password": PASSWORD }))
        .await
        .refused(403, "INVALID_ORIGIN");
    assert_eq!(allowed(&guest.get("/get-session").await), None);
    assert_eq!(
        allowed(&page("https://operator.example").get("/get-session").await).as_deref(),
        Some("https://operator.example")
    );
}

/// Saves and arrivals at the same time: whichever comes first, no guest stands in the log behind the word that none may come.
#[tokio::test]
async fn no_guest_comes_after_guests_were_switched_off() {
    let app = App::with(&[KEY, ("rate_limits", "off")]).await;
    let arriving = async {
        for _ in 0..60 {
            let calls: Vec<_> = (0..8).map(|_| app.program().post("/sign-in/anonymous", &json!({}))).collect();
            for call in
                futures_util::future::join_all(calls.into_iter().map(std::future::IntoFuture::into_future)).await
            {
                assert!(matches!(call.status, 200 | 400), "{call:?}");
            }
        }
    };
    let switching = async {
        for round in 0..60 {
            save(&app, guests(json!(round % 2 == 1))).await;
        }
    };
    tokio::join!(arriving, switching);
    let (mut on, mut guests, mut switched) = (true, 0, 0);
    for event in app.events().await {
        match event.event_type.as_str() {
            "SettingsChanged" => {
                let body: Value = serde_json::from_slice(&event.body).unwrap();
                on = body["after"]["anonymous"]["enabled"].as_bool().unwrap();
                switched += 1;
            }
            "GuestCreated" => {
                assert!(on, "a guest at position {} came while none may", event.position);
                assert_eq!(event.settings_version, switched);
                guests += 1;
            }
            _ => {}
        }
    }
    assert!(guests > 0 && switched == 60, "{guests} guests, {switched} switches");
}
