//! Social sign-in: away to a provider, and back (CONTRACT 2.4, 4).

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chrysalis_domain::challenge::Intent;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{self, Urls};
use super::shape::{STATUS_TRUE, Session, SignedInBody, Status, Transfer, User};
use super::state::Http;
use super::who::Who;
use crate::app::social::{Callback, Completed, Failed, Home, IdToken, SocialError, SocialRefusal, Wish};
use crate::app::unlink::Account;
use crate::app::{AppError, Refusal};
use crate::social::are_scopes;
use crate::wire::body::{Body, BodyOrForm, Query};
use crate::wire::callback::CallbackUrl;
use crate::wire::cookie::{CookieKind, FLOW_MAX_AGE, StateSuffix};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::jar::Jar;
use crate::wire::uri::encode_component;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocialForm {
    #[schema(example = "google")]
    provider: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
    /// Where a new member goes instead.
    #[serde(default, rename = "newUserCallbackURL")]
    new_user_callback_url: Option<String>,
    /// Where to go when it does not work.
    #[serde(default, rename = "errorCallbackURL")]
    error_callback_url: Option<String>,
    /// No `Location`: the app goes to `url` by itself.
    #[serde(default)]
    disable_redirect: Option<bool>,
    /// Besides those that reading a name and an address takes.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    login_hint: Option<String>,
    /// From a native app, instead of going there.
    #[serde(default)]
    id_token: Option<IdTokenForm>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct IdTokenForm {
    token: String,
    /// With which the app asked for it.
    #[serde(default)]
    nonce: Option<String>,
}

/// Where to go. With an id token there is nowhere to go: then it says what came of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Away {
    url: String,
    redirect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<bool>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SocialBody {
    redirect: bool,
    token: Option<String>,
    user: User,
    session: Option<Session>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<Transfer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reclaimed: Option<bool>,
}

/// Longest hint of who will sign in: an address, usually.
const HINT_MAX: usize = 255;

/// Sends the browser to a provider, or signs in with an id token. A guest whose identity is new becomes a member in place.
#[utoipa::path(
    post, path = "/sign-in/social", tag = "member",
    request_body = SocialForm,
    responses(
        (status = 200, description = "Where to go; with an id token, signed in", body = SocialBody),
        (status = 401, description = "`INVALID_TOKEN`, `OAUTH_LINK_ERROR`, with an id token", body = ErrorBody),
        (status = 403, description = "`INVALID_CALLBACK_URL` and its like", body = ErrorBody),
        (status = 404, description = "`PROVIDER_NOT_FOUND`, `ID_TOKEN_NOT_SUPPORTED`", body = ErrorBody),
        (status = 429, description = "Too often", body = ErrorBody),
    )
)]
pub async fn sign_in(State(http): State<Http>, who: Who, Body(form): Body<SocialForm>) -> Result<Response, ApiError> {
    go(&http, &who, form, Intent::SignIn).await
}

/// Sends a guest to a provider, to come back as a member.
#[utoipa::path(
    post, path = "/anonymous/upgrade-with-social", tag = "guest",
    request_body = SocialForm,
    responses(
        (status = 200, description = "Where to go", body = Away),
        (status = 400, description = "`USER_IS_NOT_ANONYMOUS`", body = ErrorBody),
        (status = 401, description = "`ANONYMOUS_SESSION_EXPIRED`, `UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`INVALID_CALLBACK_URL` and its like", body = ErrorBody),
        (status = 404, description = "`PROVIDER_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`SOCIAL_ACCOUNT_ALREADY_LINKED`, `EMAIL_ALREADY_IN_USE`, with an id token", body = ErrorBody),
    )
)]
pub async fn upgrade(State(http): State<Http>, who: Who, Body(form): Body<SocialForm>) -> Result<Response, ApiError> {
    if !who.upgrading()?.is_guest() {
        return Err(super::refusal::not_anonymous());
    }
    go(&http, &who, form, Intent::Upgrade).await
}

/// Adds a way in to a member's account. By a guest it is an upgrade.
#[utoipa::path(
    post, path = "/link-social", tag = "user",
    request_body = SocialForm,
    responses(
        (status = 200, description = "Where to go; with an id token `{url: \"\", status: true, redirect: false}`", body = Away),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
        (status = 404, description = "`PROVIDER_NOT_FOUND`, `ID_TOKEN_NOT_SUPPORTED`", body = ErrorBody),
        (status = 409, description = "`SOCIAL_ACCOUNT_ALREADY_LINKED`", body = ErrorBody),
    )
)]
pub async fn link(State(http): State<Http>, who: Who, Body(form): Body<SocialForm>) -> Result<Response, ApiError> {
    let intent = if who.session()?.is_guest() { Intent::Upgrade } else { Intent::Link };
    go(&http, &who, form, intent).await
}

async fn go(http: &Http, who: &Who, form: SocialForm, intent: Intent) -> Result<Response, ApiError> {
    let urls = Urls::parse(form.callback_url, form.new_user_callback_url, form.error_callback_url, who)?;
    if let Some(id_token) = &form.id_token {
        return by_id_token(http, who, &form.provider, id_token, intent).await;
    }
    let scopes = form.scopes.unwrap_or_default();
    if !are_scopes(&scopes) {
        return Err(forms::unfit("scopes", "takes at most 20 scopes, of ASCII without spaces, quotes and backslashes"));
    }
    let hint = form.login_hint.as_deref().filter(|hint| !hint.is_empty());
    if hint.is_some_and(|hint| hint.chars().count() > HINT_MAX) {
        return Err(forms::unfit("loginHint", "takes at most 255 characters"));
    }
    let wish = Wish { intent, provider: &form.provider, details: urls.details(), scopes: &scopes, login_hint: hint };
    let begun = http.app.begin_social(&who.caller, who.live(), wish).await?;
    let redirect = !form.disable_redirect.unwrap_or(false);
    let mut response = Json(Away { url: begun.url.clone(), redirect, status: None }).into_response();
    // Still 200: the client goes there by itself.
    if let (true, Ok(place)) = (redirect, HeaderValue::from_str(&begun.url)) {
        response.headers_mut().insert(LOCATION, place);
    }
    http.state_cookie(&mut response, &begun.state, FLOW_MAX_AGE);
    Ok(response)
}

async fn by_id_token(
    http: &Http,
    who: &Who,
    provider: &str,
    form: &IdTokenForm,
    intent: Intent,
) -> Result<Response, ApiError> {
    let id_token = IdToken { intent, provider, token: &form.token, nonce: form.nonce.as_deref() };
    let completed = http.app.by_id_token(&who.caller, who.live(), &who.claims, id_token).await.map_err(said)?;
    let Completed { signed_in, reclaimed, .. } = completed;
    let Some(signed_in) = signed_in else {
        return Ok(Json(Away { url: String::new(), redirect: false, status: Some(true) }).into_response());
    };
    let SignedInBody { token, user, session, transfer } = signed_in.clone().into();
    let reclaimed = reclaimed.then_some(true);
    let mut response = Json(SocialBody { redirect: false, token, user, session, transfer, reclaimed }).into_response();
    http.give_session(&mut response, who, &signed_in);
    Ok(response)
}

/// What is a code in a redirect is an error by itself here.
fn said(error: SocialError) -> ApiError {
    let refusal = match error {
        SocialError::App(error @ AppError::Refused(Refusal::InvalidToken)) => {
            return ApiError::from(error).with_status(StatusCode::UNAUTHORIZED);
        }
        SocialError::App(error) => return error.into(),
        SocialError::Refused(refusal) => refusal,
    };
    match refusal {
        SocialRefusal::LinkedToAnother => Refusal::AlreadyLinked.into(),
        SocialRefusal::EmailInUse => Refusal::EmailInUse.into(),
        SocialRefusal::SignUpDisabled => Refusal::SignUpClosed.into(),
        SocialRefusal::Banned => Refusal::Banned.into(),
        SocialRefusal::StateNotFound | SocialRefusal::StateMismatch => ApiError::unauthorized(),
        SocialRefusal::EmailDoesNotMatch => ApiError::new(
            StatusCode::FORBIDDEN,
            "EMAIL_DOES_NOT_MATCH",
            "The provider's address is not the account's; see account_linking.different_emails",
        ),
        _ => ApiError::new(StatusCode::UNAUTHORIZED, "OAUTH_LINK_ERROR", "The identity could not be linked"),
    }
}

/// What a provider's redirect brings. Anything else in it is nobody's.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CallbackForm {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    user: Option<String>,
}

/// The browser comes back from a provider.
#[utoipa::path(
    get, path = "/callback/{provider}", tag = "member",
    params(
        ("provider" = String, Path, description = "As in the request that began it"),
        ("state" = Option<String>, Query, description = "10 minutes, once, in the same browser"),
        ("code" = Option<String>, Query, description = "From the provider"),
        ("iss" = Option<String>, Query, description = "RFC 9207"),
        ("error" = Option<String>, Query, description = "From the provider"),
    ),
    responses((status = 302, description = "To `callbackURL`, signed in; or to `errorCallbackURL`, `callbackURL` or `/error` with `?error=`"))
)]
pub async fn returned(
    State(http): State<Http>,
    who: Who,
    Path(provider): Path<String>,
    headers: HeaderMap,
    query: Result<Query<CallbackForm>, ApiError>,
) -> Result<Response, ApiError> {
    // A query that does not read is answered as the contract says: by a redirect.
    let Ok(Query(form)) = query else { return Ok(lost(&http, &SocialRefusal::InvalidCallback)) };
    let Some(state) = form.state.as_deref().filter(|state| !state.is_empty()) else {
        return Ok(lost(&http, &SocialRefusal::StateNotFound));
    };
    let cookie = StateSuffix::of(state).map(CookieKind::State);
    let jar = Jar::parse(&headers, &http.cookies);
    let has_cookie = cookie.is_some_and(|kind| jar.verified(kind, &http.signer).iter().any(|value| value == state));
    let callback = Callback {
        provider: &provider,
        state,
        has_cookie,
        code: form.code.as_deref(),
        error: form.error.as_deref(),
        iss: form.iss.as_deref(),
        user: form.user.as_deref(),
    };
    let mut response = match http.app.social_returned(&who.caller, who.live(), &who.claims, callback).await {
        Ok((completed, home)) => arrived(&http, &who, completed, home),
        Err(failed) => astray(&http, *failed)?,
    };
    if let Some(kind) = cookie.filter(|_| has_cookie) {
        http.delete(&mut response, kind);
    }
    Ok(response)
}

fn arrived(http: &Http, who: &Who, completed: Completed, home: Home) -> Response {
    let Completed { signed_in, new_user, reclaimed } = completed;
    let place = home.new_user_callback_url.filter(|_| new_user).or(home.callback_url);
    let place = place.map_or_else(CallbackUrl::root, CallbackUrl::stored);
    let place = if reclaimed { place.with_param("reclaimed", "true") } else { place };
    let mut response = http.redirect_as_written(place);
    if let Some(signed_in) = signed_in {
        http.give_session(&mut response, who, &signed_in);
    }
    response
}

/// Nothing came of it: a code for the app, where one is told of it.
fn astray(http: &Http, failed: Failed) -> Result<Response, ApiError> {
    let Failed { error, home } = failed;
    let refusal = match error {
        SocialError::Refused(refusal) => refusal,
        SocialError::App(AppError::Refused(Refusal::SessionNotLive)) => SocialRefusal::UnableToCreateSession,
        SocialError::App(AppError::Refused(_)) => SocialRefusal::UnableToLink,
        // The store is away: that is said as everywhere else.
        SocialError::App(error) => return Err(error.into()),
    };
    Ok(match home.error_url {
        Some(place) => http.redirect_as_written(CallbackUrl::stored(place).with_param("error", refusal.code())),
        None => lost(http, &refusal),
    })
}

/// To the page of this server that says so.
fn lost(http: &Http, refusal: &SocialRefusal) -> Response {
    let page = CallbackUrl::ours(&http.app.config.public, &format!("{}/error", super::BASE_PATH));
    http.redirect_as_written(page.with_param("error", refusal.code()))
}

/// As Apple comes back. A cross-site POST brings no cookies of ours, so the browser is sent on by GET, with what is known of
/// such a redirect and nothing else.
#[utoipa::path(
    post, path = "/callback/{provider}", tag = "member",
    request_body(content = CallbackForm, content_type = "application/x-www-form-urlencoded"),
    params(("provider" = String, Path, description = "As in the request that began it")),
    responses((status = 302, description = "To the same by GET"))
)]
pub async fn posted(
    State(http): State<Http>,
    Path(provider): Path<String>,
    form: Result<BodyOrForm<CallbackForm>, ApiError>,
) -> Result<Response, ApiError> {
    let form = match form {
        Ok(BodyOrForm(form)) => form,
        Err(error) if error.status() == StatusCode::BAD_REQUEST => {
            return Ok(lost(&http, &SocialRefusal::InvalidCallback));
        }
        Err(error) => return Err(error),
    };
    let provider = encode_component(&provider).to_string();
    let page = CallbackUrl::ours(&http.app.config.public, &format!("{}/callback/{provider}", super::BASE_PATH));
    let fields =
        [("code", form.code), ("state", form.state), ("iss", form.iss), ("error", form.error), ("user", form.user)];
    let said = fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let place = said.fold(page, |place, (name, value)| place.with_param(name, &value));
    Ok(http.redirect_as_written(place))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnlinkForm {
    /// As `/list-accounts` has it in `id`.
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    provider_id: Option<String>,
}

/// Gives up a way in, never the last one.
#[utoipa::path(
    post, path = "/unlink-account", tag = "user",
    request_body = UnlinkForm,
    responses(
        (status = 200, description = "Done", body = Status),
        (status = 400, description = "`ACCOUNT_NOT_FOUND`, `FAILED_TO_UNLINK_LAST_ACCOUNT`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`SESSION_NOT_FRESH`", body = ErrorBody),
    )
)]
pub async fn unlink(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<UnlinkForm>,
) -> Result<Json<Status>, ApiError> {
    let presented = who.session()?;
    let account = match (&form.account_id, &form.provider_id) {
        (Some(id), _) => Account::Id(id),
        (None, Some(provider)) => Account::Provider(provider),
        (None, None) => return Err(forms::unfit("accountId", "is required")),
    };
    http.app.unlink(&who.caller, presented, account).await?;
    Ok(Json(STATUS_TRUE))
}
