//! Providers of OAuth 2 without OpenID Connect, each with its quirks (CONTRACT 4).

use super::*;

async fn arrives(world: &World, provider: &str, subject: &str, says: Value) -> Value {
    let browser = world.app.browser();
    let person = Person { subject: subject.to_owned(), says };
    world.walk(&browser, "/sign-in/social", provider, &person).await.leads_to("/welcome");
    let account = accounts(&browser).await.remove(0);
    assert_eq!((&account["accountId"], &account["providerId"]), (&json!(subject), &json!(provider)));
    browser.session().await["user"].clone()
}

fn says(user: &Value) -> (Value, Value, Value, Value) {
    (user["email"].clone(), user["emailVerified"].clone(), user["name"].clone(), user["image"].clone())
}

#[tokio::test]
async fn github_vouches_for_the_primary_address_it_verified() {
    let world = world().await;
    let user = json!({ "id": 1, "login": "jane", "name": null, "email": "shown@example.com", "avatar_url": "https://a.example.com/1" });
    let emails = json!([
        { "email": "other@example.com", "primary": false, "verified": true },
        { "email": JANE, "primary": true, "verified": true },
    ]);
    let jane = arrives(&world, "github", "1", json!({ "user": user, "emails": emails })).await;
    assert_eq!(says(&jane), (json!(JANE), json!(true), json!("jane"), json!("https://a.example.com/1")));
    let unverified = json!([{ "email": EVE, "primary": true, "verified": false }]);
    let user = json!({ "id": 2, "login": "eve", "name": "Eve" });
    let eve = arrives(&world, "github", "2", json!({ "user": user, "emails": unverified })).await;
    assert_eq!(says(&eve), (json!(EVE), json!(false), json!("Eve"), Value::Null));
    // What the profile shows is whatever its owner typed.
    let user = json!({ "id": 3, "login": "mallory", "email": "victim@example.com" });
    let mallory = arrives(&world, "github", "3", json!({ "user": user })).await;
    assert_eq!(mallory["email"], Value::Null);
}

#[tokio::test]
async fn discord_says_whether_it_verified() {
    let world = world().await;
    let told = json!({ "id": "80351110224678912", "username": "jane", "global_name": "Jane", "avatar": "8342", "email": JANE, "verified": true });
    let jane = arrives(&world, "discord", "80351110224678912", told).await;
    let image = json!("https://cdn.discordapp.com/avatars/80351110224678912/8342.png");
    assert_eq!(says(&jane), (json!(JANE), json!(true), json!("Jane"), image));
    let eve =
        arrives(&world, "discord", "2", json!({ "id": "2", "username": "eve", "email": EVE, "verified": false })).await;
    assert_eq!(eve["emailVerified"], false);
}

#[tokio::test]
async fn facebook_and_x_vouch_for_nothing() {
    let world = world().await;
    let told = json!({ "id": "1", "name": "Jane", "email": JANE, "verified": true, "email_verified": true,
        "picture": { "data": { "url": "https://f.example.com/1" } } });
    let jane = arrives(&world, "facebook", "1", told).await;
    assert_eq!(says(&jane), (json!(JANE), json!(false), json!("Jane"), json!("https://f.example.com/1")));
    let told = json!({ "data": { "id": "2", "name": "Eve", "confirmed_email": EVE, "profile_image_url": "https://x.example.com/2" } });
    let eve = arrives(&world, "twitter", "2", told).await;
    assert_eq!(says(&eve), (json!(EVE), json!(false), json!("Eve"), json!("https://x.example.com/2")));
    // By its other name it is the same.
    let browser = world.app.browser();
    let person = Person { subject: "2".to_owned(), says: json!({ "data": { "id": "2" } }) };
    world.walk(&browser, "/sign-in/social", "x", &person).await.leads_to("/home");
    assert_eq!(browser.session().await["user"]["id"], eve["id"]);
}

#[tokio::test]
async fn without_an_id_nobody_is_anybody() {
    let world = world().await;
    for nobody in [json!({}), json!({ "user": {} }), json!({ "user": { "id": "" } }), json!({ "user": { "id": true } })]
    {
        let person = Person { subject: "x".to_owned(), says: nobody };
        let answer = world.walk(&world.app.browser(), "/sign-in/social", "github", &person).await;
        answer.leads_to("/sorry?error=unable_to_get_user_info");
    }
}
