//! The log itself, as auditors read it: by the page, and as it goes on.

use chrysalis::wire::json_time::JsonTime;
use serde_json::{Value, json};

use crate::support::{App, Block, Client, KEY, Method, days, seconds};

const EVENTS: &str = "/api/audit/events";

async fn app() -> App {
    App::with(&[KEY, ("rate_limits", "off")]).await
}

async fn auditor(app: &App) -> Client {
    app.key(&["audit.read"]).await
}

async fn page(who: &Client, query: &str) -> Value {
    who.at(Method::GET, &format!("{EVENTS}?{query}")).await.ok()
}

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

/// Everything that fits, page by page.
async fn all(who: &Client, query: &str, limit: usize) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let page = page(who, &format!("{query}&after={after}&limit={limit}")).await;
        let some = page["events"].as_array().unwrap();
        assert!(some.len() <= limit);
        events.extend(some.iter().cloned());
        after = page["next"].as_u64().unwrap();
        if page["more"] == false {
            return events;
        }
    }
}

#[tokio::test]
async fn it_is_read_by_the_page_in_its_own_order_and_nothing_is_left_out() {
    let app = app().await;
    let auditor = auditor(&app).await;
    for _ in 0..5 {
        app.program().arrive().await;
    }
    app.browser().sign_up("jane@example.com").await;
    app.head().await;
    // The key is used once, and that is noted.
    page(&auditor, "").await;
    let stored = app.events().await;
    for limit in [1, 3, 1000] {
        let read = all(&auditor, "", limit).await;
        assert_eq!(read.len(), stored.len());
        for (line, event) in read.iter().zip(&stored) {
            assert_eq!(line["position"], event.position);
            assert_eq!(
                (line["stream"].as_str(), line["id"].as_str()),
                (Some(event.stream.as_str()), Some(&*event.event_id))
            );
            assert_eq!(line["data"], serde_json::from_slice::<Value>(&event.body).unwrap());
        }
    }
    // The whole of a line, once.
    let [signed_up] = &all(&auditor, "type=MemberSignedUp", 10).await[..] else { panic!("not one") };
    let event = stored.iter().find(|event| event.event_type == "MemberSignedUp").unwrap();
    let user = event.stream.as_user().unwrap();
    assert_eq!(signed_up["recordedAt"], app.date(seconds(0)));
    let session = signed_up["actor"]["by"].as_str().unwrap();
    assert!(session.starts_with("ses_"));
    assert_eq!(signed_up["actor"], json!({ "type": "user", "id": user, "by": session, "impersonator": null }));
    assert_eq!(signed_up["data"]["authentication"]["method"], "password");
    let keys: Vec<_> = signed_up.as_object().unwrap().keys().collect();
    for name in [
        "project",
        "version",
        "typeVersion",
        "occurredAt",
        "requestId",
        "commandId",
        "cause",
        "settingsVersion",
        "sealed",
    ] {
        assert!(keys.iter().any(|key| *key == name), "{name} is missing: {keys:?}");
    }
    let [claimed] = &all(&auditor, "type=EmailClaimed", 10).await[..] else { panic!("not one") };
    assert!(claimed["sealed"][0]["id"].as_str().unwrap().starts_with("sld_"));
    assert!(!claimed.to_string().contains("jane"), "what is sealed stays so");
}

#[tokio::test]
async fn all_that_is_asked_for_must_hold() {
    let app = app().await;
    let auditor = auditor(&app).await;
    let jane = app.browser().arrive().await["user"]["id"].as_str().unwrap().to_owned();
    app.pass(days(1));
    let browser = app.browser();
    let joe = browser.arrive().await["user"]["id"].as_str().unwrap().to_owned();
    app.pass(days(1));
    browser.post("/sign-out", &json!({})).await.ok();
    let stored = app.events().await;
    let expected = |fits: &dyn Fn(&chrysalis::log::Recorded) -> bool| {
        stored.iter().filter(|event| fits(event)).map(|event| event.position).collect::<Vec<_>>()
    };
    let of = |user: &str| expected(&|event| event.stream.as_str() == format!("user-{user}"));
    let read = async |query: String, limit| {
        let lines = all(&auditor, &query, limit).await;
        let positions = lines.iter().map(|line| line["position"].as_u64().unwrap());
        positions.filter(|position| *position <= stored.last().unwrap().position).collect::<Vec<_>>()
    };
    for limit in [1, 2, 100] {
        assert_eq!(read(format!("user={joe}"), limit).await, of(&joe));
        assert_eq!(read(format!("stream=user-{jane}"), limit).await, of(&jane));
        let guests = expected(&|event| event.event_type == "GuestCreated");
        assert_eq!(read("type=GuestCreated".to_owned(), limit).await, guests);
        let ended = expected(&|event| ["GuestCreated", "SessionEnded"].contains(&&*event.event_type));
        assert_eq!(read("type=SessionEnded,%20GuestCreated".to_owned(), limit).await, ended);
        let both = format!("user={joe}&type=SessionEnded");
        assert_eq!(read(both, limit).await, [*of(&joe).last().unwrap()]);
        // Both ends are included, and a date is the beginning of its day.
        let at = app.date(days(-1));
        let day = expected(&|event| JsonTime(event.recorded_at).to_string() == at);
        let at = at.as_str().unwrap();
        assert!(!day.is_empty());
        assert_eq!(read(format!("from={at}&to={at}"), limit).await, day);
        assert_eq!(read("from=2027-01-16&to=2027-01-17".to_owned(), limit).await, day);
        assert_eq!(read("from=2999-01-01".to_owned(), limit).await, [] as [u64; 0]);
        assert_eq!(read("to=2001-01-01T00:00:00%2B01:00".to_owned(), limit).await, [] as [u64; 0]);
    }
    assert_eq!(positions(&page(&auditor, "after=9000000000000000000").await), [] as [u64; 0]);
    assert_eq!(positions(&page(&auditor, "stream=nothing-of_ours").await), [] as [u64; 0]);
}

#[tokio::test]
async fn who_may_not_read_it_is_told_so_and_what_does_not_read_is_named() {
    let app = app().await;
    let get = async |who: &Client, query: &str| who.at(Method::GET, &format!("{EVENTS}{query}")).await;
    get(&app.program(), "").await.refused(401, "UNAUTHORIZED");
    get(&app.bearer("sk_test_nobodys"), "").await.refused(401, "INVALID_API_KEY");
    get(&app.key(&["users.read", "audit.write"]).await, "").await.refused(403, "INSUFFICIENT_PERMISSION");
    let browser = app.browser();
    browser.arrive().await;
    get(&browser, "").await.refused(403, "FORBIDDEN");
    let bound = json!({ "name": "one of many", "permissions": ["audit.read"], "organizationId": "org_01JD8M4Z5T0000000000000001" });
    let made = app.operator().post("/api-key/create", &bound).await;
    if made.status == 200 {
        let bound = app.bearer(made.json()["key"].as_str().unwrap());
        get(&bound, "").await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    assert_eq!(get(&app.admin("ada@example.com").await, "").await.status, 200);

    let auditor = auditor(&app).await;
    for (query, field) in [
        ("?after=x", "after"),
        ("?after=-1", "after"),
        ("?after=18446744073709551615", "after"),
        ("?after=1.5", "after"),
        ("?limit=many", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=0", "limit"),
        ("?limit=99999999999", "limit"),
        ("?user=jane", "user"),
        ("?user=usr_01JD8M4Z5T0000000000000001&stream=user-usr_01JD8M4Z5T0000000000000001", "user"),
        ("?type=Nothing", "type"),
        ("?type=GuestCreated,", "type"),
        ("?from=yesterday", "from"),
        ("?from=", "from"),
        ("?from=2027-02-30", "from"),
        ("?from=99999999999999999999", "from"),
        ("?to=12027-01-15", "to"),
        ("?type=", "type"),
        ("?from=2027-01-15T08:00:00+01:00", "from"),
        ("?to=1e9", "to"),
        ("?from=2027-01-16&to=2027-01-15", "to"),
        ("?position=1", "position"),
    ] {
        let body = get(&auditor, query).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(body["errors"][0]["field"], field, "{query}: {body}");
    }
    let wrong = auditor.at(Method::GET, EVENTS).header("accept", "text/event-stream").header("last-event-id", "first");
    assert_eq!(wrong.await.refused(422, "VALIDATION_ERROR")["errors"][0]["field"], "Last-Event-ID");
    for (method, path, status) in [
        (Method::POST, EVENTS, 405),
        (Method::HEAD, EVENTS, 405),
        (Method::GET, "/api/audit/events/", 404),
        (Method::GET, "/api/audit", 404),
        (Method::GET, "/api/auditx/events", 404),
    ] {
        assert_eq!(auditor.at(method.clone(), path).await.status, status, "{method} {path}");
    }
}

async fn follow(who: &Client, query: &str) -> crate::support::Following {
    who.at(Method::GET, &format!("{EVENTS}?{query}")).header("accept", "text/event-stream").follow().await
}

#[tokio::test]
async fn it_is_followed_as_it_goes_on_and_taken_up_where_it_broke_off() {
    let app = app().await;
    let auditor = auditor(&app).await;
    app.program().arrive().await;
    let head = app.head().await;
    let mut following = follow(&auditor, "").await;
    let told = following.events(usize::try_from(head).unwrap()).await;
    assert!(told.iter().map(|(id, _)| *id).eq(1..=head));
    assert!(told.iter().all(|(id, line)| line["position"] == *id));
    // The same form as by the page.
    assert_eq!(
        told.iter().map(|(_, line)| line.clone()).collect::<Vec<_>>(),
        all(&auditor, "", 1000).await[..told.len()]
    );
    // What happens meanwhile comes by itself.
    let guest = app.program().arrive().await;
    let (id, line) = following.events(3).await.into_iter().find(|(_, line)| line["type"] == "GuestCreated").unwrap();
    assert_eq!(line["data"]["user"], guest["user"]["id"]);
    drop(following);
    // Whoever was cut off goes on behind what they saw, whatever the query says.
    for _ in 0..3 {
        app.program().arrive().await;
    }
    let again = auditor.at(Method::GET, &format!("{EVENTS}?after=1"));
    let again = again.header("accept", "text/event-stream, */*;q=0.1").header("last-event-id", &id.to_string());
    assert_eq!(again.follow().await.event().await.unwrap().0, id + 1);
}

#[tokio::test]
async fn a_filter_holds_for_what_is_yet_to_come_and_a_time_ends_it() {
    let app = app().await;
    let auditor = auditor(&app).await;
    let browser = app.browser();
    let user = browser.arrive().await["user"]["id"].as_str().unwrap().to_owned();
    let mut of_user = follow(&auditor, &format!("user={user}")).await;
    let mut guests = follow(&auditor, "type=GuestCreated").await;
    let until = app.date(seconds(5));
    let bounded = follow(&auditor, &format!("type=GuestCreated&to={}", until.as_str().unwrap())).await;
    let other = app.program().arrive().await;
    app.pass(seconds(10));
    browser.post("/sign-out", &json!({})).await.ok();
    let third = app.program().arrive().await;

    let told = of_user.events(2).await;
    assert!(told.iter().all(|(_, line)| line["stream"] == format!("user-{user}")));
    loop {
        let (_, line) = of_user.event().await.unwrap();
        assert_eq!(line["stream"], format!("user-{user}"));
        if line["type"] == "SessionEnded" {
            break;
        }
    }
    let came: Vec<_> = guests.events(3).await.into_iter().map(|(_, line)| line["data"]["user"].clone()).collect();
    assert_eq!(came, [json!(user), other["user"]["id"].clone(), third["user"]["id"].clone()]);
    let within: Vec<_> = bounded.rest().await.into_iter().map(|(_, line)| line["data"]["user"].clone()).collect();
    assert_eq!(within, [json!(user), other["user"]["id"].clone()]);
}

#[tokio::test]
async fn it_ends_when_the_key_does_and_tells_nothing_that_came_after() {
    let app = app().await;
    for expires in [false, true] {
        let soon = (chrysalis_domain::Timestamp::from_millis(app.clock_seconds() * 1000) + seconds(60)).as_millis();
        let asked = json!({ "name": "a test", "permissions": ["audit.read"], "expiresAt": expires.then_some(soon) });
        let made = app.operator().post("/api-key/create", &asked).await.ok();
        let auditor = app.bearer(made["key"].as_str().unwrap());
        let mut following = follow(&auditor, "").await;
        let head = app.head().await;
        while following.event().await.unwrap().0 < head {}
        if expires {
            app.pass(seconds(120));
        } else {
            app.operator().post("/api-key/delete", &json!({ "keyId": made["id"] })).await.ok();
        }
        app.program().arrive().await;
        let after: Vec<_> = following.rest().await;
        assert!(after.iter().all(|(_, line)| line["type"] != "GuestCreated"), "{after:?}");
        auditor.at(Method::GET, EVENTS).await.refused(401, "INVALID_API_KEY");
    }
    // So it is with an administrator who signs out.
    let ada = app.admin("ada@example.com").await;
    let mut following = follow(&ada, "").await;
    following.event().await.unwrap();
    ada.fork().post("/sign-out", &json!({})).await.ok();
    following.rest().await;
}

#[tokio::test]
async fn there_are_so_many_at_a_time_and_a_place_is_free_when_one_goes() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("audit.streams", "2"), ("audit.heartbeat", "1s")]).await;
    let auditor = auditor(&app).await;
    let mut first = follow(&auditor, "type=UserBanned").await;
    let second = follow(&auditor, "").await;
    let third = async || auditor.at(Method::GET, EVENTS).header("accept", "text/event-stream").await;
    third().await.refused(503, "TOO_MANY_STREAMS");
    // Pages are read all the same.
    assert_eq!(auditor.at(Method::GET, EVENTS).await.status, 200);
    // Where nothing happens it is said now and then that the server is there, and how far it looked.
    let head = app.head().await;
    loop {
        let Block { id, data, comment } = first.block().await.unwrap();
        assert!(data.is_none() && comment.is_some());
        if id == Some(head) {
            break;
        }
    }
    drop(second);
    let mut tries = 0;
    loop {
        let call = auditor.at(Method::GET, EVENTS).header("accept", "text/event-stream");
        match call.try_follow().await {
            Some(mut following) => break assert!(following.event().await.is_some()),
            None => tries += 1,
        }
        assert!(tries < 2_000, "the place is not given back");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_key_is_counted_like_everywhere() {
    let app = App::with(&[KEY]).await;
    let auditor = auditor(&app).await;
    for _ in 0..120 {
        assert_eq!(auditor.at(Method::GET, &format!("{EVENTS}?limit=1")).await.status, 200);
    }
    auditor.at(Method::GET, EVENTS).await.refused(429, "RATE_LIMITED");
}

/// PostgreSQL's texts know no NUL: who asks by one finds nothing, on every store.
#[tokio::test]
async fn a_text_with_nul_in_it_is_found_nowhere() {
    let app = app().await;
    let auditor = auditor(&app).await;
    app.program().arrive().await;
    assert_eq!(page(&auditor, "stream=%00").await["events"], json!([]));
    for asked in ["action", "actorId", "targetId", "organizationId"] {
        let rows = auditor.post("/banata/audit-logs/list", &json!({ asked: "\u{0}" })).await.ok();
        assert_eq!(rows["data"], json!([]), "{asked}");
    }
    for asked in [json!({ "eventTypes": ["\u{0}"] }), json!({ "organizationId": "\u{0}" })] {
        let events = auditor.post("/banata/events/list", &asked).await.ok();
        assert_eq!(events["data"], json!([]), "{asked}");
    }
}
