//! What administrators set while the server runs (CONTRACT 7.4): its forms, its bounds, and that it holds at once.

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, Method, PASSWORD, almost, days, hours, seconds};

const READ: &str = "/banata/config/dashboard";
const SAVE: &str = "/banata/config/dashboard/save";

async fn app() -> App {
    App::with(&[KEY, ("dev", "on")]).await
}

async fn read(app: &App) -> Value {
    app.operator().post(READ, &json!({})).await.ok()
}

async fn save(app: &App, part: Value) -> Value {
    app.operator().post(SAVE, &part).await.ok()
}

/// The fields at fault, with their codes.
async fn mistakes(app: &App, part: Value) -> Vec<(String, String)> {
    let refused = app.operator().post(SAVE, &part).await.refused(400, "VALIDATION_ERROR");
    let text = |error: &Value, field: &str| error[field].as_str().unwrap().to_owned();
    refused["errors"].as_array().unwrap().iter().map(|error| (text(error, "field"), text(error, "code"))).collect()
}

fn codes(configuration: &Value) -> Vec<&str> {
    configuration["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

fn guests(on: Value) -> Value {
    json!({ "authMethods": { "anonymous": on } })
}

async fn arrives(app: &App) -> u16 {
    app.program().post("/sign-in/anonymous", &json!({})).await.status
}

async fn changes(app: &App) -> usize {
    app.types().await.iter().filter(|name| *name == "SettingsChanged").count()
}

#[tokio::test]
async fn a_new_installation_reads_as_the_contract_has_it() {
    let app = app().await;
    let expected = json!({
        "authMethods": {
            "anonymous": true, "emailPassword": true, "magicLink": true, "emailOtp": true, "organization": true,
            "sso": false, "passkey": false, "twoFactor": false, "username": false,
        },
        "anonymous": { "enabled": true, "maxAge": null },
        "emailPassword": {
            "requireEmailVerification": false, "autoSignIn": true, "minPasswordLength": 8, "maxPasswordLength": 128,
        },
        "socialProviders": {},
        "features": { "hostedUi": false, "signUp": true, "mfa": false, "localization": false },
        "sessions": {
            "maxSessionLength": "7 days", "accessTokenDuration": "15 minutes", "inactivityTimeout": "7 days",
            "corsOrigins": [],
        },
    });
    let mut configuration = read(&app).await;
    assert_eq!(codes(&configuration), ["NO_CLEANUP"]);
    configuration.as_object_mut().unwrap().remove("warnings");
    assert_eq!(configuration, expected);
    // An empty body, with or without a type, is no part at all.
    assert_eq!(app.operator().at(Method::POST, &format!("/api/auth{READ}")).await.ok(), read(&app).await);
    assert_eq!(save(&app, json!({})).await, read(&app).await);
    assert_eq!(changes(&app).await, 0);
}

/// The page's own two calls, as printed.
#[tokio::test]
async fn the_two_calls_of_the_page() {
    let app = App::with(&[KEY, ("anonymous.enabled", "off"), ("email_password.enabled", "off")]).await;
    assert_eq!(arrives(&app).await, 400);
    let saved = save(&app, json!({ "authMethods": { "anonymous": true, "emailPassword": true } })).await;
    assert_eq!(saved["authMethods"]["anonymous"], true);
    assert_eq!(saved["authMethods"]["emailPassword"], true);
    assert_eq!(codes(&saved), ["NO_CLEANUP"]);
    assert_eq!(arrives(&app).await, 200);

    let month = 30 * 24 * 60 * 60;
    let saved = save(&app, guests(json!({ "enabled": true, "maxAge": month }))).await;
    assert_eq!(saved["authMethods"]["anonymous"], json!({ "enabled": true, "maxAge": month }));
    assert_eq!(saved["anonymous"], json!({ "enabled": true, "maxAge": month }));
    assert_eq!(codes(&saved), Vec::<&str>::new());
    assert_eq!(read(&app).await, saved);
}

#[tokio::test]
async fn every_form_of_anonymous() {
    let app = app().await;
    let day = json!({ "enabled": true, "maxAge": 86_400 });
    let steps = [
        // What is said, how it reads, and what stands beside.
        (json!({ "maxAge": 86_400 }), day.clone(), json!(86_400)),
        (json!(true), day.clone(), json!(86_400)),
        (json!(false), json!(false), json!(86_400)),
        (json!({}), json!(false), json!(86_400)),
        (json!({ "enabled": true }), day.clone(), json!(86_400)),
        (json!({ "enabled": false, "maxAge": 3_600 }), json!(false), json!(3_600)),
        (json!({ "enabled": true, "maxAge": null }), json!(true), json!(null)),
        (json!({ "maxAge": 7_200.0 }), json!({ "enabled": true, "maxAge": 7_200 }), json!(7_200)),
        (json!({ "maxAge": null }), json!(true), json!(null)),
    ];
    for (said, reads, age) in steps {
        let saved = save(&app, guests(said.clone())).await;
        assert_eq!((&saved["authMethods"]["anonymous"], &saved["anonymous"]["maxAge"]), (&reads, &age), "{said}");
        assert_eq!(saved["anonymous"]["enabled"], json!(reads != json!(false)), "{said}");
        assert_eq!(read(&app).await, saved, "{said}");
    }
    for (said, field) in [
        (json!("on"), "authMethods.anonymous"),
        (json!(null), "authMethods.anonymous"),
        (json!(1), "authMethods.anonymous"),
        (json!({ "enabled": "yes" }), "authMethods.anonymous.enabled"),
        (json!({ "maxAge": 30 }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": 3_599 }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": 0 }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": -86_400 }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": 3_600.5 }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": "2592000" }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": 1e300 }), "authMethods.anonymous.maxAge"),
        (json!({ "maxAge": i64::MAX }), "authMethods.anonymous.maxAge"),
    ] {
        let fields: Vec<_> = mistakes(&app, guests(said.clone())).await.into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, [field], "{said}");
    }
}

#[tokio::test]
async fn every_mistake_is_named_at_once_and_nothing_is_saved() {
    let app = app().await;
    let before = read(&app).await;
    let wrong = json!({
        "authMethods": { "anonymous": { "maxAge": 30 }, "magicLink": "off", "passkey": true },
        "emailPassword": { "minPasswordLength": 7, "maxPasswordLength": 300, "autoSignIn": 1 },
        "features": { "mfa": true, "signUp": false },
        "sessions": {
            "maxSessionLength": "forever", "inactivityTimeout": "5 minutes", "accessTokenDuration": "16 minutes",
            "corsOrigins": ["https://app.example.com", "http://app.example.com", 5, "*"],
        },
        "socialProviders": { "google": { "clientSecret": "s" }, "my-company": { "clientId": "c" }, "github": 5 },
    });
    let mut named = mistakes(&app, wrong).await;
    named.sort();
    let expected = [
        ("authMethods.anonymous.maxAge", "INVALID_VALUE"),
        ("authMethods.magicLink", "INVALID_TYPE"),
        ("authMethods.passkey", "INVALID_VALUE"),
        ("emailPassword.autoSignIn", "INVALID_TYPE"),
        ("emailPassword.maxPasswordLength", "INVALID_VALUE"),
        ("emailPassword.minPasswordLength", "INVALID_VALUE"),
        ("features.mfa", "INVALID_VALUE"),
        ("sessions.accessTokenDuration", "INVALID_VALUE"),
        ("sessions.corsOrigins[1]", "INVALID_VALUE"),
        ("sessions.corsOrigins[2]", "INVALID_TYPE"),
        ("sessions.corsOrigins[2]", "INVALID_VALUE"),
        ("sessions.inactivityTimeout", "INVALID_VALUE"),
        ("sessions.maxSessionLength", "INVALID_TYPE"),
        ("socialProviders.github", "INVALID_TYPE"),
        ("socialProviders.google.clientId", "REQUIRED"),
        ("socialProviders.my-company.clientId", "INVALID_VALUE"),
    ];
    assert_eq!(named, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    assert_eq!(read(&app).await, before);
    for part in [json!({ "authMethods": true }), json!({ "sessions": [] }), json!({ "features": null })] {
        assert_eq!(mistakes(&app, part).await.len(), 1);
    }
    app.operator().post(SAVE, &json!([])).await.refused(400, "BODY_MUST_BE_AN_OBJECT");
}

#[tokio::test]
async fn warnings_keep_nothing_from_being_saved() {
    let app = app().await;
    let odd = json!({ "authMethods": { "anonymus": true, "magicLink": false }, "theme": { "dark": true }, "sessions": { "a": 1 } });
    let saved = save(&app, odd).await;
    assert_eq!(saved["authMethods"]["magicLink"], false);
    let paths: Vec<_> = saved["warnings"].as_array().unwrap().iter().map(|warning| warning["path"].as_str()).collect();
    assert_eq!(codes(&saved), ["NO_CLEANUP", "UNKNOWN_KEY", "UNKNOWN_KEY", "UNKNOWN_KEY"]);
    assert_eq!(&paths[1..], [Some("authMethods.anonymus"), Some("sessions.a"), Some("theme")]);

    let closed = save(&app, json!({ "features": { "signUp": false } })).await;
    assert_eq!(codes(&closed), ["NO_UPGRADE_METHOD", "NO_CLEANUP"]);
    let none = json!({ "features": { "signUp": true }, "authMethods": { "emailPassword": false, "emailOtp": false } });
    assert_eq!(codes(&save(&app, none).await), ["NO_UPGRADE_METHOD", "NO_CLEANUP"]);
    let provider = json!({ "socialProviders": { "github": { "clientId": "c" } } });
    assert_eq!(codes(&save(&app, provider).await), ["NO_CLEANUP"]);
    assert_eq!(codes(&save(&app, json!({ "socialProviders": { "github": false } })).await)[0], "NO_UPGRADE_METHOD");
    assert_eq!(codes(&save(&app, guests(json!(false))).await), Vec::<&str>::new());
    // Where guests are only read, to set them does nothing, and says so.
    let saved = save(&app, json!({ "anonymous": { "enabled": true, "maxAge": 86_400 } })).await;
    assert_eq!((codes(&saved), &saved["anonymous"]["enabled"]), (vec!["UNKNOWN_KEY"], &json!(false)));
}

#[tokio::test]
async fn what_is_read_can_be_sent_back_and_changes_nothing() {
    let app = App::with(&[KEY, ("social.google.client_id", "configured"), ("sessions.lifetime", "3d")]).await;
    for part in [
        json!({}),
        guests(json!({ "maxAge": 86_400 })),
        json!({ "socialProviders": { "github": { "clientId": "c" } } }),
    ] {
        let saved = save(&app, part).await;
        let before = app.types().await.len();
        assert_eq!(save(&app, saved.clone()).await, saved);
        assert_eq!(app.types().await.len(), before, "it was written down as a change");
    }
}

#[tokio::test]
async fn events_say_who_changed_what_and_nothing_else() {
    let app = app().await;
    save(&app, json!({ "authMethods": { "anonymous": { "enabled": true, "maxAge": 86_400 }, "magicLink": true } }))
        .await;
    let event = app.last("SettingsChanged").await;
    assert_eq!((event.actor_type.as_str(), event.version, event.settings_version), ("api_key", 1, 0));
    let body: Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(body["before"], json!({ "anonymous": { "max_age": null } }));
    assert_eq!(body["after"], json!({ "anonymous": { "max_age": 86_400_000 } }));

    app.browser().arrive().await;
    assert_eq!(app.last("GuestCreated").await.settings_version, 1);
}

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
    let allowed = |answer: &crate::support::Answer| answer.header("access-control-allow-origin").map(str::to_owned);
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

#[tokio::test]
async fn only_who_may_reads_and_only_who_may_writes() {
    let app = app().await;
    let (reader, writer) = (app.key(&["config.read"]).await, app.key(&["config.write"]).await);
    let paths = ["/banata/config/dashboard", "/banata/config/social-providers/get"];
    for path in paths {
        reader.post(path, &json!({})).await.ok();
        writer.post(path, &json!({})).await.refused(403, "INSUFFICIENT_PERMISSION");
        app.program().post(path, &json!({})).await.says(401, "UNAUTHORIZED", "Unauthorized");
    }
    let provider = json!({ "providerId": "github", "clientId": "c" });
    for (path, body) in [
        ("/banata/config/social-providers/save", provider.clone()),
        ("/banata/config/social-providers/delete", provider),
        (SAVE, guests(json!(false))),
    ] {
        reader.post(path, &body).await.refused(403, "INSUFFICIENT_PERMISSION");
        app.program().post(path, &body).await.refused(401, "UNAUTHORIZED");
        let (guest, member) = (app.browser(), app.browser());
        guest.arrive().await;
        member.sign_up(&format!("m{}@example.com", path.len())).await;
        guest.post(path, &body).await.refused(403, "FORBIDDEN");
        member.post(path, &body).await.refused(403, "FORBIDDEN");
        writer.post(path, &body).await.ok();
    }
    assert_eq!(arrives(&app).await, 400, "the writer's call counted");
    let elsewhere = json!({ "projectId": "proj_01JD8M4Z5T0123456789ABCDEF", "authMethods": { "anonymous": true } });
    app.operator().post(SAVE, &elsewhere).await.refused(403, "PROJECT_SCOPE_MISMATCH");
    let here = json!({ "projectId": "proj_00000000000000000000000000", "authMethods": { "anonymous": true } });
    assert_eq!(codes(&save(&app, here).await), ["NO_CLEANUP"]);
}

#[tokio::test]
async fn a_provider_is_saved_shown_without_its_secret_and_deleted() {
    let app = App::with(&[KEY, ("dev", "on"), ("social.gitlab.client_id", "configured")]).await;
    let (get, keep, drop) = (
        "/banata/config/social-providers/get",
        "/banata/config/social-providers/save",
        "/banata/config/social-providers/delete",
    );
    let configured = json!({ "clientId": "configured", "tenantId": null, "hasClientSecret": false, "enabled": true, "updatedAt": null });
    let shown = app.operator().post(get, &json!({})).await.ok();
    assert_eq!(shown["providers"], json!({ "gitlab": configured }));
    assert_eq!(shown["config"], read(&app).await);

    let secret = "a secret of the provider's";
    let asked = json!({ "providerId": "github", "clientId": "one", "clientSecret": secret });
    let saved = app.operator().post(keep, &asked).await;
    let at = app.clock_seconds() * 1000 + 7;
    let github =
        json!({ "clientId": "one", "tenantId": null, "hasClientSecret": true, "enabled": true, "updatedAt": at });
    assert_eq!(saved.ok()["providers"]["github"], github);
    assert_eq!(saved.ok()["config"]["socialProviders"]["github"], github);
    assert!(!saved.text.contains(secret) && !app.everything().await.contains(secret));

    let goes = |provider: &str| {
        let form = json!({ "provider": provider, "callbackURL": "/home" });
        let browser = app.browser();
        async move { browser.post("/sign-in/social", &form).await }
    };
    let away = goes("github").await.ok();
    assert!(away["url"].as_str().unwrap().contains("client_id=one&"), "{away}");
    // Without a secret, the one of before stays.
    let changed = app.operator().post(keep, &json!({ "providerId": "github", "clientId": "two" })).await.ok();
    assert_eq!(changed["providers"]["github"]["hasClientSecret"], true);
    assert!(goes("github").await.ok()["url"].as_str().unwrap().contains("client_id=two&"));
    app.operator().post(keep, &json!({ "providerId": "github", "enabled": false })).await.ok();
    goes("github").await.refused(404, "PROVIDER_NOT_FOUND");
    // `x` is twitter.
    let x = app.operator().post(keep, &json!({ "providerId": "x", "clientId": "c" })).await.ok();
    assert!(x["providers"]["twitter"].is_object());
    assert!(goes("x").await.ok()["url"].as_str().unwrap().contains("client_id=c&"));

    // Those of the configuration can be switched, and removed.
    app.operator().post(drop, &json!({ "providerId": "gitlab" })).await.ok();
    let left = app.operator().post(drop, &json!({ "providerId": "github" })).await.ok();
    assert_eq!(left["providers"].as_object().unwrap().keys().collect::<Vec<_>>(), ["twitter"]);
    app.operator().post(drop, &json!({ "providerId": "github" })).await.refused(404, "PROVIDER_NOT_FOUND");
    let anew = app.operator().post(keep, &json!({ "providerId": "github", "clientId": "three" })).await.ok();
    assert_eq!(anew["providers"]["github"]["hasClientSecret"], false, "its secret went with it");
}

#[tokio::test]
async fn what_is_wrong_with_a_provider_is_named() {
    let app = app().await;
    let keep = "/banata/config/social-providers/save";
    for (body, fields) in [
        (json!({}), vec!["providerId"]),
        (json!({ "providerId": 5 }), vec!["providerId"]),
        (json!({ "providerId": "credential", "clientId": "c" }), vec!["providerId"]),
        (json!({ "providerId": "Not An Id", "clientId": "c" }), vec!["providerId"]),
        (json!({ "providerId": "my-company", "clientId": "c" }), vec!["providerId"]),
        (json!({ "providerId": "github" }), vec!["clientId"]),
        (json!({ "providerId": "github", "clientId": "" }), vec!["clientId"]),
        (json!({ "providerId": "github", "clientId": "a\nb", "enabled": 1 }), vec!["clientId", "enabled"]),
        (json!({ "providerId": "github", "clientId": "c", "tenantId": "common" }), vec!["tenantId"]),
        (json!({ "providerId": "microsoft", "clientId": "c", "tenantId": "a/../b" }), vec!["tenantId"]),
        (json!({ "providerId": "github", "clientId": "c", "clientSecret": {} }), vec!["clientSecret"]),
    ] {
        let refused = app.operator().post(keep, &body).await.refused(400, "VALIDATION_ERROR");
        let named: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
        assert_eq!(named, fields, "{body}");
    }
    app.operator().post("/banata/config/social-providers/delete", &json!({})).await.refused(400, "VALIDATION_ERROR");
    let microsoft = json!({ "providerId": "microsoft", "clientId": "c", "tenantId": "contoso.example" });
    let saved = app.operator().post(keep, &microsoft).await.ok();
    assert_eq!(saved["providers"]["microsoft"]["tenantId"], "contoso.example");
    assert_eq!(app.types().await.iter().filter(|name| *name == "SocialProviderSaved").count(), 1);
}

#[tokio::test]
async fn anybody_may_know_what_is_offered_and_no_more() {
    let app = app().await;
    let provider = json!({ "providerId": "github", "clientId": "the client id", "clientSecret": "the secret" });
    app.operator().post("/banata/config/social-providers/save", &provider).await.ok();
    save(&app, json!({ "authMethods": { "anonymous": { "maxAge": 86_400 } }, "sessions": { "corsOrigins": ["https://app.example.com"] } })).await;
    let public = app.program().post("/banata/config/public", &json!({})).await;
    assert_eq!(public.ok()["socialProviders"], json!({ "github": { "enabled": true } }));
    assert_eq!(public.ok()["authMethods"]["anonymous"], true);
    assert_eq!(public.ok()["emailPassword"]["minPasswordLength"], 8);
    for hidden in ["the client id", "the secret", "86400", "app.example.com", "warnings"] {
        assert!(!public.text.contains(hidden), "{hidden}");
    }
    app.program().get("/banata/config/public").await.refused(405, "METHOD_NOT_ALLOWED");
    for nowhere in ["/banata", "/banata/config", "/banata/config/nowhere", "/banata/config/dashboard/"] {
        app.operator().post(nowhere, &json!({})).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn bodies_may_be_larger_here() {
    let app = app().await;
    let padded = |bytes: usize| json!({ "theme": "x".repeat(bytes) });
    assert!(codes(&save(&app, padded(200 * 1024)).await).contains(&"UNKNOWN_KEY"));
    app.operator().post(SAVE, &padded(256 * 1024)).await.refused(413, "PAYLOAD_TOO_LARGE");
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
