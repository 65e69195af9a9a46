//! Who came from where and when, and who may ask.

use serde_json::{Value, json};

use super::{app, arrives, counts, lately, origins};
use crate::support::{PASSWORD, days, hours, seconds};

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
