//! One more way in, and one less (CONTRACT 3).

use super::*;
use crate::support::days;

#[tokio::test]
async fn a_member_links_an_identity_and_is_told() {
    let world = world().await;
    let browser = world.app.browser();
    let member = browser.sign_up(JANE).await;
    world.walk(&browser, "/link-social", "google", &jane()).await.leads_to("/home");
    let now = browser.session().await;
    assert_eq!((&now["session"]["id"], &now["session"]["token"]), (&member["session"]["id"], &member["token"]));
    assert_eq!(accounts(&browser).await.len(), 2);
    told(&world, JANE, 2, "account-linked").await;
    // Linked again it is linked.
    world.walk(&browser, "/link-social", "google", &jane()).await.leads_to("/home");
    assert_eq!(accounts(&browser).await.len(), 2);
    let other = world.app.browser();
    world.sign_in(&other, &jane()).await.leads_to("/home");
    assert_eq!(other.session().await["user"]["id"], member["user"]["id"]);
}

/// Linked in the holder's session, vouched for the same address: it outlasts a proof by somebody else (CONTRACT 2.6, c).
#[tokio::test]
async fn an_identity_vouched_for_the_address_outlasts_a_reclaim() {
    let world = world_with(&[("account_linking.different_emails", "on"), ("rate_limits", "off")]).await;
    let browser = world.app.browser();
    browser.sign_up(JANE).await;
    world.walk(&browser, "/link-social", "google", &jane()).await.leads_to("/home");
    let stranger = Person::new("s", Some(EVE), true);
    world.walk(&browser, "/link-social", "google", &stranger).await.leads_to("/home");
    let elsewhere = world.app.browser();
    elsewhere.post("/sign-in/magic-link", &json!({ "email": JANE })).await.ok();
    let mail = world.app.mails(JANE, 4).await.into_iter().find(|mail| mail["kind"] == "magic-link").unwrap();
    let link = format!("/magic-link/verify?token={}", mail["token"].as_str().unwrap());
    assert_eq!(elsewhere.get(&link).await.ok()["reclaimed"], true);
    let left: Vec<_> = accounts(&elsewhere).await.into_iter().map(|account| account["accountId"].clone()).collect();
    assert_eq!(left, ["jane-1"]);
}

#[tokio::test]
async fn another_address_is_linked_by_leave_alone() {
    let world = world().await;
    let browser = world.app.browser();
    browser.sign_up(JANE).await;
    let other = Person::new("j2", Some(EVE), true);
    world.walk(&browser, "/link-social", "google", &other).await.leads_to("/sorry?error=email_does_not_match");
    let none = Person::new("j3", None, false);
    world.walk(&browser, "/link-social", "google", &none).await.leads_to("/sorry?error=email_does_not_match");
    assert_eq!(accounts(&browser).await.len(), 1);
}

#[tokio::test]
async fn an_identity_of_somebody_else_is_not_linked() {
    let world = world_with(&[("account_linking.different_emails", "on")]).await;
    let owner = world.app.browser();
    world.sign_in(&owner, &jane()).await.leads_to("/welcome");
    let browser = world.app.browser();
    browser.sign_up(EVE).await;
    let answer = world.walk(&browser, "/link-social", "google", &jane()).await;
    answer.leads_to("/sorry?error=account_already_linked_to_different_user");
    assert_eq!(accounts(&browser).await.len(), 1);
}

#[tokio::test]
async fn by_a_guest_it_is_an_upgrade() {
    let world = world().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    world.walk(&browser, "/link-social", "google", &jane()).await.leads_to("/home");
    let member = browser.session().await;
    assert_eq!((&member["user"]["id"], &member["user"]["isAnonymous"]), (&guest["user"]["id"], &json!(false)));
    world.app.browser().post("/link-social", &form("google")).await.refused(401, "UNAUTHORIZED");
    let refused = browser.post("/anonymous/upgrade-with-social", &form("google")).await;
    refused.refused(400, "USER_IS_NOT_ANONYMOUS");
}

#[tokio::test]
async fn any_way_in_can_be_given_up_but_the_last() {
    let world = world().await;
    let browser = world.app.browser();
    browser.sign_up(JANE).await;
    world.walk(&browser, "/link-social", "google", &jane()).await.leads_to("/home");
    let all = accounts(&browser).await;
    let id = |provider: &str| all.iter().find(|account| account["providerId"] == provider).unwrap()["id"].clone();
    let unlink = async |form: Value| browser.post("/unlink-account", &form).await;
    unlink(json!({ "accountId": "acc_01JD8M4Z5T0123456789ABCDEF" })).await.refused(400, "ACCOUNT_NOT_FOUND");
    unlink(json!({ "providerId": "github" })).await.refused(400, "ACCOUNT_NOT_FOUND");
    unlink(json!({ "accountId": "x" })).await.refused(400, "ACCOUNT_NOT_FOUND");
    unlink(json!({})).await.refused(400, "VALIDATION_ERROR");
    unlink(json!({ "accountId": id("credential") })).await.ok();
    unlink(json!({ "providerId": "google" })).await.refused(400, "FAILED_TO_UNLINK_LAST_ACCOUNT");
    assert_eq!(accounts(&browser).await.len(), 1);
    told(&world, JANE, 3, "account-unlinked").await;
    let form = json!({ "email": JANE, "password": crate::support::PASSWORD });
    world.app.browser().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
    world.app.pass(days(1));
    unlink(json!({ "accountId": id("google") })).await.refused(403, "SESSION_NOT_FRESH");
}

#[tokio::test]
async fn what_was_unlinked_leads_nowhere_and_can_be_somebody_elses() {
    let world = world().await;
    let browser = world.app.browser();
    let member = browser.sign_up(JANE).await;
    world.walk(&browser, "/link-social", "google", &Person::new("j", Some(JANE), false)).await.leads_to("/home");
    browser.post("/unlink-account", &json!({ "providerId": "google" })).await.ok();
    let other = world.app.browser();
    world.sign_in(&other, &Person::new("j", Some(EVE), true)).await.leads_to("/welcome");
    assert_ne!(other.session().await["user"]["id"], member["user"]["id"]);
}

/// A guest who came by a provider and has no password can have one, once the address is verified.
#[tokio::test]
async fn a_social_account_gets_a_password() {
    let world = world().await;
    let browser = world.app.browser();
    world.sign_in(&browser, &jane()).await.leads_to("/welcome");
    browser.post("/set-password", &json!({ "newPassword": crate::support::PASSWORD })).await.ok();
    world.app.browser().sign_in(JANE).await;
}
