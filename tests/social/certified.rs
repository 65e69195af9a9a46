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
