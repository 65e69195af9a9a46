//! A user's sessions, seen and ended. Their tokens are never shown.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{UserIdForm, denied};
use crate::http::forms;
use crate::http::shape::{SUCCESS, Session, Success};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};

const LIST: &str = "YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS";
const REVOKE: &str = "YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS";

/// The same list under two names, for two clients.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = admin_sessions::Sessions)]
pub struct Sessions {
    sessions: Vec<Session>,
    data: Vec<Session>,
}

/// The live sessions of a user, newest first.
#[utoipa::path(
    post, path = "/admin/list-user-sessions", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "Sessions", body = Sessions),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_LIST_USERS_SESSIONS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn list(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Sessions>, ApiError> {
    let authority = who.authority_or(Permission::SessionsRead, denied(LIST))?;
    let form: UserIdForm = authority.read(form)?;
    let sessions = http.app.sessions_of(&who.caller, form.id()?).await?;
    let sessions: Vec<_> = sessions.into_iter().map(|session| Session::new(session, None)).collect();
    Ok(Json(Sessions { data: sessions.clone(), sessions }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = admin_sessions::RevokeForm)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeForm {
    #[serde(default)]
    session_id: Option<String>,
    /// As the admin plugin has it: what a list shows as the token, or the token itself.
    #[serde(default)]
    session_token: Option<String>,
}

/// Ends one session of whomever. One that is not there: nothing happens.
#[utoipa::path(
    post, path = "/admin/revoke-user-session", tag = "admin",
    request_body = RevokeForm,
    responses(
        (status = 200, description = "Done", body = Success),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn revoke(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Success>, ApiError> {
    let authority = who.authority_or(Permission::SessionsRevoke, denied(REVOKE))?;
    let form: RevokeForm = authority.read(form)?;
    let named = match (form.session_id, form.session_token) {
        (Some(named), None) | (None, Some(named)) => named,
        (None, None) => return Err(forms::unfit("sessionId", "Required")),
        (Some(_), Some(_)) => return Err(forms::unfit("sessionToken", "can't stand beside sessionId")),
    };
    http.app.end_session(&who.caller, &authority, &named).await?;
    Ok(Json(SUCCESS))
}

/// Ends every session of a user.
#[utoipa::path(
    post, path = "/admin/revoke-user-sessions", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "Done", body = Success),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_REVOKE_USERS_SESSIONS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn revoke_all(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Success>, ApiError> {
    let authority = who.authority_or(Permission::SessionsRevoke, denied(REVOKE))?;
    let form: UserIdForm = authority.read(form)?;
    http.app.end_sessions(&who.caller, &authority, form.id()?).await?;
    Ok(Json(SUCCESS))
}
