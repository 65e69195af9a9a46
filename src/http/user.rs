//! The user's own account: profile, password, ways in, deletion (CONTRACT 3).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::forms;
use super::shape::{Account, STATUS_TRUE, Status, User};
use super::state::Http;
use super::who::Who;
use crate::app::AppError;
use crate::app::delete_user::Deleted;
use crate::app::update_user::ProfileForm;
use crate::wire::body::{Body, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::optional::Patch;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = user::UpdateForm)]
pub struct UpdateForm {
    #[serde(default)]
    name: Option<String>,
    /// `null` clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    image: Patch<String>,
    /// Merged key by key; a `null` removes its key. At most 16 KB in all.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

/// Fields of a user that only others decide.
const NOT_YOURS: [&str; 14] = [
    "id",
    "role",
    "isAnonymous",
    "emailVerified",
    "appMetadata",
    "banned",
    "banReason",
    "banExpires",
    "twoFactorEnabled",
    "createdAt",
    "updatedAt",
    "password",
    "lastActiveAt",
    "userId",
];
/// Changes name, image or metadata. Guests too.
#[utoipa::path(
    post, path = "/update-user", tag = "user",
    request_body = UpdateForm,
    responses(
        (status = 200, description = "Done", body = Status),
        (status = 400, description = "`NO_FIELDS_TO_UPDATE`, `EMAIL_CAN_NOT_BE_UPDATED`, `FIELD_NOT_ALLOWED`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
    )
)]
pub async fn update(State(http): State<Http>, who: Who, Body(form): Body<UpdateForm>) -> Result<Response, ApiError> {
    let presented = who.session()?;
    let refused = |code: &'static str, message: &'static str| ApiError::new(StatusCode::BAD_REQUEST, code, message);
    if form.others.contains_key("email") {
        return Err(refused("EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated"));
    }
    if NOT_YOURS.iter().chain(&forms::POISON).any(|field| form.others.contains_key(*field)) {
        return Err(refused("FIELD_NOT_ALLOWED", "This field can not be updated by the user"));
    }
    if form.metadata.as_ref().is_some_and(forms::poisoned) {
        return Err(refused("FIELD_NOT_ALLOWED", "metadata must not name __proto__, constructor or prototype"));
    }
    if form.name.is_none() && form.image.is_absent() && form.metadata.is_none() {
        return Err(refused("NO_FIELDS_TO_UPDATE", "No fields to update"));
    }
    let image = match form.image.into_change() {
        Some(Some(image)) => Some(forms::image(Some(image))?),
        other => other,
    };
    let profile = ProfileForm { name: forms::name(form.name)?, image, metadata: form.metadata };
    http.app.update_user(&who.caller, presented, profile).await?;
    Ok(Json(STATUS_TRUE).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangePasswordForm {
    current_password: String,
    new_password: String,
    #[serde(default)]
    revoke_other_sessions: Option<bool>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangedPassword {
    /// The session's new token when others were revoked; `null` otherwise.
    token: Option<String>,
    user: User,
}

/// A new password for whoever knows the present one.
#[utoipa::path(
    post, path = "/change-password", tag = "user",
    request_body = ChangePasswordForm,
    responses(
        (status = 200, description = "Done", body = ChangedPassword),
        (status = 400, description = "`INVALID_PASSWORD`, `CREDENTIAL_ACCOUNT_NOT_FOUND`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
    )
)]
pub async fn change_password(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<ChangePasswordForm>,
) -> Result<Response, ApiError> {
    let presented = who.session()?;
    let revoke_others = form.revoke_other_sessions.unwrap_or(false);
    let changed = http
        .app
        .change_password(&who.caller, presented, &form.current_password, &form.new_password, revoke_others)
        .await?;
    let user = User::new(changed.user.clone(), false);
    let token = revoke_others.then(|| changed.token.clone());
    let mut response = Json(ChangedPassword { token, user }).into_response();
    if changed.token != presented.token {
        http.give_session(&mut response, &who, &changed);
    }
    Ok(response)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetPasswordForm {
    new_password: String,
}

/// A password for a member who has none.
#[utoipa::path(
    post, path = "/set-password", tag = "user",
    request_body = SetPasswordForm,
    responses(
        (status = 200, description = "Done", body = Status),
        (status = 400, description = "`PASSWORD_ALREADY_SET`, `USER_IS_ANONYMOUS`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`EMAIL_NOT_VERIFIED`, `SESSION_NOT_FRESH`", body = ErrorBody),
    )
)]
pub async fn set_password(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<SetPasswordForm>,
) -> Result<Json<Status>, ApiError> {
    http.app.set_password(&who.caller, who.session()?, &form.new_password).await?;
    Ok(Json(STATUS_TRUE))
}

/// The caller's ways in. A guest has none.
#[utoipa::path(
    get, path = "/list-accounts", tag = "user",
    responses((status = 200, description = "Ways in", body = Vec<Account>), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn list_accounts(State(http): State<Http>, who: Who) -> Result<Json<Vec<Account>>, ApiError> {
    let accounts = http.app.list_accounts(who.session()?).await?;
    let shape = |account: crate::app::list_accounts::AccountView| Account {
        id: account.id.to_string(),
        provider_id: account.provider,
        account_id: account.subject,
        user_id: account.user.to_string(),
        scopes: account.scopes,
        created_at: account.created_at.into(),
        updated_at: account.updated_at.into(),
    };
    Ok(Json(accounts.into_iter().map(shape).collect()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = user::DeleteForm)]
pub struct DeleteForm {
    #[serde(default)]
    password: Option<String>,
    /// As mailed.
    #[serde(default)]
    token: Option<String>,
    /// Where the mailed link leads afterwards.
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DeletedBody {
    success: bool,
    message: &'static str,
}

const GONE: DeletedBody = DeletedBody { success: true, message: "User deleted" };
const MAILED: DeletedBody = DeletedBody { success: true, message: "Verification email sent" };

/// The caller goes, guest or member: by password, or in a session that authenticated within the fresh age; where it is so
/// configured, by the link that is mailed.
#[utoipa::path(
    post, path = "/delete-user", tag = "user",
    request_body = DeleteForm,
    responses(
        (status = 200, description = "Gone, or a link was mailed", body = DeletedBody),
        (status = 400, description = "`SESSION_EXPIRED`, `INVALID_PASSWORD`, `INVALID_TOKEN`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
    )
)]
pub async fn delete(State(http): State<Http>, who: Who, Body(form): Body<DeleteForm>) -> Result<Response, ApiError> {
    let presented = who.session()?;
    let callback = forms::callback_url(form.callback_url, &who)?.map(|url| url.as_str().to_owned());
    let (password, token) = (form.password.as_deref(), form.token.as_deref());
    match http.app.delete_user(&who.caller, presented, password, token, callback).await? {
        Deleted::Mailed => Ok(Json(MAILED).into_response()),
        Deleted::Gone => {
            let mut response = Json(GONE).into_response();
            http.delete_session(&mut response);
            Ok(response)
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct DeleteQuery {
    #[serde(default)]
    token: String,
    #[serde(default, rename = "callbackURL")]
    callback_url: Option<String>,
}

/// The mailed link, in a session of the same user.
#[utoipa::path(
    get, path = "/delete-user/callback", tag = "user",
    params(
        ("token" = String, Query, description = "As mailed; 24 hours, once"),
        ("callbackURL" = Option<String>, Query, description = "Where to go; without it the answer is JSON"),
    ),
    responses(
        (status = 200, description = "Gone", body = DeletedBody),
        (status = 302, description = "To `callbackURL`, with `?error=INVALID_TOKEN` on failure"),
        (status = 400, description = "`INVALID_TOKEN`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
    )
)]
pub async fn delete_by_link(
    State(http): State<Http>,
    who: Who,
    Query(query): Query<DeleteQuery>,
) -> Result<Response, ApiError> {
    let callback = forms::callback_url(query.callback_url, &who)?;
    let presented = who.session()?;
    let mut response = match (http.app.delete_by_link(&who.caller, presented, &query.token).await, callback) {
        (Ok(()), Some(callback)) => http.redirect_as_written(callback),
        (Ok(()), None) => Json(GONE).into_response(),
        (Err(AppError::Refused(refusal)), Some(callback)) => {
            return Ok(http.redirect_as_written(callback.with_param("error", ApiError::from(refusal).code())));
        }
        (Err(error), _) => return Err(error.into()),
    };
    http.delete_session(&mut response);
    Ok(response)
}
