//! States, codes and answers that are not what they should be: a redirect with a code, and the guest unharmed.

use super::*;
use crate::support::Method;

async fn callback(browser: &Client, query: &str) -> Answer {
    browser.never("origin").at(Method::GET, &format!("/api/auth/callback/google{query}")).await
}

#[tokio::test]
async fn whatever_comes_back_is_answered_with_a_redirect() {
    let world = world().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
    let state = world.fake.consent(&url, &jane()).state;
    let lost = |code: &str| format!("{}/api/auth/error?error={code}", world.app.origin());
    let not_found = lost("state_not_found");
    let (truncated, swapped) = (&state[..31], state.chars().rev().collect::<String>());
    for (query, place) in [
        (String::new(), not_found.clone()),
        ("?state=".to_owned(), not_found.clone()),
        ("?code=x".to_owned(), not_found.clone()),
        ("?state=x&code=x".to_owned(), not_found.clone()),
        (format!("?state={truncated}&code=x"), not_found.clone()),
        (format!("?state={swapped}&code=x"), not_found.clone()),
        (format!("?state={state}a&code=x"), not_found.clone()),
        (format!("?state={}&code=x", "a".repeat(32)), not_found.clone()),
        ("?state=%00&code=x".to_owned(), not_found.clone()),
        ("?state=%00&code=%ff".to_owned(), lost("invalid_callback_request")),
        ("?state=a&state=b".to_owned(), not_found.clone()),
    ] {
        callback(&browser, &query).await.leads_to(&place);
    }
    is_unharmed(&browser, &guest).await;
    callback(&browser, &format!("?state={state}")).await.leads_to("/sorry?error=no_code");
    is_unharmed(&browser, &guest).await;
    // Each of these ends its flow.
    for (with, code) in [
        ("&code=unknown", "invalid_code"),
        ("&error=access_denied", "access_denied"),
        ("&error=%3Cscript%3E", "invalid_callback_request"),
        ("&error=", "invalid_callback_request"),
    ] {
        let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
        let iss = world.fake.issuer();
        let state = world.fake.consent(&url, &jane()).state;
        let answer = callback(&browser, &format!("?state={state}{with}&iss={iss}")).await;
        answer.leads_to(&format!("/sorry?error={code}"));
        callback(&browser, &format!("?state={state}&code=x")).await.leads_to(&not_found);
        is_unharmed(&browser, &guest).await;
    }
    let long = format!("?state={state}&code={}", "x".repeat(5000));
    callback(&browser, &long).await.leads_to(&not_found);
}

#[tokio::test]
async fn a_provider_that_is_gone_is_no_mishap() {
    let world = world().await;
    let browser = world.app.browser();
    browser
        .at(Method::GET, "/api/auth/callback/myspace?state=x")
        .await
        .leads_to(&format!("{}/api/auth/error?error=state_not_found", world.app.origin()));
    browser.at(Method::GET, "/api/auth/callback/").await.refused(404, "NOT_FOUND");
    browser.at(Method::PUT, "/api/auth/callback/google").await.refused(405, "METHOD_NOT_ALLOWED");
}

/// Apple posts: the browser is sent on by GET, with what a redirect may bring and nothing else.
#[tokio::test]
async fn a_form_post_is_sent_on_by_get() {
    let world = world().await;
    let browser = world.app.browser();
    let url = begin(&browser, "/sign-in/social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    let user = r#"{"name":{"firstName":"Jane","lastName":"Apple"}}"#;
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("state", &granted.state).append_pair("code", &granted.code).append_pair("user", user);
    body.append_pair("iss", granted.iss.as_deref().unwrap()).append_pair("callbackURL", "https://evil.example.com");
    // Cross-site: no cookie of ours comes along.
    let stranger = world.app.program().always("origin", "https://appleid.apple.com");
    let sent_on = stranger
        .at(Method::POST, "/api/auth/callback/google")
        .body("application/x-www-form-urlencoded", body.finish())
        .await;
    let place = url::Url::parse(sent_on.header("location").unwrap()).unwrap();
    assert_eq!(sent_on.status, 302);
    let names: Vec<_> = place.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["code", "state", "iss", "user"]);
    let path = format!("{}?{}", place.path(), place.query().unwrap());
    browser.never("origin").at(Method::GET, &path).await.leads_to("/welcome");
    stranger
        .at(Method::POST, "/api/auth/callback/google")
        .body("text/plain", "x")
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn id_tokens_that_are_not_good_make_nobody_anybody() {
    let world = world().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let claims = |name, value: Value| Mischief { claims: [(name, value)].into(), ..Mischief::default() };
    let mischiefs = [
        claims("iss", json!("https://evil.example.com")),
        claims("aud", json!("another-client")),
        claims("aud", json!([CLIENT, "another-client"])),
        claims("azp", json!("another-client")),
        claims("exp", json!(1_799_999_999)),
        claims("exp", Value::Null),
        claims("iat", json!(1_700_000_000)),
        claims("iat", json!(1_800_000_900)),
        claims("nonce", json!("another nonce")),
        claims("nonce", Value::Null),
        claims("sub", json!("")),
        claims("sub", json!("x".repeat(300))),
        claims("sub", json!("line\nbreak")),
        claims("sub", json!(7)),
        Mischief { alg: Some("none"), ..Mischief::default() },
        Mischief { alg: Some("HS256"), ..Mischief::default() },
        Mischief { unpublished_key: true, ..Mischief::default() },
    ];
    for mischief in mischiefs {
        let said = format!("{mischief:?}");
        world.fake.misbehave(mischief);
        let answer = world.upgrade(&browser, &jane()).await;
        assert_eq!(answer.header("location"), Some("/sorry?error=unable_to_get_user_info"), "{said}");
        is_unharmed(&browser, &guest).await;
    }
    world.fake.misbehave(Mischief::default());
    world.upgrade(&browser, &jane()).await.leads_to("/home");
}

#[tokio::test]
async fn garbage_and_too_much_of_it() {
    let world = world().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let long = format!("{{\"access_token\":\"{}\"}}", "x".repeat(200_000));
    for (status, body) in [
        (200, "{".to_owned()),
        (200, "[]".to_owned()),
        (200, "{}".to_owned()),
        (200, "<html>".to_owned()),
        (200, String::new()),
        (200, long),
        (302, String::new()),
        (400, r#"{"error":"invalid_grant"}"#.to_owned()),
        (500, "oops".to_owned()),
        (503, String::new()),
    ] {
        let said = format!("{status} {}", body.get(..20).unwrap_or(&body));
        world.fake.misbehave(Mischief { token: Some((status, body)), ..Mischief::default() });
        let answer = world.upgrade(&browser, &jane()).await;
        assert_eq!(answer.header("location"), Some("/sorry?error=invalid_code"), "{said}");
        is_unharmed(&browser, &guest).await;
    }
    // An id token without an address has userinfo asked: which speaks of somebody else, or of nobody.
    let silent = Person::new("jane-1", None, false);
    for body in [r#"{"sub":"somebody-else","email":"jane@example.com"}"#, "{}", "[", "null"] {
        world.fake.misbehave(Mischief { userinfo: Some((200, body.to_owned())), ..Mischief::default() });
        let answer = world.upgrade(&browser, &silent).await;
        answer.leads_to("/sorry?error=unable_to_get_user_info");
        is_unharmed(&browser, &guest).await;
    }
}

#[tokio::test]
async fn odd_profiles_are_read_as_far_as_they_read() {
    let world = world().await;
    let odd = json!({
        "email": "",
        "email_verified": "true",
        "name": "x".repeat(400),
        "picture": "javascript:alert(1)",
    });
    let browser = world.app.browser();
    world.sign_in(&browser, &Person { subject: "odd".to_owned(), says: odd }).await.leads_to("/welcome");
    let user = browser.session().await["user"].clone();
    assert_eq!((&user["email"], &user["name"], &user["image"]), (&Value::Null, &Value::Null, &Value::Null));
    let second = world.app.browser();
    let strange = json!({ "email": "not an address", "email_verified": true, "name": "a\u{0}b" });
    world.sign_in(&second, &Person { subject: "strange".to_owned(), says: strange }).await.leads_to("/welcome");
    let user = second.session().await["user"].clone();
    assert_eq!((&user["email"], &user["name"]), (&Value::Null, &json!("ab")));
}

/// It is told at once that nothing can begin, and everybody else is served as ever.
#[tokio::test]
async fn a_provider_that_tells_nothing_of_itself() {
    let world = world().await;
    for (status, body) in [(500, String::new()), (200, "{}".to_owned()), (200, "x".repeat(100_000))] {
        world.fake.misbehave(Mischief { discovery: Some((status, body)), ..Mischief::default() });
        let browser = world.app.browser();
        let guest = browser.arrive().await;
        let answer = browser.post("/sign-in/social", &form("google")).await;
        answer.refused(503, "SERVICE_UNAVAILABLE");
        assert_eq!(answer.header("retry-after"), Some("5"));
        is_unharmed(&browser, &guest).await;
        world.app.pass(crate::support::seconds(6));
    }
    let other = r#"{"issuer":"https://evil.example.com","authorization_endpoint":"https://evil.example.com/a",
        "token_endpoint":"https://evil.example.com/t","jwks_uri":"https://evil.example.com/j"}"#;
    world.fake.misbehave(Mischief { discovery: Some((200, other.to_owned())), ..Mischief::default() });
    world.app.browser().post("/sign-in/social", &form("google")).await.refused(503, "SERVICE_UNAVAILABLE");
    world.fake.misbehave(Mischief::default());
    world.app.pass(crate::support::seconds(6));
    world.sign_in(&world.app.browser(), &jane()).await.leads_to("/welcome");
}

/// What hangs at the provider hangs there alone: everybody else is served, and it ends by itself.
#[tokio::test]
async fn a_provider_that_says_nothing() {
    let world = world().await;
    let (browser, other) = (world.app.browser(), world.app.browser());
    let guest = browser.arrive().await;
    let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    world.fake.misbehave(Mischief { silent: true, ..Mischief::default() });
    let (waiting, meanwhile) = (browser.fork(), async {
        other.arrive().await;
        other.upgrade(EVE).await
    });
    let mut waiting = std::pin::pin!(back(&waiting, &granted));
    tokio::select! {
        answer = &mut waiting => panic!("it answers at once: {answer:?}"),
        _ = meanwhile => {}
    }
    is_unharmed(&browser, &guest).await;
    waiting.await.leads_to("/sorry?error=invalid_code");
    is_unharmed(&browser, &guest).await;
    world.fake.misbehave(Mischief::default());
    world.upgrade(&browser, &jane()).await.leads_to("/home");
}

/// Without leave nothing private is called, whoever says so.
#[tokio::test]
async fn private_networks_are_called_by_leave_alone() {
    let world = world_with(&[("outgoing.allow", "10.0.0.0/8")]).await;
    world.app.browser().post("/sign-in/social", &form("google")).await.refused(503, "SERVICE_UNAVAILABLE");
    assert_eq!(world.fake.asked("discovery"), 0);
}
