//! Making, looking at, choosing, changing and deleting organizations.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::organization::Slug;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::list::{ListForm, Listed};
use super::shape::{Full, Organization, WithMembers};
use super::{Asked, WhichForm, changing, hidden, looking, which};
use crate::app::organization::{Asker, NewOrganization, OrganizationChanges};
use crate::http::forms;
use crate::http::shape::{STATUS_TRUE, Status};
use crate::http::state::Http;
use crate::wire::error::{ApiError, ErrorBody};
use crate::wire::optional::Patch;

/// Members and invitations that come with an organization.
const SHOWN: u32 = 100;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = organization::CreateForm)]
pub struct CreateForm {
    name: String,
    /// 1 to 100 characters that can stand in the path of a URL. One organization each; case makes no second one.
    slug: String,
    #[serde(default)]
    logo: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    keep_current_active_organization: Option<bool>,
    /// By key: whom it is made for. Without one it has no owner until one is added.
    #[serde(default)]
    user_id: Option<String>,
}

fn name(name: String) -> Result<String, ApiError> {
    match forms::name(Some(name))? {
        Some(name) if !name.trim().is_empty() => Ok(name),
        _ => Err(forms::unfit("name", "must not be empty")),
    }
}

fn slug(slug: &str) -> Result<Slug, ApiError> {
    Slug::parse(slug)
        .map_err(|_| forms::unfit("slug", "takes 1 to 100 characters that can stand between the slashes of a URL"))
}

/// The caller owns it, and works in it from here on. Guests too.
#[utoipa::path(
    post, path = "/organization/create", tag = "organization",
    request_body = CreateForm,
    responses(
        (status = 200, description = "Made", body = WithMembers),
        (status = 400, description = "`ORGANIZATION_ALREADY_EXISTS`, `USER_IS_ANONYMOUS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody),
        (status = 403, description = "`YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 404, description = "By key: `USER_NOT_FOUND`", body = ErrorBody),
    )
)]
pub async fn create(
    State(http): State<Http>,
    Asked { who, form }: Asked<CreateForm>,
) -> Result<Json<WithMembers>, ApiError> {
    let asker = changing(&who)?;
    let owner = form.user_id.filter(|_| matches!(asker, Asker::App(..)));
    let form = NewOrganization {
        name: name(form.name)?,
        slug: slug(&form.slug)?,
        logo: forms::image(form.logo)?,
        metadata: forms::metadata(form.metadata)?,
        keep_active: form.keep_current_active_organization.unwrap_or(false),
        owner: owner.map(|id| id.parse().map_err(|_| ApiError::user_not_found())).transpose()?,
    };
    let (organization, member) = http.app.create_organization(&who.caller, &asker, form).await?;
    let members = member.into_iter().map(Into::into).collect();
    Ok(Json(WithMembers { organization: organization.into(), members }))
}

/// The organizations that the caller is a member of; by key all there are, a page at a time.
#[utoipa::path(
    get, path = "/organization/list", tag = "organization",
    responses((status = 200, description = "Organizations", body = Listed<Organization>), (status = 401, description = "`UNAUTHORIZED`", body = ErrorBody))
)]
pub async fn list(
    State(http): State<Http>,
    Asked { who, form }: Asked<ListForm>,
) -> Result<Json<Listed<Organization>>, ApiError> {
    Ok(Json(match looking(&who)? {
        Asker::User(presented) => {
            let own = http.app.own_organizations(presented).await?;
            Listed::Bare(own.into_iter().map(Organization::from).collect())
        }
        asker @ Asker::App(..) => {
            http.app.all_organizations(&asker, form.pages()?).await?.map(Organization::from).into()
        }
    }))
}

/// The same.
#[utoipa::path(
    post, path = "/organization/list", tag = "organization",
    request_body = ListForm,
    responses((status = 200, description = "Organizations", body = Listed<Organization>), (status = 401, description = "`UNAUTHORIZED`, `INVALID_API_KEY`", body = ErrorBody))
)]
pub async fn list_posted(http: State<Http>, asked: Asked<ListForm>) -> Result<Json<Listed<Organization>>, ApiError> {
    list(http, asked).await
}

/// An organization with the first hundred of its members, and for those who lead it the newest invitations; `null` where
/// the session works in none and none is named.
#[utoipa::path(
    get, path = "/organization/get-full-organization", tag = "organization",
    params(("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query)),
    responses(
        (status = 200, description = "The organization, or `null`", body = Option<Full>),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn full(
    State(http): State<Http>,
    Asked { who, form }: Asked<WhichForm>,
) -> Result<Json<Option<Full>>, ApiError> {
    let full = http.app.full_organization(&looking(&who)?, form.which(), SHOWN, who.caller.at).await?;
    Ok(Json(full.map(|full| Full::new(full, hidden(&who)))))
}

/// The same.
#[utoipa::path(
    post, path = "/organization/get-full-organization", tag = "organization",
    request_body = WhichForm,
    responses(
        (status = 200, description = "The organization, or `null`", body = Option<Full>),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn full_posted(http: State<Http>, asked: Asked<WhichForm>) -> Result<Json<Option<Full>>, ApiError> {
    full(http, asked).await
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
    Asked { who, form }: Asked<ActiveForm>,
) -> Result<Json<Option<Organization>>, ApiError> {
    let chosen = match form.organization_id.into_change() {
        Some(None) => None,
        id => Some(which(id.flatten(), form.organization_slug)),
    };
    let chosen = http.app.set_active(&who.caller, who.session()?, chosen).await?;
    Ok(Json(chosen.map(Organization::from)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = organization::UpdateForm)]
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
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`, `NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_ALREADY_EXISTS`, `VALIDATION_ERROR`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn update(
    State(http): State<Http>,
    Asked { who, form }: Asked<UpdateForm>,
) -> Result<Json<Organization>, ApiError> {
    let asker = changing(&who)?;
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
    let which = which(form.organization_id, None);
    Ok(Json(http.app.update_organization(&who.caller, &asker, which, changes).await?.into()))
}

/// By an owner.
#[utoipa::path(
    post, path = "/organization/delete", tag = "organization",
    request_body = WhichForm,
    responses(
        (status = 200, description = "As it was", body = Organization),
        (status = 400, description = "`ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_ORGANIZATION`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn delete(
    State(http): State<Http>,
    Asked { who, form }: Asked<WhichForm>,
) -> Result<Json<Organization>, ApiError> {
    let asker = changing(&who)?;
    // What is deleted is named.
    if form.organization_id.is_none() {
        return Err(forms::unfit("organizationId", "is required"));
    }
    Ok(Json(http.app.delete_organization(&who.caller, &asker, form.which()).await?.into()))
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
    Asked { who, form }: Asked<SlugForm>,
) -> Result<Json<Status>, ApiError> {
    looking(&who)?;
    http.app.slug_is_free(&slug(&form.slug)?).await?;
    Ok(Json(STATUS_TRUE))
}
