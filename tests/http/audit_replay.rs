//! A user as they were at a time, and what made them so: folded anew from the log, over HTTP and on the command line.

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, Method, PASSWORD, days, hours, seconds};

async fn app() -> App {
    App::with(&[KEY, ("dev", "on"), ("rate_limits", "off")]).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

async fn at(who: &Client, user: &str, query: &str) -> Value {
    who.at(Method::GET, &format!("/api/audit/users/{user}?{query}")).await.ok()
}

fn told(answer: &Value) -> Vec<&str> {
    answer["timeline"].as_array().unwrap().iter().map(|step| text(&step["text"])).collect()
}

/// Somebody's life, and the times at which something happened in it.
struct Life {
    user: String,
    session: String,
    browser: Client,
    /// Just before each: arriving, renaming, upgrading, proving, leaving.
    times: Vec<Value>,
}

async fn life(app: &App) -> Life {
    let mut times = Vec::new();
    let mut next = |app: &App| {
        app.pass(hours(1));
        times.push(app.date(seconds(0)));
        app.pass(seconds(1));
    };
    next(app);
    let browser = app.browser();
    let guest = browser.arrive().await;
    next(app);
    browser.post("/update-user", &json!({ "name": "Jane D." })).await.ok();
    next(app);
    let form = json!({ "email": "jane@example.com", "password": PASSWORD, "name": "Jane Doe" });
    browser.post("/anonymous/upgrade", &form).await.ok();
    next(app);
    let link = text(&app.mail("jane@example.com").await["url"]).split_once("/api/auth").unwrap().1.to_owned();
    browser.get(&link).await.ok();
    next(app);
    browser.post("/sign-out", &json!({})).await.ok();
    next(app);
    let (user, session) = (text(&guest["user"]["id"]).to_owned(), text(&guest["session"]["id"]).to_owned());
    Life { user, session, browser, times }
}

#[tokio::test]
async fn a_user_is_what_they_were_at_each_time_and_every_step_is_told() {
    let app = app().await;
    let auditor = app.key(&["audit.read"]).await;
    let Life { user, session, times, .. } = life(&app).await;
    let state = async |nth: usize| at(&auditor, &user, &format!("at={}", text(&times[nth]))).await;

    let before = state(0).await;
    assert_eq!((&before["state"], &before["version"], &before["timeline"]), (&Value::Null, &json!(0), &json!([])));
    let guest = state(1).await;
    assert_eq!(guest["at"], times[1]);
    let was = &guest["state"];
    assert_eq!(
        (&was["standing"], &was["isAnonymous"], &was["email"], &was["name"]),
        (&json!("guest"), &json!(true), &Value::Null, &Value::Null)
    );
    assert_eq!((&was["sessions"][0]["id"], &was["sessions"][0]["live"]), (&json!(session), &json!(true)));
    let named = state(2).await;
    assert_eq!((&named["state"]["name"], &named["state"]["standing"]), (&json!("Jane D."), &json!("guest")));
    let member = state(3).await;
    let is = &member["state"];
    assert_eq!(
        (&is["standing"], &is["email"], &is["emailVerified"]),
        (&json!("member"), &json!("jane@example.com"), &json!(false))
    );
    assert_eq!((&is["name"], &is["password"]["proven"]), (&json!("Jane Doe"), &json!(false)));
    assert_eq!(is["createdAt"], was["createdAt"]);
    let proven = state(4).await;
    assert_eq!(
        (&proven["state"]["emailVerified"], &proven["state"]["password"]["proven"]),
        (&json!(true), &json!(true))
    );
    let out = state(5).await;
    assert_eq!(out["state"]["sessions"], json!([]));
    // Of a time that is yet to come nothing is said but what is so now.
    let ahead = at(&auditor, &user, "at=2999-01-01").await;
    assert_eq!((&ahead["at"], &ahead["state"]), (&app.date(seconds(0)), &out["state"]));
    assert_eq!(at(&auditor, &user, "").await["state"], out["state"]);

    // Every event of the user's stream is a step, in its order.
    let events: Vec<_> =
        app.events().await.into_iter().filter(|event| event.stream.as_str() == format!("user-{user}")).collect();
    let steps = out["timeline"].as_array().unwrap();
    assert!(
        steps.iter().map(|step| (&step["type"], &step["position"], &step["version"])).eq(events
            .iter()
            .map(|event| (json!(event.event_type), json!(event.position), json!(event.version)))
            .collect::<Vec<_>>()
            .iter()
            .map(|(kind, position, version)| (kind, position, version)))
    );
    assert_eq!(
        (&out["version"], &out["position"]),
        (&steps.last().unwrap()["version"], &steps.last().unwrap()["position"])
    );
    let upgraded = steps.iter().find(|step| step["type"] == "GuestUpgraded").unwrap();
    assert!(
        text(&upgraded["text"])
            .starts_with(&format!("The guest became a member by password; session {session} goes on, until "))
    );
    assert_eq!((&upgraded["actor"]["type"], &upgraded["actor"]["by"]), (&json!("user"), &json!(session)));
    assert!(text(&upgraded["requestId"]).starts_with("req_"));
    // What was sealed stands beside the sentence, and what it replaced.
    let renamed = steps.iter().rfind(|step| step["type"] == "ProfileUpdated").unwrap();
    assert_eq!(
        (&renamed["values"], &renamed["before"]),
        (&json!({ "name": "Jane Doe" }), &json!({ "name": "Jane D." }))
    );
    let claimed = steps.iter().find(|step| step["type"] == "EmailClaimed").unwrap();
    assert_eq!(claimed["text"], "The user reserved an address, which is not proven yet.");
    assert_eq!(claimed["values"], json!({ "email": "jane@example.com" }));
    let began = steps.iter().find(|step| step["type"] == "SessionStarted").unwrap();
    assert_eq!(began["values"]["client"], json!({ "ip": "127.0.0.1", "ua": "tests/1.0" }));
    for sentence in told(&out) {
        assert!(!sentence.contains("Jane") && !sentence.contains('@') && !sentence.contains("127.0.0.1"), "{sentence}");
    }
    // Nothing that leads in is shown to anybody.
    let whole = out.to_string();
    for event in &events {
        let body = String::from_utf8_lossy(&event.body);
        let body: Value = serde_json::from_str(&body).unwrap();
        for secret in ["token_hash", "locator", "hash"] {
            if let Some(secret) = body[secret].as_str() {
                assert!(!whole.contains(secret), "{secret}");
            }
        }
    }
}

#[tokio::test]
async fn a_long_life_is_read_by_the_page_and_the_state_is_that_of_the_time() {
    let app = app().await;
    let auditor = app.key(&["audit.read"]).await;
    let Life { user, times, browser, .. } = life(&app).await;
    let until = format!("at={}", text(&times[5]));
    let whole = at(&auditor, &user, &until).await;
    browser.sign_in("jane@example.com").await;
    let (mut steps, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let page = at(&auditor, &user, &format!("{until}&limit=3&after={after}")).await;
        assert_eq!(page["state"], whole["state"]);
        let some = page["timeline"].as_array().unwrap();
        assert!(some.len() <= 3 && (some.len() == 3 || page["next"].is_null()));
        steps.extend(some.iter().cloned());
        after = page["next"].clone();
    }
    assert_eq!(json!(steps), whole["timeline"]);
    assert!(steps.len() > 9, "the life is too short to show anything");
}

#[tokio::test]
async fn of_who_was_erased_the_steps_stay_and_nothing_can_be_read() {
    let app = app().await;
    let auditor = app.key(&["audit.read"]).await;
    let Life { user, times, browser, .. } = life(&app).await;
    browser.sign_in("jane@example.com").await;
    let before = at(&auditor, &user, &format!("at={}", text(&times[5]))).await;
    app.pass(days(1));
    browser.sign_in("jane@example.com").await;
    browser.post("/delete-user", &json!({ "password": PASSWORD })).await.ok();

    let gone = at(&auditor, &user, "limit=500").await;
    assert_eq!(
        (&gone["state"]["standing"], &gone["state"]["sessions"], &gone["state"]["erased"]),
        (&json!("deleted"), &json!([]), &json!([]))
    );
    let last = told(&gone).last().unwrap().to_string();
    assert!(last.starts_with("The member was deleted, asked for by the user, last active "), "{last}");
    // What was so then is so still, but for what cannot be read any more.
    let then = at(&auditor, &user, &format!("at={}", text(&times[5]))).await;
    assert_eq!(told(&then), told(&before));
    assert_eq!((&then["version"], &then["state"]["emailVerified"]), (&before["version"], &json!(true)));
    assert_eq!((&then["state"]["email"], &then["state"]["name"]), (&Value::Null, &Value::Null));
    assert_eq!(then["state"]["erased"], json!(["email", "name"]));
    for answer in [&gone, &then] {
        let said = answer.to_string();
        assert!(!said.contains("Jane") && !said.contains("jane@") && !said.contains("127.0.0.1"), "{said}");
    }
}

#[tokio::test]
async fn administrators_and_their_programs_ask_for_the_same() {
    let app = app().await;
    let Life { user, times, .. } = life(&app).await;
    let (auditor, ada) = (app.key(&["audit.read"]).await, app.admin("ada@example.com").await);
    let asked = json!({ "userId": user, "at": times[3], "limit": 5, "after": 2 });
    let query = format!("at={}&limit=5&after=2", text(&times[3]));
    let expected = at(&auditor, &user, &query).await;
    assert_eq!(expected["timeline"].as_array().unwrap().len(), 5);
    for who in [&auditor, &ada, &app.operator()] {
        assert_eq!(who.post("/admin/audit/timeline", &asked).await.ok(), expected);
    }
    assert_eq!(at(&ada, &user, &query).await, expected);
    let milliseconds = json!({ "userId": user, "at": chrysalis::wire::json_time::JsonTime::parse(text(&times[3])).unwrap().0.as_millis(), "limit": 5, "after": 2 });
    assert_eq!(ada.post("/admin/audit/timeline", &milliseconds).await.ok(), expected);
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_and_what_does_not_read_is_named() {
    let app = app().await;
    let browser = app.browser();
    let user = text(&browser.arrive().await["user"]["id"]).to_owned();
    let auditor = app.key(&["audit.read"]).await;
    let path = format!("/api/audit/users/{user}");
    let get = async |who: &Client, path: &str| who.at(Method::GET, path).await;
    let post = async |who: &Client, body: Value| who.post("/admin/audit/timeline", &body).await;
    for (who, status, code) in [
        (&app.program(), 401, "UNAUTHORIZED"),
        (&app.bearer("sk_test_nobodys"), 401, "INVALID_API_KEY"),
        (&app.key(&["users.read"]).await, 403, "INSUFFICIENT_PERMISSION"),
        (&browser, 403, "FORBIDDEN"),
    ] {
        get(who, &path).await.refused(status, code);
        post(who, json!({ "userId": user })).await.refused(status, code);
    }
    for nobody in ["usr_01JD8M4Z5T0000000000000001", "jane", "usr_", "%ff", "%00", "ses_01JD8M4Z5T0000000000000001"] {
        get(&auditor, &format!("/api/audit/users/{nobody}")).await.refused(404, "USER_NOT_FOUND");
    }
    get(&auditor, "/api/audit/users/").await.refused(404, "NOT_FOUND");
    get(&auditor, &format!("{path}/x")).await.refused(404, "NOT_FOUND");
    for (query, field) in [
        ("at=then", "at"),
        ("at=2027-13-01", "at"),
        ("at=", "at"),
        ("after=-1", "after"),
        ("at=99999999999999999999", "at"),
        ("at=2027-01-15T08:00:00 Europe/Berlin", "at"),
        ("after=18446744073709551616", "after"),
        ("limit=few", "limit"),
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("timeZone=Europe/Berlin", "timeZone"),
        ("until=2027-01-01", "until"),
    ] {
        let body = get(&auditor, &format!("{path}?{query}")).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(body["errors"][0]["field"], field, "{query}: {body}");
    }
    // Times and places that nothing has are no mistake: before the first event there was nobody, behind the last is nothing.
    let long_ago = get(&auditor, &format!("{path}?at=0")).await.ok();
    assert_eq!((&long_ago["state"], &long_ago["timeline"]), (&Value::Null, &json!([])));
    assert_eq!(get(&auditor, &format!("{path}?after=18446744073709551615")).await.ok()["timeline"], json!([]));
    for (body, field) in [
        (json!({}), "userId"),
        (json!({ "userId": { "userId": user } }), "userId"),
        (json!({ "userId": user, "at": "then" }), "at"),
        (json!({ "userId": user, "at": {} }), "at"),
        (json!({ "userId": user, "after": "x" }), "after"),
        (json!({ "userId": user, "limit": 0 }), "limit"),
        (json!({ "userId": user, "until": 1 }), "until"),
    ] {
        // As every call beside this one says it.
        let answer = post(&auditor, body.clone()).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(answer["errors"][0]["field"], field, "{body}: {answer}");
    }
    post(&auditor, json!({ "userId": "usr_01JD8M4Z5T0000000000000001" })).await.refused(404, "USER_NOT_FOUND");
    post(&auditor, json!({ "userId": user, "projectId": "proj_01JD8M4Z5T0000000000000001" }))
        .await
        .refused(403, "PROJECT_SCOPE_MISMATCH");
}

#[tokio::test]
async fn the_command_line_says_the_same_beside_a_server() {
    let app = app().await;
    let auditor = app.key(&["audit.read"]).await;
    let Life { user, times, browser, .. } = life(&app).await;
    browser.sign_in("jane@example.com").await;
    for _ in 0..3 {
        app.program().arrive().await;
    }
    app.head().await;
    let then = text(&times[3]);
    let expected = at(&auditor, &user, &format!("at={then}&limit=500")).await;
    let lines = |said: String| said.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let told = lines(app.command(&["replay", "--user", &user, "--at", then, "--json"]));
    for name in ["state", "version", "position", "userId", "at"] {
        assert_eq!(told[0][name], expected[name], "{name}");
    }
    assert_eq!(json!(told[1..]), expected["timeline"]);
    // For people: what the user was, and a sentence for each step with what was sealed beside it.
    let read = app.command(&["replay", "--user", &user, "--at", then]);
    for step in expected["timeline"].as_array().unwrap() {
        let (recorded, sentence) = (text(&step["recordedAt"]), text(&step["text"]));
        assert!(read.lines().any(|line| line.starts_with(recorded) && line.contains(sentence)), "{sentence}");
    }
    assert!(read.contains(r#"{"email":"jane@example.com"}"#));

    // The clock of this machine is far behind the log's own time: that counts.
    let now = lines(app.command(&["replay", "--json"])).remove(0);
    let figure = |totals: &Value, name: &str| totals[name].as_u64().unwrap();
    assert_eq!((figure(&now, "users"), figure(&now, "guests"), figure(&now, "members")), (4, 3, 1));
    assert_eq!((figure(&now, "sessions"), figure(&now, "verified"), figure(&now, "apiKeys")), (4, 1, 2));
    let first = lines(app.command(&["replay", "--json", "--at", text(&times[1])])).remove(0);
    assert_eq!((figure(&first, "users"), figure(&first, "guests"), figure(&first, "members")), (1, 1, 0));
    let nothing = lines(app.command(&["replay", "--json", "--at", "2001-01-01"])).remove(0);
    assert_eq!((figure(&nothing, "users"), figure(&nothing, "position")), (0, 0));
    assert!(app.command(&["replay", "--at", then]).contains("1  members"));
    // What became of the keys meanwhile is told, too.
    app.command(&["keys", "rotate", "cookie"]);
    let said = app.command(&["replay"]);
    assert!(said.contains("Key 2 for cookie was added"), "{said}");
    assert_eq!(lines(app.command(&["replay", "--json"]))[0]["keys"].as_array().unwrap().len(), 1);
    assert!(app.command(&["log", "show", "--type", "KeyAdded", "--readable"]).contains("Key 2 for cookie was added"));
    assert!(
        app.command(&["log", "show", "--type", "GuestUpgraded", "--readable"]).contains("The guest became a member")
    );
    // And who they were, one by one.
    let everybody = lines(app.command(&["replay", "--users", "--at", then]));
    assert_eq!(everybody, [expected["state"].clone()]);
    assert_eq!(lines(app.command(&["replay", "--users"])).len(), 4);
}
