//! Guests who stay away go by themselves; whoever comes back or becomes a member stays (CONTRACT 2.7).

use crate::support::{App, KEY, days, hours, seconds};

#[tokio::test]
async fn a_guest_who_stays_away_goes_and_the_others_stay() {
    let app = App::with(&[("anonymous.max_age", "2h")]).await;
    let (away, here, member) = (app.browser(), app.browser(), app.browser());
    for browser in [&away, &here, &member] {
        browser.arrive().await;
    }
    member.upgrade("jane@example.com").await;
    app.pass(hours(2));
    here.get("/get-session").await.ok();
    app.pass(hours(1) + seconds(1));
    app.until("UserDeleted", 1).await;
    assert!(away.get("/get-session").await.ok().is_null());
    assert!(!here.get("/get-session").await.ok().is_null());
    assert!(!member.get("/get-session").await.ok().is_null());
    assert_eq!(app.types().await.iter().filter(|kind| *kind == "UserDeleted").count(), 1);
}

/// The clock goes a month ahead and back again: what it skipped counts for nobody, and is written down.
#[tokio::test]
async fn a_clock_that_jumps_takes_nobody_early() {
    let app = App::with(&[KEY, ("anonymous.max_age", "2d")]).await;
    let (early, late) = (app.browser(), app.browser());
    let early = early.arrive().await["user"]["id"].clone();
    app.pass(hours(2));
    let late = late.arrive().await["user"]["id"].clone();
    app.pass(days(2) - hours(2));
    app.clock.jump(days(30));
    app.until("ClockJumped", 1).await;
    // By then it is the turn of the one who came first, and of nobody else.
    app.pass(hours(1) + seconds(1));
    app.until("UserDeleted", 1).await;
    app.followed().await;
    let of = |id: &serde_json::Value| serde_json::json!({ "userId": id });
    app.operator().post("/admin/get-user", &of(&early)).await.refused(404, "USER_NOT_FOUND");
    app.operator().post("/admin/get-user", &of(&late)).await.ok();

    app.clock.jump(days(-30));
    app.until("ClockJumped", 2).await;
    app.operator().post("/admin/get-user", &of(&late)).await.ok();
    app.pass(hours(2));
    app.until("UserDeleted", 2).await;
    let jump: serde_json::Value = serde_json::from_slice(&app.last("ClockJumped").await.body).unwrap();
    assert_eq!(jump["from"].as_i64().unwrap() - jump["to"].as_i64().unwrap(), days(30).as_millis());
}

/// Whoever was held until a time, was here meanwhile and stays away again goes when that is over.
#[tokio::test]
async fn a_hold_that_is_over_is_no_hold() {
    let app = App::with(&[KEY, ("anonymous.max_age", "2d")]).await;
    let browser = app.browser();
    let id = browser.arrive().await["user"]["id"].clone();
    let form = serde_json::json!({ "userId": id, "until": app.date(days(3)) });
    app.operator().post("/admin/guests/hold", &form).await.ok();
    app.pass(days(2));
    browser.session().await;
    app.pass(days(1) + hours(1));
    assert_eq!(browser.session().await["user"]["id"], id, "held, and here meanwhile");
    app.pass(days(2) + hours(1) + seconds(1));
    app.until("UserDeleted", 1).await;
}
