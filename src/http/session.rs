//! Sessions: reading the current one, listing, ending (CONTRACT 2.1, 3).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::admin::impersonation::AdminCookie;
use super::forms::Nothing;
use super::shape::{STATUS_TRUE, SUCCESS, Session, SessionAndUser, Status, Success, User};
use super::state::Http;
use super::who::{Standing, Who};
use crate::app::identify::{Identity, Presented};
use crate::app::view::UserView;
use crate::wire::body::Body;
use crate::wire::cookie::CookieKind;
use crate::wire::cors::SET_AUTH_JWT;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::jar::Jar;

/// The current session and its user, or `null`. No session is no error.
#[utoipa::path(
    get, path = "/get-session", tag = "session",
    params(("disableRefresh" = Option<String>, Query, description = "`true`: leave the session's end as it is")),
    responses((status = 200, description = "The session and its user, or `null`", body = Option<SessionAndUser>))
)]
pub async fn get(State(http): State<Http>, who: Who) -> Result<Response, ApiError> {
    let seen = |presented: &Presented, hidden: bool| -> Result<(Response, UserView), ApiError> {
        let (session, user) = http.app.view(&presented.row)?;
        let session = Session::new(session, Some(&presented.token));
        let body = SessionAndUser { session, user: User::new(user.clone(), hidden) };
        Ok((Json(body).into_response(), user))
    };
    match &who.standing {
        Standing::Live(presented) => {
            let renewed = match http.app.renewed(&who.caller, presented).await {
                Ok(Some(Identity::Superseded(late))) => return seen(&late, true).map(|(response, _)| response),
                Ok(Some(Identity::Live(renewed))) => Some(renewed),
                Ok(_) => None,
                // The session is read all the same, and renewed the next time.
                Err(error) => {
                    tracing::warn!(%error, "a session was not renewed");
                    None
                }
            };
            let presented = renewed.as_ref().unwrap_or(presented);
            let (mut response, user) = seen(presented, false)?;
            if renewed.is_some() {
                http.give_session(&mut response, &who, &http.app.signed_in_as(&presented.row, &presented.token)?);
            }
            match http.token_for(&who, &presented.row, &user).await {
                Ok(token) => drop(response.headers_mut().insert(SET_AUTH_JWT, token)),
                // The session is read all the same.
                Err(error) => tracing::error!(%error, "no token was made"),
            }
            Ok(response)
        }
        Standing::Superseded(presented) => seen(presented, true).map(|(response, _)| response),
        Standing::Nobody | Standing::Expired(_) => {
            let mut response = Json(()).into_response();
            if who.dead_cookies {
                http.delete_session(&mut response);
            }
            Ok(response)
        }
    }
}

/// Ends the session and deletes the cookies. Needs no session.
#[utoipa::path(
    post, path = "/sign-out", tag = "session",
    responses((status = 200, description = "Signed out", body = Success))
)]
pub async fn sign_out(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    Body(_): Body<Nothing>,
) -> Result<Response, ApiError> {
    let jar = Jar::parse(&headers, &http.cookies);
    if let Some(own) = AdminCookie::of(&jar, &http) {
        // Whoever acted as a user from this browser leaves it altogether.
        http.app.sign_out_by_token(&who.caller, &own.token).await?;
    }
    match &who.standing {
        // The token of a moment ago ends its session too: signing out must always work.
        Standing::Live(presented) | Standing::Superseded(presented) => {
            http.app.sign_out(&who.caller, presented).await?
        }
        Standing::Expired(_) | Standing::Nobody => {}
    }
    let mut response = Json(SUCCESS).into_response();
    http.delete_session(&mut response);
    if jar.has(CookieKind::AdminSession) {
        http.delete(&mut response, CookieKind::AdminSession);
    }
    for state in jar.states() {
        http.delete(&mut response, CookieKind::State(state));
    }
    Ok(response)
}

/// The live sessions of the caller, newest first.
#[utoipa::path(
    get, path = "/list-sessions", tag = "session",
    responses((status = 200, description = "Live sessions", body = Vec<Session>), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn list(State(http): State<Http>, who: Who) -> Result<Json<Vec<Session>>, ApiError> {
    let presented = who.session()?;
    let sessions = http.app.list_sessions(&who.caller, presented).await?;
    let own = |session: &crate::app::view::SessionView| {
        (session.id == presented.row.session).then_some(presented.token.as_str())
    };
    let shapes = sessions.into_iter().map(|session| {
        let token = own(&session);
        Session::new(session, token)
    });
    Ok(Json(shapes.collect()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = session::RevokeForm)]
pub struct RevokeForm {
    /// A session's token or its id.
    token: String,
}

/// Ends one session of the caller. Somebody else's, or none: nothing happens, and nothing is told.
#[utoipa::path(
    post, path = "/revoke-session", tag = "session",
    request_body = RevokeForm,
    responses((status = 200, description = "Done", body = Status), (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn revoke(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<RevokeForm>,
) -> Result<Json<Status>, ApiError> {
    http.app.revoke_session(&who.caller, who.session()?, &form.token).await?;
    Ok(Json(STATUS_TRUE))
}

/// Ends every session of the caller, this one included.
#[utoipa::path(
    post, path = "/revoke-sessions", tag = "session",
    responses((status = 200, description = "Done", body = Status), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn revoke_all(State(http): State<Http>, who: Who, Body(_): Body<Nothing>) -> Result<Response, ApiError> {
    http.app.revoke_sessions(&who.caller, who.session()?, false).await?;
    let mut response = Json(STATUS_TRUE).into_response();
    http.delete_session(&mut response);
    Ok(response)
}

/// Ends every session of the caller but this one.
#[utoipa::path(
    post, path = "/revoke-other-sessions", tag = "session",
    responses((status = 200, description = "Done", body = Status), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn revoke_others(
    State(http): State<Http>,
    who: Who,
    Body(_): Body<Nothing>,
) -> Result<Json<Status>, ApiError> {
    http.app.revoke_sessions(&who.caller, who.session()?, true).await?;
    Ok(Json(STATUS_TRUE))
}
