//! The development outbox: mails that nobody sends, shown to whoever develops. Only with `serve --dev`, which is refused
//! unless everything is on loopback; and even then only to a browser on this very machine, asking by its own name.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json};
use http::HeaderMap;
use http::header::HOST;
use serde::Deserialize;
use url::{Host, Url};

use super::state::Http;
use crate::mail::Outbox;
use crate::wire::body::Query;
use crate::wire::error::ApiError;
use crate::wire::html::{Markup, Page};
use crate::wire::json_time::JsonTime;

pub fn routes(outbox: Outbox) -> Router<Http> {
    Router::new()
        .route("/dev/mail", get(page))
        .route("/dev/mail.json", get(list))
        .layer(from_fn(only_here))
        .layer(Extension(outbox))
}

/// A page of somebody else's, or a request that came through a proxy, finds nothing here.
async fn only_here(request: Request, next: Next) -> Response {
    if is_here(request.headers()) { next.run(request).await } else { ApiError::not_found().into_response() }
}

fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // As browsers read it, and as a whole: `[::1]evil.example` must not do for `[::1]`.
    let named = Url::parse(&format!("http://{host}/")).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    let forwarded = headers
        .keys()
        .any(|name| matches!(name.as_str(), "forwarded" | "via") || name.as_str().starts_with("x-forwarded-"));
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    named && !forwarded && matches!(site, None | Some(b"none" | b"same-origin"))
}

#[derive(Debug, Default, Deserialize)]
struct ListQuery {
    #[serde(default)]
    to: Option<String>,
}

/// One mail, as programs read it.
#[derive(Debug, serde::Serialize)]
struct MailShape {
    kind: String,
    to: String,
    subject: String,
    url: Option<String>,
    token: Option<String>,
    otp: Option<String>,
    at: Option<JsonTime>,
}

async fn list(
    State(_): State<Http>,
    Extension(outbox): Extension<Outbox>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<MailShape>>, ApiError> {
    let mails = outbox.list(query.to.as_deref()).map_err(unreadable)?;
    let shape = |mail: crate::mail::Kept| MailShape {
        kind: mail.kind,
        to: mail.to,
        subject: mail.subject,
        url: mail.url,
        token: mail.token,
        otp: mail.otp,
        at: JsonTime::from_millis(mail.at).ok(),
    };
    Ok(Json(mails.into_iter().map(shape).collect()))
}

async fn page(Extension(outbox): Extension<Outbox>) -> Result<Page, ApiError> {
    let mut body =
        Markup::new().raw("<h1>Outbox</h1><p>No mail server is configured: these mails were kept, not sent.</p><ul>");
    for mail in outbox.list(None).map_err(unreadable)?.into_iter().rev() {
        body = body.raw("<li>").text(&mail.subject).raw(" to <strong>").text(&mail.to).raw("</strong>");
        if let Some(url) = &mail.url {
            body = body.raw(": <a href=\"").text(url).raw("\">").text(url).raw("</a>");
        }
        body = body.raw("</li>");
    }
    Ok(Page::new("Outbox", body.raw("</ul>")))
}

fn unreadable(error: std::io::Error) -> ApiError {
    tracing::error!(%error, "the outbox can't be read");
    ApiError::internal()
}
