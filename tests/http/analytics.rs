//! What analysts are told: how many guests came and became members, by what, when and how soon.

mod refused;
mod taken_away;

use chrysalis_domain::Span;
use serde_json::{Value, json};

use crate::support::{App, Client, KEY, Method, Tweak, days, hours, seconds};

const SETUP: [Tweak<'_>; 5] =
    [KEY, ("anonymous.settle", "0s"), ("rate_limits", "off"), ("sessions.lifetime", "90d"), ("dev", "on")];

/// The clock of these tests begins on this day, at eight in the morning.
const FIRST: &str = "2027-01-15";

async fn asked(who: &Client, path: &str) -> Value {
    who.at(Method::GET, &format!("/api/analytics/{path}")).await.ok()
}

/// The same as CSV: a line of names, and a line for each row.
async fn csv(who: &Client, path: &str) -> Vec<Vec<String>> {
    let answer = who.at(Method::GET, &format!("/api/analytics/{path}&format=csv")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let line = |line: &str| line.split(',').map(str::to_owned).collect();
    answer.text.strip_suffix("\r\n").unwrap().split("\r\n").map(line).collect()
}

/// Every row says the same as CSV, cell by cell.
async fn says_the_same_as_csv(who: &Client, path: &str) -> Value {
    let json = asked(who, path).await;
    let file = csv(who, path).await;
    let rows = json["data"].as_array().unwrap();
    assert_eq!(file.len(), rows.len() + 1, "{path}");
    for (line, row) in file[1..].iter().zip(rows) {
        assert_eq!(row.as_object().unwrap().len(), file[0].len(), "{path}");
        for (name, cell) in file[0].iter().zip(line) {
            let said = match &row[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Number(number) if number.as_f64().unwrap().fract() == 0.0 => {
                    format!("{}", number.as_f64().unwrap())
                }
                other => other.to_string(),
            };
            assert_eq!(*cell, said, "{path}: {name}");
        }
    }
    json
}

fn numbers(row: &Value, names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| row[name].as_u64().unwrap_or_else(|| panic!("{name} of {row}"))).collect()
}

async fn arrive(app: &App, entry: Value) -> Client {
    let browser = app.browser();
    browser.post("/sign-in/anonymous", &json!({ "entry": entry })).await.ok();
    // As a page does it that has just loaded.
    browser.session().await;
    browser
}

async fn by_link(app: &App, browser: &Client, email: &str) {
    browser.post("/sign-in/magic-link", &json!({ "email": email })).await.ok();
    let token = app.mail(email).await["token"].as_str().unwrap().to_owned();
    browser.get(&format!("/magic-link/verify?token={token}")).await.ok();
}

/// Three days: five guests came on the first, one on the third.
struct Lives {
    app: App,
    operator: Client,
}

impl Lives {
    async fn lived() -> Self {
        let app = App::with(&SETUP).await;
        let spring = json!({ "channel": "email", "campaign": "spring", "referrer": "https://news.example/a?b=c" });
        let early = arrive(&app, spring.clone()).await;
        let late = arrive(&app, json!({ "channel": "email" })).await;
        let visitor = arrive(&app, json!({})).await;
        let leaver = arrive(&app, spring).await;
        arrive(&app, json!({ "channel": "someone@example.com" })).await;
        app.pass(seconds(90));
        early.upgrade("early@example.com").await;
        app.pass(hours(20));
        // In the night after.
        by_link(&app, &late, "late@example.com").await;
        visitor.session().await;
        app.pass(days(1));
        visitor.session().await;
        early.session().await;
        leaver.post("/delete-anonymous-user", &json!({})).await.ok();
        app.program().sign_up("neverguest@example.com").await;
        arrive(&app, json!({ "campaign": "spring" })).await;
        let operator = app.operator();
        Self { app, operator }
    }
}

const WEEK: &str = "from=2027-01-15&to=2027-01-22";

#[tokio::test]
async fn every_day_is_counted_and_nobody_is_forgotten() {
    let Lives { app: _app, operator } = Lives::lived().await;
    let said = says_the_same_as_csv(&operator, &format!("conversion?{WEEK}")).await;
    assert_eq!((&said["from"], &said["to"]), (&json!("2027-01-15T00:00:00.000Z"), &json!("2027-01-22T00:00:00.000Z")));
    assert_eq!((&said["grain"], &said["group"], &said["timeZone"]), (&json!("day"), &Value::Null, &json!("UTC")));
    assert_eq!((&said["definitions"], said.get("eventsBehind")), (&json!(1), None));
    let names = ["guests", "converted", "convertedVerified", "upgrades", "verified", "signups", "deletedGuests"];
    let rows = said["data"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["step"]), (7, &json!(FIRST)));
    // Of the five who came first two are members, one of them with a proven address; who left is counted still.
    assert_eq!(numbers(&rows[0], &names), [5, 2, 1, 1, 0, 0, 0]);
    assert_eq!(numbers(&rows[1], &names), [0, 0, 0, 1, 1, 0, 0]);
    assert_eq!(numbers(&rows[2], &names), [1, 0, 0, 0, 0, 1, 1]);
    assert_eq!(numbers(&rows[3], &names), [0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(numbers(&said["total"], &names), [6, 2, 1, 2, 1, 1, 1]);
    assert_eq!((&rows[0]["convertedPercent"], &rows[1]["convertedPercent"]), (&json!(40.0), &Value::Null));
    assert_eq!(said["total"]["convertedPercent"], json!(33.33));
}

#[tokio::test]
async fn conversions_are_told_apart_by_method_and_by_where_guests_came_from() {
    let Lives { app: _app, operator } = Lives::lived().await;
    let all = format!("{WEEK}&grain=all");
    let of = |said: &Value| -> Vec<(String, Vec<u64>)> {
        let row = |row: &Value| {
            (row["value"].as_str().unwrap().to_owned(), numbers(row, &["guests", "converted", "upgrades", "verified"]))
        };
        said["data"].as_array().unwrap().iter().map(row).collect()
    };
    let expected = |rows: &[(&str, [u64; 4])]| -> Vec<(String, Vec<u64>)> {
        rows.iter().map(|(value, numbers)| ((*value).to_owned(), numbers.to_vec())).collect()
    };
    let said = says_the_same_as_csv(&operator, &format!("conversion?{all}&group=method")).await;
    assert_eq!(of(&said), expected(&[("magic_link", [6, 1, 1, 1]), ("password", [6, 1, 1, 0])]));
    assert_eq!(said["data"][1]["signups"], json!(1));
    let said = says_the_same_as_csv(&operator, &format!("conversion?{all}&group=channel")).await;
    assert_eq!(of(&said), expected(&[("email", [3, 2, 2, 1]), ("(none)", [3, 0, 0, 0])]));
    let said = says_the_same_as_csv(&operator, &format!("conversion?{all}&group=campaign")).await;
    assert_eq!(of(&said), expected(&[("spring", [3, 1, 1, 0]), ("(none)", [3, 1, 1, 1])]));
    // Its host alone: what else stands in a referrer may be personal.
    let said = says_the_same_as_csv(&operator, &format!("conversion?{all}&group=referrer")).await;
    assert_eq!(of(&said), expected(&[("news.example", [2, 1, 1, 0]), ("(none)", [4, 1, 1, 1])]));
    // Day by day the same.
    let said = asked(&operator, &format!("conversion?{WEEK}&group=campaign")).await;
    let upgrades: u64 = said["data"].as_array().unwrap().iter().map(|row| row["upgrades"].as_u64().unwrap()).sum();
    assert_eq!(upgrades, 2);
}

#[tokio::test]
async fn what_is_not_listed_is_not_kept() {
    let lists = [
        KEY,
        ("rate_limits", "off"),
        ("entry.channels", "email, search"),
        ("entry.campaigns", "spring"),
        ("entry.referrers", "news.example, www.example"),
    ];
    let app = App::with(&lists).await;
    let elsewhere = "https://elsewhere.example/page";
    arrive(&app, json!({ "channel": "search", "campaign": "autumn", "referrer": elsewhere })).await;
    arrive(&app, json!({ "channel": "anything", "campaign": "spring", "referrer": "https://news.example" })).await;
    for (group, kept) in [("channel", "search"), ("campaign", "spring"), ("referrer", "news.example")] {
        let said = asked(&app.operator(), &format!("conversion?{WEEK}&grain=all&group={group}")).await;
        let values: Vec<_> = said["data"].as_array().unwrap().iter().map(|row| row["value"].clone()).collect();
        assert_eq!(values, [kept, "(none)"]);
    }
    let said = app.everything().await;
    assert!(!said.contains("autumn") && !said.contains("anything") && !said.contains("elsewhere"));
}

/// What is counted is not forgotten with anybody, so nothing is counted that may be somebody's.
#[tokio::test]
async fn of_a_page_that_has_an_address_for_a_name_nothing_is_kept_in_clear() {
    let app = App::with(&SETUP).await;
    for host in ["192.0.2.77:8080", "[2001:db8::77]", "jane:secret@news.example"] {
        arrive(&app, json!({ "referrer": format!("http://{host}/page") })).await;
    }
    arrive(&app, json!({ "referrer": "other://192.0.2.77/page" })).await;
    let said = asked(&app.operator(), &format!("conversion?{WEEK}&grain=all&group=referrer")).await;
    let values: Vec<_> = said["data"].as_array().unwrap().iter().map(|row| (&row["value"], &row["guests"])).collect();
    assert_eq!(values, [(&json!("news.example"), &json!(1)), (&json!("(none)"), &json!(3))]);
    let stored = app.everything().await;
    assert!(!stored.contains("192.0.2.77") && !stored.contains("2001:db8") && !stored.contains("jane"));
}

#[tokio::test]
async fn a_day_is_that_of_the_time_zone_that_was_asked_for() {
    let Lives { app: _app, operator } = Lives::lived().await;
    // The second upgrade was at four in the morning: in New York on the evening before.
    for (zone, expected) in [("UTC", [1, 1]), ("America/New_York", [2, 0]), ("Asia/Kolkata", [1, 1])] {
        let said = asked(&operator, &format!("conversion?{WEEK}&timeZone={zone}")).await;
        let upgrades = [0, 1].map(|nth: usize| said["data"][nth]["upgrades"].as_u64().unwrap());
        assert_eq!((said["timeZone"].as_str().unwrap(), upgrades), (zone, expected));
        assert_eq!(numbers(&said["total"], &["guests", "upgrades"]), [6, 2]);
    }
    let said = says_the_same_as_csv(
        &operator,
        "conversion?from=2027-01-15T08:00:00.000Z&to=2027-01-15T09:00:00.000Z&grain=quarter&timeZone=Asia/Kolkata",
    )
    .await;
    // A moment is the same however it is written, as auditors write it.
    let path = "conversion?from=2027-01-15T09:00:00%2B01:00&to=2027-01-15T14:30:00%2B05:30&grain=quarter&timeZone=Asia/Kolkata";
    assert_eq!(asked(&operator, path).await, said);
    let form = json!({ "from": "2027-01-15T09:00:00+01:00", "to": 1_800_003_600_000i64 });
    let overview = operator.post("/admin/analytics/conversion", &form).await.ok();
    assert_eq!((&overview["from"], &overview["to"]), (&said["from"], &said["to"]));
    let steps: Vec<_> = said["data"].as_array().unwrap().iter().map(|row| row["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["2027-01-15T13:30", "2027-01-15T13:45", "2027-01-15T14:00", "2027-01-15T14:15"]);
    assert_eq!(numbers(&said["data"][0], &["guests", "upgrades"]), [5, 1]);
}

#[tokio::test]
async fn how_long_it_took_and_in_how_many_sessions() {
    let Lives { app: _app, operator } = Lives::lived().await;
    let said = says_the_same_as_csv(&operator, &format!("time-to-convert?{WEEK}")).await;
    assert_eq!(said["upgrades"], json!(2));
    let bounds: Vec<_> =
        said["data"].as_array().unwrap().iter().map(|row| numbers(row, &["seconds", "below"])).collect();
    assert_eq!(bounds.len(), 2);
    for (bounds, took) in bounds.iter().zip([90, 90 + 20 * 3_600]) {
        assert!((bounds[0]..bounds[1]).contains(&took), "{took} in {bounds:?}");
    }
    let median = said["quantiles"].as_array().unwrap().iter().find(|one| one["quantile"] == json!(0.5)).unwrap();
    assert!(numbers(median, &["atLeast", "below"]) == bounds[0], "{median}");
    let said = says_the_same_as_csv(&operator, &format!("sessions?{WEEK}")).await;
    assert_eq!(said["data"], json!([{ "sessions": 1, "upgrades": 2, "percent": 100.0 }]));
}

#[tokio::test]
async fn a_guest_who_comes_back_by_a_code_has_a_second_session() {
    let app = App::with(&SETUP).await;
    let guest = arrive(&app, json!({})).await;
    let code = guest.post("/anonymous/recovery", &json!({ "action": "create" })).await.ok()["code"].clone();
    let elsewhere = app.browser();
    elsewhere.post("/anonymous/recovery", &json!({ "action": "redeem", "code": code })).await.ok();
    elsewhere.upgrade("jane@example.com").await;
    let said = asked(&app.operator(), &format!("sessions?{WEEK}")).await;
    assert_eq!(said["data"], json!([{ "sessions": 2, "upgrades": 1, "percent": 100.0 }]));
}

#[tokio::test]
async fn cohorts_tell_who_became_a_member_and_who_came_back() {
    let Lives { app, operator } = Lives::lived().await;
    let said = says_the_same_as_csv(&operator, &format!("cohorts?{WEEK}")).await;
    let rows = said["data"].as_array().unwrap();
    let first: Vec<_> = rows.iter().filter(|row| row["cohort"] == FIRST).collect();
    let upgrades: Vec<_> =
        first.iter().map(|row| numbers(row, &["guests", "after", "upgrades", "converted"])).collect();
    assert_eq!(upgrades, [[5, 0, 1, 1], [5, 1, 1, 2], [5, 2, 0, 2]]);
    // On the second day the visitor and who became a member by link; on the third the visitor again and the early member.
    let returned: Vec<_> = first.iter().map(|row| row["returned"].clone()).collect();
    assert_eq!(returned, [Value::Null, json!(2), json!(2)]);
    assert_eq!((&first[1]["complete"], &first[2]["complete"]), (&json!(true), &json!(false)));
    assert_eq!(rows.len(), 3 + 2 + 1, "days that have not come yet");
    // Nobody is counted twice on a day.
    for _ in 0..3 {
        app.pass(hours(2));
        operator.at(Method::GET, &format!("/api/analytics/cohorts?{WEEK}")).await.ok();
    }
    let weeks = says_the_same_as_csv(&operator, "cohorts?from=2027-01-11&to=2027-01-25&grain=week&after=week").await;
    assert_eq!(numbers(&weeks["data"][0], &["guests", "after", "upgrades"]), [6, 0, 2]);
}

#[tokio::test]
async fn guests_who_expired_or_were_erased_stay_counted() {
    let Lives { app, operator } = Lives::lived().await;
    let policy = json!({ "authMethods": { "anonymous": { "maxAge": 86_400 } } });
    operator.post("/banata/config/dashboard/save", &policy).await.ok();
    app.pass(days(2));
    app.until("UserDeleted", 4).await;
    let said = asked(&operator, &format!("conversion?{WEEK}")).await;
    let names = ["guests", "converted", "upgrades", "expired", "deletedGuests"];
    assert_eq!(numbers(&said["total"], &names), [6, 2, 2, 3, 1]);
    let member = operator.post("/admin/list-users", &json!({ "filter": { "isAnonymous": false } })).await.ok();
    for user in member["users"].as_array().unwrap() {
        operator.post("/admin/remove-user", &json!({ "userId": user["id"] })).await.ok();
    }
    let said = asked(&operator, &format!("conversion?{WEEK}")).await;
    assert_eq!(numbers(&said["total"], &names), [6, 2, 2, 3, 1]);
    assert_eq!(said["total"]["deletedMembers"], json!(3));
    let by_campaign = asked(&operator, &format!("conversion?{WEEK}&grain=all&group=campaign")).await;
    assert_eq!(numbers(&by_campaign["data"][0], &["guests", "converted"]), [3, 1]);
}

#[tokio::test]
async fn administrators_get_all_of_it_at_once() {
    let Lives { app: _app, operator } = Lives::lived().await;
    let form = json!({ "from": FIRST, "to": "2027-01-22", "timeZone": "America/New_York" });
    let said = operator.post("/admin/analytics/conversion", &form).await.ok();
    assert_eq!(numbers(&said["total"], &["guests", "converted", "convertedVerified", "upgrades"]), [6, 2, 1, 2]);
    assert_eq!(numbers(&said["steps"][0], &["guests", "upgrades"]), [5, 2]);
    let methods: Vec<_> = said["methods"].as_array().unwrap().iter().map(|row| row["value"].clone()).collect();
    assert_eq!(methods, ["magic_link", "password"]);
    assert_eq!(said["quantiles"].as_array().unwrap().len(), 7);
    assert_eq!(said["sessions"][0]["upgrades"], json!(2));
    assert_eq!(numbers(&said["cohorts"][0], &["guests", "after", "converted"]), [6, 0, 2]);
    let millis = json!({ "from": 1_799_971_200_000_i64, "to": 1_800_576_000_000_i64, "grain": "all" });
    let said = operator.post("/admin/analytics/conversion", &millis).await.ok();
    assert_eq!(numbers(&said["steps"][0], &["guests"]), [6]);
}

#[tokio::test]
async fn nothing_to_tell_is_told_as_nothing() {
    let app = App::with(&SETUP).await;
    let operator = app.operator();
    app.pass(Span::from_days(400));
    let said = says_the_same_as_csv(&operator, "conversion?grain=month").await;
    assert!(said["data"].as_array().unwrap().iter().all(|row| row["guests"] == 0 && row["convertedPercent"].is_null()));
    assert_eq!(asked(&operator, "time-to-convert").await["quantiles"], json!([]));
    operator.post("/admin/analytics/conversion", &json!({})).await.ok();
}
