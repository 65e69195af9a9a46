//! Proof of work, built in.

use serde_json::{Value, json};

use super::solver::{answer, solve};
use super::{arrive, show};
use crate::support::{Answer, App, Client, Method, Tweak, hours, seconds};

const WORK: [Tweak<'static>; 3] =
    [("challenge.kind", "work"), ("challenge.effort", "2"), ("trusted_proxies", "127.0.0.1")];

async fn puzzle(caller: &Client) -> Value {
    let asked = caller.get("/anonymous/challenge").await.ok();
    assert_eq!(asked["kind"], "work");
    asked
}

#[track_caller]
fn failed(answer: &Answer) {
    let body = answer.refused(403, "CHALLENGE_FAILED");
    assert_eq!(body["details"]["kind"], "work");
}

fn from(app: &App, address: &str) -> Client {
    app.program().always("x-forwarded-for", address)
}

#[tokio::test]
async fn nobody_gets_a_guest_who_shows_nothing_and_everybody_is_told_what_to_show() {
    let app = App::with(&WORK).await;
    let program = app.program();
    let head = app.head().await;
    let told = arrive(&program).await.refused(403, "CHALLENGE_REQUIRED");
    let url = format!("{}/api/auth/anonymous/challenge", app.origin());
    assert_eq!(
        told,
        json!({
            "code": "CHALLENGE_REQUIRED",
            "message": "Show that you are no bot before a guest session is created",
            "details": { "kind": "work", "url": url, "header": "x-captcha-response", "field": "captchaResponse" },
        })
    );
    for nothing in
        [json!({ "captchaResponse": "" }), json!({ "captchaResponse": null }), json!({ "captchaResponse": 5 })]
    {
        program.post("/sign-in/anonymous", &nothing).await.refused(403, "CHALLENGE_REQUIRED");
    }
    app.browser().get("/sign-in/anonymous").await.refused(403, "CHALLENGE_REQUIRED");
    assert_eq!(app.head().await, head, "nothing happened");
}

#[tokio::test]
async fn whoever_worked_gets_one() {
    let app = App::with(&WORK).await;
    let program = app.program();
    let asked = puzzle(&program).await;
    assert_eq!(asked["required"], true);
    let by_body = show(&program, &solve(&asked)).await.ok();
    assert_eq!(by_body["user"]["isAnonymous"], true);
    let solved = solve(&puzzle(&program).await);
    program.post("/sign-in/anonymous", &json!({})).header("x-captcha-response", &solved).await.ok();
    let browser = app.browser();
    let solved = solve(&puzzle(&browser).await);
    browser.get("/sign-in/anonymous").header("x-captcha-response", &solved).await.ok();
    // Who is there already is asked for nothing.
    browser.arrive().await;
    browser.get("/sign-in/anonymous").await.ok();
    app.bearer(by_body["token"].as_str().unwrap()).arrive().await;
}

#[tokio::test]
async fn an_answer_is_good_once() {
    let app = App::with(&WORK).await;
    let program = app.program();
    let solved = solve(&puzzle(&program).await);
    show(&program, &solved).await.ok();
    failed(&show(&program, &solved).await);
    app.pass(seconds(200));
    failed(&show(&program, &solved).await);

    let solved = solve(&puzzle(&program).await);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (caller, solved) = (program.clone(), solved.clone());
            tokio::spawn(async move { show(&caller, &solved).await.status })
        })
        .collect();
    let mut made = 0;
    for call in calls {
        made += usize::from(call.await.unwrap() == 200);
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn it_is_good_for_whoever_asked_and_where_it_was_asked() {
    let (app, other) = (App::with(&WORK).await, App::with(&WORK).await);
    let solved = solve(&puzzle(&from(&app, "192.0.2.1")).await);
    failed(&show(&from(&app, "192.0.2.2"), &solved).await);
    failed(&show(&from(&other, "192.0.2.1"), &solved).await);
    show(&from(&app, "192.0.2.1"), &solved).await.ok();
    // A /64 is one network, whichever of its addresses asks.
    let solved = solve(&puzzle(&from(&app, "2001:db8::1")).await);
    failed(&show(&from(&app, "2001:db8:0:1::1"), &solved).await);
    show(&from(&app, "2001:db8::2"), &solved).await.ok();
    // Where nobody vouches for the header, it chooses no network.
    let app = App::with(&WORK[..2]).await;
    let solved = solve(&puzzle(&from(&app, "192.0.2.1")).await);
    show(&from(&app, "192.0.2.2"), &solved).await.ok();
}

#[tokio::test]
async fn it_is_good_for_five_minutes() {
    let app = App::with(&WORK).await;
    let program = app.program();
    let (late, too_late) = (solve(&puzzle(&program).await), solve(&puzzle(&program).await));
    app.pass(seconds(299));
    show(&program, &late).await.ok();
    app.pass(seconds(2));
    failed(&show(&program, &too_late).await);
}

#[tokio::test]
async fn what_is_no_solution_is_none() {
    let app = App::with(&WORK).await;
    let program = app.program();
    let asked = puzzle(&program).await;
    let prefix = asked["parameters"]["keyPrefix"].as_str().unwrap();
    let mut dear = asked.clone();
    dear["parameters"]["cost"] = 1.into();
    let mut later = asked.clone();
    later["parameters"]["expiresAt"] = 4_000_000_000_u64.into();
    for wrong in [
        answer(&asked, &json!({ "counter": 0, "derivedKey": "00".repeat(32) })),
        answer(&asked, &json!({ "counter": 0, "derivedKey": prefix })),
        answer(&asked, &json!({ "counter": 0, "derivedKey": format!("{prefix}{}", "0".repeat(32)) })),
        answer(&asked, &json!({ "counter": -1, "derivedKey": 7 })),
        answer(&asked, &json!({})),
        answer(&json!({}), &json!({})),
        answer(&dear, &json!({ "counter": 0, "derivedKey": "00".repeat(32) })),
        solve(&asked)[1..].to_owned(),
        answer(&later, &json!({ "counter": 0, "derivedKey": "" })),
        "garbage".to_owned(),
        "A".repeat(30_000),
        "\u{1F980}".to_owned(),
    ] {
        failed(&show(&program, &wrong).await);
    }
    show(&program, &solve(&asked)).await.ok();
}

#[tokio::test]
async fn guesses_are_counted() {
    let app = App::with(&WORK).await;
    let bot = from(&app, "192.0.2.1");
    let asked = puzzle(&bot).await;
    for _ in 0..30 {
        failed(&show(&bot, &answer(&asked, &json!({ "derivedKey": "00".repeat(32) }))).await);
    }
    let solved = solve(&asked);
    show(&bot, &solved).await.refused(429, "RATE_LIMITED");
    let neighbour = from(&app, "192.0.2.2");
    show(&neighbour, &solve(&puzzle(&neighbour).await)).await.ok();
    app.pass(seconds(600));
    show(&bot, &solve(&puzzle(&bot).await)).await.ok();
}

#[tokio::test]
async fn the_fuller_the_budget_the_harder_the_work_and_early_puzzles_are_worth_nothing_then() {
    let app = App::with(&[WORK[0], WORK[1], WORK[2], ("guests_per_hour", "8")]).await;
    let bot = from(&app, "192.0.2.1");
    let mut hoard = Vec::new();
    for _ in 0..3 {
        hoard.push(solve(&puzzle(&bot).await));
    }
    let mut efforts = Vec::new();
    for _ in 0..7 {
        let asked = puzzle(&bot).await;
        efforts.push(asked["parameters"]["data"]["effort"].as_u64().unwrap());
        show(&bot, &solve(&asked)).await.ok();
    }
    assert_eq!(efforts, [2, 2, 4, 4, 8, 8, 16]);
    for early in hoard {
        failed(&show(&bot, &early).await);
    }
    // Another network pays what it always did; the bot's pays and is refused in the end.
    assert_eq!(puzzle(&from(&app, "192.0.2.2")).await["parameters"]["data"]["effort"], 2);
    show(&bot, &solve(&puzzle(&bot).await)).await.ok();
    show(&bot, &solve(&puzzle(&bot).await)).await.refused(429, "RATE_LIMITED");
    app.pass(hours(1));
    assert_eq!(puzzle(&bot).await["parameters"]["data"]["effort"], 2);
}

#[tokio::test]
async fn a_repeated_call_brings_the_same_guest_with_the_answer_it_has() {
    let app = App::with(&WORK).await;
    let program = app.program();
    let key = "a-key-of-22-characters";
    let solved = solve(&puzzle(&program).await);
    let call =
        || program.post("/sign-in/anonymous", &json!({ "captchaResponse": solved })).header("idempotency-key", key);
    let first = call().await.ok();
    assert_eq!(call().await.ok(), first);
    let bare = program.post("/sign-in/anonymous", &json!({})).header("idempotency-key", key).await.ok();
    assert_eq!(bare["user"], first["user"]);
    // The key of a call that made nothing opens nothing.
    let other = program.post("/sign-in/anonymous", &json!({})).header("idempotency-key", "another-key-of-22-chars");
    other.await.refused(403, "CHALLENGE_REQUIRED");
}

#[tokio::test]
async fn within_its_budget_the_service_asks_for_nothing() {
    let tweaks = [("challenge.when", "over-budget"), ("service_guests_per_hour", "3"), ("guests_per_minute", "0")];
    let app = App::with(&[&WORK[..], &tweaks[..]].concat()).await;
    let visitor = |n: usize| from(&app, &format!("192.0.2.{n}"));
    for n in 0..3 {
        assert_eq!(puzzle(&visitor(n)).await["required"], false);
        arrive(&visitor(n)).await.ok();
    }
    assert_eq!(puzzle(&visitor(9)).await["required"], true);
    arrive(&visitor(9)).await.refused(403, "CHALLENGE_REQUIRED");
    for n in 3..6 {
        show(&visitor(n), &solve(&puzzle(&visitor(n)).await)).await.ok();
    }
    failed(&show(&visitor(3), "nonsense").await);
    // Those who worked count too: the hour is over when the last of them is an hour old.
    app.pass(hours(1));
    assert_eq!(puzzle(&visitor(9)).await["required"], false);
    arrive(&visitor(9)).await.ok();
}

#[tokio::test]
async fn where_nothing_is_asked_for_nothing_changes() {
    let app = App::start().await;
    let asked = app.program().get("/anonymous/challenge").await.ok();
    assert_eq!(asked, json!({ "kind": "off", "required": false }));
    show(&app.program(), "whatever").await.ok();
    let preflight = async |app: &App| {
        let call = app.browser().at(Method::OPTIONS, "/api/auth/sign-in/anonymous");
        let answer = call.header("access-control-request-method", "POST").await;
        answer.header("access-control-allow-headers").unwrap().to_owned()
    };
    assert_eq!(preflight(&app).await, "content-type, authorization, idempotency-key, x-api-key");
    let asking = App::with(&WORK).await;
    assert!(preflight(&asking).await.ends_with(", x-captcha-response"), "pages of other origins may send it");
}
