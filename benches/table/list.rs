//! Administrators among millions of users: pages of the list, near its beginning and deep in it, and a clean-up rehearsed.

use std::time::Instant;

use chrysalis::app::admin::rehearse::rehearse;
use chrysalis::clock::{Clock, SystemClock};
use chrysalis::followers::models;
use chrysalis_domain::Span;

use crate::fill::{self, Store};
use crate::http::Connection;
use crate::process::Server;
use crate::report::short;
use crate::{Bench, Result, median, pace};

/// The first API key of the server.
const KEY: &str = "sk_test_0123456789abcdefghijklmnopqrstuv";
/// Pages asked for in a second: more than a hall of administrators does.
const RATE: f64 = 20.0;
const ROWS: usize = 100;
/// Rows in front of the thousandth page.
const DEEP: usize = 999 * ROWS;

/// `on` says on which store.
pub fn measure(bench: &mut Bench, store: &Store, on: &str) -> Result<()> {
    rehearsed(bench, store, on)?;
    let mut keys = store.keys.clone();
    keys.push(("bootstrap_api_key", KEY.to_owned()));
    let server = Server::chrysalis_with(&store.data, &keys)?;
    let cookie = administrator(&server)?;
    let now = SystemClock.now().as_millis();
    let guests = format!(r#""filter":{{"isAnonymous":true,"lastActiveBefore":{now}}}"#);
    let users = short(store.guests as f64);
    let by_offset = |query: &str| {
        format!(
            "GET /api/auth/admin/list-users?limit={ROWS}&{query} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n"
        )
    };
    let filter = format!("filterField=lastActiveAt&filterOperator=lt&filterValue={now}");
    let all = "\"order\":\"desc\"";
    for (what, request) in [
        ("first page", by_cursor(&server, all, 0)?),
        ("thousandth page, by cursor", by_cursor(&server, all, DEEP)?),
        ("guests who were last active before a time, first page", by_cursor(&server, &guests, 0)?),
        ("the same, thousandth page, by cursor", by_cursor(&server, &guests, DEEP)?),
        ("thousandth page, by offset", by_offset(&format!("offset={DEEP}"))),
        (
            "guests, thousandth page, by offset",
            by_offset(&format!("offset={DEEP}&filterField=isAnonymous&filterValue=true")),
        ),
        ("last active before a time, thousandth page, by offset", by_offset(&format!("offset={DEEP}&{filter}"))),
        ("by last activity, thousandth page, by offset", by_offset(&format!("offset={DEEP}&sortBy=lastActiveAt"))),
    ] {
        let request = request.as_bytes();
        let rounds =
            (0..bench.rounds).map(|_| Ok(pace::run(server.address, RATE, bench.time, |_| request)?.percentile(99.0)));
        let p99 = median(rounds.collect::<Result<Vec<_>>>()?);
        let what = format!("{on}`/admin/list-users` among {users} users: {what}, p99");
        bench.report.at_most(&what, format!("{} ms", short(p99)), p99, 20.0, " ms");
    }
    Ok(())
}

/// Reads what no server has folded yet, then rehearses as if half a year had passed.
fn rehearsed(bench: &mut Bench, store: &Store, on: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (folding, took) = runtime.block_on(async {
        let log = fill::opened(store).await?;
        let begun = Instant::now();
        models::fold_the_rest(log.clone()).await?;
        let folding = begun.elapsed();
        let mut took = Vec::new();
        for _ in 0..bench.rounds {
            let begun = Instant::now();
            let later = SystemClock.now() + Span::from_days(180);
            let said = rehearse(log.as_ref(), Span::from_days(30), later, 20).await?;
            took.push(begun.elapsed().as_secs_f64());
            if said.would_delete < store.guests as u64 {
                return Err(format!("{} guests would be deleted of {}", said.would_delete, store.guests).into());
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((folding, median(took)))
    })?;
    let guests = short(store.guests as f64);
    println!("the read models that follow, of {guests} guests, in {:.0} s", folding.as_secs_f64());
    let what = format!("{on}a clean-up rehearsed over {guests} guests");
    bench.report.at_most(&what, format!("{} s", short(took)), took, 5.0, " s");
    Ok(())
}

/// The cookie of an administrator's session.
fn administrator(server: &Server) -> Result<String> {
    let mut connection = Connection::open(server.address)?;
    let account =
        r#"{"email":"ada@example.com","password":"correct horse battery staple","name":"Ada","role":"admin"}"#;
    // A store that was kept has one already.
    connection.ask(posted("admin/create-user", account).as_bytes())?;
    let sign_in = r#"{"email":"ada@example.com","password":"correct horse battery staple"}"#;
    let answer = connection.ask(posted("sign-in/email", sign_in).as_bytes())?;
    let cookies = answer.head.lines().filter_map(|line| line.split_once(':'));
    let mut set = cookies.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, cookie)| cookie.trim());
    let session = set.find(|cookie| cookie.contains("session_token=")).and_then(|cookie| cookie.split(';').next());
    Ok(session.ok_or_else(|| format!("no administrator: {}", String::from_utf8_lossy(answer.body)))?.to_owned())
}

/// The request for the page behind so many rows, found by walking there.
fn by_cursor(server: &Server, asked: &str, rows: usize) -> Result<String> {
    let mut connection = Connection::open(server.address)?;
    let page = |after: &str| posted("admin/list-users", &format!(r#"{{"limit":{ROWS},{asked}{after}}}"#));
    let mut after = String::new();
    for _ in 0..rows / ROWS {
        let answer = connection.ask(page(&after).as_bytes())?;
        let said: serde_json::Value = serde_json::from_slice(answer.body)?;
        let last =
            said["listMetadata"]["after"].as_str().ok_or_else(|| format!("the list ends early: {}", answer.status))?;
        after = format!(r#","after":"{last}""#);
    }
    Ok(page(&after))
}

fn posted(path: &str, body: &str) -> String {
    let authorized =
        if path.starts_with("admin/") { format!("authorization: Bearer {KEY}\r\n") } else { String::new() };
    let length = body.len();
    format!(
        "POST /api/auth/{path} HTTP/1.1\r\nhost: localhost\r\n{authorized}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}
