//! Everything that is held of a user, for taking away (CONTRACT 9).

use std::io;

use axum::body::Body as Streamed;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrysalis_domain::Permission;
use futures_util::stream::{self, StreamExt};
use http::header::CONTENT_TYPE;

use super::UserIdForm;
use crate::app::admin::export::{Export, UserExport};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};

/// Everything that is held of a user: profile, ways in, memberships, invitations, sessions, whatever was said of them, and
/// the audit trail, in which this call stands. Written while it is read, so it can break off where the store does.
#[utoipa::path(
    post, path = "/admin/users/export", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "All of it", body = UserExport),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `users.read`, `sessions.read` and `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn export(State(http): State<Http>, who: Who, Body(form): AdminBody<Fields>) -> Result<Response, ApiError> {
    // It tells what all three tell.
    for permission in [Permission::SessionsRead, Permission::AuditRead] {
        who.authority(permission)?;
    }
    let authority = who.authority(Permission::UsersRead)?;
    let form: UserIdForm = authority.read(form)?;
    let mut export = http.app.export_user(&who.caller, &authority, form.id()?).await?;
    // What is refused or fails at once is answered as such.
    let first = export.part().await?.unwrap_or_default();
    let text = stream::iter([Ok::<_, io::Error>(first)]).chain(stream::unfold(export, part));
    Ok(([(CONTENT_TYPE, "application/json")], Streamed::from_stream(text)).into_response())
}

async fn part(mut export: Export) -> Option<(io::Result<String>, Export)> {
    match export.part().await {
        Ok(text) => Some((Ok(text?), export)),
        // The connection breaks off: half a document must not look like a whole one.
        Err(error) => {
            tracing::error!(%error, "an export breaks off");
            Some((Err(io::Error::other("the store failed")), export))
        }
    }
}
