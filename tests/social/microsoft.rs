//! Microsoft: one host, many issuers. A token names its own, and which of them are taken is configured (CONTRACT 4).

use super::*;

const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const ACME: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
const OTHER: &str = "22222222-aaaa-4bbb-8ccc-000000000002";
const REFUSED: &str = "/sorry?error=unable_to_get_user_info";

/// Comes with a token of a tenant; `issuer` is whom it says it is from.
async fn comes_from(world: &World, person: &Person, tenant: Value, issuer: &str) -> (Client, String) {
    let iss = json!(format!("{}/{issuer}/v2.0", world.fake.issuer()));
    world.fake.misbehave(Mischief { claims: [("iss", iss), ("tid", tenant)].into(), ..Mischief::default() });
    let browser = world.app.browser();
    let url = begin(&browser, "/sign-in/social", "microsoft").await;
    let granted = Back { iss: None, ..world.fake.consent(&url, person) };
    let place = back(&browser, &granted).await.header("location").unwrap().to_owned();
    (browser, place)
}

async fn comes(world: &World, person: &Person, tenant: &str) -> (Client, String) {
    comes_from(world, person, json!(tenant), tenant).await
}

fn work(subject: &str) -> Person {
    Person { subject: subject.to_owned(), says: json!({ "email": format!("{subject}@acme.example") }) }
}

#[tokio::test]
async fn every_tenant_is_an_issuer_of_its_own() {
    let world = world_in("/common/v2.0", &[]).await;
    let (one, place) = comes(&world, &work("ann"), ACME).await;
    assert_eq!(place, "/welcome");
    let user = one.session().await["user"].clone();
    assert_eq!((&user["email"], &user["emailVerified"]), (&json!("ann@acme.example"), &json!(false)));
    let (again, place) = comes(&world, &work("ann"), ACME).await;
    assert_eq!((place.as_str(), &again.session().await["user"]["id"]), ("/home", &user["id"]));
    // The same subject in another tenant is somebody else, whose administrator typed an address that is no proof.
    let (other, place) = comes(&world, &work("ann"), OTHER).await;
    assert_eq!((place.as_str(), other.session().await), ("/sorry?error=account_not_linked", Value::Null));
}

#[tokio::test]
async fn it_vouches_for_addresses_it_checked() {
    let world = world_in("/common/v2.0", &[]).await;
    let (home, place) = comes(&world, &Person::new("p", Some(JANE), false), PERSONAL).await;
    assert_eq!((place.as_str(), &home.session().await["user"]["emailVerified"]), ("/welcome", &json!(true)));
    let checked = json!({ "email": EVE, "xms_edov": true });
    let (work, place) = comes(&world, &Person { subject: "w".to_owned(), says: checked }, ACME).await;
    assert_eq!((place.as_str(), &work.session().await["user"]["emailVerified"]), ("/welcome", &json!(true)));
}

/// A tenant that says it is another, or none.
#[tokio::test]
async fn a_token_is_from_the_tenant_that_it_names() {
    let world = world_in("/common/v2.0", &[]).await;
    for (tenant, issuer) in [
        (json!(PERSONAL), ACME),
        (json!(ACME), PERSONAL),
        (Value::Null, ACME),
        (json!("acme.example"), "acme.example"),
        (json!("{tenantid}"), "{tenantid}"),
        (json!([ACME]), ACME),
    ] {
        let (browser, place) = comes_from(&world, &work("eve"), tenant.clone(), issuer).await;
        assert_eq!((place.as_str(), browser.session().await), (REFUSED, Value::Null), "{tenant} {issuer}");
    }
}

#[tokio::test]
async fn who_is_taken_is_configured() {
    for (configured, taken, refused) in
        [("organizations", ACME, PERSONAL), ("consumers", PERSONAL, ACME), (ACME, ACME, OTHER)]
    {
        let world = world_in(&format!("/{configured}/v2.0"), &[]).await;
        assert_eq!(comes(&world, &work("a"), taken).await.1, "/welcome", "{configured}");
        assert_eq!(comes(&world, &work("b"), refused).await.1, REFUSED, "{configured}");
    }
}

/// A document about somebody at another host is nobody's word here.
#[tokio::test]
async fn the_document_stays_at_its_host() {
    let world = world_in("/common/v2.0", &[]).await;
    world.fake.misbehave(Mischief { names: Some("https://evil.example.com/{tenantid}/v2.0"), ..Mischief::default() });
    world.app.browser().post("/sign-in/social", &form("microsoft")).await.refused(503, "SERVICE_UNAVAILABLE");
}
