//! What apps add to the audit trail.

use serde_json::{Value, json};

use super::{app, text, told};
use crate::support::seconds;

#[tokio::test]
async fn what_an_app_adds_stands_among_the_rest() {
    let app = app().await;
    let guest = app.browser().arrive().await;
    let writer = app.key(&["audit.write"]).await;
    let asked = json!({
        "action": "invoice.paid", "actorType": "user", "actorId": guest["user"]["id"], "actorName": "Jane",
        "actorEmail": "jane@example.com",
        "targets": [{ "type": "invoice", "id": "inv-7", "name": "Rent" }, { "type": "customer", "id": "42" }, { "type": "ledger", "id": "2027" }],
        "organizationId": "acme", "ipAddress": "203.0.113.9", "userAgent": "App/7",
        "changes": { "before": { "paid": false }, "after": { "paid": true } },
        "metadata": { "amount": 12, "currency": "EUR" },
        "occurredAt": 1_799_999_000_000i64, "idempotencyKey": "inv-7-paid",
    });
    let made = writer.post("/banata/audit-logs/create", &asked).await.ok();
    assert_eq!((&made["source"], &made["occurredAt"]), (&json!("api"), &json!("2027-01-15T07:43:20.000Z")));
    assert_eq!(made["createdAt"], app.date(seconds(0)));
    assert_eq!(made["targets"][0], json!({ "type": "invoice", "id": "inv-7", "name": "Rent" }));
    assert_eq!(made["metadata"], json!({ "amount": "12", "currency": "EUR" }));
    assert_eq!(
        (&made["actorEmail"], &made["context"]["ipAddress"]),
        (&json!("jane@example.com"), &json!("203.0.113.9"))
    );
    assert!(text(&made["context"]["via"]).starts_with("key_"));
    for asked in [
        json!({ "action": "invoice.paid" }),
        json!({ "actorId": guest["user"]["id"], "action": "invoice.paid" }),
        json!({ "targetId": "inv-7" }),
        json!({ "targetId": "42" }),
        json!({ "targetId": "2027" }),
        json!({ "organizationId": "acme" }),
    ] {
        assert_eq!(told(&app, asked.clone()).await, std::slice::from_ref(&made), "{asked}");
    }
    // Sealed, but for ids.
    let stored = app.everything().await;
    for personal in ["jane@example.com", "Jane", "Rent", "203.0.113.9", "App/7", "EUR"] {
        assert!(!stored.contains(personal), "{personal} stands in the log in clear");
    }
    // Said twice, done once; as the SDK says it, with JSON in texts.
    assert_eq!(writer.post("/banata/audit-logs/create", &asked).await.ok(), made);
    let mut as_text = asked.clone();
    for field in ["targets", "changes", "metadata"] {
        as_text[field] = asked[field].to_string().into();
    }
    as_text["idempotencyKey"] = Value::Null;
    let other = writer.post("/banata/audit-logs/create", &as_text).await.ok();
    for same in ["targets", "changes", "metadata", "actor"] {
        assert_eq!(other[same], made[same]);
    }
    assert_ne!(other["id"], made["id"]);
    assert_eq!(told(&app, json!({ "action": "invoice.paid" })).await.len(), 2);
    // Of a user who goes, what was said of them goes too.
    let bearer = app.bearer(text(&guest["token"]));
    bearer.post("/delete-anonymous-user", &json!({})).await.ok();
    let bare = told(&app, json!({ "targetId": "2027", "action": "invoice.paid" })).await;
    assert_eq!(bare.len(), 2);
}

/// A key that may add to the trail reads neither what people are called nor what others added.
#[tokio::test]
async fn who_adds_to_the_trail_is_told_no_more_than_they_said() {
    let app = app().await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await["user"]["id"].clone();
    browser.post("/update-user", &json!({ "name": "Jane Doe" })).await.ok();
    let (writer, other) = (app.key(&["audit.write"]).await, app.key(&["audit.write"]).await);
    let note = |more: Value| {
        let mut asked = json!({ "action": "invoice.paid", "actorType": "user", "actorId": jane });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let asked = note(json!({ "targets": [{ "type": "user", "id": jane }, { "type": "invoice", "id": "7" }] }));
    let made = writer.post("/banata/audit-logs/create", &asked).await.ok();
    assert_eq!((&made["actorId"], &made["actorName"], &made["actorEmail"]), (&jane, &Value::Null, &Value::Null));
    assert_eq!(made["targets"][0], json!({ "type": "user", "id": jane, "name": null }));
    assert!(!made.to_string().contains("Jane") && !made.to_string().contains("example.com"), "{made}");
    // An idempotency key is of whoever chose it.
    let asked = note(json!({ "idempotencyKey": "7-paid", "metadata": { "iban": "DE02" } }));
    let made = writer.post("/banata/audit-logs/create", &asked).await.ok();
    let guessed = other.post("/banata/audit-logs/create", &note(json!({ "idempotencyKey": "7-paid" }))).await.ok();
    assert_ne!(guessed["id"], made["id"]);
    assert!(!guessed.to_string().contains("DE02"), "{guessed}");
    assert_eq!(writer.post("/banata/audit-logs/create", &asked).await.ok(), made);
}

#[tokio::test]
async fn what_does_not_fit_the_trail_is_refused() {
    let app = app().await;
    let operator = app.operator();
    let fine = json!({ "action": "a", "actorType": "system" });
    operator.post("/banata/audit-logs/create", &fine).await.ok();
    let long = "x".repeat(65);
    let many: Vec<_> = (0..21).map(|nth| json!({ "type": "t", "id": nth.to_string() })).collect();
    for (field, value, named) in [
        ("action", json!("user.deleted"), "action"),
        ("action", json!("User.Waved"), "action"),
        ("action", json!(long), "action"),
        ("action", json!(""), "action"),
        ("actorType", json!("robot"), "actorType"),
        ("actorType", json!("user"), "actorId"),
        ("actorId", json!("jane@example.com"), "actorId"),
        ("targets", json!([{ "type": "user", "id": "jane@example.com" }]), "targets[0].id"),
        ("targets", json!([{ "id": "7" }]), "targets"),
        ("targets", json!(many), "targets"),
        ("targets", json!("[{"), "targets"),
        ("changes", json!([1]), "changes"),
        ("changes", json!({ "after": { "__proto__": 1 } }), "changes"),
        ("metadata", json!("7"), "metadata"),
        ("metadata", json!({ "much": "x".repeat(17_000) }), "metadata"),
        ("occurredAt", json!(99_999_999_999_999_999i64), "occurredAt"),
        ("occurredAt", json!(1_900_000_000_000i64), "occurredAt"),
        ("userAgent", json!("x".repeat(513)), "userAgent"),
    ] {
        let mut unfit = fine.clone();
        unfit[field] = value;
        let refused = operator.post("/banata/audit-logs/create", &unfit).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["field"], named, "{unfit}");
    }
    assert_eq!(told(&app, json!({ "actorId": null })).await.iter().filter(|row| row["source"] == "api").count(), 1);
    let huge = json!({ "action": "a", "actorType": "system", "metadata": { "x": "y".repeat(300_000) } });
    operator.post("/banata/audit-logs/create", &huge).await.refused(413, "PAYLOAD_TOO_LARGE");
}
