//! Roles: compared whole, given by administrators or by the configuration, and told to every session anew.

use serde_json::{Value, json};

use crate::support::{App, KEY, SESSION, seconds};

async fn app() -> App {
    App::with(&[KEY, ("dev", "on"), ("admin.roles", "editor,superadmin")]).await
}

#[tokio::test]
async fn an_administrator_gives_and_takes_roles() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    assert_eq!(jane["user"]["role"], "user");
    let set = async |role: Value| {
        let form = json!({ "userId": jane["user"]["id"], "role": role });
        admin.post("/admin/set-role", &form).await
    };
    assert_eq!(set(json!("editor")).await.ok()["user"]["role"], "editor");
    assert_eq!(set(json!(["user", "admin"])).await.ok()["user"]["role"], "user,admin");
    browser.get("/get-session").await.ok();
    browser.get("/api-key/list").await.ok();
    // Whoever is no administrator any more is none at once.
    for no_admin in ["superadmin", "user"] {
        assert_eq!(set(json!(no_admin)).await.ok()["user"]["role"], no_admin);
        browser.get("/api-key/list").await.refused(403, "FORBIDDEN");
    }
    for unknown in [json!("root"), json!("admin,root"), json!(""), json!([])] {
        set(unknown).await.says(
            400,
            "YOU_ARE_NOT_ALLOWED_TO_SET_NON_EXISTENT_VALUE",
            "You are not allowed to set a non-existent role value",
        );
    }
    set(json!({ "role": "admin" })).await.refused(400, "VALIDATION_ERROR");
    let guest = app.browser().arrive().await;
    let form = json!({ "userId": guest["user"]["id"], "role": "admin" });
    admin.post("/admin/set-role", &form).await.says(400, "USER_IS_ANONYMOUS", "Upgrade this account first");
    browser.post("/admin/set-role", &form).await.refused(403, "YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE");
}

#[tokio::test]
async fn a_role_change_gives_the_session_another_token_when_it_is_next_read() {
    let app = app().await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    browser.session().await;
    let old = browser.fork();
    let app_session = app.program().sign_in("jane@example.com").await;
    let bearer = app.bearer(app_session["token"].as_str().unwrap());
    app.operator().post("/admin/set-role", &json!({ "userId": jane["user"]["id"], "role": "editor" })).await.ok();
    // Other calls go on with the token there is.
    browser.post("/update-user", &json!({ "name": "Janet" })).await.ok();

    let answer = browser.get("/get-session").await;
    let read = answer.ok();
    assert_ne!(read["session"]["token"], jane["session"]["token"]);
    assert_eq!((&read["session"]["id"], &read["user"]["role"]), (&jane["session"]["id"], &json!("editor")));
    assert_eq!(answer.cookie(SESSION).unwrap().max_age(), Some(604_800));
    assert!(answer.header("set-auth-token").is_some() && answer.header("set-auth-jwt").is_some());
    // Once, and the old one reads for a minute more, and does nothing.
    assert_eq!(browser.get("/get-session").await.cookies(), []);
    assert_eq!(old.session().await["user"]["name"], Value::Null);
    old.post("/update-user", &json!({ "name": "x" })).await.refused(401, "UNAUTHORIZED");
    app.pass(seconds(61));
    assert_eq!(old.session().await, Value::Null);
    // Who holds the token by itself keeps it.
    assert_eq!(bearer.session().await["session"]["token"], app_session["token"]);
}

#[tokio::test]
async fn many_who_read_at_once_get_one_new_token() {
    let app = app().await;
    let browser = app.browser();
    let jane = browser.sign_up("jane@example.com").await;
    browser.session().await;
    app.operator().post("/admin/set-role", &json!({ "userId": jane["user"]["id"], "role": "editor" })).await.ok();
    let tabs: Vec<_> = (0..8).map(|_| browser.fork()).collect();
    let answers = futures_util::future::join_all(tabs.iter().map(|tab| tab.session())).await;
    let new: Vec<_> = answers.iter().filter(|read| read["session"]["token"] != jane["session"]["token"]).collect();
    assert_eq!(new.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|read| read["session"]["id"] == jane["session"]["id"]));
}

#[tokio::test]
async fn whom_the_configuration_names_administers_once_the_address_is_proven() {
    let app = App::with(&[("dev", "on"), ("admin.emails", "Root@Example.com, other@example.com")]).await;
    let browser = app.browser();
    browser.sign_up("root@example.com").await;
    assert_eq!(browser.session().await["user"]["role"], "user", "anybody may say that it is theirs");
    browser.get("/api-key/list").await.refused(403, "FORBIDDEN");
    let url = app.mail("root@example.com").await["url"].as_str().unwrap().to_owned();
    browser.at(crate::support::Method::GET, url.strip_prefix(app.origin()).unwrap()).await.ok();
    assert_eq!(browser.session().await["user"]["role"], "admin");
    browser.get("/api-key/list").await.ok();
    // By whichever proof.
    let other = app.browser();
    other.arrive().await;
    other
        .post("/email-otp/send-verification-otp", &json!({ "email": "other@example.com", "type": "sign-in" }))
        .await
        .ok();
    let otp = app.mail("other@example.com").await["otp"].clone();
    let member = other.post("/sign-in/email-otp", &json!({ "email": "other@example.com", "otp": otp })).await.ok();
    assert_eq!((&member["user"]["role"], &member["user"]["isAnonymous"]), (&json!("admin"), &json!(false)));
}

#[tokio::test]
async fn who_takes_an_unproven_administrators_account_over_gets_no_role() {
    let app = app().await;
    let setter = app.browser();
    let account = setter.sign_up("victim@example.com").await;
    app.operator().post("/admin/set-role", &json!({ "userId": account["user"]["id"], "role": "admin" })).await.ok();
    let reader = app.browser();
    reader
        .post("/email-otp/send-verification-otp", &json!({ "email": "victim@example.com", "type": "sign-in" }))
        .await
        .ok();
    let mails = app.mails("victim@example.com", 2).await;
    let otp = mails.iter().find_map(|mail| mail["otp"].as_str()).unwrap();
    let taken = reader.post("/sign-in/email-otp", &json!({ "email": "victim@example.com", "otp": otp })).await.ok();
    assert_eq!((&taken["reclaimed"], &taken["user"]["role"]), (&json!(true), &json!("user")));
}

#[tokio::test]
async fn whether_somebody_may_is_said_in_the_plugins_words() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let jane = app.browser();
    let member = jane.sign_up("jane@example.com").await;
    let ask = |more: Value| {
        let mut form = json!({ "permissions": { "user": ["ban"] } });
        form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        form
    };
    for (caller, form, success) in [
        (&admin, ask(json!({})), true),
        (&admin, ask(json!({ "role": "user" })), false),
        (&admin, ask(json!({ "userId": member["user"]["id"] })), false),
        (&admin, json!({ "permissions": { "user": ["fly"] } }), false),
        (&jane, ask(json!({})), false),
        (&jane, ask(json!({ "role": "admin" })), false),
        (&app.operator(), ask(json!({ "role": "admin" })), true),
        (&app.operator(), ask(json!({})), true),
        (&app.key(&["users.read"]).await, ask(json!({})), false),
    ] {
        assert_eq!(
            caller.post("/admin/has-permission", &form).await.ok(),
            json!({ "error": null, "success": success }),
            "{form}"
        );
    }
    app.program().post("/admin/has-permission", &ask(json!({}))).await.refused(401, "UNAUTHORIZED");
    admin.post("/admin/has-permission", &json!({})).await.refused(400, "VALIDATION_ERROR");
    admin.post("/admin/has-permission", &ask(json!({ "userId": "usr_1" }))).await.refused(404, "USER_NOT_FOUND");
}
