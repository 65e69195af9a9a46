//! Invitations: made, repeated and taken back by those who lead; seen and answered by whoever has proven the address.

use axum::Json;
use axum::extract::State;
use chrysalis_domain::EmailAddress;
use chrysalis_projections::invitations::Status;
use serde::Deserialize;
use utoipa::ToSchema;

use super::list::{ListForm, Listed};
use super::shape::{Answered, Invitation, Invited};
use super::{Asked, Roles, changing, hidden, looking, which};
use crate::app::Refusal;
use crate::app::organization::{Asker, NewInvitation};
use crate::http::forms;
use crate::http::state::Http;
use crate::wire::error::{ApiError, ErrorBody};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteForm {
    #[schema(example = "jane@example.com")]
    email: String,
    #[schema(value_type = String)]
    role: Roles,
    #[serde(default)]
    organization_id: Option<String>,
    /// One that is open already is told of again, and stands for seven days from now.
    #[serde(default)]
    resend: Option<bool>,
}

/// Invites whoever reads an address, for seven days; a mail tells them. By an owner or an admin, who have proven an address
/// of their own.
#[utoipa::path(
    post, path = "/organization/invite-member", tag = "organization",
    request_body = InviteForm,
    responses(
        (status = 200, description = "The invitation", body = Invitation),
        (status = 400, description = "`USER_IS_ANONYMOUS`, `VALIDATION_ERROR`, `ROLE_NOT_FOUND`, `USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION`, `USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION`", body = ErrorBody),
        (status = 403, description = "`EMAIL_NOT_VERIFIED`, `YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION`, `YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE`, `INVITATION_LIMIT_REACHED`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 429, description = "More than 20 in an hour", body = ErrorBody),
    )
)]
pub async fn invite_member(
    State(http): State<Http>,
    Asked { who, form }: Asked<InviteForm>,
) -> Result<Json<Invitation>, ApiError> {
    let asker = changing(&who)?;
    let new = NewInvitation {
        email: EmailAddress::parse(&form.email).map_err(|_| Refusal::InvalidEmail)?,
        role: form.role.role()?,
        resend: form.resend.unwrap_or(false),
    };
    let which = which(form.organization_id, None);
    Ok(Json(http.app.invite(&who.caller, &asker, which, &new).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationForm {
    invitation_id: String,
}

/// Takes an invitation back. By an owner or an admin.
#[utoipa::path(
    post, path = "/organization/cancel-invitation", tag = "organization",
    request_body = InvitationForm,
    responses(
        (status = 200, description = "The invitation", body = Invitation),
        (status = 400, description = "`INVITATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
        (status = 409, description = "`INVITATION_ALREADY_ACCEPTED`", body = ErrorBody),
        (status = 410, description = "`INVITATION_EXPIRED`, `INVITATION_REVOKED`", body = ErrorBody),
    )
)]
pub async fn cancel_invitation(
    State(http): State<Http>,
    Asked { who, form }: Asked<InvitationForm>,
) -> Result<Json<Invitation>, ApiError> {
    let invitation = form.invitation_id.parse().ok();
    Ok(Json(http.app.revoke_invitation(&who.caller, &changing(&who)?, invitation).await?.into()))
}

/// The same.
#[utoipa::path(
    post, path = "/organization/revoke-invitation", tag = "organization",
    request_body = InvitationForm,
    responses((status = 200, description = "The invitation", body = Invitation), (status = 400, description = "`INVITATION_NOT_FOUND`", body = ErrorBody))
)]
pub async fn revoke_invitation(http: State<Http>, asked: Asked<InvitationForm>) -> Result<Json<Invitation>, ApiError> {
    cancel_invitation(http, asked).await
}

/// Follows an invitation: the caller is a member, and works there from here on. For whoever has proven the invited address.
#[utoipa::path(
    post, path = "/organization/accept-invitation", tag = "organization",
    request_body = InvitationForm,
    responses(
        (status = 200, description = "The invitation, and the member", body = Answered),
        (status = 400, description = "`INVITATION_NOT_FOUND`, `USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION`, `EMAIL_VERIFICATION_REQUIRED_BEFORE_ACCEPTING_OR_REJECTING_INVITATION`, `YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS`", body = ErrorBody),
        (status = 409, description = "`INVITATION_ALREADY_ACCEPTED`", body = ErrorBody),
        (status = 410, description = "`INVITATION_EXPIRED`, `INVITATION_REVOKED`", body = ErrorBody),
    )
)]
pub async fn accept_invitation(
    State(http): State<Http>,
    Asked { who, form }: Asked<InvitationForm>,
) -> Result<Json<Answered>, ApiError> {
    let invitation = form.invitation_id.parse().ok();
    let (invitation, member) = http.app.accept_invitation(&who.caller, who.session()?, invitation).await?;
    Ok(Json(Answered { invitation: invitation.into(), member: Some(member.into()) }))
}

/// Turns an invitation down. For whoever has proven the invited address.
#[utoipa::path(
    post, path = "/organization/reject-invitation", tag = "organization",
    request_body = InvitationForm,
    responses(
        (status = 200, description = "The invitation", body = Answered),
        (status = 400, description = "`INVITATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION`, `EMAIL_VERIFICATION_REQUIRED_BEFORE_ACCEPTING_OR_REJECTING_INVITATION`", body = ErrorBody),
        (status = 409, description = "`INVITATION_ALREADY_ACCEPTED`", body = ErrorBody),
        (status = 410, description = "`INVITATION_EXPIRED`, `INVITATION_REVOKED`", body = ErrorBody),
    )
)]
pub async fn reject_invitation(
    State(http): State<Http>,
    Asked { who, form }: Asked<InvitationForm>,
) -> Result<Json<Answered>, ApiError> {
    let invitation = form.invitation_id.parse().ok();
    let invitation = http.app.reject_invitation(&who.caller, who.session()?, invitation).await?;
    Ok(Json(Answered { invitation: invitation.into(), member: None }))
}

#[derive(Debug, Deserialize)]
pub struct GetQuery {
    id: String,
}

/// An invitation that can be answered, with what it is to and from whom. For whoever has proven the invited address.
#[utoipa::path(
    get, path = "/organization/get-invitation", tag = "organization",
    params(("id" = String, Query, description = "Invitation id")),
    responses(
        (status = 200, description = "The invitation", body = Invited),
        (status = 400, description = "`INVITATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION`, `EMAIL_VERIFICATION_REQUIRED_FOR_INVITATION`", body = ErrorBody),
        (status = 409, description = "`INVITATION_ALREADY_ACCEPTED`", body = ErrorBody),
        (status = 410, description = "`INVITATION_EXPIRED`, `INVITATION_REVOKED`", body = ErrorBody),
    )
)]
pub async fn get_invitation(
    State(http): State<Http>,
    Asked { who, form }: Asked<GetQuery>,
) -> Result<Json<Invited>, ApiError> {
    let (presented, hidden) = who.reading()?;
    let (invited, inviter) = http.app.invitation(presented, form.id.parse().ok(), who.caller.at).await?;
    Ok(Json(Invited::new(invited, hidden).by(inviter.filter(|_| !hidden))))
}

/// Open invitations for the address that the caller has proven.
#[utoipa::path(
    get, path = "/organization/list-user-invitations", tag = "organization",
    responses(
        (status = 200, description = "Invitations", body = Vec<Invited>),
        (status = 403, description = "`EMAIL_VERIFICATION_REQUIRED_FOR_INVITATION`", body = ErrorBody),
    )
)]
pub async fn list_user_invitations(
    State(http): State<Http>,
    Asked { who, .. }: Asked<forms::Nothing>,
) -> Result<Json<Vec<Invited>>, ApiError> {
    let (presented, hidden) = who.reading()?;
    let invited = http.app.own_invitations(presented, who.caller.at).await?;
    Ok(Json(invited.into_iter().map(|invited| Invited::new(invited, hidden)).collect()))
}

/// Invitations of an organization, newest first, ended ones too. For an owner or an admin.
#[utoipa::path(
    get, path = "/organization/list-invitations", tag = "organization",
    params(
        ("organizationId" = Option<String>, Query), ("organizationSlug" = Option<String>, Query),
        ("status" = Option<String>, Query, description = "`pending`, `accepted`, `rejected`, `canceled`, `expired`"),
        ("limit" = Option<u32>, Query),
    ),
    responses(
        (status = 200, description = "Invitations", body = Listed<Invitation>),
        (status = 400, description = "`NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_LIST_INVITATIONS`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`", body = ErrorBody),
    )
)]
pub async fn list_invitations(
    State(http): State<Http>,
    Asked { who, form }: Asked<ListForm>,
) -> Result<Json<Listed<Invitation>>, ApiError> {
    let asker = looking(&who)?;
    let status = form.status.as_deref().map(status).transpose()?;
    let pages = form.pages()?;
    let page = http.app.invitations(&asker, form.which(), status, pages, who.caller.at).await?;
    let page = page.map(|view| Invitation::new(view, hidden(&who)));
    Ok(Json(match asker {
        Asker::User(_) => Listed::Bare(page.rows),
        Asker::App(..) => page.into(),
    }))
}

/// The same; by key a page at a time.
#[utoipa::path(
    post, path = "/organization/list-invitations", tag = "organization",
    request_body = ListForm,
    responses(
        (status = 200, description = "Invitations", body = Listed<Invitation>),
        (status = 400, description = "`NO_ACTIVE_ORGANIZATION`, `ORGANIZATION_NOT_FOUND`", body = ErrorBody),
        (status = 403, description = "`YOU_ARE_NOT_ALLOWED_TO_LIST_INVITATIONS`, `USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION`, `INSUFFICIENT_PERMISSION`", body = ErrorBody),
    )
)]
pub async fn list_invitations_posted(
    http: State<Http>,
    asked: Asked<ListForm>,
) -> Result<Json<Listed<Invitation>>, ApiError> {
    list_invitations(http, asked).await
}

fn status(said: &str) -> Result<Status, ApiError> {
    Status::from_name(said).ok_or_else(|| forms::unfit("status", "is none that an invitation can have"))
}
