//! What is held of a user, as JSON.

use chrysalis_domain::Timestamp;
use chrysalis_domain::id::SealedId;
use chrysalis_projections::accounts::AccountRow;
use chrysalis_projections::invitations::InvitationRow;
use chrysalis_projections::members::MemberRow;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::audit::form::DeedRow;
use crate::app::view::{SessionView, UserView};
use crate::keys::SealKind;
use crate::wire::json_time::JsonTime;

/// Everything that is held of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserExport {
    exported_at: JsonTime,
    person_id: String,
    user: Profile,
    /// The ways in.
    accounts: Vec<Account>,
    memberships: Vec<Membership>,
    invitations: Vec<Invitation>,
    /// Those that ended too.
    sessions: Vec<Session>,
    /// All that was ever said of the user, in the words of then.
    records: Vec<Record>,
    /// What was done with the user.
    audit_log: Vec<DeedRow>,
    /// What the user did with others.
    actions: Vec<DeedRow>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Profile)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    id: String,
    name: Option<String>,
    email: Option<String>,
    email_verified: bool,
    image: Option<String>,
    is_anonymous: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[schema(value_type = Option<Object>)]
    app_metadata: Option<Box<RawValue>>,
    role: String,
    ban: Option<Ban>,
    created_at: JsonTime,
    updated_at: JsonTime,
    last_active_at: JsonTime,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Ban)]
#[serde(rename_all = "camelCase")]
struct Ban {
    reason: Option<String>,
    /// None: until it is lifted.
    until: Option<JsonTime>,
}

impl From<UserView> for Profile {
    fn from(view: UserView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            email: view.email,
            email_verified: view.email_verified,
            image: view.image,
            is_anonymous: view.is_anonymous,
            metadata: view.metadata,
            app_metadata: view.app_metadata,
            role: view.role,
            ban: view.ban.map(|ban| Ban { reason: ban.reason, until: ban.until.map(Into::into) }),
            created_at: view.created_at.into(),
            updated_at: view.updated_at.into(),
            last_active_at: view.last_active_at.into(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Account)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    id: String,
    provider: String,
    /// Issuer and subject of an identity; none of a password.
    subject: Option<String>,
    scopes: Vec<String>,
    created_at: JsonTime,
    updated_at: JsonTime,
}

impl Account {
    pub(super) fn of(row: AccountRow, subject: Option<String>) -> Self {
        Self {
            id: row.account.to_string(),
            provider: row.provider,
            subject,
            scopes: row.scopes,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Membership)]
#[serde(rename_all = "camelCase")]
pub(super) struct Membership {
    id: String,
    organization_id: String,
    role: &'static str,
    created_at: JsonTime,
    updated_at: JsonTime,
}

impl From<MemberRow> for Membership {
    fn from(row: MemberRow) -> Self {
        Self {
            id: row.member.to_string(),
            organization_id: row.organization.to_string(),
            role: row.role.name(),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// One that was made to the address of the user, or that the user followed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Invitation)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invitation {
    id: String,
    organization_id: String,
    role: &'static str,
    status: &'static str,
    created_at: JsonTime,
    expires_at: JsonTime,
}

impl Invitation {
    pub(super) fn of(row: InvitationRow, at: Timestamp) -> Self {
        Self {
            status: row.status_at(at).name(),
            id: row.invitation.to_string(),
            organization_id: row.organization.to_string(),
            role: row.role.name(),
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Session)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    id: String,
    ip_address: String,
    user_agent: String,
    created_at: JsonTime,
    updated_at: JsonTime,
    expires_at: JsonTime,
    ended_at: Option<JsonTime>,
    active_organization_id: Option<String>,
    /// Whoever had it acted as the user.
    impersonated_by: Option<String>,
}

impl Session {
    pub(super) fn of(view: SessionView, ended_at: Option<Timestamp>) -> Self {
        Self {
            id: view.id.to_string(),
            ip_address: view.client.ip,
            user_agent: view.client.ua,
            created_at: view.created_at.into(),
            updated_at: view.updated_at.into(),
            expires_at: view.expires_at.into(),
            ended_at: ended_at.map(Into::into),
            active_organization_id: view.active_organization.map(|id| id.to_string()),
            impersonated_by: view.impersonated_by.map(|by| by.to_string()),
        }
    }
}

/// Something that was said of the user once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = user_export::Record)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    id: String,
    /// `email`, `name`, `client` …
    kind: String,
    /// When it was said.
    at: JsonTime,
    /// A text, or what it holds; null for a secret.
    #[schema(value_type = Object)]
    value: Value,
}

impl Record {
    pub(super) fn of(id: SealedId, kind: &str, known: Option<SealKind>, text: Option<String>) -> Self {
        let millis = i64::try_from(id.ulid().timestamp_ms()).unwrap_or(i64::MAX);
        let value = match (known, text) {
            (Some(SealKind::PasswordHash | SealKind::Secret), _) | (_, None) => Value::Null,
            (Some(SealKind::Metadata | SealKind::AppMetadata | SealKind::Client | SealKind::Details), Some(json)) => {
                without_secrets(serde_json::from_str(&json).unwrap_or(Value::String(json)))
            }
            (_, Some(text)) => Value::String(text),
        };
        Self { id: id.to_string(), kind: kind.to_owned(), at: JsonTime(Timestamp::from_millis(millis)), value }
    }
}

/// With a proof that was asked for stands the hash of the password that came along.
fn without_secrets(mut value: Value) -> Value {
    if let Some(hash) =
        value.get_mut("password").filter(|hash| hash.as_str().is_some_and(|text| text.starts_with("$argon2")))
    {
        *hash = Value::Null;
    }
    value
}
