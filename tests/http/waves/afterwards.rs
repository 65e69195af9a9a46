//! What becomes of guests who are out of use, and what is told of it.

use serde_json::{Value, json};

use super::{app, arrives, disable, largest, lately, restore};
use crate::support::{App, KEY, days, hours, seconds};

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
