//! Members: listed, led, removed, leaving.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrysalis_domain::EmailAddress;
use chrysalis_domain::organization::Role;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::shape::{Allowed, Member, Members, OneMember, Organization, RoleBody};
use super::{Http, WhichForm, Who, on};
use crate::app::organization::{self, Whom};
use crate::http::forms;
use crate::wire::body::{Body, Query};
use crate::wire::error::{ApiError, ErrorBody};

/// Members of one page.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 200;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListForm {
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    organization_slug: Option<String>,
    #[serde(default)]
    role: Option<String>,
    /// At most 200; 100 where nothing is said.
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    offset: Option<u32>,
    #[serde(default)]
    filter_field: Option<String>,
    #[serde(default)]
    sort_by: Option<String>,
}

async fn listed(http: &Http, who: &Who, form: ListForm) -> Result<Members, ApiError> {
    on(who)?;
    let (presented, hidden) = who.reading()?;
    // What is not understood is refused: a filter that is dropped lists everybody.
    if form.filter_field.is_some() || form.sort_by.is_some() {
        return Err(forms::unfit("filterField", "members are listed by role alone, the oldest membership first"));
    }
    let role = form.role.as_deref().map(said).transpose()?;
    let which = WhichForm { organization_id: form.organization_id, organization_slug: form.organization_slug };
    let (limit, offset) = (form.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX), form.offset.unwrap_or(0));
    let (members, total) = http.app.members(presented, which.which()?, role, limit, offset).await?;
    let members = members.into_iter().map(|member| Member::with_user(member, hidden)).collect();
    Ok(Members { members, total })
}

/// Members of an organization that the caller is a member of.
#[utoipa::path(
    get, path = "/organization/list-members", tag = "organization",
    params(
        ("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query),
        ("role" = Option<String>, Query), ("limit" = Option<u32>, Query), ("offset" = Option<u32>, Query),
    ),
    responses(
        (status = 200, description = "Members, and how many there are", body = Members),
        (status = 400, description = "`NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn list_members(
    State(http): State<Http>,
    who: Who,
    Query(form): Query<ListForm>,
) -> Result<Json<Members>, ApiError> {
    Ok(Json(listed(&http, &who, form).await?))
}

/// The same, as a bare array.
#[utoipa::path(
    post, path = "/organization/list-members", tag = "organization",
    request_body = ListForm,
    responses((status = 200, description = "Members", body = Vec<Member>), (status = 400, description = "`NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody))
)]
pub async fn list_members_posted(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<ListForm>,
) -> Result<Json<Vec<Member>>, ApiError> {
    Ok(Json(listed(&http, &who, form).await?.members))
}

/// The caller as a member of the organization that the session works in.
#[utoipa::path(
    get, path = "/organization/get-active-member", tag = "organization",
    responses((status = 200, description = "The member", body = Member), (status = 400, description = "`NO_ACTIVE_ORGANIZATION`", body = ErrorBody))
)]
pub async fn active_member(State(http): State<Http>, who: Who) -> Result<Json<Member>, ApiError> {
    on(&who)?;
    Ok(Json(http.app.active_member(who.reading()?.0, WhichForm::default().which()?).await?.into()))
}

/// The caller's role there.
#[utoipa::path(
    get, path = "/organization/get-active-member-role", tag = "organization",
    params(("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query)),
    responses((status = 200, description = "The role", body = RoleBody), (status = 400, description = "`NO_ACTIVE_ORGANIZATION`", body = ErrorBody))
)]
pub async fn active_member_role(
    State(http): State<Http>,
    who: Who,
    Query(form): Query<WhichForm>,
) -> Result<Json<RoleBody>, ApiError> {
    on(&who)?;
    let member = http.app.active_member(who.reading()?.0, form.which()?).await?;
    Ok(Json(RoleBody { role: member.role.name() }))
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
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER`", body = ErrorBody),
    )
)]
pub async fn remove_member(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<MemberForm>,
) -> Result<Json<OneMember>, ApiError> {
    on(&who)?;
    let whom = form.whom()?;
    let which = WhichForm { organization_id: form.organization_id, organization_slug: None }.which()?;
    let member = http.app.remove_member(&who.caller, who.session()?, which, whom).await?;
    Ok(Json(OneMember { member: member.into() }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct RoleForm {
    /// One, or several of which the strongest counts.
    #[schema(value_type = String)]
    role: Roles,
    #[serde(flatten)]
    member: MemberForm,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Roles {
    One(String),
    Several(Vec<String>),
}

fn said(role: &str) -> Result<Role, ApiError> {
    Role::said(role).ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "ROLE_NOT_FOUND", "Role not found"))
}

/// By an owner or an admin; to and from owner by an owner.
#[utoipa::path(
    post, path = "/organization/update-member-role", tag = "organization",
    request_body = RoleForm,
    responses(
        (status = 200, description = "The member as they are now", body = Member),
        (status = 400, description = "`MEMBER_NOT_FOUND`, `ROLE_NOT_FOUND`, `YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER`", body = ErrorBody),
    )
)]
pub async fn update_member_role(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<RoleForm>,
) -> Result<Json<Member>, ApiError> {
    on(&who)?;
    let role = match form.role {
        Roles::One(role) => said(&role)?,
        Roles::Several(roles) => said(&roles.join(","))?,
    };
    let whom = form.member.whom()?;
    let which = WhichForm { organization_id: form.member.organization_id, organization_slug: None }.which()?;
    Ok(Json(http.app.change_member_role(&who.caller, who.session()?, which, whom, role).await?.into()))
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
    who: Who,
    Body(form): Body<WhichForm>,
) -> Result<Json<Organization>, ApiError> {
    on(&who)?;
    Ok(Json(http.app.leave_organization(&who.caller, who.session()?, form.which()?).await?.into()))
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
    who: Who,
    Body(form): Body<PermissionForm>,
) -> Result<Json<Allowed>, ApiError> {
    on(&who)?;
    let which = WhichForm { organization_id: form.organization_id, organization_slug: None }.which()?;
    let member = http.app.active_member(who.session()?, which).await?;
    let permissions: Vec<_> = form.permissions.into_iter().collect();
    Ok(Json(Allowed { error: None, success: organization::allows(member.role, &permissions) }))
}
