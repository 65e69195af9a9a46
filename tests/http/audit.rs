//! The audit trail (CONTRACT 7.5): who did what to whom, as an administrator reads it.

mod added;
mod taken_away;

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, PASSWORD, days, hours, seconds};

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
