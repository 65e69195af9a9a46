//! The audit trail (CONTRACT 7.5): who did what to whom, as an administrator reads it, takes it away and adds to it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, KEY, PASSWORD, days, hours, seconds};

async fn app() -> App {
    App::with(&[KEY, ("dev", "on"), ("rate_limits", "off")]).await
}

async fn list(who: &Client, asked: Value) -> Value {
    who.post("/banata/audit-logs/list", &asked).await.ok()
}

/// All that is asked for, oldest first.
async fn told(app: &App, asked: Value) -> Vec<Value> {
    let mut asked = asked;
    asked["limit"] = 1000.into();
    let page = list(&app.operator(), asked).await;
    assert_eq!(page["listMetadata"], json!({ "before": null, "after": null }));
    let mut rows = page["data"].as_array().unwrap().clone();
    rows.reverse();
    rows
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| text(&row["action"])).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn only<'r>(rows: &'r [Value], action: &str) -> &'r Value {
    let mut found = rows.iter().filter(|row| row["action"] == action);
    let (Some(row), None) = (found.next(), found.next()) else { panic!("not one {action} in {:?}", actions(rows)) };
    row
}

#[tokio::test]
async fn a_whole_life_is_told_in_its_order() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let (user, session) = (text(&guest["user"]["id"]), text(&guest["session"]["id"]));
    app.pass(days(2));
    browser.session().await;
    browser.post("/update-user", &json!({ "name": "Jane D." })).await.ok();
    app.pass(seconds(5));
    let form = json!({ "email": "jane@example.com", "password": PASSWORD, "name": "Jane Doe" });
    browser.post("/anonymous/upgrade", &form).await.ok();
    let mail = app.mail("jane@example.com").await;
    let link = text(&mail["url"]).split_once("/api/auth").unwrap().1.to_owned();
    browser.get(&link).await.ok();
    let change =
        json!({ "currentPassword": PASSWORD, "newPassword": "another fine password", "revokeOtherSessions": true });
    browser.post("/change-password", &change).await.ok();
    browser.post("/sign-out", &json!({})).await.ok();
    app.pass(hours(1));
    let sign_in = json!({ "email": "jane@example.com", "password": "another fine password" });
    let back = app.browser();
    let again = back.post("/sign-in/email", &sign_in).await.ok();

    let rows = told(&app, json!({ "targetId": user })).await;
    assert_eq!(
        actions(&rows),
        [
            "user.created",
            "session.created",
            "session.refreshed",
            "user.updated",
            "account.linked",
            "user.updated",
            "user.upgraded",
            "user.updated",
            "session.rotated",
            "email.verified",
            "password.changed",
            "session.rotated",
            "session.revoked",
            "session.created",
        ]
    );
    for row in &rows {
        assert_eq!(row["targets"][0], json!({ "type": "user", "id": user, "name": "Jane Doe" }), "{row}");
        assert_eq!(row["actor"]["type"], "user");
        assert_eq!(row["actorId"], user);
        assert_eq!(
            (&row["ipAddress"], &row["context"]["userAgent"]),
            (&json!("127.0.0.1"), &json!("tests/1.0")),
            "{row}"
        );
        assert!(text(&row["context"]["requestId"]).starts_with("req_") && text(&row["id"]).starts_with("evt_"));
    }
    // The whole of a row, once.
    let upgraded = only(&rows, "user.upgraded");
    let at = upgraded["timestamp"].clone();
    assert_eq!(
        *upgraded,
        json!({
            "id": upgraded["id"], "action": "user.upgraded", "version": 1, "timestamp": at, "occurredAt": at, "createdAt": at,
            "actorType": "user", "actorId": user, "actorName": "Jane Doe", "actorEmail": "jane@example.com",
            "actor": { "type": "user", "id": user, "name": "Jane Doe", "email": "jane@example.com",
                "ipAddress": "127.0.0.1", "userAgent": "tests/1.0" },
            "targets": [{ "type": "user", "id": user, "name": "Jane Doe" }],
            "target": { "type": "user", "id": user, "name": "Jane Doe" },
            "organizationId": null, "ipAddress": "127.0.0.1", "userAgent": "tests/1.0",
            "context": { "organizationId": null, "ipAddress": "127.0.0.1", "userAgent": "tests/1.0",
                "requestId": upgraded["context"]["requestId"], "via": session, "impersonatorId": null },
            "changes": null, "metadata": { "method": "password" }, "idempotencyKey": null,
            "projectId": "proj_00000000000000000000000000",
        })
    );
    // What held before, and since.
    let [named, renamed, member] = [3, 5, 7].map(|nth| rows[nth]["changes"].clone());
    assert_eq!(named, json!({ "before": { "name": null }, "after": { "name": "Jane D." } }));
    assert_eq!(renamed, json!({ "before": { "name": "Jane D." }, "after": { "name": "Jane Doe" } }));
    assert_eq!(member, json!({ "before": { "isAnonymous": true }, "after": { "isAnonymous": false } }));
    assert_eq!(rows[0]["metadata"], json!({ "method": "anonymous" }));
    assert_eq!(rows[12]["metadata"], json!({ "reason": "signed_out" }));
    assert_eq!(rows[13]["targets"][1]["id"], again["session"]["id"]);
    // An act and its consequences came in one request, and another came later.
    assert_eq!(rows[4]["context"]["requestId"], rows[8]["context"]["requestId"]);
    assert_ne!(rows[8]["context"]["requestId"], rows[10]["context"]["requestId"]);

    // Whoever goes takes their name along; what was done stays.
    back.post("/delete-user", &json!({ "password": "another fine password" })).await.ok();
    let after = told(&app, json!({ "targetId": user })).await;
    let deleted = after.last().unwrap();
    assert_eq!((&deleted["action"], &deleted["actorId"]), (&json!("user.deleted"), &json!(user)));
    assert_eq!(deleted["metadata"]["reason"], "requested");
    assert_eq!(deleted["metadata"]["wasAnonymous"], "false");
    assert_eq!(after.len(), rows.len() + 1);
    for (row, before) in after.iter().zip(&rows) {
        assert_eq!((&row["id"], &row["timestamp"]), (&before["id"], &before["timestamp"]));
        assert_eq!(
            (&row["actorName"], &row["actorEmail"], &row["ipAddress"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert!(!row.to_string().contains("Jane") && !row.to_string().contains("127.0.0.1"), "{row}");
    }
}

#[tokio::test]
async fn an_address_that_changes_and_a_password_that_is_asked_for_are_told() {
    let app = app().await;
    let browser = app.browser();
    browser.sign_up("jane@example.com").await;
    let link = text(&app.mail("jane@example.com").await["url"]).split_once("/api/auth").unwrap().1.to_owned();
    browser.get(&link).await;
    browser.post("/change-email", &json!({ "newEmail": "jane@new.example" })).await.ok();
    let link = text(&app.mail("jane@new.example").await["url"]).split_once("/api/auth").unwrap().1.to_owned();
    browser.get(&link).await.ok();
    let changed = told(&app, json!({ "action": "email.changed" })).await;
    let changes = json!({ "before": { "email": "jane@example.com" }, "after": { "email": "jane@new.example" } });
    assert_eq!(changed[0]["changes"], changes);
    assert_eq!(changed.len(), 1);

    app.program().post("/request-password-reset", &json!({ "email": "jane@new.example" })).await.ok();
    app.program().post("/request-password-reset", &json!({ "email": "nobody@example.com" })).await.ok();
    let asked = told(&app, json!({ "action": "password.reset_requested" })).await;
    assert_eq!(asked.len(), 1, "of whom nobody knows nothing is asked");
    assert_eq!(asked[0]["targets"][0]["id"], changed[0]["targets"][0]["id"]);
    assert_eq!(asked[0]["actorId"], Value::Null);
}

#[tokio::test]
async fn pages_hold_each_deed_once_while_more_is_done() {
    let app = app().await;
    for _ in 0..10 {
        app.program().arrive().await;
    }
    let before = told(&app, json!({})).await;
    let ids = |rows: &[Value]| rows.iter().map(|row| text(&row["id"]).to_owned()).collect::<Vec<_>>();
    let (operator, mut seen, mut after) = (app.operator(), Vec::new(), Value::Null);
    loop {
        let page = list(&operator, json!({ "limit": 3, "after": after })).await;
        seen.extend(ids(page["data"].as_array().unwrap()));
        // Another guest at the end that nobody looks at.
        app.program().arrive().await;
        let neighbours = &page["listMetadata"];
        assert_eq!(neighbours["before"].is_null(), after.is_null());
        after = neighbours["after"].clone();
        if after.is_null() {
            break;
        }
    }
    seen.reverse();
    assert_eq!(seen, ids(&before));

    // And back again, with what came meanwhile.
    let (mut back, mut newer) = (Vec::new(), json!(seen[0]));
    while !newer.is_null() {
        let page = list(&operator, json!({ "limit": 4, "before": newer })).await;
        let mut rows = ids(page["data"].as_array().unwrap());
        assert_eq!(page["listMetadata"]["after"], json!(rows.last()));
        rows.reverse();
        back.extend(rows);
        newer = page["listMetadata"]["before"].clone();
    }
    assert_eq!(back, ids(&told(&app, json!({})).await)[1..]);
    assert!(back.is_sorted(), "ids sort as deeds do");
}

#[tokio::test]
async fn filters_hold_together_and_a_strange_one_finds_nothing() {
    let app = app().await;
    let (jane, joe) = (app.browser(), app.browser());
    let (jane_id, joe_id) = (jane.arrive().await["user"]["id"].clone(), joe.arrive().await["user"]["id"].clone());
    jane.upgrade("jane@example.com").await;
    let found = async |asked: Value| told(&app, asked).await;
    assert_eq!(found(json!({ "action": "user.created" })).await.len(), 2);
    assert_eq!(actions(&found(json!({ "actorId": joe_id })).await), ["user.created", "session.created"]);
    assert_eq!(actions(&found(json!({ "targetId": joe_id, "action": "session.created" })).await), ["session.created"]);
    let created = found(json!({ "actorId": jane_id, "action": "session.created" })).await;
    let session = created[0]["targets"][1]["id"].clone();
    assert!(text(&session).starts_with("ses_"));
    // By whatever it touched.
    assert_eq!(actions(&found(json!({ "targetId": session })).await), ["session.created", "session.rotated"]);
    for nothing in [
        json!({ "action": "user.pondered" }),
        json!({ "actorId": jane_id, "targetId": joe_id }),
        json!({ "targetId": "' OR 1=1 --" }),
        json!({ "organizationId": "org_01JM0000000000000000000001" }),
    ] {
        assert_eq!(found(nothing).await, [] as [Value; 0]);
    }
    let operator = app.operator();
    for (unfit, field) in [
        (json!({ "after": "evt_1" }), "after"),
        (json!({ "limit": "all" }), "limit"),
        (json!({ "limit": -1 }), "limit"),
        (json!({ "action": { "ne": "x" } }), "action"),
        (json!({ "after": created[0]["id"], "before": created[0]["id"] }), "before"),
    ] {
        let refused = operator.post("/banata/audit-logs/list", &unfit).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["field"], field, "{unfit}");
    }
    assert_eq!(list(&operator, json!({ "limit": 0 })).await["data"].as_array().unwrap().len(), 1);
    assert!(list(&operator, json!({ "limit": 1_000_000 })).await["data"].as_array().unwrap().len() > 5);
}

/// What was typed is sealed in the trail, and opened for whoever reads it.
#[tokio::test]
async fn what_was_changed_reads_as_it_was_and_as_it_became() {
    let app = app().await;
    let (operator, browser) = (app.operator(), app.browser());
    let jane = browser.sign_up("jane@example.com").await["user"]["id"].clone();
    let plan = |plan: &str| json!({ "userId": jane, "appMetadata": { "plan": plan } });
    operator.post("/admin/update-user", &plan("free")).await.ok();
    operator.post("/admin/update-user", &plan("pro")).await.ok();
    let form = json!({ "name": "Acme", "slug": "acme", "logo": "https://img.example/1" });
    let acme = browser.post("/organization/create", &form).await.ok()["id"].clone();
    let data = json!({ "slug": "acme-2", "logo": "https://img.example/2" });
    browser.post("/organization/update", &json!({ "organizationId": acme, "data": data })).await.ok();
    operator.post("/admin/ban-user", &json!({ "userId": jane, "banReason": "Spam" })).await.ok();
    let changed = told(&app, json!({})).await;
    let last = |action: &str, field: &str| {
        let of = |row: &&Value| row["action"] == action && row["changes"]["after"].get(field).is_some();
        changed.iter().rfind(of).unwrap_or_else(|| panic!("no {action} of {field}"))["changes"].clone()
    };
    let app_metadata = last("user.updated", "appMetadata");
    assert_eq!(
        (&app_metadata["before"]["appMetadata"], &app_metadata["after"]["appMetadata"]),
        (&json!({ "plan": "free" }), &json!({ "plan": "pro" }))
    );
    let ban = last("user.banned", "banReason");
    assert_eq!(ban["after"]["banReason"], "Spam");
    let slug = last("organization.updated", "slug");
    assert_eq!((&slug["before"]["slug"], &slug["after"]["slug"]), (&json!("acme"), &json!("acme-2")));
    let logo = last("organization.updated", "logo");
    assert_eq!(
        (&logo["before"]["logo"], &logo["after"]["logo"]),
        (&json!("https://img.example/1"), &json!("https://img.example/2"))
    );
}

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

#[tokio::test]
async fn each_call_asks_for_its_permission() {
    let app = app().await;
    let (reader, writer) = (app.key(&["audit.read"]).await, app.key(&["audit.write"]).await);
    let member = app.browser();
    member.sign_up("jane@example.com").await;
    let note = json!({ "action": "a", "actorType": "system" });
    for (path, body, reads) in [
        ("/banata/audit-logs/list", json!({}), true),
        ("/banata/audit-logs/export", json!({ "format": "json" }), true),
        ("/banata/events/list", json!({}), true),
        ("/banata/audit-logs/create", note, false),
    ] {
        app.program().post(path, &body).await.refused(401, "UNAUTHORIZED");
        member.post(path, &body).await.refused(403, "FORBIDDEN");
        let (may, may_not) = if reads { (&reader, &writer) } else { (&writer, &reader) };
        may.post(path, &body).await.ok();
        may_not.post(path, &body).await.refused(403, "INSUFFICIENT_PERMISSION");
        let mut elsewhere = body.clone();
        elsewhere["projectId"] = "proj_01JM0000000000000000000001".into();
        may.post(path, &elsewhere).await.refused(403, "PROJECT_SCOPE_MISMATCH");
        may.at(crate::support::Method::POST, &format!("/api/auth{path}")).await;
    }
}

async fn exported(who: &Client, asked: Value) -> Value {
    who.post("/banata/audit-logs/export", &asked).await.ok()
}

/// The clock stands still: all of them in one millisecond.
#[tokio::test]
async fn an_export_has_no_seam_within_a_millisecond_either() {
    let app = app().await;
    let operator = app.operator();
    for round in 0..4 {
        for _ in 0..3 {
            app.program().arrive().await;
        }
        if round % 2 == 1 {
            app.pass(A_MILLISECOND);
        }
    }
    let all = told(&app, json!({})).await;
    for (limit, action) in [(1, None), (4, None), (5, Some("user.created")), (1000, None)] {
        let (mut rows, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page =
                exported(&operator, json!({ "format": "json", "limit": limit, "cursor": cursor, "action": action }))
                    .await;
            let data = page["data"].as_array().unwrap();
            assert_eq!(page["count"], data.len());
            assert!(data.len() <= limit);
            rows.extend(data.clone());
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
            assert!(cursor.is_number());
        }
        let wanted = all.iter().filter(|row| action.is_none_or(|action| row["action"] == action));
        assert_eq!(rows, wanted.cloned().collect::<Vec<_>>(), "in pages of {limit}");
    }
    // Both ends are included.
    let [first, last] = [0, 1].map(|millis| 1_800_000_000_007i64 + millis);
    let of = async |start: i64, end: i64| {
        let asked = json!({ "format": "json", "startDate": start, "endDate": end });
        exported(&operator, asked).await["count"].as_u64().unwrap()
    };
    let early = of(first, first).await;
    assert_eq!(early + of(last, last).await, all.len() as u64);
    assert!(early > 0 && early < all.len() as u64);
    assert_eq!((of(first, last).await, of(last + 1, last + 9).await, of(0, first - 1).await), (all.len() as u64, 0, 0));
    for (field, value) in
        [("format", json!("xml")), ("cursor", json!("now")), ("cursor", json!(-1)), ("startDate", json!("soon"))]
    {
        let mut unfit = json!({ "format": "csv" });
        unfit[field] = value;
        operator.post("/banata/audit-logs/export", &unfit).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_csv_runs_nothing_in_a_spreadsheet() {
    let app = app().await;
    let note = json!({ "action": "note.made", "actorType": "user", "actorId": "7", "actorName": "=HYPERLINK(\"http://evil.example\")",
        "actorEmail": "@evil", "userAgent": "-1+1", "metadata": { "note": "a, \"b\"\nc" } });
    app.operator().post("/banata/audit-logs/create", &note).await.ok();
    let file = exported(&app.operator(), json!({ "format": "csv", "action": "note.made" })).await;
    assert_eq!(file["count"], 1);
    let lines: Vec<_> = text(&file["data"]).split("\r\n").collect();
    let names = "id,action,occurredAt,createdAt,actorType,actorId,actorName,actorEmail,targets,organizationId,ipAddress,userAgent,requestId,changes,metadata,source,idempotencyKey,projectId";
    assert_eq!((lines.len(), lines[0], lines[2]), (3, names, ""));
    assert!(lines[1].contains(",7,\"'=HYPERLINK(\"\"http://evil.example\"\")\",'@evil,"), "{}", lines[1]);
    assert!(
        lines[1].contains(",'-1+1,") && lines[1].contains(r#","{""note"":""a, \""b\""\nc""}",api,"#),
        "{}",
        lines[1]
    );
}

#[tokio::test]
async fn a_program_keeps_up_with_what_happens() {
    let app = app().await;
    let reader = app.key(&["audit.read"]).await;
    let ask = async |asked: Value| reader.post("/banata/events/list", &asked).await.ok();
    let start = ask(json!({ "eventTypes": ["user.created"] })).await;
    assert_eq!(start, json!({ "data": [], "hasMore": false }));
    let guest = app.program().arrive().await;
    app.pass(seconds(1));
    app.program().arrive().await;
    let first = ask(json!({ "eventTypes": ["user.created", "session.created"], "limit": 3 })).await;
    let types: Vec<_> = first["data"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert_eq!((types, &first["hasMore"]), (vec!["user.created", "session.created", "user.created"], &json!(true)));
    let event = &first["data"][0];
    assert_eq!(event["createdAt"], 1_800_000_000_007i64);
    assert_eq!(event["data"]["targets"][0]["id"], guest["user"]["id"]);
    let second = ask(json!({ "eventTypes": ["user.created", "session.created"], "after": first["cursor"] })).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["hasMore"]), (1, &json!(false)));
    let cursor = second["cursor"].clone();
    assert_eq!(cursor, second["data"][0]["id"]);
    // Nothing new: the place to go on from stays.
    let third = ask(json!({ "eventTypes": ["user.created"], "after": cursor })).await;
    assert_eq!(third, json!({ "data": [], "cursor": cursor, "hasMore": false }));
    app.program().arrive().await;
    assert_eq!(
        ask(json!({ "eventTypes": ["user.created"], "after": cursor })).await["data"].as_array().unwrap().len(),
        1
    );
    // By time, both ends included; and never more than 200.
    let early = ask(json!({ "eventTypes": ["user.created"], "rangeEnd": 1_800_000_000_007i64 })).await;
    let late = ask(json!({ "eventTypes": ["user.created"], "rangeStart": 1_800_000_000_008i64 })).await;
    assert_eq!([&early, &late].map(|events| events["data"].as_array().unwrap().len()), [1, 2]);
    for _ in 0..100 {
        app.program().arrive().await;
    }
    assert_eq!(ask(json!({ "limit": 1_000_000 })).await["data"].as_array().unwrap().len(), 200);
    let kinds: BTreeSet<_> = [ask(json!({})).await]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap().clone())
        .map(|event| text(&event["id"])[..4].to_owned())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["evt_".to_owned()]));
    reader.post("/banata/events/list", &json!({ "rangeStart": "yesterday" })).await.refused(400, "VALIDATION_ERROR");
}
