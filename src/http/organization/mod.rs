//! `/organization/*` (CONTRACT 6), by a session.

mod crud;
mod members;
mod refusal;
mod shape;

use chrysalis_domain::organization::Slug;
use serde::Deserialize;
use utoipa::ToSchema;

pub(super) use crud::*;
pub(super) use members::*;
pub(super) use refusal::said;

use super::state::Http;
use super::who::Who;
use crate::app::organization::{Refusal, Which};
use crate::wire::error::ApiError;

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
    fn which(self) -> Result<Which, ApiError> {
        // A slug that none can have is nobody's.
        let slug = self.organization_slug.map(|slug| Slug::parse(&slug).map_err(|_| said(Refusal::NotFound)));
        Ok(Which { id: self.organization_id.map(|id| id.parse().ok()), slug: slug.transpose()? })
    }
}

/// Where organizations are off there is nothing at these paths.
fn on(who: &Who) -> Result<(), ApiError> {
    if who.caller.settings.methods.organization { Ok(()) } else { Err(ApiError::not_found()) }
}
