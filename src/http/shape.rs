//! Users and sessions as JSON (CONTRACT 1.3).

use chrysalis_domain::id::{OrganizationId, SessionId, UserId};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::new_session::SignedIn;
use crate::app::view::{SessionView, UserView};
use crate::wire::json_time::JsonTime;

/// A user. `null` stands for what a guest has not said: no placeholder address is made up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    #[schema(value_type = String, example = "usr_01JD8M4Z5T0123456789ABCDEF")]
    id: UserId,
    name: Option<String>,
    email: Option<String>,
    email_verified: bool,
    image: Option<String>,
    is_anonymous: bool,
    /// What the user's own client keeps here; never authorise by it.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// What the app decides about the user.
    #[schema(value_type = Object)]
    app_metadata: Box<RawValue>,
    role: String,
    banned: bool,
    ban_reason: Option<String>,
    #[schema(value_type = Option<String>)]
    ban_expires: Option<JsonTime>,
    two_factor_enabled: bool,
    created_at: JsonTime,
    updated_at: JsonTime,
}

impl User {
    /// With `hidden`, without name, address and image: what the holder of a token that was rotated away may see.
    pub fn new(view: UserView, hidden: bool) -> Self {
        let shown = |value: Option<String>| value.filter(|_| !hidden);
        Self {
            id: view.id,
            name: shown(view.name),
            email: shown(view.email),
            email_verified: view.email_verified,
            image: shown(view.image),
            is_anonymous: view.is_anonymous,
            metadata: view.metadata.unwrap_or_else(empty_object),
            app_metadata: view.app_metadata.unwrap_or_else(empty_object),
            role: view.role,
            banned: view.ban.is_some(),
            ban_expires: view.ban.as_ref().and_then(|ban| ban.until).map(Into::into),
            ban_reason: view.ban.and_then(|ban| ban.reason),
            two_factor_enabled: false,
            created_at: view.created_at.into(),
            updated_at: view.updated_at.into(),
        }
    }
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A session. `token` is the secret only for the session that the caller presented or just got; for any other it
/// repeats the id, which the revoke calls accept: a list hands out no secrets.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    #[schema(value_type = String, example = "ses_01JD8M4Z5T0123456789ABCDEF")]
    id: SessionId,
    token: String,
    #[schema(value_type = String)]
    user_id: UserId,
    expires_at: JsonTime,
    created_at: JsonTime,
    updated_at: JsonTime,
    ip_address: String,
    user_agent: String,
    #[schema(value_type = Option<String>)]
    active_organization_id: Option<OrganizationId>,
    impersonated_by: Option<String>,
}

impl Session {
    pub fn new(view: SessionView, token: Option<&str>) -> Self {
        Self {
            id: view.id,
            token: token.map_or_else(|| view.id.to_string(), str::to_owned),
            user_id: view.user,
            expires_at: view.expires_at.into(),
            created_at: view.created_at.into(),
            updated_at: view.updated_at.into(),
            ip_address: view.client.ip,
            user_agent: view.client.ua,
            active_organization_id: view.active_organization,
            impersonated_by: view.impersonated_by.map(|by| by.to_string()),
        }
    }
}

/// `{session, user}`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionAndUser {
    pub session: Session,
    pub user: User,
}

/// `{token, user, session}`: what every call that opens or renews a session answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SignedInBody {
    pub token: Option<String>,
    pub user: User,
    pub session: Option<Session>,
    /// A guest's session signed in to this account: with the ticket, what the guest did can be moved to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
}

/// A ticket for `/anonymous/transfer`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    ticket: String,
    #[schema(value_type = String)]
    guest_user_id: UserId,
    #[schema(value_type = String)]
    expires_at: JsonTime,
}

impl From<crate::app::transfer::Transfer> for Transfer {
    fn from(transfer: crate::app::transfer::Transfer) -> Self {
        let crate::app::transfer::Transfer { ticket, guest, expires_at } = transfer;
        Self { ticket, guest_user_id: guest, expires_at: expires_at.into() }
    }
}

impl From<SignedIn> for SignedInBody {
    fn from(signed_in: SignedIn) -> Self {
        let SignedIn { session, user, token, transfer, .. } = signed_in;
        Self {
            user: User::new(user, false),
            session: Some(Session::new(session, Some(&token))),
            token: Some(token),
            transfer: transfer.map(Into::into),
        }
    }
}

/// The same, of a call that proved an address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProvenBody {
    #[serde(flatten)]
    pub signed_in: SignedInBody,
    /// The account was somebody's who had not proven the address: it is this caller's now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaimed: Option<bool>,
}

/// `{status: true}`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Status {
    pub status: bool,
}

pub const STATUS_TRUE: Status = Status { status: true };

/// `{success: true}`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Success {
    pub success: bool,
}

pub const SUCCESS: Success = Success { success: true };

/// One way in. `accountId` is the user id for a password, the provider's subject otherwise.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub id: String,
    pub provider_id: String,
    pub account_id: String,
    pub user_id: String,
    pub scopes: Vec<String>,
    pub created_at: JsonTime,
    pub updated_at: JsonTime,
}
