//! Roles, and what they let somebody do.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrysalis_domain::Permission;
use chrysalis_domain::role::{self, ADMIN, Roles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{UserBody, denied, id_of};
use crate::app::admin::UserChanges;
use crate::app::authority::Authority;
use crate::http::state::Http;
use crate::http::who::Who;
use crate::wire::body::{AdminBody, Body, Fields};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::fields;

const SET_ROLE: &str = "YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE";

/// One role, several with commas between, or a list of them.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = admin_roles::RoleForm)]
#[serde(untagged, expecting = "a role or a list of roles")]
pub enum RoleForm {
    One(String),
    Several(Vec<String>),
}

impl RoleForm {
    pub(super) fn roles(self, http: &Http) -> Result<Roles, ApiError> {
        let text = match self {
            RoleForm::One(role) => role,
            RoleForm::Several(roles) => roles.join(","),
        };
        Ok(http.app.known_roles(&text)?)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetRoleForm {
    user_id: String,
    #[schema(value_type = String, example = "admin")]
    role: RoleForm,
}

/// Sets the roles of a member. Each of their sessions has another token when it is next read.
#[utoipa::path(
    post, path = "/admin/set-role", tag = "admin",
    request_body = SetRoleForm,
    responses(
        (status = 200, description = "The user", body = UserBody),
        (status = 400, description = "`USER_IS_ANONYMOUS`, `YOU_ARE_NOT_ALLOWED_TO_SET_NON_EXISTENT_VALUE`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_CHANGE_USERS_ROLE`, `INSUFFICIENT_PERMISSION`, also for a role that may do more", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn set(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<UserBody>, ApiError> {
    let authority = who.authority_or(Permission::UsersRoles, denied(SET_ROLE))?;
    let form: SetRoleForm = authority.read(form)?;
    let changes = UserChanges { roles: Some(form.role.roles(&http)?), ..UserChanges::default() };
    let user = id_of(&form.user_id)?;
    Ok(Json(http.app.administer_user(&who.caller, &authority, user, changes).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionsForm {
    /// Actions by what they are done to: `{"user": ["ban"]}`. All of them must be allowed.
    permissions: BTreeMap<String, Vec<String>>,
    /// Of a user; whoever does not administer asks of themselves.
    #[serde(default)]
    user_id: Option<String>,
    /// Of a role, whoever has it.
    #[serde(default)]
    role: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Allowed {
    #[schema(value_type = Option<String>)]
    error: (),
    success: bool,
}

/// Whether somebody may do this, in the admin plugin's words.
#[utoipa::path(
    post, path = "/admin/has-permission", tag = "admin",
    request_body = PermissionsForm,
    responses(
        (status = 200, description = "Whether", body = Allowed),
        (status = 400, description = "`VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn has_permission(
    State(http): State<Http>,
    who: Who,
    Body(form): AdminBody<Fields>,
) -> Result<Json<Allowed>, ApiError> {
    let authority = match who.authority(Permission::UsersRead) {
        Ok(authority) => Some(authority),
        // Whoever does not administer may ask of themselves.
        Err(error) if error.code() == "FORBIDDEN" => None,
        Err(error) => return Err(error),
    };
    let form: PermissionsForm = match &authority {
        Some(authority) => authority.read(form)?,
        None => fields::from_json(form).map_err(|error| ApiError::validation(vec![error]))?,
    };
    let roles = match (&authority, form.role, form.user_id) {
        (Some(_), Some(role), _) => role,
        (Some(_), None, Some(user)) => http.app.get_user(id_of(&user)?).await?.role,
        (Some(authority), None, None) if authority.key().is_some() => own_role(authority).to_owned(),
        _ => who.session()?.row.user.role.clone(),
    };
    Ok(Json(Allowed { error: (), success: allows(&roles, &form.permissions) }))
}

/// A key that may do all that an administrator may is as good as one.
fn own_role(authority: &Authority) -> &'static str {
    if authority.whole().is_ok() { ADMIN } else { role::USER }
}

/// The statements of the admin plugin: what its role `admin` may do. No other role may do any of it.
const STATEMENTS: [(&str, &[&str]); 2] = [
    (
        "user",
        &[
            "create",
            "list",
            "set-role",
            "ban",
            "impersonate",
            "delete",
            "set-password",
            "set-email",
            "set-phone",
            "get",
            "update",
        ],
    ),
    ("session", &["list", "revoke", "delete"]),
];

fn allows(roles: &str, asked: &BTreeMap<String, Vec<String>>) -> bool {
    let known = |(what, actions): (&String, &Vec<String>)| {
        let known = STATEMENTS.iter().find(|(known, _)| known == what);
        known.is_some_and(|(_, known)| actions.iter().all(|action| known.contains(&action.as_str())))
    };
    role::listed(roles, ADMIN) && !asked.is_empty() && asked.iter().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_administrator_may_do_anything_and_only_what_there_is() {
        let asked = |json: &str| serde_json::from_str::<BTreeMap<String, Vec<String>>>(json).unwrap();
        assert!(allows("editor,admin", &asked(r#"{"user":["ban","get"],"session":["revoke"]}"#)));
        for (roles, pairs) in [
            ("user", r#"{"user":["ban"]}"#),
            ("administrator", r#"{"user":["ban"]}"#),
            ("admin", r#"{"user":["ban","impersonate-admins"]}"#),
            ("admin", r#"{"user":["ban"],"project":["create"]}"#),
            ("admin", "{}"),
        ] {
            assert!(!allows(roles, &asked(pairs)), "{roles} {pairs}");
        }
    }
}
