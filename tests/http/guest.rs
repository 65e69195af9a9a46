//! Arriving: a guest and a session by one call, to the letter (CONTRACT 1.3, 1.4, 2.1).

use serde_json::{Value, json};

use crate::support::{App, PASSWORD, SESSION, days, seconds};

/// Whether it is an id of that kind: a prefix and 26 characters of Crockford's upper-case alphabet.
fn is_id(value: &Value, prefix: &str) -> bool {
    let ulid = value.as_str().and_then(|id| id.strip_prefix(prefix)).unwrap_or_default();
    ulid.len() == 26 && ulid.chars().all(|c| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c)))
}

#[tokio::test]
async fn a_guest_has_every_field() {
    let app = App::start().await;
    let guest = app.browser().arrive().await;

    let (user, session, token) = (&guest["user"], &guest["session"], &guest["token"]);
    assert!(is_id(&user["id"], "usr_") && is_id(&session["id"], "ses_"));
    assert!(token.as_str().is_some_and(|token| token.len() == 32 && token.chars().all(|c| c.is_ascii_alphanumeric())));
    let now = app.date(seconds(0));
    let expected = json!({
        "token": token,
        "user": {
            "id": user["id"], "name": null, "email": null, "emailVerified": false, "image": null, "isAnonymous": true,
            "metadata": {}, "appMetadata": {}, "role": "user", "banned": false, "banReason": null, "banExpires": null,
            "twoFactorEnabled": false, "createdAt": now, "updatedAt": now,
        },
        "session": {
            "id": session["id"], "token": token, "userId": user["id"], "expiresAt": app.date(days(7)),
            "createdAt": now, "updatedAt": now, "ipAddress": "127.0.0.1", "userAgent": "tests/1.0",
            "activeOrganizationId": null, "impersonatedBy": null,
        },
    });
    assert_eq!(guest, expected);
    assert_eq!(now, "2027-01-15T08:00:00.007Z", "three fraction digits, zeros included");
}

#[tokio::test]
async fn a_full_second_has_its_three_digits_too() {
    let app = App::start().await;
    app.pass(chrysalis_domain::Span::from_millis(993));
    assert_eq!(app.browser().arrive().await["user"]["createdAt"], "2027-01-15T08:00:01.000Z");
}

#[tokio::test]
async fn the_session_comes_as_cookie_and_header() {
    let app = App::start().await;
    let answer = app.browser().post("/sign-in/anonymous", &json!({})).await;
    let token = answer.ok()["token"].as_str().unwrap().to_owned();

    let cookie = answer.cookie(SESSION).unwrap();
    assert_eq!(cookie.attributes, ["Max-Age=604800", "Path=/", "HttpOnly", "SameSite=Lax"]);
    assert_eq!(answer.cookies().len(), 1);
    let header = answer.header("set-auth-token").unwrap();
    let signature = header.strip_prefix(&format!("{token}.")).unwrap();
    assert_eq!((signature.len(), signature.ends_with('=')), (44, true), "base64 of an HMAC-SHA256");
    // As `encodeURIComponent` writes it.
    assert_eq!(cookie.value, header.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
}

#[tokio::test]
async fn arriving_again_is_arriving_where_one_is() {
    let app = App::start().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let (head, cookie) = (app.head().await, browser.cookie(SESSION));
    browser.session().await;
    let seen = app.head().await;
    assert!(seen <= head + 1, "presenting it by cookie is noted, no more");

    app.pass(seconds(100));
    let answer = browser.post("/sign-in/anonymous", &json!({})).await;
    assert_eq!(answer.ok(), guest, "same user, same session, same token");
    assert_eq!(answer.cookie(SESSION).unwrap().max_age(), Some(604_700), "until the session ends");
    assert_eq!((browser.cookie(SESSION), app.head().await), (cookie, seen));
    let by_bearer = app.bearer(guest["token"].as_str().unwrap());
    assert_eq!(by_bearer.arrive().await, guest);
}

#[tokio::test]
async fn a_member_is_not_swapped_for_a_guest() {
    let app = App::start().await;
    let browser = app.browser();
    let member = browser.sign_up("jane@example.com").await;
    assert_eq!(browser.arrive().await, member);
    assert_eq!(browser.session().await["user"]["isAnonymous"], false);

    browser.post("/sign-out", &json!({})).await.ok();
    let guest = browser.arrive().await;
    assert_eq!(guest["user"]["isAnonymous"], true);
    assert_ne!(guest["user"]["id"], member["user"]["id"]);
}

#[tokio::test]
async fn a_guest_survives_what_is_wrong_with_its_entry() {
    let app = App::start().await;
    let long = "x".repeat(201);
    for entry in [
        json!(null),
        json!("text"),
        json!(5),
        json!({ "channel": 5 }),
        json!({ "campaign": long, "unknown": [] }),
        json!([]),
    ] {
        app.browser().post("/sign-in/anonymous", &json!({ "entry": entry, "unknown": { "a": 1 } })).await.ok();
    }
    let known = json!({ "entry": { "channel": "ads", "campaign": "spring", "referrer": "https://example.com/?q=1" } });
    app.browser().post("/sign-in/anonymous", &known).await.ok();
}

#[tokio::test]
async fn switched_off_it_makes_no_guests_and_keeps_those_there_are() {
    let app = App::with(&[("anonymous.enabled", "off")]).await;
    let head = app.head().await;
    let answer = app.browser().post("/sign-in/anonymous", &json!({})).await;
    answer.says(400, "ANONYMOUS_AUTH_DISABLED", "Anonymous authentication is disabled");
    assert_eq!((answer.cookies(), app.head().await), (vec![], head));
    // Members who call it are members still.
    let browser = app.browser();
    let member = browser.sign_up("jane@example.com").await;
    assert_eq!(browser.arrive().await["user"]["id"], member["user"]["id"]);
}

#[tokio::test]
async fn guests_are_not_each_other() {
    let app = App::start().await;
    let (one, other) = (app.browser().arrive().await, app.browser().arrive().await);
    for field in ["/token", "/user/id", "/session/id"] {
        assert_ne!(one.pointer(field), other.pointer(field));
    }
}

#[tokio::test]
async fn a_guest_has_no_password_and_no_way_in() {
    let app = App::start().await;
    let browser = app.browser();
    browser.arrive().await;
    assert_eq!(browser.get("/list-accounts").await.ok(), json!([]));
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "another fine password" });
    browser.post("/change-password", &change).await.refused(400, "CREDENTIAL_ACCOUNT_NOT_FOUND");
}
