//! Organizations by a session: made, chosen, led, left; and an upgrade that keeps them (CONTRACT 2.3, 6).

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, PASSWORD};

async fn app() -> App {
    App::with(&[KEY, ("dev", "on"), ("rate_limits", "off")]).await
}

async fn create(caller: &Client, slug: &str) -> Value {
    caller.post("/organization/create", &json!({ "name": "Acme", "slug": slug })).await.ok()
}

#[tokio::test]
async fn who_makes_one_owns_it_and_works_in_it() {
    let app = app().await;
    let guest = app.browser();
    let arrived = guest.arrive().await;
    let made = create(&guest, "acme").await;
    assert_eq!(
        (&made["name"], &made["slug"], &made["logo"], &made["metadata"]),
        (&json!("Acme"), &json!("acme"), &json!(null), &json!({}))
    );
    assert_eq!((&made["members"][0]["userId"], &made["members"][0]["role"]), (&arrived["user"]["id"], &json!("owner")));
    assert_eq!(guest.session().await["session"]["activeOrganizationId"], made["id"]);
    let other = guest
        .post("/organization/create", &json!({ "name": "B", "slug": "b", "keepCurrentActiveOrganization": true }))
        .await
        .ok();
    assert_eq!(guest.session().await["session"]["activeOrganizationId"], made["id"]);
    let listed = guest.get("/organization/list").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed, guest.post("/organization/list", &json!({})).await.ok());
    let chosen = guest.post("/organization/set-active", &json!({ "organizationSlug": "B" })).await.ok();
    assert_eq!(chosen["id"], other["id"]);
    assert_eq!(
        guest.get("/organization/get-full-organization").await.ok()["members"][0]["user"]["id"],
        arrived["user"]["id"]
    );
    assert_eq!(guest.get("/organization/get-active-member-role").await.ok(), json!({ "role": "owner" }));
    assert_eq!(guest.post("/organization/set-active", &json!({ "organizationId": null })).await.ok(), json!(null));
    assert_eq!(guest.get("/organization/get-full-organization").await.ok(), json!(null));
    guest.get("/organization/get-active-member").await.refused(400, "NO_ACTIVE_ORGANIZATION");
    assert!(!app.everything().await.contains("Acme"), "nothing that was typed stands in the log");
}

#[tokio::test]
async fn a_slug_is_one_organizations_however_it_is_spelled() {
    let app = app().await;
    let (one, other) = (app.browser(), app.browser());
    one.arrive().await;
    other.arrive().await;
    let id = create(&one, "acme").await["id"].clone();
    let taken = json!({ "name": "x", "slug": " ACME " });
    other.post("/organization/create", &taken).await.refused(400, "ORGANIZATION_ALREADY_EXISTS");
    other.post("/organization/check-slug", &taken).await.refused(400, "ORGANIZATION_ALREADY_EXISTS");
    assert_eq!(
        other.post("/organization/check-slug", &json!({ "slug": "free" })).await.ok(),
        json!({ "status": true })
    );
    let update = json!({ "organizationId": id, "data": { "slug": "other", "name": "New", "metadata": { "a": 1 } } });
    let updated = one.post("/organization/update", &update).await.ok();
    assert_eq!(
        (&updated["slug"], &updated["name"], &updated["metadata"]),
        (&json!("other"), &json!("New"), &json!({ "a": 1 }))
    );
    create(&other, "acme").await;
    other.post("/organization/update", &update).await.refused(403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION");
    // What can't stand in a URL is none.
    for slug in ["bad slug/../", "a/b", "..", "a?b", " "] {
        for call in ["create", "check-slug"] {
            let asked = json!({ "name": "x", "slug": slug });
            let refused = one.post(&format!("/organization/{call}"), &asked).await.refused(400, "VALIDATION_ERROR");
            assert_eq!(refused["errors"][0]["field"], "slug", "{call} {slug:?}");
        }
    }
    let race = json!({ "name": "r", "slug": "race", "keepCurrentActiveOrganization": true });
    let racers = (0..8).map(|_| async { one.post("/organization/create", &race).await });
    let raced = futures_util::future::join_all(racers).await;
    assert_eq!(raced.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn an_upgrade_keeps_memberships_and_the_active_organization() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let made = create(&browser, "acme").await;
    let before = browser.get("/organization/list-members").await.ok();
    let old = app.bearer(guest["token"].as_str().unwrap());
    let member = browser.upgrade("jane@example.com").await;
    assert_eq!(member["session"]["activeOrganizationId"], made["id"]);
    let after = browser.get("/organization/list-members").await.ok();
    for field in ["id", "role", "userId", "createdAt", "updatedAt"] {
        assert_eq!(before["members"][0][field], after["members"][0][field], "{field}");
    }
    assert_eq!((&after["total"], &after["members"][0]["user"]["email"]), (&json!(1), &json!("jane@example.com")));
    // The token of before reads for a while, and is told nobody's address.
    let seen = old.get("/organization/list-members").await.ok();
    assert_eq!(seen["members"][0]["user"]["email"], json!(null));
    old.post("/organization/set-active", &json!({ "organizationId": null })).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_only_owner_stays_and_a_stranger_does_nothing() {
    let app = app().await;
    let (owner, stranger) = (app.browser(), app.browser());
    owner.arrive().await;
    stranger.arrive().await;
    let made = create(&owner, "acme").await;
    let (id, member) = (json!({ "organizationId": made["id"] }), made["members"][0]["id"].clone());
    let only = "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER";
    owner.post("/organization/leave", &id).await.refused(400, only);
    owner.post("/organization/remove-member", &json!({ "memberIdOrEmail": member })).await.refused(400, only);
    let down = json!({ "memberId": member, "role": "admin", "organizationId": made["id"] });
    owner.post("/organization/update-member-role", &down).await.refused(400, only);
    let king = json!({ "memberId": member, "role": "king" });
    owner.post("/organization/update-member-role", &king).await.refused(400, "ROLE_NOT_FOUND");
    let not = "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION";
    for path in ["leave", "delete", "set-active", "get-full-organization", "list-members"] {
        stranger.post(&format!("/organization/{path}"), &id).await.refused(403, not);
    }
    stranger.post("/organization/update-member-role", &down).await.refused(403, not);
    let nobodys = json!({ "organizationId": "org_x" });
    stranger.post("/organization/set-active", &nobodys).await.refused(400, "ORGANIZATION_NOT_FOUND");
    app.program().get("/organization/list").await.refused(401, "UNAUTHORIZED");
    let may = json!({ "permissions": { "organization": ["delete"], "member": ["create"] } });
    assert_eq!(owner.post("/organization/has-permission", &may).await.ok(), json!({ "error": null, "success": true }));
    assert_eq!(owner.post("/organization/delete", &id).await.ok()["id"], made["id"]);
    assert_eq!(owner.session().await["session"]["activeOrganizationId"], json!(null));
    create(&stranger, "acme").await;
}

#[tokio::test]
async fn a_guest_makes_five_and_one_who_goes_leaves_nothing_behind() {
    let app = app().await;
    let guest = app.browser();
    guest.arrive().await;
    for number in 0..5 {
        create(&guest, &format!("o{number}")).await;
    }
    let sixth = json!({ "name": "x", "slug": "o5" });
    let many = "YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS";
    guest.post("/organization/create", &sixth).await.refused(403, many);
    guest.post("/delete-anonymous-user", &json!({})).await.ok();
    let types = app.types().await;
    assert_eq!(types.iter().filter(|event_type| *event_type == "OrganizationDeleted").count(), 5);
    let other = app.browser();
    other.arrive().await;
    create(&other, "o0").await;

    let off = App::with(&[("guests.create_organizations", "off"), ("rate_limits", "off")]).await;
    let guest = off.browser();
    guest.arrive().await;
    guest.post("/organization/create", &sixth).await.refused(400, "USER_IS_ANONYMOUS");
}

/// CONTRACT 2.3, 6: whatever a guest becomes a member by, what it belongs to, is and has said stays.
#[tokio::test]
async fn every_upgrade_keeps_membership_role_and_metadata() {
    let app = app().await;
    let owner = app.browser();
    owner.arrive().await;
    let made = create(&owner, "acme").await;
    for way in ["password", "magic link", "code"] {
        let email = format!("{}@example.com", way.replace(' ', "-"));
        let browser = app.browser();
        let guest = browser.arrive().await;
        let add = json!({ "organizationId": made["id"], "userId": guest["user"]["id"], "role": "admin" });
        let member = app.operator().post("/organization/add-member", &add).await.ok();
        browser.post("/organization/set-active", &json!({ "organizationId": made["id"] })).await.ok();
        browser.post("/update-user", &json!({ "metadata": { "cart": [1, 2] } })).await.ok();
        let app_metadata = json!({ "userId": guest["user"]["id"], "appMetadata": { "cohort": "b" } });
        app.operator().post("/admin/update-user", &app_metadata).await.ok();
        let before = browser.get("/organization/get-active-member").await.ok();
        assert_eq!(before["id"], member["id"]);
        match way {
            "password" => {
                browser.post("/anonymous/upgrade", &json!({ "email": email, "password": PASSWORD })).await.ok();
            }
            "magic link" => {
                browser.post("/sign-in/magic-link", &json!({ "email": email })).await.ok();
                let token = app.mail(&email).await["token"].as_str().unwrap().to_owned();
                browser.get(&format!("/magic-link/verify?token={token}")).await.ok();
            }
            _ => {
                let asked = json!({ "email": email, "type": "sign-in" });
                browser.post("/email-otp/send-verification-otp", &asked).await.ok();
                let otp = app.mail(&email).await["otp"].clone();
                browser.post("/sign-in/email-otp", &json!({ "email": email, "otp": otp })).await.ok();
            }
        }
        let now = browser.session().await;
        assert_eq!((&now["user"]["id"], &now["user"]["isAnonymous"]), (&guest["user"]["id"], &json!(false)), "{way}");
        assert_eq!(now["session"]["activeOrganizationId"], made["id"], "{way}");
        assert_eq!(now["user"]["metadata"], json!({ "cart": [1, 2] }), "{way}");
        assert_eq!(now["user"]["appMetadata"], json!({ "cohort": "b" }), "{way}");
        assert_eq!(browser.get("/organization/get-active-member").await.ok(), before, "{way}");
    }
}

/// CONTRACT 6: no organization is left ownerless by somebody who goes.
#[tokio::test]
async fn the_last_owner_who_goes_is_succeeded_or_the_organization_is_held() {
    let app = app().await;
    let (owner, admin, plain) = (app.browser(), app.browser(), app.browser());
    owner.arrive().await;
    let made = create(&owner, "acme").await;
    for (browser, role) in [(&plain, "member"), (&admin, "admin")] {
        let user = browser.arrive().await["user"]["id"].clone();
        let add = json!({ "organizationId": made["id"], "userId": user, "role": role });
        app.operator().post("/organization/add-member", &add).await.ok();
    }
    let path = format!("/organization/get-active-member-role?organizationId={}", made["id"].as_str().unwrap());
    owner.post("/delete-anonymous-user", &json!({})).await.ok();
    assert_eq!(admin.get(&path).await.ok()["role"], "owner");
    admin.post("/delete-anonymous-user", &json!({})).await.ok();
    assert_eq!(plain.get(&path).await.ok()["role"], "member", "nobody is made an owner who led nothing");
    assert_eq!(app.types().await.iter().filter(|event| *event == "OrganizationHeld").count(), 1);
    let own = plain.session().await["user"]["id"].clone();
    let role = json!({ "organizationId": made["id"], "memberIdOrUserId": own, "role": "owner" });
    plain
        .post("/organization/update-member-role", &role)
        .await
        .refused(403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER");
    app.operator().post("/organization/update-member-role", &role).await.ok();
    assert_eq!(plain.get(&path).await.ok()["role"], "owner");
}
