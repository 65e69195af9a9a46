//! What failed, in the audit trail: counted by the minute, so that nobody can fill it.

use serde_json::{Value, json};

use crate::support::{App, KEY, PASSWORD, days, seconds};

/// Lets the minute pass, and waits until so many counts are written.
async fn a_minute_later(app: &App, counts: usize) {
    app.pass(seconds(60));
    app.until("AttemptsFailed", counts).await;
    app.followed().await;
}

/// The rows of one action.
async fn rows(app: &App, action: &str) -> Vec<Value> {
    let asking = json!({ "action": action, "limit": 1000 });
    let listed = app.operator().post("/banata/audit-logs/list", &asking).await.ok();
    listed["data"].as_array().unwrap().clone()
}

fn counted(row: &Value) -> u64 {
    row["metadata"]["count"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn wrong_passwords_are_counted_by_account_and_network() {
    let app = App::with(&[KEY]).await;
    let jane = app.browser().sign_up("jane@example.com").await;
    let since = app.clock_seconds() / 60 * 60;
    let wrong = |email: &str| json!({ "email": email, "password": "wrongPassword123" });
    for (email, times) in [("jane@example.com", 3), ("nobody@example.com", 2), ("no.one@example.com", 2)] {
        for _ in 0..times {
            let refused = app.program().post("/sign-in/email", &wrong(email)).await;
            refused.refused(401, "INVALID_EMAIL_OR_PASSWORD");
        }
    }
    app.program_at(9)
        .post("/sign-in/email", &wrong("jane@example.com"))
        .await
        .refused(401, "INVALID_EMAIL_OR_PASSWORD");
    app.program().sign_in("jane@example.com").await;
    a_minute_later(&app, 3).await;
    let rows = rows(&app, "sign_in.failed").await;
    assert_eq!(rows.len(), 3);
    let user = &jane["user"]["id"];
    let of = |target: &Value, ip: &str| {
        let found = rows.iter().find(|row| row["target"]["id"] == *target && row["ipAddress"] == ip);
        found.unwrap_or_else(|| panic!("{target} from {ip}: {rows:?}"))
    };
    assert_eq!(counted(of(user, "127.0.0.1")), 3);
    assert_eq!(counted(of(user, "127.0.1.9")), 1);
    // Whose they are not is not told apart: an address that is nobody's is somebody's all the same.
    assert_eq!(counted(of(&Value::Null, "127.0.0.1")), 4);
    let row = of(user, "127.0.0.1");
    assert_eq!((&row["actorType"], &row["target"]["name"]), (&json!("system"), &json!("Jane")));
    assert_eq!(row["metadata"]["path"], "/sign-in/email");
    assert_eq!(row["metadata"]["reason"], "invalid_email_or_password");
    let began = jiff::Timestamp::from_second(since).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    assert_eq!(row["metadata"]["since"], began);

    let log = app.everything().await;
    for clear in ["127.0.", "nobody@", "no.one@", "jane@", "wrongPassword123"] {
        assert!(!log.contains(clear), "{clear} stands in the log");
    }
}

#[tokio::test]
async fn every_kind_of_failure_that_matters_is_told_by_its_name() {
    let app = App::with(&[KEY]).await;
    app.browser().sign_up("jane@example.com").await;
    let guest = app.browser();
    let arrived = guest.arrive().await;
    let taken = json!({ "email": "jane@example.com", "password": PASSWORD });
    guest.post("/anonymous/upgrade", &taken).await.refused(409, "EMAIL_ALREADY_IN_USE");
    let common = json!({ "email": "kim@example.com", "password": "password123" });
    guest.post("/anonymous/upgrade", &common).await.refused(422, "PASSWORD_TOO_COMMON");
    // Who has a session and guesses at somebody else's account is not whose account it was about.
    let guess = json!({ "email": "nobody@example.com", "password": "wrongPassword123" });
    guest.post("/sign-in/email", &guess).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    for _ in 0..5 {
        let bad = app.bearer("sk_live_0123456789abcdefghijklmnopqrstuv");
        bad.post("/banata/audit-logs/list", &json!({})).await.refused(401, "INVALID_API_KEY");
    }
    let reader = app.key(&["audit.read"]).await;
    reader.post("/banata/webhooks/list", &json!({})).await.refused(403, "INSUFFICIENT_PERMISSION");
    let mail = json!({ "email": "jane@example.com" });
    for _ in 0..10 {
        app.program().post("/request-password-reset", &mail).await.ok();
    }
    for _ in 0..7 {
        app.program().post("/request-password-reset", &mail).await.refused(429, "RATE_LIMITED");
    }
    // What is no failure is none.
    app.program().session().await;
    a_minute_later(&app, 6).await;

    let failed = rows(&app, "sign_in.failed").await;
    assert_eq!((failed.len(), &failed[0]["target"]), (1, &Value::Null));
    let refused = rows(&app, "upgrade.refused").await;
    let mut reasons: Vec<_> = refused.iter().map(|row| row["metadata"]["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["email_already_in_use", "password_too_common"]);
    assert!(refused.iter().all(|row| row["target"]["id"] == arrived["user"]["id"]));
    let mut keys: Vec<_> = rows(&app, "api_key.refused").await.iter().map(counted).collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 5]);
    let limits = rows(&app, "rate_limit.hit").await;
    assert_eq!((limits.len(), counted(&limits[0])), (1, 7));
    assert_eq!(limits[0]["metadata"]["path"], "/request-password-reset");
    assert_eq!(app.types().await.iter().filter(|name| *name == "AttemptsFailed").count(), 6);
}

/// A thousand, from forty networks, in one minute.
#[tokio::test]
async fn whoever_fails_without_end_fills_no_log_and_hides_nobody() {
    let app = App::with(&[KEY, ("origins.keep", "0s")]).await;
    let jane = app.browser().sign_up("jane@example.com").await;
    let before = app.head().await;
    let networks = (1..=40).map(|number| {
        let program = app.program_at(number).always("authorization", "Bearer sk_live_0123456789abcdefghijklmnopqrstuv");
        async move {
            for _ in 0..25 {
                program.post("/banata/audit-logs/list", &json!({})).await.refused(401, "INVALID_API_KEY");
            }
        }
    });
    futures_util::future::join_all(networks).await;
    let wrong = json!({ "email": "jane@example.com", "password": "wrongPassword123" });
    app.program_at(99).post("/sign-in/email", &wrong).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    assert_eq!(app.head().await, before, "no call writes anything");
    a_minute_later(&app, 18).await;
    assert_eq!(app.head().await - before, 18);

    let refused = rows(&app, "api_key.refused").await;
    assert_eq!(refused.len(), 17);
    assert_eq!(refused.iter().map(counted).sum::<u64>(), 1_000, "none is left out");
    let rest: Vec<_> = refused.iter().filter(|row| row["metadata"]["path"].is_null()).collect();
    assert_eq!((rest.len(), counted(rest[0])), (1, 1_000 - 16 * 25));
    assert!(refused.iter().all(|row| row["ipAddress"].is_null()), "nobody wanted networks to be kept");
    let failed = rows(&app, "sign_in.failed").await;
    assert_eq!((failed.len(), &failed[0]["target"]["id"]), (1, &jane["user"]["id"]), "a flood hides no other kind");
}

#[tokio::test]
async fn from_where_they_came_is_forgotten_and_that_they_came_is_not() {
    let app = App::with(&[KEY, ("origins.keep", "2d")]).await;
    let (before, today) = (app.sealed().await, app.clock_seconds() / 86_400);
    let wrong = json!({ "email": "nobody@example.com", "password": "wrongPassword123" });
    app.program().post("/sign-in/email", &wrong).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    a_minute_later(&app, 1).await;
    assert_eq!(rows(&app, "sign_in.failed").await[0]["ipAddress"], "127.0.0.1");
    assert_eq!(app.sealed().await, before + 1);
    app.pass(days(2));
    app.until_at("attempts", today.unsigned_abs()).await;
    assert_eq!(app.sealed().await, before + 1, "a day is kept as a whole");
    app.pass(days(1));
    app.until("AttemptsForgotten", 1).await;
    let rows = rows(&app, "sign_in.failed").await;
    assert_eq!((&rows[0]["ipAddress"], counted(&rows[0]), app.sealed().await), (&Value::Null, 1, before));
}

#[tokio::test]
async fn of_a_user_who_is_gone_nobody_is_told_from_where_they_failed() {
    let app = App::with(&[KEY]).await;
    let jane = app.browser().sign_up("jane@example.com").await;
    let wrong = json!({ "email": "jane@example.com", "password": "wrongPassword123" });
    app.program().post("/sign-in/email", &wrong).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    a_minute_later(&app, 1).await;
    assert_eq!(rows(&app, "sign_in.failed").await[0]["ipAddress"], "127.0.0.1");
    app.operator().post("/admin/remove-user", &json!({ "userId": jane["user"]["id"] })).await.ok();
    app.followed().await;
    let row = rows(&app, "sign_in.failed").await.remove(0);
    assert_eq!((&row["ipAddress"], &row["target"]["name"], counted(&row)), (&Value::Null, &Value::Null, 1));
}
