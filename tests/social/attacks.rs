//! Attacks that have to fail: those of "Pre-hijacked accounts" (Sudhodanan & Paverd, USENIX Security 2022), and those on the
//! flow itself (RFC 9700).

use super::*;
use crate::support::{PASSWORD, hours, seconds};

/// The victim comes by their provider, and looks around.
async fn arrives(world: &World, reclaimed: bool) -> Client {
    let victim = world.app.browser();
    let place = if reclaimed { "/home?reclaimed=true" } else { "/welcome" };
    world.sign_in(&victim, &jane()).await.leads_to(place);
    victim
}

async fn password_fails(world: &World) {
    let form = json!({ "email": JANE, "password": PASSWORD });
    world.app.browser().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
}

// --- pre-hijacked accounts ---

/// The attacker signs up with the victim's address and a password; the victim comes by provider.
#[tokio::test]
async fn classic_federated_merge() {
    let world = world().await;
    let attacker = world.app.browser();
    attacker.arrive().await;
    attacker.upgrade(JANE).await;
    let victim = arrives(&world, true).await;
    assert_eq!(attacker.session().await, Value::Null);
    password_fails(&world).await;
    assert_eq!(accounts(&victim).await.len(), 1, "the password leads nowhere");
}

/// The attacker keeps a session alive until the victim has the account.
#[tokio::test]
async fn unexpired_session() {
    let world = world().await;
    let attacker = world.app.browser();
    attacker.sign_up(JANE).await;
    let (second, bearer) = (world.app.browser(), world.app.program());
    second.sign_in(JANE).await;
    let token = bearer.post("/sign-in/email", &json!({ "email": JANE, "password": PASSWORD })).await.ok();
    let bearer = world.app.bearer(token["token"].as_str().unwrap());
    arrives(&world, true).await;
    for session in [&attacker, &second, &bearer] {
        assert_eq!(session.session().await, Value::Null);
        session.get("/list-sessions").await.refused(401, "UNAUTHORIZED");
    }
}

/// The attacker leaves an identity of their own at the account, to come back by it.
#[tokio::test]
async fn trojan_identifier() {
    let world = world_with(&[("account_linking.different_emails", "on")]).await;
    let attacker = world.app.browser();
    attacker.sign_up(JANE).await;
    let own = Person::new("eve-1", Some(EVE), true);
    world.walk(&attacker, "/link-social", "google", &own).await.leads_to("/home");
    let victim = arrives(&world, true).await;
    assert_eq!(accounts(&victim).await.len(), 1);
    let back = world.app.browser();
    world.sign_in(&back, &own).await.leads_to("/welcome");
    assert_ne!(back.session().await["user"]["id"], victim.session().await["user"]["id"]);
}

/// The other way round: the attacker's identity is there first, with the victim's address, and the victim takes the account
/// with a new password.
#[tokio::test]
async fn classic_federated_merge_by_reset() {
    let world = world().await;
    let attacker = world.app.browser();
    let own = Person::new("eve-1", Some(JANE), false);
    world.sign_in(&attacker, &own).await.leads_to("/welcome");
    world.app.program().post("/request-password-reset", &json!({ "email": JANE })).await.ok();
    let mails = world.app.mails(JANE, 2).await;
    let reset = mails.iter().find(|mail| mail["kind"] == "reset-password").unwrap()["token"].clone();
    let new = "the victim's own";
    world.app.program().post("/reset-password", &json!({ "token": reset, "newPassword": new })).await.ok();
    let victim = world.app.browser();
    victim.post("/sign-in/email", &json!({ "email": JANE, "password": new })).await.ok();
    assert_eq!(accounts(&victim).await.len(), 1, "the identity leads nowhere");
    assert_eq!(attacker.session().await, Value::Null);
    let back = world.app.browser();
    world.sign_in(&back, &own).await.leads_to("/sorry?error=account_not_linked");
    assert_eq!(back.session().await, Value::Null);
}

/// The attacker asks for another address, one of their own, and confirms it when the victim has the account.
#[tokio::test]
async fn unexpired_email_change() {
    let world = world().await;
    let attacker = world.app.browser();
    attacker.sign_up(JANE).await;
    attacker.post("/change-email", &json!({ "newEmail": EVE })).await.ok();
    let token = world.app.mail(EVE).await["token"].as_str().unwrap().to_owned();
    let victim = arrives(&world, true).await;
    attacker.get(&format!("/verify-email?token={token}")).await.refused(401, "INVALID_TOKEN");
    let form = json!({ "token": token, "password": PASSWORD });
    world.app.program().post("/verify-email/confirm", &form).await.refused(400, "INVALID_TOKEN");
    assert_eq!(victim.session().await["user"]["email"], JANE);
}

/// The attacker begins a flow in the account's name that ends after the victim has it.
#[tokio::test]
async fn unexpired_pending_acts() {
    let world = world_with(&[("account_linking.different_emails", "on")]).await;
    let attacker = world.app.browser();
    attacker.sign_up(JANE).await;
    let own = Person::new("eve-1", Some(EVE), true);
    let url = begin(&attacker, "/link-social", "google").await;
    let victim = arrives(&world, true).await;
    let late = back(&attacker, &world.fake.consent(&url, &own)).await;
    late.leads_to("/sorry?error=state_mismatch");
    assert_eq!(accounts(&victim).await.len(), 1);
}

/// The attacker's provider says any address is verified.
#[tokio::test]
async fn non_verifying_provider() {
    let world = world().await;
    let victim = arrives(&world, false).await;
    let attacker = world.app.browser();
    let forged = Person::new("eve-1", Some(JANE), true);
    world.walk(&attacker, "/sign-in/social", "mine", &forged).await.leads_to("/sorry?error=account_not_linked");
    let azure = Person { says: json!({ "email": JANE, "email_verified": true, "tid": "eve" }), ..forged };
    world.walk(&attacker, "/sign-in/social", "microsoft", &azure).await.leads_to("/sorry?error=account_not_linked");
    assert_eq!(attacker.session().await, Value::Null);
    // And first of all it reserves nothing that stands in the victim's way.
    let free = Person::new("eve-2", Some("first@example.com"), true);
    world.walk(&attacker, "/sign-in/social", "mine", &free).await.leads_to("/welcome");
    let owner = world.app.browser();
    world.sign_in(&owner, &Person::new("f", Some("first@example.com"), true)).await.leads_to("/home?reclaimed=true");
    assert_eq!(attacker.session().await, Value::Null);
    assert_eq!(accounts(&victim).await.len(), 1);
}

// --- on the flow ---

/// The attacker has the victim's browser finish a flow of the attacker's: the victim would work in the attacker's account.
#[tokio::test]
async fn login_csrf() {
    let world = world().await;
    let attacker = world.app.browser();
    let url = begin(&attacker, "/sign-in/social", "google").await;
    let granted = world.fake.consent(&url, &Person::new("eve-1", Some(EVE), true));
    let victim = world.app.browser();
    back(&victim, &granted).await.leads_to("/sorry?error=state_mismatch");
    assert_eq!(victim.session().await, Value::Null);
    let guest = victim.arrive().await;
    back(&victim, &granted).await.leads_to("/sorry?error=state_mismatch");
    is_unharmed(&victim, &guest).await;
    // Nor does it end the flow of who began it.
    back(&attacker, &granted).await.leads_to("/welcome");
}

/// The attacker has the victim link the attacker's identity.
#[tokio::test]
async fn forced_link() {
    let world = world_with(&[("account_linking.different_emails", "on")]).await;
    let (attacker, victim) = (world.app.browser(), world.app.browser());
    attacker.sign_up(EVE).await;
    victim.sign_up(JANE).await;
    let url = begin(&attacker, "/link-social", "google").await;
    let granted = world.fake.consent(&url, &Person::new("eve-1", Some(EVE), true));
    back(&victim, &granted).await.leads_to("/sorry?error=state_mismatch");
    // With the attacker's cookie planted in it, too.
    let name = format!("better-auth.state.{}", &granted.state[..8]);
    victim.plant(&name, &attacker.cookie(&name).unwrap());
    back(&victim, &granted).await.leads_to("/sorry?error=state_mismatch");
    assert_eq!(accounts(&victim).await.len(), 1);
}

#[tokio::test]
async fn state_replay() {
    let world = world().await;
    world.fake.misbehave(Mischief { codes_last: true, ..Mischief::default() });
    let browser = world.app.browser();
    let url = begin(&browser, "/sign-in/social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    let name = format!("better-auth.state.{}", &granted.state[..8]);
    let cookie = browser.cookie(&name).unwrap();
    back(&browser, &granted).await.leads_to("/welcome");
    let again = world.app.browser();
    again.plant(&name, &cookie);
    back(&again, &granted).await.leads_to(&format!("{}/api/auth/error?error=state_not_found", world.app.origin()));
    assert_eq!(again.session().await, Value::Null);
}

/// The victim's code is played into a flow of the attacker's: its verifier is another (RFC 7636).
#[tokio::test]
async fn code_injection() {
    let world = world().await;
    let (attacker, victim) = (world.app.browser(), world.app.browser());
    let victims = world.fake.consent(&begin(&victim, "/sign-in/social", "google").await, &jane());
    let own =
        world.fake.consent(&begin(&attacker, "/sign-in/social", "google").await, &Person::new("eve-1", None, false));
    let injected = Back { code: victims.code.clone(), ..own };
    back(&attacker, &injected).await.leads_to("/sorry?error=invalid_code");
    assert_eq!(attacker.session().await, Value::Null);
}

/// An answer of one provider is brought to the address of another (RFC 9207).
#[tokio::test]
async fn mix_up() {
    let world = world().await;
    let browser = world.app.browser();
    let url = begin(&browser, "/sign-in/social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    let elsewhere = Back { redirect_uri: granted.redirect_uri.replace("google", "mine"), ..granted.clone() };
    back(&browser, &elsewhere).await.leads_to("/sorry?error=state_mismatch");
    let url = begin(&browser, "/sign-in/social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    for iss in [Some("https://evil.example.com".to_owned()), None] {
        let url = begin(&browser, "/sign-in/social", "google").await;
        let granted = Back { iss, ..world.fake.consent(&url, &jane()) };
        back(&browser, &granted).await.leads_to("/sorry?error=issuer_mismatch");
    }
    back(&browser, &granted).await.leads_to("/welcome");
}

#[tokio::test]
async fn open_redirect() {
    let world = world_with(&[("rate_limits", "off")]).await;
    let browser = world.app.browser();
    browser.arrive().await;
    for (field, code) in [
        ("callbackURL", "INVALID_CALLBACK_URL"),
        ("errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"),
        ("newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"),
    ] {
        for path in ["/sign-in/social", "/link-social", "/anonymous/upgrade-with-social"] {
            for place in
                ["https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "javascript:alert(1)"]
            {
                browser.post(path, &json!({ "provider": "google", field: place })).await.refused(403, code);
            }
        }
    }
}

#[tokio::test]
async fn a_callback_under_another_users_session() {
    let world = world().await;
    let browser = world.app.browser();
    let url = begin(&browser, "/sign-in/social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    // Meanwhile somebody else signs in there.
    let other = browser.sign_up(EVE).await;
    back(&browser, &granted).await.leads_to("/sorry?error=state_mismatch");
    assert_eq!(browser.session().await["user"]["id"], other["user"]["id"]);
}

#[tokio::test]
async fn a_flow_dies_with_the_session_in_which_it_began() {
    let world = world().await;
    let browser = world.app.browser();
    browser.arrive().await;
    let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
    let granted = world.fake.consent(&url, &jane());
    let name = format!("better-auth.state.{}", &granted.state[..8]);
    let cookie = browser.cookie(&name).unwrap();
    browser.post("/sign-out", &json!({})).await.ok();
    assert_eq!(browser.cookie(&name), None, "signing out takes the state's cookie along");
    browser.plant(&name, &cookie);
    back(&browser, &granted).await.leads_to("/sorry?error=state_mismatch");
    assert_eq!(browser.session().await, Value::Null);
}

/// The guest became a member in between: what it began as a guest is void.
#[tokio::test]
async fn a_flow_dies_with_an_upgrade() {
    let world = world().await;
    let browser = world.app.browser();
    browser.arrive().await;
    for path in ["/anonymous/upgrade-with-social", "/sign-in/social"] {
        let url = begin(&browser, path, "google").await;
        let granted = world.fake.consent(&url, &jane());
        if path.contains("upgrade") {
            browser.upgrade(EVE).await;
            back(&browser, &granted).await.leads_to("/sorry?error=state_mismatch");
        } else {
            browser
                .post("/change-password", &json!({ "currentPassword": PASSWORD, "newPassword": "another password" }))
                .await
                .ok();
            back(&browser, &granted).await.leads_to("/welcome");
        }
    }
}

#[tokio::test]
async fn a_flow_lasts_ten_minutes() {
    let world = world().await;
    let browser = world.app.browser();
    let lost = format!("{}/api/auth/error?error=state_not_found", world.app.origin());
    let url = begin(&browser, "/sign-in/social", "google").await;
    world.app.pass(seconds(600));
    back(&browser, &world.fake.consent(&url, &jane())).await.leads_to(&lost);
    let url = begin(&browser, "/sign-in/social", "google").await;
    world.app.pass(seconds(599));
    back(&browser, &world.fake.consent(&url, &jane())).await.leads_to("/welcome");
}

// --- races ---

/// Codes are good once: the callback that is late must not spoil it for the other.
#[tokio::test]
async fn a_double_callback_has_one_winner() {
    for codes_last in [false, true] {
        double_callbacks(codes_last).await;
    }
}

async fn double_callbacks(codes_last: bool) {
    let world = world().await;
    world.fake.misbehave(Mischief { codes_last, ..Mischief::default() });
    for round in 0..8 {
        let browser = world.app.browser();
        browser.arrive().await;
        let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
        let person = Person::new(&format!("p{round}"), Some(&format!("p{round}@example.com")), true);
        let granted = world.fake.consent(&url, &person);
        let (one, two) = (browser.fork(), browser.fork());
        let answers = tokio::join!(back(&one, &granted), back(&two, &granted));
        let places = [answers.0, answers.1].map(|answer| answer.header("location").unwrap().to_owned());
        assert_eq!(places.iter().filter(|place| *place == "/home").count(), 1, "{places:?}");
    }
    let linked = world.app.types().await.into_iter().filter(|name| name == "IdentityLinked").count();
    assert_eq!((linked, world.fake.asked("token")), (8, 8), "each code is brought to the provider once");
}

#[tokio::test]
async fn two_guests_with_one_identity_have_one_winner() {
    let world = world().await;
    for round in 0..8 {
        let (one, two) = (world.app.browser(), world.app.browser());
        let person = Person::new(&format!("p{round}"), Some(&format!("p{round}@example.com")), true);
        let mut granted = Vec::new();
        for browser in [&one, &two] {
            browser.arrive().await;
            let url = begin(browser, "/anonymous/upgrade-with-social", "google").await;
            granted.push(world.fake.consent(&url, &person));
        }
        let answers = tokio::join!(back(&one, &granted[0]), back(&two, &granted[1]));
        let places = [answers.0, answers.1].map(|answer| answer.header("location").unwrap().to_owned());
        assert_eq!(places.iter().filter(|place| *place == "/home").count(), 1, "{places:?}");
        assert!(
            places.iter().any(|place| place.contains("account_already_linked") || place.contains("email_already")),
            "{places:?}"
        );
    }
}

/// One proves the address by a provider, the other by a link: both read the mailbox, and one account comes of it.
#[tokio::test]
async fn two_proofs_of_one_address_end_in_one_account() {
    let world = world_with(&[("rate_limits", "off")]).await;
    for round in 0..8 {
        let (one, two) = (world.app.browser(), world.app.browser());
        let guests = [one.arrive().await, two.arrive().await];
        let address = format!("p{round}@example.com");
        let url = begin(&one, "/sign-in/social", "google").await;
        let granted = world.fake.consent(&url, &Person::new(&format!("p{round}"), Some(&address), true));
        two.post("/sign-in/magic-link", &json!({ "email": address })).await.ok();
        let token = world.app.mail(&address).await["token"].as_str().unwrap().to_owned();
        let link = format!("/magic-link/verify?token={token}");
        let (by_provider, by_link) = tokio::join!(back(&one, &granted), two.get(&link));
        by_provider.leads_to("/home");
        by_link.ok();
        let now = [one.session().await["user"].clone(), two.session().await["user"].clone()];
        assert_eq!(now[0]["id"], now[1]["id"]);
        assert_eq!((&now[0]["email"], &now[0]["emailVerified"]), (&json!(address), &json!(true)));
        let upgraded = guests.iter().filter(|guest| guest["user"]["id"] == now[0]["id"]).count();
        assert_eq!(upgraded, 1, "one guest became the member, the other stays whole");
    }
}

#[tokio::test]
async fn an_upgrade_against_a_deletion_has_one_winner() {
    let world = world().await;
    for round in 0..8 {
        let browser = world.app.browser();
        browser.arrive().await;
        let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
        let granted = world.fake.consent(&url, &Person::new(&format!("p{round}"), None, false));
        let (one, two) = (browser.fork(), browser.fork());
        let (upgraded, deleted) = tokio::join!(back(&one, &granted), two.post("/delete-anonymous-user", &json!({})));
        let won = upgraded.header("location") == Some("/home");
        assert!(won != (deleted.status == 200), "{upgraded:?} {deleted:?}");
        if won {
            assert_eq!(one.session().await["user"]["isAnonymous"], false);
        } else {
            assert_eq!(one.session().await, Value::Null);
        }
    }
}

#[tokio::test]
async fn a_session_that_was_long_away_comes_back_to_nothing_of_a_flow() {
    let world = world().await;
    let browser = world.app.browser();
    browser.arrive().await;
    let url = begin(&browser, "/anonymous/upgrade-with-social", "google").await;
    world.app.pass(hours(24 * 8));
    let answer = back(&browser, &world.fake.consent(&url, &jane())).await;
    answer.leads_to(&format!("{}/api/auth/error?error=state_not_found", world.app.origin()));
}
