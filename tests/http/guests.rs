//! What administrators have to say to the clean-up: who goes when, held, released, handed over, brought back, run now.

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, Tweak, days, hours, seconds};

const CALLS: [&str; 6] = ["list", "cleanup", "hold", "release", "undo", "reassign"];

/// Limits off: a test is in a hurry.
async fn app(tweaks: &[Tweak<'_>]) -> App {
    App::with(&[&[KEY, ("rate_limits", "off")][..], tweaks].concat()).await
}

/// A call below `/admin/guests/`.
async fn ask(caller: &Client, call: &str, form: &Value) -> Value {
    caller.post(&format!("/admin/guests/{call}"), form).await.ok()
}

async fn refused(caller: &Client, call: &str, form: &Value, status: u16, code: &str) -> Value {
    caller.post(&format!("/admin/guests/{call}"), form).await.refused(status, code)
}

/// A guest in a browser of its own, and its id.
async fn guest(app: &App) -> (Client, Value) {
    let browser = app.browser();
    let id = browser.arrive().await["user"]["id"].clone();
    (browser, id)
}

fn of(user: &Value) -> Value {
    json!({ "userId": user })
}

/// The ids on a page.
fn ids(page: &Value) -> Vec<Value> {
    page["guests"].as_array().unwrap().iter().map(|guest| guest["id"].clone()).collect()
}

/// What is said of each.
fn states(page: &Value) -> Vec<&str> {
    page["guests"].as_array().unwrap().iter().map(|guest| guest["cleanup"]["state"].as_str().unwrap()).collect()
}

async fn count(app: &App, wanted: &str) -> usize {
    app.types().await.iter().filter(|kind| *kind == wanted).count()
}

/// The deeds of that name, the newest first.
async fn deeds(app: &App, action: &str) -> Vec<Value> {
    app.followed().await;
    let page = app.operator().post("/banata/audit-logs/list", &json!({ "action": action })).await.ok();
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn guests_are_listed_by_how_long_they_are_away_in_both_forms() {
    let app = app(&[("anonymous.max_age", "30d")]).await;
    let admin = app.admin("ada@example.com").await;
    let (_, first) = guest(&app).await;
    app.pass(days(1));
    let (_, second) = guest(&app).await;
    app.pass(days(1));
    let (_, third) = guest(&app).await;
    app.followed().await;
    for caller in [app.operator(), admin, app.key(&["users.read"]).await] {
        let page = ask(&caller, "list", &json!({})).await;
        assert_eq!(ids(&page), [&first, &second, &third].map(Clone::clone), "no member among them");
        assert_eq!((&page["maxAge"], &page["limit"]), (&json!(2_592_000), &json!(100)));
        assert_eq!(page["listMetadata"], json!({ "after": null }));
        let of_first = &page["guests"][0];
        assert_eq!((&of_first["isAnonymous"], &of_first["lastActiveAt"]), (&json!(true), &app.date(days(-2))));
        let quiet = json!({
            "state": "quiet", "dueAt": app.date(days(28) + hours(1)), "expiresAt": null, "heldUntil": null,
            "holdReason": null, "finalAt": null,
        });
        assert_eq!(of_first["cleanup"], quiet);
    }
    let at = app.date(days(-1));
    let (day, _) = at.as_str().unwrap().split_once('.').unwrap();
    for (before, who) in [
        (at.clone(), vec![first.clone()]),
        // However it is written.
        (json!(format!("{day}.007Z")), vec![first.clone()]),
        (json!(format!("{day}Z")), vec![first.clone()]),
        (json!("2001-01-01T00:00:00+01:00"), vec![]),
    ] {
        let page = ask(&app.operator(), "list", &json!({ "lastActiveBefore": before })).await;
        assert_eq!(ids(&page), who, "strictly before {before}");
    }
}

#[tokio::test]
async fn a_list_goes_on_behind_its_cursor_whatever_happens_in_between() {
    let app = app(&[]).await;
    let mut guests = Vec::new();
    for _ in 0..5 {
        guests.push(guest(&app).await);
        app.pass(seconds(1));
    }
    app.followed().await;
    let operator = app.operator();
    let first = ask(&operator, "list", &json!({ "limit": 2 })).await;
    assert_eq!(ids(&first), [guests[0].1.clone(), guests[1].1.clone()]);
    // The last of the page goes, and another comes back.
    operator.post("/admin/remove-user", &of(&guests[1].1)).await.ok();
    app.pass(hours(2));
    guests[3].0.session().await;
    app.followed().await;
    let second = ask(&operator, "list", &json!({ "limit": 2, "after": first["listMetadata"]["after"] })).await;
    assert_eq!(ids(&second), [guests[2].1.clone(), guests[4].1.clone()]);
    let third = ask(&operator, "list", &json!({ "limit": 2, "after": second["listMetadata"]["after"] })).await;
    assert_eq!(ids(&third), [guests[3].1.clone()]);
    assert_eq!(third["listMetadata"]["after"], Value::Null);
    assert_eq!(third["maxAge"], Value::Null);
    assert_eq!(third["guests"][0]["cleanup"]["dueAt"], Value::Null, "no age is set: it stays");
}

#[tokio::test]
async fn a_hold_takes_a_time_however_it_is_written() {
    let app = app(&[]).await;
    let (_, id) = guest(&app).await;
    for (until, means) in [
        ("2028-01-01T00:00:00Z", "2028-01-01T00:00:00.000Z"),
        ("2028-01-01T00:00:00.5+01:00", "2027-12-31T23:00:00.500Z"),
        ("2028-02-01", "2028-02-01T00:00:00.000Z"),
    ] {
        let held = ask(&app.operator(), "hold", &json!({ "userId": id, "until": until })).await;
        assert_eq!(held["guest"]["cleanup"]["heldUntil"], means);
    }
}

#[tokio::test]
async fn a_held_guest_stays_and_a_released_one_goes() {
    let app = app(&[("anonymous.max_age", "2d")]).await;
    let admin = app.admin("ada@example.com").await;
    let ((_, by_key), (_, by_admin), (_, other)) = (guest(&app).await, guest(&app).await, guest(&app).await);
    let until = app.date(days(10));
    let reason = "open case of Jane's";
    let form = json!({ "userId": by_key, "until": until, "reason": reason });
    let held = ask(&app.operator(), "hold", &form).await;
    assert_eq!(held["guest"]["id"], by_key);
    let said = &held["guest"]["cleanup"];
    assert_eq!((&said["state"], &said["heldUntil"], &said["dueAt"]), (&json!("held"), &until, &until));
    assert_eq!(said["holdReason"], reason);
    // Epoch milliseconds are a date, too.
    let millis = app.clock_seconds() * 1000 + days(9).as_millis();
    ask(&admin, "hold", &json!({ "userId": by_admin, "until": millis })).await;

    app.followed().await;
    let page = ask(&app.operator(), "list", &json!({ "state": "held" })).await;
    assert_eq!(ids(&page), [by_admin.clone(), by_key.clone()], "in the order in which it ends");
    assert_eq!(page["guests"][1]["cleanup"]["holdReason"], reason);

    app.pass(days(3));
    app.until("UserDeleted", 1).await;
    assert_eq!(deeds(&app, "user.deleted").await[0]["targets"][0]["id"], other);
    let released = ask(&admin, "release", &of(&by_key)).await;
    assert_eq!(released["guest"]["cleanup"]["heldUntil"], Value::Null);
    app.until("UserDeleted", 2).await;
    app.pass(days(7));
    app.until("UserDeleted", 3).await;

    let deeds = deeds(&app, "guest.held").await;
    assert_eq!(deeds.len(), 2);
    assert_eq!((&deeds[0]["actor"]["type"], &deeds[1]["actor"]["type"]), (&json!("admin"), &json!("api_key")));
    assert_eq!(deeds[1]["metadata"]["until"], until);
    assert!(!app.everything().await.contains("Jane"), "sealed like all that is said of a person");
}

#[tokio::test]
async fn who_is_told_goes_later_and_whoever_comes_back_stays() {
    let app = app(&[("anonymous.max_age", "4d"), ("anonymous.notice", "2d")]).await;
    let ((away, first), (back, second)) = (guest(&app).await, guest(&app).await);
    app.pass(days(2) + hours(1) + seconds(1));
    app.until("GuestExpiryAnnounced", 2).await;
    app.followed().await;
    let page = ask(&app.operator(), "list", &json!({ "state": "expiring" })).await;
    assert_eq!(states(&page), ["expiring", "expiring"]);
    let due = app.date(days(2));
    assert_eq!((&page["guests"][0]["cleanup"]["expiresAt"], &page["guests"][0]["cleanup"]["dueAt"]), (&due, &due));
    let told = app.operator().post("/banata/events/list", &json!({ "eventTypes": ["guest.expiring"] })).await.ok();
    assert_eq!(told["data"].as_array().unwrap().len(), 2, "{told}");

    // A visit takes it back.
    assert_eq!(back.session().await["user"]["id"], second);
    app.followed().await;
    assert_eq!(ids(&ask(&app.operator(), "list", &json!({ "state": "expiring" })).await), std::slice::from_ref(&first));
    app.pass(days(2) + seconds(1));
    app.until("UserDeleted", 1).await;
    assert!(away.session().await.is_null());
    assert_eq!(back.session().await["user"]["id"], second);
    app.followed().await;
    assert_eq!(count(&app, "UserDeleted").await, 1);
    assert_eq!(deeds(&app, "user.deleted").await[0]["metadata"]["reason"], "anonymous_max_age");
}

#[tokio::test]
async fn a_clean_up_is_undone_until_it_is_final() {
    let app = app(&[("anonymous.max_age", "2d"), ("anonymous.undo", "3d")]).await;
    let ((back, one), (_, other)) = (guest(&app).await, guest(&app).await);
    app.pass(days(2) + hours(1) + seconds(1));
    app.until("GuestDisabled", 2).await;
    assert!(back.fork().session().await.is_null(), "out of use at once");
    app.followed().await;
    let page = ask(&app.operator(), "list", &json!({ "state": "disabled" })).await;
    let final_at = app.date(days(3));
    assert_eq!(states(&page), ["disabled", "disabled"]);
    assert_eq!(page["guests"][0]["cleanup"]["finalAt"], final_at);
    app.pass(days(3) - seconds(1));
    let undone = ask(&app.operator(), "undo", &of(&one)).await;
    let (state, until) = (&undone["guest"]["cleanup"]["state"], &undone["guest"]["cleanup"]["heldUntil"]);
    assert_eq!((state, until), (&json!("held"), &app.date(days(2))));
    assert_eq!(back.session().await["user"]["id"], one, "its session lives again");
    refused(&app.operator(), "undo", &of(&one), 409, "GUEST_NOT_DISABLED").await;
    app.pass(seconds(2));
    app.until("UserDeleted", 1).await;
    refused(&app.operator(), "undo", &of(&other), 404, "USER_NOT_FOUND").await;
    let restored = deeds(&app, "guest.restored").await;
    assert_eq!((&restored[0]["actor"]["type"], &restored[0]["targets"][0]["id"]), (&json!("api_key"), &one));
}

/// SECURITY S9: nothing brings a session back that a ban has ended.
#[tokio::test]
async fn undoing_a_clean_up_does_not_undo_a_ban() {
    let app = app(&[("anonymous.max_age", "2d"), ("anonymous.undo", "3d")]).await;
    let (browser, id) = guest(&app).await;
    app.pass(days(2) + hours(1) + seconds(1));
    app.until("GuestDisabled", 1).await;
    app.operator().post("/admin/ban-user", &json!({ "userId": id, "banExpiresIn": 60 })).await.ok();
    ask(&app.operator(), "undo", &of(&id)).await;
    assert!(browser.fork().session().await.is_null());
    app.pass(seconds(61));
    assert!(browser.session().await.is_null(), "nor when the ban is over");
}

#[tokio::test]
async fn what_a_guest_did_is_handed_over_and_the_guest_goes() {
    let app = app(&[]).await;
    let admin = app.admin("ada@example.com").await;
    let member = app.browser().sign_up("jane@example.com").await["user"]["id"].clone();
    for caller in [app.operator(), admin] {
        let (browser, id) = guest(&app).await;
        let form = json!({ "userId": id, "toUserId": member });
        assert_eq!(ask(&caller, "reassign", &form).await, json!({ "success": true }));
        assert!(browser.session().await.is_null());
        refused(&caller, "reassign", &form, 404, "USER_NOT_FOUND").await;
        let (moved, gone) = (deeds(&app, "user.transferred").await, deeds(&app, "user.deleted").await);
        let targets: Vec<_> = moved[0]["targets"].as_array().unwrap().iter().map(|target| &target["id"]).collect();
        assert_eq!(targets, [&id, &member]);
        assert_eq!(gone[0]["targets"][0]["id"], id);
        let types = app.types().await;
        let at = |wanted: &str| types.iter().rposition(|kind| kind == wanted).unwrap();
        assert!(at("GuestTransferred") < at("UserDeleted"));
    }
    assert_eq!(app.operator().post("/admin/get-user", &of(&member)).await.ok()["isAnonymous"], false);

    let ((_, one), (_, other)) = (guest(&app).await, guest(&app).await);
    let head = app.head().await;
    let to = |user: &Value, to: &Value| json!({ "userId": user, "toUserId": to });
    refused(&app.operator(), "reassign", &to(&one, &other), 400, "USER_IS_ANONYMOUS").await;
    refused(&app.operator(), "reassign", &to(&one, &one), 400, "USER_IS_ANONYMOUS").await;
    refused(&app.operator(), "reassign", &to(&member, &member), 409, "USER_IS_NOT_ANONYMOUS").await;
    refused(&app.operator(), "reassign", &to(&one, &json!("usr_nobody")), 404, "USER_NOT_FOUND").await;
    refused(&app.operator(), "reassign", &to(&one, &json!({ "id": member })), 400, "VALIDATION_ERROR").await;
    assert_eq!(app.head().await, head, "nothing was done");
}

#[tokio::test]
async fn a_clean_up_is_run_now() {
    let app = app(&[]).await;
    let browser = app.browser();
    browser.arrive().await;
    let member = browser.upgrade("jane@example.com").await["user"]["id"].clone();
    for _ in 0..6 {
        guest(&app).await;
    }
    let (_, held) = guest(&app).await;
    ask(&app.operator(), "hold", &json!({ "userId": held, "until": app.date(days(90)) })).await;
    app.pass(days(10));
    let (_, late) = guest(&app).await;
    app.followed().await;

    refused(&app.operator(), "cleanup", &json!({}), 400, "VALIDATION_ERROR").await;
    let asked = ask(&app.operator(), "cleanup", &json!({ "maxAge": 86_400 })).await;
    assert_eq!(asked["job"]["maxAge"], 86_400);
    let done = app.ended(&asked["job"]).await;
    assert_eq!((&done["status"], &done["deleted"], &done["spared"]), (&json!("finished"), &json!(6), &json!(1)));
    assert_eq!(count(&app, "UserDeleted").await, 6);
    for stays in [&held, &late, &member] {
        app.operator().post("/admin/get-user", &of(stays)).await.ok();
    }
    let gone = deeds(&app, "user.deleted").await;
    assert_eq!((&gone[0]["actor"]["type"], gone.len()), (&json!("api_key"), 6));
    let said = &gone[0]["metadata"];
    assert_eq!((&said["reason"], &said["maxAge"]), (&json!("anonymous_max_age"), &json!("86400")));
    assert_eq!((&said["lastActivity"], &said["settingsVersion"]), (&app.date(days(-10)), &json!("0")));
    assert_eq!(said["job"], asked["job"]["id"], "no settings held that age");
}

/// The configured age counts where none is given; with an undo window, guests are out of use first.
#[tokio::test]
async fn a_clean_up_that_is_run_now_can_be_undone_too() {
    let app = app(&[("anonymous.max_age", "30d"), ("anonymous.undo", "1d"), ("anonymous.notice", "7d")]).await;
    let (browser, id) = guest(&app).await;
    app.pass(days(20));
    app.followed().await;
    let done = app.ended(&ask(&app.operator(), "cleanup", &json!({})).await["job"]).await;
    assert_eq!((&done["deleted"], &done["maxAge"]), (&json!(0), &json!(2_592_000)), "nobody is away for so long");
    let done = app.ended(&ask(&app.operator(), "cleanup", &json!({ "maxAge": 864_000 })).await["job"]).await;
    assert_eq!(done["deleted"], 1);
    assert_eq!((count(&app, "GuestDisabled").await, count(&app, "UserDeleted").await), (1, 0));
    let undone = ask(&app.operator(), "undo", &of(&id)).await;
    assert_eq!(undone["guest"]["cleanup"]["state"], "held");
    assert!(browser.session().await.is_null(), "its session was past its time in any case");
}

#[tokio::test]
async fn whoever_may_not_is_told_so_and_nothing_is_done() {
    let app = app(&[]).await;
    let member = app.browser();
    let id = member.sign_up("jane@example.com").await["user"]["id"].clone();
    let (visitor, guest_id) = guest(&app).await;
    let reader = app.key(&["users.read"]).await;
    let manager = app.key(&["guests.manage"]).await;
    let remover = app.key(&["guests.delete"]).await;
    // That each is used for the first time is recorded.
    for caller in [&reader, &manager, &remover, &member, &visitor] {
        caller.get("/get-session").await.ok();
    }
    let head = app.head().await;
    for call in CALLS {
        let form = match call {
            "list" => json!({}),
            "cleanup" => json!({ "maxAge": 3600 }),
            "hold" => json!({ "userId": guest_id, "until": app.date(days(1)) }),
            "reassign" => json!({ "userId": guest_id, "toUserId": id }),
            _ => of(&guest_id),
        };
        refused(&app.program(), call, &form, 401, "UNAUTHORIZED").await;
        refused(&member, call, &form, 403, "FORBIDDEN").await;
        refused(&visitor, call, &form, 403, "FORBIDDEN").await;
        let proxied = app.program().always("x-api-key", KEY.1);
        refused(&proxied, call, &form, 401, "UNAUTHORIZED").await;
        let lacking = match call {
            "list" => [&manager, &remover],
            "reassign" | "cleanup" => [&manager, &reader],
            _ => [&remover, &reader],
        };
        for key in lacking {
            refused(key, call, &form, 403, "INSUFFICIENT_PERMISSION").await;
        }
    }
    assert_eq!(app.head().await, head, "nothing was done");
}

/// CONTRACT 7.2: an id that arrives nested is never unwrapped, a key that is not understood never dropped, and members are
/// left alone.
#[tokio::test]
async fn nested_ids_unknown_keys_and_members_are_refused() {
    let app = app(&[]).await;
    let member = app.browser().sign_up("jane@example.com").await["user"]["id"].clone();
    let (_, id) = guest(&app).await;
    let operator = app.operator();
    ask(&operator, "list", &json!({})).await;
    let head = app.head().await;
    let until = app.date(days(1));
    for call in ["hold", "release", "undo", "reassign"] {
        let form = |user: &Value| match call {
            "hold" => json!({ "userId": user, "until": until }),
            "reassign" => json!({ "userId": user, "toUserId": member }),
            _ => of(user),
        };
        for nested in [json!({ "userId": id }), json!([id]), json!(null), json!(1)] {
            refused(&operator, call, &form(&nested), 400, "VALIDATION_ERROR").await;
        }
        refused(&operator, call, &json!({}), 400, "VALIDATION_ERROR").await;
        refused(&operator, call, &form(&json!("usr_01JM0000000000000000000009")), 404, "USER_NOT_FOUND").await;
        refused(&operator, call, &form(&json!("nobody")), 404, "USER_NOT_FOUND").await;
        refused(&operator, call, &form(&member), 409, "USER_IS_NOT_ANONYMOUS").await;
        let mut unknown = form(&id);
        unknown["onlyIf"] = json!(true);
        refused(&operator, call, &unknown, 400, "VALIDATION_ERROR").await;
    }
    let hold = |until: Value, reason: Value| json!({ "userId": id, "until": until, "reason": reason });
    for form in [
        hold(app.date(days(0)), Value::Null),
        hold(app.date(days(3651)), Value::Null),
        hold(json!("tomorrow"), Value::Null),
        hold(until.clone(), json!("x".repeat(1001))),
        hold(until.clone(), json!({})),
    ] {
        refused(&operator, "hold", &form, 400, "VALIDATION_ERROR").await;
    }
    for form in [
        json!({ "maxAge": 3599 }),
        json!({ "maxAge": 315_360_001 }),
        json!({ "maxAge": "30d" }),
        json!({ "maxAge": 86_400.5 }),
        json!({ "maxAge": 86_400, "filter": { "isAnonymous": false } }),
        json!({ "maxage": 86_400 }),
    ] {
        refused(&operator, "cleanup", &form, 400, "VALIDATION_ERROR").await;
    }
    for form in [
        json!({ "filter": { "isAnonymous": true } }),
        json!({ "after": "usr_01JM0000000000000000000009" }),
        json!({ "after": "x.y" }),
        json!({ "state": "gone" }),
        json!({ "limit": -1 }),
        json!({ "lastActiveBefore": "yesterday" }),
    ] {
        refused(&operator, "list", &form, 400, "VALIDATION_ERROR").await;
    }
    assert_eq!(app.head().await, head, "nothing was done");
}

/// Beside the server that answers, in the operator's own name.
#[tokio::test]
async fn the_command_line_holds_lists_and_releases() {
    let app = app(&[]).await;
    let (_, id) = guest(&app).await;
    let user = id.as_str().unwrap();
    let held = app.command(&["guests", "hold", user, "--until", "2028-01-01", "--reason", "a case of Jane's"]);
    assert!(held.starts_with(user) && held.contains("held until 2028-01-01T00:00:00.000Z"), "{held}");
    let listed = app.command(&["guests", "list", "--state", "held"]);
    assert!(listed.contains(user) && listed.contains("a case of Jane's") && listed.lines().count() == 1, "{listed}");
    assert_eq!(app.command(&["guests", "list", "--state", "disabled"]), "");
    let released = app.command(&["guests", "release", user]);
    assert!(released.contains("quiet") && !released.contains("held"), "{released}");
    let deeds = deeds(&app, "guest.released").await;
    assert_eq!((&deeds[0]["actor"]["type"], &deeds[0]["targets"][0]["id"]), (&json!("system"), &id));
    let page = ask(&app.operator(), "list", &json!({})).await;
    assert_eq!(states(&page), ["quiet"]);
}
