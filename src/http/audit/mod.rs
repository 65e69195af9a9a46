//! The audit trail (CONTRACT 7.5): read by the page, exported, added to, and told as a list of events. And below `/api/audit`
//! what auditors read of the log itself: its events ([`log`], [`stream`]), and what it says of a user ([`replay`]).

pub mod create;
pub mod events;
pub mod export;
pub mod list;
pub mod log;
pub mod proof;
pub mod replay;
mod stream;
pub mod tile;

use chrysalis_domain::Permission;

use super::who::Who;
use crate::app::authority::Authority;
use crate::wire::error::ApiError;

/// Who may read of one organization, or of all. A key that is good for one organization names it.
fn may(who: &Who, permission: Permission, organization: Option<&str>) -> Result<Authority, ApiError> {
    match organization.and_then(|id| id.parse().ok()) {
        Some(organization) => who.authority_in(permission, organization),
        None => who.authority(permission),
    }
}

/// The organization that a request names, before anything else of it is read.
fn organization(fields: &crate::wire::body::Fields) -> Option<&str> {
    fields.get("organizationId").and_then(serde_json::Value::as_str)
}
