//! Endpoints as administrators see them (CONTRACT 7.6).

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{LOOPBACK, app, endpoint, row, text};
use crate::support::{App, KEY, seconds};

#[tokio::test]
async fn an_endpoint_from_its_making_to_its_end() {
    let app = app().await;
    let operator = app.operator();
    let asked =
        json!({ "url": "https://app.example.com/hooks?token=s3cret", "eventTypes": ["user.deleted", "user.created"] });
    let made = operator.post("/banata/webhooks/create", &asked).await.ok();
    let secret = text(&made, "secret");
    let digits = secret.strip_prefix("whsec_").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{made}");
    let id = text(&made, "id");
    assert!(id.starts_with("wh_") && id.len() == 29, "{id}");
    let expected = json!({
        "id": id, "url": asked["url"], "eventTypes": ["user.created", "user.deleted"], "enabled": true, "successCount": 0,
        "failureCount": 0, "consecutiveFailures": 0, "lastDeliveryAt": null, "lastDeliveryStatus": null,
        "createdAt": app.date(seconds(0)), "updatedAt": app.date(seconds(0)),
    });
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(shown, expected);

    let listed = operator.post("/banata/webhooks/list", &json!({ "limit": 10 })).await;
    assert_eq!(listed.ok(), json!({ "data": [expected], "listMetadata": { "before": null, "after": null } }));
    assert!(!listed.text.contains(digits), "a secret is shown once");
    let log = app.everything().await;
    assert!(!log.contains(digits) && !log.contains("app.example.com"), "neither is in the log");

    app.pass(seconds(5));
    let update = json!({ "id": id, "url": "https://app.example.com/v2", "events": ["user.created"], "enabled": false });
    let updated = operator.post("/banata/webhooks/update", &update).await.ok();
    let fields = (&updated["url"], &updated["eventTypes"], &updated["enabled"], &updated["updatedAt"]);
    assert_eq!(fields, (&update["url"], &update["events"], &json!(false), &app.date(seconds(0))));
    assert_eq!(updated["createdAt"], expected["createdAt"]);
    let none = operator.post("/banata/webhooks/update", &json!({ "id": id })).await.ok();
    assert_eq!(none, updated, "what is left out stays as it is");

    assert_eq!(operator.post("/banata/webhooks/delete", &json!({ "id": id })).await.ok(), json!({ "success": true }));
    assert_eq!(row(&app).await, Value::Null);
    for (path, body) in [
        ("/banata/webhooks/delete", json!({ "id": id })),
        ("/banata/webhooks/update", json!({ "id": id, "enabled": true })),
        ("/banata/webhooks/replay", json!({ "id": id, "from": 1 })),
    ] {
        operator.post(path, &body).await.refused(404, "WEBHOOK_NOT_FOUND");
    }
    let types = app.types().await;
    let own: Vec<_> = types.iter().filter(|name| name.starts_with("Webhook")).collect();
    assert_eq!(own, ["WebhookCreated", "WebhookUpdated", "WebhookDisabled", "WebhookDeleted"]);
}

/// An address and a secret that nobody needs any more are nowhere any more.
#[tokio::test]
async fn what_was_sealed_for_an_endpoint_goes_when_it_does() {
    let app = app().await;
    let operator = app.operator();
    let before = app.sealed().await;
    let make = json!({ "url": "https://app.example.com/one", "enabled": false });
    let id = text(&operator.post("/banata/webhooks/create", &make).await.ok(), "id").to_owned();
    assert_eq!(app.sealed().await, before + 2, "its address and its secret");
    for url in ["https://app.example.com/two", "https://app.example.com/three"] {
        let changed = operator.post("/banata/webhooks/update", &json!({ "id": id, "url": url })).await.ok();
        assert_eq!((text(&changed, "url"), app.sealed().await), (url, before + 2), "the one before is gone");
    }
    operator.post("/banata/webhooks/delete", &json!({ "id": id })).await.ok();
    assert_eq!(app.sealed().await, before);
}

#[tokio::test]
async fn an_endpoint_may_be_told_everything_or_begin_switched_off() {
    let app = app().await;
    let made = app
        .operator()
        .post("/banata/webhooks/create", &json!({ "url": "https://example.com", "enabled": false }))
        .await;
    let made = made.ok();
    assert_eq!((&made["eventTypes"], &made["enabled"]), (&json!([]), &json!(false)));
    let made =
        app.operator().post("/banata/webhooks/create", &json!({ "url": "https://example.com", "events": null })).await;
    assert_eq!(made.ok()["enabled"], true);
}

/// What a client sends that nests ids, or does not know what an id is.
#[tokio::test]
async fn what_is_no_request_does_nothing() {
    let app = app().await;
    let operator = app.operator();
    let made = operator.post("/banata/webhooks/create", &json!({ "url": "https://example.com/" })).await.ok();
    let id = text(&made, "id");
    for (path, body) in [
        ("delete", json!({ "id": { "id": id } })),
        ("delete", json!({ "id": [id] })),
        ("delete", json!({ "id": "usr_01JD8M4Z5T0123456789ABCDEF" })),
        ("delete", json!({})),
        ("update", json!({ "id": { "endpointId": id }, "enabled": false })),
        ("update", json!({ "id": id, "enabled": "no" })),
        ("update", json!({ "id": id, "eventTypes": "user.created" })),
        ("update", json!({ "id": id, "eventTypes": ["*"] })),
        ("update", json!({ "id": id, "eventTypes": ["User.Created"] })),
        ("update", json!({ "id": id, "eventTypes": [""] })),
        ("update", json!({ "id": id, "eventTypes": vec!["x".repeat(65)] })),
        ("update", json!({ "id": id, "eventTypes": (0..65).map(|n| format!("user.n{n}")).collect::<Vec<_>>() })),
        ("create", json!({ "eventTypes": ["user.created"] })),
        ("create", json!({ "url": { "href": "https://example.com" } })),
        ("replay", json!({ "id": id })),
        ("replay", json!({ "id": id, "from": -1 })),
        ("replay", json!({ "id": id, "from": 1.5 })),
        ("replay", json!({ "id": id, "from": "yesterday" })),
        ("replay", json!({ "id": id, "from": { "position": 1 } })),
    ] {
        operator.post(&format!("/banata/webhooks/{path}"), &body).await.refused(400, "VALIDATION_ERROR");
    }
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(row(&app).await, shown);
}

#[tokio::test]
async fn who_may_see_and_who_may_change() {
    let app = app().await;
    let (reader, writer) = (app.key(&["webhooks.read"]).await, app.key(&["webhooks.write"]).await);
    let create = json!({ "url": "https://example.com/" });
    let made = writer.post("/banata/webhooks/create", &create).await.ok();
    let id = json!({ "id": made["id"] });
    reader.post("/banata/webhooks/list", &json!({})).await.ok();
    writer.post("/banata/webhooks/list", &json!({})).await.refused(403, "INSUFFICIENT_PERMISSION");
    for path in ["create", "update", "delete", "replay"] {
        let refused = reader.post(&format!("/banata/webhooks/{path}"), &id).await;
        assert_eq!(
            refused.refused(403, "INSUFFICIENT_PERMISSION")["details"],
            json!({ "permission": "webhooks.write" })
        );
    }
    for path in ["list", "create", "update", "delete", "replay"] {
        let path = format!("/banata/webhooks/{path}");
        app.program().post(&path, &id).await.refused(401, "UNAUTHORIZED");
        app.bearer("sk_live_0123456789abcdefghijklmnopqrstuv").post(&path, &id).await.refused(401, "INVALID_API_KEY");
        let guest = app.program().arrive().await;
        app.bearer(text(&guest, "token")).post(&path, &id).await.refused(403, "FORBIDDEN");
        let foreign = json!({ "id": made["id"], "projectId": "proj_01JD8M4Z5T0123456789ABCDEF" });
        app.operator().post(&path, &foreign).await.refused(403, "PROJECT_SCOPE_MISMATCH");
    }
}

#[tokio::test]
async fn addresses_that_only_this_machine_can_reach_are_refused() {
    let app = App::with(&[KEY]).await;
    let operator = app.operator();
    let made = operator.post("/banata/webhooks/create", &json!({ "url": "https://example.com/" })).await.ok();
    for url in [
        "http://example.com/",
        "ftp://example.com/",
        "example.com",
        "",
        "https://",
        "https://127.0.0.1/",
        "http://127.0.0.1:3000/",
        "https://localhost/",
        "https://LOCALHOST:8443/",
        "https://localhost./",
        "https://app.localhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::7f00:1]/",
        "https://user:pass@example.com/",
        "https://example.com/#fragment",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ] {
        let refused = operator.post("/banata/webhooks/create", &json!({ "url": url })).await;
        let refused = refused.refused(400, "INVALID_WEBHOOK_URL");
        // It says why.
        assert!(refused["message"].as_str().unwrap().starts_with("Invalid webhook URL: "), "{url}: {refused}");
        let update = json!({ "id": made["id"], "url": url });
        operator.post("/banata/webhooks/update", &update).await.refused(400, "INVALID_WEBHOOK_URL");
    }
    assert_eq!(row(&app).await["url"], "https://example.com/");
}

/// What an operator allows is theirs alone: no other private network, and nobody else without TLS.
#[tokio::test]
async fn what_the_operator_allows_may_be_told() {
    let app = app().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, &["user.created"]).await;
    for url in ["https://10.0.0.1/", "http://10.0.0.1/", "http://example.com/", "https://[fe80::1]/"] {
        app.operator()
            .post("/banata/webhooks/create", &json!({ "url": url }))
            .await
            .refused(400, "INVALID_WEBHOOK_URL");
    }
    app.program().arrive().await;
    receiver.hears(1).await;
}

#[tokio::test]
async fn there_are_only_so_many() {
    let app = App::with(&[KEY, LOOPBACK, ("rate_limits", "off")]).await;
    for _ in 0..32 {
        app.operator()
            .post("/banata/webhooks/create", &json!({ "url": "https://example.com/", "enabled": false }))
            .await
            .ok();
    }
    let refused = app.operator().post("/banata/webhooks/create", &json!({ "url": "https://example.com/" })).await;
    refused.refused(400, "TOO_MANY_WEBHOOKS");
    app.operator().post("/banata/webhooks/delete", &json!({ "id": row(&app).await["id"] })).await.ok();
    app.operator().post("/banata/webhooks/create", &json!({ "url": "https://example.com/" })).await.ok();
}
