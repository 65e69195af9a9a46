//! Codes by mail (CONTRACT 5): typed where one is, and guessed at in vain.

use serde_json::{Value, json};

use crate::support::{Answer, App, Client, PASSWORD, seconds};

const JANE: &str = "jane@example.com";

async fn dev() -> App {
    App::with(&[("dev", "on")]).await
}

async fn ask(caller: &Client, email: &str, kind: &str) {
    let sent = caller.post("/email-otp/send-verification-otp", &json!({ "email": email, "type": kind })).await.ok();
    assert_eq!(sent, json!({ "success": true }));
}

/// Asks, and reads the mail.
async fn code(app: &App, caller: &Client, kind: &str, mails: usize) -> String {
    ask(caller, JANE, kind).await;
    let mail = app.mails(JANE, mails).await.pop().unwrap();
    assert_eq!(mail["kind"], format!("otp:{kind}"));
    mail["otp"].as_str().unwrap().to_owned()
}

async fn sign_in(caller: &Client, otp: &str) -> Answer {
    caller.post("/sign-in/email-otp", &json!({ "email": JANE, "otp": otp })).await
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn the_guest_of_the_browser_in_which_it_is_typed_becomes_a_member() {
    let app = dev().await;
    let (phone, desk) = (app.program(), app.browser());
    let guest = desk.arrive().await;
    let code = code(&app, &phone, "sign-in", 1).await;
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()));
    let member = sign_in(&desk, &code).await.ok();
    assert_eq!((&member["user"]["id"], &member["session"]["id"]), (&guest["user"]["id"], &guest["session"]["id"]));
    assert_eq!((&member["user"]["isAnonymous"], &member["user"]["emailVerified"]), (&json!(false), &json!(true)));
    sign_in(&desk, &code).await.refused(400, "INVALID_OTP");
}

#[tokio::test]
async fn somebody_new_in_two_steps() {
    let app = dev().await;
    let browser = app.browser();
    assert_eq!(browser.post("/sign-in/email-otp", &json!({ "email": JANE })).await.ok(), json!({ "success": true }));
    let code = app.mail(JANE).await["otp"].clone();
    let form = json!({ "email": JANE, "otp": code, "name": "Jane", "image": "https://example.com/jane.png" });
    let member = browser.post("/sign-in/email-otp", &form).await.ok();
    assert_eq!((&member["user"]["name"], &member["user"]["email"]), (&json!("Jane"), &json!(JANE)));
    assert_eq!(browser.session().await["user"]["id"], member["user"]["id"]);
}

#[tokio::test]
async fn three_wrong_tries_end_a_code_and_a_new_one_helps() {
    let app = dev().await;
    let browser = app.browser();
    let code = code(&app, &browser, "sign-in", 1).await;
    for _ in 0..3 {
        sign_in(&browser, &wrong(&code)).await.says(400, "INVALID_OTP", "Invalid OTP");
    }
    sign_in(&browser, &code).await.says(403, "TOO_MANY_ATTEMPTS", "Too many attempts");
    sign_in(&browser, &wrong(&code)).await.refused(403, "TOO_MANY_ATTEMPTS");
    let fresh = self::code(&app, &browser, "sign-in", 2).await;
    sign_in(&browser, &fresh).await.ok();
}

/// However many guesses come at once: three are heard.
#[tokio::test]
async fn guesses_at_a_time_are_counted_one_by_one() {
    let app = App::with(&[("dev", "on"), ("rate_limits", "off")]).await;
    let browser = app.program();
    let code = code(&app, &browser, "sign-in", 1).await;
    let guesses: Vec<_> = (0..24).map(|_| wrong(&code)).collect();
    let answers = futures_util::future::join_all(guesses.iter().map(|guess| sign_in(&browser, guess))).await;
    let heard = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(heard, 3, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 403)));
}

#[tokio::test]
async fn a_right_code_among_wrong_ones_is_checked_in_its_turn() {
    let app = App::with(&[("dev", "on"), ("rate_limits", "off")]).await;
    let browser = app.program();
    let code = code(&app, &browser, "sign-in", 1).await;
    for _ in 0..3 {
        sign_in(&browser, &wrong(&code)).await.refused(400, "INVALID_OTP");
    }
    let form = json!({ "email": JANE, "type": "sign-in", "otp": code });
    browser.post("/email-otp/check-verification-otp", &form).await.refused(403, "TOO_MANY_ATTEMPTS");
}

#[tokio::test]
async fn strangers_use_up_no_tries_of_the_asker() {
    let app = App::with(&[("trusted_proxies", "127.0.0.0/8")]).await;
    let from = |address: &str| app.program().always("x-forwarded-for", address);
    ask(&from("192.0.2.1"), JANE, "sign-in").await;
    for _ in 0..5 {
        sign_in(&from("198.51.100.7"), "000000").await.refused(400, "INVALID_OTP");
    }
    sign_in(&from("192.0.2.1"), "000000").await.refused(400, "INVALID_OTP");
}

/// Whoever guesses has thirty tries a day at an address, over all codes and from wherever. Links go on.
#[tokio::test]
async fn thirty_wrong_codes_a_day() {
    let app = dev().await;
    let from = |number: u8| app.program_at(number);
    let owner = from(200);
    let mut mails = 0;
    for round in 0..3 {
        // A code lasts ten minutes, and an address gets so many mails in as many.
        app.pass(seconds(600));
        mails += 1;
        let code = code(&app, &owner, "sign-in", mails).await;
        for number in 0..10 {
            sign_in(&from(10 * round + number), &wrong(&code)).await.refused(400, "INVALID_OTP");
        }
    }
    app.pass(seconds(600));
    let code = code(&app, &owner, "sign-in", 4).await;
    for caller in [&from(77), &owner] {
        sign_in(caller, &code).await.refused(403, "TOO_MANY_ATTEMPTS");
    }
    owner.post("/sign-in/magic-link", &json!({ "email": JANE })).await.ok();
    let link = app.mails(JANE, 5).await.pop().unwrap()["token"].as_str().unwrap().to_owned();
    owner.get(&format!("/magic-link/verify?token={link}")).await.ok();
    app.pass(seconds(86_400));
    let code = self::code(&app, &owner, "sign-in", 6).await;
    sign_in(&owner, &code).await.ok();
}

#[tokio::test]
async fn three_networks_have_a_code_at_a_time() {
    let app = dev().await;
    let from = |number: u8| app.program_at(number);
    let mut codes = Vec::new();
    for number in 1..=3 {
        codes.push(code(&app, &from(number), "sign-in", number.into()).await);
    }
    ask(&from(4), JANE, "sign-in").await;
    app.head().await;
    assert_eq!(app.mails(JANE, 3).await.len(), 3, "a fourth makes none, and voids none");
    sign_in(&from(1), &codes[0]).await.ok();
}

#[tokio::test]
async fn it_works_for_ten_minutes() {
    let app = dev().await;
    let browser = app.browser();
    let code = code(&app, &browser, "sign-in", 1).await;
    app.pass(seconds(599));
    let form = json!({ "email": JANE, "type": "sign-in", "otp": code });
    assert_eq!(
        browser.post("/email-otp/check-verification-otp", &form).await.ok(),
        json!({ "success": true }),
        "checking uses nothing up"
    );
    app.pass(seconds(1));
    sign_in(&browser, &code).await.says(400, "OTP_EXPIRED", "OTP expired");
}

#[tokio::test]
async fn a_code_is_good_for_what_it_was_asked_for() {
    let app = dev().await;
    let browser = app.browser();
    browser.sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let code = code(&app, &browser, "email-verification", 2).await;
    sign_in(&browser, &code).await.refused(400, "INVALID_OTP");
    let form = json!({ "email": JANE, "otp": code, "password": "another password" });
    browser.post("/email-otp/reset-password", &form).await.refused(400, "INVALID_OTP");
    let verified = browser.post("/email-otp/verify-email", &json!({ "email": JANE, "otp": code })).await.ok();
    assert_eq!((&verified["status"], &verified["token"]), (&json!(true), &Value::Null));
    assert_eq!(verified["user"]["emailVerified"], true);
}

#[tokio::test]
async fn elsewhere_a_verification_code_takes_the_password() {
    let app = dev().await;
    app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let phone = app.program();
    let code = code(&app, &phone, "email-verification", 2).await;
    let verify = |password: Option<&str>| {
        let form = json!({ "email": JANE, "otp": code, "password": password });
        let phone = phone.clone();
        async move { phone.post("/email-otp/verify-email", &form).await }
    };
    verify(None).await.refused(403, "CONFIRMATION_REQUIRED");
    verify(Some("not the password")).await.refused(400, "INVALID_PASSWORD");
    assert_eq!(verify(Some(PASSWORD)).await.ok()["user"]["emailVerified"], true);
}

#[tokio::test]
async fn a_new_code_voids_the_one_before() {
    let app = dev().await;
    let browser = app.browser();
    let first = code(&app, &browser, "sign-in", 1).await;
    let second = code(&app, &browser, "sign-in", 2).await;
    if first != second {
        sign_in(&browser, &first).await.refused(400, "INVALID_OTP");
    }
    sign_in(&browser, &second).await.ok();
}

#[tokio::test]
async fn nobodys_address_is_answered_alike_and_gets_no_mail_it_could_not_use() {
    let app = dev().await;
    for kind in ["email-verification", "forget-password"] {
        ask(&app.program(), JANE, kind).await;
    }
    for path in ["/email-otp/request-password-reset", "/forget-password/email-otp"] {
        assert_eq!(app.program().post(path, &json!({ "email": JANE })).await.ok(), json!({ "success": true }));
    }
    app.head().await;
    let outbox = app.program().at(crate::support::Method::GET, "/dev/mail.json").await.ok();
    assert_eq!(outbox, json!([]));
}

#[tokio::test]
async fn a_code_sets_a_new_password() {
    let app = dev().await;
    let jane = app.program().sign_up(JANE).await;
    app.mails(JANE, 1).await;
    let program = app.program();
    let code = code(&app, &program, "forget-password", 2).await;
    let reset = |password: &str| {
        let form = json!({ "email": JANE, "otp": code, "password": password });
        let program = program.clone();
        async move { program.post("/email-otp/reset-password", &form).await }
    };
    reset("short").await.refused(400, "PASSWORD_TOO_SHORT");
    assert_eq!(reset("another password").await.ok(), json!({ "success": true }));
    reset("yet another password").await.refused(400, "INVALID_OTP");
    assert_eq!(app.bearer(jane["token"].as_str().unwrap()).session().await, Value::Null);
    let form = json!({ "email": JANE, "password": "another password" });
    let member = app.program().post("/sign-in/email", &form).await.ok();
    assert_eq!(member["user"]["emailVerified"], true, "the mailbox was shown");
    assert_eq!(app.mails(JANE, 3).await[2]["kind"], "password-changed");
}

#[tokio::test]
async fn what_it_refuses() {
    let app = dev().await;
    let program = app.program();
    let send = |body: Value| {
        let program = program.clone();
        async move { program.post("/email-otp/send-verification-otp", &body).await }
    };
    send(json!({ "email": "nobody", "type": "sign-in" })).await.refused(400, "INVALID_EMAIL");
    send(json!({ "email": JANE, "type": "two-factor" })).await.refused(400, "VALIDATION_ERROR");
    sign_in(&program, "123456").await.refused(400, "INVALID_OTP");
    sign_in(&program, &"9".repeat(1000)).await.refused(400, "INVALID_OTP");
    let off = App::with(&[("email_otp.enabled", "off")]).await;
    off.program().post("/sign-in/email-otp", &json!({ "email": JANE })).await.refused(400, "EMAIL_OTP_DISABLED");
    let closed = App::with(&[("dev", "on"), ("email_password.sign_up", "off")]).await;
    let code = code(&closed, &closed.program(), "sign-in", 1).await;
    sign_in(&closed.program(), &code).await.refused(400, "SIGN_UP_DISABLED");
}

/// Two rules for one path: whoever only asks has not guessed.
#[tokio::test]
async fn asking_and_guessing_are_counted_apart() {
    let app = dev().await;
    let program = app.program();
    for _ in 0..30 {
        program.post("/sign-in/email-otp", &json!({ "email": JANE })).await.ok();
    }
    program.post("/sign-in/email-otp", &json!({ "email": JANE })).await.refused(429, "RATE_LIMITED");
    sign_in(&program, "123456").await.refused(400, "INVALID_OTP");
}
