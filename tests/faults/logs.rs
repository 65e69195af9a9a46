//! What the process writes about itself names requests, and nobody.

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Answer, Client, Folder, PASSWORD, Server, case, eventually};

const EMAIL: &str = "miss.marple@st-mary-mead.example";
const NAME: &str = "Jane Marple";
const ADDRESS: &str = "203.0.113.77";
const WRONG: &str = "the butler did it, again";

/// A session of somebody we would know again, behind a proxy, mistakes included. Answers what must not be written down.
async fn a_session(server: &Server) -> (Vec<Answer>, Vec<String>) {
    let browser = server.browser();
    let mut answers = Vec::new();
    let mut ask = async |who: &Client, method: Method, path: &str, body: Value| {
        let body = (method == Method::POST).then_some(body);
        let answer = who.try_call(method, path, body, &[("x-forwarded-for", ADDRESS)]).await.unwrap();
        answers.push(answer.clone());
        answer
    };
    let credentials = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    let wrong = json!({"email": EMAIL, "password": WRONG});

    let guest = ask(&browser, Method::POST, "/api/auth/sign-in/anonymous", json!({})).await.ok();
    let member = ask(&browser, Method::POST, "/api/auth/anonymous/upgrade", credentials.clone()).await.ok();
    let app = server.app().bearing(&member.token());
    ask(&browser, Method::GET, "/api/auth/get-session", Value::Null).await.ok();
    ask(&app, Method::POST, "/api/auth/update-user", json!({"name": "Miss Jane Marple"})).await.ok();
    let elsewhere = ask(&server.browser(), Method::POST, "/api/auth/sign-in/email", credentials.clone()).await.ok();
    ask(&app, Method::POST, "/api/auth/change-password", json!({"currentPassword": PASSWORD, "newPassword": WRONG}))
        .await
        .ok();
    // What is refused and what is nonsense holds secrets too.
    ask(&server.browser(), Method::POST, "/api/auth/sign-in/email", wrong.clone()).await;
    ask(&server.browser(), Method::POST, "/api/auth/sign-up/email", credentials.clone()).await;
    ask(&server.browser(), Method::POST, "/api/auth/sign-in/email", json!([EMAIL, PASSWORD])).await;
    ask(
        &server.browser(),
        Method::POST,
        "/api/auth/sign-in/email",
        json!({"email": {"is": EMAIL}, "password": [PASSWORD]}),
    )
    .await;
    ask(&server.browser(), Method::GET, &format!("/api/auth/verify-email?token={}", member.token()), Value::Null).await;
    ask(&server.browser(), Method::GET, &format!("/api/auth/{EMAIL}/{PASSWORD}"), Value::Null).await;
    ask(&server.browser(), Method::POST, &format!("/api/auth/ok?email={EMAIL}"), json!({})).await;
    ask(&server.app().bearing("sk_live_0123456789"), Method::GET, "/api/auth/get-session", Value::Null).await;
    ask(&app, Method::POST, "/api/auth/sign-out", json!({})).await;

    let tokens = [guest.token(), member.token(), elsewhere.token()];
    let personal = [EMAIL, "marple", NAME, ADDRESS, PASSWORD, WRONG, "sk_live_0123456789"].map(str::to_owned);
    (answers, tokens.into_iter().chain(personal).collect())
}

/// The token in a mail of the outbox.
pub(super) async fn mailed_token(folder: &Folder) -> String {
    let outbox = folder.path().join("data/outbox");
    let mail = || {
        let files = std::fs::read_dir(&outbox).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut mails = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| serde_json::from_slice::<Value>(&std::fs::read(path).ok()?).ok());
        mails.find(|mail| mail["token"].is_string())
    };
    eventually("a mail was made", async || mail().is_some()).await;
    mail().unwrap()["token"].as_str().unwrap().to_owned()
}

fn is_request_id(text: &str) -> bool {
    text.strip_prefix("req_")
        .is_some_and(|id| id.len() == 26 && id.bytes().all(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&byte)))
}

#[test]
fn no_line_names_a_person_or_holds_a_secret() {
    case(async {
        let folder = Folder::new();
        // Everything that can be logged is.
        let server =
            Server::start_with(folder.path(), &["--set", "log.filter=trace", "--set", "trusted_proxies=127.0.0.1/32"]);
        let (answers, mut secrets) = a_session(&server).await;
        secrets.push(mailed_token(&folder).await);
        server.terminate();
        let (status, lines) = server.wait();
        assert!(status.success());

        for answer in &answers {
            let id = answer.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
            assert!(is_request_id(id), "{answer:?}");
        }
        for line in &lines {
            let shouted = line.to_lowercase();
            for secret in &secrets {
                assert!(!shouted.contains(&secret.to_lowercase()), "{secret:?} is in the line {line}");
            }
            let read: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the line {line}"));
            assert!(["timestamp", "level", "message"].iter().all(|field| read[field].is_string()), "{line}");
            if let Some(span) = read.get("span") {
                assert!(span["id"].as_str().is_some_and(is_request_id), "{line}");
            }
        }
    });
}
