//! What every request passes before its handler and after: an id, the limits, the origin rules, who is calling; and the
//! headers that every answer carries.
//!
//! One middleware rather than a stack of them: the order is part of the contract, and reads here from top to bottom. It
//! stands around the router and catches what panics inside, so that every answer is dressed alike.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::id::RequestId;
use chrysalis_domain::value::Carrier;
use futures_util::FutureExt;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, REFERRER_POLICY, SET_COOKIE, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tracing::Instrument;

use super::admin::impersonation;
use super::attempts::Asker;
use super::authority::Project;
use super::state::Http;
use super::unread::Rest;
use super::who::{Known, Standing, Who};
use super::{BASE_PATH, again, call};
use crate::app::identify::Presented;
use crate::app::{self, Caller};
use crate::entropy;
use crate::limits::{self, Authority, ClientAddress, Particulars, Rule, rule_for};
use crate::settings::Effective;
use crate::wire::body::BODY_LIMIT;
use crate::wire::cors::{self, Readers};
use crate::wire::csrf::{self, Head};
use crate::wire::error::ApiError;
use crate::wire::language;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Read by whoever checks a token, from whatever page.
const PUBLIC_KEYS: &str = "/jwks";
/// From a request's head to its answer: a body that trickles in is given up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest user agent that is kept, in bytes.
const USER_AGENT_MAX: usize = 512;

pub async fn gate(State(http): State<Http>, mut request: Request, next: Next) -> Response {
    let at = http.app.clock.now();
    let id = RequestId::from_ulid(entropy::ulid(http.app.entropy.as_ref(), at));
    let span = tracing::info_span!("request", %id);
    let timer = http.metrics.start(http.route(request.uri().path()).unwrap_or_default());
    let readers = if request.uri().path().strip_prefix(BASE_PATH) == Some(PUBLIC_KEYS) {
        Readers::Anybody
    } else {
        Readers::Trusted
    };
    let api = call(request.uri().path()).is_some();
    let settings = if api { settings(&http, Head::from(&request)).await } else { http.app.settings() };
    let allowed = cors::allowed_origin(&settings.origins, Head::from(&request), readers);

    let (verb, version, rest) = (request.method().clone(), request.version(), Rest::of(&mut request));
    // What is no path of ours may hold anything: it is not repeated.
    let path = http.route(request.uri().path());

    let answered = AssertUnwindSafe(answer(&http, Begun { id, at, settings }, request, next, allowed.as_ref()))
        .catch_unwind()
        .instrument(span.clone());
    let mut response = match tokio::time::timeout(TIMEOUT, answered).await {
        Ok(Ok(response)) => response,
        // A panic is our fault, not the caller's: the hook has told where, the answer is like any other.
        Ok(Err(_)) => ApiError::internal().into_response(),
        Err(_) => ApiError::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", "Request timed out").into_response(),
    };

    let status = response.status();
    tracing::debug!(parent: &span, %verb, path, status = status.as_u16(), "answered");
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED && api {
        // The router would have answered HEAD from GET; we don't.
        without_head(headers);
    }
    if rest.is_left() && version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if status.is_redirection() {
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    if api {
        cors::apply(headers, allowed.as_ref());
    }
    timer.stop(status);
    response
}

/// A call as it begins.
struct Begun {
    id: RequestId,
    at: chrysalis_domain::Timestamp,
    settings: Arc<Effective>,
}

/// The settings that a call goes by, as this node knows them. An origin that they don't trust may have been added a moment
/// ago, at another node: then they are asked for.
async fn settings(http: &Http, head: Head<'_>) -> Arc<Effective> {
    let known = http.app.settings();
    if !csrf::names_stranger(&known.origins, head) {
        return known;
    }
    http.app.settings.fresh().await.unwrap_or(known)
}

async fn answer(
    http: &Http,
    begun: Begun,
    mut request: Request,
    next: Next,
    allowed: Option<&HeaderValue>,
) -> Response {
    let path = request.uri().path().to_owned();
    let Some(path) = call(&path) else {
        // Nothing there is used up by being read: HEAD is GET without a body (RFC 9110, 9.3.2).
        return next.run(request).await;
    };
    if let Some(preflight) = cors::preflight(Head::from(&request), allowed, http.app.admission.asks()) {
        return preflight;
    }
    // The router says so, and nothing is counted, looked up or used.
    if *request.method() == Method::HEAD || http.is_wrong_verb(request.uri().path(), request.method()) {
        return head_is_no_get(request, next).await;
    }
    let at = begun.at;
    let caller = caller(http, begun, &request);
    let mut asker = Asker { address: caller.address, user: None };
    let route = http.route(request.uri().path()).and_then(call);
    let who = match admit(http, path, caller, &mut request).await {
        Ok(who) => who,
        Err(refused) => {
            let response = refused.into_response();
            http.count_failure(route, asker, &response);
            return response;
        }
    };
    asker.user = who.live().map(|presented| presented.row.user.user);
    let mut response = again::run(http, path, request, next, who.clone()).await;
    http.count_failure(route, asker, &response);
    if who.planted_cookies && !response.headers().contains_key(SET_COOKIE) {
        http.delete_session(&mut response);
    }
    // A session that lives longer than its cookie says is given to the browser again, whatever came of the call.
    if let Some(presented) = who.live()
        && presented.extended
        && presented.carrier == Carrier::Cookie
    {
        http.extend_cookie(&mut response, &presented.token, presented.row.expires_at, at);
    }
    response
}

/// Everything that may stand between a call and its handler, in the contract's order.
async fn admit(http: &Http, path: &str, caller: Caller, request: &mut Request) -> Result<Who, ApiError> {
    let post = *request.method() == Method::POST;
    let otp = post && path == TWO_STEPS && has_otp(request).await?;
    let rule = rule_for(path, Particulars { post, otp, by_key: false });
    // What is counted by address alone is counted before anything costs a look-up.
    let by_address = limits::Caller::at(caller.address);
    let limited =
        |refused: limits::RetryAfter| ApiError::rate_limited(u32::try_from(refused.seconds()).unwrap_or(u32::MAX));
    let early = !matches!(rule, Rule::Default | Rule::Password | Rule::Admin);
    if early {
        http.app.limits.admit(rule, &by_address, caller.at).map_err(limited)?;
    }
    let project = http.project(request.headers(), caller.at).await?;
    if let Project::Unknown = project {
        if !early {
            http.app.limits.admit(rule, &by_address, caller.at).map_err(limited)?;
        }
        return Err(ApiError::invalid_api_key());
    }
    let mut who = http.who(request.headers(), caller).await?;
    if !early {
        let rule = rule_for(path, Particulars { post, otp, by_key: who.valid_key().is_some() });
        let ids = Ids::of(&who);
        let counted = by_address.with_authority(ids.authority(rule, &who));
        http.app.limits.admit(rule, &counted, who.caller.at).map_err(limited)?;
    }
    csrf::check(&who.caller.settings.origins, Head::from(&*request), path, who.authorized)?;
    if who.live().is_some_and(Presented::is_impersonated) && impersonation::forbids(path) {
        return Err(ApiError::impersonation_not_allowed());
    }
    superseded_reads_only(path, request.method(), &mut who);
    // A path that is none uses nothing.
    if uses_session(path) && http.route(request.uri().path()).is_some() {
        let caller = who.caller.clone();
        let extend = !refresh_disabled(request.uri().query());
        if let Some(presented) = who.live_mut()
            && !http.app.touch(presented, &caller, extend).await
        {
            who.ended();
        }
        for key in who.valid_key().into_iter().chain(project.key()) {
            http.app.touch_key(key, &caller).await;
        }
    }
    Ok(Who(Arc::new(who)))
}

/// The ids by which a call may be counted, as text.
struct Ids {
    session: Option<String>,
    key: Option<String>,
}

impl Ids {
    fn of(who: &Known) -> Self {
        Self {
            session: who.live().map(|presented| presented.row.session.to_string()),
            key: who.valid_key().map(|key| key.id.to_string()),
        }
    }

    /// In whose name the call is counted: where administrators call, a key wins over a session.
    fn authority(&self, rule: Rule, who: &Known) -> Authority<'_> {
        match (&self.key, &self.session, who.live()) {
            (Some(key), ..) if rule == Rule::Admin => Authority::ApiKey(key),
            (_, Some(session), Some(presented)) if presented.is_guest() => Authority::Guest(session),
            (_, Some(session), Some(presented)) if app::authority::Authority::of_session(presented).is_some() => {
                Authority::Admin(session)
            }
            (_, Some(session), _) => Authority::Member(session),
            (_, None, _) => Authority::Nobody,
        }
    }
}

/// One path for two requests: with a code it is a guess, without one it asks for a mail.
const TWO_STEPS: &str = "/sign-in/email-otp";

/// Looks into the body, and puts it back. What does not read is for the handler to say.
async fn has_otp(request: &mut Request) -> Result<bool, ApiError> {
    let body = std::mem::take(request.body_mut());
    let bytes = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(ApiError::payload_too_large()),
        Err(_) => return Err(ApiError::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "The request body broke off")),
    };
    let fields: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&bytes).ok();
    *request.body_mut() = bytes.into();
    Ok(fields.is_some_and(|fields| fields.get("otp").is_some_and(|otp| !otp.is_null())))
}

/// A token that was rotated a moment ago is good for reading, for signing out, and for being told that the upgrade has
/// happened or that this is no time for a new guest; for everything else it is none (CONTRACT 2.3).
fn superseded_reads_only(path: &str, method: &Method, who: &mut Known) {
    let reads = *method == Method::GET && (path == "/get-session" || path.starts_with("/organization/"));
    let told = path.starts_with("/anonymous/upgrade")
        || matches!(path, "/delete-anonymous-user" | "/sign-out" | "/sign-in/anonymous");
    if matches!(who.standing, Standing::Superseded(_)) && !reads && !told {
        who.standing = Standing::Nobody;
    }
}

/// Whether the call uses the session it presents, as opposed to ending it or not caring.
fn uses_session(path: &str) -> bool {
    !matches!(path, "/sign-out" | "/ok" | "/error" | "/delete-anonymous-user" | "/delete-user" | "/revoke-sessions")
}

fn refresh_disabled(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "disableRefresh=true"))
}

fn caller(http: &Http, begun: Begun, request: &Request) -> Caller {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let forwarded = request.headers().get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let user_agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let user_agent = user_agent.map(|text| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect());
    Caller {
        request: begun.id,
        at: begun.at,
        settings: begun.settings,
        address: ClientAddress::of(peer, forwarded, &http.trusted_proxies),
        user_agent: user_agent.unwrap_or_default(),
        locale: language::preferred(request.headers(), &http.languages).unwrap_or(http.app.config.mail.locale),
    }
}

/// HEAD is refused wherever clients call and never runs a GET handler: it would use up links and make guests (CONTRACT 1.1).
async fn head_is_no_get(mut request: Request, next: Next) -> Response {
    if *request.method() != Method::HEAD {
        return next.run(request).await;
    }
    // The router knows which verbs the path has: asked with one that none has, it says so.
    *request.method_mut() = Method::TRACE;
    let mut response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response = ApiError::method_not_allowed().into_response();
    }
    response
}

fn without_head(headers: &mut HeaderMap) {
    let Some(allow) = headers.get(ALLOW).and_then(|value| value.to_str().ok()) else { return };
    let verbs: Vec<_> = allow.split(',').map(str::trim).filter(|verb| *verb != "HEAD").collect();
    if let Ok(value) = HeaderValue::from_str(&verbs.join(", ")) {
        headers.insert(ALLOW, value);
    }
}
