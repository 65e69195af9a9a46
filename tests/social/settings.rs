//! Providers that administrators set: sign-ins go by what was saved last, and what an issuer said of itself is not asked again.

use serde_json::{Value, json};

use super::fake::{CLIENT, SECRET};
use super::{World, back, begin, jane, world_with};
use crate::support::KEY;

async fn save(world: &World, provider: Value) -> Value {
    world.app.operator().post("/banata/config/social-providers/save", &provider).await.ok()
}

#[tokio::test]
async fn a_client_that_was_set_is_the_one_that_signs_in() {
    // Known at the start, with a client that the provider does not know.
    let wrong = [("social.google.client_id", "nobody"), ("social.google.client_secret", "nothing")];
    let world = world_with(&[&[KEY][..], &wrong[..]].concat()).await;
    let visit = async |expected: &str| {
        let browser = world.app.browser();
        let url = begin(&browser, "/sign-in/social", "google").await;
        back(&browser, &world.fake.consent(&url, &jane())).await.leads_to(expected);
        browser
    };
    visit("/sorry?error=invalid_code").await;

    save(&world, json!({ "providerId": "google", "clientId": CLIENT })).await;
    visit("/sorry?error=invalid_code").await;
    save(&world, json!({ "providerId": "google", "clientSecret": SECRET })).await;
    let browser = visit("/welcome").await;
    assert_eq!(browser.session().await["user"]["email"], "jane@example.com");
    assert_eq!(world.fake.asked("discovery"), 1, "the issuer is the same");

    // What is touched elsewhere leaves it as it is; and what it knew is there when it is on again.
    save(&world, json!({ "providerId": "github", "clientId": "other" })).await;
    save(&world, json!({ "providerId": "google", "enabled": false })).await;
    let off = json!({ "provider": "google" });
    world.app.browser().post("/sign-in/social", &off).await.refused(404, "PROVIDER_NOT_FOUND");
    save(&world, json!({ "providerId": "google", "enabled": true })).await;
    visit("/home").await;
}

/// Who went away before a provider was switched off comes back to nothing.
#[tokio::test]
async fn a_provider_that_goes_takes_its_flows_along() {
    let world = world_with(&[KEY]).await;
    let browser = world.app.browser();
    let url = begin(&browser, "/sign-in/social", "google").await;
    let returns = world.fake.consent(&url, &jane());
    world.app.operator().post("/banata/config/social-providers/delete", &json!({ "providerId": "google" })).await.ok();
    back(&browser, &returns).await.leads_to("/sorry?error=oauth_provider_not_found");
    assert_eq!(world.fake.asked("token"), 0);
}
