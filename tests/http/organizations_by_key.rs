//! Organizations in the name of the app, by an API key (CONTRACT 6, 7.1).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, KEY};

async fn app() -> App {
    App::with(&[KEY, ("dev", "on"), ("rate_limits", "off")]).await
}

async fn create(key: &Client, slug: &str, owner: Option<&Value>) -> Value {
    let form = json!({ "name": "Acme", "slug": slug, "userId": owner });
    key.post("/organization/create", &form).await.ok()
}

fn ids(page: &Value) -> Vec<Value> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

#[tokio::test]
async fn the_app_makes_leads_and_ends_one() {
    let app = app().await;
    let key = app.operator();
    let (browser, other) = (app.browser(), app.browser());
    let (guest, member) = (browser.arrive().await["user"]["id"].clone(), other.arrive().await["user"]["id"].clone());
    let made = create(&key, "acme", Some(&guest)).await;
    assert_eq!((&made["members"][0]["userId"], &made["members"][0]["role"]), (&guest, &json!("owner")));
    assert_eq!(browser.session().await["session"]["activeOrganizationId"], Value::Null, "a key opens no session");

    let add = json!({ "organizationId": made["id"], "userId": member, "role": "super_admin" });
    let added = key.post("/organization/add-member", &add).await.ok();
    assert_eq!((&added["userId"], &added["role"]), (&member, &json!("owner")));
    key.post("/organization/add-member", &add).await.refused(400, "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION");
    let nobody = json!({ "organizationId": made["id"], "userId": "usr_x", "role": "member" });
    key.post("/organization/add-member", &nobody).await.refused(404, "USER_NOT_FOUND");
    // In a session there is no such call: nobody is made a member unasked.
    browser.post("/organization/add-member", &add).await.refused(404, "NOT_FOUND");
    app.program().post("/organization/add-member", &add).await.refused(401, "UNAUTHORIZED");

    let role = json!({ "organizationId": made["id"], "memberIdOrUserId": member, "role": "member" });
    assert_eq!(key.post("/organization/update-member-role", &role).await.ok()["role"], "member");
    let update = json!({ "organizationId": made["id"], "data": { "name": "New", "metadata": { "plan": "pro" } } });
    let updated = key.post("/organization/update", &update).await.ok();
    assert_eq!((&updated["name"], &updated["metadata"]), (&json!("New"), &json!({ "plan": "pro" })));
    let full = key.post("/organization/get-full-organization", &json!({ "organizationSlug": "ACME" })).await.ok();
    assert_eq!((full["members"].as_array().unwrap().len(), &full["invitations"]), (2, &json!([])));
    assert_eq!(key.post("/organization/get-full-organization", &json!({})).await.ok(), Value::Null);
    let may = json!({ "organizationId": made["id"], "permissions": { "organization": ["delete"] } });
    assert_eq!(key.post("/organization/has-permission", &may).await.ok()["success"], true);

    let invite = json!({ "organizationId": made["id"], "email": "jane@example.com", "role": "admin" });
    let invitation = key.post("/organization/invite-member", &invite).await.ok();
    assert_eq!(
        (&invitation["inviterId"], &app.mail("jane@example.com").await["kind"]),
        (&Value::Null, &json!("invitation"))
    );
    let named = json!({ "organizationId": made["id"], "status": "pending" });
    let page = key.post("/organization/list-invitations", &named).await.ok();
    assert_eq!((ids(&page), &page["data"][0]["email"]), (vec![invitation["id"].clone()], &json!("jane@example.com")));
    key.post("/organization/revoke-invitation", &json!({ "invitationId": invitation["id"] })).await.ok();
    assert_eq!(ids(&key.post("/organization/list-invitations", &named).await.ok()), Vec::<Value>::new());

    let remove = json!({ "organizationId": made["id"], "memberIdOrUserId": member });
    assert_eq!(key.post("/organization/remove-member", &remove).await.ok()["member"]["userId"], member);
    let id = json!({ "organizationId": made["id"] });
    key.post("/organization/delete", &id).await.ok();
    key.post("/organization/delete", &id).await.refused(400, "ORGANIZATION_NOT_FOUND");
    assert_eq!(browser.get("/organization/list").await.ok(), json!([]));
    let by_key =
        app.actors().await.into_iter().filter(|(event, kind, ..)| event.starts_with("Org") && kind == "api_key");
    assert_eq!(by_key.count(), 3, "made, updated and deleted by the key");
}

#[tokio::test]
async fn lists_come_by_the_page() {
    let app = app().await;
    let key = app.operator();
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(create(&key, &format!("o{number}"), None).await);
        app.pass(A_MILLISECOND);
    }
    assert_eq!(made[0]["members"], json!([]), "it waits for its people");
    made.reverse();
    let made: Vec<Value> = made.iter().map(|one| one["id"].clone()).collect();
    let list = async |form: Value| key.post("/organization/list", &form).await.ok();
    let first = list(json!({ "limit": 2 })).await;
    assert_eq!((ids(&first), &first["listMetadata"]["before"]), (made[..2].to_vec(), &Value::Null));
    let second = list(json!({ "limit": 2, "after": first["listMetadata"]["after"] })).await;
    assert_eq!(ids(&second), made[2..4]);
    let last = list(json!({ "limit": 2, "after": second["listMetadata"]["after"] })).await;
    assert_eq!((ids(&last), &last["listMetadata"]["after"]), (made[4..].to_vec(), &Value::Null));
    let back = list(json!({ "limit": 2, "before": last["listMetadata"]["before"] })).await;
    assert_eq!(ids(&back), made[2..4]);
    let up = list(json!({ "limit": 3, "order": "asc" })).await;
    assert_eq!(ids(&up), [made[4].clone(), made[3].clone(), made[2].clone()]);

    let mut people = Vec::new();
    for number in 0..3 {
        let user = app.program().arrive().await["user"]["id"].clone();
        let role = if number == 0 { "owner" } else { "member" };
        let add = json!({ "organizationId": made[0], "userId": user, "role": role });
        people.push(key.post("/organization/add-member", &add).await.ok()["id"].clone());
        app.pass(A_MILLISECOND);
    }
    let members = async |form: Value| {
        let mut asked = json!({ "organizationId": made[0] });
        asked.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
        key.post("/organization/list-members", &asked).await.ok()
    };
    let owners = members(json!({ "role": "owner" })).await;
    assert_eq!((ids(&owners), owners["data"][0]["user"].is_object()), (people[..1].to_vec(), true));
    let page = members(json!({ "limit": 2, "order": "asc" })).await;
    assert_eq!(ids(&page), people[..2]);
    assert_eq!(ids(&members(json!({ "order": "asc", "after": page["listMetadata"]["after"] })).await), people[2..]);

    // Users by organization.
    app.followed().await;
    let users = key.post("/admin/list-users", &json!({ "organizationId": made[0] })).await.ok();
    assert_eq!((users["users"].as_array().unwrap().len(), &users["total"]), (3, &json!(3)));
    for nobodys in [&made[1], &json!("acme")] {
        let users = key.post("/admin/list-users", &json!({ "organizationId": nobodys })).await.ok();
        assert_eq!((&users["users"], &users["total"]), (&json!([]), &json!(0)));
    }
    for wrong in [json!({ "after": "x" }), json!({ "after": made[0], "before": made[1] }), json!({ "limit": "2" })] {
        key.post("/organization/list", &wrong).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_key_does_what_it_may_and_no_more() {
    let app = app().await;
    let operator = app.operator();
    let (one, other) = (create(&operator, "one", None).await, create(&operator, "other", None).await);
    let (named, foreign) = (json!({ "organizationId": one["id"] }), json!({ "organizationId": other["id"] }));
    let reader = app.key(&["organizations.read"]).await;
    reader.post("/organization/list-members", &named).await.ok();
    let update = json!({ "organizationId": one["id"], "data": { "name": "x" } });
    let short = "INSUFFICIENT_PERMISSION";
    reader.post("/organization/update", &update).await.refused(403, short);
    reader.post("/organization/delete", &named).await.refused(403, short);
    app.key(&["users.read"]).await.post("/organization/list", &json!({})).await.refused(403, short);

    let bound = json!({ "name": "one's", "organizationId": one["id"],
        "permissions": ["organizations.read", "organizations.write"] });
    let bound = operator.post("/api-key/create", &bound).await.ok();
    let bound = app.bearer(bound["key"].as_str().unwrap());
    bound.post("/organization/update", &update).await.ok();
    bound.post("/organization/get-full-organization", &json!({ "organizationSlug": "one" })).await.ok();
    for (path, form) in [
        ("get-full-organization", &foreign),
        ("list-members", &foreign),
        ("list-invitations", &foreign),
        ("delete", &foreign),
        ("get-full-organization", &json!({ "organizationSlug": "other" })),
        ("list", &json!({})),
        ("create", &json!({ "name": "x", "slug": "third" })),
    ] {
        bound.post(&format!("/organization/{path}"), form).await.refused(403, short);
    }
    let invite = json!({ "organizationId": other["id"], "email": "jane@example.com", "role": "member" });
    let invitation = operator.post("/organization/invite-member", &invite).await.ok();
    bound
        .post("/organization/cancel-invitation", &json!({ "invitationId": invitation["id"] }))
        .await
        .refused(403, short);

    // What a client library nests or misspells is told, not obeyed.
    for wrong in [json!({ "organizationId": named }), json!({ "organizationId": [one["id"]] }), json!({})] {
        operator.post("/organization/delete", &wrong).await.refused(400, "VALIDATION_ERROR");
    }
    let project = json!({ "organizationId": one["id"], "projectId": "proj_01JM0000000000000000000001" });
    operator.post("/organization/delete", &project).await.refused(403, "PROJECT_SCOPE_MISMATCH");
    let bad = app.bearer("sk_live_0123456789abcdefghijklmnopqrstuvwxyz");
    for path in ["list", "create", "delete", "add-member", "accept-invitation"] {
        bad.post(&format!("/organization/{path}"), &named).await.refused(401, "INVALID_API_KEY");
    }
    // What only a user can do is not a key's.
    let nobody = json!({ "organizationId": one["id"], "invitationId": invitation["id"] });
    for path in ["set-active", "leave", "accept-invitation", "reject-invitation"] {
        operator.post(&format!("/organization/{path}"), &nobody).await.refused(401, "UNAUTHORIZED");
    }
    assert_eq!(app.types().await.iter().filter(|event| event.starts_with("OrganizationDeleted")).count(), 0);
}
