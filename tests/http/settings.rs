//! What administrators set while the server runs (CONTRACT 7.4): its forms, its bounds, and who may.

mod at_once;
mod providers;

use serde_json::{Value, json};

use crate::support::{App, KEY, Method};

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
