//! Organizations, members and invitations as JSON.

use chrysalis_domain::id::{InvitationId, MemberId, OrganizationId, UserId};
use chrysalis_projections::members::MemberRow;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::organization::{self, InvitationView, MemberUser, OrganizationView};
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

/// An organization with members and invitations.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Full {
    #[serde(flatten)]
    organization: WithMembers,
    /// None for those who don't lead it.
    invitations: Vec<Invitation>,
}

impl Full {
    pub fn new(full: organization::Full, hidden: bool) -> Self {
        let members = full.members.into_iter().map(|member| Member::with_user(member, hidden)).collect();
        let invitations = full.invitations.into_iter().map(|view| Invitation::new(view, hidden)).collect();
        Self { organization: WithMembers { organization: full.organization.into(), members }, invitations }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    #[schema(value_type = String)]
    id: InvitationId,
    #[schema(value_type = String)]
    organization_id: OrganizationId,
    /// `null` of one that ended, unless a user followed it: an address is not kept longer than it is needed.
    email: Option<String>,
    role: &'static str,
    /// `pending`, `accepted`, `rejected`, `canceled`, `expired`.
    status: &'static str,
    /// `null`: it was made by key.
    #[schema(value_type = Option<String>)]
    inviter_id: Option<UserId>,
    expires_at: JsonTime,
    created_at: JsonTime,
}

impl Invitation {
    /// With `hidden`, without the address.
    pub fn new(view: InvitationView, hidden: bool) -> Self {
        Self {
            id: view.id,
            organization_id: view.organization,
            email: view.email.filter(|_| !hidden),
            role: view.role.name(),
            status: view.status.name(),
            inviter_id: view.inviter,
            expires_at: view.expires_at.into(),
            created_at: view.created_at.into(),
        }
    }
}

impl From<InvitationView> for Invitation {
    fn from(view: InvitationView) -> Self {
        Self::new(view, false)
    }
}

/// An invitation as whoever was invited sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invited {
    #[serde(flatten)]
    invitation: Invitation,
    organization_name: String,
    organization_slug: String,
    /// Where one invitation is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    inviter_email: Option<Option<String>>,
}

impl Invited {
    pub fn new(invited: organization::Invited, hidden: bool) -> Self {
        Self {
            invitation: Invitation::new(invited.invitation, hidden),
            organization_name: invited.organization.name,
            organization_slug: invited.organization.slug,
            inviter_email: None,
        }
    }

    pub fn by(self, inviter_email: Option<String>) -> Self {
        Self { inviter_email: Some(inviter_email), ..self }
    }
}

/// What came of an answer to an invitation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Answered {
    pub invitation: Invitation,
    pub member: Option<Member>,
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
#[schema(as = organization::Allowed)]
pub struct Allowed {
    #[schema(value_type = Option<String>)]
    pub error: Option<&'static str>,
    pub success: bool,
}
