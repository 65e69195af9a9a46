//! Identity providers, set while the server runs.

use serde_json::json;

use super::{app, read};
use crate::support::{App, KEY, hours};

#[tokio::test]
async fn a_provider_is_saved_shown_without_its_secret_and_deleted() {
    let app = App::with(&[KEY, ("dev", "on"), ("social.gitlab.client_id", "configured")]).await;
    let (get, keep, drop) = (
        "/banata/config/social-providers/get",
        "/banata/config/social-providers/save",
        "/banata/config/social-providers/delete",
    );
    let started = app.clock_seconds() * 1000 + 7;
    let configured = json!({ "clientId": "configured", "tenantId": null, "hasClientSecret": false, "enabled": true, "updatedAt": started });
    app.pass(hours(1));
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
