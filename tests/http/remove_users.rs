//! Many users removed by a filter, as one job.

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, days};

async fn app() -> App {
    App::with(&[KEY, ("rate_limits", "off")]).await
}

#[tokio::test]
async fn guests_go_and_members_stay() {
    let app = app().await;
    for _ in 0..5 {
        app.program().arrive().await;
    }
    let member = app.browser();
    member.sign_up("jane@example.com").await;
    app.pass(days(10));
    let late = app.browser();
    late.arrive().await;
    app.followed().await;
    let filter = json!({ "isAnonymous": true, "lastActiveBefore": app.date(days(-1)) });
    let counted = app.operator().post("/admin/remove-users", &json!({ "filter": filter, "dryRun": true })).await.ok();
    assert_eq!(counted, json!({ "wouldDelete": 5 }));

    let asked = app.operator().post("/admin/remove-users", &json!({ "filter": filter })).await.ok();
    let done = app.ended(&asked["job"]).await;
    assert_eq!((&done["status"], &done["deleted"], &done["spared"]), (&json!("finished"), &json!(5), &json!(0)));
    assert_eq!((&done["remaining"], &done["filter"]), (&json!(0), &filter));
    let types = app.types().await;
    assert_eq!(types.iter().filter(|kind| *kind == "UserDeleted").count(), 5);
    app.followed().await;
    let left = app.operator().post("/admin/list-users", &json!({})).await.ok();
    assert_eq!(left["total"], 2);
    assert_eq!(late.session().await["user"]["isAnonymous"], true);
    app.operator().post("/admin/cancel-job", &json!({ "jobId": done["id"] })).await.refused(409, "JOB_ENDED");
}

#[tokio::test]
async fn nobody_means_everybody_and_members_take_more() {
    let app = app().await;
    let operator = app.operator();
    operator.post("/admin/remove-users", &json!({ "filter": {} })).await.refused(400, "FILTER_REQUIRED");
    operator.post("/admin/remove-users", &json!({})).await.refused(400, "VALIDATION_ERROR");
    for asked in [json!({ "filter": { "anonymous": true } }), json!({ "filter": { "isAnonymous": true }, "limit": 5 })]
    {
        operator.post("/admin/remove-users", &asked).await.refused(400, "UNKNOWN_FILTER");
    }
    let reversed = json!({ "filter": { "createdAfter": "2027-01-16", "createdBefore": "2027-01-15" } });
    operator.post("/admin/remove-users", &reversed).await.refused(400, "VALIDATION_ERROR");
    let key = app.key(&["guests.delete"]).await;
    key.post("/admin/remove-users", &json!({ "filter": { "isAnonymous": true } })).await.ok();
    for filter in [json!({ "isAnonymous": false }), json!({ "banned": true })] {
        key.post("/admin/remove-users", &json!({ "filter": filter })).await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    app.program().post("/admin/remove-users", &json!({ "filter": {} })).await.refused(401, "UNAUTHORIZED");
    operator.post("/admin/get-job", &json!({ "jobId": "job_x" })).await.refused(400, "VALIDATION_ERROR");
    let unknown = "job_01JM0000000000000000000009";
    operator.post("/admin/get-job", &json!({ "jobId": unknown })).await.refused(404, "JOB_NOT_FOUND");
    operator.post("/admin/cancel-job", &json!({ "jobId": unknown })).await.refused(404, "JOB_NOT_FOUND");
}

/// A filter is easily wider than was meant: administrators are removed by name, by whoever has all that they have.
#[tokio::test]
async fn no_administrator_goes_with_the_many() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("dev", "on")]).await;
    let admin = app.admin("ada@example.com").await;
    for nth in 0..3 {
        app.browser().sign_up(&format!("user{nth}@example.com")).await;
    }
    let guest = app.browser();
    guest.arrive().await;
    app.followed().await;
    let everybody = json!({ "filter": { "createdBefore": app.date(days(1)) } });
    for (who, deleted, spared) in [(app.key(&["guests.delete", "users.delete.bulk"]).await, 4, 1), (admin.fork(), 0, 1)]
    {
        let asked = who.post("/admin/remove-users", &everybody).await.ok();
        let done = app.ended(&asked["job"]).await;
        assert_eq!((&done["deleted"], &done["spared"]), (&json!(deleted), &json!(spared)), "{done}");
        app.followed().await;
    }
    assert_eq!(admin.session().await["user"]["role"], "admin");
    assert_eq!(guest.session().await, Value::Null);
}

/// One by one, too: a key that is less than an administrator removes none, and one for guests no member.
#[tokio::test]
async fn weak_keys_spare_administrators_and_members() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("dev", "on")]).await;
    let admin = app.admin("ada@example.com").await;
    let ada = admin.session().await["user"]["id"].clone();
    let jane = app.browser().sign_up("jane@example.com").await["user"]["id"].clone();
    let guest = app.program().arrive().await["user"]["id"].clone();
    let guests_only = app.key(&["guests.delete"]).await;
    let members_too = app.key(&["guests.delete", "users.delete"]).await;
    let remove = async |key: &Client, user: &Value| key.post("/admin/remove-user", &json!({ "userId": user })).await;
    for user in [&ada, &jane] {
        remove(&guests_only, user).await.refused(403, "INSUFFICIENT_PERMISSION");
    }
    remove(&members_too, &ada).await.refused(403, "INSUFFICIENT_PERMISSION");
    remove(&guests_only, &guest).await.ok();
    remove(&members_too, &jane).await.ok();
    assert_eq!(admin.session().await["user"]["role"], "admin");
}
