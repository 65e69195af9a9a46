//! Organizations and members as JSON.

use chrysalis_domain::id::{MemberId, OrganizationId, UserId};
use chrysalis_projections::members::MemberRow;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::organization::{MemberUser, OrganizationView};
use crate::wire::json_time::JsonTime;

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    #[schema(value_type = String, example = "org_01JD8M4Z5T0123456789ABCDEF")]
    id: OrganizationId,
    name: String,
    slug: String,
    logo: Option<String>,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    created_at: JsonTime,
    updated_at: JsonTime,
}

impl From<OrganizationView> for Organization {
    fn from(view: OrganizationView) -> Self {
        let empty = || RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self {
            id: view.id,
            name: view.name,
            slug: view.slug,
            logo: view.logo,
            metadata: view.metadata.unwrap_or_else(empty),
            created_at: view.created_at.into(),
            updated_at: view.updated_at.into(),
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    #[schema(value_type = String)]
    id: MemberId,
    #[schema(value_type = String)]
    organization_id: OrganizationId,
    #[schema(value_type = String)]
    user_id: UserId,
    role: &'static str,
    created_at: JsonTime,
    updated_at: JsonTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<MemberProfile>,
}

/// The user behind a member.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MemberProfile {
    #[schema(value_type = String)]
    id: UserId,
    name: Option<String>,
    email: Option<String>,
    image: Option<String>,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        Self {
            id: row.member,
            organization_id: row.organization,
            user_id: row.user,
            role: row.role.name(),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            user: None,
        }
    }
}

impl Member {
    /// With `hidden`, without name, address and image: what the holder of a token that was rotated away may see.
    pub fn with_user(member: MemberUser, hidden: bool) -> Self {
        let shown = |value: Option<String>| value.filter(|_| !hidden);
        let user = member.user;
        let (name, email, image) = (shown(user.name), shown(user.email), shown(user.image));
        Self { user: Some(MemberProfile { id: user.id, name, email, image }), ..member.member.into() }
    }
}

/// An organization with members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WithMembers {
    #[serde(flatten)]
    pub organization: Organization,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Members {
    pub members: Vec<Member>,
    pub total: i64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OneMember {
    pub member: Member,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct RoleBody {
    pub role: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Allowed {
    #[schema(value_type = Option<String>)]
    pub error: Option<&'static str>,
    pub success: bool,
}
