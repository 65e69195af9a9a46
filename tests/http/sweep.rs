//! Every route with every kind of garbage: a typed refusal or an honest answer, never a 5xx, and nothing changes.

use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use reqwest::header::COOKIE;
use serde_json::json;

use super::transport::ROUTES;
use crate::support::{App, Method, SESSION};

/// What means something somewhere.
const FRAGMENTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "1e999",
    "-0",
    "\\u0000",
    "\\ud800",
    "email",
    "password",
    "token",
    "name",
    "metadata",
    "callbackURL",
    "usr_",
    "ses_",
    "clm_",
    "0123456789ABCDEFGHJKMNPQRS",
    "sk_live_",
    "Bearer",
    ".",
    "%",
    "%00",
    "%ff",
    "%2e",
    "=",
    ";",
    "&",
    "?",
    "../",
    "'--",
    "__proto__",
    "\u{1f511}",
    "\u{fc}",
    " ",
];

/// What somebody might send; the same in every run.
struct Chance(TestRunner);

impl Chance {
    fn draw<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }

    fn pick<T: Copy + std::fmt::Debug + 'static>(&mut self, among: &'static [T]) -> T {
        self.draw(select(among))
    }

    /// Fragments in any order.
    fn text(&mut self, longest: usize) -> String {
        self.draw(proptest::collection::vec(select(FRAGMENTS), 0..=longest)).concat()
    }

    /// The same, as it may stand in a header.
    fn header(&mut self, longest: usize) -> String {
        self.text(longest).chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
    }

    fn query(&mut self) -> String {
        let text = self.text(6).replace(['#', ' '], "+");
        self.pick(&["token=", "callbackURL=", "disableRefresh=", "channel=", "error=", ""]).to_owned() + &text
    }
}

/// What may be told of a call that nobody who is anybody made.
fn is_typed(status: u16) -> bool {
    matches!(status, 200 | 302 | 400 | 401 | 403 | 405 | 413 | 415 | 422)
}

#[tokio::test]
async fn every_route_with_every_kind_of_garbage() {
    let app = App::with(&[("rate_limits", "off"), ("anonymous.enabled", "off")]).await;
    let member = app.program().sign_up("jane@example.com").await;
    let token = member["token"].as_str().unwrap();
    let signed =
        app.bearer(token).post("/sign-in/anonymous", &json!({})).await.header("set-auth-token").unwrap().to_owned();
    let head = app.head().await;
    let mut chance = Chance(TestRunner::deterministic());
    let rounds = if crate::long() { 400 } else { 25 };
    for round in 0..rounds {
        for (path, verbs) in ROUTES {
            let verb = chance.pick(verbs);
            let mut call = app
                .program()
                .at(Method::from_bytes(verb.as_bytes()).unwrap(), &format!("/api/auth{path}?{}", chance.query()));
            // One character off is as good as garbage.
            call = match round % 4 {
                0 => call.header(COOKIE.as_str(), &format!("{SESSION}=x{signed}; {}", chance.header(6))),
                1 => call.header(COOKIE.as_str(), &format!("{SESSION}={}", chance.header(8))),
                2 => call.header("authorization", &format!("Bearer x{token}{}", chance.header(2))),
                _ => call.header("authorization", &chance.header(8)),
            };
            call = call
                .header("origin", app.origin())
                .header("idempotency-key", &chance.header(8))
                .header("x-forwarded-for", &chance.header(4));
            if verb == "POST" {
                let kind = chance.pick(&[
                    "application/json",
                    "application/json",
                    "application/x-www-form-urlencoded",
                    "text/plain",
                    "x",
                ]);
                call = call.body(kind, chance.text(12));
            }
            let answer = call.await;
            assert!(is_typed(answer.status), "round {round}: {verb} {path}: {answer:?}");
        }
    }
    assert_eq!(app.head().await, head, "something changed");
}

#[tokio::test]
async fn every_field_with_every_type() {
    let app = App::with(&[("rate_limits", "off")]).await;
    let guest = app.program().arrive().await;
    let caller = app.bearer(guest["token"].as_str().unwrap());
    let head = app.head().await;
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e300),
        json!(""),
        json!("\u{0}\u{202e}"),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({ "id": "x" }),
    ];
    let fields = [
        ("/anonymous/upgrade", vec!["email", "password", "name", "image", "callbackURL", "rememberMe"]),
        ("/sign-up/email", vec!["email", "password", "name", "image", "callbackURL", "rememberMe"]),
        ("/sign-in/email", vec!["email", "password", "callbackURL", "rememberMe"]),
        ("/change-password", vec!["currentPassword", "newPassword", "revokeOtherSessions"]),
        ("/revoke-session", vec!["token"]),
    ];
    for (path, fields) in fields {
        for field in fields {
            for value in &values {
                let answer = caller.post(path, &json!({ field: value })).await;
                assert!(is_typed(answer.status), "{path} {field} {value}: {answer:?}");
            }
        }
    }
    assert_eq!(app.head().await, head);
}
