//! Waves of bots: seen by where and when they came, out of use as one job, and back as one job (docs/abuse.md).

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, Client, KEY, PASSWORD, days, hours, seconds};

async fn app() -> App {
    App::with(&[KEY, ("rate_limits", "off"), ("trusted_proxies", "127.0.0.1"), ("guests_per_minute", "0")]).await
}

/// A browser behind the proxy, at some address.
fn at(app: &App, address: &str) -> Client {
    app.browser().always("x-forwarded-for", address)
}

async fn arrives(app: &App, address: &str) -> (Client, Value) {
    let browser = at(app, address);
    let guest = browser.arrive().await;
    (browser, guest)
}

async fn origins(app: &App, asked: Value) -> Value {
    app.operator().post("/admin/guests/origins", &asked).await.ok()
}

/// The name of the largest group.
async fn largest(app: &App) -> Value {
    origins(app, json!({})).await["groups"][0]["network"].clone()
}

async fn disable(app: &App, wave: Value) -> Value {
    let asked = app.operator().post("/admin/guests/disable-wave", &wave).await.ok();
    app.ended(&asked["job"]).await
}

async fn restore(app: &App, job: &Value) -> Value {
    let asked = app.operator().post("/admin/guests/restore-wave", &json!({ "jobId": job["id"] })).await.ok();
    app.ended(&asked["job"]).await
}

/// All of the last day.
fn lately(app: &App) -> Value {
    json!({ "from": app.date(days(-1)), "to": app.date(hours(1)) })
}

fn counts(group: &Value) -> [u64; 4] {
    ["arrived", "guests", "upgraded", "disabled"].map(|name| group[name].as_u64().unwrap())
}

// --- seen ---

#[tokio::test]
async fn guests_are_told_apart_by_where_and_when_they_came() {
    let app = app().await;
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(arrives(&app, "192.0.2.1").await);
        app.pass(seconds(10));
    }
    arrives(&app, "2001:db8:1:100::1").await;
    arrives(&app, "2001:db8:1:101::1").await;
    app.pass(hours(1));
    let (browser, _) = arrives(&app, "192.0.2.1").await;
    browser.post("/anonymous/upgrade", &json!({ "email": "jane@example.com", "password": PASSWORD })).await.ok();
    first[1].0.post("/delete-anonymous-user", &json!({})).await.ok();

    let seen = origins(&app, json!({})).await;
    assert_eq!((&seen["total"], &seen["complete"]), (&json!(3), &json!(true)));
    let group = &seen["groups"][0];
    assert_eq!(counts(group), [3, 2, 1, 0], "who is gone is not counted");
    assert_eq!(
        (&group["firstAt"], &group["firstUserId"]),
        (&first[0].1["user"]["createdAt"], &first[0].1["user"]["id"])
    );
    assert_eq!(group["lastAt"], app.date(seconds(0)));
    // No address, and nothing that shows one.
    assert!(!seen.to_string().contains("192.0.2") && !seen.to_string().contains("2001:db8"));
    let subscriber = &seen["groups"][1]["network"];
    assert_ne!(subscriber, &seen["groups"][2]["network"]);

    let homes = origins(&app, json!({ "by": ["network56"] })).await;
    assert_eq!((&homes["total"], counts(&homes["groups"][1])), (&json!(2), [2, 2, 0, 0]));
    let hourly = origins(&app, json!({ "by": ["hour"] })).await;
    assert_eq!(
        hourly["groups"].as_array().unwrap().iter().map(counts).collect::<Vec<_>>(),
        [[4, 4, 0, 0], [1, 0, 1, 0]]
    );
    assert_eq!(
        (&hourly["groups"][0]["hour"], hourly["groups"][0].get("network")),
        (&json!("2027-01-15T08:00:00.000Z"), None)
    );
    let both = origins(&app, json!({ "by": ["network", "hour"], "limit": 2, "offset": 1 })).await;
    assert_eq!((&both["total"], both["groups"].as_array().unwrap().len()), (&json!(4), 2));
    let since = origins(&app, json!({ "from": app.date(seconds(-1)) })).await;
    assert_eq!(counts(&since["groups"][0]), [1, 0, 1, 0]);
    app.pass(days(1));
    assert_eq!(
        origins(&app, json!({})).await["groups"],
        json!([{
            "network": group["network"], "arrived": 1, "guests": 0, "upgraded": 1, "disabled": 0,
            "firstAt": app.date(days(-1)), "lastAt": app.date(days(-1)),
            "firstUserId": group["lastUserId"], "lastUserId": group["lastUserId"],
        }])
    );
}

#[tokio::test]
async fn who_may_look_and_disable() {
    let app = app().await;
    arrives(&app, "192.0.2.1").await;
    let calls = [
        ("/admin/guests/origins", json!({})),
        ("/admin/guests/disable-wave", lately(&app)),
        ("/admin/guests/restore-wave", json!({ "jobId": "job_01JM0000000000000000000009" })),
    ];
    let (guest, less) = (app.browser(), app.key(&["guests.delete", "users.read"]).await);
    guest.arrive().await;
    for (path, asked) in &calls {
        app.program().post(path, asked).await.refused(401, "UNAUTHORIZED");
        guest.post(path, asked).await.refused(403, "FORBIDDEN");
        less.post(path, asked).await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    let (key, admin) = (app.key(&["guests.manage"]).await, app.admin("ada@example.com").await);
    for caller in [&key, &admin] {
        caller.post("/admin/guests/origins", &json!({})).await.ok();
        let asked = caller.post("/admin/guests/disable-wave", &lately(&app)).await.ok();
        caller.post("/admin/get-job", &json!({ "jobId": asked["job"]["id"] })).await.ok();
        caller.post("/admin/guests/restore-wave", &json!({ "jobId": asked["job"]["id"] })).await.ok();
        let unknown = json!({ "jobId": "job_01JM0000000000000000000009" });
        caller.post("/admin/guests/restore-wave", &unknown).await.refused(404, "JOB_NOT_FOUND");
    }
    // A key sees the jobs that it might have asked for, and no others.
    let removal = json!({ "filter": { "isAnonymous": true, "createdBefore": app.date(days(-9)) } });
    let removal = app.operator().post("/admin/remove-users", &removal).await.ok();
    let removal = json!({ "jobId": removal["job"]["id"] });
    key.post("/admin/get-job", &removal).await.refused(403, "INSUFFICIENT_PERMISSION");
    key.post("/admin/cancel-job", &removal).await.refused(403, "INSUFFICIENT_PERMISSION");
    less.post("/admin/get-job", &removal).await.ok();
    app.operator().post("/admin/guests/restore-wave", &removal).await.refused(409, "JOB_IRREVERSIBLE");
}

#[tokio::test]
async fn what_is_not_understood_does_nothing() {
    let app = app().await;
    arrives(&app, "192.0.2.1").await;
    let operator = app.operator();
    for asked in [
        json!({ "by": [] }),
        json!({ "by": ["network", "network56"] }),
        json!({ "by": ["address"] }),
        json!({ "since": "24h" }),
        json!({ "from": app.date(hours(1)) }),
        json!({ "from": app.date(hours(-1)), "to": app.date(hours(-2)) }),
        json!({ "limit": -1 }),
    ] {
        operator.post("/admin/guests/origins", &asked).await.refused(400, "VALIDATION_ERROR");
    }
    let wave = |more: Value| {
        let mut wave = lately(&app);
        wave.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wave
    };
    for asked in [
        json!({}),
        json!({ "from": app.date(days(-1)) }),
        wave(json!({ "network": "192.0.2.1" })),
        wave(json!({ "network": null, "networks": ["x"] })),
        wave(json!({ "network": 7 })),
        wave(json!({ "filter": { "isAnonymous": true } })),
        wave(json!({ "from": app.date(hours(2)), "to": app.date(hours(3)) })),
    ] {
        operator.post("/admin/guests/disable-wave", &asked).await.refused(400, "VALIDATION_ERROR");
    }
    operator.post("/admin/guests/restore-wave", &json!({ "jobId": "x" })).await.refused(400, "VALIDATION_ERROR");
    assert!(!app.types().await.iter().any(|kind| kind == "WaveDisablingRequested"));
}

// --- out of use ---

#[tokio::test]
async fn a_wave_is_out_of_use_and_back_as_it_was() {
    let app = app().await;
    let mut bots = Vec::new();
    for _ in 0..5 {
        bots.push(arrives(&app, "192.0.2.1").await);
        app.pass(seconds(1));
    }
    let (other, _) = arrives(&app, "192.0.2.2").await;
    let (member, _) = arrives(&app, "192.0.2.1").await;
    member.post("/anonymous/upgrade", &json!({ "email": "jane@example.com", "password": PASSWORD })).await.ok();
    let code = bots[0].0.post("/anonymous/recovery", &json!({ "action": "create" })).await.ok()["code"].clone();

    let network = largest(&app).await;
    let mut wave = lately(&app);
    wave["network"] = network.clone();
    wave["dryRun"] = true.into();
    let counted = app.operator().post("/admin/guests/disable-wave", &wave).await.ok();
    assert_eq!(counted, json!({ "wouldDisable": 5 }));
    wave["dryRun"] = false.into();
    let asked = app.operator().post("/admin/guests/disable-wave", &wave).await.ok();
    assert_eq!((&asked["job"]["kind"], &asked["job"]["wave"]["network"]), (&json!("disable-wave"), &network));
    let job = app.ended(&asked["job"]).await;
    assert_eq!(
        (&job["status"], &job["disabled"], &job["spared"], &job["remaining"]),
        (&json!("finished"), &json!(5), &json!(1), &json!(0))
    );
    assert_eq!(job["wave"].get("network"), None, "it is forgotten");

    for (bot, guest) in &bots {
        assert_eq!(bot.session().await, Value::Null);
        let upgrade = json!({ "email": "bot@example.com", "password": PASSWORD });
        bot.post("/anonymous/upgrade", &upgrade).await.refused(401, "UNAUTHORIZED");
        let token = guest["token"].as_str().unwrap();
        app.bearer(token).post("/update-user", &json!({ "name": "x" })).await.refused(401, "UNAUTHORIZED");
    }
    let redeem = json!({ "action": "redeem", "code": code });
    app.browser().post("/anonymous/recovery", &redeem).await.refused(400, "INVALID_TOKEN");
    for who in [&other, &member] {
        assert!(who.session().await["user"].is_object());
    }
    let seen = origins(&app, json!({})).await;
    assert_eq!(counts(&seen["groups"][0]), [6, 0, 1, 5]);
    // Nor is a visit that nobody answered one.
    app.pass(hours(2));
    assert_eq!(bots[0].0.session().await, Value::Null);

    let back = restore(&app, &job).await;
    assert_eq!(
        (&back["kind"], &back["undoes"], &back["status"], &back["restored"], &back["spared"]),
        (&json!("restore-wave"), &job["id"], &json!("finished"), &json!(5), &json!(0))
    );
    for (bot, guest) in &bots {
        let session = bot.session().await;
        assert_eq!(
            (&session["user"]["id"], &session["session"]["id"]),
            (&guest["user"]["id"], &guest["session"]["id"])
        );
    }
    app.browser().post("/anonymous/recovery", &redeem).await.ok();
    let upgraded = bots[1].0.upgrade("bot@example.com").await;
    assert_eq!(upgraded["user"]["id"], bots[1].1["user"]["id"]);
    assert_eq!(restore(&app, &job).await["restored"], 0, "there is nobody left");
}

/// A time without a network is everybody who came in it.
#[tokio::test]
async fn who_came_before_or_after_is_left_alone() {
    let app = app().await;
    let before = arrives(&app, "192.0.2.1").await;
    app.pass(seconds(60));
    let (from, first) = (app.date(seconds(0)), arrives(&app, "192.0.2.1").await);
    app.pass(seconds(59));
    let second = arrives(&app, "198.51.100.7").await;
    let to = app.date(seconds(0));
    app.pass(A_MILLISECOND);
    let after = arrives(&app, "192.0.2.1").await;
    let job = disable(&app, json!({ "from": from, "to": to })).await;
    assert_eq!((&job["disabled"], &job["spared"]), (&json!(2), &json!(0)));
    for (browser, there) in [(&before.0, true), (&first.0, false), (&second.0, false), (&after.0, true)] {
        assert_eq!(browser.session().await.is_object(), there);
    }
}

#[tokio::test]
async fn each_wave_is_undone_for_itself() {
    let app = app().await;
    let (bot, guest) = arrives(&app, "192.0.2.1").await;
    let one = disable(&app, lately(&app)).await;
    let (late, _) = arrives(&app, "192.0.2.1").await;
    app.pass(seconds(1));
    let other = disable(&app, lately(&app)).await;
    assert_eq!((&other["disabled"], &other["spared"]), (&json!(1), &json!(1)));
    assert_eq!(restore(&app, &other).await["restored"], 1);
    assert!(bot.session().await.is_null());
    assert!(late.session().await.is_object());
    assert_eq!(restore(&app, &one).await["restored"], 1);
    assert_eq!(bot.session().await["session"]["id"], guest["session"]["id"]);
}

#[tokio::test]
async fn whoever_is_banned_meanwhile_gets_no_session_back() {
    let app = app().await;
    let (bot, guest) = arrives(&app, "192.0.2.1").await;
    let job = disable(&app, lately(&app)).await;
    let ban = json!({ "userId": guest["user"]["id"], "banExpiresIn": 60 });
    app.operator().post("/admin/ban-user", &ban).await.ok();
    assert_eq!(restore(&app, &job).await["restored"], 1);
    assert!(bot.session().await.is_null());
    app.pass(seconds(61));
    assert!(bot.session().await.is_null());
}

/// Whoever has the token of a session that was ended for good is not let in by an undoing.
#[tokio::test]
async fn a_session_that_was_revoked_meanwhile_stays_ended() {
    let app = app().await;
    let ((bot, guest), (other, _)) = (arrives(&app, "192.0.2.1").await, arrives(&app, "192.0.2.1").await);
    let job = disable(&app, lately(&app)).await;
    app.operator().post("/admin/revoke-user-sessions", &json!({ "userId": guest["user"]["id"] })).await.ok();
    assert_eq!(restore(&app, &job).await["restored"], 2);
    assert!(bot.session().await.is_null());
    assert!(other.session().await.is_object());
}

// --- what becomes of them ---

/// Whomever is asked: who is out of use is told so.
#[tokio::test]
async fn whoever_is_out_of_use_is_listed_as_such_and_no_clean_up_counts_them() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("anonymous.max_age", "10d")]).await;
    let mut bots = Vec::new();
    for _ in 0..3 {
        bots.push(arrives(&app, "192.0.2.1").await.1["user"]["id"].clone());
        app.pass(seconds(1));
    }
    let job = disable(&app, lately(&app)).await;
    app.followed().await;
    let mut seen = Vec::new();
    let mut form = json!({ "state": "disabled", "limit": 2 });
    loop {
        let page = app.operator().post("/admin/guests/list", &form).await.ok();
        for guest in page["guests"].as_array().unwrap() {
            assert_eq!(guest["cleanup"]["state"], "disabled");
            seen.push(guest["id"].clone());
        }
        form["after"] = page["listMetadata"]["after"].clone();
        if form["after"].is_null() {
            break;
        }
    }
    assert_eq!(seen, bots);
    app.pass(days(3));
    let rehearsed = json!({ "dryRun": true, "maxAge": 86_400 });
    let told = app.operator().post("/admin/guests/cleanup", &rehearsed).await.ok();
    assert_eq!((&told["wouldDelete"], &told["outOfUse"]), (&json!(0), &json!(3)), "{told}");
    assert_eq!(restore(&app, &job).await["restored"], 3);
    app.followed().await;
    let page = app.operator().post("/admin/guests/list", &json!({ "state": "disabled" })).await.ok();
    assert_eq!(page["guests"], json!([]));
}

#[tokio::test]
async fn whoever_stays_out_of_use_goes_when_a_guest_who_stays_away_does() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("anonymous.max_age", "2d")]).await;
    let bot = app.browser();
    bot.arrive().await;
    app.pass(seconds(1));
    let job = disable(&app, lately(&app)).await;
    app.pass(days(2) + hours(1));
    app.until("UserDeleted", 1).await;
    let gone: Value = serde_json::from_slice(&app.last("UserDeleted").await.body).unwrap();
    assert_eq!(gone["reason"], "anonymous_max_age");
    assert_eq!(restore(&app, &job).await["restored"], 0);
    assert!(bot.session().await.is_null());
}

/// The time in which it could not come is given back: the clean-up does not take it at once.
#[tokio::test]
async fn whoever_is_put_back_has_time_to_come() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("anonymous.max_age", "2d")]).await;
    let bot = app.browser();
    bot.arrive().await;
    app.pass(hours(1));
    let job = disable(&app, lately(&app)).await;
    app.program().arrive().await;
    app.pass(hours(40));
    assert_eq!(restore(&app, &job).await["restored"], 1);
    app.pass(hours(39));
    // Somebody who came later than it, and could have come all the time.
    app.until("UserDeleted", 1).await;
    assert!(bot.session().await.is_object());
    app.pass(days(3));
    app.until("UserDeleted", 2).await;
}

// --- evidence ---

#[tokio::test]
async fn the_trail_names_the_job() {
    let app = app().await;
    let (_, guest) = arrives(&app, "192.0.2.1").await;
    let network = largest(&app).await;
    let mut wave = lately(&app);
    wave["network"] = network.clone();
    let admin = app.admin("ada@example.com").await;
    let asked = admin.post("/admin/guests/disable-wave", &wave).await.ok();
    let job = app.ended(&asked["job"]).await;
    let back = restore(&app, &job).await;
    app.followed().await;
    let told = async |action: &str| {
        let asked = json!({ "action": action });
        app.operator().post("/banata/audit-logs/list", &asked).await.ok()["data"].as_array().unwrap().clone()
    };
    let disabled = told("guest.disabled").await;
    assert_eq!(disabled.len(), 1);
    assert_eq!((&disabled[0]["metadata"]["job"], &disabled[0]["targets"][0]["id"]), (&job["id"], &guest["user"]["id"]));
    assert_eq!(disabled[0]["actorType"], "admin", "who asked for the job answers for it");
    assert_eq!(told("guest.restored").await.len(), 1);
    let mut kinds: Vec<_> = told("job.requested").await.iter().map(|row| row["metadata"]["kind"].clone()).collect();
    kinds.reverse();
    assert_eq!(kinds, ["disable-wave", "restore-wave"]);
    assert_eq!(told("job.ended").await.len(), 2);
    assert!(back["wave"].is_null());
    // Where the wave came from stands in no event.
    assert!(!app.everything().await.contains(network.as_str().unwrap()));
}

// --- races ---

/// Whichever came first: a member whom the wave left alone, or a guest who is out of use. Never both, never neither.
#[tokio::test]
async fn of_an_upgrade_and_a_wave_one_wins() {
    let app = app().await;
    let mut won = 0;
    for round in 0..10 {
        let mut bots = Vec::new();
        for number in 0..6 {
            bots.push((arrives(&app, "192.0.2.1").await.0, format!("bot{round}x{number}@example.com")));
        }
        app.pass(seconds(1));
        let upgrades = bots.iter().map(|(bot, email)| async move {
            bot.post("/anonymous/upgrade", &json!({ "email": email, "password": PASSWORD })).await.status
        });
        let wave = json!({ "from": app.date(seconds(-1)), "to": app.date(seconds(0)) });
        let (job, statuses) = tokio::join!(disable(&app, wave), futures_util::future::join_all(upgrades));
        for ((bot, _), status) in bots.iter().zip(&statuses) {
            assert!([200, 401].contains(status), "{status}");
            assert_eq!(bot.session().await.is_object(), *status == 200);
        }
        let members = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((&job["disabled"], &job["spared"]), (&json!(6 - members), &json!(members)));
        won += members;
    }
    let types = app.types().await;
    let count = |wanted: &str| types.iter().filter(|kind| *kind == wanted).count();
    assert_eq!((count("GuestUpgraded"), count("GuestDisabled")), (won, 60 - won));
}

/// Only what was asked for is left to be done: a wave that is undone while it is on its way goes no further.
#[tokio::test]
async fn a_wave_that_is_undone_on_its_way_leaves_nobody_behind() {
    let app = app().await;
    for _ in 0..150 {
        app.program().always("x-forwarded-for", "192.0.2.1").arrive().await;
    }
    app.pass(seconds(1));
    let asked = app.operator().post("/admin/guests/disable-wave", &lately(&app)).await.ok();
    let back = restore(&app, &asked["job"]).await;
    let job = app.ended(&asked["job"]).await;
    assert_eq!(back["restored"], job["disabled"]);
    let seen = origins(&app, json!({})).await;
    assert_eq!(counts(&seen["groups"][0]), [150, 150, 0, 0]);
}

#[tokio::test]
async fn a_cancelled_wave_stays_as_far_as_it_came() {
    let app = app().await;
    for _ in 0..150 {
        app.program().always("x-forwarded-for", "192.0.2.1").arrive().await;
    }
    let asked = app.operator().post("/admin/guests/disable-wave", &lately(&app)).await.ok();
    let cancelled = app.operator().post("/admin/cancel-job", &json!({ "jobId": asked["job"]["id"] })).await;
    let job = app.ended(&asked["job"]).await;
    let done = job["disabled"].as_u64().unwrap();
    assert!(cancelled.status == 200 || done == 150, "{job}");
    let seen = origins(&app, json!({})).await;
    assert_eq!(counts(&seen["groups"][0]), [150, 150 - done, 0, done]);
}
