//! `/update-user` (CONTRACT 3).

use serde_json::{Map, Value, json};

use crate::support::{Answer, App, Client};

async fn update(caller: &Client, body: &Value) -> Answer {
    caller.post("/update-user", body).await
}

async fn guest(app: &App) -> Client {
    let guest = app.program().arrive().await;
    app.bearer(guest["token"].as_str().unwrap())
}

async fn user(caller: &Client) -> Value {
    caller.session().await["user"].clone()
}

#[tokio::test]
async fn guests_and_members_alike_and_it_survives_the_upgrade() {
    let app = App::start().await;
    let caller = guest(&app).await;
    let body = json!({ "name": "Jane", "image": "https://example.com/i.png", "metadata": { "theme": "dark" } });
    assert_eq!(update(&caller, &body).await.ok(), json!({ "status": true }));
    let before = user(&caller).await;
    assert_eq!(
        (&before["name"], &before["image"], &before["metadata"]),
        (&body["name"], &body["image"], &body["metadata"])
    );
    let after = caller.upgrade("jane@example.com").await["user"].clone();
    for kept in ["id", "name", "image", "metadata", "createdAt"] {
        assert_eq!(after[kept], before[kept]);
    }
    update(&caller, &json!({ "name": "" })).await.ok();
    assert_eq!(user(&caller).await["name"], "");
}

#[tokio::test]
async fn metadata_is_merged_and_null_removes() {
    let app = App::start().await;
    let caller = guest(&app).await;
    for (change, whole) in [
        (json!({ "a": 1, "b": { "x": 1, "y": 2 } }), json!({ "a": 1, "b": { "x": 1, "y": 2 } })),
        (json!({ "c": [null] }), json!({ "a": 1, "b": { "x": 1, "y": 2 }, "c": [null] })),
        (json!({ "b": { "z": 3 } }), json!({ "a": 1, "b": { "z": 3 }, "c": [null] })),
        (json!({ "a": null, "nothing": null }), json!({ "b": { "z": 3 }, "c": [null] })),
        (json!({}), json!({ "b": { "z": 3 }, "c": [null] })),
        (
            json!({ "ключ \u{1f511}": "\u{0}\"\\" }),
            json!({ "b": { "z": 3 }, "c": [null], "ключ \u{1f511}": "\u{0}\"\\" }),
        ),
    ] {
        update(&caller, &json!({ "metadata": change })).await.ok();
        assert_eq!(user(&caller).await["metadata"], whole);
    }
}

#[tokio::test]
async fn only_the_image_is_cleared_by_null() {
    let app = App::start().await;
    let caller = guest(&app).await;
    update(&caller, &json!({ "name": "Jane", "image": "i" })).await.ok();
    update(&caller, &json!({ "image": null })).await.ok();
    let user = user(&caller).await;
    assert_eq!((&user["name"], &user["image"]), (&json!("Jane"), &Value::Null));
    for nothing in [json!({}), json!({ "name": null }), json!({ "unknown": 1 })] {
        update(&caller, &nothing).await.refused(400, "NO_FIELDS_TO_UPDATE");
    }
}

#[tokio::test]
async fn metadata_has_sixteen_kilobytes_in_all() {
    let app = App::start().await;
    let caller = guest(&app).await;
    // `{"k":""}` takes eight.
    let filled = |bytes: usize| json!({ "metadata": { "k": "x".repeat(bytes - 8) } });
    update(&caller, &filled(16 * 1024)).await.ok();
    update(&caller, &filled(16 * 1024 + 1)).await.refused(400, "VALIDATION_ERROR");
    update(&caller, &json!({ "metadata": { "l": 1 } })).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(user(&caller).await["metadata"].as_object().map(Map::len), Some(1));
    update(&caller, &json!({ "metadata": { "k": null, "l": 1 } })).await.ok();
}

#[tokio::test]
async fn what_is_not_the_users_to_change() {
    let app = App::start().await;
    let caller = guest(&app).await;
    let (before, head) = (user(&caller).await, app.head().await);
    update(&caller, &json!({ "email": "jane@example.com", "name": "Jane" }))
        .await
        .refused(400, "EMAIL_CAN_NOT_BE_UPDATED");
    for (key, value) in [
        ("isAnonymous", json!(false)),
        ("role", json!("admin")),
        ("emailVerified", json!(true)),
        ("appMetadata", json!({})),
        ("banned", json!(false)),
        ("id", json!("usr_x")),
        ("createdAt", json!("2020-01-01T00:00:00.000Z")),
        ("__proto__", json!({})),
        ("constructor", json!(1)),
        ("prototype", json!(1)),
    ] {
        let mut body = json!({ "name": "Jane" });
        body[key] = value;
        update(&caller, &body).await.refused(400, "FIELD_NOT_ALLOWED");
    }
    for poison in ["__proto__", "constructor", "prototype"] {
        for metadata in [json!({ poison: 1 }), json!({ "a": [{ "b": { poison: {} } }] }), json!({ poison: null })] {
            update(&caller, &json!({ "metadata": metadata })).await.refused(400, "FIELD_NOT_ALLOWED");
        }
    }
    // A word in a value is no key.
    assert_eq!((user(&caller).await, app.head().await), (before, head));
    update(&caller, &json!({ "metadata": { "text": "constructor" } })).await.ok();
}

#[tokio::test]
async fn values_of_the_wrong_shape() {
    let app = App::start().await;
    let caller = guest(&app).await;
    let head = app.head().await;
    for (field, value) in [
        ("name", json!(5)),
        ("name", json!("x".repeat(256))),
        ("image", json!(["x"])),
        ("image", json!("x".repeat(4000))),
        ("metadata", json!([])),
        ("metadata", json!("text")),
        ("metadata", json!(1)),
    ] {
        let refusal = update(&caller, &json!({ field: value })).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refusal["errors"][0]["field"], field);
    }
    assert_eq!(app.head().await, head);
    update(&caller, &json!({ "name": "é".repeat(255) })).await.ok();
}
