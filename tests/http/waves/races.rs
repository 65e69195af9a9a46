//! A wave, and whatever else is done meanwhile.

use serde_json::json;

use super::{app, arrives, counts, disable, lately, origins, restore};
use crate::support::{PASSWORD, seconds};

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
