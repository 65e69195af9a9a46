//! Users one by one: read, made, changed, removed.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::roles::RoleForm;
use super::{AdminUser, UserBody, UserIdForm, denied, id_of};
use crate::app::admin::{NewUser, UserChanges};
use crate::app::{AppError, Refusal};
use crate::http::forms;
use crate::http::shape::{STATUS_TRUE, SUCCESS, Status, Success};
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::optional::Patch;

const GET: &str = "YOU_ARE_NOT_ALLOWED_TO_GET_USER";
const CREATE: &str = "YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS";
const UPDATE: &str = "YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS";
const DELETE: &str = "YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS";
const PASSWORD: &str = "YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetQuery {
    id: String,
}

/// One user, as the admin plugin asks.
#[utoipa::path(
    get, path = "/admin/get-user", tag = "admin",
    params(("id" = String, Query, description = "User id")),
    responses(
        (status = 200, description = "The user", body = AdminUser),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_GET_USER`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn get(
    State(http): State<Http>,
    who: Who,
    query: Result<Query<GetQuery>, ApiError>,
) -> Result<Json<AdminUser>, ApiError> {
    who.authority_or(Permission::UsersRead, denied(GET))?;
    let Query(query) = query?;
    Ok(Json(http.app.get_user(id_of(&query.id)?).await?.into()))
}

/// One user, by key.
#[utoipa::path(
    post, path = "/admin/get-user", tag = "admin",
    request_body = UserIdForm,
    responses(
        (status = 200, description = "The user", body = AdminUser),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn get_by_post(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<AdminUser>, ApiError> {
    let authority = who.authority_or(Permission::UsersRead, denied(GET))?;
    let form: UserIdForm = authority.read(form)?;
    Ok(Json(http.app.get_user(form.id()?).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = admin_users::CreateForm)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateForm {
    #[schema(example = "jane@example.com")]
    email: String,
    #[serde(default)]
    password: Option<String>,
    name: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<RoleForm>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Fields>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    app_metadata: Option<Fields>,
    #[serde(default)]
    image: Option<String>,
}

/// Makes a member. Nobody is mailed. The fields but address, password, name and role may stand in `data`, as the admin
/// plugin has them.
#[utoipa::path(
    post, path = "/admin/create-user", tag = "admin",
    request_body = CreateForm,
    responses(
        (status = 200, description = "The member", body = UserBody),
        (status = 400, description = "`VALIDATION_ERROR`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`, `YOU_ARE_NOT_ALLOWED_TO_SET_NON_EXISTENT_VALUE`; in a session `USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_CREATE_USERS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 409, description = "By key: `USER_ALREADY_EXISTS`", body = ErrorBody),
    )
)]
pub async fn create(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<UserBody>, ApiError> {
    let authority = who.authority_or(Permission::UsersWrite, denied(CREATE))?;
    let form: CreateForm = authority.read(with_data(form)?)?;
    let new = NewUser {
        email: form.email,
        password: form.password,
        name: forms::name(Some(form.name))?.unwrap_or_default(),
        image: forms::image(form.image)?,
        metadata: forms::metadata(form.metadata)?,
        app_metadata: app_metadata(form.app_metadata)?,
        roles: form.role.map(|role| role.roles(&http)).transpose()?,
        verified: form.email_verified.unwrap_or(false),
    };
    let by_key = authority.key().is_some();
    match http.app.create_user(&who.caller, &authority, new).await {
        Ok(user) => Ok(Json(user.into())),
        Err(AppError::Refused(Refusal::EmailInUse)) => Err(taken(by_key)),
        Err(error) => Err(error.into()),
    }
}

fn taken(by_key: bool) -> ApiError {
    if by_key {
        ApiError::new(StatusCode::CONFLICT, "USER_ALREADY_EXISTS", "User already exists.")
    } else {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
            "User already exists. Use another email.",
        )
    }
}

/// For somebody new: bounded as an update of it is.
fn app_metadata(metadata: Option<Fields>) -> Result<Option<String>, ApiError> {
    const MAX: usize = crate::app::admin::APP_METADATA_MAX;
    let json = forms::metadata(metadata)?;
    match json {
        Some(json) if json.len() > MAX => Err(forms::unfit("appMetadata", "takes at most 4 KB")),
        json => Ok(json),
    }
}

/// What may be changed; every field but the id may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = admin_users::UpdateForm)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateForm {
    #[schema(required)]
    user_id: String,
    #[serde(default)]
    name: Option<String>,
    /// `null` clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    image: Patch<String>,
    /// Merged, key by key; `null` removes a key.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Fields>,
    /// What the app decides about the user: merged likewise.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    app_metadata: Option<Fields>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<RoleForm>,
    #[serde(default)]
    email_verified: Option<bool>,
    /// By key alone.
    #[serde(default)]
    password: Option<String>,
}

/// Changes what is said of a user, and what they may do. The fields but the id may stand in `data`, as the admin plugin has
/// them.
#[utoipa::path(
    post, path = "/admin/update-user", tag = "admin",
    request_body = UpdateForm,
    responses(
        (status = 200, description = "The user", body = AdminUser),
        (status = 400, description = "`VALIDATION_ERROR`, `NO_DATA_TO_UPDATE`, `USER_IS_ANONYMOUS`, `YOU_ARE_NOT_ALLOWED_TO_SET_NON_EXISTENT_VALUE`; in a session `PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_UPDATE_USERS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn update(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<AdminUser>, ApiError> {
    let authority = who.authority_or(Permission::UsersWrite, denied(UPDATE))?;
    let form: UpdateForm = authority.read(with_data(form)?)?;
    if form.password.is_some() && authority.key().is_none() {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "PASSWORD_CANNOT_BE_UPDATED_VIA_UPDATE_USER",
            "Password cannot be updated through update-user. Use the set-user-password endpoint instead",
        ));
    }
    for metadata in [&form.metadata, &form.app_metadata].into_iter().flatten() {
        if forms::poisoned(metadata) {
            return Err(forms::unfit("metadata", "must not name __proto__, constructor or prototype"));
        }
    }
    let changes = UserChanges {
        name: forms::name(form.name)?,
        image: match form.image.into_change() {
            Some(Some(image)) => Some(forms::image(Some(image))?),
            other => other,
        },
        metadata: form.metadata,
        app_metadata: form.app_metadata,
        roles: form.role.map(|role| role.roles(&http)).transpose()?,
        verified: form.email_verified,
        password: form.password,
    };
    if changes.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "NO_DATA_TO_UPDATE", "No data to update"));
    }
    let user = id_of(&form.user_id)?;
    Ok(Json(http.app.administer_user(&who.caller, &authority, user, changes).await?.into()))
}

/// The admin plugin puts what is said of a user into `data`: the same fields, a level deeper.
fn with_data(mut form: Fields) -> Result<Fields, ApiError> {
    match form.remove("data") {
        None | Some(Value::Null) => Ok(form),
        Some(Value::Object(data)) if data.contains_key("userId") || data.contains_key("id") => {
            Err(forms::unfit("data", "must not name a user: the id stands beside it"))
        }
        Some(Value::Object(data)) => {
            form.extend(data);
            Ok(form)
        }
        Some(_) => Err(forms::unfit("data", "must be an object")),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveForm {
    user_id: String,
    /// A member stays, and the answer is 409.
    #[serde(default)]
    only_if_anonymous: Option<bool>,
}

/// Removes a user with their sessions.
#[utoipa::path(
    post, path = "/admin/remove-user", tag = "admin",
    request_body = RemoveForm,
    responses(
        (status = 200, description = "Gone", body = Success),
        (status = 400, description = "`VALIDATION_ERROR`, also for any other key; `YOU_CANNOT_REMOVE_YOURSELF`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_DELETE_USERS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`USER_IS_NOT_ANONYMOUS`, with `onlyIfAnonymous`", body = ErrorBody),
        (status = 429, description = "More than 10 members in 10 minutes by a key without `users.delete.bulk`", body = ErrorBody),
    )
)]
pub async fn remove(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Success>, ApiError> {
    // Whoever may remove members may remove guests.
    let authority = who
        .authority_or(Permission::GuestsDelete, denied(DELETE))
        .or_else(|_| who.authority_or(Permission::UsersDelete, denied(DELETE)))?;
    let form: RemoveForm = authority.read(form)?;
    let only_guest = form.only_if_anonymous.unwrap_or(false);
    match http.app.remove_user(&who.caller, &authority, id_of(&form.user_id)?, only_guest).await {
        Ok(()) => Ok(Json(SUCCESS)),
        Err(AppError::Refused(Refusal::NotAnonymous)) => {
            Err(ApiError::from(Refusal::NotAnonymous).with_status(StatusCode::CONFLICT))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordForm {
    user_id: String,
    new_password: String,
}

/// Gives a member another password. Every session of theirs ends, and they are told by mail.
#[utoipa::path(
    post, path = "/admin/set-user-password", tag = "admin",
    request_body = PasswordForm,
    responses(
        (status = 200, description = "Done", body = Status),
        (status = 400, description = "`USER_IS_ANONYMOUS`, `PASSWORD_TOO_SHORT`, `PASSWORD_TOO_LONG`, `PASSWORD_TOO_COMMON`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_SET_USERS_PASSWORD`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn set_password(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Status>, ApiError> {
    let authority = who.authority_or(Permission::UsersCredentials, denied(PASSWORD))?;
    let form: PasswordForm = authority.read(form)?;
    let changes = UserChanges { password: Some(form.new_password), ..UserChanges::default() };
    http.app.administer_user(&who.caller, &authority, id_of(&form.user_id)?, changes).await?;
    Ok(Json(STATUS_TRUE))
}
