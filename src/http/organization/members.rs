//! Members: listed, added, led, removed, leaving.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrysalis_domain::EmailAddress;
use chrysalis_domain::organization::Role;
use serde::Deserialize;
use utoipa::ToSchema;

use super::list::{ListForm, Listed};
use super::shape::{Allowed, Member, OneMember, Organization, RoleBody};
use super::{Asked, Roles, WhichForm, changing, hidden, looking, role, which};
use crate::app::organization::{Asker, Whom};
use crate::http::forms;
use crate::http::state::Http;
use crate::http::who::Key;
use crate::wire::body::Fields;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::fields;

async fn listed(http: &Http, Asked { who, form }: Asked<ListForm>) -> Result<Listed<Member>, ApiError> {
    let (asker, form) = (looking(&who)?, form.plain()?);
    let role = form.role.as_deref().map(role).transpose()?;
    let member = |member| Member::with_user(member, hidden(&who));
    if let Asker::App(..) = asker {
        let pages = form.pages()?;
        return Ok(http.app.members_by_the_page(&asker, form.which(), role, pages).await?.map(member).into());
    }
    let (limit, offset) = (form.limit(), form.offset.unwrap_or(0));
    let (members, total) = http.app.members(&asker, form.which(), role, limit, offset).await?;
    Ok(Listed::Counted { members: members.into_iter().map(member).collect(), total })
}

/// Members of an organization that the caller is a member of.
#[utoipa::path(
    get, path = "/organization/list-members", tag = "organization",
    params(
        ("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query),
        ("role" = Option<String>, Query), ("limit" = Option<u32>, Query), ("offset" = Option<u32>, Query),
    ),
    responses(
        (status = 200, description = "Members, and how many there are", body = Listed<Member>),
        (status = 400, description = "`NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn list_members(State(http): State<Http>, asked: Asked<ListForm>) -> Result<Json<Listed<Member>>, ApiError> {
    Ok(Json(listed(&http, asked).await?))
}

/// The same as a bare array; by key a page at a time.
#[utoipa::path(
    post, path = "/organization/list-members", tag = "organization",
    request_body = ListForm,
    responses(
        (status = 200, description = "Members", body = Listed<Member>),
        (status = 400, description = "`NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn list_members_posted(
    State(http): State<Http>,
    asked: Asked<ListForm>,
) -> Result<Json<Listed<Member>>, ApiError> {
    Ok(Json(match listed(&http, asked).await? {
        Listed::Counted { members, .. } => Listed::Bare(members),
        other => other,
    }))
}

/// The caller as a member of the organization that the session works in.
#[utoipa::path(
    get, path = "/organization/get-active-member", tag = "organization",
    responses((status = 200, description = "The member", body = Member), (status = 400, description = "`NO_ACTIVE_ORGANIZATION`", body = ErrorBody))
)]
pub async fn active_member(
    State(http): State<Http>,
    Asked { who, .. }: Asked<forms::Nothing>,
) -> Result<Json<Member>, ApiError> {
    Ok(Json(http.app.active_member(who.reading()?.0, which(None, None)).await?.into()))
}

/// The caller's role there.
#[utoipa::path(
    get, path = "/organization/get-active-member-role", tag = "organization",
    params(("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query)),
    responses((status = 200, description = "The role", body = RoleBody), (status = 400, description = "`NO_ACTIVE_ORGANIZATION`", body = ErrorBody))
)]
pub async fn active_member_role(
    State(http): State<Http>,
    Asked { who, form }: Asked<WhichForm>,
) -> Result<Json<RoleBody>, ApiError> {
    let member = http.app.active_member(who.reading()?.0, form.which()).await?;
    Ok(Json(RoleBody { role: member.role.name() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddForm {
    organization_id: String,
    user_id: String,
    /// `member` where nothing is said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Roles>,
}

/// By key alone: a user becomes a member without being asked. Guests too.
#[utoipa::path(
    post, path = "/organization/add-member", tag = "organization",
    request_body = AddForm,
    responses(
        (status = 200, description = "The member", body = Member),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`, `USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION`, `ROLE_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "`USER_NOT_FOUND`; `NOT_FOUND` in a session", body = ErrorBody),
    )
)]
pub async fn add_member(
    State(http): State<Http>,
    Asked { who, form: fields }: Asked<Fields>,
) -> Result<Json<Member>, ApiError> {
    let asker = changing(&who)?;
    if let Key::None = who.key {
        return Err(ApiError::not_found());
    }
    let form: AddForm = fields::from_json(fields).map_err(|error| ApiError::validation(vec![error]))?;
    let role = form.role.map_or(Ok(Role::Member), Roles::role)?;
    let user = form.user_id.parse().map_err(|_| ApiError::user_not_found())?;
    let which = which(Some(form.organization_id), None);
    Ok(Json(http.app.add_member(&who.caller, &asker, which, user, role).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberForm {
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    member_id: Option<String>,
    #[serde(default)]
    member_id_or_user_id: Option<String>,
    #[serde(default)]
    member_id_or_email: Option<String>,
}

impl MemberForm {
    fn whom(&self) -> Result<Whom, ApiError> {
        let said = [&self.member_id, &self.member_id_or_user_id, &self.member_id_or_email].into_iter().flatten().next();
        let said = said.ok_or_else(|| forms::unfit("memberId", "is required"))?;
        let member = said.parse().map(Whom::Member).ok();
        let user = || said.parse().map(Whom::User).ok().filter(|_| self.member_id.is_none());
        let email = || EmailAddress::parse(said).map(Whom::Email).ok().filter(|_| self.member_id_or_email.is_some());
        Ok(member.or_else(user).or_else(email).unwrap_or(Whom::Nobody))
    }
}

/// By an owner or an admin; an owner by an owner.
#[utoipa::path(
    post, path = "/organization/remove-member", tag = "organization",
    request_body = MemberForm,
    responses(
        (status = 200, description = "The member as they were", body = OneMember),
        (status = 400, description = "`MEMBER_NOT_FOUND`, `YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn remove_member(
    State(http): State<Http>,
    Asked { who, form }: Asked<MemberForm>,
) -> Result<Json<OneMember>, ApiError> {
    let (asker, whom) = (changing(&who)?, form.whom()?);
    let which = which(form.organization_id, None);
    let member = http.app.remove_member(&who.caller, &asker, which, whom).await?;
    Ok(Json(OneMember { member: member.into() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = organization::RoleForm)]
pub struct RoleForm {
    /// One, or several of which the strongest counts.
    #[schema(value_type = String)]
    role: Roles,
    #[serde(flatten)]
    member: MemberForm,
}

/// By an owner or an admin; to and from owner by an owner.
#[utoipa::path(
    post, path = "/organization/update-member-role", tag = "organization",
    request_body = RoleForm,
    responses(
        (status = 200, description = "The member as they are now", body = Member),
        (status = 400, description = "`MEMBER_NOT_FOUND`, `ROLE_NOT_FOUND`, `YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn update_member_role(
    State(http): State<Http>,
    Asked { who, form }: Asked<RoleForm>,
) -> Result<Json<Member>, ApiError> {
    let asker = changing(&who)?;
    let (role, whom) = (form.role.role()?, form.member.whom()?);
    let which = which(form.member.organization_id, None);
    Ok(Json(http.app.change_member_role(&who.caller, &asker, which, whom, role).await?.into()))
}

/// The caller is a member no more. The only owner stays.
#[utoipa::path(
    post, path = "/organization/leave", tag = "organization",
    request_body = WhichForm,
    responses(
        (status = 200, description = "The organization", body = Organization),
        (status = 400, description = "`YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn leave(
    State(http): State<Http>,
    Asked { who, form }: Asked<WhichForm>,
) -> Result<Json<Organization>, ApiError> {
    Ok(Json(http.app.leave_organization(&who.caller, who.session()?, form.which()).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionForm {
    #[serde(default)]
    organization_id: Option<String>,
    #[schema(value_type = Object)]
    permissions: BTreeMap<String, Vec<String>>,
}

/// Whether the caller's role allows all of it.
#[utoipa::path(
    post, path = "/organization/has-permission", tag = "organization",
    request_body = PermissionForm,
    responses((status = 200, description = "Whether it does", body = Allowed), (status = 400, description = "`NO_ACTIVE_ORGANIZATION`", body = ErrorBody))
)]
pub async fn has_permission(
    State(http): State<Http>,
    Asked { who, form }: Asked<PermissionForm>,
) -> Result<Json<Allowed>, ApiError> {
    let permissions: Vec<_> = form.permissions.into_iter().collect();
    let success = http.app.may(&looking(&who)?, which(form.organization_id, None), &permissions).await?;
    Ok(Json(Allowed { error: None, success }))
}
