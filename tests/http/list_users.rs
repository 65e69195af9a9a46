//! Users, a page at a time (CONTRACT 7.2): filters that are applied or refused, never dropped.

use serde_json::{Value, json};

use crate::support::{App, Client, KEY, days, hours};

async fn app() -> App {
    App::with(&[KEY, ("rate_limits", "off")]).await
}

fn ids(page: &Value) -> Vec<String> {
    page["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

/// Some guests, each a day after the one before; the last ones as the first of the answer.
async fn guests(app: &App, count: usize) -> Vec<String> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(app.program().arrive().await["user"]["id"].as_str().unwrap().to_owned());
        app.pass(days(1));
    }
    made.reverse();
    app.followed().await;
    made
}

async fn list(client: &Client, asked: Value) -> Value {
    client.post("/admin/list-users", &asked).await.ok()
}

#[tokio::test]
async fn a_page_is_newest_first_and_both_clients_find_their_rows() {
    let app = app().await;
    let made = guests(&app, 3).await;
    let page = list(&app.operator(), json!({})).await;
    assert_eq!(ids(&page), made);
    assert_eq!(page["users"], page["data"]);
    assert_eq!(page["listMetadata"], json!({ "before": null, "after": null }));
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(3), &json!(100), &json!(0)));
    let first = &page["users"][0];
    assert_eq!(first["isAnonymous"], true);
    assert_eq!(first["lastActiveAt"], first["createdAt"]);
}

#[tokio::test]
async fn pages_stay_right_while_rows_come_and_go() {
    let app = app().await;
    let made = guests(&app, 7).await;
    let operator = app.operator();
    let first = list(&operator, json!({ "limit": 3 })).await;
    assert_eq!(ids(&first), made[..3]);
    assert_eq!(first["total"], 7);
    // One arrives in front, and the last one of the first page goes.
    app.program().arrive().await;
    operator.post("/admin/list-users", &json!({ "limit": 1 })).await.ok();
    app.followed().await;
    let second = list(&operator, json!({ "limit": 3, "after": first["listMetadata"]["after"] })).await;
    assert_eq!(ids(&second), made[3..6]);
    let last = list(&operator, json!({ "limit": 3, "after": second["listMetadata"]["after"] })).await;
    assert_eq!(ids(&last), made[6..]);
    assert_eq!(last["listMetadata"]["after"], Value::Null);
    let back = list(&operator, json!({ "limit": 3, "before": last["listMetadata"]["before"] })).await;
    assert_eq!(ids(&back), made[3..6]);
    let upwards = list(&operator, json!({ "limit": 2, "order": "asc" })).await;
    assert_eq!(ids(&upwards), [made[6].clone(), made[5].clone()]);
    let on = list(&operator, json!({ "limit": 2, "order": "asc", "after": upwards["listMetadata"]["after"] })).await;
    assert_eq!(ids(&on), [made[4].clone(), made[3].clone()]);
}

#[tokio::test]
async fn filters_are_applied() {
    let app = app().await;
    let (operator, member) = (app.operator(), app.browser());
    let made = guests(&app, 3).await;
    let created = app.date(hours(0));
    let jane = member.sign_up("jane@example.com").await["user"]["id"].as_str().unwrap().to_owned();
    app.pass(days(2));
    // A guest who comes back later than the others.
    let visitor = app.browser();
    visitor.arrive().await;
    app.pass(days(1));
    visitor.session().await;
    app.followed().await;

    let found = async |filter: Value| ids(&list(&operator, json!({ "filter": filter })).await);
    assert_eq!(found(json!({ "isAnonymous": false })).await, std::slice::from_ref(&jane));
    assert_eq!(found(json!({ "isAnonymous": true })).await.len(), 4);
    assert_eq!(found(json!({ "createdBefore": created })).await, made);
    assert_eq!(found(json!({ "isAnonymous": true, "lastActiveBefore": created })).await, made);
    assert_eq!(found(json!({ "createdAfter": created })).await.len(), 1);
    assert_eq!(found(json!({ "email": " Jane@Example.com" })).await, std::slice::from_ref(&jane));
    assert_eq!(found(json!({ "email": "jane@example.com", "isAnonymous": true })).await, [""; 0]);
    assert_eq!(found(json!({ "email": "nobody@example.com" })).await, [""; 0]);
    assert_eq!(found(json!({ "email": "no address" })).await, [""; 0]);
    assert_eq!(found(json!({ "emailVerified": true })).await, [""; 0]);
    assert_eq!(found(json!({ "role": "admin" })).await, [""; 0]);
    assert_eq!(found(json!({ "role": "user" })).await.len(), 5);
    assert_eq!(found(json!({ "banned": false })).await.len(), 5);
    let page = list(&operator, json!({ "filter": { "isAnonymous": true }, "limit": 1 })).await;
    assert_eq!(page["total"], 4);
}

#[tokio::test]
async fn who_became_a_member_a_moment_ago_is_on_no_list_of_guests() {
    let app = app().await;
    let browser = app.browser();
    browser.arrive().await;
    app.followed().await;
    browser.upgrade("jane@example.com").await;
    for _ in 0..3 {
        let page = list(&app.operator(), json!({ "filter": { "isAnonymous": true } })).await;
        assert_eq!(ids(&page), [""; 0]);
    }
    app.followed().await;
    let page = list(&app.operator(), json!({ "filter": { "isAnonymous": false } })).await;
    assert_eq!((ids(&page).len(), &page["total"]), (1, &json!(1)));
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let app = app().await;
    guests(&app, 1).await;
    let operator = app.operator();
    for asked in [
        json!({ "isAnonymous": true }),
        json!({ "filter": { "anonymous": true } }),
        json!({ "filters": { "isAnonymous": true } }),
        json!({ "filter": { "isAnonymous": true, "lastSeenBefore": 0 } }),
    ] {
        operator.post("/admin/list-users", &asked).await.refused(400, "UNKNOWN_FILTER");
    }
    for asked in [
        json!({ "filter": { "isAnonymous": "yes" } }),
        json!({ "filter": { "createdBefore": "yesterday" } }),
        json!({ "filter": { "createdAfter": "2027-01-16", "createdBefore": "2027-01-15" } }),
        json!({ "filter": { "lastActiveAfter": "2027-01-16T00:00:00Z", "lastActiveBefore": "2027-01-15T00:00:00Z" } }),
        json!({ "filter": true }),
        json!({ "filter": [] }),
        json!({ "filter": [true] }),
        json!({ "after": { "id": "x" } }),
        json!({ "after": "usr_x" }),
        json!({ "order": "up" }),
        json!({ "limit": -1 }),
    ] {
        operator.post("/admin/list-users", &asked).await.refused(400, "VALIDATION_ERROR");
    }
    let page = list(&operator, json!({ "limit": 100_000 })).await;
    assert_eq!(page["limit"], 200);
    assert_eq!(list(&operator, json!({ "limit": 0 })).await["limit"], 1);
}

#[tokio::test]
async fn the_stock_clients_question_is_understood() {
    let app = app().await;
    let made = guests(&app, 4).await;
    let get = async |query: &str| app.operator().get(&format!("/admin/list-users?{query}")).await.ok();
    assert_eq!(ids(&get("limit=2&offset=1").await), made[1..3]);
    assert_eq!(ids(&get("sortBy=createdAt&sortDirection=asc&limit=1").await), made[3..]);
    assert_eq!(ids(&get(&format!("filterField=id&filterValue={}", made[2])).await), made[2..3]);
    let two = format!("filterField=id&filterOperator=in&filterValue={},{}", made[0], made[3]);
    assert_eq!(ids(&get(&two).await), [made[0].clone(), made[3].clone()]);
    // As the stock client sends a list.
    let two = format!("filterField=id&filterOperator=in&filterValue={}&filterValue={}", made[0], made[3]);
    assert_eq!(ids(&get(&two).await).len(), 2);
    let everybody = ids(&get("").await).len();
    for (query, count) in [
        ("filterField=role&filterOperator=in&filterValue=admin&filterValue=user", everybody),
        ("filterField=role&filterOperator=not_in&filterValue=user,nobody", 0),
        ("filterField=role&filterOperator=in&filterValue=nobody", 0),
        ("filterField=isAnonymous&filterOperator=in&filterValue=true&filterValue=false", everybody),
        ("filterField=isAnonymous&filterOperator=not_in&filterValue=true&filterValue=false", 0),
    ] {
        assert_eq!(ids(&get(query).await).len(), count, "{query}");
    }
    assert_eq!(ids(&get("filterField=isAnonymous&filterValue=true&filterOperator=ne").await), [""; 0]);
    for past in ["2001-01-01", "2001-01-01T00:00:00Z", "2001-01-01T00:00:00.000Z"] {
        let since = format!("filterField=createdAt&filterOperator=gt&filterValue={past}");
        assert_eq!(ids(&get(&since).await), made, "{past}");
    }
    for sort in ["id", "role", "emailVerified", "banned", "isAnonymous", "updatedAt", "lastActiveAt"] {
        assert_eq!(ids(&get(&format!("sortBy={sort}")).await), made, "{sort}");
    }
    for query in ["filterField=shoeSize&filterValue=9", "sortBy=shoeSize", "isAnonymous=true"] {
        app.operator().get(&format!("/admin/list-users?{query}")).await.refused(400, "UNKNOWN_FILTER");
    }
    for query in [
        "filterField=role&filterOperator=lt&filterValue=user",
        "filterField=isAnonymous",
        "filterField=role&filterValue=admin&filterValue=user",
        "filterField=role&filterOperator=contains&filterValue=admin&filterValue=user",
        "filterField=role&filterOperator=contains&filterValue=",
        "filterField=role&filterOperator=contains&filterValue=%00",
        "filterField=role&filterOperator=contains&filterValue=user,admin",
        // Of two that say otherwise none is believed.
        "filterField=isAnonymous&filterValue=true&filterField=banned",
        "filterField=isAnonymous&filterValue=true&filterOperator=ne&filterOperator=eq",
        "searchValue=jane&searchValue=joe",
        "limit=1&limit=2",
        "filterValue=true",
        "filterField=createdAt&filterValue=soon",
        "sortDirection=up",
        "offset=1000001",
    ] {
        app.operator().get(&format!("/admin/list-users?{query}")).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn roles_are_found_by_their_parts() {
    let app = App::with(&[KEY, ("admin.roles", "editor,super_admin")]).await;
    let mut members = Vec::new();
    for (email, role) in
        [("ed@example.com", "editor"), ("sue@example.com", "user,super_admin"), ("jo@example.com", "user")]
    {
        let id = app.browser().sign_up(email).await["user"]["id"].clone();
        app.operator().post("/admin/set-role", &json!({ "userId": id, "role": role })).await.ok();
        members.push(id.as_str().unwrap().to_owned());
        app.pass(hours(1));
    }
    app.program().arrive().await;
    app.followed().await;
    let (ed, sue, jo) = (&members[0], &members[1], &members[2]);
    for (operator, value, expected) in [
        ("contains", "admin", vec![sue]),
        ("contains", "e", vec![jo, sue, ed]),
        ("contains", "_", vec![sue]),
        ("contains", "Admin", vec![]),
        ("starts_with", "ed", vec![ed]),
        ("starts_with", "admin", vec![]),
        ("ends_with", "er", vec![jo, sue]),
        ("ends_with", "or", vec![ed]),
        ("ends_with", "a-super_admin", vec![]),
    ] {
        let query = format!("filterField=role&filterOperator={operator}&filterValue={value}");
        let page = app.operator().get(&format!("/admin/list-users?{query}")).await.ok();
        let found: Vec<_> = ids(&page).into_iter().filter(|id| members.contains(id)).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
        // The guest has the role that everybody has.
        let user = expected.contains(&jo);
        assert_eq!(page["total"], expected.len() + usize::from(user), "{query}");
    }
}

#[tokio::test]
async fn who_does_not_administer_lists_nobody() {
    let app = app().await;
    app.program().post("/admin/list-users", &json!({})).await.refused(401, "UNAUTHORIZED");
    app.program().get("/admin/list-users").await.refused(401, "UNAUTHORIZED");
    let member = app.browser();
    member.sign_up("jane@example.com").await;
    member.get("/admin/list-users").await.refused(403, "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS");
    let key = app.key(&["guests.delete"]).await;
    key.post("/admin/list-users", &json!({})).await.refused(403, "INSUFFICIENT_PERMISSION");
}
