//! Bans: out at once, on every way in, until it ends by itself or is lifted.

use serde_json::{Value, json};

use crate::support::{A_MILLISECOND, App, KEY, PASSWORD, almost, hours, seconds};

const JANE: &str = "jane@example.com";

async fn app() -> App {
    App::with(&[KEY, ("dev", "on")]).await
}

async fn ban(app: &App, user: &Value, more: Value) -> Value {
    let mut form = json!({ "userId": user["user"]["id"] });
    form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.operator().post("/admin/ban-user", &form).await.ok()["user"].clone()
}

#[tokio::test]
async fn a_banned_user_is_out_at_once_and_says_why() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let (one, other) = (app.browser(), app.browser());
    let jane = one.sign_up(JANE).await;
    other.sign_in(JANE).await;
    let form = json!({ "userId": jane["user"]["id"], "banReason": "spam by Jane", "banExpiresIn": 3600 });
    let banned = admin.post("/admin/ban-user", &form).await.ok()["user"].clone();
    assert_eq!(
        (&banned["banned"], &banned["banReason"], &banned["banExpires"]),
        (&json!(true), &json!("spam by Jane"), &app.date(hours(1)))
    );
    for browser in [&one, &other] {
        assert_eq!(browser.session().await, Value::Null);
        browser.post("/update-user", &json!({ "name": "x" })).await.refused(401, "UNAUTHORIZED");
    }
    assert!(!app.everything().await.contains("spam"), "the reason is sealed");
    let sign_in = |password: &str| json!({ "email": JANE, "password": password });
    let told = "You have been banned from this application. Please contact support if you believe this is an error.";
    app.browser().post("/sign-in/email", &sign_in(PASSWORD)).await.says(403, "BANNED_USER", told);
    // Only to whoever has the right password.
    app.browser().post("/sign-in/email", &sign_in("another one")).await.refused(401, "INVALID_EMAIL_OR_PASSWORD");

    app.pass(almost(hours(1)));
    app.browser().post("/sign-in/email", &sign_in(PASSWORD)).await.refused(403, "BANNED_USER");
    app.pass(A_MILLISECOND);
    let back = app.browser().sign_in(JANE).await;
    assert_eq!(
        (&back["user"]["banned"], &back["user"]["banReason"], &back["user"]["banExpires"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_ban_without_end_holds_until_it_is_lifted() {
    let app = app().await;
    let jane = app.browser().sign_up(JANE).await;
    let banned = ban(&app, &jane, json!({})).await;
    assert_eq!((&banned["banReason"], &banned["banExpires"]), (&json!("No reason"), &Value::Null));
    app.pass(hours(24 * 365));
    let sign_in = json!({ "email": JANE, "password": PASSWORD });
    app.browser().post("/sign-in/email", &sign_in).await.refused(403, "BANNED_USER");
    let form = json!({ "userId": jane["user"]["id"] });
    let lifted = app.operator().post("/admin/unban-user", &form).await.ok()["user"].clone();
    assert_eq!((&lifted["banned"], &lifted["banReason"]), (&json!(false), &Value::Null));
    app.operator().post("/admin/unban-user", &form).await.ok();
    app.browser().sign_in(JANE).await;
}

#[tokio::test]
async fn by_mail_nobody_gets_around_it() {
    let app = app().await;
    let browser = app.browser();
    let jane = browser.sign_up(JANE).await;
    // A link and a code from before, and others from after.
    let ask = async || {
        app.browser().post("/sign-in/magic-link", &json!({ "email": JANE, "callbackURL": "/in" })).await.ok();
        app.browser().post("/email-otp/send-verification-otp", &json!({ "email": JANE, "type": "sign-in" })).await.ok();
    };
    ask().await;
    let before = app.mails(JANE, 3).await;
    ban(&app, &jane, json!({})).await;
    let of = |mails: &[Value], kind: &str, field: &str| {
        mails.iter().rev().find(|mail| mail["kind"] == kind).unwrap()[field].as_str().unwrap().to_owned()
    };
    let open = async |url: String| {
        app.browser()
            .at(crate::support::Method::GET, url.strip_prefix(app.origin()).unwrap())
            .header("accept", "*/*")
            .await
    };
    let typed = |otp: &str| json!({ "email": JANE, "otp": otp });
    open(of(&before, "magic-link", "url")).await.leads_to(&format!("{}/in?error=INVALID_TOKEN", app.origin()));
    app.browser()
        .post("/sign-in/email-otp", &typed(&of(&before, "otp:sign-in", "otp")))
        .await
        .refused(400, "INVALID_OTP");
    app.pass(seconds(600));
    ask().await;
    let after = app.mails(JANE, 5).await;
    open(of(&after, "magic-link", "url")).await.leads_to(&format!("{}/in?error=BANNED_USER", app.origin()));
    let code = of(&after, "otp:sign-in", "otp");
    app.browser().post("/sign-in/email-otp", &typed(&code)).await.refused(403, "BANNED_USER");
    // The right code was no wrong try: it works once the ban is lifted.
    app.operator().post("/admin/unban-user", &json!({ "userId": jane["user"]["id"] })).await.ok();
    app.browser().post("/sign-in/email-otp", &typed(&code)).await.ok();
}

#[tokio::test]
async fn a_guest_who_is_banned_does_not_come_back_by_a_code() {
    let app = app().await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    let code = browser.post("/anonymous/recovery", &json!({ "action": "create" })).await;
    let code = code.json();
    ban(&app, &guest, json!({ "banExpiresIn": 60 })).await;
    app.pass(seconds(61));
    if let Some(code) = code["code"].as_str() {
        app.browser()
            .post("/anonymous/recovery", &json!({ "action": "redeem", "code": code }))
            .await
            .refused(400, "INVALID_TOKEN");
    } else {
        panic!("no code: {code}");
    }
}

#[tokio::test]
async fn whom_one_may_ban_and_for_how_long() {
    let app = app().await;
    let admin = app.admin("ada@example.com").await;
    let own = admin.session().await["user"]["id"].clone();
    let jane = app.browser().sign_up(JANE).await;
    admin.post("/admin/ban-user", &json!({ "userId": own })).await.says(
        400,
        "YOU_CANNOT_BAN_YOURSELF",
        "You cannot ban yourself",
    );
    for wrong in [
        json!({ "banExpires": app.date(seconds(0)) }),
        json!({ "banExpires": "soon" }),
        json!({ "banExpiresIn": -1 }),
        json!({ "banExpiresIn": i64::MAX }),
        json!({ "banExpires": app.date(hours(1)), "banExpiresIn": 60 }),
        json!({ "banReason": "x".repeat(1001) }),
        json!({ "banReason": {} }),
        json!({ "reason": "x" }),
    ] {
        let mut form = wrong;
        form["userId"] = jane["user"]["id"].clone();
        admin.post("/admin/ban-user", &form).await.refused(400, "VALIDATION_ERROR");
    }
    let in_millis = json!({ "banExpires": (app.clock_seconds() + 60) * 1000 });
    assert!(ban(&app, &jane, in_millis).await["banExpires"].is_string());
    app.operator()
        .post("/admin/ban-user", &json!({ "userId": "usr_01JM0000000000000000000001" }))
        .await
        .refused(404, "USER_NOT_FOUND");
    app.key(&["users.read"])
        .await
        .post("/admin/ban-user", &json!({ "userId": jane["user"]["id"] }))
        .await
        .refused(403, "INSUFFICIENT_PERMISSION");
}
