//! A clean-up, rehearsed: what it says of now is what is then deleted, and what it says of the past is what happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrysalis::clock::{Clock, MockClock, SystemClock};
use chrysalis::entropy::OsEntropy;
use serde_json::{Value, json};

use crate::support::{App, Client, KEY, Tweak, days, hours, seconds};

const CLEANUP: &str = "/admin/guests/cleanup";
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Sessions live for longer than anybody stays away.
const SETUP: [Tweak<'_>; 5] =
    [KEY, ("anonymous.settle", "0s"), ("rate_limits", "off"), ("sessions.lifetime", "90d"), ("dev", "on")];

async fn rehearse(app: &App, max_age: i64) -> Value {
    app.operator().post(CLEANUP, &json!({ "dryRun": true, "maxAge": max_age })).await.ok()
}

fn ids(guests: &Value) -> Vec<String> {
    guests.as_array().unwrap().iter().map(|guest| guest["id"].as_str().unwrap().to_owned()).collect()
}

/// How many would go now, are held, and would have gone so far.
fn counts(said: &Value) -> (u64, u64, u64) {
    let number = |value: &Value| value.as_u64().unwrap();
    (number(&said["wouldDelete"]), number(&said["held"]), number(&said["hindsight"]["wouldHaveDeleted"]))
}

fn hindsight(members: Value, came_back: u64, stayed_away: u64) -> Value {
    let became: u64 = members.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    json!({
        "wouldHaveDeleted": became + came_back + stayed_away, "becameMembers": became, "byMethod": members,
        "cameBack": came_back, "stayedAway": stayed_away,
    })
}

struct Guest {
    browser: Client,
    id: String,
}

async fn arrive(app: &App) -> Guest {
    let browser = app.browser();
    let id = browser.arrive().await["user"]["id"].as_str().unwrap().to_owned();
    Guest { browser, id }
}

/// Who is gone, by the log.
async fn gone(app: &App) -> BTreeSet<String> {
    let events = app.events().await.into_iter().filter(|event| event.event_type == "UserDeleted");
    events.map(|event| event.stream.as_str().strip_prefix("user-").unwrap().to_owned()).collect()
}

/// Ten days in the life of some guests.
struct Lives {
    app: App,
    /// Came once, and never again.
    stranger: Guest,
    /// Back after five days, and then not any more for four.
    visitor: Guest,
    /// Came on the ninth day.
    newcomer: Guest,
}

impl Lives {
    async fn lived(app: App) -> Self {
        let (stranger, visitor) = (arrive(&app).await, arrive(&app).await);
        let (reader, late, early) = (arrive(&app).await, arrive(&app).await, arrive(&app).await);
        let (leaver, removed) = (arrive(&app).await, arrive(&app).await);
        app.pass(hours(1));
        early.browser.upgrade("early@example.com").await;
        app.pass(hours(47));
        reader.browser.post("/sign-in/magic-link", &json!({ "email": "reader@example.com" })).await.ok();
        let token = app.mail("reader@example.com").await["token"].as_str().unwrap().to_owned();
        reader.browser.get(&format!("/magic-link/verify?token={token}")).await.ok();
        app.pass(days(1));
        late.browser.upgrade("late@example.com").await;
        app.pass(days(1));
        leaver.browser.post("/delete-anonymous-user", &json!({})).await.ok();
        app.operator().post("/admin/remove-user", &json!({ "userId": removed.id })).await.ok();
        app.pass(days(1));
        visitor.browser.session().await;
        app.pass(days(1));
        visitor.browser.session().await;
        app.pass(days(3));
        let newcomer = arrive(&app).await;
        app.pass(days(1));
        Self { app, stranger, visitor, newcomer }
    }
}

#[tokio::test]
async fn hindsight_knows_who_came_back_and_who_became_a_member() {
    let Lives { app, stranger, visitor, .. } = Lives::lived(App::with(&SETUP).await).await;
    // The use of the key is noted once.
    rehearse(&app, DAY).await;
    let before = app.head().await;

    // A day: the member of the second day by link, of the third by password; two who came back; two who did not.
    let said = rehearse(&app, DAY).await;
    assert_eq!(ids(&said["guests"]), [stranger.id.clone(), visitor.id.clone()]);
    assert_eq!(said["hindsight"], hindsight(json!({ "magic_link": 1, "password": 1 }), 2, 2));
    assert_eq!((&said["dryRun"], &said["maxAge"], &said["heldGuests"]), (&json!(true), &json!(DAY), &json!([])));
    assert_eq!(said["lastActiveBefore"], app.date(hours(-25)));
    assert_eq!(said["guests"][0]["lastActiveAt"], app.date(days(-10)));
    // Three days and less than four: nobody who was away for three.
    let said = rehearse(&app, 3 * DAY).await;
    assert_eq!(ids(&said["guests"]), [stranger.id.clone(), visitor.id.clone()]);
    assert_eq!(said["hindsight"], hindsight(json!({}), 2, 2));
    // Five days less the hour that is allowed for, and a second: the visitor who came back then, and who never did.
    let said = rehearse(&app, 5 * DAY - HOUR - 1).await;
    assert_eq!(ids(&said["guests"]), std::slice::from_ref(&stranger.id));
    assert_eq!(said["hindsight"], hindsight(json!({}), 1, 1));
    let said = rehearse(&app, 5 * DAY - HOUR).await;
    assert_eq!((counts(&said), &said["hindsight"]), ((1, 0, 1), &hindsight(json!({}), 0, 1)));
    // To the second.
    assert_eq!(counts(&rehearse(&app, 10 * DAY - HOUR - 1).await), (1, 0, 1));
    assert_eq!(counts(&rehearse(&app, 10 * DAY - HOUR).await), (0, 0, 0));
    // An hour's age is the least: whoever was away for two.
    let least = rehearse(&app, HOUR).await;
    assert_eq!(least["hindsight"], hindsight(json!({ "magic_link": 1, "password": 1 }), 2, 3));
    let few = app.operator().post(CLEANUP, &json!({ "dryRun": true, "maxAge": HOUR, "limit": 1 })).await.ok();
    assert_eq!((ids(&few["guests"]).len(), &few["wouldDelete"]), (1, &json!(3)));
    assert_eq!(app.head().await, before, "a rehearsal left something in the log");
}

#[tokio::test]
async fn who_is_named_is_who_then_goes() {
    let Lives { app, stranger, visitor, newcomer } = Lives::lived(App::with(&SETUP).await).await;
    let (before, said) = (gone(&app).await, rehearse(&app, DAY).await);
    let named = BTreeSet::from_iter(ids(&said["guests"]));
    assert_eq!(said["wouldDelete"], named.len());

    let policy = json!({ "authMethods": { "anonymous": { "maxAge": DAY } } });
    app.operator().post("/banata/config/dashboard/save", &policy).await.ok();
    app.until("UserDeleted", before.len() + named.len()).await;
    // What stands is the rehearsal of the policy itself.
    let after = app.operator().post(CLEANUP, &json!({ "dryRun": true })).await.ok();
    assert_eq!((&after["maxAge"], counts(&after)), (&json!(DAY), (0, 0, 6)));
    // Who was deleted meanwhile does not become another by it.
    assert_eq!(after["hindsight"], said["hindsight"]);
    let deleted: BTreeSet<_> = gone(&app).await.difference(&before).cloned().collect();
    assert_eq!(deleted, named);
    for (guest, lives) in [(stranger, false), (visitor, false), (newcomer, true)] {
        assert_eq!(!guest.browser.session().await.is_null(), lives);
    }
}

#[tokio::test]
async fn an_age_has_to_be_one_and_not_everybody_may_ask() {
    let app = App::with(&SETUP).await;
    let operator = app.operator();
    for asked in [
        json!({ "dryRun": true }),
        json!({ "dryRun": true, "maxAge": 3_599 }),
        json!({ "dryRun": true, "maxAge": 30 }),
        json!({ "dryRun": true, "maxAge": 315_360_001 }),
        json!({ "dryRun": true, "maxAge": i64::MAX }),
        json!({ "dryRun": true, "maxAge": -1 }),
        json!({ "dryRun": true, "maxAge": "14d" }),
        json!({ "dryRun": "yes", "maxAge": DAY }),
        json!({ "dryRun": true, "maxAge": DAY, "filter": { "isAnonymous": true } }),
    ] {
        operator.post(CLEANUP, &asked).await.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(counts(&rehearse(&app, 315_360_000).await), (0, 0, 0));
    let asked = json!({ "dryRun": true, "maxAge": DAY });
    app.program().post(CLEANUP, &asked).await.refused(401, "UNAUTHORIZED");
    let guest = arrive(&app).await;
    guest.browser.post(CLEANUP, &asked).await.refused(403, "FORBIDDEN");
    app.key(&["guests.delete"]).await.post(CLEANUP, &asked).await.refused(403, "INSUFFICIENT_PERMISSION");
    let looks = app.key(&["users.read"]).await;
    looks.post(CLEANUP, &asked).await.ok();
    looks.post(CLEANUP, &json!({ "dryRun": false, "maxAge": DAY })).await.refused(403, "INSUFFICIENT_PERMISSION");
    let bounded = json!({ "maxAge": DAY, "limit": 5 });
    operator.post(CLEANUP, &bounded).await.refused(400, "VALIDATION_ERROR");
    app.admin("ada@example.com").await.post(CLEANUP, &asked).await.ok();
}

/// The command has the machine's clock, so these guests came long ago by it.
#[tokio::test]
async fn the_command_says_the_same() {
    let clock = MockClock::at(SystemClock.now());
    clock.advance(days(-100));
    let Lives { app, stranger, visitor, .. } = Lives::lived(App::at(&SETUP, Arc::new(OsEntropy), clock).await).await;
    app.pass(days(80) + seconds(1));
    let fresh = arrive(&app).await;
    let before = app.head().await;
    let said = app.command(&["guests", "dry-run", "--max-age", "14d"]);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("maximum age 14d: guests who were last active before "), "{said}");
    assert_eq!(lines[1], "now: 3 would be deleted; 0 held, 0 out of use already");
    assert!(lines[2].starts_with(&format!("  {}  last active ", stranger.id)), "{said}");
    assert!(lines[3].starts_with(&format!("  {}  last active ", visitor.id)), "{said}");
    assert!(!said.contains(&fresh.id));
    let since = [
        "had it always been in force: 3 would have been deleted",
        "  0 came back and became members",
        "  0 came back as guests",
        "  3 did not come back",
    ];
    assert_eq!(lines[5..], since);
    let said = app.command(&["guests", "dry-run", "--max-age", "24h"]);
    assert!(said.starts_with("maximum age 1d:") && said.contains("members (magic_link 1, password 1)\n"), "{said}");
    assert_eq!(app.head().await, before);
}
