//! Id tokens that a native app got for itself (CONTRACT 4).

use sha2::{Digest, Sha256};

use super::*;

fn with(token: &str, nonce: Option<&str>) -> Value {
    let mut form = json!({ "provider": "google", "idToken": { "token": token } });
    if let Some(nonce) = nonce {
        form["idToken"]["nonce"] = nonce.into();
    }
    form
}

#[tokio::test]
async fn signs_up_signs_in_and_upgrades() {
    let world = world_with(&[("social.google.audiences", "ios-client")]).await;
    let token = world.fake.id_token(&jane(), CLIENT, None);
    let app = world.app.program();
    let member = app.post("/sign-in/social", &with(&token, None)).await;
    assert_eq!(member.ok()["redirect"], false);
    assert_eq!(member.ok()["user"]["email"], JANE);
    let native = world.fake.id_token(&jane(), "ios-client", None);
    let again = app.post("/sign-in/social", &with(&native, None)).await.ok();
    assert_eq!(again["user"]["id"], member.ok()["user"]["id"]);
    let guest = world.app.program().post("/sign-in/anonymous", &json!({})).await.ok();
    let bearer = world.app.bearer(guest["token"].as_str().unwrap());
    let ticket = bearer.post("/sign-in/social", &with(&token, None)).await.ok();
    assert_eq!(ticket["transfer"]["guestUserId"], guest["user"]["id"]);
    let eve = world.fake.id_token(&Person::new("eve-1", Some(EVE), true), CLIENT, None);
    let upgraded = bearer.post("/sign-in/social", &with(&eve, None)).await.ok();
    assert_eq!((&upgraded["user"]["id"], &upgraded["token"]), (&guest["user"]["id"], &guest["token"]));
}

#[tokio::test]
async fn a_nonce_binds_a_token_to_its_request() {
    let world = world().await;
    let app = world.app.program();
    let hashed: String = Sha256::digest("raw").iter().map(|byte| format!("{byte:02x}")).collect();
    let plain = world.fake.id_token(&jane(), CLIENT, Some("raw"));
    let native = world.fake.id_token(&jane(), CLIENT, Some(&hashed));
    let none = world.fake.id_token(&jane(), CLIENT, None);
    for good in [&plain, &native] {
        app.post("/sign-in/social", &with(good, Some("raw"))).await.ok();
    }
    for bad in [&plain, &native, &none] {
        app.post("/sign-in/social", &with(bad, Some("other"))).await.refused(401, "INVALID_TOKEN");
    }
    app.post("/sign-in/social", &with(&none, Some("raw"))).await.refused(401, "INVALID_TOKEN");
}

#[tokio::test]
async fn what_is_not_good_is_refused() {
    let world = world().await;
    let app = world.app.program();
    let good = world.fake.id_token(&jane(), CLIENT, None);
    let cut = &good[..good.len() - 4];
    let foreign = world.fake.id_token(&jane(), "another-client", None);
    world.fake.misbehave(Mischief { unpublished_key: true, ..Mischief::default() });
    let forged = world.fake.id_token(&jane(), CLIENT, None);
    world.fake.misbehave(Mischief { alg: Some("none"), ..Mischief::default() });
    let unsigned = world.fake.id_token(&jane(), CLIENT, None);
    let long = "x".repeat(20_000);
    for bad in ["", "x", "a.b.c", "..", cut, &foreign, &forged, &unsigned, &long] {
        app.post("/sign-in/social", &with(bad, None)).await.refused(401, "INVALID_TOKEN");
    }
    world.app.pass(crate::support::seconds(601));
    app.post("/sign-in/social", &with(&good, None)).await.refused(401, "INVALID_TOKEN");
    let form = json!({ "provider": "github", "idToken": { "token": good } });
    app.post("/sign-in/social", &form).await.refused(404, "ID_TOKEN_NOT_SUPPORTED");
    let form = json!({ "provider": "google", "idToken": "x" });
    app.post("/sign-in/social", &form).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn conflicts_are_errors_by_themselves() {
    let world = world().await;
    let owner = world.app.browser();
    owner.sign_up(JANE).await;
    let token = world.fake.id_token(&Person::new("j", Some(JANE), false), CLIENT, None);
    world.app.program().post("/sign-in/social", &with(&token, None)).await.refused(401, "OAUTH_LINK_ERROR");
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    browser.post("/anonymous/upgrade-with-social", &with(&token, None)).await.refused(409, "EMAIL_ALREADY_IN_USE");
    is_unharmed(&browser, &guest).await;
    owner.post("/link-social", &with(&token, None)).await.ok();
    owner.post("/link-social", &with(&token, None)).await.refused(409, "SOCIAL_ACCOUNT_ALREADY_LINKED");
    browser
        .post("/anonymous/upgrade-with-social", &with(&token, None))
        .await
        .refused(409, "SOCIAL_ACCOUNT_ALREADY_LINKED");
    is_unharmed(&browser, &guest).await;
}
