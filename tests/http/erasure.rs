//! Being erased, and being told that somebody was (CONTRACT 9).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, KEY, Method, hours, on_postgres};

const NAME: &str = "Quetzalcoatl Xochimilco";
const EMAIL: &str = "quetzalcoatl.xochimilco@example.com";
const IMAGE: &str = "https://images.example.com/popocatepetl-ixtaccihuatl.png";
const METADATA: &str = "tlaquepaque-tlaxcala";
const AGENT: &str = "Huitzilopochtli/7.1";
/// What takes longer does not come.
const OVERDUE: Duration = Duration::from_secs(20);

async fn app() -> App {
    App::with(&[KEY, ("rate_limits", "off"), ("dev", "on")]).await
}

/// A member who said a lot.
async fn member(app: &App, email: &str) -> String {
    let browser = app.browser().always("user-agent", AGENT);
    let form = json!({ "name": NAME, "email": email, "password": crate::support::PASSWORD, "image": IMAGE });
    let user = browser.post("/sign-up/email", &form).await.ok()["user"]["id"].as_str().unwrap().to_owned();
    let said = json!({ "metadata": { "from": METADATA } });
    browser.post("/update-user", &said).await.ok();
    app.mail(email).await;
    user
}

async fn erase(app: &App, user: &str) -> Value {
    app.operator().post("/admin/users/erase", &json!({ "userId": user })).await.ok()
}

#[tokio::test]
async fn a_member_is_erased_and_it_is_said_the_same_way_ever_after() {
    let app = app().await;
    let browser = app.browser();
    let user = browser.sign_up("jane@example.com").await["user"]["id"].as_str().unwrap().to_owned();
    let erased = erase(&app, &user).await;
    assert_eq!(browser.session().await, Value::Null);
    let event = app.last("UserDeleted").await;
    assert_eq!(erased["userId"], user);
    assert_eq!((&erased["reason"], &erased["wasAnonymous"]), (&json!("administrator"), &json!(false)));
    assert_eq!(erased["by"]["type"], "api_key");
    assert_eq!(
        (&erased["event"]["id"], &erased["event"]["position"]),
        (&json!(event.event_id), &json!(event.position))
    );
    let leaf: String = event.leaf().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(erased["event"]["leaf"], leaf);
    assert!(erased["personId"].as_str().unwrap().starts_with("per_"));
    // Address, hash, name, client.
    assert_eq!(erased["recordsDestroyed"], 4);
    assert_eq!(app.sealed().await, 1, "that of the key's name");

    let certificate = erased["certificate"].as_str().unwrap();
    let line = |name: &str, value: &Value| certificate.contains(&format!("\n{name} {}\n", value.as_str().unwrap()));
    assert!(line("user", &erased["userId"]) && line("person", &erased["personId"]), "{certificate}");
    assert!(line("erased", &erased["erasedAt"]) && line("event", &erased["event"]["id"]), "{certificate}");

    app.pass(hours(30));
    assert_eq!(erase(&app, &user).await, erased);
    let auditor = app.key(&["audit.read"]).await;
    let told = auditor.get(&format!("/admin/users/erasure?userId={user}")).await.ok();
    assert_eq!(told, erased);
    let sign_in = json!({ "email": "jane@example.com", "password": crate::support::PASSWORD });
    app.program().post("/sign-in/email", &sign_in).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    app.program().sign_up("jane@example.com").await;
}

#[tokio::test]
async fn a_certificate_is_checked_with_a_key_and_nothing_else() {
    let app = app().await;
    let (jane, joe) = (member(&app, EMAIL).await, member(&app, "joe@example.com").await);
    let certificate = erase(&app, &jane).await["certificate"].as_str().unwrap().to_owned();
    assert_eq!(app.command(&["users", "certificate", &jane]), certificate);
    let key = app.command(&["audit", "keys"]).lines().next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chrysalis"));
        let output = command.args(["audit", "check-proof"]).arg(&file).args(["--key", &key]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (holds, said) = check(&certificate);
    assert!(holds && said.contains(&format!("user {jane}\n")), "{said}");
    for altered in [
        certificate.replace(&jane, &joe),
        certificate.replace("records 9", "records 1").replace("records 8", "records 1"),
        certificate.replace("reason administrator", "reason requested"),
        certificate.replace("\nindex ", "\nindex 1"),
        certificate[..certificate.len() - 20].to_owned(),
    ] {
        assert!(altered == certificate || !check(&altered).0, "{altered}");
    }
    // Of somebody else it is another, and of who is there is none.
    let other = erase(&app, &joe).await["certificate"].as_str().unwrap().to_owned();
    assert!(other != certificate && check(&other).0);
    assert_eq!(app.command(&["users", "certificate", &jane]), certificate, "it stays the same");
}

#[tokio::test]
async fn whoever_went_by_themselves_was_erased_as_well() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await["user"]["id"].as_str().unwrap().to_owned();
    let erasure = format!("/admin/users/erasure?userId={guest}");
    app.operator().get(&erasure).await.refused(404, "USER_NOT_ERASED");
    browser.post("/delete-anonymous-user", &json!({})).await.ok();
    let told = app.operator().get(&erasure).await.ok();
    assert_eq!(
        (&told["reason"], &told["wasAnonymous"], &told["by"]["id"]),
        (&json!("requested"), &json!(true), &json!(guest))
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_field() {
    let app = app().await;
    let operator = app.operator();
    let nobody = "usr_01M84QNVS457CMSJXYA73AV541";
    for path in ["/admin/users/erase", "/admin/users/export"] {
        for nonsense in [
            json!({}),
            json!({ "userId": null }),
            json!({ "userId": 7 }),
            json!({ "userId": [nobody] }),
            json!({ "userId": { "userId": nobody } }),
            json!({ "userId": nobody, "really": true }),
        ] {
            operator.post(path, &nonsense).await.refused(400, "VALIDATION_ERROR");
        }
        for unknown in [nobody, "", "x", "per_01M84QNVS457CMSJXYA73AV541", "usr_01M84QNVS457CMSJXYA73AV54", "ü\u{0}"] {
            operator.post(path, &json!({ "userId": unknown })).await.refused(404, "USER_NOT_FOUND");
        }
        app.program().post(path, &json!({ "userId": nobody })).await.refused(401, "UNAUTHORIZED");
    }
    let erasure = "/admin/users/erasure";
    for query in ["", "?userId", "?id=x", "?userId=a&userId=b", "?userId=a&more=b"] {
        let answer = operator.get(&format!("{erasure}{query}")).await;
        assert!((400..=404).contains(&answer.status), "{query}: {answer:?}");
    }
    operator.get(&format!("{erasure}?userId={nobody}")).await.refused(404, "USER_NOT_FOUND");
    app.program().get(&format!("{erasure}?userId={nobody}")).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_member_takes_the_permission_and_nobody_erases_themselves() {
    let app = app().await;
    let user = app.browser().sign_up("jane@example.com").await["user"]["id"].as_str().unwrap().to_owned();
    let guest = app.program().arrive().await["user"]["id"].as_str().unwrap().to_owned();
    let (member, guest) = (json!({ "userId": user }), json!({ "userId": guest }));
    let reader = app.key(&["users.read", "sessions.read", "audit.read"]).await;
    reader.post("/admin/users/erase", &guest).await.refused(403, "INSUFFICIENT_PERMISSION");
    let cleaner = app.key(&["guests.delete"]).await;
    cleaner.post("/admin/users/erase", &member).await.refused(403, "INSUFFICIENT_PERMISSION");
    cleaner.post("/admin/users/erase", &guest).await.ok();
    cleaner.get(&format!("/admin/users/erasure?userId={user}")).await.refused(403, "INSUFFICIENT_PERMISSION");
    let remover = app.key(&["users.delete"]).await;
    remover.post("/admin/users/erase", &member).await.ok();
    // Who is told that a member went, and by whom: not whoever cleans up guests.
    cleaner.post("/admin/users/erase", &member).await.refused(403, "INSUFFICIENT_PERMISSION");
    cleaner.post("/admin/users/erase", &guest).await.ok();
    remover.post("/admin/users/erase", &member).await.ok();
    app.key(&["guests.delete", "audit.read"]).await.post("/admin/users/erase", &member).await.ok();
    // What tells everything takes what tells each part.
    for few in [&["users.read", "sessions.read"][..], &["users.read", "audit.read"], &["sessions.read", "audit.read"]] {
        app.key(few).await.post("/admin/users/export", &member).await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    let admin = app.admin("ada@example.com").await;
    let own = json!({ "userId": admin.session().await["user"]["id"] });
    admin.post("/admin/users/erase", &own).await.refused(400, "YOU_CANNOT_REMOVE_YOURSELF");
    let browser = app.browser();
    browser.sign_up("joe@example.com").await;
    browser.post("/admin/users/erase", &own).await.refused(403, "YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS");
    browser.post("/admin/users/export", &own).await.refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn mails_that_were_kept_go_too() {
    let app = app().await;
    let (jane, joe) = (member(&app, EMAIL).await, member(&app, "joe@example.com").await);
    let kept = async |to: &str| {
        let mails = app.program().at(Method::GET, &format!("/dev/mail.json?to={to}")).await.ok();
        mails.as_array().unwrap().len()
    };
    assert!(kept(EMAIL).await > 0);
    erase(&app, &jane).await;
    let asked = Instant::now();
    while kept(EMAIL).await > 0 {
        assert!(asked.elapsed() < OVERDUE, "a mail stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(kept("joe@example.com").await > 0);
    // On the command line at once.
    let said = app.command(&["users", "erase", &joe]);
    assert!(said.starts_with(&format!("{joe} was erased at ")), "{said}");
    assert_eq!(kept("joe@example.com").await, 0);
    assert_eq!(app.command(&["users", "erase", &joe]), said);
}

#[tokio::test]
async fn within_a_day_nothing_of_them_can_be_found_in_any_form() {
    let app = app().await;
    let user = member(&app, EMAIL).await;
    app.searchable().await;
    erase(&app, &user).await;
    app.pass(hours(12));
    let said = [NAME, &NAME.to_lowercase(), EMAIL, IMAGE, METADATA, AGENT];
    let asked = Instant::now();
    while said.iter().any(|text| app.holds_in_any_form(text)) {
        assert!(asked.elapsed() < OVERDUE, "something of them is left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(on_postgres() || app.holds_in_any_form(&user), "looked for in the wrong place");
}

#[tokio::test]
async fn everything_that_is_held_of_a_user_is_told() {
    let app = app().await;
    let user = member(&app, EMAIL).await;
    app.pass(hours(1));
    app.browser().always("user-agent", "second/1.0").sign_in(EMAIL).await;
    let renamed = json!({ "userId": user, "name": "Another Name" });
    app.operator().post("/admin/update-user", &renamed).await.ok();
    let export = app.operator().post("/admin/users/export", &json!({ "userId": user })).await.ok();

    let keys: Vec<_> = export.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "accounts",
        "actions",
        "auditLog",
        "exportedAt",
        "invitations",
        "memberships",
        "personId",
        "records",
        "sessions",
        "user",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&export["user"]["id"], &export["user"]["email"]), (&json!(user), &json!(EMAIL)));
    assert_eq!(
        (&export["user"]["name"], &export["user"]["metadata"]),
        (&json!("Another Name"), &json!({ "from": METADATA }))
    );
    assert_eq!(export["accounts"][0]["provider"], "credential");
    let sessions = export["sessions"].as_array().unwrap();
    let agents: Vec<_> = sessions.iter().map(|session| session["userAgent"].as_str().unwrap()).collect();
    assert_eq!(agents, [AGENT, "second/1.0"]);
    assert_eq!(sessions[0]["ipAddress"], "127.0.0.1");
    // What they were called before is held, and told.
    let records = export["records"].as_array().unwrap();
    let names: Vec<_> =
        records.iter().filter(|record| record["kind"] == "name").map(|record| &record["value"]).collect();
    assert_eq!(names, [&json!(NAME), &json!("Another Name")]);
    assert!(records.iter().any(|record| record["kind"] == "password_hash" && record["value"].is_null()));
    let actions = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|deed| deed["action"].as_str().unwrap().to_owned()).collect()
    };
    let told = actions(&export["auditLog"]);
    assert_eq!(told.first().map(String::as_str), Some("user.created"));
    assert!(
        ["session.created", "user.updated"].iter().all(|action| told.iter().any(|known| known == action)),
        "{told:?}"
    );
    // That it was given away is told, and to whom.
    let given = export["auditLog"].as_array().unwrap().iter().find(|deed| deed["action"] == "user.exported").unwrap();
    assert_eq!((&given["actorType"], &given["targets"][0]["id"]), (&json!("api_key"), &json!(user)));
    assert!(given["changes"].is_null() && given["metadata"].is_null(), "{given}");
    // No secret is told.
    let text = export.to_string();
    assert!(!text.contains("argon2") && !text.contains("token_hash"), "{text}");

    let written: Value = serde_json::from_str(&app.command(&["users", "export", &user])).unwrap();
    assert_eq!((&written["user"], &written["records"]), (&export["user"], &export["records"]));
    let given = exports(&app);
    let by: Vec<_> = given.iter().map(|deed| deed["actorType"].as_str().unwrap()).collect();
    assert_eq!(by, ["api_key", "system"]);
    let timeline = format!("/api/audit/users/{user}?limit=500");
    let steps = app.operator().at(Method::GET, &timeline).await.ok()["timeline"].clone();
    let told = steps.as_array().unwrap().iter().filter(|step| step["type"] == "DataExported");
    assert!(told.map(|step| step["text"].as_str().unwrap()).all(|text| text.contains("given to whoever asked for it")));
    // Long lists join without a seam.
    for _ in 0..260 {
        app.program().sign_in(EMAIL).await;
    }
    let export = app.operator().post("/admin/users/export", &json!({ "userId": user })).await.ok();
    assert_eq!(export["sessions"].as_array().unwrap().len(), 262);
    let of_sessions = actions(&export["auditLog"]).iter().filter(|action| *action == "session.created").count();
    assert_eq!(of_sessions, 262);

    erase(&app, &user).await;
    let given = exports(&app).len();
    app.operator().post("/admin/users/export", &json!({ "userId": user })).await.refused(404, "USER_NOT_FOUND");
    assert_eq!((given, exports(&app).len()), (3, 3), "nothing was given away that time");
}

/// Who was given everything that is held of somebody.
fn exports(app: &App) -> Vec<Value> {
    deeds(app, "user.exported")
}

/// The whole trail of deeds whose name begins so, oldest first.
fn deeds(app: &App, name: &str) -> Vec<Value> {
    let trail = app.command(&["audit", "export"]);
    let deeds = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    deeds.filter(|deed| deed["action"].as_str().unwrap().starts_with(name)).collect()
}

#[tokio::test]
async fn persons_keys_are_wrapped_anew_while_the_server_runs() {
    let app = app().await;
    let (user, gone) = (member(&app, EMAIL).await, member(&app, "joe@example.com").await);
    erase(&app, &gone).await;
    let said = app.command(&["keys", "rotate", "person-kek", "--wait", "0s"]);
    assert!(said.contains("all keys are wrapped in epoch 2"), "{said}");
    let keys = app.command(&["keys", "list"]);
    assert_eq!(keys.lines().filter(|line| line.starts_with("person-kek")).count(), 1, "{keys}");
    // Each step of it stands in the log, once.
    let told = |deeds: Vec<Value>| -> Vec<_> {
        let each =
            deeds.into_iter().map(|deed| format!("{} {}", deed["action"], deed["targets"][0]["id"]).replace('"', ""));
        each.collect()
    };
    let steps = ["key.rotated person-kek/2", "key.retired person-kek/1", "key.destroyed person-kek/1"];
    assert_eq!(told(deeds(&app, "key.")), steps);
    app.command(&["keys", "rotate", "mail-token"]);
    assert_eq!(told(deeds(&app, "key."))[3..], ["key.rotated mail-token/2"]);
    // The server learns of it within a second, and until then says that it is for later.
    let asked = Instant::now();
    let name = loop {
        let answer = app.operator().post("/admin/get-user", &json!({ "userId": user })).await;
        match answer.status {
            503 => assert!(asked.elapsed() < OVERDUE, "the server does not learn of the epoch"),
            _ => break answer.ok()["name"].clone(),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(name, NAME);
    let browser = app.browser();
    browser.arrive().await;
    browser.upgrade("late@example.com").await;
    app.browser().sign_in(EMAIL).await;
    assert!(app.command(&["verify"]).contains(" 0 differences"));
    // What was erased stays so, and can be shown.
    app.operator().get(&format!("/admin/users/erasure?userId={gone}")).await.ok();
}

#[tokio::test]
async fn who_asked_and_never_came_is_forgotten_a_day_later() {
    let app = app().await;
    let link = json!({ "email": EMAIL });
    app.program().post("/sign-in/magic-link", &link).await.ok();
    app.mail(EMAIL).await;
    // Somebody comes of another one, and is here to stay.
    app.program().post("/sign-in/magic-link", &json!({ "email": "joe@example.com" })).await.ok();
    let mail = app.mail("joe@example.com").await;
    let path = mail["url"].as_str().unwrap().split("/api/auth").nth(1).unwrap().to_owned();
    let joe = app.program().get(&path).await.ok();
    let sealed = app.sealed().await;
    app.pass(hours(25));
    app.until("StrangerForgotten", 1).await;
    assert_eq!(app.sealed().await, sealed - 2, "address and details of one");
    let asked = Instant::now();
    while app.holds_in_any_form(EMAIL) {
        assert!(asked.elapsed() < OVERDUE, "something of them is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let session = app.bearer(joe["token"].as_str().unwrap()).session().await;
    assert_eq!(session["user"]["email"], "joe@example.com");
}
