//! Magic links (CONTRACT 5).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::again;
use super::forms::{self, Urls, navigates};
use super::shape::{STATUS_TRUE, Status};
use super::state::Http;
use super::who::Who;
use crate::app::challenge::Details;
use crate::app::magic_link::{Asked, Confirmed, Opened, Opener};
use crate::app::mailbox::Proven;
use crate::app::{AppError, Refusal};
use crate::wire::body::{Body, BodyOrForm, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::html::{Markup, Page};
use crate::wire::json_time::JsonTime;
use crate::wire::uri::encode_component;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = magic_link::AskForm)]
#[serde(rename_all = "camelCase")]
pub struct AskForm {
    #[schema(example = "jane@example.com")]
    email: String,
    /// For a new member.
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
    #[serde(default, rename = "newUserCallbackURL")]
    new_user_callback_url: Option<String>,
    #[serde(default, rename = "errorCallbackURL")]
    error_callback_url: Option<String>,
    /// For a new member.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Mails a link that signs in. A guest who asks for it becomes a member when it is opened in the same browser.
#[utoipa::path(
    post, path = "/sign-in/magic-link", tag = "member",
    request_body = AskForm,
    responses(
        (status = 200, description = "Asked for; the same for every address", body = Status),
        (status = 400, description = "`MAGIC_LINK_DISABLED`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 403, description = "`INVALID_CALLBACK_URL` and its like", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn ask(State(http): State<Http>, who: Who, Body(form): Body<AskForm>) -> Result<Response, ApiError> {
    let urls = Urls::parse(form.callback_url, form.new_user_callback_url, form.error_callback_url, &who)?;
    let details =
        Details { name: forms::name(form.name)?, metadata: forms::metadata(form.metadata)?, ..urls.details() };
    let asked = http.app.ask_for_magic_link(&who.caller, who.live(), &form.email, details).await?;
    let mut response = Json(STATUS_TRUE).into_response();
    if let Some(challenge) = asked {
        http.asked_cookie(&mut response, challenge);
    }
    Ok(response)
}

#[derive(Debug, Deserialize)]
pub struct OpenQuery {
    #[serde(default)]
    token: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
    #[serde(default, rename = "newUserCallbackURL")]
    new_user_callback_url: Option<String>,
    #[serde(default, rename = "errorCallbackURL")]
    error_callback_url: Option<String>,
}

/// Opens the link. In another browser than the one that asked for it, a page asks first.
#[utoipa::path(
    get, path = "/magic-link/verify", tag = "member",
    params(
        ("token" = String, Query, description = "As mailed; 10 minutes, once"),
        ("callbackURL" = Option<String>, Query, description = "Where to go; without it the answer is JSON"),
        ("newUserCallbackURL" = Option<String>, Query, description = "Where a new member goes instead"),
        ("errorCallbackURL" = Option<String>, Query, description = "Where to go when it does not work"),
    ),
    responses(
        (status = 200, description = "Signed in, without `callbackURL`; or the page that asks first", body = super::shape::SignedInBody),
        (status = 302, description = "To `callbackURL`, signed in; or with `?error=INVALID_TOKEN`, `new_user_signup_disabled`, `BANNED_USER`"),
        (status = 403, description = "`INVALID_CALLBACK_URL` and its like", body = ErrorBody),
    )
)]
pub async fn verify(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    Query(query): Query<OpenQuery>,
) -> Result<Response, ApiError> {
    open(&http, &who, query, navigates(&headers), None).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = magic_link::ConfirmForm)]
pub struct ConfirmForm {
    /// The guest who asked for the link becomes this member.
    #[serde(default)]
    bring: Option<String>,
}

/// What the page posts that asks first: only this uses the link up.
#[utoipa::path(
    post, path = "/magic-link/verify/confirm", tag = "member",
    request_body(content = ConfirmForm, content_type = "application/x-www-form-urlencoded"),
    params(("token" = String, Query, description = "As mailed")),
    responses((status = 302, description = "As for the link itself"))
)]
pub async fn confirm(
    State(http): State<Http>,
    who: Who,
    Query(query): Query<OpenQuery>,
    BodyOrForm(form): BodyOrForm<ConfirmForm>,
) -> Result<Response, ApiError> {
    let confirmed = Confirmed { bring: form.bring.is_some() };
    open(&http, &who, query, true, Some(confirmed)).await
}

async fn open(
    http: &Http,
    who: &Who,
    query: OpenQuery,
    navigates: bool,
    confirmed: Option<Confirmed>,
) -> Result<Response, ApiError> {
    let OpenQuery { token, callback_url, new_user_callback_url, error_callback_url } = query;
    let urls = Urls::parse(callback_url, new_user_callback_url, error_callback_url, who)?;
    let opener = Opener { presented: who.live(), claims: &who.claims, asked: &who.asked, navigates, confirmed };
    match http.app.open_magic_link(&who.caller, &token, opener).await {
        Ok(Opened::Proven(proven)) => Ok(signed_in(http, who, *proven, urls)),
        Ok(Opened::AskFirst(asked)) => Ok(ask_first(http, &token, &asked, &urls)),
        Err(AppError::Refused(refusal)) => {
            let response = http.redirect(urls.failed(error_of(refusal)));
            Ok(if refusal.rests_on_settings() { again::resting_on_settings(response) } else { response })
        }
        Err(error) => Err(error.into()),
    }
}

fn signed_in(http: &Http, who: &Who, proven: Proven, urls: Urls) -> Response {
    let Proven { signed_in, new_user, reclaimed } = proven;
    let place = if new_user { urls.new_user.or(urls.callback) } else { urls.callback };
    let mut response = match place {
        None => return http.proven(who, &signed_in, reclaimed),
        Some(place) if reclaimed => http.redirect(place.with_param("reclaimed", "true")),
        Some(place) => http.redirect(place),
    };
    http.give_session(&mut response, who, &signed_in);
    response
}

fn error_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::SignUpClosed => "new_user_signup_disabled",
        Refusal::MagicLinkDisabled => "MAGIC_LINK_DISABLED",
        Refusal::Banned => "BANNED_USER",
        // Unknown, used, expired, or the guest who asked is no guest any more: it leads nowhere.
        _ => "INVALID_TOKEN",
    }
}

/// Names the address and where the link was asked for, so that the reader knows whose it is. Its button posts the form.
fn ask_first(http: &Http, token: &str, asked: &Asked, urls: &Urls) -> Response {
    let mut action = format!("{}/magic-link/verify/confirm?token={}", super::BASE_PATH, encode_component(token));
    for (name, url) in
        [("callbackURL", &urls.callback), ("newUserCallbackURL", &urls.new_user), ("errorCallbackURL", &urls.error)]
    {
        if let Some(url) = url {
            action += &format!("&{name}={}", encode_component(url.as_str()));
        }
    }
    let mut body = Markup::new()
        .raw("<p>This link signs you in as <strong>")
        .text(&asked.email)
        .raw("</strong>. It was asked for at ")
        .text(&JsonTime::from(asked.at).to_string())
        .raw(" in another browser");
    if let Some(device) = device(&asked.user_agent) {
        body = body.raw(", on ").text(device);
    }
    body = body.raw(".</p><p>Go on only if that was you.</p><form method=\"post\" action=\"").text(&action).raw("\">");
    if asked.by_guest {
        body = body
            .raw("<p><label><input type=\"checkbox\" name=\"bring\" value=\"on\"> Bring along what I did there without an account. That browser is signed out.</label></p>");
    }
    let body = body.raw("<p><button type=\"submit\">Sign in</button></p></form>");
    let mut page = Page::new("Sign in?", body);
    for url in [&urls.callback, &urls.new_user, &urls.error].into_iter().flatten() {
        if let Some(origin) = url.origin() {
            page = page.form_may_lead_to(&origin);
        }
    }
    if let Some(app) = &http.app_origin {
        page = page.form_may_lead_to(app);
    }
    page.into_response()
}

/// The kind of device, as far as its user agent tells.
fn device(user_agent: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 7] = [
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Android", "an Android device"),
        ("Windows", "a Windows computer"),
        ("Macintosh", "a Mac"),
        ("CrOS", "a Chromebook"),
        ("Linux", "a Linux computer"),
    ];
    KINDS.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, kind)| *kind)
}
