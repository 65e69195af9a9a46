//! Where an identity leads (CONTRACT 2.4, 2.5, 4).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrysalis_domain::Span;

use super::*;
use crate::support::PASSWORD;

#[tokio::test]
async fn a_guest_becomes_a_member_in_place() {
    let World { app, fake } = world().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    browser.post("/update-user", &json!({ "metadata": { "cart": [1, 2] } })).await.ok();
    let made = browser.post("/organization/create", &json!({ "name": "Acme", "slug": "acme" })).await.ok();
    let world = World { app, fake };
    let answer = world.upgrade(&browser, &jane()).await;
    answer.leads_to("/home");
    assert!(answer.cookies().iter().any(|cookie| cookie.name.starts_with("better-auth.state.") && cookie.deletes()));
    let member = browser.session().await;
    assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    assert_eq!(member["user"]["createdAt"], guest["user"]["createdAt"]);
    assert_ne!(member["session"]["token"], guest["token"]);
    let user = &member["user"];
    assert_eq!((user["isAnonymous"].clone(), user["emailVerified"].clone()), (false.into(), true.into()));
    assert_eq!((user["email"].clone(), user["name"].clone()), (JANE.into(), "Jane Doe".into()));
    assert_eq!(user["image"], "https://pictures.example.com/jane.png");
    assert_eq!(user["metadata"], json!({ "cart": [1, 2] }));
    assert_eq!(member["session"]["activeOrganizationId"], made["id"]);
    let belongs = browser.get("/organization/get-active-member").await.ok();
    assert_eq!((&belongs["id"], &belongs["role"]), (&made["members"][0]["id"], &json!("owner")));
    let token = browser.get("/token").await.ok()["token"].as_str().unwrap().to_owned();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["amr"], json!(["fed"]));
    let accounts = accounts(&browser).await;
    assert_eq!(accounts.len(), 1);
    assert_eq!((&accounts[0]["providerId"], &accounts[0]["accountId"]), (&json!("google"), &json!("jane-1")));
    assert_eq!(accounts[0]["scopes"], json!(["openid", "email"]));
}

#[tokio::test]
async fn somebody_new_signs_up_and_comes_again() {
    let world = world().await;
    let first = world.app.browser();
    world.sign_in(&first, &jane()).await.leads_to("/welcome");
    let member = first.session().await;
    assert_eq!((&member["user"]["email"], &member["user"]["emailVerified"]), (&json!(JANE), &json!(true)));
    let second = world.app.browser();
    world.sign_in(&second, &jane()).await.leads_to("/home");
    assert_eq!(second.session().await["user"]["id"], member["user"]["id"]);
    assert_ne!(second.session().await["session"]["id"], member["session"]["id"]);
}

/// CONTRACT 2.5: whoever signs in with a new identity from a guest's session is upgraded, too.
#[tokio::test]
async fn a_plain_sign_in_upgrades_the_guest_whose_identity_is_new() {
    let world = world().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    world.sign_in(&browser, &jane()).await.leads_to("/home");
    assert_eq!(browser.session().await["user"]["id"], guest["user"]["id"]);
}

#[tokio::test]
async fn signing_in_to_an_account_leaves_the_guest_whole_and_gives_a_ticket() {
    let world = world().await;
    let owner = world.app.browser();
    world.sign_in(&owner, &jane()).await.leads_to("/welcome");
    let member = owner.session().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let guests_own = browser.fork();
    world.sign_in(&browser, &jane()).await.leads_to("/home");
    assert_eq!(browser.session().await["user"]["id"], member["user"]["id"]);
    is_unharmed(&guests_own, &guest).await;
    let moved = browser.post("/anonymous/transfer", &json!({})).await.ok();
    assert_eq!((&moved["transferred"], &moved["guest"]["id"]), (&json!(true), &guest["user"]["id"]));
}

#[tokio::test]
async fn an_upgrade_never_swallows_a_guest_whose_identity_is_somebodys() {
    let world = world().await;
    world.sign_in(&world.app.browser(), &jane()).await.leads_to("/welcome");
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let answer = world.upgrade(&browser, &jane()).await;
    answer.leads_to("/sorry?error=account_already_linked_to_different_user");
    is_unharmed(&browser, &guest).await;
    // Without a page for errors it is the page for success that is told.
    let form = json!({ "provider": "google", "callbackURL": "/home?x=1" });
    let url = browser.post("/anonymous/upgrade-with-social", &form).await.ok()["url"].as_str().unwrap().to_owned();
    let answer = back(&browser, &world.fake.consent(&url, &jane())).await;
    answer.leads_to("/home?x=1&error=account_already_linked_to_different_user");
}

#[tokio::test]
async fn an_address_that_is_held_is_no_guests_to_have() {
    for verified in [false, true] {
        let world = world().await;
        let owner = world.app.browser();
        owner.sign_up(JANE).await;
        if verified {
            let mail = world.app.mail(JANE).await;
            owner.get(&format!("/verify-email?token={}", mail["token"].as_str().unwrap())).await.ok();
        }
        let browser = world.app.browser();
        let guest = browser.arrive().await;
        world.upgrade(&browser, &jane()).await.leads_to("/sorry?error=email_already_in_use");
        is_unharmed(&browser, &guest).await;
    }
}

/// Verified on both sides: the identity is one more way in, and the password stays.
#[tokio::test]
async fn a_vouched_address_leads_to_the_account_that_proved_it() {
    let world = world().await;
    let owner = world.app.browser();
    let member = owner.sign_up(JANE).await;
    let mail = world.app.mail(JANE).await;
    owner.get(&format!("/verify-email?token={}", mail["token"].as_str().unwrap())).await.ok();
    let browser = world.app.browser();
    world.sign_in(&browser, &jane()).await.leads_to("/home");
    assert_eq!(browser.session().await["user"]["id"], member["user"]["id"]);
    assert_eq!(accounts(&browser).await.len(), 2);
    assert_eq!(owner.session().await["user"]["id"], member["user"]["id"]);
    world.app.browser().sign_in(JANE).await;
    told(&world, JANE, 2, "account-linked").await;
}

#[tokio::test]
async fn an_address_nobody_vouches_for_is_reserved_and_leads_to_nobody() {
    let world = world().await;
    let eve = Person::new("eve-1", Some(JANE), true);
    let browser = world.app.browser();
    world.walk(&browser, "/sign-in/social", "mine", &eve).await.leads_to("/welcome");
    let user = browser.session().await;
    assert_eq!((&user["user"]["email"], &user["user"]["emailVerified"]), (&json!(JANE), &json!(false)));
    assert_eq!(world.app.mail(JANE).await["kind"], "verify-email");
    // Held by anyone, it is no way to them.
    let another = Person::new("eve-2", Some(JANE), true);
    let second = world.app.browser();
    world.walk(&second, "/sign-in/social", "mine", &another).await.leads_to("/sorry?error=account_not_linked");
    assert_eq!(second.session().await, Value::Null);
    let third = world.app.browser();
    let guest = third.arrive().await;
    let answer = world.walk(&third, "/anonymous/upgrade-with-social", "mine", &another).await;
    answer.leads_to("/sorry?error=email_already_in_use");
    is_unharmed(&third, &guest).await;
}

#[tokio::test]
async fn an_issuer_that_is_trusted_vouches() {
    let world = world_with(&[("social.mine.trust_email", "on")]).await;
    let browser = world.app.browser();
    world.walk(&browser, "/sign-in/social", "mine", &jane()).await.leads_to("/welcome");
    assert_eq!(browser.session().await["user"]["emailVerified"], true);
}

#[tokio::test]
async fn issuer_and_subject_are_enough() {
    let world = world().await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    world.upgrade(&browser, &Person::new("nameless", None, false)).await.leads_to("/home");
    let member = browser.session().await;
    assert_eq!(member["user"]["id"], guest["user"]["id"]);
    assert_eq!((&member["user"]["isAnonymous"], &member["user"]["email"]), (&json!(false), &Value::Null));
}

/// By whatever name the issuer is configured; an address says nothing.
#[tokio::test]
async fn an_identity_is_known_by_issuer_and_subject() {
    let world = world().await;
    let (one, two, three) = (world.app.browser(), world.app.browser(), world.app.browser());
    world.sign_in(&one, &Person::new("7", Some(JANE), true)).await.leads_to("/welcome");
    world.walk(&two, "/sign-in/social", "mine", &Person::new("7", Some(EVE), true)).await.leads_to("/home");
    world.sign_in(&three, &Person::new("8", Some(EVE), true)).await.leads_to("/welcome");
    assert_eq!(one.session().await["user"]["id"], two.session().await["user"]["id"]);
    assert_ne!(one.session().await["user"]["id"], three.session().await["user"]["id"]);
    assert_eq!(two.session().await["user"]["email"], JANE);
}

#[tokio::test]
async fn what_the_provider_says_fills_only_what_is_empty() {
    let world = world().await;
    let browser = world.app.browser();
    browser.arrive().await;
    browser.post("/update-user", &json!({ "name": "My own" })).await.ok();
    world.upgrade(&browser, &jane()).await.leads_to("/home");
    let user = browser.session().await["user"].clone();
    assert_eq!((&user["name"], &user["image"]), (&json!("My own"), &json!("https://pictures.example.com/jane.png")));
}

/// An in-app browser shares no cookie with the app: the state's cookie alone is there. The app's token goes on.
#[tokio::test]
async fn a_browser_without_the_session_finishes_the_upgrade_for_the_app() {
    let world = world().await;
    let guest = world.app.program().post("/sign-in/anonymous", &json!({})).await.ok();
    let token = guest["token"].as_str().unwrap().to_owned();
    let window = world.app.bearer(&token).with_jar();
    let url = begin(&window, "/anonymous/upgrade-with-social", "google").await;
    let answer = back(&window.never("authorization"), &world.fake.consent(&url, &jane())).await;
    answer.leads_to("/home");
    let app = world.app.bearer(&token).session().await;
    assert_eq!((&app["user"]["id"], &app["user"]["isAnonymous"]), (&guest["user"]["id"], &json!(false)));
    assert_eq!(app["session"]["id"], guest["session"]["id"]);
    let seen = window.never("authorization").session().await;
    assert_eq!(seen["user"]["id"], guest["user"]["id"]);
    assert_ne!(seen["session"]["id"], guest["session"]["id"]);
}

#[tokio::test]
async fn an_account_set_up_without_proof_follows_the_mailbox() {
    let world = world().await;
    let squatter = world.app.browser();
    let squatted = squatter.sign_up(JANE).await;
    let browser = world.app.browser();
    world.sign_in(&browser, &jane()).await.leads_to("/home?reclaimed=true");
    let user = browser.session().await["user"].clone();
    assert_eq!((&user["id"], &user["emailVerified"]), (&squatted["user"]["id"], &json!(true)));
    assert_eq!(squatter.session().await, Value::Null);
    let form = json!({ "email": JANE, "password": PASSWORD });
    world.app.browser().post("/sign-in/email", &form).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");
}

#[tokio::test]
async fn in_the_holders_browser_the_provider_only_proves_the_address() {
    let world = world().await;
    let browser = world.app.browser();
    let member = browser.sign_up(JANE).await;
    world.sign_in(&browser, &jane()).await.leads_to("/home");
    assert_eq!(browser.session().await["user"]["emailVerified"], true);
    assert_eq!(browser.session().await["user"]["id"], member["user"]["id"]);
    world.app.browser().sign_in(JANE).await;
}

#[tokio::test]
async fn in_strict_mode_a_guest_stays_one_until_the_address_is_proven() {
    let world = world_with(&[("upgrade.require_verified_email", "on")]).await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let person = Person::new("p", Some(EVE), false);
    world.upgrade(&browser, &person).await.leads_to("/home");
    let pending = browser.session().await;
    assert_eq!((&pending["user"]["isAnonymous"], &pending["user"]["email"]), (&json!(true), &json!(EVE)));
    let mail = world.app.mail(EVE).await;
    browser.get(&format!("/verify-email?token={}", mail["token"].as_str().unwrap())).await.ok();
    let member = browser.session().await;
    assert_eq!((&member["user"]["isAnonymous"], &member["user"]["id"]), (&json!(false), &guest["user"]["id"]));
}

/// CONTRACT 2.2: a further upgrade replaces the pending one, by whatever identity.
#[tokio::test]
async fn in_strict_mode_the_same_identity_may_come_again() {
    let world = world_with(&[("upgrade.require_verified_email", "on")]).await;
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    let person = Person::new("p", Some(EVE), false);
    for path in ["/anonymous/upgrade-with-social", "/sign-in/social", "/link-social"] {
        world.walk(&browser, path, "google", &person).await.leads_to("/home");
        let pending = browser.session().await;
        assert_eq!((&pending["user"]["id"], &pending["user"]["isAnonymous"]), (&guest["user"]["id"], &json!(true)));
        assert_eq!(pending["session"]["id"], guest["session"]["id"]);
        assert_eq!(accounts(&browser).await.len(), 1);
    }
    world.upgrade(&browser, &Person::new("p", Some(EVE), true)).await.leads_to("/home");
    let member = browser.session().await["user"].clone();
    assert_eq!((&member["id"], &member["isAnonymous"]), (&guest["user"]["id"], &json!(false)));
}

#[tokio::test]
async fn nobody_new_comes_where_sign_up_is_closed() {
    let world = world_with(&[("email_password.sign_up", "off")]).await;
    world.sign_in(&world.app.browser(), &jane()).await.leads_to("/sorry?error=signup_disabled");
    let browser = world.app.browser();
    let guest = browser.arrive().await;
    world.upgrade(&browser, &jane()).await.leads_to("/sorry?error=signup_disabled");
    is_unharmed(&browser, &guest).await;
}

/// What an upgrade by a provider costs: the flow's beginning, its end, and what comes of it.
#[tokio::test]
async fn an_upgrade_is_three_appends() {
    let world = world().await;
    let browser = world.app.browser();
    browser.arrive().await;
    browser.session().await;
    let (before, appends) = (world.app.types().await.len(), world.app.appends().await);
    world.upgrade(&browser, &jane()).await.leads_to("/home");
    assert_eq!(world.app.appends().await - appends, 3);
    let types = world.app.types().await.split_off(before);
    let expected = [
        "AuthorizationRequested",
        "ChallengeMet",
        "EmailClaimed",
        "IdentityLinked",
        "ProfileUpdated",
        "GuestUpgraded",
        "SessionRotated",
    ];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn discovery_and_keys_are_read_once() {
    let world = world().await;
    for number in 0..5 {
        world
            .sign_in(&world.app.browser(), &Person::new(&format!("p{number}"), None, false))
            .await
            .leads_to("/welcome");
    }
    assert_eq!((world.fake.asked("discovery"), world.fake.asked("jwks")), (1, 1));
    // A new key is fetched when it is first seen; not again and again.
    world.app.pass(Span::from_secs(61));
    world.fake.rotate();
    world.sign_in(&world.app.browser(), &jane()).await.leads_to("/welcome");
    assert_eq!((world.fake.asked("discovery"), world.fake.asked("jwks")), (1, 2));
    world.fake.rotate();
    let failed = world.sign_in(&world.app.browser(), &jane()).await;
    failed.leads_to("/sorry?error=unable_to_get_user_info");
    assert_eq!(world.fake.asked("jwks"), 2);
    world.app.pass(Span::from_hours(2));
    world.sign_in(&world.app.browser(), &jane()).await.leads_to("/home");
    assert_eq!((world.fake.asked("discovery"), world.fake.asked("jwks")), (2, 3));
}

#[tokio::test]
async fn the_request_says_what_it_must() {
    let world = world().await;
    let browser = world.app.browser();
    let form = json!({ "provider": "google", "scopes": ["calendar"], "loginHint": "jane@example.com", "disableRedirect": true });
    let begun = browser.post("/sign-in/social", &form).await;
    assert_eq!((begun.ok()["redirect"].clone(), begun.header("location")), (false.into(), None));
    let url = url::Url::parse(begun.ok()["url"].as_str().unwrap()).unwrap();
    let said = |name: &str| url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
    assert_eq!(said("redirect_uri"), format!("{}/api/auth/callback/google", world.app.origin()));
    assert_eq!(said("scope"), "openid email profile calendar");
    assert_eq!(said("login_hint"), "jane@example.com");
    assert_eq!((said("client_id").as_str(), said("response_type").as_str()), (CLIENT, "code"));
    assert!(said("nonce").len() >= 32 && said("code_challenge").len() == 43);
    let state = said("state");
    let cookie = begun.cookies().into_iter().find(|cookie| cookie.name.starts_with("better-auth.state.")).unwrap();
    assert_eq!(cookie.name, format!("better-auth.state.{}", &state[..8]));
    assert!(cookie.max_age() == Some(600) && cookie.has("HttpOnly") && cookie.has("SameSite=Lax"));
    browser.post("/sign-in/social", &json!({ "provider": "myspace" })).await.refused(404, "PROVIDER_NOT_FOUND");
    for scopes in [json!(["a b"]), json!([""]), json!(vec!["x"; 21]), json!("openid")] {
        let form = json!({ "provider": "google", "scopes": scopes });
        browser.post("/sign-in/social", &form).await.refused(400, "VALIDATION_ERROR");
    }
}

/// Where nobody is told which addresses are taken, one that nobody vouches for is neither looked at nor taken.
#[tokio::test]
async fn in_private_an_unproven_address_tells_nothing() {
    let world = world_with(&[("email.conflict", "private")]).await;
    world.sign_in(&world.app.browser(), &jane()).await.leads_to("/welcome");
    for address in [JANE, EVE] {
        let browser = world.app.browser();
        let guest = browser.arrive().await;
        let person = Person::new(&format!("of {address}"), Some(address), false);
        world.walk(&browser, "/anonymous/upgrade-with-social", "mine", &person).await.leads_to("/home");
        let member = browser.session().await["user"].clone();
        assert_eq!((&member["id"], &member["isAnonymous"]), (&guest["user"]["id"], &json!(false)));
        assert_eq!(member["email"], Value::Null);
    }
}
