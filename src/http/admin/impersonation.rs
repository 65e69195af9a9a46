//! Acting as a user, and being oneself again: the browser's cookies are swapped, and the administrator's own is kept
//! aside, signed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::Permission;
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Serialize;
use utoipa::ToSchema;

use super::{UserIdForm, denied};
use crate::app::admin::Stopped;
use crate::app::identify::Presented;
use crate::app::new_session::SignedIn;
use crate::http::forms::Nothing;
use crate::http::shape::{Session, SessionAndUser, User};
use crate::http::state::Http;
use crate::http::who::{Standing, Who};
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::cookie::CookieKind;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::jar::Jar;

const IMPERSONATE: &str = "YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS";

/// Calls that change how a user gets in, or that somebody signs in by: none of them for whoever acts as the user. What
/// the user decides would refuse them too; here they are refused before anything is looked at.
const FORBIDDEN: [&str; 18] = [
    "/anonymous/*",
    "/delete-anonymous-user",
    "/delete-user*",
    "/sign-up/*",
    "/sign-in/email*",
    "/sign-in/social",
    "/sign-in/magic-link",
    "/magic-link/*",
    "/email-otp/*",
    "/link-social",
    "/unlink-account",
    "/change-email*",
    "/change-password",
    "/set-password",
    "/reset-password",
    "/reset-password/confirm",
    "/verify-email*",
    "/callback/*",
];

/// Whether the call is none for whoever acts as a user. `path` is relative to the base path.
pub fn forbids(path: &str) -> bool {
    FORBIDDEN.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == *pattern,
    })
}

/// The administrator's own session, as the browser keeps it meanwhile.
pub struct AdminCookie {
    pub token: String,
    /// It ends with the browser.
    not_remembered: bool,
}

impl AdminCookie {
    /// Of two, one was planted: both count as none.
    pub fn of(jar: &Jar<'_>, http: &Http) -> Option<Self> {
        let values = jar.verified(CookieKind::AdminSession, &http.signer);
        let [value] = values.as_slice() else { return None };
        let (token, not_remembered) = value.split_once(':')?;
        Some(Self { token: token.to_owned(), not_remembered: !not_remembered.is_empty() })
    }

    fn value(presented: &Presented) -> String {
        format!("{}:{}", presented.token, if presented.row.remembered { "" } else { "true" })
    }
}

/// Opens a session in which the caller acts as a user, for an hour. In a browser it takes the place of the caller's own; by
/// key the token is in the answer.
#[utoipa::path(
    post, path = "/admin/impersonate-user", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "The session, and the user", body = SessionAndUser),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_IMPERSONATE_USERS`, `YOU_CANNOT_IMPERSONATE_ADMINS`, `BANNED_USER`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn start(State(http): State<Http>, who: Who, Body(form): AdminBody<Fields>) -> Result<Response, ApiError> {
    let authority = who.authority_or(Permission::UsersImpersonate, denied(IMPERSONATE))?;
    let form: UserIdForm = authority.read(form)?;
    let own = who.live().filter(|_| authority.admin().is_some());
    let session = own.map(|own| own.row.session);
    let acting = http.app.impersonate(&who.caller, &authority, session, form.id()?).await?;
    let mut response = Json(seen(&acting)).into_response();
    if let Some(own) = own {
        let life = own.row.remembered.then(|| own.row.expires_at.since(who.caller.at));
        let kept = http.cookies.set(CookieKind::AdminSession, &AdminCookie::value(own), life, &http.signer);
        response.headers_mut().append(SET_COOKIE, kept);
        http.give_session(&mut response, &who, &acting);
    }
    Ok(response)
}

/// `null` where there is no session to go back to.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Back {
    session: Option<Session>,
    user: Option<User>,
}

/// Ends the session in which the caller acts as a user, also when its hour is over, and goes back to their own.
#[utoipa::path(
    post, path = "/admin/stop-impersonating", tag = "admin",
    responses(
        (status = 200, description = "The administrator's own session", body = Back),
        (status = 400, description = "`NOT_IMPERSONATING`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
    )
)]
pub async fn stop(
    State(http): State<Http>,
    who: Who,
    headers: HeaderMap,
    Body(_): AdminBody<Nothing>,
) -> Result<Response, ApiError> {
    let presented = match &who.standing {
        Standing::Live(presented) | Standing::Expired(presented) => presented,
        Standing::Superseded(_) | Standing::Nobody => return Err(ApiError::unauthorized()),
    };
    let jar = Jar::parse(&headers, &http.cookies);
    let own = AdminCookie::of(&jar, &http);
    let stopped =
        http.app.stop_impersonating(&who.caller, presented, own.as_ref().map(|own| own.token.as_str())).await?;
    let back = match &stopped {
        Stopped::Back(back) => {
            let SessionAndUser { session, user } = seen(back);
            Back { session: Some(session), user: Some(user) }
        }
        Stopped::Out => Back::default(),
    };
    let mut response = Json(back).into_response();
    match (stopped, own) {
        (Stopped::Back(back), Some(own)) => {
            let back = SignedIn { remembered: !own.not_remembered, ..*back };
            http.give_session(&mut response, &who, &back);
        }
        _ => http.delete_session(&mut response),
    }
    if jar.has(CookieKind::AdminSession) {
        http.delete(&mut response, CookieKind::AdminSession);
    }
    Ok(response)
}

fn seen(signed_in: &SignedIn) -> SessionAndUser {
    let session = Session::new(signed_in.session.clone(), Some(&signed_in.token));
    SessionAndUser { session, user: User::new(signed_in.user.clone(), false) }
}

#[cfg(test)]
mod tests {
    use super::forbids;

    #[test]
    fn whoever_acts_as_a_user_reads_and_does_no_more_to_the_account() {
        for path in [
            "/anonymous/upgrade",
            "/anonymous/upgrade-with-social",
            "/anonymous/transfer",
            "/anonymous/recovery",
            "/change-password",
            "/change-email",
            "/link-social",
            "/sign-in/email",
            "/sign-in/email-otp",
            "/delete-user",
            "/verify-email/confirm",
        ] {
            assert!(forbids(path), "{path}");
        }
        for path in [
            "/get-session",
            "/sign-out",
            "/sign-in/anonymous",
            "/list-sessions",
            "/update-user",
            "/token",
            "/admin/stop-impersonating",
            "/organization/list",
        ] {
            assert!(!forbids(path), "{path}");
        }
    }
}
