//! `/organization/*` (CONTRACT 6): by a session, as far as its user's role goes; or by an API key, in the name of the app.

mod crud;
mod invitations;
mod list;
mod members;
mod refusal;
mod shape;

use axum::extract::{FromRequest, FromRequestParts, Request};
use chrysalis_domain::Permission;
use chrysalis_domain::organization::{Role, Slug};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub(super) use crud::*;
pub(super) use invitations::*;
pub(super) use members::*;
pub(super) use refusal::said;

use super::state::Http;
use super::who::{Key, Who};
use crate::app::authority::Authority;
use crate::app::organization::{Asker, Which};
use crate::wire::body::{Body, Fields, Query};
use crate::wire::error::ApiError;
use crate::wire::fields;

/// A call: who asks, and for what. That stands in the query of a GET, else in the body.
pub struct Asked<T> {
    who: Who,
    form: T,
}

impl<T: DeserializeOwned> FromRequest<Http> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, http: &Http) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let who = Who::from_request_parts(&mut parts, http).await?;
        // Where organizations are off there is nothing at these paths.
        if !who.caller.settings.methods.organization {
            return Err(ApiError::not_found().resting_on_settings(true));
        }
        // Who may not ask is not told what is wrong with the question.
        match &who.key {
            Key::Bad => return Err(ApiError::invalid_api_key()),
            // A token that was rotated a moment ago reads, by GET alone (CONTRACT 2.3).
            Key::None if parts.method == Method::GET => who.reading().map(|_| ())?,
            Key::None => who.session().map(|_| ())?,
            Key::Valid(_) => {}
        }
        if parts.method == Method::GET {
            let Query(form) = Query::from_request_parts(&mut parts, http).await?;
            return Ok(Self { who, form });
        }
        let Body(fields): Body<Fields> = Body::from_request(Request::from_parts(parts, body), http).await?;
        let form = match who.valid_key() {
            Some(key) => Authority::of_key(key).read(fields)?,
            None => fields::from_json(fields).map_err(|error| ApiError::validation(vec![error]))?,
        };
        Ok(Self { who, form })
    }
}

/// Who asks to have something changed. A key wins over a session.
fn changing(who: &Who) -> Result<Asker<'_>, ApiError> {
    match by_key(who, Permission::OrganizationsWrite)? {
        Some(app) => Ok(app),
        None => Ok(Asker::User(who.session()?)),
    }
}

/// Who wants to know something.
fn looking(who: &Who) -> Result<Asker<'_>, ApiError> {
    match by_key(who, Permission::OrganizationsRead)? {
        Some(app) => Ok(app),
        None => Ok(Asker::User(who.reading()?.0)),
    }
}

/// Names, addresses and images are not for whoever has a token that was rotated away.
fn hidden(who: &Who) -> bool {
    who.valid_key().is_none() && who.reading().is_ok_and(|(_, hidden)| hidden)
}

fn by_key(who: &Who, permission: Permission) -> Result<Option<Asker<'static>>, ApiError> {
    let Some(key) = who.valid_key() else { return Ok(None) };
    let authority = Authority::of_key(key);
    if !authority.may(permission) {
        return Err(ApiError::insufficient_permission(permission.name()));
    }
    Ok(Some(Asker::App(authority, permission)))
}

/// Which organization is meant; the one that the session works in where neither is said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhichForm {
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    organization_slug: Option<String>,
}

impl WhichForm {
    fn which(self) -> Which {
        which(self.organization_id, self.organization_slug)
    }
}

/// An id counts before a slug.
fn which(id: Option<String>, slug: Option<String>) -> Which {
    let slug = slug.filter(|_| id.is_none());
    // Not as a new one is read: an organization may have one from when more could be taken.
    let slug = slug.map(|slug| Slug::from_stored(slug.trim().to_owned()));
    Which { id: id.map(|id| id.parse().ok()), slug }
}

/// A role as it is said: one, or several of which the strongest counts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Roles {
    One(String),
    Several(Vec<String>),
}

impl Roles {
    fn role(self) -> Result<Role, ApiError> {
        match self {
            Roles::One(role) => self::role(&role),
            Roles::Several(roles) => self::role(&roles.join(",")),
        }
    }
}

fn role(said: &str) -> Result<Role, ApiError> {
    Role::said(said).ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "ROLE_NOT_FOUND", "Role not found"))
}
