//! Users found and sorted by what they are called (CONTRACT 7.2), and what is left of that a day after they went.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, KEY, hours, on_postgres};

const NOBODY: [&str; 0] = [];
/// What takes longer does not come.
const OVERDUE: Duration = Duration::from_secs(20);

async fn app() -> App {
    App::with(&[KEY, ("rate_limits", "off")]).await
}

/// A member, as an administrator makes one.
async fn create(app: &App, email: &str, name: &str) -> String {
    let form = json!({ "email": email, "name": name });
    let made = app.operator().post("/admin/create-user", &form).await.ok();
    made["user"]["id"].as_str().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn asked(app: &App, query: &str) -> Value {
    app.operator().get(&format!("/admin/list-users?{query}")).await.ok()
}

/// The names on a page.
fn names(page: &Value) -> Vec<&str> {
    page["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap_or("-")).collect()
}

async fn found(app: &App, field: &str, operator: &str, value: &str) -> Vec<String> {
    let value = encoded(value);
    let query = format!("searchField={field}&searchOperator={operator}&searchValue={value}&sortBy=name");
    names(&asked(app, &query).await).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn users_are_found_by_a_part_of_their_name_or_address() {
    let app = app().await;
    for (email, name) in [
        ("jane@example.com", "Jane Doe"),
        ("janet@other.org", "Janet Frame"),
        ("john@example.com", "John Doe"),
        ("lm@beispiel.de", "李明"),
        ("os@beispiel.de", "Οδυσσεύς Straße"),
        ("zoe@beispiel.de", "Zoë 100%_\"a\\b'*"),
    ] {
        create(&app, email, name).await;
    }
    app.program().arrive().await;
    app.searchable().await;
    for (field, operator, value, expected) in [
        ("email", "contains", "example", vec!["Jane Doe", "John Doe"]),
        ("email", "contains", "JAN", vec!["Jane Doe", "Janet Frame"]),
        ("email", "contains", "ane@", vec!["Jane Doe"]),
        ("email", "starts_with", "j", vec!["Jane Doe", "Janet Frame", "John Doe"]),
        ("email", "starts_with", "ane", vec![]),
        ("email", "ends_with", ".ORG", vec!["Janet Frame"]),
        ("email", "ends_with", "example", vec![]),
        ("name", "contains", "doe", vec!["Jane Doe", "John Doe"]),
        ("name", "contains", "e d", vec!["Jane Doe"]),
        ("name", "ends_with", "FRAME", vec!["Janet Frame"]),
        ("name", "ends_with", "e", vec!["Jane Doe", "Janet Frame", "John Doe", "Οδυσσεύς Straße"]),
        ("name", "contains", "李", vec!["李明"]),
        ("name", "contains", "李明", vec!["李明"]),
        ("name", "starts_with", "明", vec![]),
        ("name", "contains", "ΟΔΥΣΣΕΎΣ", vec!["Οδυσσεύς Straße"]),
        ("name", "contains", "STRASSE", vec!["Οδυσσεύς Straße"]),
        ("name", "contains", "zoe\u{308}", vec!["Zoë 100%_\"a\\b'*"]),
        ("name", "contains", "100%_", vec!["Zoë 100%_\"a\\b'*"]),
        ("name", "contains", "%_\"a\\b'*", vec!["Zoë 100%_\"a\\b'*"]),
        ("name", "contains", "\"a\\", vec!["Zoë 100%_\"a\\b'*"]),
        ("name", "contains", "J%e", vec![]),
        ("name", "contains", "J__e", vec![]),
        ("name", "contains", "_", vec!["Zoë 100%_\"a\\b'*"]),
        ("name", "starts_with", "%", vec![]),
        ("name", "contains", "jane\" OR name : \"", vec![]),
        ("name", "contains", "jan* NOT x", vec![]),
        ("name", "contains", "' OR 1=1 --", vec![]),
        ("name", "contains", "(", vec![]),
    ] {
        assert_eq!(found(&app, field, operator, value).await, expected, "{field} {operator} {value}");
    }
    // The address is what is looked in where nothing is said, and anywhere in it.
    assert_eq!(names(&asked(&app, "searchValue=org").await), ["Janet Frame"]);
    // An empty box is no question.
    assert_eq!(asked(&app, "searchValue=&searchField=name&searchOperator=contains").await["total"], 7);
}

#[tokio::test]
async fn a_filter_looks_in_texts_too() {
    let app = app().await;
    let jane = create(&app, "jane@example.com", "Jane Doe").await;
    create(&app, "joe@example.com", "Joe Doe").await;
    app.program().arrive().await;
    app.searchable().await;
    let of = async |field: &str, operator: &str, value: &str| {
        let value = encoded(value);
        let query = format!("filterField={field}&filterOperator={operator}&filterValue={value}&sortBy=name");
        names(&asked(&app, &query).await).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("email", "eq", " JANE@example.com").await, ["Jane Doe"]);
    assert_eq!(of("email", "eq", "jane@example").await, NOBODY);
    assert_eq!(of("email", "ne", "jane@example.com").await, ["Joe Doe", "-"]);
    assert_eq!(of("email", "in", "jane@example.com, joe@example.com,x").await, ["Jane Doe", "Joe Doe"]);
    assert_eq!(of("email", "not_in", "jane@example.com,joe@example.com").await, ["-"]);
    assert_eq!(of("email", "starts_with", "JO").await, ["Joe Doe"]);
    assert_eq!(of("name", "eq", "jane doe").await, ["Jane Doe"]);
    assert_eq!(of("name", "in", "jane doe").await, ["Jane Doe"]);
    assert_eq!(of("name", "not_in", "jane doe,joe doe").await, ["-"]);
    assert_eq!(of("name", "ne", "jane doe").await, ["Joe Doe", "-"]);
    assert_eq!(of("name", "contains", "ne d").await, ["Jane Doe"]);
    assert_eq!(of("name", "ends_with", "joe doe").await, ["Joe Doe"]);
    // Both at once, and whatever else is asked for.
    let both = "searchField=name&searchValue=doe&filterField=email&filterOperator=contains&filterValue=joe";
    assert_eq!(names(&asked(&app, both).await), ["Joe Doe"]);
    let page = asked(&app, "searchField=name&searchValue=doe&filterField=isAnonymous&filterValue=true").await;
    assert_eq!((names(&page).len(), &page["total"]), (0, &json!(0)));
    let page = asked(&app, &format!("searchField=name&searchValue=doe&filterField=id&filterValue={jane}")).await;
    assert_eq!((names(&page), &page["total"]), (vec!["Jane Doe"], &json!(1)));
    for unfit in [
        "filterField=name&filterOperator=lt&filterValue=x".to_owned(),
        "filterField=email&filterOperator=gte&filterValue=x".to_owned(),
        "filterField=name&filterOperator=in&filterValue=x,y".to_owned(),
        "filterField=name&filterOperator=contains&filterValue=".to_owned(),
        "filterField=name&filterOperator=contains&filterValue=%00".to_owned(),
        format!("searchValue={}", "x".repeat(256)),
        "searchValue=%00".to_owned(),
        "searchValue=x&searchField=role".to_owned(),
        "searchValue=x&searchOperator=like".to_owned(),
    ] {
        app.operator().get(&format!("/admin/list-users?{unfit}")).await.refused(400, "VALIDATION_ERROR");
    }
    // What no store can hold is nobody's, and no fault of ours.
    assert_eq!(asked(&app, "filterField=role&filterValue=%00").await["total"], 0);
}

#[tokio::test]
async fn pages_are_sorted_by_texts_and_end_with_those_who_have_none() {
    let app = app().await;
    for (email, name) in [("c@example.com", "Ada"), ("a@example.com", "eve"), ("b@example.com", "Bob")] {
        create(&app, email, name).await;
    }
    for _ in 0..2 {
        app.pass(hours(1));
        app.program().arrive().await;
    }
    app.searchable().await;
    app.followed().await;
    let by = async |query: &str| {
        let page = asked(&app, query).await;
        assert_eq!(page["total"], 5);
        let rows = page["users"].as_array().unwrap().iter();
        rows.map(|user| user["name"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(by("sortBy=name").await, ["Ada", "Bob", "eve", "-", "-"]);
    assert_eq!(by("sortBy=name&sortDirection=desc").await, ["eve", "Bob", "Ada", "-", "-"]);
    assert_eq!(by("sortBy=email").await, ["eve", "Bob", "Ada", "-", "-"]);
    for (offset, limit, expected) in [
        (0, 2, vec!["Ada", "Bob"]),
        (2, 2, vec!["eve", "-"]),
        (3, 1, vec!["-"]),
        (3, 5, vec!["-", "-"]),
        (4, 1, vec!["-"]),
        (5, 5, vec![]),
        (90, 5, vec![]),
    ] {
        assert_eq!(by(&format!("sortBy=name&offset={offset}&limit={limit}")).await, expected, "{offset} {limit}");
    }
    let page = asked(&app, "searchField=name&searchValue=b&searchOperator=contains&sortBy=email&limit=1").await;
    assert_eq!((names(&page), &page["total"]), (vec!["Bob"], &json!(1)));
    let first = asked(&app, "filterField=isAnonymous&filterValue=true&sortBy=name&limit=1").await;
    let second = asked(&app, "filterField=isAnonymous&filterValue=true&sortBy=name&limit=1&offset=1").await;
    assert_ne!(first["users"][0]["id"], second["users"][0]["id"]);
    assert_eq!((&first["total"], &second["total"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn pages_of_what_is_found_join_without_a_seam() {
    let app = app().await;
    for nth in 0..7 {
        app.pass(hours(1));
        create(&app, &format!("user{nth}@example.com"), &format!("User {nth}")).await;
        create(&app, &format!("other{nth}@elsewhere.org"), "Other").await;
    }
    app.searchable().await;
    app.followed().await;
    for searched in [
        "searchValue=example.com",
        "searchValue=user&searchOperator=starts_with",
        "searchValue=m&searchOperator=ends_with",
    ] {
        let mut all = Vec::new();
        for offset in [0, 3, 6] {
            let page = asked(&app, &format!("{searched}&limit=3&offset={offset}")).await;
            let total = page["total"].as_u64().unwrap();
            assert!(total == 7 || (page["totalIsEstimate"] == true && total < 7), "{searched}: {page}");
            assert_eq!(page["offset"], offset);
            all.extend(names(&page).into_iter().map(str::to_owned));
        }
        let newest_first: Vec<_> = (0..7).rev().map(|nth| format!("User {nth}")).collect();
        assert_eq!(all, newest_first, "{searched}");
    }
}

#[tokio::test]
async fn nobody_is_found_by_what_they_were() {
    let app = app().await;
    let jane = create(&app, "jane@example.com", "Jane Doe").await;
    app.searchable().await;
    let rename = json!({ "userId": jane, "name": "Janet Frame" });
    app.operator().post("/admin/update-user", &rename).await.ok();
    // At once not by the old one, and in a moment by the new one.
    assert_eq!(found(&app, "name", "contains", "doe").await, NOBODY);
    app.searchable().await;
    assert_eq!(found(&app, "name", "contains", "doe").await, NOBODY);
    assert_eq!(found(&app, "name", "contains", "frame").await, ["Janet Frame"]);
    let named = found(&app, "email", "contains", "jane").await;
    assert_eq!(named, ["Janet Frame"]);

    let browser = app.browser();
    browser.arrive().await;
    browser.upgrade("guest@example.com").await;
    app.searchable().await;
    assert_eq!(found(&app, "email", "contains", "guest@").await.len(), 1);
    app.operator().post("/admin/remove-user", &json!({ "userId": jane })).await.ok();
    assert_eq!(found(&app, "email", "contains", "jane").await, NOBODY);
    app.searchable().await;
    assert_eq!(found(&app, "email", "contains", "jane").await, NOBODY);
}

#[tokio::test]
async fn half_a_day_after_they_went_nothing_of_them_is_left() {
    let app = app().await;
    let (email, name) = ("quetzalcoatl.xochimilco@example.com", "Ixtaccihuatl Popocatepetl");
    let jane = create(&app, email, name).await;
    create(&app, "stays@example.com", "Stays Here").await;
    app.searchable().await;
    assert!(app.holds(email) && app.holds(&name.to_lowercase()), "looked for in the wrong place");
    app.operator().post("/admin/remove-user", &json!({ "userId": jane })).await.ok();
    app.searchable().await;
    let built = app.search_table().await;
    // Not yet: many who go in a day are one renewal.
    app.pass(hours(11));
    app.operator().post("/admin/list-users", &json!({})).await.ok();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(app.search_table().await, built, "it was built anew too early");
    app.pass(hours(1));
    let asked = Instant::now();
    while app.search_table().await == built || app.holds(email) || app.holds(&name.to_lowercase()) {
        assert!(asked.elapsed() < OVERDUE, "something of them is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.searchable().await;
    assert_eq!(found(&app, "name", "contains", "stays").await, ["Stays Here"]);
    // Nothing went since: it stays as it is.
    let built = app.search_table().await;
    app.pass(hours(48));
    create(&app, "later@example.com", "Later").await;
    app.searchable().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(app.search_table().await, built);
    assert_eq!(found(&app, "name", "contains", "later").await, ["Later"]);
}

#[tokio::test]
async fn where_it_is_off_nothing_is_readable_and_the_answer_says_which_key_turns_it_on() {
    let app = App::with(&[KEY, ("rate_limits", "off"), ("search.enabled", "off")]).await;
    create(&app, "quetzalcoatl@example.com", "Jane Doe").await;
    app.followed().await;
    for query in
        ["searchValue=jane", "sortBy=name", "sortBy=email", "filterField=name&filterOperator=contains&filterValue=jane"]
    {
        let refused = app.operator().get(&format!("/admin/list-users?{query}")).await.refused(400, "SEARCH_DISABLED");
        assert!(refused["message"].as_str().unwrap().contains("search.enabled"), "{refused}");
    }
    // Whole addresses are found all the same.
    let whole = asked(&app, "filterField=email&filterValue=quetzalcoatl@example.com").await;
    assert_eq!(names(&whole), ["Jane Doe"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!app.holds("quetzalcoatl@example.com"));
    assert!(!on_postgres() || app.search_table().await.is_some());
}

#[tokio::test]
async fn who_may_not_list_users_does_not_search_them() {
    let app = app().await;
    create(&app, "jane@example.com", "Jane Doe").await;
    app.searchable().await;
    let search = "/admin/list-users?searchValue=jane";
    app.program().get(search).await.refused(401, "UNAUTHORIZED");
    let member = app.browser();
    member.sign_up("joe@example.com").await;
    member.get(search).await.refused(403, "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS");
    let key = app.key(&["guests.delete", "audit.read"]).await;
    key.get(search).await.refused(403, "INSUFFICIENT_PERMISSION");
    let reader = app.key(&["users.read"]).await;
    assert_eq!(names(&reader.get(search).await.ok()), ["Jane Doe"]);
}
