//! What every request passes before its handler and after: an id, the limits, the origin rules, who is calling; and the
//! headers that every answer carries.
//!
//! Two middlewares rather than a stack of them: the order is part of the contract, and reads here from top to bottom. What
//! panics, a handler or [`admission`], is caught between the two, so that [`gate`] dresses that answer like any other.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::Timestamp;
use chrysalis_domain::id::RequestId;
use chrysalis_domain::value::Carrier;
use http::header::{ALLOW, CACHE_CONTROL, REFERRER_POLICY, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tracing::Instrument;

use super::BASE_PATH;
use super::state::Http;
use super::verbs::Verbs;
use super::who::{Standing, Who};
use crate::app::Caller;
use crate::entropy;
use crate::limits::{self, Authority, ClientAddress, Particulars, Rule, rule_for};
use crate::wire::cors::{self, Readers};
use crate::wire::csrf::{self, Head};
use crate::wire::error::ApiError;

/// A request as the gate let it in.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    id: RequestId,
    at: Timestamp,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest user agent that is kept, in bytes.
const USER_AGENT_MAX: usize = 512;

pub async fn gate(State((http, verbs)): State<(Http, Verbs)>, mut request: Request, next: Next) -> Response {
    let at = http.app.clock.now();
    let id = RequestId::from_ulid(entropy::ulid(http.app.entropy.as_ref(), at));
    let span = tracing::info_span!("request", %id);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let timer = http.metrics.start(route.as_ref().map(MatchedPath::as_str), request.method());
    let allowed = cors::allowed_origin(&http.origins, Head::from(&request), Readers::Trusted);
    let api = request.uri().path().strip_prefix(BASE_PATH).is_some_and(|rest| rest.starts_with('/'));

    // The router answers HEAD from GET, and has done so by the time a layer could change its mind: it would use up links
    // and make guests. So HEAD goes no further, on whatever path.
    let mut response = if *request.method() == Method::HEAD {
        ApiError::method_not_allowed().into_response()
    } else if let Some(preflight) = api.then(|| cors::preflight(Head::from(&request), allowed.as_ref())).flatten() {
        preflight
    } else {
        request.extensions_mut().insert(Arrival { id, at });
        next.run(request).instrument(span).await
    };

    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, verbs.allow(route.as_ref()));
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

/// The limits, the origin rules and who is calling, for the clients' calls.
pub async fn admission(State(http): State<Http>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let arrival = request.extensions().get::<Arrival>().copied();
    let (Some(path), Some(Arrival { id, at })) = (path.strip_prefix(BASE_PATH).filter(|rest| rest.starts_with('/')), arrival) else {
        return next.run(request).await;
    };
    let caller = caller(&http, id, at, &request);
    match admit(&http, path, caller, &mut request).await {
        Ok(()) => {}
        Err(refused) => return refused.into_response(),
    }
    let who = request.extensions().get::<Who>().cloned();
    let mut response = next.run(request).await;
    // A session that lives longer than its cookie says is given to the browser again, whatever came of the call.
    if let Some(presented) = who.as_ref().and_then(Who::live) {
        if presented.extended && presented.carrier == Carrier::Cookie {
            http.extend_cookie(&mut response, &presented.token, presented.row.expires_at, at);
        }
    }
    response
}

/// Everything that may stand between a call and its handler, in the contract's order.
async fn admit(http: &Http, path: &str, caller: Caller, request: &mut Request) -> Result<(), ApiError> {
    let post = *request.method() == Method::POST;
    let rule = rule_for(path, Particulars { post, otp: false, by_key: false });
    // What is counted by address alone is counted before anything costs a look-up.
    let by_address = limits::Caller::at(caller.address);
    let limited = |refused: limits::RetryAfter| ApiError::rate_limited(u32::try_from(refused.seconds()).unwrap_or(u32::MAX));
    let early = !matches!(rule, Rule::Default | Rule::Password);
    if early {
        http.app.limits.admit(rule, &by_address, caller.at).map_err(limited)?;
    }
    // Until keys exist, whatever names a project by key names none that we know.
    if request.headers().contains_key("x-api-key") {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "INVALID_API_KEY", "Invalid API key"));
    }
    let mut who = http.who(request.headers(), caller).await?;
    if !early {
        let session = who.live().map(|presented| presented.row.session.to_string());
        let authority = match (&session, who.live()) {
            (Some(session), Some(presented)) if presented.is_guest() => Authority::Guest(session),
            (Some(session), _) => Authority::Member(session),
            (None, _) => Authority::Nobody,
        };
        http.app.limits.admit(rule, &by_address.with_authority(authority), who.caller.at).map_err(limited)?;
    }
    csrf::check(&http.origins, Head::from(&*request), path, who.authorized)?;
    superseded_reads_only(path, request.method(), &mut who);
    // A path that is none uses nothing.
    if request.extensions().get::<MatchedPath>().is_some() && uses_session(path) {
        let caller = who.caller.clone();
        let extend = !refresh_disabled(request.uri().query());
        if let Some(presented) = who.live_mut() {
            http.app.touch(presented, &caller, extend).await;
        }
    }
    request.extensions_mut().insert(who);
    Ok(())
}

/// A token that was rotated a moment ago is good for reading, for signing out, and for being told that the upgrade has
/// happened or that this is no time for a new guest; for everything else it is none (CONTRACT 2.3).
fn superseded_reads_only(path: &str, method: &Method, who: &mut Who) {
    let reads = *method == Method::GET && (path == "/get-session" || path.starts_with("/organization/"));
    let told = path.starts_with("/anonymous/upgrade") || matches!(path, "/sign-in/anonymous" | "/delete-anonymous-user" | "/sign-out");
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

fn caller(http: &Http, request_id: RequestId, at: Timestamp, request: &Request) -> Caller {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let forwarded = request.headers().get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let user_agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let user_agent = user_agent.map(|text| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect());
    Caller {
        request: request_id,
        at,
        address: ClientAddress::of(peer, forwarded, &http.trusted_proxies),
        user_agent: user_agent.unwrap_or_default(),
    }
}
