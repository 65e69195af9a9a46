//! How many guests a network gets in an hour and a day, and the service as a whole (CONTRACT 1.8).

use serde_json::json;

use crate::support::{A_MILLISECOND, Answer, App, Client, Span, hours, seconds};

async fn arrive(caller: &Client) -> Answer {
    caller.post("/sign-in/anonymous", &json!({})).await
}

fn wait(answer: &Answer) -> i64 {
    answer.refused(429, "RATE_LIMITED")["details"]["tryAgainIn"].as_i64().unwrap()
}

#[tokio::test]
async fn an_hour_and_a_day_have_budgets_of_their_own() {
    let app = App::with(&[("guests_per_minute", "3"), ("guests_per_hour", "5"), ("guests_per_day", "7")]).await;
    let program = app.program();
    for _ in 0..3 {
        arrive(&program).await.ok();
    }
    assert_eq!(wait(&arrive(&program).await), 60);
    app.pass(seconds(60));
    for _ in 0..2 {
        arrive(&program).await.ok();
    }
    assert_eq!(wait(&arrive(&program).await), 59 * 60);
    app.pass(seconds(59 * 60));
    for _ in 0..2 {
        arrive(&program).await.ok();
    }
    assert_eq!(wait(&arrive(&program).await), 23 * 3600);
    // Whoever is there already is not counted.
    let browser = app.browser();
    app.pass(Span::from_millis(23 * 3_600_000 - 1));
    wait(&arrive(&program).await);
    app.pass(A_MILLISECOND);
    for _ in 0..4 {
        browser.arrive().await;
    }
    arrive(&program).await.ok();
}

#[tokio::test]
async fn without_more_words_an_hour_is_twenty_minutes_full() {
    let app = App::start().await;
    let program = app.program();
    for minute in 0..20 {
        for _ in 0..30 {
            arrive(&program).await.ok();
        }
        if minute < 19 {
            app.pass(seconds(60));
        }
    }
    app.pass(seconds(60));
    let told = wait(&arrive(&program).await);
    assert!((2340..2460).contains(&told), "{told}");
    app.pass(seconds(told));
    arrive(&program).await.ok();
}

#[tokio::test]
async fn networks_around_an_ipv6_address_have_budgets_too() {
    let app =
        App::with(&[("trusted_proxies", "127.0.0.1"), ("guests_per_minute", "0"), ("guests_per_hour", "2")]).await;
    let from = |address: String| app.program().always("x-forwarded-for", &address);
    // Four /64 of one /56 fill it; the fifth has a place left of its own, and none in the /56.
    for network in 0..4 {
        for host in 1..3 {
            arrive(&from(format!("2001:db8:1:{network:x}::{host}"))).await.ok();
        }
        wait(&arrive(&from(format!("2001:db8:1:{network:x}::9"))).await);
    }
    wait(&arrive(&from("2001:db8:1:ff::1".to_owned())).await);
    // Three more /56 fill the /48.
    for site in 1..4 {
        for host in 0..8 {
            arrive(&from(format!("2001:db8:1:{site:x}{host:x}{host:x}::1"))).await.ok();
        }
        wait(&arrive(&from(format!("2001:db8:1:{site:x}ff::1"))).await);
    }
    wait(&arrive(&from("2001:db8:1:ff00::1".to_owned())).await);
    arrive(&from("2001:db8:2::1".to_owned())).await.ok();
    // An IPv4 address has no such neighbours.
    for host in 1..20 {
        arrive(&from(format!("192.0.2.{host}"))).await.ok();
    }
}

#[tokio::test]
async fn where_no_challenge_is_asked_the_budget_of_the_service_refuses() {
    let app = App::with(&[("trusted_proxies", "127.0.0.1"), ("service_guests_per_hour", "4")]).await;
    let from = |host: usize| app.program().always("x-forwarded-for", &format!("192.0.2.{host}"));
    for host in 0..4 {
        arrive(&from(host)).await.ok();
    }
    assert_eq!(wait(&arrive(&from(5)).await), 3600);
    app.pass(hours(1));
    arrive(&from(5)).await.ok();
}

#[tokio::test]
async fn what_a_client_says_of_itself_changes_no_budget() {
    let app = App::with(&[("guests_per_minute", "0"), ("guests_per_day", "10")]).await;
    for n in 0..10 {
        arrive(&app.program().always("x-forwarded-for", &format!("192.0.2.{n}")).always("user-agent", &n.to_string()))
            .await
            .ok();
    }
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"] {
        wait(&arrive(&app.program().always(header, "192.0.2.99")).await);
    }
}
