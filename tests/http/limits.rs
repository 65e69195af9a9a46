//! How often one may ask (CONTRACT 1.8), to the millisecond.

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, Answer, App, Client, PASSWORD, Span, hours, seconds};

async fn arrive(caller: &Client) -> Answer {
    caller.post("/sign-in/anonymous", &json!({})).await
}

/// A 429 says it three times over, and nothing else.
#[track_caller]
fn limited(answer: &Answer) -> u64 {
    let body = answer.refused(429, "RATE_LIMITED");
    let wait = body["details"]["tryAgainIn"].as_u64().unwrap();
    assert_eq!(
        body,
        json!({ "code": "RATE_LIMITED", "message": "Rate limit exceeded.", "details": { "tryAgainIn": wait } })
    );
    assert!(wait >= 1);
    for header in ["retry-after", "x-retry-after"] {
        assert_eq!(answer.header(header), Some(wait.to_string().as_str()));
    }
    wait
}

#[tokio::test]
async fn thirty_guests_in_any_minute() {
    let app = App::start().await;
    let program = app.program();
    // The first ten at once, the others over half a minute: no alignment lets a thirty-first in.
    for _ in 0..10 {
        arrive(&program).await.ok();
    }
    for _ in 0..20 {
        app.pass(Span::from_millis(1500));
        arrive(&program).await.ok();
    }
    let head = app.head().await;
    assert_eq!(limited(&arrive(&program).await), 30);
    app.pass(Span::from_millis(29_999));
    assert_eq!(limited(&arrive(&program).await), 1);
    assert_eq!(app.head().await, head);
    app.pass(A_MILLISECOND);
    for _ in 0..10 {
        arrive(&program).await.ok();
    }
    limited(&arrive(&program).await);
    app.pass(Span::from_millis(1500));
    arrive(&program).await.ok();
    limited(&arrive(&program).await);
}

#[tokio::test]
async fn no_span_of_a_minute_holds_more_than_thirty() {
    let app = App::start().await;
    let mut made: Vec<i64> = Vec::new();
    let mut now = 0;
    for step in 0..150_i64 {
        let wait = (step * 7919) % 2000;
        app.pass(Span::from_millis(wait));
        now += wait;
        let within = made.iter().filter(|at| now - **at < 60_000).count();
        let answer = arrive(&app.program()).await;
        assert_eq!(answer.status, if within < 30 { 200 } else { 429 }, "{within} in the last minute");
        if answer.status == 200 {
            made.push(now);
        }
    }
    assert!(made.len() > 60, "the limit came into play");
}

#[tokio::test]
async fn parallel_guests_are_counted_one_by_one() {
    let app = App::start().await;
    let calls: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let caller = app.program();
                async move { arrive(&caller).await.status }
            })
        })
        .collect();
    let mut made = 0;
    for call in calls {
        made += usize::from(call.await.unwrap() == 200);
    }
    assert_eq!(made, 30);
}

#[tokio::test]
async fn who_is_there_already_is_not_counted() {
    let app = App::start().await;
    let browser = app.browser();
    for _ in 0..50 {
        browser.arrive().await;
    }
    for _ in 0..29 {
        arrive(&app.program()).await.ok();
    }
    limited(&arrive(&app.program()).await);
    browser.arrive().await;
}

#[tokio::test]
async fn a_header_that_nobody_vouches_for_changes_no_address() {
    let app = App::start().await;
    for n in 0..30 {
        arrive(&app.program().always("x-forwarded-for", &format!("192.0.2.{n}")).always("user-agent", &n.to_string()))
            .await
            .ok();
    }
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"] {
        limited(&arrive(&app.program().always(header, "192.0.2.99")).await);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_has_its_own() {
    let app = App::with(&[("trusted_proxies", "127.0.0.0/8,10.0.0.0/8"), ("guests_per_minute", "2")]).await;
    let from = |forwarded: &str| app.program().always("x-forwarded-for", forwarded);
    let guest = arrive(&from("192.0.2.1")).await.ok();
    assert_eq!(guest["session"]["ipAddress"], "192.0.2.1");
    arrive(&from("192.0.2.1")).await.ok();
    // What stands further left was written by whoever called the proxy.
    for same in [
        "192.0.2.1",
        "203.0.113.7, 192.0.2.1",
        "192.0.2.1, 10.0.0.3",
        "nonsense, 192.0.2.1 , 10.1.2.3, 127.0.0.1",
        "::ffff:192.0.2.1",
    ] {
        limited(&arrive(&from(same)).await);
    }
    arrive(&from("192.0.2.2")).await.ok();
    for same_network in ["2001:db8:1:2::1", "2001:db8:1:2::2"] {
        arrive(&from(same_network)).await.ok();
    }
    limited(&arrive(&from("2001:db8:1:2:ffff::3")).await);
    arrive(&from("2001:db8:1:3::1")).await.ok();
}

#[tokio::test]
async fn without_an_address_there_is_one_bucket_for_all() {
    let app = App::with(&[("trusted_proxies", "127.0.0.1"), ("guests_per_minute", "2")]).await;
    for garbage in ["nonsense", "unknown"] {
        arrive(&app.program().always("x-forwarded-for", garbage)).await.ok();
    }
    limited(&arrive(&app.program().always("x-forwarded-for", "_hidden")).await);
}

#[tokio::test]
async fn as_configured() {
    let none = App::with(&[("guests_per_minute", "0")]).await;
    let off = App::with(&[("rate_limits", "off")]).await;
    for _ in 0..40 {
        arrive(&none.program()).await.ok();
        arrive(&off.program()).await.ok();
    }
}

#[tokio::test]
async fn thirty_sign_ins_a_minute_whatever_is_in_them() {
    let app = App::start().await;
    let program = app.program();
    for n in 0..30 {
        let status = program.post("/sign-in/email", &json!({ "email": n })).await.status;
        assert_eq!(status, 400, "counted before it is read");
    }
    limited(&program.post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD })).await);
    app.pass(Span::from_millis(59_999));
    limited(&program.post("/sign-in/email", &json!({})).await);
    app.pass(A_MILLISECOND);
    program.post("/sign-in/email", &json!({})).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn sign_ups_and_upgrades_share_thirty() {
    let app = App::start().await;
    let program = app.program();
    for n in 0..30 {
        let path = if n % 2 == 0 { "/sign-up/email" } else { "/anonymous/upgrade" };
        assert_ne!(program.post(path, &json!({})).await.status, 429);
    }
    for path in ["/sign-up/email", "/anonymous/upgrade"] {
        limited(&program.post(path, &json!({})).await);
    }
    // Another rule's calls go on.
    program.post("/sign-in/email", &json!({})).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn passwords_ten_times_by_session_and_by_address() {
    let app = App::with(&[("trusted_proxies", "127.0.0.1")]).await;
    let guest = app.program().arrive().await;
    let from = |address: &str| app.bearer(guest["token"].as_str().unwrap()).always("x-forwarded-for", address);
    for n in 0..10 {
        let path = if n % 2 == 0 { "/change-password" } else { "/delete-user" };
        assert_ne!(from(&format!("192.0.2.{n}")).post(path, &json!({ "password": 5 })).await.status, 429);
    }
    limited(&from("192.0.2.99").post("/change-password", &json!({})).await);
    for _ in 0..9 {
        app.program().always("x-forwarded-for", "192.0.2.1").post("/change-password", &json!({})).await;
    }
    limited(&app.program().always("x-forwarded-for", "192.0.2.1").post("/change-password", &json!({})).await);
}

#[tokio::test]
async fn a_hundred_links_a_minute() {
    let app = App::start().await;
    for _ in 0..100 {
        assert_eq!(app.program().get("/verify-email?token=x").await.status, 401);
    }
    limited(&app.program().get("/verify-email?token=x").await);
}

#[tokio::test]
async fn everything_else_six_hundred_times_by_session_else_by_address() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    let program = app.program();
    let mut asked = 1;
    while program.get("/ok").await.status == 200 {
        asked += 1;
    }
    assert_eq!(asked, 600, "the arrival was one of them");
    limited(&program.get("/nowhere").await);
    browser.get("/get-session").await.ok();
    app.pass(seconds(1));
    program.get("/ok").await.ok();
}

#[tokio::test]
async fn whether_an_address_is_taken_is_told_three_times_an_hour() {
    let app = App::with(&[("trusted_proxies", "127.0.0.1")]).await;
    app.program().sign_up("taken@example.com").await;
    // Each from another network, in another session, by another path.
    let ask = async |n: usize| {
        let caller = app.browser().always("x-forwarded-for", &format!("198.51.100.{n}"));
        if n.is_multiple_of(2) {
            caller.arrive().await;
            return caller
                .post("/anonymous/upgrade", &json!({ "email": "taken@example.com", "password": PASSWORD }))
                .await;
        }
        caller.post("/sign-up/email", &json!({ "name": "", "email": "Taken@example.com", "password": PASSWORD })).await
    };
    for n in 0..3 {
        assert!(matches!(ask(n).await.status, 409 | 422));
    }
    limited(&ask(3).await);
    limited(&ask(4).await);
    app.pass(hours(1));
    assert_eq!(ask(5).await.status, 422);
    // One's own new address is nobody's conflict.
    for n in 0..10 {
        app.program()
            .always("x-forwarded-for", &format!("203.0.113.{n}"))
            .sign_up(&format!("free{n}@example.com"))
            .await;
    }
}

#[tokio::test]
async fn one_session_is_told_of_five_conflicts_an_hour() {
    let app = App::start().await;
    for n in 0..6 {
        app.program().sign_up(&format!("taken{n}@example.com")).await;
    }
    app.pass(hours(1));
    let browser = app.browser();
    browser.arrive().await;
    let ask = async |n: usize| {
        browser
            .post("/anonymous/upgrade", &json!({ "email": format!("taken{n}@example.com"), "password": PASSWORD }))
            .await
    };
    for n in 0..5 {
        ask(n).await.refused(409, "EMAIL_ALREADY_IN_USE");
    }
    limited(&ask(5).await);
}

#[tokio::test]
async fn ten_wrong_passwords_in_ten_minutes_known_address_or_not() {
    for email in ["jane@example.com", "nobody@example.com"] {
        let app = App::with(&[("trusted_proxies", "127.0.0.1")]).await;
        let home = app.program().always("x-forwarded-for", "192.0.2.1");
        home.sign_up("jane@example.com").await;
        let guess = async |n: usize, password: &str| {
            let caller = app.program().always("x-forwarded-for", &format!("198.51.100.{n}"));
            caller.post("/sign-in/email", &json!({ "email": email, "password": password })).await
        };
        for n in 0..10 {
            guess(n, "not this one").await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
        }
        limited(&guess(10, "not this one").await);
        limited(&guess(11, PASSWORD).await);
        // Strangers don't lock the owner out of a network from which she signed in.
        home.sign_in("jane@example.com").await;
        app.pass(seconds(600));
        guess(12, "not this one").await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    }
}

#[tokio::test]
async fn right_passwords_use_nothing_up() {
    let app = App::start().await;
    app.program().sign_up("jane@example.com").await;
    for _ in 0..15 {
        app.program().sign_in("jane@example.com").await;
    }
    let wrong = json!({ "email": "jane@example.com", "password": "not this one" });
    app.program().post("/sign-in/email", &wrong).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
}

#[tokio::test]
async fn a_server_that_is_too_busy_to_check_counts_nothing() {
    let app = App::with(&[("hashing.threads", "1"), ("hashing.queue", "1")]).await;
    app.program().sign_up("jane@example.com").await;
    for _ in 0..3 {
        app.pass(seconds(60));
        let sign_in = || {
            tokio::spawn({
                let call =
                    app.program().post("/sign-in/email", &json!({ "email": "jane@example.com", "password": PASSWORD }));
                async move { call.await.status }
            })
        };
        let calls: Vec<_> = (0..25).map(|_| sign_in()).collect();
        for call in calls {
            assert!(matches!(call.await.unwrap(), 200 | 429 | 503));
        }
    }
    app.pass(seconds(60));
    app.program().sign_in("jane@example.com").await;
}

#[tokio::test]
async fn guesses_count_wherever_a_password_is_asked_for() {
    let app = App::with(&[("trusted_proxies", "127.0.0.1")]).await;
    let joined = app.program().always("x-forwarded-for", "192.0.2.1").sign_up("jane@example.com").await;
    let stolen = app.bearer(joined["token"].as_str().unwrap());
    let mut refused = Value::Null;
    for n in 0..25_usize {
        // A stolen session, and a network for every guess.
        app.pass(seconds(7));
        let caller = stolen.always("x-forwarded-for", &format!("198.51.100.{n}"));
        let answer = caller
            .post(
                "/change-password",
                &json!({ "currentPassword": format!("guess {n}"), "newPassword": "another fine password" }),
            )
            .await;
        if answer.status == 429 {
            refused = n.into();
            break;
        }
        answer.refused(400, "INVALID_PASSWORD");
    }
    assert_eq!(refused, 10, "ten wrong passwords in ten minutes by e-mail, here as at the door");
}
