//! Who may administer (CONTRACT 7.1), in both forms: an API key in `Authorization`, within its permissions; an
//! administrator by a session of their own. A key that is presented wins, also when it is a bad one.
//!
//! `x-api-key` names the project and nothing else: a proxy adds it to every visitor's request, so it gives no authority on
//! any path (SECURITY S27).

use chrysalis_domain::id::{OrganizationId, ProjectId};
use chrysalis_domain::{Permission, Timestamp};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::forms;
use super::state::Http;
use super::who::{Key, Known};
use crate::app::authority::{Authority, ValidKey};
use crate::log::LogFault;
use crate::wire::body::Fields;
use crate::wire::error::ApiError;
use crate::wire::fields;

impl Known {
    /// What the caller may do with the whole project, if this is among it.
    pub fn authority(&self, permission: Permission) -> Result<Authority, ApiError> {
        self.authority_or(permission, ApiError::forbidden)
    }

    /// The same, with what a session is told that does not administer.
    pub fn authority_or(
        &self,
        permission: Permission,
        denied: impl FnOnce() -> ApiError,
    ) -> Result<Authority, ApiError> {
        self.authority_over(permission, None, denied)
    }

    /// What the caller may do with one organization, if this is among it: a key may be bound to one.
    pub fn authority_in(&self, permission: Permission, organization: OrganizationId) -> Result<Authority, ApiError> {
        self.authority_over(permission, Some(organization), ApiError::forbidden)
    }

    fn authority_over(
        &self,
        permission: Permission,
        organization: Option<OrganizationId>,
        denied: impl FnOnce() -> ApiError,
    ) -> Result<Authority, ApiError> {
        match &self.key {
            Key::Valid(key) => {
                let authority = Authority::of_key(key);
                let allowed = authority.reaches(organization) && authority.may(permission);
                allowed.then_some(authority).ok_or_else(|| ApiError::insufficient_permission(permission.name()))
            }
            Key::Bad => Err(ApiError::invalid_api_key()),
            Key::None => Authority::of_session(self.session()?).ok_or_else(denied),
        }
    }
}

impl Authority {
    /// A `projectId` in a request must be that of the project.
    pub(super) fn within_project(&self, fields: &mut Fields) -> Result<(), ApiError> {
        match fields.remove("projectId") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(project)) if project.parse() == Ok(ProjectId::DEFAULT) => Ok(()),
            Some(Value::String(_)) => Err(ApiError::project_scope_mismatch()),
            Some(_) => Err(forms::unfit("projectId", "is no id")),
        }
    }

    /// Reads a request.
    pub(super) fn read<T: DeserializeOwned>(&self, mut fields: Fields) -> Result<T, ApiError> {
        self.within_project(&mut fields)?;
        fields::from_json(fields).map_err(|error| ApiError::validation(vec![error]))
    }
}

/// The project that a request names by `x-api-key`.
pub(super) enum Project {
    Default,
    /// That of this key.
    Of(Box<ValidKey>),
    /// Not the default one, and none that we know: there is no fall-back.
    Unknown,
}

impl Project {
    pub(super) fn key(&self) -> Option<&ValidKey> {
        match self {
            Project::Of(key) => Some(key),
            Project::Default | Project::Unknown => None,
        }
    }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

impl Http {
    pub(super) async fn project(&self, headers: &HeaderMap, now: Timestamp) -> Result<Project, LogFault> {
        let mut sent = headers.get_all(X_API_KEY).iter();
        let Some(named) = sent.next() else { return Ok(Project::Default) };
        let (Ok(secret), None) = (named.to_str(), sent.next()) else { return Ok(Project::Unknown) };
        let found = self.app.identify_key(secret, now).await?;
        Ok(found.map_or(Project::Unknown, |key| Project::Of(Box::new(key))))
    }
}

/// 403 of the admin plugin's: a code, whose words are the message.
pub(super) fn not_allowed(code: &'static str) -> ApiError {
    let mut message = code.to_ascii_lowercase().replace('_', " ");
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}
