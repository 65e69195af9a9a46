//! Social sign-in: whose identity leads where, who is kept out, and what comes of a provider that misbehaves.

mod attacks;
mod bad_input;
mod certified;
mod fake;
mod flows;
mod id_tokens;
mod linking;
mod microsoft;
mod plain;
mod settings;

use std::sync::Arc;

use chrysalis::clock::MockClock;
use chrysalis::entropy::OsEntropy;
use serde_json::{Value, json};

use crate::support::{Answer, App, Client, Tweak};
use fake::{Back, CLIENT, Fake, Mischief, Person, SECRET};

const JANE: &str = "jane@example.com";
const EVE: &str = "eve@example.com";

/// A server, and the provider that plays whomever it is configured as.
struct World {
    app: App,
    fake: Fake,
}

/// Google: it vouches for addresses that it verified. `mine`: an issuer of the operator's own, whose word is not taken.
async fn world() -> World {
    world_with(&[]).await
}

async fn world_with(tweaks: &[Tweak<'_>]) -> World {
    world_in("", tweaks).await
}

/// `tenant`: what stands behind the issuer's host in Microsoft's.
async fn world_in(tenant: &str, tweaks: &[Tweak<'_>]) -> World {
    let clock = MockClock::at(crate::support::START);
    let fake = Fake::start(clock.clone()).await;
    let issuer = fake.issuer();
    let mut all = vec![("dev", "on"), ("outgoing.allow", "127.0.0.0/8")];
    let mut keys = Vec::new();
    for id in ["google", "mine", "microsoft", "gitlab"] {
        keys.push((format!("social.{id}.client_id"), CLIENT.to_owned()));
        keys.push((format!("social.{id}.client_secret"), SECRET.to_owned()));
        let tenant = if id == "microsoft" { tenant } else { "" };
        keys.push((format!("social.{id}.issuer"), format!("{issuer}{tenant}")));
    }
    for id in ["github", "discord", "facebook", "twitter"] {
        keys.push((format!("social.{id}.client_id"), CLIENT.to_owned()));
        keys.push((format!("social.{id}.client_secret"), SECRET.to_owned()));
        keys.push((format!("social.{id}.base_url"), issuer.clone()));
    }
    all.extend(keys.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    all.extend(tweaks);
    let app = App::at(&all, Arc::new(OsEntropy), clock).await;
    World { app, fake }
}

fn jane() -> Person {
    Person::new("jane-1", Some(JANE), true)
}

fn form(provider: &str) -> Value {
    json!({ "provider": provider, "callbackURL": "/home", "errorCallbackURL": "/sorry", "newUserCallbackURL": "/welcome" })
}

/// Begins a flow: where the browser is sent.
async fn begin(browser: &Client, path: &str, provider: &str) -> String {
    let begun = browser.post(path, &form(provider)).await;
    let body = begun.ok();
    assert_eq!(body["redirect"], true);
    assert_eq!(begun.header("location"), body["url"].as_str());
    body["url"].as_str().unwrap().to_owned()
}

/// The browser comes back.
async fn back(browser: &Client, back: &Back) -> Answer {
    let path = back.path();
    browser.never("origin").at(crate::support::Method::GET, &path).header("sec-fetch-mode", "navigate").await
}

impl World {
    /// The whole way: away, consent, back.
    async fn walk(&self, browser: &Client, path: &str, provider: &str, person: &Person) -> Answer {
        let url = begin(browser, path, provider).await;
        back(browser, &self.fake.consent(&url, person)).await
    }

    async fn sign_in(&self, browser: &Client, person: &Person) -> Answer {
        self.walk(browser, "/sign-in/social", "google", person).await
    }

    async fn upgrade(&self, browser: &Client, person: &Person) -> Answer {
        self.walk(browser, "/anonymous/upgrade-with-social", "google", person).await
    }
}

/// A mail of that kind is among those that came. Which of two comes first is not for a test to know.
async fn told(world: &World, to: &str, mails: usize, kind: &str) {
    let mails = world.app.mails(to, mails).await;
    assert!(mails.iter().any(|mail| mail["kind"] == kind), "{mails:?}");
}

async fn accounts(client: &Client) -> Vec<Value> {
    client.get("/list-accounts").await.ok().as_array().unwrap().clone()
}

/// Still the same guest, in the same session, with nothing gained.
async fn is_unharmed(browser: &Client, guest: &Value) {
    let now = browser.session().await;
    assert_eq!((&now["user"]["id"], &now["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    assert_eq!((now["user"]["isAnonymous"].clone(), now["user"]["email"].clone()), (true.into(), Value::Null));
    assert!(accounts(browser).await.is_empty());
}
