//! The audit trail for elsewhere: exports, and events for programs that keep up.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{app, text, told};
use crate::support::{A_MILLISECOND, Client, seconds};

async fn exported(who: &Client, asked: Value) -> Value {
    who.post("/banata/audit-logs/export", &asked).await.ok()
}

/// The clock stands still: all of them in one millisecond.
#[tokio::test]
async fn an_export_has_no_seam_within_a_millisecond_either() {
    let app = app().await;
    let operator = app.operator();
    for round in 0..4 {
        for _ in 0..3 {
            app.program().arrive().await;
        }
        if round % 2 == 1 {
            app.pass(A_MILLISECOND);
        }
    }
    let all = told(&app, json!({})).await;
    for (limit, action) in [(1, None), (4, None), (5, Some("user.created")), (1000, None)] {
        let (mut rows, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page =
                exported(&operator, json!({ "format": "json", "limit": limit, "cursor": cursor, "action": action }))
                    .await;
            let data = page["data"].as_array().unwrap();
            assert_eq!(page["count"], data.len());
            assert!(data.len() <= limit);
            rows.extend(data.clone());
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
            assert!(cursor.is_number());
        }
        let wanted = all.iter().filter(|row| action.is_none_or(|action| row["action"] == action));
        assert_eq!(rows, wanted.cloned().collect::<Vec<_>>(), "in pages of {limit}");
    }
    // Both ends are included.
    let [first, last] = [0, 1].map(|millis| 1_800_000_000_007i64 + millis);
    let of = async |start: i64, end: i64| {
        let asked = json!({ "format": "json", "startDate": start, "endDate": end });
        exported(&operator, asked).await["count"].as_u64().unwrap()
    };
    let early = of(first, first).await;
    assert_eq!(early + of(last, last).await, all.len() as u64);
    assert!(early > 0 && early < all.len() as u64);
    assert_eq!((of(first, last).await, of(last + 1, last + 9).await, of(0, first - 1).await), (all.len() as u64, 0, 0));
    for (field, value) in
        [("format", json!("xml")), ("cursor", json!("now")), ("cursor", json!(-1)), ("startDate", json!("soon"))]
    {
        let mut unfit = json!({ "format": "csv" });
        unfit[field] = value;
        operator.post("/banata/audit-logs/export", &unfit).await.refused(400, "VALIDATION_ERROR");
    }
    let reversed = json!({ "format": "csv", "startDate": "2027-01-16", "endDate": "2027-01-15" });
    let refused = operator.post("/banata/audit-logs/export", &reversed).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(refused["errors"][0]["field"], "endDate");
}

#[tokio::test]
async fn a_csv_runs_nothing_in_a_spreadsheet() {
    let app = app().await;
    let note = json!({ "action": "note.made", "actorType": "user", "actorId": "7", "actorName": "=HYPERLINK(\"http://evil.example\")",
        "actorEmail": "@evil", "userAgent": "-1+1", "metadata": { "note": "a, \"b\"\nc" } });
    app.operator().post("/banata/audit-logs/create", &note).await.ok();
    let file = exported(&app.operator(), json!({ "format": "csv", "action": "note.made" })).await;
    assert_eq!(file["count"], 1);
    let lines: Vec<_> = text(&file["data"]).split("\r\n").collect();
    let names = "id,action,occurredAt,createdAt,actorType,actorId,actorName,actorEmail,targets,organizationId,ipAddress,userAgent,requestId,changes,metadata,source,idempotencyKey,projectId";
    assert_eq!((lines.len(), lines[0], lines[2]), (3, names, ""));
    assert!(lines[1].contains(",7,\"'=HYPERLINK(\"\"http://evil.example\"\")\",'@evil,"), "{}", lines[1]);
    assert!(
        lines[1].contains(",'-1+1,") && lines[1].contains(r#","{""note"":""a, \""b\""\nc""}",api,"#),
        "{}",
        lines[1]
    );
}

#[tokio::test]
async fn a_program_keeps_up_with_what_happens() {
    let app = app().await;
    let reader = app.key(&["audit.read"]).await;
    let ask = async |asked: Value| reader.post("/banata/events/list", &asked).await.ok();
    let start = ask(json!({ "eventTypes": ["user.created"] })).await;
    assert_eq!(start, json!({ "data": [], "hasMore": false }));
    let guest = app.program().arrive().await;
    app.pass(seconds(1));
    app.program().arrive().await;
    let first = ask(json!({ "eventTypes": ["user.created", "session.created"], "limit": 3 })).await;
    let types: Vec<_> = first["data"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert_eq!((types, &first["hasMore"]), (vec!["user.created", "session.created", "user.created"], &json!(true)));
    let event = &first["data"][0];
    assert_eq!(event["createdAt"], 1_800_000_000_007i64);
    assert_eq!(event["data"]["targets"][0]["id"], guest["user"]["id"]);
    let second = ask(json!({ "eventTypes": ["user.created", "session.created"], "after": first["cursor"] })).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["hasMore"]), (1, &json!(false)));
    let cursor = second["cursor"].clone();
    assert_eq!(cursor, second["data"][0]["id"]);
    // Nothing new: the place to go on from stays.
    let third = ask(json!({ "eventTypes": ["user.created"], "after": cursor })).await;
    assert_eq!(third, json!({ "data": [], "cursor": cursor, "hasMore": false }));
    app.program().arrive().await;
    assert_eq!(
        ask(json!({ "eventTypes": ["user.created"], "after": cursor })).await["data"].as_array().unwrap().len(),
        1
    );
    // By time, both ends included; and never more than 200.
    let early = ask(json!({ "eventTypes": ["user.created"], "rangeEnd": 1_800_000_000_007i64 })).await;
    let late = ask(json!({ "eventTypes": ["user.created"], "rangeStart": 1_800_000_000_008i64 })).await;
    assert_eq!([&early, &late].map(|events| events["data"].as_array().unwrap().len()), [1, 2]);
    for _ in 0..100 {
        app.program().arrive().await;
    }
    assert_eq!(ask(json!({ "limit": 1_000_000 })).await["data"].as_array().unwrap().len(), 200);
    let kinds: BTreeSet<_> = [ask(json!({})).await]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap().clone())
        .map(|event| text(&event["id"])[..4].to_owned())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["evt_".to_owned()]));
    for (range, field) in [
        (json!({ "rangeStart": "yesterday" }), "rangeStart"),
        (json!({ "rangeStart": 1_800_000_000_008i64, "rangeEnd": 1_800_000_000_007i64 }), "rangeEnd"),
    ] {
        let refused = reader.post("/banata/events/list", &range).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["field"], field);
    }
}
