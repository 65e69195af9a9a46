//! Bodies that are no object, no JSON, too large, or of another type (CONTRACT 1.1).

use serde_json::json;

use crate::support::{Answer, App, Client, Method, raw};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const LIMIT: usize = 32 * 1024;
const UNLIMITED: (&str, &str) = ("rate_limits", "off");

/// A guest by bearer, whom no origin rule stops.
async fn guest(app: &App) -> Client {
    let guest = app.program().arrive().await;
    app.bearer(guest["token"].as_str().unwrap())
}

async fn post(caller: &Client, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    caller.at(Method::POST, &format!("/api/auth{path}")).body(kind, body).await
}

const TAKES_A_BODY: [&str; 10] = [
    "/sign-in/anonymous",
    "/anonymous/upgrade",
    "/delete-anonymous-user",
    "/sign-up/email",
    "/sign-in/email",
    "/revoke-session",
    "/revoke-sessions",
    "/update-user",
    "/change-password",
    "/delete-user",
];

#[tokio::test]
async fn broken_ones_change_nothing() {
    let app = App::with(&[UNLIMITED]).await;
    let caller = guest(&app).await;
    let head = app.head().await;
    let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let numbers = format!("{{\"metadata\":{}}}", "9".repeat(400));
    for path in TAKES_A_BODY.into_iter().filter(|path| *path != "/sign-in/anonymous") {
        for broken in [
            "{",
            "{]",
            "nonsense",
            " ",
            "{} {}",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":\u{0}}",
            "{\"a\":NaN}",
            "\u{feff}{}",
            &deep,
            &numbers,
        ] {
            let answer = post(&caller, path, JSON, broken.to_owned()).await;
            answer.says(400, "BAD_REQUEST", "Invalid JSON in request body");
        }
        for no_object in ["null", "[]", "5", "\"{}\"", "true", " [ {} ] "] {
            post(&caller, path, JSON, no_object.to_owned()).await.refused(400, "BODY_MUST_BE_AN_OBJECT");
        }
        let no_text: [&[u8]; 3] = [b"{\"name\":\"\xff\"}", b"\xfe\xff\x00{\x00}", b"{\"name\":\"\\ud800\"}"];
        for bytes in no_text {
            post(&caller, path, JSON, bytes.to_vec()).await.refused(400, "BAD_REQUEST");
        }
    }
    assert_eq!(app.head().await, head);
}

#[tokio::test]
async fn another_type_is_415() {
    let app = App::with(&[UNLIMITED]).await;
    let caller = guest(&app).await;
    for path in TAKES_A_BODY {
        for kind in [
            "text/plain",
            "text/plain; application/json",
            "application/jsonp",
            "application/xml",
            "multipart/form-data; boundary=x",
            "",
        ] {
            post(&caller, path, kind, "{}").await.says(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type not allowed");
        }
        let form = post(&caller, path, FORM, "email=x").await;
        assert_eq!(form.status == 415, !matches!(path, "/sign-in/email" | "/sign-up/email"), "{path}");
    }
    post(&caller, "/update-user", "Application/JSON ; charset=UTF-8", json!({ "name": "x" }).to_string()).await.ok();
}

#[tokio::test]
async fn an_empty_one_counts_as_an_empty_object() {
    let app = App::start().await;
    let bare = |path: &str| app.program().at(Method::POST, &format!("/api/auth{path}"));
    bare("/sign-in/anonymous").await.ok();
    bare("/sign-in/anonymous").body(JSON, "").await.ok();
    bare("/sign-in/anonymous").body("text/plain", "").await.ok();
    bare("/sign-out").await.ok();
    bare("/sign-in/email").await.refused(400, "VALIDATION_ERROR");
    app.program().get("/ok").body(JSON, "").await.ok();
}

#[tokio::test]
async fn more_than_32_kib_is_413_announced_or_not() {
    let app = App::start().await;
    let caller = guest(&app).await;
    let sized = |bytes: usize| format!("{{\"unknown\":\"{}\"}}", "x".repeat(bytes - 14));
    assert_eq!(sized(LIMIT).len(), LIMIT);
    post(&caller, "/sign-in/anonymous", JSON, sized(LIMIT)).await.ok();
    for path in TAKES_A_BODY {
        post(&caller, path, JSON, sized(LIMIT + 1)).await.says(413, "PAYLOAD_TOO_LARGE", "Request body too large");
    }
    let announced = raw::send(
        &app,
        "POST /api/auth/sign-out",
        &["content-type: application/json", "content-length: 10000000"],
        b"{",
    )
    .await;
    assert_eq!((announced.status, announced.code().as_str()), (413, "PAYLOAD_TOO_LARGE"), "refused before it is sent");

    let chunked = |bytes: usize| format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", sized(bytes)).into_bytes();
    let head = ["content-type: application/json", "transfer-encoding: chunked"];
    assert_eq!(raw::send(&app, "POST /api/auth/sign-out", &head, &chunked(LIMIT)).await.status, 200);
    let over = raw::send(&app, "POST /api/auth/sign-out", &head, &chunked(LIMIT + 1)).await;
    assert_eq!((over.status, over.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn unknown_keys_do_not_matter() {
    let app = App::start().await;
    let body = json!({ "name": "", "email": "jane@example.com", "password": crate::support::PASSWORD, "captcha": { "x": [1, 2, 3] }, "": null });
    app.program().post("/sign-up/email", &body).await.ok();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let app = App::start().await;
    let head = app.head().await;
    // The connection ends in the middle: nobody listens to the answer, but nothing may have happened.
    let mut stream = tokio::net::TcpStream::connect(app.address()).await.unwrap();
    let request = format!(
        "POST /api/auth/sign-in/anonymous HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{{}}",
        app.address()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    drop(stream);
    app.program().get("/ok").await.ok();
    assert_eq!(app.head().await, head);
}

/// On a connection that would go on: no `Connection: close` of the client's.
async fn ask_and_ask_again(app: &App, line: &str, headers: &str, body: &str) -> raw::RawAnswer {
    let head = format!("{line} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n\r\n", app.address());
    let again = format!("GET /api/auth/ok HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", app.address());
    raw::send_bytes(app, format!("{head}{body}{again}").as_bytes()).await
}

#[tokio::test]
async fn behind_a_body_that_was_not_read_the_connection_ends_and_says_so() {
    let app = App::start().await;
    let json = "content-type: application/json\r\n";
    // An API key that nobody gave is refused before anybody looks at a body.
    let bad_key = "x-api-key: sk_live_0123456789";
    let (refused, unread) = ("POST /api/auth/sign-out", "x".repeat(100));
    for (headers, status) in [
        (format!("{json}content-length: 10000000"), 413),
        (format!("{json}content-length: 10000000\r\n{bad_key}"), 401),
        (format!("{json}transfer-encoding: chunked\r\n{bad_key}"), 401),
    ] {
        let answer = ask_and_ask_again(&app, refused, &headers, &unread).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.head.contains("connection: close"), "{headers}: {answer:?}");
        assert!(!answer.body.contains("{\"ok\":true}"), "what stands in a body is no request: {answer:?}");
    }
    // A short one is read to its end and dropped, a long one that was read is no hindrance.
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LIMIT));
    let (short, admin) = ("{\"a\":1}", "POST /api/auth/banata/config/public");
    let chunked = format!("{:x}\r\n{short}\r\n0\r\n\r\n", short.len());
    for (line, headers, body, status) in [
        (refused, format!("{json}content-length: {}\r\n{bad_key}", short.len()), short, 401),
        (refused, format!("{json}transfer-encoding: chunked"), &*chunked, 200),
        (admin, format!("{json}content-length: {}", long.len()), &*long, 200),
    ] {
        let answer = ask_and_ask_again(&app, line, &headers, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.head.contains("connection: close"), "{headers}: {answer:?}");
        assert!(answer.body.ends_with("{\"ok\":true}"), "the next request is answered: {answer:?}");
    }
}
