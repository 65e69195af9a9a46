//! API keys (CONTRACT 7.1, 7.3): made once, shown once, and good for no more than they say.

use serde_json::{Value, json};

use super::transport::ROUTES;
use crate::support::{A_MILLISECOND, App, KEY, Method, almost, days, hours, seconds};

async fn app() -> App {
    App::with(&[KEY]).await
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap()
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_good_from_then_on() {
    let app = app().await;
    let asked = json!({ "name": "Nightly clean-up \u{1f9f9}", "permissions": ["guests.delete", "api_keys.read"],
        "expiresAt": app.date(days(30)), "metadata": { "team": "ops" } });
    let made = app.operator().post("/api-key/create", &asked).await.ok();
    let secret = text(&made, "key");
    assert!(secret.starts_with("sk_live_") && secret.len() == 40, "{made}");
    let row = json!({
        "id": made["id"], "name": asked["name"], "start": secret[..12], "prefix": "sk_live_", "organizationId": null,
        "permissions": ["guests.delete", "api_keys.read"], "enabled": true, "expiresAt": asked["expiresAt"],
        "lastUsedAt": null, "createdAt": app.date(seconds(0)), "updatedAt": app.date(seconds(0)),
        "metadata": { "team": "ops" },
    });
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("key");
    assert_eq!(shown, row);

    let listed = app.bearer(secret).get("/api-key/list").await;
    assert!(!listed.text.contains(secret) && !app.everything().await.contains(&secret[12..]));
    let used = app.bearer(secret).get("/api-key/list").await.ok();
    assert_eq!(used[0]["lastUsedAt"], app.date(seconds(0)), "noted with the first call");
    assert_eq!(used[1]["name"], "bootstrap");
    assert_eq!(used[1]["permissions"].as_array().unwrap().len(), 23, "it may do everything");
    // Nor does the log say what somebody called it.
    assert!(!app.everything().await.contains("Nightly") && !app.everything().await.contains("ops"));
}

#[tokio::test]
async fn no_key_bad_key_weak_key() {
    let app = app().await;
    let reader = app.key(&["users.read"]).await;
    app.program().get("/api-key/list").await.says(401, "UNAUTHORIZED", "Unauthorized");
    for bad in [
        "sk_live_",
        "sk_live_0123456789",
        "sk_live_0123456789abcdefghijklmnopqrstuv",
        &KEY.1[..39],
        &format!("{}w", KEY.1),
    ] {
        app.bearer(bad).get("/api-key/list").await.says(401, "INVALID_API_KEY", "Invalid API key");
    }
    let refused = reader.get("/api-key/list").await.refused(403, "INSUFFICIENT_PERMISSION");
    assert_eq!(refused["details"], json!({ "permission": "api_keys.read" }));
    // A session that administers nothing, and a guest.
    let member = app.program().sign_up("jane@example.com").await;
    let guest = app.program().arrive().await;
    for session in [member, guest] {
        app.bearer(text(&session, "token")).get("/api-key/list").await.says(403, "FORBIDDEN", "Forbidden");
    }
}

#[tokio::test]
async fn a_key_is_no_session_and_leaves_a_cookie_alone() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let both = browser.always("authorization", &format!("Bearer {}", KEY.1));
    assert_eq!(app.operator().get("/get-session").await.ok(), Value::Null);
    app.operator().get("/list-sessions").await.refused(401, "UNAUTHORIZED");
    assert_eq!(both.get("/get-session").await.ok()["user"]["id"], guest["user"]["id"]);
    // No foreign page can send a key: so no origin is asked for. One that is not known proves nothing.
    both.never("origin").post("/update-user", &json!({ "name": "Jane" })).await.ok();
    let bad = browser.always("authorization", "Bearer sk_live_0123456789abcdefghijklmnopqrstuv").never("origin");
    bad.post("/update-user", &json!({ "name": "Jane" })).await.refused(403, "MISSING_OR_NULL_ORIGIN");
}

#[tokio::test]
async fn what_ends_a_key() {
    let app = app().await;
    let make = async |more: Value| {
        let mut asked = json!({ "name": "x", "permissions": ["api_keys.read"] });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.operator().post("/api-key/create", &asked).await.ok()
    };
    let [expiring, revoked, paused] =
        [make(json!({ "expiresAt": app.date(hours(1)) })).await, make(json!({})).await, make(json!({})).await];
    let status = async |key: &Value| app.bearer(text(key, "key")).get("/api-key/list").await.status;

    app.operator().post("/api-key/delete", &json!({ "keyId": revoked["id"] })).await.ok();
    assert_eq!(
        app.operator().post("/api-key/delete", &json!({ "keyId": revoked["id"] })).await.ok(),
        json!({ "success": true })
    );
    assert_eq!(status(&revoked).await, 401);
    let listed = app.operator().get("/api-key/list").await.ok();
    assert!(listed.as_array().unwrap().iter().all(|row| row["id"] != revoked["id"]));

    let switch = async |enabled: bool| {
        let asked = json!({ "keyId": paused["id"], "enabled": enabled });
        app.operator().post("/api-key/update", &asked).await.ok()["enabled"].as_bool().unwrap()
    };
    assert!(!switch(false).await);
    assert_eq!(status(&paused).await, 401);
    assert!(switch(true).await);
    assert_eq!(status(&paused).await, 200);

    app.pass(almost(hours(1)));
    assert_eq!(status(&expiring).await, 200);
    app.pass(A_MILLISECOND);
    assert_eq!(status(&expiring).await, 401);

    for path in ["/api-key/delete", "/api-key/rotate"] {
        let unknown = json!({ "keyId": "key_01JM0000000000000000000001" });
        app.operator().post(path, &unknown).await.refused(404, "KEY_NOT_FOUND");
        app.operator()
            .post(path, &json!({ "keyId": { "keyId": revoked["id"] } }))
            .await
            .refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_rotated_key_works_on_for_as_long_as_was_said() {
    let app = app().await;
    let first =
        app.operator().post("/api-key/create", &json!({ "name": "x", "permissions": ["api_keys.read"] })).await.ok();
    let rotate = async |overlap: i64| {
        app.operator().post("/api-key/rotate", &json!({ "keyId": first["id"], "overlap": overlap })).await.ok()
    };
    let status = async |key: &Value| app.bearer(text(key, "key")).get("/api-key/list").await.status;
    let second = rotate(60).await;
    assert_eq!((&second["id"], second["key"] == first["key"]), (&first["id"], false));
    assert_eq!((status(&first).await, status(&second).await), (200, 200));
    app.pass(seconds(60));
    assert_eq!((status(&first).await, status(&second).await), (401, 200));
    let third = rotate(0).await;
    assert_eq!((status(&second).await, status(&third).await), (401, 200));
    let fourth = rotate(600).await;
    // The one before the last is out, whatever was said of it.
    let fifth = rotate(600).await;
    assert_eq!((status(&third).await, status(&fourth).await, status(&fifth).await), (401, 200, 200));
    app.operator().post("/api-key/delete", &json!({ "keyId": first["id"] })).await.ok();
    assert_eq!((status(&fourth).await, status(&fifth).await), (401, 401));
}

#[tokio::test]
async fn nobody_gives_what_they_lack() {
    let app = app().await;
    let weak = app.key(&["api_keys.write", "api_keys.read", "users.read"]).await;
    let head = app.head().await;
    let lacking = |answer: Value| assert_eq!(answer["details"]["permission"], "users.delete");
    let strong = app
        .operator()
        .post("/api-key/create", &json!({ "name": "x", "permissions": ["users.delete", "users.read"] }))
        .await
        .ok();
    lacking(
        weak.post("/api-key/create", &json!({ "name": "x", "permissions": ["users.delete"] }))
            .await
            .refused(403, "INSUFFICIENT_PERMISSION"),
    );
    lacking(
        weak.post("/api-key/rotate", &json!({ "keyId": strong["id"] })).await.refused(403, "INSUFFICIENT_PERMISSION"),
    );
    app.operator().post("/api-key/update", &json!({ "keyId": strong["id"], "enabled": false })).await.ok();
    lacking(
        weak.post("/api-key/update", &json!({ "keyId": strong["id"], "enabled": true }))
            .await
            .refused(403, "INSUFFICIENT_PERMISSION"),
    );
    assert!(app.head().await > head);
    // What is not said is as much as the maker has.
    let like = weak.post("/api-key/create", &json!({ "name": "x" })).await.ok();
    assert_eq!(like["permissions"], json!(["users.read", "api_keys.read", "api_keys.write"]));
    // A key for one organization does nothing else, whatever it may do there.
    let bound =
        json!({ "name": "x", "permissions": ["api_keys.read"], "organizationId": "org_01JM0000000000000000000001" });
    let bound = app.operator().post("/api-key/create", &bound).await.ok();
    app.bearer(text(&bound, "key")).get("/api-key/list").await.refused(403, "INSUFFICIENT_PERMISSION");
}

#[tokio::test]
async fn bad_forms_make_no_key() {
    let app = app().await;
    let keys = async || app.operator().get("/api-key/list").await.ok().as_array().unwrap().len();
    let before = keys().await;
    for form in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(256) }),
        json!({ "name": "x", "permissions": ["users.read", "users"] }),
        json!({ "name": "x", "permissions": "users.read" }),
        json!({ "name": "x", "expiresAt": "tomorrow" }),
        json!({ "name": "x", "expiresAt": app.date(seconds(0)) }),
        json!({ "name": "x", "organizationId": "org_1" }),
        json!({ "name": "x", "metadata": { "__proto__": 1 } }),
        json!({ "name": "x", "projectId": 1 }),
    ] {
        app.operator().post("/api-key/create", &form).await.refused(400, "VALIDATION_ERROR");
    }
    let unknown =
        app.operator().post("/api-key/create", &json!({ "name": "x", "permissions": ["a", "users"] })).await.json();
    assert_eq!(unknown["errors"][0]["field"], "permissions[0]");
    let elsewhere = json!({ "name": "x", "projectId": "proj_01JM0000000000000000000001" });
    app.operator().post("/api-key/create", &elsewhere).await.refused(403, "PROJECT_SCOPE_MISMATCH");
    assert_eq!(keys().await, before);
    app.operator()
        .post("/api-key/create", &json!({ "name": "x", "projectId": "proj_00000000000000000000000000" }))
        .await
        .ok();
    // Whoever is nobody learns nothing of what is wrong with a form.
    app.program().post("/api-key/create", &elsewhere).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn x_api_key_names_the_project_and_nothing_else() {
    let app = app().await;
    let browser = app.browser().always("x-api-key", KEY.1);
    let guest = browser.arrive().await;
    assert_eq!(browser.session().await["user"]["id"], guest["user"]["id"]);
    for (path, verbs) in ROUTES.iter().filter(|(path, _)| path.starts_with("/api-key/")) {
        for verb in *verbs {
            let method = Method::from_bytes(verb.as_bytes()).unwrap();
            let program = app.program().always("x-api-key", KEY.1);
            program.at(method.clone(), &format!("/api/auth{path}")).await.refused(401, "UNAUTHORIZED");
            browser.at(method, &format!("/api/auth{path}")).await.refused(403, "FORBIDDEN");
        }
    }
    // It excuses nobody from saying where they come from.
    browser.never("origin").post("/sign-out", &json!({})).await.refused(403, "MISSING_OR_NULL_ORIGIN");

    // One that is revoked is like one that never was, also for those who have a session.
    let made = app.operator().post("/api-key/create", &json!({ "name": "x" })).await.ok();
    let visitor = browser.always("x-api-key", text(&made, "key"));
    visitor.get("/get-session").await.ok();
    app.operator().post("/api-key/delete", &json!({ "keyId": made["id"] })).await.ok();
    visitor.get("/get-session").await.says(401, "INVALID_API_KEY", "Invalid API key");
    app.program()
        .always("x-api-key", text(&made, "key"))
        .post("/sign-in/anonymous", &json!({}))
        .await
        .refused(401, "INVALID_API_KEY");
}

#[tokio::test]
async fn calls_by_key_are_counted_by_key() {
    let app = app().await;
    let [one, other] = [app.key(&["api_keys.read"]).await, app.key(&["api_keys.read"]).await];
    for _ in 0..120 {
        one.get("/api-key/list").await.ok();
    }
    one.get("/api-key/list").await.refused(429, "RATE_LIMITED");
    other.get("/api-key/list").await.ok();
    // Without a good key it is the address that is counted.
    for _ in 0..120 {
        app.bearer("sk_live_0123456789abcdefghijklmnopqrstuv")
            .get("/api-key/list")
            .await
            .refused(401, "INVALID_API_KEY");
    }
    app.program().get("/api-key/list").await.refused(429, "RATE_LIMITED");
    other.get("/api-key/list").await.ok();
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_an_hour() {
    let app = app().await;
    let used = async || app.types().await.iter().filter(|event| *event == "ApiKeyUsed").count();
    for (after, times) in [(seconds(0), 1), (almost(hours(1)), 1), (A_MILLISECOND, 2)] {
        app.pass(after);
        app.operator().get("/api-key/list").await.ok();
        assert_eq!(used().await, times);
    }
}
