//! Users one by one, by key and in an administrator's session (CONTRACT 7.2).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, KEY, PASSWORD, days, seconds};

async fn app() -> App {
    App::with(&[KEY, ("dev", "on"), ("admin.roles", "editor,support")]).await
}

fn id(answer: &Value) -> Value {
    answer["user"]["id"].clone()
}

async fn user_of(app: &App, user: &Value) -> Value {
    app.operator().post("/admin/get-user", &json!({ "userId": user })).await.ok()
}

#[tokio::test]
async fn a_user_is_read_in_both_forms_and_not_by_everybody() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let guest = app.browser().arrive().await;
    let mut expected = guest["user"].clone();
    expected["lastActiveAt"] = app.date(seconds(0));
    assert_eq!(user_of(&app, &guest["user"]["id"]).await, expected);
    let by_plugin = format!("/admin/get-user?id={}", guest["user"]["id"].as_str().unwrap());
    assert_eq!(admin.get(&by_plugin).await.ok(), expected);
    assert_eq!(admin.post("/admin/get-user", &json!({ "userId": guest["user"]["id"] })).await.ok(), expected);

    let member = app.browser();
    member.sign_up("jane@example.com").await;
    for (caller, status, code) in [
        (&app.program(), 401, "UNAUTHORIZED"),
        (&member, 403, "YOU_ARE_NOT_ALLOWED_TO_GET_USER"),
        (&app.key(&["users.write"]).await, 403, "INSUFFICIENT_PERMISSION"),
    ] {
        caller.get(&by_plugin).await.refused(status, code);
        caller.post("/admin/get-user", &json!({ "userId": guest["user"]["id"] })).await.refused(status, code);
        // Who may not ask is not told what is wrong with the question.
        caller.get("/admin/get-user").await.refused(status, code);
    }
    for unknown in ["usr_01JM0000000000000000000001", "", "jane"] {
        admin.get(&format!("/admin/get-user?id={unknown}")).await.says(404, "USER_NOT_FOUND", "User not found");
    }
    // What an administrator is told that no page may: a GET is as good as any, so it must come from a trusted one.
    admin.never("origin").post("/admin/get-user", &json!({})).await.refused(403, "MISSING_OR_NULL_ORIGIN");
}

#[tokio::test]
async fn a_member_is_made_in_both_forms() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let asked = json!({ "email": "Jane@Example.com ", "password": PASSWORD, "name": "Jane", "role": ["editor", "user"],
        "emailVerified": true, "metadata": { "a": 1 }, "appMetadata": { "plan": "pro" }, "image": "https://img.example/1" });
    let made = app.operator().post("/admin/create-user", &asked).await.ok();
    let user = &made["user"];
    for (field, value) in [
        ("email", json!("jane@example.com")),
        ("name", json!("Jane")),
        ("image", json!("https://img.example/1")),
        ("role", json!("editor,user")),
        ("emailVerified", json!(true)),
        ("isAnonymous", json!(false)),
        ("metadata", json!({ "a": 1 })),
        ("appMetadata", json!({ "plan": "pro" })),
    ] {
        assert_eq!(user[field], value, "{field}");
    }
    assert_eq!(app.browser().sign_in("jane@example.com").await["user"]["id"], user["id"]);

    let by_plugin =
        json!({ "email": "joe@example.com", "name": "Joe", "role": "user", "data": { "metadata": { "b": 2 } } });
    let joe = admin.post("/admin/create-user", &by_plugin).await.ok();
    assert_eq!((&joe["user"]["metadata"], &joe["user"]["emailVerified"]), (&json!({ "b": 2 }), &json!(false)));
    app.program()
        .post("/sign-in/email", &json!({ "email": "joe@example.com", "password": PASSWORD }))
        .await
        .refused(401, "INVALID_EMAIL_OR_PASSWORD");

    app.operator().post("/admin/create-user", &asked).await.refused(409, "USER_ALREADY_EXISTS");
    admin.post("/admin/create-user", &asked).await.says(
        400,
        "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
        "User already exists. Use another email.",
    );
    for (change, code) in [
        (json!({ "email": "nonsense" }), "VALIDATION_ERROR"),
        (json!({ "password": "short" }), "PASSWORD_TOO_SHORT"),
        (json!({ "role": "root" }), "YOU_ARE_NOT_ALLOWED_TO_SET_NON_EXISTENT_VALUE"),
        (json!({ "role": ["admin", 1] }), "VALIDATION_ERROR"),
        (json!({ "name": null }), "VALIDATION_ERROR"),
        (json!({ "isAnonymous": true }), "VALIDATION_ERROR"),
        (json!({ "appMetadata": { "x": "y".repeat(4096) } }), "VALIDATION_ERROR"),
        (json!({ "data": { "id": "usr_1" } }), "VALIDATION_ERROR"),
        (json!({ "data": [] }), "VALIDATION_ERROR"),
    ] {
        let mut form = json!({ "email": "new@example.com", "name": "New" });
        form.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        app.operator().post("/admin/create-user", &form).await.refused(400, code);
    }
}

#[tokio::test]
async fn a_user_is_changed_in_both_forms() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    let change = async |caller: &Client, change: Value| {
        let mut form = json!({ "userId": jane["user"]["id"] });
        form.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        caller.post("/admin/update-user", &form).await
    };
    let first = change(
        &app.operator(),
        json!({ "name": "Janet", "metadata": { "a": 1, "b": 2 }, "appMetadata": { "plan": "pro", "seats": 3 } }),
    )
    .await
    .ok();
    assert_eq!((&first["name"], &first["id"]), (&json!("Janet"), &jane["user"]["id"]));
    let second = change(&admin, json!({ "data": { "image": "https://img.example/2", "metadata": { "a": null, "c": 3 }, "appMetadata": { "seats": null } } })).await.ok();
    assert_eq!((&second["metadata"], &second["appMetadata"]), (&json!({ "b": 2, "c": 3 }), &json!({ "plan": "pro" })));
    assert_eq!(browser.session().await["user"]["appMetadata"], json!({ "plan": "pro" }));
    assert_eq!(change(&admin, json!({ "data": { "image": null } })).await.ok()["image"], Value::Null);

    change(&admin, json!({ "data": {} })).await.refused(400, "NO_DATA_TO_UPDATE");
    change(&admin, json!({})).await.refused(400, "NO_DATA_TO_UPDATE");
    change(&admin, json!({ "data": { "password": PASSWORD } }))
        .await
        .refused(400, "PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER");
    for wrong in [
        json!({ "email": "x@example.com" }),
        json!({ "banned": true }),
        json!({ "appMetadata": [] }),
        json!({ "appMetadata": { "__proto__": {} } }),
        json!({ "appMetadata": { "x": "y".repeat(4096) } }),
    ] {
        change(&app.operator(), wrong.clone()).await.refused(400, "VALIDATION_ERROR");
    }
    // The user has no say in it.
    browser.post("/update-user", &json!({ "appMetadata": { "plan": "free" } })).await.refused(400, "FIELD_NOT_ALLOWED");
}

#[tokio::test]
async fn what_the_app_says_of_a_guest_survives_the_upgrade_and_stands_in_tokens() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let form = json!({ "userId": guest["user"]["id"], "appMetadata": { "cohort": "b" } });
    app.operator().post("/admin/update-user", &form).await.ok();
    let member = browser.upgrade("jane@example.com").await;
    assert_eq!(member["user"]["appMetadata"], json!({ "cohort": "b" }));
    let token = browser.get("/token").await.ok()["token"].as_str().unwrap().to_owned();
    let claims = super::token::claims(&token);
    assert_eq!((&claims["appMetadata"], claims.get("metadata")), (&json!({ "cohort": "b" }), None));
    assert!(!app.everything().await.contains("cohort"), "sealed like all that is said of a person");
}

#[tokio::test]
async fn an_administrator_says_whether_an_address_is_read() {
    let app = app().await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    let say = async |verified: bool| {
        let form = json!({ "userId": jane["user"]["id"], "emailVerified": verified });
        app.operator().post("/admin/update-user", &form).await.ok()["emailVerified"].clone()
    };
    assert_eq!((say(true).await, say(true).await, say(false).await), (json!(true), json!(true), json!(false)));
    assert_eq!(browser.session().await["user"]["emailVerified"], false);
    let guest = app.browser().arrive().await;
    let form = json!({ "userId": guest["user"]["id"], "emailVerified": true });
    app.operator().post("/admin/update-user", &form).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_password_that_is_given_leads_in_and_ends_what_was() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    let give = |user: &Value, password: &str| json!({ "userId": user, "newPassword": password });
    let user = &jane["user"]["id"];
    admin.post("/admin/set-user-password", &give(user, "short")).await.refused(400, "PASSWORD_TOO_SHORT");
    assert_eq!(
        admin.post("/admin/set-user-password", &give(user, "another good one")).await.ok(),
        json!({ "status": true })
    );
    assert_eq!(browser.session().await, Value::Null);
    let form = |password: &str| json!({ "email": "jane@example.com", "password": password });
    browser.post("/sign-in/email", &form(PASSWORD)).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    browser.post("/sign-in/email", &form("another good one")).await.ok();
    assert!(app.mails("jane@example.com", 2).await.iter().any(|mail| mail["kind"] == "password-changed"));
    // By key the same call, and the other.
    let form = json!({ "userId": user, "password": "a third good one" });
    app.operator().post("/admin/update-user", &form).await.ok();
    assert_eq!(browser.session().await, Value::Null);
    let guest = app.browser().arrive().await;
    admin.post("/admin/set-user-password", &give(&guest["user"]["id"], PASSWORD)).await.says(
        400,
        "USER_IS_ANONYMOUS",
        "Upgrade this account first",
    );
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let (one, other) = (app.browser(), app.browser());
    let jane = one.sign_up("jane@example.com").await;
    app.pass(A_MILLISECOND);
    other.sign_in("jane@example.com").await;
    let form = json!({ "userId": jane["user"]["id"] });
    let listed = admin.post("/admin/list-user-sessions", &form).await.ok();
    assert_eq!((listed["sessions"].as_array().unwrap().len(), &listed["data"]), (2, &listed["sessions"]));
    for session in listed["data"].as_array().unwrap() {
        assert_eq!(session["token"], session["id"], "no secret is shown");
    }
    let last = listed["data"][1]["id"].clone();
    assert_eq!(last, jane["session"]["id"], "newest first");
    // As the plugin has it: what the list shows as the token.
    assert_eq!(
        admin.post("/admin/revoke-user-session", &json!({ "sessionToken": last })).await.ok(),
        json!({ "success": true })
    );
    assert_eq!(one.session().await, Value::Null);
    let token = other.session().await["session"]["token"].clone();
    app.operator().post("/admin/revoke-user-session", &json!({ "sessionToken": token })).await.ok();
    assert_eq!(other.session().await, Value::Null);

    other.sign_in("jane@example.com").await;
    app.operator().post("/admin/revoke-user-sessions", &form).await.ok();
    assert_eq!(other.session().await, Value::Null);
    for nothing in [json!({ "sessionId": "ses_01JM0000000000000000000001" }), json!({ "sessionToken": "x" })] {
        admin.post("/admin/revoke-user-session", &nothing).await.ok();
    }
    for wrong in
        [json!({}), json!({ "sessionId": last, "sessionToken": last }), json!({ "sessionId": { "sessionId": last } })]
    {
        admin.post("/admin/revoke-user-session", &wrong).await.refused(400, "VALIDATION_ERROR");
    }
    let reader = app.key(&["sessions.read"]).await;
    reader.post("/admin/list-user-sessions", &form).await.ok();
    reader.post("/admin/revoke-user-sessions", &form).await.refused(403, "INSUFFICIENT_PERMISSION");
}

#[tokio::test]
async fn a_user_is_removed_and_nobody_else_by_mistake() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    let guest = app.browser().arrive().await;
    let head = app.head().await;
    for wrong in [
        json!({ "userId": { "userId": id(&jane) } }),
        json!({ "userId": [id(&jane)] }),
        json!({ "userId": 1 }),
        json!({ "id": id(&jane) }),
        json!({ "userId": id(&jane), "filter": { "isAnonymous": true } }),
        json!({ "userId": id(&jane), "onlyIfAnonymous": "true" }),
        json!({}),
    ] {
        for caller in [&admin, &app.operator()] {
            caller.post("/admin/remove-user", &wrong).await.refused(400, "VALIDATION_ERROR");
        }
    }
    let safe = json!({ "userId": id(&jane), "onlyIfAnonymous": true });
    app.operator().post("/admin/remove-user", &safe).await.says(409, "USER_IS_NOT_ANONYMOUS", "User is not anonymous");
    let own = admin.session().await["user"]["id"].clone();
    admin.post("/admin/remove-user", &json!({ "userId": own })).await.refused(400, "YOU_CANNOT_REMOVE_YOURSELF");
    assert_eq!(app.types().await.iter().filter(|event| *event == "UserDeleted").count(), 0);
    assert!(app.head().await <= head + 1, "nothing but the use of the key was noted");

    // A key for guests alone.
    let cleaner = app.key(&["guests.delete"]).await;
    cleaner.post("/admin/remove-user", &json!({ "userId": id(&jane) })).await.refused(403, "INSUFFICIENT_PERMISSION");
    cleaner.post("/admin/get-user", &json!({ "userId": id(&jane) })).await.refused(403, "INSUFFICIENT_PERMISSION");
    assert_eq!(
        cleaner.post("/admin/remove-user", &json!({ "userId": id(&guest), "onlyIfAnonymous": true })).await.ok(),
        json!({ "success": true })
    );
    cleaner.post("/admin/remove-user", &json!({ "userId": id(&guest) })).await.refused(404, "USER_NOT_FOUND");

    admin.post("/admin/remove-user", &json!({ "userId": id(&jane) })).await.ok();
    assert_eq!(browser.session().await, Value::Null);
    browser.sign_up("jane@example.com").await;
}

#[tokio::test]
async fn a_key_removes_few_members_at_a_time_and_any_number_of_guests() {
    let app = app().await;
    let mut members = Vec::new();
    for number in 0..12 {
        let form = json!({ "email": format!("m{number}@example.com"), "name": "M" });
        members.push(id(&app.operator().post("/admin/create-user", &form).await.ok()));
    }
    let few = app.key(&["users.delete"]).await;
    let remove = async |key: &Client, user: &Value| key.post("/admin/remove-user", &json!({ "userId": user })).await;
    for member in &members[..10] {
        remove(&few, member).await.ok();
    }
    remove(&few, &members[10]).await.refused(429, "RATE_LIMITED");
    for _ in 0..12 {
        let guest = app.program().arrive().await;
        remove(&few, &guest["user"]["id"]).await.ok();
    }
    // Another key has a number of its own; one that is made for many has none.
    remove(&app.key(&["users.delete", "users.delete.bulk"]).await, &members[10]).await.ok();
    app.pass(seconds(600));
    remove(&few, &members[11]).await.ok();
}

/// The page's clean-up loop, as printed, through a client that drops the filter of the list and nests the id.
#[tokio::test]
async fn the_pages_own_clean_up_loop_deletes_no_member() {
    let app = app().await;
    let mut everybody = vec![app.browser().arrive().await["user"].clone()];
    for number in 0..5 {
        everybody.push(app.browser().sign_up(&format!("m{number}@example.com")).await["user"].clone());
    }
    app.pass(days(31));
    let delete_user =
        async |argument: Value| app.operator().post("/admin/remove-user", &json!({ "userId": argument })).await;
    for user in &everybody {
        delete_user(json!({ "userId": user["id"] })).await.refused(400, "VALIDATION_ERROR");
    }
    for user in &everybody {
        assert_eq!(user_of(&app, &user["id"]).await["id"], user["id"]);
    }
    // And as it works: by HTTP, for guests alone.
    let only_guests = async |user: &Value| {
        app.operator().post("/admin/remove-user", &json!({ "userId": user, "onlyIfAnonymous": true })).await.status
    };
    assert_eq!(only_guests(&everybody[0]["id"]).await, 200);
    assert_eq!(only_guests(&everybody[1]["id"]).await, 409);
}

#[tokio::test]
async fn nobody_gets_at_an_administrator_by_way_of_a_weaker_key() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let own = admin.session().await["user"]["id"].clone();
    let jane = app.browser().sign_up("jane@example.com").await;
    let weak = app
        .key(&[
            "users.read",
            "users.write",
            "users.credentials",
            "users.roles",
            "users.ban",
            "users.delete",
            "users.impersonate",
        ])
        .await;
    for (path, form) in [
        ("/admin/set-user-password", json!({ "userId": own, "newPassword": PASSWORD })),
        ("/admin/update-user", json!({ "userId": own, "emailVerified": true })),
        ("/admin/set-role", json!({ "userId": own, "role": "user" })),
        ("/admin/set-role", json!({ "userId": id(&jane), "role": "user,admin" })),
        ("/admin/update-user", json!({ "userId": id(&jane), "role": "admin" })),
        ("/admin/create-user", json!({ "email": "x@example.com", "name": "X", "role": "admin" })),
        ("/admin/ban-user", json!({ "userId": own })),
        ("/admin/remove-user", json!({ "userId": own })),
    ] {
        weak.post(path, &form).await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    weak.post("/admin/impersonate-user", &json!({ "userId": own })).await.refused(403, "YOU_CANNOT_IMPERSONATE_ADMINS");
    // Less than that it may.
    weak.post("/admin/set-role", &json!({ "userId": id(&jane), "role": "editor" })).await.ok();
    let writer = app.key(&["users.write"]).await;
    for form in [json!({ "role": "editor" }), json!({ "emailVerified": true }), json!({ "password": PASSWORD })] {
        let mut form = form;
        form["userId"] = id(&jane);
        writer.post("/admin/update-user", &form).await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    let verified = json!({ "email": "y@example.com", "name": "Y", "emailVerified": true });
    writer.post("/admin/create-user", &verified).await.refused(403, "INSUFFICIENT_PERMISSION");
}

#[tokio::test]
async fn keys_of_an_administrator_who_is_one_no_more_stop() {
    let app = app().await;
    for (email, end) in [
        ("a@example.com", json!({ "role": "user" })),
        ("b@example.com", json!({ "banReason": "left" })),
        ("c@example.com", json!({})),
    ] {
        let admin = app.admin(email).await;
        let made = admin.post("/api-key/create", &json!({ "name": "x" })).await.ok();
        let key = app.bearer(made["key"].as_str().unwrap());
        let own = admin.session().await["user"]["id"].clone();
        key.get("/api-key/list").await.ok();
        let path = match email {
            "a@example.com" => "/admin/set-role",
            "b@example.com" => "/admin/ban-user",
            _ => "/admin/remove-user",
        };
        let mut form = end;
        form["userId"] = own;
        app.operator().post(path, &form).await.ok();
        key.get("/api-key/list").await.refused(401, "INVALID_API_KEY");
        app.program()
            .get("/ok")
            .header("x-api-key", made["key"].as_str().unwrap())
            .await
            .refused(401, "INVALID_API_KEY");
    }
}

#[tokio::test]
async fn who_did_it_stands_in_the_log() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let own = admin.session().await["user"]["id"].as_str().unwrap().to_owned();
    let jane = app.browser().sign_up("jane@example.com").await;
    admin.post("/admin/ban-user", &json!({ "userId": id(&jane) })).await.ok();
    app.operator().post("/admin/unban-user", &json!({ "userId": id(&jane) })).await.ok();
    let actors = app.actors().await;
    let of = |event: &str| actors.iter().find(|(kind, ..)| kind == event).cloned().unwrap();
    assert_eq!(of("UserBanned").1, "admin");
    assert_eq!(of("UserBanned").2, Some(own));
    assert_eq!(
        (of("UserUnbanned").1, of("UserUnbanned").2),
        ("api_key".to_owned(), Some("key_00000000000000000000000000".to_owned()))
    );
}
