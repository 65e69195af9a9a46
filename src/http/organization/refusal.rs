//! How each refusal about organizations is said on the wire, with the codes and words of the better-auth plugin.

use http::StatusCode;

use crate::app::organization::Refusal;
use crate::wire::error::ApiError;

pub fn said(refusal: Refusal) -> ApiError {
    use Refusal as R;
    use StatusCode as S;
    let (status, code, message) = match refusal {
        R::NotFound => (S::BAD_REQUEST, "ORGANIZATION_NOT_FOUND", "Organization not found"),
        R::NotMember => {
            (S::FORBIDDEN, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION", "User is not a member of the organization")
        }
        R::NoActiveOrganization => (S::BAD_REQUEST, "NO_ACTIVE_ORGANIZATION", "No active organization"),
        R::SlugTaken => (S::BAD_REQUEST, "ORGANIZATION_ALREADY_EXISTS", "Organization already exists"),
        R::TooManyOrganizations => (
            S::FORBIDDEN,
            "YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS",
            "You have reached the maximum number of organizations",
        ),
        R::MayNotUpdate => (
            S::FORBIDDEN,
            "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION",
            "You are not allowed to update this organization",
        ),
        R::MayNotDelete => (
            S::FORBIDDEN,
            "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_ORGANIZATION",
            "You are not allowed to delete this organization",
        ),
        R::MayNotRemoveMember => {
            (S::FORBIDDEN, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER", "You are not allowed to delete this member")
        }
        R::MayNotChangeMember => {
            (S::FORBIDDEN, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER", "You are not allowed to update this member")
        }
        R::MayNotInvite => (
            S::FORBIDDEN,
            "YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION",
            "You are not allowed to invite users to this organization",
        ),
        R::MayNotInviteSo => (
            S::FORBIDDEN,
            "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE",
            "You are not allowed to invite a user with this role",
        ),
        R::MayNotCancel => (
            S::FORBIDDEN,
            "YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION",
            "You are not allowed to cancel this invitation",
        ),
        R::MayNotListInvitations => (
            S::FORBIDDEN,
            "YOU_ARE_NOT_ALLOWED_TO_LIST_INVITATIONS",
            "You are not allowed to list invitations for this organization",
        ),
        R::MemberNotFound => (S::BAD_REQUEST, "MEMBER_NOT_FOUND", "Member not found"),
        R::AlreadyMember => (
            S::BAD_REQUEST,
            "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION",
            "User is already a member of this organization",
        ),
        R::OnlyOwner => (
            S::BAD_REQUEST,
            "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER",
            "You cannot leave the organization as the only owner",
        ),
        R::TooManyLeaders => {
            (S::FORBIDDEN, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED", "Organization membership limit reached")
        }
        R::AlreadyInvited => (
            S::BAD_REQUEST,
            "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION",
            "User is already invited to this organization",
        ),
        R::TooManyInvitations => (S::FORBIDDEN, "INVITATION_LIMIT_REACHED", "Invitation limit reached"),
        R::InvitationNotFound => (S::BAD_REQUEST, "INVITATION_NOT_FOUND", "Invitation not found"),
        R::NotRecipient => {
            (S::FORBIDDEN, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION", "You are not the recipient of the invitation")
        }
        R::NotProven => (
            S::FORBIDDEN,
            "EMAIL_VERIFICATION_REQUIRED_BEFORE_ACCEPTING_OR_REJECTING_INVITATION",
            "Email verification required before accepting or rejecting invitation",
        ),
        R::NotProvenToLook => (
            S::FORBIDDEN,
            "EMAIL_VERIFICATION_REQUIRED_FOR_INVITATION",
            "Email verification required to view or list invitations for the session email",
        ),
        R::InvitationAccepted => (S::CONFLICT, "INVITATION_ALREADY_ACCEPTED", "Invitation already accepted"),
        R::InvitationExpired => (S::GONE, "INVITATION_EXPIRED", "Invitation expired"),
        R::InvitationRevoked => (S::GONE, "INVITATION_REVOKED", "Invitation revoked"),
    };
    ApiError::new(status, code, message)
}
