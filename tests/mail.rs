//! Mails as a real mail server gets them.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chrysalis_domain::Span;
use serde_json::{Value, json};

use crate::clients;
use crate::support::{App, Client};

const JANE: &str = "jane@example.com";
/// What has not come by then does not come.
const OVERDUE: Duration = Duration::from_secs(20);

/// A mail server of npm's, and what it says of the mails that it was offered.
struct MailServer {
    port: u64,
    said: Receiver<Value>,
    process: Child,
    _input: ChildStdin,
}

impl MailServer {
    fn start(account: Option<(&str, &str)>) -> Self {
        clients::install();
        let mut command = Command::new("node");
        command.current_dir(clients::home()).arg("mail_server.js").stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((user, password)) = account {
            command.env("SMTP_USER", user).env("SMTP_PASSWORD", password);
        }
        let mut process = command.spawn().expect("node runs; ./test installs it");
        let (output, input) = (process.stdout.take().unwrap(), process.stdin.take().unwrap());
        let (say, said) = channel::<Value>();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = say.send(serde_json::from_str(&line).unwrap());
            }
        });
        let port = said.recv_timeout(OVERDUE).unwrap()["port"].as_u64().unwrap();
        Self { port, said, process, _input: input }
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    async fn next(&self) -> Value {
        let waited = std::time::Instant::now();
        loop {
            match self.said.try_recv() {
                Ok(said) => return said,
                Err(_) => assert!(waited.elapsed() < OVERDUE, "no mail came"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn ask(caller: &Client, email: &str) {
    caller.post("/sign-in/magic-link", &json!({ "email": email })).await.ok();
}

#[tokio::test]
async fn a_mail_arrives_as_text_and_html() {
    let server = MailServer::start(None);
    let app =
        App::with(&[("smtp.url", &server.url()), ("mail.from", "Waldi <hello@waldi.example>"), ("app_name", "Waldi")])
            .await;
    let browser = app.browser();
    let guest = browser.arrive().await;
    ask(&browser, JANE).await;
    let mail = server.next().await;
    assert_eq!((&mail["to"], &mail["subject"]), (&json!(JANE), &json!("Your link to sign in to Waldi")));
    assert_eq!(mail["from"], "\"Waldi\" <hello@waldi.example>");
    assert_eq!(mail["automatic"], "auto-generated");
    let id = mail["id"].as_str().unwrap();
    assert!(id.starts_with("<mail_") && id.ends_with("@waldi.example>"), "{id}");
    let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    let link = text.lines().find(|line| line.starts_with(app.origin())).unwrap().trim();
    let plain = html.replace("&#x2f;", "/").replace("&amp;", "&");
    assert!(plain.contains(&format!("href=\"{link}\"")), "{html}");
    let answer = browser.at(crate::support::Method::GET, link.strip_prefix(app.origin()).unwrap()).await.ok();
    assert_eq!(answer["user"]["id"], guest["user"]["id"]);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_later() {
    let server = MailServer::start(None);
    let app = App::with(&[("smtp.url", &server.url())]).await;
    ask(&app.program(), "busy-2@example.com").await;
    assert_eq!(server.next().await["busy"], true);
    app.until("MailDeferred", 1).await;
    app.pass(Span::from_secs(5));
    assert_eq!(server.next().await["busy"], true);
    app.until("MailDeferred", 2).await;
    ask(&app.program(), JANE).await;
    assert_eq!(server.next().await["to"], JANE, "one that waits holds up no other");
    app.pass(Span::from_secs(20));
    assert_eq!(server.next().await["to"], "busy-2@example.com");
    app.head().await;
}

#[tokio::test]
async fn a_mail_that_is_refused_is_given_up() {
    let server = MailServer::start(None);
    let app = App::with(&[("smtp.url", &server.url())]).await;
    ask(&app.program(), "refused@example.com").await;
    assert_eq!(server.next().await["refused"], true);
    app.head().await;
    assert_eq!(app.types().await.last().unwrap(), "MailGivenUp");
}

/// A link that is of no use any more is not sent.
#[tokio::test]
async fn what_came_too_late_is_given_up() {
    let server = MailServer::start(None);
    let app = App::with(&[("smtp.url", &server.url())]).await;
    ask(&app.program(), "busy-9@example.com").await;
    assert_eq!(server.next().await["busy"], true);
    app.until("MailDeferred", 1).await;
    app.pass(Span::from_secs(600));
    app.head().await;
    assert_eq!(app.types().await.last().unwrap(), "MailGivenUp");
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_sends() {
    let server = MailServer::start(Some(("chrysalis", "s3cret/p@ss")));
    let url = format!("smtp://chrysalis:s3cret%2Fp%40ss@127.0.0.1:{}", server.port);
    let app = App::with(&[("smtp.url", &url)]).await;
    ask(&app.program(), JANE).await;
    assert_eq!(server.next().await["to"], JANE);
}

#[tokio::test]
async fn while_there_is_no_server_everything_else_goes_on() {
    let server = MailServer::start(None);
    let url = server.url();
    drop(server);
    let app = App::with(&[("smtp.url", &url)]).await;
    let browser = app.browser();
    browser.arrive().await;
    browser.upgrade(JANE).await;
    assert_eq!(browser.session().await["user"]["isAnonymous"], false);
    app.until("MailDeferred", 1).await;
}

#[tokio::test]
async fn an_operators_own_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("en")).unwrap();
    std::fs::write(folder.path().join("en/magic-link.txt"), "Subject: Psst\n\nHere: {{ url }}\n").unwrap();
    let server = MailServer::start(None);
    let templates = folder.path().to_str().unwrap();
    let app = App::with(&[("smtp.url", &server.url()), ("mail.templates", templates)]).await;
    ask(&app.program(), JANE).await;
    let mail = server.next().await;
    assert_eq!(mail["subject"], "Psst");
    assert!(mail["text"].as_str().unwrap().starts_with("Here: http"));
    app.program().sign_up("jill@example.com").await;
    assert_eq!(
        server.next().await["subject"],
        "Confirm your e-mail address",
        "what is not there ships with the program"
    );
}
