//! The development outbox: shown to whoever develops, on this very machine, and to nobody else (CONTRACT 10).

use serde_json::{Value, json};

use crate::support::{App, Method, raw, seconds};

const PATHS: [&str; 3] = ["/dev/mail", "/dev/mail.json", "/dev/mail.json?to=jane@example.com"];

#[tokio::test]
async fn without_dev_there_is_none() {
    let app = App::start().await;
    for path in PATHS {
        app.program().at(Method::GET, path).await.says(404, "NOT_FOUND", "Not found");
    }
}

#[tokio::test]
async fn mails_oldest_first_and_by_address() {
    let app = App::with(&[("dev", "on")]).await;
    app.program().sign_up("jane@example.com").await;
    app.mail("jane@example.com").await;
    app.pass(seconds(1));
    app.program().sign_up("jill@example.com").await;
    app.mail("jill@example.com").await;

    let all = app.program().at(Method::GET, "/dev/mail.json").await.ok();
    let to: Vec<_> = all.as_array().unwrap().iter().map(|mail| mail["to"].as_str().unwrap()).collect();
    assert_eq!(to, ["jane@example.com", "jill@example.com"]);
    let mut keys: Vec<_> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["at", "kind", "otp", "subject", "to", "token", "url"]);
    assert_eq!(app.program().at(Method::GET, "/dev/mail.json?to=nobody@example.com").await.ok(), json!([]));

    let page = app.program().at(Method::GET, "/dev/mail").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text.contains(all[0]["url"].as_str().unwrap()));
}

#[tokio::test]
async fn only_from_here_and_only_directly() {
    let app = App::with(&[("dev", "on")]).await;
    let port = app.address().port();
    for (host, more, status) in [
        (format!("127.0.0.1:{port}"), "", 200),
        (format!("localhost:{port}"), "", 200),
        (format!("[::1]:{port}"), "", 200),
        ("localhost".to_owned(), "sec-fetch-site: none", 200),
        ("localhost".to_owned(), "sec-fetch-site: same-origin", 200),
        ("localhost".to_owned(), "sec-fetch-site: same-site", 404),
        ("localhost".to_owned(), "sec-fetch-site: cross-site", 404),
        ("localhost".to_owned(), "forwarded: for=1.2.3.4", 404),
        ("localhost".to_owned(), "via: 1.1 proxy", 404),
        ("localhost".to_owned(), "x-forwarded-for: 127.0.0.1", 404),
        ("localhost".to_owned(), "x-forwarded-host: localhost", 404),
        ("localhost".to_owned(), "X-Forwarded-Anything: x", 404),
        ("evil.example".to_owned(), "", 404),
        (format!("localhost.evil.example:{port}"), "", 404),
        ("127.0.0.1.evil.example".to_owned(), "", 404),
        ("[::1]evil.example".to_owned(), "", 404),
        ("localhost@evil.example".to_owned(), "", 404),
        (String::new(), "", 404),
    ] {
        for path in PATHS {
            let more = if more.is_empty() { String::new() } else { format!("{more}\r\n") };
            let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{more}connection: close\r\n\r\n");
            assert_eq!(raw::send_bytes(&app, request.as_bytes()).await.status, status, "{host} {more}");
        }
    }
}

#[tokio::test]
async fn only_to_be_read() {
    let app = App::with(&[("dev", "on")]).await;
    for method in [Method::POST, Method::DELETE] {
        assert_eq!(app.program().at(method, "/dev/mail").await.status, 405);
    }
}

#[tokio::test]
async fn a_mail_repeats_nothing_its_asker_typed() {
    let app = App::with(&[("dev", "on")]).await;
    let body = json!({ "name": "Win $1000 at evil.example", "email": "jane@example.com", "password": crate::support::PASSWORD });
    app.program().post("/sign-up/email", &body).await.ok();
    let mail: Value = app.mail("jane@example.com").await;
    assert!(!mail.to_string().contains("evil.example"));
}
