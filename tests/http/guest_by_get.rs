//! The same by GET, for a client without the anonymous plugin: a script's fetch gets a guest, and nothing else that can
//! make a browser send a GET does (CONTRACT 2.1, the guard).

use crate::support::{App, Client, SESSION};

/// Headers written `name: value`, joined by `|`; `APP` stands for the app's origin.
async fn makes_a_guest(app: &App, caller: &Client, headers: &str) -> bool {
    let mut call = caller.get("/sign-in/anonymous");
    for (name, value) in headers.split('|').filter_map(|line| line.trim().split_once(": ")) {
        call = call.header(name, &value.replace("APP", app.origin()));
    }
    let head = app.head().await;
    let answer = call.await;
    let made = answer.status == 200;
    if !made {
        answer.says(403, "ANONYMOUS_GET_BLOCKED", "Guest sessions are created by fetch, not by navigation");
        assert_eq!(answer.cookies(), []);
    }
    assert_eq!((made, made), (app.head().await > head, answer.cookie(SESSION).is_some()));
    made
}

#[tokio::test]
async fn the_guard_row_by_row() {
    let app = App::with(&[("rate_limits", "off"), ("trusted_origins", "https://app.example.com")]).await;
    let program = app.program();
    let fetch = "sec-fetch-site: same-origin | sec-fetch-mode: cors | sec-fetch-dest: empty";
    for (allowed, headers) in [
        (true, format!("{fetch} | accept: */*")),
        (true, format!("{fetch} | referer: APP/page")),
        (true, "sec-fetch-site: same-origin | sec-fetch-mode: same-origin".to_owned()),
        (true, "sec-fetch-site: cross-site | sec-fetch-mode: cors | origin: https://app.example.com".to_owned()),
        (true, "sec-fetch-mode: cors | accept: application/json, text/plain".to_owned()),
        // (a) what a script's fetch never says of itself
        (false, "sec-fetch-site: none | sec-fetch-mode: navigate | sec-fetch-dest: document".to_owned()),
        (false, "sec-fetch-site: same-origin | sec-fetch-mode: navigate".to_owned()),
        (false, "sec-fetch-site: same-origin | sec-fetch-mode: no-cors | sec-fetch-dest: image".to_owned()),
        (false, "sec-fetch-mode: websocket".to_owned()),
        (false, "sec-fetch-mode: cors | sec-fetch-dest: iframe".to_owned()),
        (false, format!("{fetch} | sec-purpose: prefetch")),
        (false, format!("{fetch} | sec-purpose: prefetch;prerender")),
        (false, format!("{fetch} | purpose: prefetch")),
        // (b) behind a proxy that drops fetch metadata
        (false, "accept: text/html,application/xhtml+xml,*/*;q=0.8 | referer: APP/".to_owned()),
        (false, "accept: image/avif,image/webp,*/* | referer: APP/".to_owned()),
        (true, "accept: application/json | referer: APP/".to_owned()),
        (true, "accept: */* | origin: APP".to_owned()),
        // (c) strangers
        (false, "sec-fetch-mode: cors | origin: https://evil.example".to_owned()),
        (false, "sec-fetch-mode: cors | origin: null".to_owned()),
        (false, "sec-fetch-mode: cors | referer: https://evil.example/".to_owned()),
        (false, "sec-fetch-mode: cors | origin: APP | referer: https://evil.example/".to_owned()),
        (false, "sec-fetch-site: cross-site | sec-fetch-mode: cors".to_owned()),
        (false, "sec-fetch-site: same-site | sec-fetch-mode: cors | referer: APP/".to_owned()),
        // (d) no fetch metadata at all
        (false, String::new()),
        (false, "accept: */*".to_owned()),
        (false, "accept: application/json".to_owned()),
        (true, "referer: APP/page?x=1".to_owned()),
    ] {
        assert_eq!(makes_a_guest(&app, &program, &headers).await, allowed, "{headers}");
    }
}

#[tokio::test]
async fn where_the_guest_came_from_is_never_an_error() {
    let app = App::start().await;
    let page = app.browser();
    for query in [
        "?channel=ads&campaign=spring&referrer=https%3A%2F%2Fexample.com",
        "?channel=",
        "?channel=%ff",
        "?channel=a&channel=b",
        "?%",
        "?entry[channel]=ads",
    ] {
        page.fork().get(&format!("/sign-in/anonymous{query}")).await.ok();
    }
}

#[tokio::test]
async fn who_is_there_already_is_answered_as_by_post() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    assert_eq!(browser.get("/sign-in/anonymous").await.ok(), guest);
}
