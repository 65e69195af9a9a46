//! Making, looking at, choosing, changing and deleting organizations.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::organization::Slug;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::shape::{Member, Organization, WithMembers};
use super::{Http, WhichForm, Who, on};
use crate::app::organization::{NewOrganization, OrganizationChanges, Which};
use crate::http::forms;
use crate::http::shape::{STATUS_TRUE, Status};
use crate::wire::body::{Body, Query};
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::optional::Patch;

/// Members that come with an organization.
const SHOWN: u32 = 100;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateForm {
    name: String,
    /// One organization each; case makes no second one.
    slug: String,
    #[serde(default)]
    logo: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    keep_current_active_organization: Option<bool>,
}

fn name(name: String) -> Result<String, ApiError> {
    match forms::name(Some(name))? {
        Some(name) if !name.trim().is_empty() => Ok(name),
        _ => Err(forms::unfit("name", "must not be empty")),
    }
}

fn slug(slug: &str) -> Result<Slug, ApiError> {
    Slug::parse(slug).map_err(|_| forms::unfit("slug", "takes 1 to 100 characters"))
}

/// The caller owns it, and works in it from here on. Guests too.
#[utoipa::path(
    post, path = "/organization/create", tag = "organization",
    request_body = CreateForm,
    responses(
        (status = 200, description = "Made", body = WithMembers),
        (status = 400, description = "`ORGANIZATION_ALREADY_EXISTS`, `USER_IS_ANONYMOUS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody),
        (status = 403, description = "`YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS`", body = ErrorBody),
    )
)]
pub async fn create(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<CreateForm>,
) -> Result<Json<WithMembers>, ApiError> {
    on(&who)?;
    let form = NewOrganization {
        name: name(form.name)?,
        slug: slug(&form.slug)?,
        logo: forms::image(form.logo)?,
        metadata: forms::metadata(form.metadata)?,
        keep_active: form.keep_current_active_organization.unwrap_or(false),
    };
    let (organization, member) = http.app.create_organization(&who.caller, who.session()?, form).await?;
    Ok(Json(WithMembers { organization: organization.into(), members: vec![member.into()] }))
}

/// The organizations that the caller is a member of.
#[utoipa::path(
    get, path = "/organization/list", tag = "organization",
    responses((status = 200, description = "Organizations", body = Vec<Organization>), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn list(State(http): State<Http>, who: Who) -> Result<Json<Vec<Organization>>, ApiError> {
    on(&who)?;
    let all = http.app.list_organizations(who.reading()?.0).await?;
    Ok(Json(all.into_iter().map(Organization::from).collect()))
}

/// The same.
#[utoipa::path(
    post, path = "/organization/list", tag = "organization",
    responses((status = 200, description = "Organizations", body = Vec<Organization>), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn list_posted(
    State(http): State<Http>,
    who: Who,
    Body(_): Body<forms::Nothing>,
) -> Result<Json<Vec<Organization>>, ApiError> {
    list(State(http), who).await
}

/// An organization with the first hundred of its members; `null` where the session works in none and none is named.
#[utoipa::path(
    get, path = "/organization/get-full-organization", tag = "organization",
    params(("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query)),
    responses(
        (status = 200, description = "The organization, or `null`", body = Option<WithMembers>),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn full(
    State(http): State<Http>,
    who: Who,
    Query(form): Query<WhichForm>,
) -> Result<Json<Option<WithMembers>>, ApiError> {
    on(&who)?;
    let (presented, hidden) = who.reading()?;
    let full = http.app.full_organization(presented, form.which()?, SHOWN).await?;
    Ok(Json(full.map(|full| WithMembers {
        organization: full.organization.into(),
        members: full.members.into_iter().map(|member| Member::with_user(member, hidden)).collect(),
    })))
}

/// The same.
#[utoipa::path(
    post, path = "/organization/get-full-organization", tag = "organization",
    request_body = WhichForm,
    responses((status = 200, description = "The organization, or `null`", body = Option<WithMembers>), (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody))
)]
pub async fn full_posted(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<WhichForm>,
) -> Result<Json<Option<WithMembers>>, ApiError> {
    full(State(http), who, Query(form)).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveForm {
    /// `null`: in none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    organization_id: Patch<String>,
    #[serde(default)]
    organization_slug: Option<String>,
}

/// The organization that the session works in from here on.
#[utoipa::path(
    post, path = "/organization/set-active", tag = "organization",
    request_body = ActiveForm,
    responses(
        (status = 200, description = "The organization, or `null`", body = Option<Organization>),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn set_active(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<ActiveForm>,
) -> Result<Json<Option<Organization>>, ApiError> {
    on(&who)?;
    let which = match form.organization_id.into_change() {
        Some(None) => None,
        id => {
            let form = WhichForm { organization_id: id.flatten(), organization_slug: form.organization_slug };
            let which = form.which()?;
            // An id counts before a slug.
            Some(Which { slug: which.slug.filter(|_| which.id.is_none()), id: which.id })
        }
    };
    let chosen = http.app.set_active(&who.caller, who.session()?, which).await?;
    Ok(Json(chosen.map(Organization::from)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateForm {
    #[serde(default)]
    organization_id: Option<String>,
    data: UpdateData,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateData {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    slug: Option<String>,
    /// `null` clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    logo: Patch<String>,
    /// The whole of it; `null` clears it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Patch<Map<String, Value>>,
}

/// By an owner or an admin.
#[utoipa::path(
    post, path = "/organization/update", tag = "organization",
    request_body = UpdateForm,
    responses(
        (status = 200, description = "As it is now", body = Organization),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`, `ORGANIZATION_ALREADY_EXISTS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn update(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<UpdateForm>,
) -> Result<Json<Organization>, ApiError> {
    on(&who)?;
    let data = form.data;
    let logo = match data.logo.into_change() {
        Some(Some(logo)) => Some(forms::image(Some(logo))?),
        other => other,
    };
    let metadata = match data.metadata.into_change() {
        Some(metadata) => Some(forms::metadata(metadata)?),
        None => None,
    };
    let changes = OrganizationChanges {
        name: data.name.map(name).transpose()?,
        slug: data.slug.as_deref().map(slug).transpose()?,
        logo,
        metadata,
    };
    let which = WhichForm { organization_id: form.organization_id, organization_slug: None }.which()?;
    Ok(Json(http.app.update_organization(&who.caller, who.session()?, which, changes).await?.into()))
}

/// By an owner.
#[utoipa::path(
    post, path = "/organization/delete", tag = "organization",
    request_body = WhichForm,
    responses(
        (status = 200, description = "As it was", body = Organization),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_ORGANIZATION`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn delete(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<WhichForm>,
) -> Result<Json<Organization>, ApiError> {
    on(&who)?;
    // What is deleted is named.
    if form.organization_id.is_none() {
        return Err(forms::unfit("organizationId", "is required"));
    }
    Ok(Json(http.app.delete_organization(&who.caller, who.session()?, form.which()?).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct SlugForm {
    slug: String,
}

/// Whether an organization could have the slug.
#[utoipa::path(
    post, path = "/organization/check-slug", tag = "organization",
    request_body = SlugForm,
    responses((status = 200, description = "It is free", body = Status), (status = 400, description = "`ORGANIZATION_ALREADY_EXISTS`", body = ErrorBody))
)]
pub async fn check_slug(
    State(http): State<Http>,
    who: Who,
    Body(form): Body<SlugForm>,
) -> Result<Json<Status>, ApiError> {
    on(&who)?;
    who.session()?;
    http.app.slug_is_free(&slug(&form.slug)?).await?;
    Ok(Json(STATUS_TRUE))
}
