//! Waves of bots: seen by where and when they came, out of use as one job, and back as one job (docs/abuse.md).

mod afterwards;
mod races;
mod seen;

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
