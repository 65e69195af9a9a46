//! The audit trail (CONTRACT 7.5), which says what events mean: read by the page ([`list`]), from a place on ([`feed`]),
//! exported ([`export`]) and added to ([`create`]). And below `/api/audit` what auditors read of the log itself: its events
//! ([`log`], [`stream`]), what was signed of it and what that proves ([`proof`], [`tile`]), and what it says of a user
//! ([`replay`]).

pub mod create;
pub mod export;
pub mod feed;
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
