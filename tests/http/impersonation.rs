//! Acting as a user: for an hour, seen in the log, and no way to get at the account.

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, DONT_REMEMBER, KEY, PASSWORD, SESSION, Tweak, almost, hours};

const ADMIN: &str = "better-auth.admin_session";
const JANE: &str = "jane@example.com";

struct Cast {
    app: App,
    admin: Client,
    /// Of the administrator.
    id: Value,
    jane: Value,
}

async fn cast() -> Cast {
    cast_with(&[]).await
}

async fn cast_with(tweaks: &[Tweak<'_>]) -> Cast {
    let app = App::with(&[&[KEY, ("dev", "on")], tweaks].concat()).await;
    let admin = app.admin("ada@example.com").await;
    let id = admin.session().await["user"]["id"].clone();
    let jane = app.browser().sign_up(JANE).await;
    Cast { app, admin, id, jane }
}

async fn act(admin: &Client, user: &Value) -> Value {
    admin.post("/admin/impersonate-user", &json!({ "userId": user["user"]["id"] })).await.ok()
}

#[tokio::test]
async fn an_administrator_acts_as_a_user_for_an_hour_and_is_themselves_again() {
    let Cast { app, admin, id, jane } = cast().await;
    let own = admin.session().await;
    let answer = admin.post("/admin/impersonate-user", &json!({ "userId": jane["user"]["id"] })).await;
    let acting = answer.ok();
    assert_eq!((&acting["user"]["id"], &acting["session"]["impersonatedBy"]), (&jane["user"]["id"], &id));
    assert_eq!(acting["session"]["expiresAt"], app.date(hours(1)));
    let kept = answer.cookie(ADMIN).unwrap();
    assert!(kept.has("HttpOnly") && kept.has("Path=/") && kept.has("SameSite=Lax") && kept.max_age() == Some(604_800));
    assert_eq!(answer.cookie(SESSION).unwrap().max_age(), None);
    assert!(answer.cookie(DONT_REMEMBER).is_some() && answer.cookie("better-auth.claim").is_none());

    let read = admin.session().await;
    assert_eq!((&read["user"]["id"], &read["session"]["impersonatedBy"]), (&jane["user"]["id"], &id));
    let claims = super::token::claims(admin.get("/token").await.ok()["token"].as_str().unwrap());
    assert_eq!(
        (&claims["sub"], &claims["act"], &claims["amr"]),
        (&jane["user"]["id"], &json!({ "sub": id }), &json!([]))
    );
    // Whoever acts as a user is no administrator.
    admin.get("/api-key/list").await.refused(403, "FORBIDDEN");
    admin
        .post("/admin/impersonate-user", &json!({ "userId": id }))
        .await
        .refused(403, "YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS");
    // The user sees it.
    let sessions = app.browser();
    sessions.sign_in(JANE).await;
    let listed = sessions.get("/list-sessions").await.ok();
    assert_eq!(listed.as_array().unwrap().iter().filter(|session| session["impersonatedBy"] == id).count(), 1);

    let answer = admin.post("/admin/stop-impersonating", &json!({})).await;
    let back = answer.ok();
    assert_eq!((&back["user"]["id"], &back["session"]["id"]), (&id, &own["session"]["id"]));
    answer.deletes(ADMIN);
    answer.deletes(DONT_REMEMBER);
    assert_eq!(admin.session().await["session"]["id"], own["session"]["id"]);
    admin.post("/admin/stop-impersonating", &json!({})).await.refused(400, "NOT_IMPERSONATING");
    assert_eq!(app.bearer(acting["session"]["token"].as_str().unwrap()).session().await, Value::Null);
    app.program().post("/admin/stop-impersonating", &json!({})).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn every_event_names_who_it_really_was() {
    let Cast { app, admin, id, jane } = cast().await;
    act(&admin, &jane).await;
    admin.post("/update-user", &json!({ "name": "Changed" })).await.ok();
    let actors = app.actors().await;
    let (_, kind, actor, impersonator) = actors.iter().rev().find(|(event, ..)| event == "ProfileUpdated").unwrap();
    assert_eq!(
        (kind.as_str(), actor.as_deref(), impersonator.as_deref()),
        ("user", jane["user"]["id"].as_str(), id.as_str())
    );
    let (_, kind, actor, _) = actors.iter().rev().find(|(event, ..)| event == "SessionStarted").unwrap();
    assert_eq!((kind.as_str(), actor.as_deref()), ("admin", id.as_str()));
}

#[tokio::test]
async fn it_is_no_way_to_get_at_the_account() {
    let Cast { app, admin, jane, .. } = cast_with(&[("rate_limits", "off")]).await;
    let guest_browser = app.browser();
    let guest = guest_browser.arrive().await;
    let password = json!({ "email": "x@example.com", "password": PASSWORD, "name": "X" });
    for user in [&jane, &guest] {
        let acting = act(&admin, user).await;
        let bearer = app.bearer(acting["session"]["token"].as_str().unwrap());
        let head = app.head().await;
        for caller in [&admin, &bearer] {
            for (path, form) in [
                ("/anonymous/upgrade", password.clone()),
                ("/anonymous/upgrade-with-social", json!({ "provider": "google" })),
                ("/anonymous/transfer", json!({ "ticket": "x" })),
                ("/anonymous/recovery", json!({})),
                ("/delete-anonymous-user", json!({})),
                ("/delete-user", json!({ "password": PASSWORD })),
                ("/sign-up/email", password.clone()),
                ("/sign-in/email", json!({ "email": JANE, "password": PASSWORD })),
                ("/sign-in/magic-link", json!({ "email": "x@example.com" })),
                ("/sign-in/email-otp", json!({ "email": "x@example.com" })),
                ("/link-social", json!({ "provider": "google" })),
                ("/unlink-account", json!({ "providerId": "credential" })),
                ("/change-email", json!({ "newEmail": "x@example.com" })),
                ("/change-password", json!({ "currentPassword": PASSWORD, "newPassword": "another good one" })),
                ("/set-password", json!({ "newPassword": "another good one" })),
            ] {
                caller.post(path, &form).await.says(
                    403,
                    "IMPERSONATION_NOT_ALLOWED",
                    "Not allowed while impersonating",
                );
            }
        }
        assert_eq!(app.head().await, head);
        // Nor is it the user who was there.
        assert_eq!(admin.get("/get-session").await.status, 200);
        assert_eq!(app.head().await, head, "no activity of the user's");
        admin.post("/admin/stop-impersonating", &json!({})).await.ok();
    }
    // A guest's browser goes on as it was.
    assert_eq!(guest_browser.session().await["user"]["id"], guest["user"]["id"]);
}

#[tokio::test]
async fn the_hour_is_not_made_longer_and_afterwards_the_way_back_is_open() {
    let Cast { app, admin, id, jane } = cast().await;
    act(&admin, &jane).await;
    app.pass(almost(hours(1)));
    assert_eq!(admin.session().await["user"]["id"], jane["user"]["id"]);
    let late = admin.fork();
    app.pass(A_MILLISECOND);
    assert_eq!(late.post("/admin/stop-impersonating", &json!({})).await.ok()["user"]["id"], id);
    assert_eq!(admin.session().await, Value::Null);
}

#[tokio::test]
async fn it_ends_with_the_administrators_own_session_and_with_the_role() {
    for end in ["session", "role", "ban"] {
        let Cast { app, admin, id, jane } = cast().await;
        act(&admin, &jane).await;
        assert_eq!(admin.session().await["user"]["id"], jane["user"]["id"]);
        let (path, form) = match end {
            "session" => ("/admin/revoke-user-sessions", json!({ "userId": id })),
            "role" => ("/admin/set-role", json!({ "userId": id, "role": "user" })),
            _ => ("/admin/ban-user", json!({ "userId": id })),
        };
        app.operator().post(path, &form).await.ok();
        assert_eq!(admin.session().await, Value::Null, "{end}");
        admin.post("/update-user", &json!({ "name": "x" })).await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn signing_out_leaves_the_browser_altogether() {
    let Cast { app, admin, jane, .. } = cast().await;
    let own = admin.session().await["session"]["token"].as_str().unwrap().to_owned();
    act(&admin, &jane).await;
    let answer = admin.post("/sign-out", &json!({})).await;
    answer.ok();
    answer.deletes(ADMIN);
    assert_eq!(admin.session().await, Value::Null);
    assert_eq!(app.bearer(&own).session().await, Value::Null, "the administrator's own session is over too");
}

#[tokio::test]
async fn nobody_acts_as_an_administrator_or_as_somebody_who_is_out() {
    let Cast { app, admin, id, jane } = cast().await;
    let refused = async |user: &Value, status: u16, code: &str| {
        admin.post("/admin/impersonate-user", &json!({ "userId": user })).await.refused(status, code);
    };
    refused(&id, 403, "YOU_CANNOT_IMPERSONATE_ADMINS").await;
    app.operator().post("/admin/ban-user", &json!({ "userId": jane["user"]["id"] })).await.ok();
    refused(&jane["user"]["id"], 403, "BANNED_USER").await;
    refused(&json!("usr_01JM0000000000000000000001"), 404, "USER_NOT_FOUND").await;
    let member = app.browser();
    member.sign_up("joe@example.com").await;
    member
        .post("/admin/impersonate-user", &json!({ "userId": id }))
        .await
        .refused(403, "YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS");
}

#[tokio::test]
async fn by_key_the_token_is_in_the_answer_and_ends_with_the_key() {
    let Cast { app, jane, .. } = cast().await;
    let made = app
        .operator()
        .post("/api-key/create", &json!({ "name": "support", "permissions": ["users.impersonate"] }))
        .await
        .ok();
    let key = app.bearer(made["key"].as_str().unwrap());
    let answer = key.post("/admin/impersonate-user", &json!({ "userId": jane["user"]["id"] })).await;
    assert_eq!(answer.cookies(), []);
    let acting = answer.ok();
    assert_eq!(acting["session"]["impersonatedBy"], made["id"]);
    let bearer = app.bearer(acting["session"]["token"].as_str().unwrap());
    assert_eq!(bearer.session().await["user"]["id"], jane["user"]["id"]);
    // Another time ends the one before.
    let again = act(&key, &jane).await;
    assert_eq!(bearer.session().await, Value::Null);
    let bearer = app.bearer(again["session"]["token"].as_str().unwrap());
    app.operator().post("/api-key/delete", &json!({ "keyId": made["id"] })).await.ok();
    assert_eq!(bearer.session().await, Value::Null);
    let third = act(&app.operator(), &jane).await;
    let bearer = app.bearer(third["session"]["token"].as_str().unwrap());
    assert_eq!(
        bearer.post("/admin/stop-impersonating", &json!({})).await.ok(),
        json!({ "session": null, "user": null })
    );
    assert_eq!(bearer.session().await, Value::Null);
}

#[tokio::test]
async fn a_planted_cookie_leads_nowhere() {
    let Cast { app, admin, jane, .. } = cast().await;
    let other = app.browser();
    let joe = other.sign_up("joe@example.com").await;
    act(&admin, &jane).await;
    // What was signed for another purpose, and an administrator's cookie in a browser that acts as nobody.
    let kept = admin.cookie(ADMIN).unwrap();
    other.plant(ADMIN, &kept);
    other.post("/admin/stop-impersonating", &json!({})).await.refused(400, "NOT_IMPERSONATING");
    assert_eq!(other.session().await["user"]["id"], joe["user"]["id"]);
    admin.plant(ADMIN, &other.cookie(SESSION).unwrap());
    assert_eq!(admin.post("/admin/stop-impersonating", &json!({})).await.ok()["user"], Value::Null);
    assert_eq!(admin.session().await, Value::Null);
}
