//! What can't be asked, and who may not ask.

use serde_json::json;

use super::SETUP;
use crate::support::{App, KEY, Method};

#[tokio::test]
async fn what_can_not_be_asked_is_told_with_the_field() {
    let app = App::with(&SETUP).await;
    let operator = app.operator();
    for (path, field) in [
        ("conversion?from=2027-01-16&to=2027-01-15", "to"),
        ("conversion?from=2027-01-15&to=2027-01-15", "to"),
        ("conversion?from=tomorrow", "from"),
        ("conversion?from=2027-01-15T08:01:00.000Z", "from"),
        ("conversion?to=99999999999999999999", "to"),
        ("conversion?from=", "from"),
        ("conversion?grain=minute", "grain"),
        ("conversion?from=2026-01-01&to=2027-01-01&grain=quarter", "grain"),
        ("conversion?group=country", "group"),
        ("conversion?group=", "group"),
        ("conversion?group=campaign&timeZone=Europe/Berlin", "timeZone"),
        ("conversion?group=campaign&grain=hour", "grain"),
        ("conversion?timeZone=Europe/Atlantis", "timeZone"),
        ("conversion?timeZone=", "timeZone"),
        ("conversion?format=xml", "format"),
        ("conversion?after=day", "after"),
        ("conversion?fromm=2027-01-15", "fromm"),
        ("cohorts?after=month", "after"),
        ("cohorts?grain=hour", "grain"),
        ("cohorts?group=method", "group"),
        ("cohorts?timeZone=Asia/Tokyo", "timeZone"),
        ("cohorts?from=2025-01-01&to=2027-01-01", "grain"),
        ("time-to-convert?grain=day", "grain"),
        ("time-to-convert?from=2027-01-14T12:00:00.000Z", "from"),
        ("sessions?group=method", "group"),
    ] {
        let body = operator.at(Method::GET, &format!("/api/analytics/{path}")).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(body["errors"][0]["field"], field, "{path}");
    }
    // Of every call, what every call takes.
    for path in ["conversion", "cohorts", "time-to-convert", "sessions"] {
        for (query, field) in [
            ("from=2027-01-16&to=2027-01-15", "to"),
            ("from=2027-02-30", "from"),
            ("from=1999-12-31", "from"),
            ("to=2200-01-02", "to"),
            ("from=2000-01-01&to=2100-01-01", "to"),
            ("to=", "to"),
            ("timeZone=Mars/Olympus", "timeZone"),
            ("timeZone=../../etc/passwd", "timeZone"),
            ("format=parquet", "format"),
            ("group=", "group"),
            ("group=__proto__", "group"),
            ("zone=UTC", "zone"),
        ] {
            let asked = format!("/api/analytics/{path}?{query}");
            let body = operator.at(Method::GET, &asked).await.refused(422, "VALIDATION_ERROR");
            assert_eq!(body["errors"][0]["field"], field, "{asked}");
        }
    }
    for (form, field) in [
        (json!({ "from": "2027-01-16", "to": "2027-01-15" }), "to"),
        (json!({ "from": {} }), "from"),
        (json!({ "grain": "hour" }), "grain"),
        (json!({ "timeZone": 1 }), "timeZone"),
        (json!({ "zone": "UTC" }), "zone"),
    ] {
        let body = operator.post("/admin/analytics/conversion", &form).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(body["errors"][0]["field"], field, "{form}");
    }
    operator.at(Method::GET, "/api/analytics/conversion?from=%ff").await.refused(400, "BAD_REQUEST");
    operator.at(Method::POST, "/api/analytics/conversion").await.refused(405, "METHOD_NOT_ALLOWED");
    operator.at(Method::GET, "/api/analytics/revenue").await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn it_takes_a_permission_or_an_administrator() {
    let app = App::with(&SETUP).await;
    let (analyst, other) = (app.key(&["analytics.read"]).await, app.key(&["users.read", "audit.read"]).await);
    let (admin, guest) = (app.admin("ada@example.com").await, app.browser());
    guest.arrive().await;
    for path in ["conversion", "cohorts", "time-to-convert", "sessions"] {
        let path = format!("/api/analytics/{path}");
        analyst.at(Method::GET, &path).await.ok();
        admin.at(Method::GET, &path).await.ok();
        other.at(Method::GET, &path).await.refused(403, "INSUFFICIENT_PERMISSION");
        guest.at(Method::GET, &path).await.refused(403, "FORBIDDEN");
        app.program().at(Method::GET, &path).await.refused(401, "UNAUTHORIZED");
        app.bearer("sk_live_nonsense").at(Method::GET, &path).await.refused(401, "INVALID_API_KEY");
        // Nor is what is wrong with a question told to whom may not ask it.
        app.program().at(Method::GET, &format!("{path}?from=x")).await.refused(401, "UNAUTHORIZED");
    }
    analyst.post("/admin/analytics/conversion", &json!({})).await.ok();
    admin.post("/admin/analytics/conversion", &json!({})).await.ok();
    other.post("/admin/analytics/conversion", &json!({})).await.refused(403, "INSUFFICIENT_PERMISSION");
    guest.post("/admin/analytics/conversion", &json!({})).await.refused(403, "FORBIDDEN");
    analyst.post("/admin/list-users", &json!({})).await.refused(403, "INSUFFICIENT_PERMISSION");
}

#[tokio::test]
async fn these_calls_are_limited_like_those_of_administrators() {
    let app = App::with(&[KEY]).await;
    let operator = app.operator();
    for _ in 0..120 {
        operator.at(Method::GET, "/api/analytics/sessions").await.ok();
    }
    operator.at(Method::GET, "/api/analytics/sessions").await.refused(429, "RATE_LIMITED");
}
