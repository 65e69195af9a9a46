//! Against a certified provider (npm's oidc-provider) that plays Google, Apple and an issuer of one's own.

use std::time::{SystemTime, UNIX_EPOCH};

use chrysalis_domain::Timestamp;
use url::Url;

use super::*;
use crate::clients::provider::OidcProvider;
use crate::support::Method;

/// The provider lives in this world's time.
#[allow(clippy::disallowed_methods, reason = "somebody else's clock is followed here")]
fn now() -> MockClock {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    MockClock::at(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap()))
}

async fn app(provider: &OidcProvider) -> App {
    let config = provider.config();
    let mut tweaks = vec![("dev", "on")];
    tweaks.extend(config.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    App::at(&tweaks, Arc::new(OsEntropy), now()).await
}

/// Goes where it is sent as a browser does, until the server of ours is reached.
async fn follow(url: &str, app: &App) -> String {
    let browser = crate::support::http()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let mut place = Url::parse(url).unwrap();
    for _ in 0..10 {
        if place.as_str().starts_with(app.origin()) {
            return format!("{}?{}", place.path(), place.query().unwrap());
        }
        let answer = browser.get(place.clone()).send().await.unwrap();
        let next = answer.headers().get("location").map(|next| next.to_str().unwrap().to_owned());
        let next = match next {
            Some(next) => next,
            None => panic!("{place} leads nowhere: {}", answer.text().await.unwrap()),
        };
        place = place.join(&next).unwrap();
    }
    panic!("{url} leads in circles");
}

async fn walk(app: &App, browser: &Client, path: &str, provider: &str, who: &str) -> Answer {
    let mut form = form(provider);
    form["loginHint"] = who.into();
    let url = browser.post(path, &form).await.ok()["url"].as_str().unwrap().to_owned();
    let back = follow(&url, app).await;
    browser.never("origin").at(Method::GET, &back).await
}

#[tokio::test]
async fn a_guest_becomes_a_member_in_place() {
    for in_id_tokens in [false, true] {
        let provider = OidcProvider::start(in_id_tokens);
        let app = app(&provider).await;
        let browser = app.browser();
        let guest = browser.arrive().await;
        let who = "jane-1 jane@example.com verified Jane Doe";
        walk(&app, &browser, "/anonymous/upgrade-with-social", "google", who).await.leads_to("/home");
        let member = browser.session().await;
        assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
        let user = &member["user"];
        assert_eq!(
            (&user["email"], &user["emailVerified"], &user["name"]),
            (&json!(JANE), &json!(true), &json!("Jane Doe"))
        );
        let again = app.browser();
        walk(&app, &again, "/sign-in/social", "google", who).await.leads_to("/home");
        assert_eq!(again.session().await["user"]["id"], guest["user"]["id"]);
    }
}

/// Apple: the client proves itself by a signature (ES256), the answer is posted across sites, and the name comes with the
/// first consent only, beside the token.
#[tokio::test]
async fn apple_tells_a_name_once() {
    let provider = OidcProvider::start(true);
    let app = app(&provider).await;
    let first = app.browser();
    let guest = first.arrive().await;
    let name = r#"{"name":{"firstName":"Ann","lastName":"Apple"},"email":"evil@example.com"}"#;
    by_apple(&app, &first, Some(name)).await.leads_to("/home");
    let user = first.session().await["user"].clone();
    assert_eq!((&user["id"], &user["name"]), (&guest["user"]["id"], &json!("Ann Apple")));
    assert_eq!((&user["email"], &user["emailVerified"]), (&json!("ann@example.com"), &json!(true)));
    let second = app.browser();
    by_apple(&app, &second, None).await.leads_to("/home");
    assert_eq!(second.session().await["user"], user);
    // What a browser says later is not Apple's first consent any more.
    by_apple(&app, &app.browser(), Some(r#"{"name":{"firstName":"Mallory"}}"#)).await.leads_to("/home");
    assert_eq!(second.session().await["user"]["name"], "Ann Apple");
}

async fn by_apple(app: &App, browser: &Client, user: Option<&str>) -> Answer {
    let mut form = form("apple");
    form["loginHint"] = "ann-1 ann@example.com verified".into();
    let url = browser.post("/sign-in/social", &form).await.ok()["url"].as_str().unwrap().to_owned();
    let (place, mut fields) = posting(&url).await;
    assert_eq!(place, format!("{}/api/auth/callback/apple", app.origin()));
    fields.extend(user.map(|user| ("user".to_owned(), user.to_owned())));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    // Across sites no cookie of ours comes along.
    let posted = app.program().at(Method::POST, "/api/auth/callback/apple").header("origin", &provider_origin(&url));
    let posted = posted.body("application/x-www-form-urlencoded", body).await;
    assert!(posted.cookies().is_empty());
    let back = posted.header("location").unwrap().strip_prefix(app.origin()).unwrap().to_owned();
    browser.never("origin").at(Method::GET, &back).await
}

fn provider_origin(url: &str) -> String {
    Url::parse(url).unwrap().origin().ascii_serialization()
}

/// Where the provider's page posts to, and what.
async fn posting(url: &str) -> (String, Vec<(String, String)>) {
    let browser = crate::support::http().cookie_store(true).redirect(reqwest::redirect::Policy::limited(10)).no_proxy();
    let page = browser.build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
    let after =
        |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
    let place = after(&page, "action=\"").unwrap_or_else(|| panic!("no form: {page}"));
    let fields = page.split("<input").skip(1);
    let fields = fields.map(|input| (after(input, "name=\"").unwrap(), after(input, "value=\"").unwrap()));
    (place.replace("&amp;", "&"), fields.collect())
}

#[tokio::test]
async fn an_issuer_by_configuration_alone() {
    let provider = OidcProvider::start(false);
    let app = app(&provider).await;
    let browser = app.browser();
    walk(&app, &browser, "/sign-in/social", "mine", "joe joe@example.com verified").await.leads_to("/welcome");
    let user = browser.session().await["user"].clone();
    assert_eq!((&user["email"], &user["emailVerified"]), (&json!("joe@example.com"), &json!(false)));
    assert_eq!(accounts(&browser).await[0]["providerId"], "mine");
}
