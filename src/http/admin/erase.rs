//! Somebody is erased, and it is said afterwards that they were (CONTRACT 9).

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use chrysalis_domain::id::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{UserIdForm, denied, id_of};
use crate::app::admin::Erased;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::json_time::JsonTime;

const DELETE: &str = "YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS";

/// That somebody was erased.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    #[schema(value_type = String)]
    user_id: UserId,
    /// Under whose key everything personal of the user was sealed.
    person_id: Option<String>,
    erased_at: JsonTime,
    /// `requested` by the user, by an `administrator`, or `anonymous_max_age`: by a clean-up.
    reason: &'static str,
    was_anonymous: bool,
    by: ErasedBy,
    /// Sealed records that the user's events name: each is destroyed.
    records_destroyed: u64,
    event: ErasingEvent,
    /// What the log certifies of it: a statement that it signed, and the proof that the event is in it. `chrysalis audit
    /// check-proof` checks it with nothing but the log's key. Null where nothing can be signed at the moment: ask again.
    certificate: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErasedBy {
    /// `user`, `admin`, `system` or `api_key`.
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
}

/// The event of the log that says so.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErasingEvent {
    id: String,
    position: u64,
    /// Its hash in the log's tree, in hexadecimal digits.
    leaf: String,
}

impl Erasure {
    async fn of(http: &Http, erased: Erased) -> Self {
        let certificate = match http.app.certificate(&erased).await {
            Ok(certificate) => Some(certificate.to_string()),
            // It happened all the same.
            Err(fault) => {
                tracing::warn!(%fault, "an erasure can't be certified at the moment");
                None
            }
        };
        let recorded = &erased.recorded;
        Self {
            user_id: erased.user,
            person_id: erased.person.map(|person| person.to_string()),
            erased_at: erased.at().into(),
            reason: erased.reason.name(),
            was_anonymous: erased.was_guest,
            by: ErasedBy { kind: recorded.actor_type.clone(), id: recorded.actor_id.clone() },
            records_destroyed: erased.records,
            event: ErasingEvent {
                id: recorded.event_id.clone(),
                position: recorded.position,
                leaf: recorded.leaf().iter().map(|byte| format!("{byte:02x}")).collect(),
            },
            certificate,
        }
    }
}

/// Erases a user: their sessions end, their key and all that is sealed under it are destroyed. Who was erased before stays
/// so, and the answer is the same, certificate included.
#[utoipa::path(
    post, path = "/admin/users/erase", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "Erased", body = Erasure),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key; `YOU_CANNOT_REMOVE_YOURSELF`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `users.delete`, of guests `guests.delete`; `YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
        (status = 429, description = "More than 10 members in 10 minutes by a key without `users.delete.bulk`", body = ErrorBody),
    )
)]
pub async fn erase(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Erasure>, ApiError> {
    // Whoever may remove members may remove guests.
    let authority = who
        .authority_or(Permission::GuestsDelete, denied(DELETE))
        .or_else(|_| who.authority_or(Permission::UsersDelete, denied(DELETE)))?;
    let form: UserIdForm = authority.read(form)?;
    let erased = http.app.erase_user(&who.caller, &authority, form.id()?).await?;
    Ok(Json(Erasure::of(&http, erased).await))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasureQuery {
    user_id: String,
}

/// That a user was erased, whoever asked for it: a clean-up, an administrator or the user.
#[utoipa::path(
    get, path = "/admin/users/erasure", tag = "admin",
    params(("userId" = String, Query, description = "User id")),
    responses(
        (status = 200, description = "Erased", body = Erasure),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`: `audit.read`; `FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`; `USER_NOT_ERASED` where the user is there", body = ErrorBody),
    )
)]
pub async fn erasure(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<ErasureQuery>, ApiError>,
) -> Result<Json<Erasure>, ApiError> {
    who.authority(Permission::AuditRead)?;
    let Query(query) = query?;
    let erased = http.app.erased(id_of(&query.user_id)?).await?;
    Ok(Json(Erasure::of(&http, erased).await))
}
